//! The host's word that it has checked a factor: where it counts, and what it is worth.

use factorgate::policy::DenyReason;
use factorgate::{BrowserName, Change, CodeFault, Factor, FailureBudget, Trust, TrustRefused};

use super::*;

impl Host {
    /// Reports failed checks of a factor, on logins of their own, until it is disabled.
    pub(super) async fn wear_out(&self, factor: ExternalFactor, policy: &Policy) {
        self.fail_often(FailureBudget::CONSECUTIVE_CAP, factor, policy).await;
        assert_eq!(self.count(|kind| *kind == EventKind::ExternalDisabled { factor }), 1);
    }

    async fn fail_often(&self, count: u32, factor: ExternalFactor, policy: &Policy) {
        for _ in 0..count {
            let asked = loop {
                match self.begin(policy).await {
                    Login::Challenge(asked) => break asked,
                    _ => self.wait(3600),
                }
            };
            if asked.next() != [Step::External(factor)] {
                let _ = self.assert(asked.flow(), passkey(), policy).await;
            }
            let _ = self.fail(asked.flow(), factor, policy).await;
        }
        self.wait(3600);
    }

    async fn wear_out_app(&self, secret: &Secret, policy: &Policy) {
        for _ in 0..FailureBudget::CONSECUTIVE_CAP {
            let asked = loop {
                match self.begin(policy).await {
                    Login::Challenge(asked) => break asked,
                    _ => self.wait(3600),
                }
            };
            let _ = self.mfa.verify_app_code(asked.flow(), &wrong(secret), policy).await.unwrap();
        }
        self.wait(3600);
        assert!(self.mfa.devices(&alice()).await.unwrap()[0].disabled);
    }

    async fn trust(&self, passed: &Authenticated, policy: &Policy) -> Trust {
        self.mfa.trust_browser(passed, &BrowserName::new("Firefox").unwrap(), policy).await.unwrap()
    }
}

#[tokio::test]
async fn a_factor_that_is_held_is_asked_for_and_is_worth_what_the_host_has_checked() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.wait(60);
    let asked = host.challenge(&off()).await;
    assert_eq!(asked.next(), [Step::External(passkey())], "also where nothing is enforced");
    let checked = host.checked(passkey());
    host.wait(5);
    let login = passed(host.mfa.assert_external(asked.flow(), &checked, &off()).await.unwrap());
    assert_eq!((login.assurance(), login.amr()), (Assurance::PhishingResistant, vec!["pwd", "hwk", "user", "mfa"]));
    assert_eq!(login.assurance().acr(), "urn:factorgate:acr:phishing-resistant");
    assert!(Assurance::PhishingResistant > Assurance::TwoFactor);
    assert_eq!(login.evidence().external, [checked]);
    let kinds: Vec<_> = login.events().iter().map(|event| event.kind.clone()).collect();
    let accepted = EventKind::CodeAccepted { factor: Factor::External(passkey()) };
    assert_eq!(kinds, [accepted, EventKind::LoginCompleted]);
    assert_eq!(host.status().await.external[0].last_used_at, Some(secs(NOW + 65)));

    let kept = claims(&login);
    assert_eq!(
        kept.to_text(),
        format!("fgs1;epoch=1;at={0};external=phishing-resistant:passkey:hwk+user@{1};user=alice", NOW + 65, NOW + 60)
    );
    assert_eq!((kept.amr(), kept.assurance()), (login.amr(), login.assurance()));
    assert_eq!(SessionClaims::from_text(&kept.to_text()).unwrap(), kept);

    let host = Host::new();
    host.bind(push()).await;
    let login = host.by_external(push(), &off()).await;
    assert_eq!((login.assurance(), login.amr()), (Assurance::TwoFactor, vec!["pwd", "otp", "user", "mfa"]));
}

#[tokio::test]
async fn two_factors_of_the_host_and_a_device_are_all_asked_for_and_all_named() {
    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let all = Policy::all_of([App, External(passkey()), External(push())], AfterPassword).unwrap();
    let asked = host.challenge(&all).await;
    let mut open = host.assert(asked.flow(), passkey(), &all).await;
    assert!(matches!(open, Login::Challenge(_)), "{open:?}");
    open = host.assert(asked.flow(), push(), &all).await;
    let Login::Enroll(enroll) = open else { panic!("{open:?}") };
    let (secret, name) = (secret_of(&enroll), DeviceName::default());
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &host.code(&secret), &name, &all).await.unwrap();
    let login = passed(done);
    assert_eq!(login.amr(), ["pwd", "otp", "user", "hwk", "mfa"], "each value once");
    assert_eq!(login.assurance(), Assurance::PhishingResistant);
    let kept = claims(&login);
    assert_eq!(SessionClaims::from_text(&kept.to_text()).unwrap(), kept);
}

#[tokio::test]
async fn e05_it_counts_where_its_step_is_open_now_and_nowhere_else() {
    let stranger = ExternalFactor::possession("passkey").unwrap();
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    for factor in [passkey(), push()] {
        let before = host.store.record(&alice());
        assert_eq!(refusal(&host.assert(asked.flow(), factor, &app()).await), Some(Refusal::NotOpen));
        assert_eq!(host.last_event(), EventKind::StepNotOpen { step: Step::External(factor) });
        assert_eq!(refusal(&host.fail(asked.flow(), factor, &app()).await), Some(Refusal::NotOpen));
        assert_eq!(host.store.record(&alice()), before, "nothing was spent");
    }
    let Registration::Challenge(open) = host.begin_registration(&off()).await else { panic!() };
    let _ = host.mfa.verify_app_code(open.flow(), &host.code(&secret), &off()).await.unwrap();
    registered(host.mfa.register_external(open.flow(), &host.checked(passkey()), &off()).await.unwrap());

    // Held, and not asked for: the user's own device is, and the policy lets nothing stand in for it.
    host.wait(30);
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.assert(asked.flow(), passkey(), &app()).await), Some(Refusal::NotOpen));
    let lenient = app_or_passkey();
    assert_eq!(refusal(&host.assert(asked.flow(), passkey(), &lenient).await), Some(Refusal::NotOpen), "not half-way");
    let asked = host.challenge(&lenient).await;
    assert_eq!(asked.next(), [Step::External(passkey()), Step::AppCode]);
    let other = ExternalEvidence::assertion(stranger, [Method::OneTimePassword], host.clock.time()).unwrap();
    let login = host.mfa.assert_external(asked.flow(), &other, &lenient).await.unwrap();
    assert_eq!(refusal(&login), Some(Refusal::NotOpen), "the same name is not the same factor");
    let _ = passed(host.assert(asked.flow(), passkey(), &lenient).await);
    let again = host.assert(asked.flow(), passkey(), &lenient).await;
    assert_eq!(denied(&again), Some(DeniedReason::FlowEnded), "a flow is completed once");
}

#[tokio::test]
async fn e07_it_passes_nobody_by_itself() {
    let host = Host::new();
    host.bind(passkey()).await;
    let forged = LoginRef::from_cookie(&format!("{}.alice", "00".repeat(32))).unwrap();
    assert_eq!(denied(&host.assert(&forged, passkey(), &off()).await), Some(DeniedReason::FlowEnded));
    // The e-mail code is asked for all the same.
    let both = Policy::all_of([Email, External(passkey())], AfterPassword).unwrap();
    let asked = host.challenge(&both).await;
    let login = host.assert(asked.flow(), passkey(), &both).await;
    let Login::Challenge(open) = login else { panic!("{login:?}") };
    assert_eq!(open.next(), [Step::EmailCode]);
    let login = passed(host.mfa.verify_email_code(open.flow(), &host.mailed(), &both).await.unwrap());
    assert_eq!(login.amr(), ["pwd", "hwk", "user", "mfa"]);
    // And a user who holds none is refused, whatever the host asserts.
    let host = Host::new();
    let enforced = Policy::any_of([External(passkey())], WithTicket).unwrap();
    let Some(DeniedReason::Policy(denial)) = denied(&host.begin(&enforced).await) else { panic!() };
    assert_eq!(denial.reason, DenyReason::NoExternalFactor);
}

#[tokio::test]
async fn c08_a_check_of_another_time_does_not_count() {
    let host = Host::new();
    host.bind(passkey()).await;
    let early = host.checked(passkey());
    host.wait(1);
    let asked = host.challenge(&off()).await;
    let future = ExternalEvidence::assertion(passkey(), [Method::HardwareKey], secs(NOW + 2)).unwrap();
    let before = host.store.record(&alice());
    for checked in [early, future] {
        let login = host.mfa.assert_external(asked.flow(), &checked, &off()).await.unwrap();
        assert_eq!(refusal(&login), Some(Refusal::NotFresh));
        let fault = CodeFault::Expired;
        assert_eq!(host.last_event(), EventKind::CodeRefused { factor: Factor::External(passkey()), fault });
    }
    assert_eq!(host.store.record(&alice()), before, "nothing was spent");
    let at_once = host.checked(passkey());
    let _ = passed(host.mfa.assert_external(asked.flow(), &at_once, &off()).await.unwrap());
}

#[tokio::test]
async fn b09_failed_checks_and_wrong_codes_spend_one_budget() {
    let (host, secret) = Host::with_both(passkey()).await;
    let policy = app_or_passkey();
    for left in [4, 2] {
        let asked = host.challenge(&policy).await;
        let Login::Challenge(asked) = host.fail(asked.flow(), passkey(), &policy).await else { panic!() };
        assert_eq!((asked.refusal(), asked.attempts_left()), (Some(Refusal::WrongCode), left));
        let fault = CodeFault::Wrong;
        assert_eq!(host.last_event(), EventKind::CodeRefused { factor: Factor::External(passkey()), fault });
        let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &policy).await.unwrap();
    }
    let asked = host.challenge(&policy).await;
    let login = host.fail(asked.flow(), passkey(), &policy).await;
    assert!(matches!(denied(&login), Some(DeniedReason::Locked { .. })), "{login:?}");
    let login = host.assert(asked.flow(), passkey(), &policy).await;
    assert!(matches!(denied(&login), Some(DeniedReason::Locked { .. })), "a right one is refused, too: {login:?}");
    host.wait(60);
    let _ = passed(host.assert(asked.flow(), passkey(), &policy).await);
    assert_eq!(host.challenge(&policy).await.attempts_left(), 5);
}

#[tokio::test]
async fn n20_a_check_that_succeeds_disregards_the_failures_before_it() {
    let host = Host::new();
    host.bind(passkey()).await;
    for _ in 0..2 {
        host.fail_often(FailureBudget::CONSECUTIVE_CAP - 1, passkey(), &off()).await;
        assert!(!host.status().await.external[0].disabled);
        let _ = host.by_external(passkey(), &off()).await;
    }
}

#[tokio::test]
async fn n20_a_factor_that_failed_a_hundred_times_is_disabled_until_it_is_bound_anew() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.wear_out(passkey(), &off()).await;
    host.wait(10 * 365 * DAY);
    assert!(host.status().await.external[0].disabled);
    assert_eq!(denied(&host.begin(&off()).await), Some(DeniedReason::DevicesDisabled));
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    let _ = host.mfa.send_email_code(asked.flow(), &off()).await.unwrap();
    let _ = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &off()).await.unwrap();
    let open = host.mfa.begin_app_enrollment(asked.flow(), &off()).await.unwrap();
    let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
    registered(host.mfa.register_external(enroll.flow(), &host.checked(passkey()), &off()).await.unwrap());
    let _ = host.by_external(passkey(), &off()).await;
}

#[tokio::test]
async fn a_phishing_resistant_factor_steps_up_as_well_as_the_device_and_a_weaker_one_does_not() {
    for (factor, next) in [(passkey(), vec![Step::External(passkey()), Step::AppCode]), (push(), vec![Step::AppCode])] {
        let (host, secret) = Host::with_both(factor).await;
        let asked = host.challenge(&off()).await;
        let login = passed(host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap());
        host.wait(30);
        let session = claims(&login);
        let asked = host.step_up_asked(&session).await;
        assert_eq!(asked.next(), next);
        let done = host.assert(asked.flow(), factor, &off()).await;
        match done {
            StepUp::Fresh(elevated) => {
                assert_eq!((factor, elevated.assurance()), (passkey(), Assurance::PhishingResistant));
                let raised = session.raised_by(&elevated).unwrap().rotated();
                assert_eq!(raised.amr(), ["pwd", "otp", "hwk", "user", "mfa"]);
                assert_eq!(raised.auth_time(), host.clock.time());
                host.wait(10);
                assert!(
                    matches!(host.step_up(&raised, Duration::from_secs(10)).await, StepUp::Fresh(_)),
                    "it is fresh for a while"
                );
                assert!(matches!(host.step_up(&raised, Duration::from_secs(9)).await, StepUp::Challenge(_)));
                // A device that does not answer any more goes on it.
                let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
                let removal = host.mfa.remove_device_with(&elevated, device, contact(), &off()).await.unwrap();
                assert!(matches!(removal, factorgate::Removal::Removed { .. }), "{removal:?}");
            }
            StepUp::Challenge(refused) => {
                assert_eq!((factor, refused.refusal()), (push(), Some(Refusal::NotOpen)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn claims_of_a_check_are_believed_as_far_as_the_record_knows() {
    let host = Host::new();
    host.bind(passkey()).await;
    let session = claims(&host.by_external(passkey(), &off()).await);
    host.wait(60);
    assert!(matches!(host.step_up(&session, Duration::from_secs(60)).await, StepUp::Fresh(_)));
    let text = session.to_text();
    let forged = |from: String, to: String| SessionClaims::from_text(&text.replace(&from, &to)).unwrap();
    let later = forged(format!("@{NOW}"), format!("@{}", NOW + 60));
    assert!(
        matches!(host.step_up(&later, Duration::from_secs(60)).await, StepUp::Challenge(_)),
        "the record knows of no such use"
    );
    let unheld = forged("phishing-resistant:passkey".into(), "phishing-resistant:other".into());
    assert!(matches!(host.step_up(&unheld, Duration::from_secs(60)).await, StepUp::Challenge(_)));
    host.wait(1);
    assert!(matches!(host.step_up(&session, Duration::from_secs(60)).await, StepUp::Challenge(_)));
}

#[tokio::test]
async fn h08_a_login_by_it_makes_a_browser_trusted_and_a_recovered_one_does_not() {
    let policy = off().with_trusted_browsers();
    let host = Host::new();
    host.bind(passkey()).await;
    let login = host.by_external(passkey(), &policy).await;
    let Trust::Trusted { token, .. } = host.trust(&login, &policy).await else { panic!() };
    let from = async || {
        let primary = PrimaryVerified::assertion(alice());
        host.mfa.begin_login_from(primary, contact(), &policy, Some(&token)).await.unwrap()
    };
    let trusted = passed(from().await);
    assert_eq!((trusted.assurance(), trusted.amr()), (Assurance::TrustedBrowser, vec!["pwd"]));
    let session = claims(&trusted);
    let elevated = host.elevated(&session, passkey()).await;
    let raised = session.raised_by(&elevated).unwrap().rotated();
    assert_eq!(raised.evidence().trusted_browser, None, "the session does not rest on the browser any more");
    host.bind_another(passkey(), push()).await;
    assert!(matches!(from().await, Login::Challenge(_)), "a new factor ends the trust");

    // A recovery code in place of the device, and the factor of the host beside it.
    let both = Policy::all_of([App, External(push())], AfterPassword).unwrap().with_trusted_browsers();
    let (host, secret) = Host::with_both(push()).await;
    let shown = host.mfa.begin_recovery_codes(&SignedIn::assertion(alice()), &host.code(&secret)).await.unwrap();
    let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
    let codes: Vec<_> = new.codes.iter().collect();
    let done = host.mfa.confirm_recovery_codes(&SignedIn::assertion(alice()), codes[0], contact()).await.unwrap();
    assert!(matches!(done, Change::Made { .. }), "{done:?}");
    let asked = host.challenge(&both).await;
    assert!(matches!(host.assert(asked.flow(), push(), &both).await, Login::Challenge(_)));
    let login = passed(host.mfa.verify_recovery_code(asked.flow(), codes[1], &both).await.unwrap());
    assert!(login.recovery().is_some(), "it leads to a new device");
    let refused = host.trust(&login, &both).await;
    assert!(matches!(refused, Trust::Refused { reason: TrustRefused::Assurance, .. }), "{refused:?}");
}

#[tokio::test]
async fn h12_nothing_that_is_shown_or_logged_holds_an_address_or_a_token() {
    let host = Host::new();
    let done = host.bind(passkey()).await;
    let asked = host.challenge(&off()).await;
    let failed = host.fail(asked.flow(), passkey(), &off()).await;
    let token = asked.flow().to_cookie().expose_secret().split_once('.').unwrap().0.to_owned();
    let login = host.by_external(passkey(), &off()).await;
    let shown = format!("{done:?}{asked:?}{failed:?}{login:?}{:?}{:?}", host.status().await, host.log.lock().unwrap());
    for secret in [token.as_str(), "alice@example.com"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
        assert!(format!("{shown}{secret}").contains(secret), "the control finds it");
    }
}

#[tokio::test]
async fn n20_who_has_a_passkey_is_rid_of_a_lost_device_without_an_administrator() {
    let (host, secret) = Host::with_both(passkey()).await;
    let policy = app_or_passkey();
    host.wear_out_app(&secret, &policy).await;
    let asked = host.challenge(&policy).await;
    assert_eq!(asked.next(), [Step::External(passkey())], "the disabled device is not asked for");
    let session = claims(&passed(host.assert(asked.flow(), passkey(), &policy).await));
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;

    // In its place comes a new one, on the proof of the passkey.
    let Registration::Challenge(asked) = host.begin_registration(&policy).await else { panic!() };
    assert_eq!(asked.next(), [Step::External(passkey())]);
    let _ = host.mfa.replace_device(asked.flow(), device, &policy).await.unwrap();
    let open = host.assert(asked.flow(), passkey(), &policy).await;
    let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
    let code = host.code(&secret_of(&enroll));
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &policy).await.unwrap();
    let done = registered(done);
    assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1);
    assert!(host.holds(&session.after(&done.change)).await);

    // Or it is removed on a step-up.
    let (host, secret) = Host::with_both(passkey()).await;
    host.wear_out_app(&secret, &policy).await;
    let session = claims(&host.by_external(passkey(), &policy).await);
    let elevated = host.elevated(&session, passkey()).await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let removal = host.mfa.remove_device_with(&elevated, device, contact(), &policy).await.unwrap();
    assert!(matches!(removal, factorgate::Removal::Removed { .. }), "{removal:?}");
    assert_eq!(host.challenge(&policy).await.next(), [Step::External(passkey())]);
}
