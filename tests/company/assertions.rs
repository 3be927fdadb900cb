//! The host's word that it has checked an external factor: where it counts, and what it is worth.

use factorgate::audit::{CodeFault, Factor};
use factorgate::browser::BrowserName;
use factorgate::limits::Guessing;
use factorgate::testing::SeededRandom;

use super::*;

impl Host {
    /// Reports failed checks of a factor, in logins of their own, until it is disabled.
    pub(super) async fn wear_out(&self, factor: ExternalFactor, policy: &Policy) {
        self.fail_often(Guessing::CONSECUTIVE_CAP, factor, policy).await;
        assert_eq!(self.count(|kind| *kind == EventKind::ExternalDisabled { factor }), 1);
    }

    async fn fail_often(&self, count: u32, factor: ExternalFactor, policy: &Policy) {
        for _ in 0..count {
            let asked = self.challenge_unblocked(policy).await;
            if asked.next() != [Step::External(factor)] {
                let _ = self.assert(asked.flow(), policy, passkey()).await;
            }
            let _ = self.fail(asked.flow(), policy, factor).await;
        }
        self.wait(14 * DAY);
    }

    async fn wear_out_app(&self, secret: &Secret, policy: &Policy) {
        for _ in 0..Guessing::CONSECUTIVE_CAP {
            self.wait(14 * DAY);
            let asked = self.challenge(policy).await;
            let _ = self.app_code(asked.flow(), policy, &wrong(secret)).await;
        }
        self.wait(14 * DAY);
        assert!(self.status().await.devices[0].disabled);
    }
}

fn failed(factor: ExternalFactor, fault: CodeFault) -> EventKind {
    EventKind::CodeRefused { factor: Factor::External(factor), fault }
}

#[tokio::test]
async fn external_factor_is_asked_for_and_worth_what_the_host_checked() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.wait(60);
    let asked = host.challenge(&off()).await;
    assert_eq!(asked.next(), [Step::External(passkey())], "also if nothing is enforced");
    let checked = host.checked(passkey());
    host.wait(5);
    host.events();
    let passed = done(host.assert_checked(asked.flow(), &off(), checked).await);
    let accepted = EventKind::CodeAccepted { factor: Factor::External(passkey()) };
    assert_eq!(host.events(), [accepted, EventKind::LoginCompleted]);
    let evidence = passed.evidence();
    assert_eq!(evidence.amr(), ["pwd", "hwk", "user", "mfa"]);
    assert_eq!(evidence.assurance(), Assurance::PhishingResistant);
    assert_eq!(evidence.assurance().acr(), "urn:factorgate:acr:phishing-resistant");
    assert!(Assurance::PhishingResistant > Assurance::TwoFactor);
    assert_eq!(evidence.external, [checked]);
    assert_eq!(host.status().await.external[0].last_used_at, Some(secs(NOW + 65)));

    let claims = host.open(passed);
    let text = claims.to_text();
    assert!(text.contains(&format!(";at={};", NOW + 65)), "{text}");
    assert!(text.contains(&format!(";external=phishing-resistant:passkey:hwk+user@{};", NOW + 60)), "{text}");
    assert_eq!(SessionClaims::from_text(&text).unwrap(), claims);

    let host = Host::new();
    host.bind(push()).await;
    let claims = host.by_external(push(), &off()).await;
    assert_eq!(claims.evidence().assurance(), Assurance::TwoFactor);
    assert_eq!(claims.evidence().amr(), ["pwd", "otp", "user", "mfa"]);
}

#[tokio::test]
async fn all_required_factors_are_asked_for_and_named() {
    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let all = Policy::all_of([App, External(passkey()), External(push())], AfterPassword).unwrap();
    let login = host.challenge(&all).await;
    let open = host.assert(login.flow(), &all, passkey()).await;
    assert!(matches!(open, Outcome::Challenge(_)), "{open:?}");
    let enroll = enrolling(host.assert(login.flow(), &all, push()).await);
    let code = host.code(&secret_of(&enroll));
    let claims = host.open(done(host.confirm(login.flow(), &all, &code).await));
    assert_eq!(claims.evidence().amr(), ["pwd", "otp", "user", "hwk", "mfa"], "each value once");
    assert_eq!(claims.evidence().assurance(), Assurance::PhishingResistant);
    assert_eq!(SessionClaims::from_text(&claims.to_text()).unwrap(), claims);
}

#[tokio::test]
async fn assertion_counts_only_if_its_step_is_open() {
    let host = Host::new();
    let secret = host.register().await;
    let login = host.challenge(&app()).await;
    for factor in [passkey(), push()] {
        let before = host.store.record(&alice());
        assert_eq!(refusal(&host.assert(login.flow(), &app(), factor).await), Some(Refusal::NotOpen));
        assert_eq!(host.last_event(), EventKind::StepNotOpen { step: Step::External(factor) });
        assert_eq!(refusal(&host.fail(login.flow(), &app(), factor).await), Some(Refusal::NotOpen));
        assert_eq!(host.store.record(&alice()), before, "nothing was spent");
    }
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    let _ = host.app_code(registration.flow(), &session, &host.code(&secret)).await;
    host.open(done(host.assert(registration.flow(), &session, passkey()).await));

    // The user has it, and it is not asked for: the device is, and the policy lets nothing replace it.
    host.wait(30);
    let login = host.challenge(&app()).await;
    assert_eq!(login.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.assert(login.flow(), &app(), passkey()).await), Some(Refusal::NotOpen));
    let lenient = app_or_passkey();
    let half_way = host.assert(login.flow(), &lenient, passkey()).await;
    assert_eq!(refusal(&half_way), Some(Refusal::NotOpen), "a laxer policy changes no open flow");
    let login = host.challenge(&lenient).await;
    assert_eq!(login.next(), [Step::External(passkey()), Step::AppCode]);
    let stranger = ExternalFactor::possession("passkey").unwrap();
    let other = ExternalEvidence::assertion(stranger, [Method::OneTimePassword], host.clock.time()).unwrap();
    let refused = host.assert_checked(login.flow(), &lenient, other).await;
    assert_eq!(refusal(&refused), Some(Refusal::NotOpen), "the same name is not the same factor");
    let _ = done(host.assert(login.flow(), &lenient, passkey()).await);
    let again = host.assert(login.flow(), &lenient, passkey()).await;
    assert_eq!(denied(&again), Some(Refusal::FlowEnded), "a flow is completed once");
}

#[tokio::test]
async fn assertion_alone_opens_no_session() {
    let (host, elsewhere) = (Host::new(), Host::with(|builder| builder.random(SeededRandom::new(99))));
    host.bind(passkey()).await;
    elsewhere.bind(passkey()).await;
    let forged = FlowRef::<Login>::from_cookie(&elsewhere.challenge(&off()).await.flow().to_cookie()).unwrap();
    assert_eq!(denied(&host.assert(&forged, &off(), passkey()).await), Some(Refusal::FlowEnded));
    // The e-mail code is asked for all the same.
    let both = Policy::all_of([Email, External(passkey())], AfterPassword).unwrap();
    let login = host.challenge(&both).await;
    let open = asked(host.assert(login.flow(), &both, passkey()).await);
    assert_eq!(open.next(), [Step::EmailCode]);
    let passed = done(host.email_code(open.flow(), &both, &host.mailed()).await);
    assert_eq!(passed.evidence().amr(), ["pwd", "hwk", "user", "mfa"]);
    // A user without it is refused, whatever the host asserts.
    let enforced = Policy::any_of([External(passkey())], WithTicket).unwrap();
    assert!(is_denied_for(&Host::new().begin(&enforced).await, DenyReason::NoExternalFactor));
}

#[tokio::test]
async fn check_before_the_flow_or_in_the_future_does_not_count() {
    let host = Host::new();
    host.bind(passkey()).await;
    let early = host.checked(passkey());
    host.wait(1);
    let login = host.challenge(&off()).await;
    let future = ExternalEvidence::assertion(passkey(), [Method::HardwareKey], secs(NOW + 2)).unwrap();
    let before = host.store.record(&alice());
    for checked in [early, future] {
        let refused = host.assert_checked(login.flow(), &off(), checked).await;
        assert_eq!(refusal(&refused), Some(Refusal::NotFresh));
        assert_eq!(host.last_event(), failed(passkey(), CodeFault::Expired));
    }
    assert_eq!(host.store.record(&alice()), before, "nothing was spent");
    let _ = done(host.assert(login.flow(), &off(), passkey()).await);
}

#[tokio::test]
async fn failed_checks_have_a_budget_of_their_own() {
    let (host, secret) = Host::with_both(passkey()).await;
    let policy = app_or_passkey();
    for _ in 1..5 {
        let login = host.challenge(&policy).await;
        let again = asked(host.fail(login.flow(), &policy, passkey()).await);
        assert_eq!(again.refusal(), Some(Refusal::WrongCode));
        assert_eq!(host.last_event(), failed(passkey(), CodeFault::Wrong));
        let _ = host.app_code(again.flow(), &policy, &wrong(&secret)).await;
    }
    let login = host.challenge(&policy).await;
    assert!(is_locked(&host.fail(login.flow(), &policy, passkey()).await));
    assert!(is_locked(&host.assert(login.flow(), &policy, passkey()).await), "a right one is refused, too");
    assert!(is_in(&host.app_code(login.flow(), &policy, &host.code(&secret)).await), "the app is not locked");
    let login = host.challenge(&policy).await;
    host.wait(60);
    let _ = done(host.assert(login.flow(), &policy, passkey()).await);
}

#[tokio::test]
async fn successful_check_resets_the_failures_of_its_factor() {
    let host = Host::new();
    host.bind(passkey()).await;
    for _ in 0..2 {
        host.fail_often(Guessing::CONSECUTIVE_CAP - 1, passkey(), &off()).await;
        assert!(!host.status().await.external[0].disabled);
        host.by_external(passkey(), &off()).await;
    }
}

#[tokio::test]
async fn factor_that_failed_a_hundred_times_stays_disabled_until_it_is_registered_again() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.wear_out(passkey(), &off()).await;
    host.wait(10 * 365 * DAY);
    assert!(host.status().await.external[0].disabled);
    assert_eq!(denied(&host.begin(&off()).await), Some(Refusal::DeviceDisabled));
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    host.open(done(host.begin(&off()).await));
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    let _ = host.send_email(registration.flow(), &session).await;
    let _ = host.email_code(registration.flow(), &session, &host.mailed()).await;
    host.open(done(host.assert(registration.flow(), &session, passkey()).await));
    host.by_external(passkey(), &off()).await;
}

#[tokio::test]
async fn phishing_resistant_factor_steps_up_and_a_weaker_one_does_not() {
    for (factor, next) in [(passkey(), vec![Step::External(passkey()), Step::AppCode]), (push(), vec![Step::AppCode])] {
        let (host, secret) = Host::with_both(factor).await;
        let claims = host.log_in(&secret, &off()).await;
        let session = host.session_of(&claims, &off()).await;
        let step_up = host.step_up_asked(&session).await;
        assert_eq!(step_up.next(), next);
        let outcome = host.assert(step_up.flow(), &session, factor).await;
        if factor == push() {
            assert_eq!(refusal(&outcome), Some(Refusal::NotOpen));
            continue;
        }
        let elevated = done(outcome);
        assert_eq!(elevated.evidence().assurance(), Assurance::PhishingResistant);
        assert_eq!(elevated.evidence().amr(), ["pwd", "otp", "hwk", "user", "mfa"]);
        let raised = elevated.session().claims().clone();
        assert_eq!(raised.auth_time(), host.clock.time());
        host.wait(10);
        let session = host.session_of(&raised, &off()).await;
        assert!(is_in(&host.step_up(&session, Duration::from_secs(10)).await), "it is fresh for a while");
        assert!(!is_in(&host.step_up(&session, Duration::from_secs(9)).await));
        // A device that is lost can be removed.
        let device = host.device_ids().await[0];
        let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn claims_of_a_check_are_compared_with_the_record() {
    let host = Host::new();
    host.bind(passkey()).await;
    let claims = host.by_external(passkey(), &off()).await;
    host.wait(60);
    let minute = Duration::from_secs(60);
    assert!(is_in(&host.step_up(&host.session().await, minute).await), "the control");
    let edited = |from: &str, to: &str| {
        let text = claims.to_text();
        assert!(text.contains(from));
        SessionClaims::from_text(&text.replace(from, to)).unwrap()
    };
    let later = edited(&format!("@{NOW}"), &format!("@{}", NOW + 60));
    let later = host.session_of(&later, &off()).await;
    assert!(!is_in(&host.step_up(&later, minute).await), "the record knows no such use");
    let unknown = edited("phishing-resistant:passkey", "phishing-resistant:other");
    assert_eq!(host.check(&unknown, &off()).await.session().err(), Some(Refusal::StepsOwed));
    host.wait(1);
    assert!(!is_in(&host.step_up(&host.session().await, minute).await));
}

#[tokio::test]
async fn browser_is_trusted_after_a_check() {
    let policy = off().with_trusted_browsers();
    let host = Host::new();
    host.bind(passkey()).await;
    host.by_external(passkey(), &policy).await;
    let session = host.session_under(&policy).await;
    let token = host.mfa.profile(&session).trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap().unwrap();
    let cookie = token.to_cookie();
    let trusted = host.open(done(host.begin_from(&policy, Some(&cookie)).await));
    assert_eq!(trusted.evidence().assurance(), Assurance::TrustedBrowser);
    assert_eq!(trusted.evidence().amr(), ["pwd"]);
    let session = host.session_under(&policy).await;
    let raised = host.open(host.elevated_by(&session, passkey()).await);
    assert_eq!(raised.evidence().trusted_browser, None, "the session no longer rests on the browser");
    host.bind_another(passkey(), push()).await;
    let login = host.begin_from(&policy, Some(&cookie)).await;
    assert!(matches!(login, Outcome::Challenge(_)), "a new factor ends the trust");
}

#[tokio::test]
async fn recovered_session_trusts_no_browser_though_a_check_was_made() {
    let both = Policy::all_of([App, External(push())], AfterPassword).unwrap().with_trusted_browsers();
    let (host, secret) = Host::with_both(push()).await;
    let codes = host.recovery_codes(&secret).await;
    let login = host.challenge(&both).await;
    assert!(matches!(host.assert(login.flow(), &both, push()).await, Outcome::Challenge(_)));
    let claims = host.open(done(host.recovery_code(login.flow(), &both, &codes[1]).await));
    assert_eq!(claims.evidence().assurance(), Assurance::TwoFactor);
    let owing = host.owing(&claims, &both).await;
    assert_eq!(host.check(&claims, &both).await.session().err(), Some(Refusal::StepsOwed));
    let begun = host.begin_completion(&owing).await;
    let flow = begun.flow().unwrap();
    let enroll = enrolling(host.register_app(flow, &owing).await);
    host.open(done(host.confirm(flow, &owing, &host.code(&secret_of(&enroll))).await));
    let session = host.session_under(&both).await;
    let trusted = host.mfa.profile(&session).trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap();
    assert!(trusted.is_ok(), "the control: {trusted:?}");
}

#[tokio::test]
async fn nothing_shown_or_logged_contains_an_address_or_a_token() {
    let host = Host::new();
    host.bind(passkey()).await;
    let login = host.challenge(&off()).await;
    let failed = host.fail(login.flow(), &off(), passkey()).await;
    let token = login.flow().to_cookie();
    let outcome = host.assert(login.flow(), &off(), passkey()).await;
    let (status, log) = (host.status().await, host.log.lock().unwrap());
    let shown = format!("{login:?}{failed:?}{outcome:?}{status:?}{log:?}");
    for secret in [&token[8..40], "alice@example.com"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
        assert!(format!("{shown}{secret}").contains(secret), "the control finds it");
    }
}

#[tokio::test]
async fn passkey_replaces_a_disabled_device_without_an_administrator() {
    let (host, secret) = Host::with_both(passkey()).await;
    let policy = app_or_passkey();
    host.wear_out_app(&secret, &policy).await;
    let login = host.challenge(&policy).await;
    assert_eq!(login.next(), [Step::External(passkey())], "the disabled device is not asked for");
    host.open(done(host.assert(login.flow(), &policy, passkey()).await));
    let device = host.device_ids().await[0];

    // The passkey is verified, and a new device replaces it.
    let session = host.session_under(&policy).await;
    let registration = asked(host.begin_registration(&session).await);
    assert_eq!(registration.next(), [Step::External(passkey())]);
    let _ = enrolling(host.assert(registration.flow(), &session, passkey()).await);
    let enroll = enrolling(host.replace_app(registration.flow(), &session, device).await);
    let code = host.code(&secret_of(&enroll));
    let claims = host.open(done(host.confirm(registration.flow(), &session, &code).await));
    assert_eq!(host.device_ids().await.len(), 1);
    assert!(matches!(host.check(&claims, &policy).await, SessionCheck::Valid(_)));

    // Or it is removed on a step-up.
    let (host, secret) = Host::with_both(passkey()).await;
    host.wear_out_app(&secret, &policy).await;
    host.by_external(passkey(), &policy).await;
    let elevated = host.elevated_by(&host.session_under(&policy).await, passkey()).await;
    let device = host.device_ids().await[0];
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    assert_eq!(host.challenge(&policy).await.next(), [Step::External(passkey())]);
}

/// What the session has proved counts however old it is, unless a device is registered.
#[tokio::test]
async fn completion_asks_for_what_is_missing_alone() {
    let (host, secret) = Host::with_both(passkey()).await;
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let login = host.challenge(&both).await;
    let _ = host.email_code(login.flow(), &both, &host.mailed()).await;
    let claims = host.open(done(host.app_code(login.flow(), &both, &host.code(&secret)).await));
    host.wait(3600);
    let all = Policy::all_of([App, Email, External(passkey())], AfterPassword).unwrap();
    let owing = host.owing(&claims, &all).await;
    let sent = host.outbox.sent().len();
    let completion = asked(host.begin_completion(&owing).await);
    assert_eq!((completion.next(), host.outbox.sent().len()), (&[Step::External(passkey())][..], sent));
    let completed = host.open(done(host.assert(completion.flow(), &owing, passkey()).await));
    assert!(matches!(host.check(&completed, &all).await, SessionCheck::Valid(_)));
}
