//! Trusted browsers, as a host calls them.

mod host;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use factorgate::audit::{EventKind, TrustEnd};
use factorgate::browser::{BrowserId, BrowserName, BrowserToken};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::limits::InvalidSettings;
use factorgate::login::Assurance;
use factorgate::mail::Notice;
use factorgate::otp::Secret;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy, Step};
use factorgate::session::SessionCheck;
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{Authenticated, Contact, EmailAddress, Login, Mfa, Outcome, PrimaryVerified, Refusal, SessionClaims};

use host::*;

use Channel::{App, Email};
use FirstRegistration::AfterPassword;

impl Host {
    /// Trusts the browser of this session, and returns its cookie.
    async fn trust(&self, claims: &SessionClaims, policy: &Policy) -> Result<String, Refusal> {
        let (session, name) = (self.session_of(claims, policy).await, BrowserName::new("Firefox").unwrap());
        let token = self.mfa.profile(&session).trust_browser(&name).await.unwrap()?;
        Ok(token.to_cookie())
    }

    /// A user with a device, and the cookie of a trusted browser.
    async fn trusting() -> (Self, Secret, String, BrowserId) {
        let host = Self::new();
        let (secret, claims) = host.register_under(&app()).await;
        let cookie = host.trust(&claims, &app()).await.unwrap();
        let browser = host.status().await.browsers[0].id;
        (host, secret, cookie, browser)
    }

    async fn begin_trusted(&self, cookie: &str) -> Authenticated {
        done(self.begin_from(&app(), Some(cookie)).await)
    }

    async fn is_trusted(&self, policy: &Policy, cookie: &str) -> bool {
        is_in(&self.begin_from(policy, Some(cookie)).await)
    }

    async fn browsers(&self) -> usize {
        self.status().await.browsers.len()
    }
}

fn app() -> Policy {
    host::app().with_trusted_browsers()
}

/// The cookie that the answer sets.
fn next(passed: &Authenticated) -> String {
    passed.browser().expect("each use replaces the token").to_cookie()
}

fn ended(browser: BrowserId, cause: TrustEnd) -> EventKind {
    EventKind::BrowserTrustEnded { browser, cause }
}

/// The name and the bearer token in a cookie.
fn parts(cookie: &str) -> (Vec<u8>, Vec<u8>) {
    let bytes = URL_SAFE_NO_PAD.decode(cookie).unwrap();
    (bytes[1..17].to_vec(), bytes[17..49].to_vec())
}

/// The cookie of these parts.
fn forge(series: &[u8], bearer: &[u8], user: &str) -> String {
    let cookie = URL_SAFE_NO_PAD.encode([&[2], series, bearer, user.as_bytes()].concat());
    assert_eq!(BrowserToken::from_cookie(&cookie).unwrap().user().as_str(), user);
    cookie
}

#[tokio::test]
async fn trusted_browser_replaces_the_challenge_and_the_claims_say_so() {
    let (host, secret, cookie, browser) = Host::trusting().await;
    assert_eq!(host.challenge(&app()).await.next(), [Step::AppCode], "another browser is asked for a code");

    host.events();
    let passed = host.begin_trusted(&cookie).await;
    let evidence = passed.evidence();
    assert_eq!((evidence.assurance(), evidence.amr()), (Assurance::TrustedBrowser, vec!["pwd"]));
    assert_eq!(evidence.assurance().acr(), "0");
    assert_eq!(evidence.trusted_browser, Some((browser, host.clock.time())));
    assert_eq!((evidence.app_code, evidence.registered), (None, None));
    assert_eq!(host.events(), [EventKind::BrowserAccepted { browser, parallel: false }, EventKind::LoginCompleted]);
    assert!(host.is_trusted(&app(), &next(&passed)).await, "the next token is accepted");
    let claims = host.log_in(&secret, &app()).await;
    assert_eq!(claims.evidence().assurance(), Assurance::TwoFactor, "no code was spent");
}

#[tokio::test]
async fn login_that_owes_nothing_leaves_the_token_alone() {
    let cookie = Host::trusting().await.2;
    let host = Host::new();
    let passed = done(host.begin_from(&off().with_trusted_browsers(), Some(&cookie)).await);
    assert_eq!(passed.evidence().assurance(), Assurance::FirstFactor);
    assert!(passed.browser().is_none());
    assert_eq!(host.events(), [EventKind::LoginCompleted]);
}

#[tokio::test]
async fn trust_ends_at_its_fixed_time_however_often_it_is_used() {
    let (host, _, mut cookie, _) = Host::trusting().await;
    let listed = host.status().await.browsers.remove(0);
    assert_eq!(listed.until.as_secs() - listed.since.as_secs(), 30 * DAY);
    for _ in 0..29 {
        host.wait(DAY);
        cookie = next(&host.begin_trusted(&cookie).await);
    }
    let used = host.status().await.browsers.remove(0);
    assert_eq!((used.since, used.until, used.last_used_at), (listed.since, listed.until, Some(host.clock.time())));
    host.clock.set(listed.until.as_secs() - 1);
    let passed = host.begin_trusted(&cookie).await;
    assert!(passed.browser().is_some());
    host.wait(1);
    host.events();
    assert!(!host.is_trusted(&app(), &next(&passed)).await);
    assert_eq!(host.events(), [EventKind::LoginBegun], "it is known still");
    assert_eq!(host.browsers().await, 0);
}

#[tokio::test]
async fn trust_lifetime_is_at_most_thirty_days() {
    let build = |secs| {
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
        builder.trust_lifetime(Duration::from_secs(secs)).build().err()
    };
    assert_eq!((build(60), build(30 * DAY)), (None, None));
    for secs in [0, 59, 30 * DAY + 1] {
        assert_eq!(build(secs), Some(InvalidSettings::TrustLifetime), "{secs}");
    }
}

#[tokio::test]
async fn copied_token_ends_the_trust_of_the_thief_and_of_the_browser() {
    // The browser comes first, and the thief with a copy.
    let (host, _, cookie, browser) = Host::trusting().await;
    let passed = host.begin_trusted(&cookie).await;
    host.wait(10);
    host.events();
    assert_eq!(asked(host.begin_from(&app(), Some(&cookie)).await).next(), [Step::AppCode], "a copy opens nothing");
    assert_eq!(host.events(), [ended(browser, TrustEnd::Reused), EventKind::LoginBegun]);
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::BrowserTokenReused));
    assert!(!host.is_trusted(&app(), &next(&passed)).await, "the trust ended for both");
    assert_eq!(host.browsers().await, 0);

    // The thief comes first, continues twice, and the browser shows it.
    let (host, _, cookie, browser) = Host::trusting().await;
    let stolen = host.begin_trusted(&cookie).await;
    let again = next(&stolen);
    let claims = host.open(stolen);
    let stolen = host.begin_trusted(&again).await;
    assert!(matches!(host.check(&claims, &app()).await, SessionCheck::Valid(_)));
    host.events();
    assert!(!host.is_trusted(&app(), &cookie).await, "two tokens ago: there is no parallel use of it");
    assert_eq!(host.events(), [ended(browser, TrustEnd::Reused), EventKind::LoginBegun]);
    assert!(!host.is_trusted(&app(), &next(&stolen)).await);
    let check = host.check(&claims, &app()).await;
    assert!(matches!(check, SessionCheck::Ended), "what the thief opened with it ends too: {check:?}");
}

#[tokio::test]
async fn two_tabs_at_once_keep_the_trust_for_ten_seconds() {
    let (host, _, cookie, browser) = Host::trusting().await;
    let first = host.begin_trusted(&cookie).await;
    host.wait(9);
    host.events();
    let second = host.begin_trusted(&cookie).await;
    assert!(second.browser().is_none(), "the cookie stays as the first answer set it");
    assert_eq!(second.evidence().assurance(), Assurance::TrustedBrowser);
    assert_eq!(host.events(), [EventKind::BrowserAccepted { browser, parallel: true }, EventKind::LoginCompleted]);
    // The 10 seconds are counted from the replacement, not from the last use.
    let after = host.begin_trusted(&next(&first)).await;
    host.wait(9);
    assert!(host.is_trusted(&app(), &next(&first)).await);
    host.wait(1);
    assert!(!host.is_trusted(&app(), &next(&first)).await);
    assert!(!host.is_trusted(&app(), &next(&after)).await);
}

#[tokio::test]
async fn forged_token_opens_nothing_and_ends_no_trust() {
    let (host, _, cookie, _) = Host::trusting().await;
    let (series, bearer) = parts(&cookie);
    host.events();
    for forged in [
        forge(&[0; 16], &bearer, "alice"),
        forge(&[0; 16], &[0; 32], "alice"),
        forge(&bearer[..16], &[&bearer[16..], &series[..]].concat(), "alice"),
    ] {
        assert!(!host.is_trusted(&app(), &forged).await);
        assert_eq!(host.events().first(), Some(&EventKind::BrowserNotTrusted));
    }
    // The cookie of a flow is none of a browser.
    let flow = host.challenge(&app()).await.flow().to_cookie();
    assert!(BrowserToken::from_cookie(&flow).is_err());
    assert!(!host.is_trusted(&app(), &flow).await);
    assert!(host.is_trusted(&app(), &cookie).await, "the control: the real one is still accepted");
}

#[tokio::test]
async fn token_of_one_user_is_none_of_another() {
    let (host, _, cookie, _) = Host::trusting().await;
    let login = async |cookie: Option<&str>| {
        let primary = PrimaryVerified::assertion(row_of("bob")).from_browser(cookie);
        host.mfa.begin_login(primary, &app()).await.unwrap()
    };
    let (series, bearer) = parts(&cookie);
    let renamed = forge(&series, &bearer, "bob");
    // Bob has no device yet.
    assert!(matches!(login(Some(&renamed)).await, Outcome::Enroll(_)));
    let enroll = enrolling(login(None).await);
    let code = host.code(&secret_of(&enroll));
    let _ = done(host.confirm(enroll.challenge().flow(), &app(), &code).await);
    for cookie in [&cookie, &renamed] {
        assert_eq!(asked(login(Some(cookie)).await).next(), [Step::AppCode]);
    }
    assert!(host.is_trusted(&app(), &cookie).await, "and Alice keeps it");
}

#[tokio::test]
async fn session_without_a_device_proof_trusts_no_browser() {
    let host = Host::new();
    // By e-mail alone, and by the password alone.
    let email = email().with_trusted_browsers();
    let asked = host.challenge(&email).await;
    let by_mail = host.open(done(host.email_code(asked.flow(), &email, &host.mailed()).await));
    assert_eq!(host.trust(&by_mail, &email).await.err(), Some(Refusal::TrustNotAllowed));
    let off = off().with_trusted_browsers();
    let by_password = host.open(done(host.begin(&off).await));
    assert_eq!(host.trust(&by_password, &off).await.err(), Some(Refusal::TrustNotAllowed));

    // By trust: a browser would be trusted forever.
    let (host, _, cookie, _) = Host::trusting().await;
    let by_trust = host.open(host.begin_trusted(&cookie).await);
    assert_eq!(host.trust(&by_trust, &app()).await.err(), Some(Refusal::TrustNotAllowed));
    assert_eq!(host.browsers().await, 1);
}

#[tokio::test]
async fn device_proof_is_good_for_trust_for_ten_minutes() {
    let host = Host::new();
    let (secret, claims) = host.register_under(&app()).await;
    host.wait(570);
    assert!(host.trust(&claims, &app()).await.is_ok(), "10 minutes after it");
    host.wait(1);
    assert_eq!(host.trust(&claims, &app()).await.err(), Some(Refusal::TrustNotAllowed));
    // A later proof in the same session counts.
    let raised = host.open(host.elevated(&secret).await);
    assert!(host.trust(&raised, &app()).await.is_ok());
}

#[tokio::test]
async fn ended_session_trusts_no_browser() {
    let host = Host::new();
    let (_, claims) = host.register_under(&app()).await;
    let session = host.session_of(&claims, &app()).await;
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    let refused = host.mfa.profile(&session).trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::SessionEnded));
    assert_eq!(host.browsers().await, 0);
}

#[tokio::test]
async fn trust_is_refused_unless_the_policy_allows_it() {
    let host = Host::new();
    let (_, claims) = host.register_under(&host::app()).await;
    assert_eq!(host.trust(&claims, &host::app()).await.err(), Some(Refusal::TrustNotAllowed));
    assert!(host.trust(&claims, &app()).await.is_ok());
}

#[tokio::test]
async fn stricter_policy_ends_the_trust_and_a_laxer_one_does_not() {
    let both = Policy::all_of([App, Email], AfterPassword).unwrap().with_trusted_browsers();
    for stricter in [both.clone(), host::app(), with_ticket().with_trusted_browsers()] {
        let (host, _, cookie, browser) = Host::trusting().await;
        host.events();
        assert!(!host.is_trusted(&stricter, &cookie).await, "{stricter:?}");
        assert_eq!(host.events().first(), Some(&ended(browser, TrustEnd::StricterPolicy)));
        assert!(!host.is_trusted(&app(), &cookie).await, "it does not come back with the old policy");
    }
    let (host, _, cookie, _) = Host::trusting().await;
    assert!(host.is_trusted(&off().with_trusted_browsers(), &cookie).await);
    // A session that proved less than the stricter policy asks for cannot trust a browser under it.
    let (host, secret, ..) = Host::trusting().await;
    let claims = host.log_in(&secret, &app()).await;
    assert_eq!(host.check(&claims, &both).await.session().err(), Some(Refusal::StepsOwed));
}

#[tokio::test]
async fn changed_row_ends_the_trust() {
    // Reported: every browser at once.
    let (host, secret, cookie, _) = Host::trusting().await;
    let other = host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap();
    host.set_password("password 2");
    host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
    assert!(!host.is_trusted(&app(), &cookie).await && !host.is_trusted(&app(), &other).await);
    assert_eq!(host.browsers().await, 0);

    // Not reported: each browser when it comes back.
    for change in [
        |host: &Host| host.set_password("password 2"),
        |host: &Host| host.set_contact(Contact::verified(EmailAddress::new("new@example.com").unwrap())),
    ] {
        let (host, _, cookie, browser) = Host::trusting().await;
        change(&host);
        host.events();
        assert!(!host.is_trusted(&app(), &cookie).await);
        assert_eq!(host.events().first(), Some(&ended(browser, TrustEnd::AccountChanged)));
        host.set_password("password 1");
        host.set_contact(contact());
        assert!(!host.is_trusted(&app(), &cookie).await, "it does not come back with the old row");
    }
}

#[tokio::test]
async fn changed_factor_ends_the_trust() {
    let (host, secret, cookie, _) = Host::trusting().await;
    let session = host.session().await;
    let asked = asked(host.begin_registration(&session).await);
    let enroll = enrolling(host.app_code(asked.flow(), &session, &host.code(&secret)).await);
    let second = secret_of(&enroll);
    let passed = host.begin_trusted(&cookie).await;
    let cookie = next(&passed);
    host.open(done(host.confirm(asked.flow(), &session, &host.code(&second)).await));
    assert_eq!(host.browsers().await, 0, "a device was added");
    assert!(!host.is_trusted(&app(), &cookie).await);
    host.wait(30);

    let cookie = host.trust(&host.log_in(&second, &app()).await, &app()).await.unwrap();
    let elevated = host.elevated(&second).await;
    let device = host.device_ids().await[0];
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    assert!(!host.is_trusted(&app(), &cookie).await, "a device was removed");
}

#[tokio::test]
async fn trust_replaces_no_registration_and_no_denial() {
    // A registration: a user without a device registers again, from a browser that was trusted as from any other.
    let (host, secret, cookie, _) = Host::trusting().await;
    let elevated = host.elevated(&secret).await;
    let device = host.device_ids().await[0];
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    assert_eq!(login.paths()[0].steps(), [Step::EmailCode, Step::EnrollApp]);

    // A lock is no denial.
    let (host, secret, cookie, _) = Host::trusting().await;
    let login = host.challenge(&app()).await;
    for _ in 0..5 {
        let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
    }
    assert!(is_locked(&host.begin(&app()).await));
    assert!(host.is_trusted(&app(), &cookie).await, "it is one of unknown browsers");

    // A disabled device: a denial that no time lifts.
    let (host, secret, cookie, _) = Host::trusting().await;
    for _ in 0..100 {
        host.wait(14 * DAY);
        if let Outcome::Challenge(login) = host.begin(&app()).await {
            let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
        }
    }
    host.wait(3600);
    let login: Outcome<Login> = host.begin_from(&app(), Some(&cookie)).await;
    assert_eq!(denied(&login), Some(Refusal::DeviceDisabled));
}

#[tokio::test]
async fn sixth_browser_displaces_the_oldest() {
    let (host, secret, first, oldest) = Host::trusting().await;
    let mut cookies = Vec::new();
    for _ in 0..4 {
        cookies.push(host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap());
    }
    // Its use does not make it younger.
    let first = next(&host.begin_trusted(&first).await);
    host.events();
    cookies.push(host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap());
    let (events, newest) = (host.events(), host.status().await.browsers[4].id);
    assert!(events.contains(&ended(oldest, TrustEnd::Displaced)));
    assert!(events.contains(&EventKind::BrowserTrusted { browser: newest }));
    assert_eq!(host.browsers().await, 5);
    assert!(!host.is_trusted(&app(), &first).await);
    for cookie in &cookies {
        assert!(host.is_trusted(&app(), cookie).await);
    }
}

#[tokio::test]
async fn user_ends_the_trust_in_one_browser_or_in_all() {
    let (host, secret, first, id) = Host::trusting().await;
    let claims = host.log_in(&secret, &app()).await;
    let second = host.trust(&claims, &app()).await.unwrap();
    let by_trust = host.begin_trusted(&first).await;
    let first = next(&by_trust);
    let by_trust = host.open(by_trust);
    let session = host.session_of(&claims, &app()).await;
    let profile = host.mfa.profile(&session);

    assert_eq!(profile.revoke_browser(BrowserId::new(99)).await.unwrap().err(), Some(Refusal::Unknown));
    host.events();
    profile.revoke_browser(id).await.unwrap().unwrap();
    assert_eq!(host.events(), [ended(id, TrustEnd::Revoked)]);
    assert!(!host.is_trusted(&app(), &first).await);
    let check = host.check(&by_trust, &app()).await;
    assert!(matches!(check, SessionCheck::Ended), "a session that rests on the trust ends with it: {check:?}");
    let second = next(&host.begin_trusted(&second).await);

    let continued = host.open(profile.sign_out_elsewhere().await.unwrap().unwrap());
    assert!(!host.is_trusted(&app(), &second).await);
    assert_eq!(host.browsers().await, 0);
    assert!(host.holds(&continued).await);
}

#[tokio::test]
async fn token_is_shown_and_stored_nowhere() {
    let (host, _, cookie, _) = Host::trusting().await;
    let passed = host.begin_trusted(&cookie).await;
    let token = BrowserToken::from_cookie(&cookie).unwrap();
    let mut shown = format!("{token:?} {:?} {passed:?} {:?}", passed.browser(), host.status().await);
    for event in host.log.lock().unwrap().iter() {
        shown.push_str(&format!("{event:?} {event}"));
    }
    let record = host.store.record(&alice()).unwrap();
    for cookie in [cookie, next(&passed)] {
        let (series, bearer) = parts(&cookie);
        assert!(!shown.contains(&cookie) && !shown.contains(&cookie[24..64]));
        for part in [&series, &bearer] {
            assert!(!shown.contains(format!("{part:?}").trim_matches(['[', ']'])));
            assert!(!record.sealed().windows(16).any(|window| window == &part[..16]));
        }
        assert!(format!("{shown}{cookie}").contains(&cookie[24..64]), "the control finds it");
    }
}

#[tokio::test]
async fn expired_trust_makes_no_browser_give_way() {
    let (host, secret, _, _) = Host::trusting().await;
    for _ in 0..4 {
        host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap();
    }
    host.wait(30 * DAY);
    host.events();
    host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap();
    let ends = host.events().iter().any(|kind| matches!(kind, EventKind::BrowserTrustEnded { .. }));
    assert!(!ends && host.browsers().await == 1);
}
