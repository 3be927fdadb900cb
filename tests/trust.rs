//! Trusted browsers, as a host would call them.

mod host;

use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy, Step};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{
    Assurance, Authenticated, BrowserId, BrowserName, BrowserToken, Code, DeniedReason, DeviceName, EventKind,
    InvalidSettings, Login, Mfa, OsRandom, PrimaryVerified, Registration, Secret, ServerKey, ServerKeys, Session,
    SignedIn, Timestamp, Trust, TrustEnd, TrustRefused, UserId,
};

use host::*;

use Channel::{App, Email};
use FirstRegistration::AfterPassword;

impl Host {
    async fn trust(&self, passed: &Authenticated, policy: &Policy) -> Result<(BrowserToken, BrowserId), TrustRefused> {
        match self.mfa.trust_browser(passed, &BrowserName::new("Firefox").unwrap(), policy).await.unwrap() {
            Trust::Trusted { token, browser, .. } => Ok((token, browser.id)),
            Trust::Refused { reason, .. } => Err(reason),
        }
    }

    /// A user with a device, and a browser that is trusted.
    async fn trusting() -> (Self, Secret, BrowserToken, BrowserId) {
        let host = Self::new();
        let (secret, passed) = host.register_under(&app()).await;
        let (token, browser) = host.trust(&passed, &app()).await.unwrap();
        (host, secret, token, browser)
    }

    async fn is_lifted(&self, policy: &Policy, browser: &BrowserToken) -> bool {
        matches!(self.begin_from(policy, Some(browser)).await, Login::Authenticated(_))
    }
}

fn app() -> Policy {
    Policy::any_of([App], AfterPassword).unwrap().with_trusted_browsers()
}

/// The same cookie once more, as a second tab or a thief sends it.
fn copy(token: &BrowserToken) -> BrowserToken {
    BrowserToken::from_cookie(token.to_cookie().expose_secret()).unwrap()
}

#[tokio::test]
async fn a_trusted_browser_stands_for_the_challenge_and_says_so() {
    let (host, secret, token, browser) = Host::trusting().await;
    let Login::Challenge(asked) = host.begin(&app()).await else { panic!() };
    assert_eq!(asked.next(), [Step::AppCode], "another browser is asked for a code");

    host.events();
    let login = passed(host.begin_from(&app(), Some(&token)).await);
    assert_eq!(login.assurance(), Assurance::TrustedBrowser);
    assert_eq!((login.amr(), login.assurance().acr()), (vec!["pwd"], "0"));
    assert_eq!(login.evidence().trusted_browser, Some((browser, host.clock.time())));
    assert_eq!((login.evidence().app_code, login.evidence().enrolled), (None, None));
    assert_eq!(host.events(), [EventKind::BrowserAccepted { browser, parallel: false }, EventKind::LoginCompleted]);
    assert!(host.is_lifted(&app(), login.browser_token().unwrap()).await, "the next token is good");
    assert_eq!(host.log_in(&secret, &app()).await.assurance(), Assurance::TwoFactor, "nothing was spent");
}

#[tokio::test]
async fn a_login_that_owes_nothing_leaves_the_token_alone() {
    let host = Host::new();
    let off = Policy::off(AfterPassword).with_trusted_browsers();
    let token = BrowserToken::from_cookie(&format!("{}.alice", "a7".repeat(48))).unwrap();
    let login = passed(host.begin_from(&off, Some(&token)).await);
    assert_eq!(login.assurance(), Assurance::FirstFactor);
    assert!(login.browser_token().is_none());
    assert_eq!(host.events(), [EventKind::LoginCompleted]);
}

#[tokio::test]
async fn trust_ends_when_it_was_fixed_to_end_however_often_it_is_used() {
    let (host, _, mut token, _) = Host::trusting().await;
    let [listed] = host.mfa.browsers(&alice()).await.unwrap().try_into().unwrap();
    assert_eq!(listed.until.as_secs() - listed.since.as_secs(), 30 * DAY);
    for _ in 0..29 {
        host.wait(DAY);
        token = copy(passed(host.begin_from(&app(), Some(&token)).await).browser_token().unwrap());
    }
    let [used] = host.mfa.browsers(&alice()).await.unwrap().try_into().unwrap();
    assert_eq!((used.since, used.until, used.last_used_at), (listed.since, listed.until, Some(host.clock.time())));
    host.clock.set(listed.until.as_secs() - 1);
    token = copy(passed(host.begin_from(&app(), Some(&token)).await).browser_token().unwrap());
    host.wait(1);
    host.events();
    assert!(!host.is_lifted(&app(), &token).await);
    assert_eq!(host.events(), [EventKind::BrowserNotTrusted, EventKind::LoginBegun]);
    assert!(host.mfa.browsers(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_host_may_trust_for_less_and_never_for_more() {
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
async fn h04_a_copied_token_ends_the_trust_of_the_thief_and_of_the_browser() {
    // The browser comes first, and the thief with a copy.
    let (host, _, token, browser) = Host::trusting().await;
    let login = passed(host.begin_from(&app(), Some(&token)).await);
    host.wait(10);
    host.events();
    let Login::Challenge(_) = host.begin_from(&app(), Some(&copy(&token))).await else {
        panic!("a copy is good for nothing")
    };
    let ended = EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Reused };
    assert_eq!(host.events(), [ended, EventKind::LoginBegun]);
    assert!(!host.is_lifted(&app(), login.browser_token().unwrap()).await, "it is dead for both");
    assert!(host.mfa.browsers(&alice()).await.unwrap().is_empty());

    // The thief comes first, goes on twice, and the browser tells on it.
    let (host, _, token, browser) = Host::trusting().await;
    let stolen = passed(host.begin_from(&app(), Some(&copy(&token))).await);
    let claims = stolen.session().rotated();
    let stolen = passed(host.begin_from(&app(), stolen.browser_token()).await);
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Valid(_)));
    host.events();
    assert!(!host.is_lifted(&app(), &token).await, "two tokens ago: there is no grace for it");
    let ended = EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Reused };
    assert_eq!(host.events(), [ended, EventKind::LoginBegun]);
    assert!(!host.is_lifted(&app(), stolen.browser_token().unwrap()).await);
    let session = host.mfa.check_session(&claims).await.unwrap();
    assert!(matches!(session, Session::Ended), "what the thief has opened with it ends too");
}

#[tokio::test]
async fn two_tabs_at_once_do_not_lose_the_trust_and_a_copy_gains_nothing_that_lasts() {
    let (host, _, token, browser) = Host::trusting().await;
    let first = passed(host.begin_from(&app(), Some(&token)).await);
    host.wait(9);
    host.events();
    let second = passed(host.begin_from(&app(), Some(&copy(&token))).await);
    assert!(second.browser_token().is_none(), "the cookie stays as the first answer set it");
    assert_eq!(second.assurance(), Assurance::TrustedBrowser);
    assert_eq!(host.events(), [EventKind::BrowserAccepted { browser, parallel: true }, EventKind::LoginCompleted]);
    // The ten seconds are counted from the replacement, not from the last use.
    let next = passed(host.begin_from(&app(), first.browser_token()).await);
    host.wait(9);
    assert!(host.is_lifted(&app(), first.browser_token().unwrap()).await);
    host.wait(1);
    assert!(!host.is_lifted(&app(), first.browser_token().unwrap()).await);
    assert!(!host.is_lifted(&app(), next.browser_token().unwrap()).await);
}

#[tokio::test]
async fn h04_a_token_that_nobody_has_made_is_nothing_and_harms_nobody() {
    let (host, _, token, _) = Host::trusting().await;
    let good = token.to_cookie().expose_secret().to_owned();
    let (series, bearer) = (&good[..32], &good[32..96]);
    host.events();
    for forged in [
        format!("{}{bearer}.alice", "00".repeat(16)),
        format!("{}.alice", "00".repeat(48)),
        format!("{series}{bearer}.bob"),
        format!("{bearer}{series}.alice"),
    ] {
        let forged = BrowserToken::from_cookie(&forged).unwrap();
        if forged.user().as_str() == "bob" {
            // Bob, with a device of his own and the cookie of Alice.
            let primary = PrimaryVerified::assertion(forged.user().clone());
            let login = host.mfa.begin_login_from(primary, contact(), &app(), Some(&forged)).await.unwrap();
            assert!(matches!(login, Login::Enroll(_)), "{login:?}");
        } else {
            assert!(!host.is_lifted(&app(), &forged).await);
        }
        assert_eq!(host.events().first(), Some(&EventKind::BrowserNotTrusted));
    }
    // The cookie of a login is not one of a browser: it is shorter, and another purpose is in its digest.
    assert!(host.is_lifted(&app(), &token).await, "the control: the real one is still good");
}

#[tokio::test]
async fn h04_another_user_does_not_pass_by_it() {
    let (host, _, token, _) = Host::trusting().await;
    let bob = UserId::new("bob").unwrap();
    let login = async |browser: Option<&BrowserToken>| {
        let primary = PrimaryVerified::assertion(bob.clone());
        host.mfa.begin_login_from(primary, contact(), &app(), browser).await.unwrap()
    };
    let Login::Enroll(enroll) = login(None).await else { panic!() };
    let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
    let (code, name) = (host.code(&secret), DeviceName::default());
    let _ = passed(host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap());
    let renamed = token.to_cookie().expose_secret().replace("alice", "bob");
    for token in [copy(&token), BrowserToken::from_cookie(&renamed).unwrap()] {
        assert!(matches!(login(Some(&token)).await, Login::Challenge(_)));
    }
    assert!(host.is_lifted(&app(), &token).await, "and Alice keeps it");
}

#[tokio::test]
async fn h03_h05_only_a_login_that_proved_a_device_makes_a_browser_trusted() {
    let host = Host::new();
    // By mail alone, and by the password alone.
    let email = Policy::any_of([Email], AfterPassword).unwrap().with_trusted_browsers();
    let Login::Challenge(asked) = host.begin(&email).await else { panic!() };
    let code = Code::parse(&host.outbox.last_code().unwrap()).unwrap();
    let by_mail = passed(host.mfa.verify_email_code(asked.flow(), &code, &email).await.unwrap());
    assert_eq!(host.trust(&by_mail, &email).await.err(), Some(TrustRefused::Assurance));
    let off = Policy::off(AfterPassword).with_trusted_browsers();
    let by_password = passed(host.begin(&off).await);
    assert_eq!(host.trust(&by_password, &off).await.err(), Some(TrustRefused::Assurance));

    // By trust: a browser would be trusted for ever.
    let (host, _, token, _) = Host::trusting().await;
    let by_trust = passed(host.begin_from(&app(), Some(&token)).await);
    assert_eq!(host.trust(&by_trust, &app()).await.err(), Some(TrustRefused::Assurance));
    assert_eq!(host.mfa.browsers(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn h05_a_login_is_good_for_trust_while_it_is_fresh_and_nothing_has_changed() {
    let host = Host::new();
    let (secret, passed) = host.register_under(&app()).await;
    host.wait(570);
    assert!(host.trust(&passed, &app()).await.is_ok(), "ten minutes after it");
    host.wait(1);
    assert_eq!(host.trust(&passed, &app()).await.err(), Some(TrustRefused::LoginEnded));
    let passed = host.log_in(&secret, &app()).await;
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert_eq!(host.trust(&passed, &app()).await.err(), Some(TrustRefused::LoginEnded));
}

#[tokio::test]
async fn trust_is_off_unless_the_policy_says_so() {
    let host = Host::new();
    let plain = Policy::any_of([App], AfterPassword).unwrap();
    let (secret, by_plain) = host.register_under(&plain).await;
    assert_eq!(host.trust(&by_plain, &plain).await.err(), Some(TrustRefused::Policy));
    assert_eq!(host.trust(&by_plain, &app()).await.err(), Some(TrustRefused::Policy), "the login was under the other");
    let by_app = host.log_in(&secret, &app()).await;
    assert_eq!(host.trust(&by_app, &plain).await.err(), Some(TrustRefused::Policy));
    assert!(host.trust(&by_app, &app()).await.is_ok());
}

#[tokio::test]
async fn a_stricter_policy_ends_the_trust_and_a_laxer_one_does_not() {
    let both = Policy::all_of([App, Email], AfterPassword).unwrap().with_trusted_browsers();
    let off = Policy::off(AfterPassword).with_trusted_browsers();
    for stricter in [
        both.clone(),
        Policy::any_of([App], AfterPassword).unwrap(),
        Policy::any_of([App], FirstRegistration::WithTicket).unwrap().with_trusted_browsers(),
    ] {
        let (host, _, token, browser) = Host::trusting().await;
        host.events();
        assert!(!host.is_lifted(&stricter, &token).await, "{stricter:?}");
        let ended = EventKind::BrowserTrustEnded { browser, cause: TrustEnd::StricterPolicy };
        assert_eq!(host.events().first(), Some(&ended));
        assert!(!host.is_lifted(&app(), &token).await, "it does not come back with the old policy");
    }
    let (host, _, token, _) = Host::trusting().await;
    assert!(host.is_lifted(&off, &token).await);
    // A login under the laxer policy does not make a trust that the stricter one takes.
    let (host, secret, ..) = Host::trusting().await;
    let by_app = host.log_in(&secret, &app()).await;
    assert_eq!(host.trust(&by_app, &both).await.err(), Some(TrustRefused::Policy));
}

#[tokio::test]
async fn h06_a_change_of_a_factor_or_the_password_ends_the_trust_in_every_browser() {
    // The password.
    let (host, secret, token, _) = Host::trusting().await;
    let (other, _) = host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap();
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert!(!host.is_lifted(&app(), &token).await && !host.is_lifted(&app(), &other).await);
    assert!(host.mfa.browsers(&alice()).await.unwrap().is_empty());

    // A device is added, and one is removed.
    let (host, secret, token, _) = Host::trusting().await;
    let session = SignedIn::assertion(alice());
    let begun = host.mfa.begin_registration(&session, contact(), &app()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    let Registration::Enroll(enroll) =
        host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap()
    else {
        panic!()
    };
    let second = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
    assert!(host.is_lifted(&app(), &token).await, "not before the device is confirmed");
    let (code, name) = (host.code(&second), DeviceName::default());
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap();
    assert!(matches!(done, Registration::Registered(_)));
    assert!(host.mfa.browsers(&alice()).await.unwrap().is_empty());
    host.wait(30);

    let (token, _) = host.trust(&host.log_in(&second, &app()).await, &app()).await.unwrap();
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let _ = host.mfa.remove_device(&session, device, &host.code(&second), contact(), &app()).await.unwrap();
    assert!(!host.is_lifted(&app(), &token).await);
}

#[tokio::test]
async fn h08_trust_lifts_no_registration_no_denial_and_no_lock() {
    // A registration: who lost the device registers anew, from a browser that was trusted as from any other.
    let (host, secret, token, _) = Host::trusting().await;
    let (device, off) = (host.mfa.devices(&alice()).await.unwrap()[0].id, Policy::off(AfterPassword));
    let session = SignedIn::assertion(alice());
    let _ = host.mfa.remove_device(&session, device, &host.code(&secret), contact(), &off).await.unwrap();
    let Login::Challenge(asked) = host.begin_from(&app(), Some(&token)).await else { panic!() };
    assert_eq!(asked.paths()[0].steps(), [Step::EmailCode, Step::EnrollApp]);

    // A lock.
    let (host, secret, token, _) = Host::trusting().await;
    let Login::Challenge(asked) = host.begin(&app()).await else { panic!() };
    for _ in 0..5 {
        let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await.unwrap();
    }
    let before = host.store.record(&alice());
    let login = host.begin_from(&app(), Some(&token)).await;
    assert!(matches!(login, Login::Denied(denied) if matches!(denied.reason, DeniedReason::Locked { .. })));
    assert_eq!(host.store.record(&alice()), before, "and nothing is written while it lasts");

    // Every device is disabled by consecutive wrong codes: a denial that no time cures.
    let (host, secret, token, _) = Host::trusting().await;
    for _ in 0..100 {
        host.wait(3600);
        if let Login::Challenge(asked) = host.begin(&app()).await {
            let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await.unwrap();
        }
    }
    host.wait(3600);
    let login = host.begin_from(&app(), Some(&token)).await;
    assert!(matches!(login, Login::Denied(denied) if denied.reason == DeniedReason::DevicesDisabled));
}

/// A code of a step that lies outside of every window.
fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}

#[tokio::test]
async fn five_browsers_are_trusted_and_the_oldest_makes_way() {
    let (host, secret, first, oldest) = Host::trusting().await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap().0);
    }
    // Use does not make it younger.
    let first = copy(passed(host.begin_from(&app(), Some(&first)).await).browser_token().unwrap());
    host.events();
    tokens.push(host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap().0);
    let displaced = EventKind::BrowserTrustEnded { browser: oldest, cause: TrustEnd::Displaced };
    assert!(host.events().contains(&displaced));
    assert_eq!(host.mfa.browsers(&alice()).await.unwrap().len(), 5);
    assert!(!host.is_lifted(&app(), &first).await);
    for token in &tokens {
        assert!(host.is_lifted(&app(), token).await);
    }
}

#[tokio::test]
async fn a_user_ends_the_trust_in_one_browser_or_in_all() {
    let (host, secret, first, id) = Host::trusting().await;
    let (second, other) = host.trust(&host.log_in(&secret, &app()).await, &app()).await.unwrap();
    let by_trust = passed(host.begin_from(&app(), Some(&first)).await);
    let claims = by_trust.session().rotated();
    let revoked = |browser| EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Revoked };

    assert!(host.mfa.revoke_browser(&alice(), BrowserId::new(99)).await.unwrap().is_empty());
    let events = host.mfa.revoke_browser(&alice(), id).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), [revoked(id)]);
    assert!(!host.is_lifted(&app(), by_trust.browser_token().unwrap()).await);
    let session = host.mfa.check_session(&claims).await.unwrap();
    assert!(matches!(session, Session::Ended), "a session that rests on the trust ends with it");
    let second = copy(passed(host.begin_from(&app(), Some(&second)).await).browser_token().unwrap());

    let events = host.mfa.revoke_browsers(&alice()).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), [revoked(other)]);
    assert!(!host.is_lifted(&app(), &second).await);
    assert!(host.mfa.revoke_browsers(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn h12_the_token_shows_nowhere() {
    let (host, _, token, _) = Host::trusting().await;
    let login = passed(host.begin_from(&app(), Some(&token)).await);
    let next = login.browser_token().unwrap();
    let mut shown = format!("{token:?} {next:?} {login:?} {:?}", host.mfa.status(&alice()).await.unwrap());
    for event in host.log.lock().unwrap().iter() {
        shown.push_str(&format!("{event:?} {event}"));
    }
    for token in [&token, next] {
        let cookie = token.to_cookie();
        let text = cookie.expose_secret();
        let bytes: Vec<u8> = (0..96).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        for part in [&text[..32], &text[32..96]] {
            assert!(!shown.contains(part));
            assert!(format!("{shown}{part}").contains(part), "the control finds it");
        }
        assert!(!shown.contains(format!("{:?}", &bytes[16..]).trim_matches(['[', ']'])));
        let record = host.store.record(&alice()).unwrap();
        assert!(!record.sealed().windows(16).any(|window| window == &bytes[16..32]));
    }
}
