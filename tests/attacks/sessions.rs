//! What is left of a session, or of a trusted browser, when it should be nothing.

use factorgate::{
    Administrator, Assurance, BrowserName, BrowserToken, Change, ChangeRefused, RecoveryCode, Session, SessionClaims,
    StepUp, Trust, TrustRefused,
};

use super::*;

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

impl Host {
    /// Logs in by a code of the device, and trusts the browser.
    async fn trust(&self, secret: &Secret) -> (BrowserToken, SessionClaims) {
        let asked = self.challenge(&trusting()).await;
        let Login::Authenticated(passed) = self.app(asked.flow(), &self.code(secret), &trusting()).await else {
            panic!()
        };
        self.wait(30);
        let name = BrowserName::new("Firefox").unwrap();
        let trust = self.mfa.trust_browser(&passed, &name, &trusting()).await.unwrap();
        let Trust::Trusted { token, .. } = trust else { panic!("{trust:?}") };
        (token, passed.session().rotated())
    }
}

#[tokio::test]
async fn e11_a_password_that_was_reset_keeps_the_factors_and_ends_sessions_and_trust() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Ended));
    let Login::Challenge(asked) = host.begin_from(&trusting(), Some(&token)).await else { panic!() };
    assert_eq!(asked.next(), [Step::AppCode]);
}

#[tokio::test]
async fn e12_a_locked_user_is_not_let_in_by_trust() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, _) = host.trust(&secret).await;
    let asked = host.challenge(&app()).await;
    for _ in 0..5 {
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
    }
    assert!(is_locked(&host.begin_from(&trusting(), Some(&token)).await));
}

#[tokio::test]
async fn h04_a_cookie_of_another_kind_is_no_trust_and_trust_is_no_other() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, _) = host.trust(&secret).await;
    let asked = host.challenge(&app()).await;
    assert!(BrowserToken::from_cookie(asked.flow().to_cookie().expose_secret()).is_err());
    assert!(LoginRef::from_cookie(token.to_cookie().expose_secret()).is_err());
    // Cut to the length of a login's, it names no login.
    let text = token.to_cookie().expose_secret().to_owned();
    for cut in [&text[..64], &text[32..96]] {
        let forged = LoginRef::from_cookie(&format!("{cut}.alice")).unwrap();
        let login = host.app(&forged, &host.code(&secret), &app()).await;
        assert_eq!(denied(&login), Some(DeniedReason::FlowEnded));
    }
}

#[tokio::test]
async fn d14_an_old_session_removes_nothing_without_a_code() {
    let host = Host::new();
    let secret = host.register().await;
    let (_, claims) = host.trust(&secret).await;
    host.wait(24 * 60 * 60);
    let begun = host.mfa.begin_step_up(&claims, contact(), &off(), Duration::from_secs(300)).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::AppCode]);
    let refused = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn h03_a_recovered_login_neither_trusts_a_browser_nor_steps_up_until_a_device_is_registered() {
    let host = Host::new();
    let secret = host.register().await;
    let shown = host.mfa.begin_recovery_codes(&session(), &host.code(&secret)).await.unwrap();
    let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
    let codes: Vec<&RecoveryCode> = new.codes.iter().collect();
    let done = host.mfa.confirm_recovery_codes(&session(), codes[0], contact()).await.unwrap();
    assert!(matches!(done, Change::Made { .. }));

    let asked = host.challenge(&trusting()).await;
    let login = host.mfa.verify_recovery_code(asked.flow(), codes[1], &trusting()).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    let name = BrowserName::new("Firefox").unwrap();
    let trust = host.mfa.trust_browser(&passed, &name, &trusting()).await.unwrap();
    assert!(matches!(trust, Trust::Refused { reason: TrustRefused::Assurance, .. }), "{trust:?}");

    let claims = SessionClaims::from_text(&passed.session().rotated().to_text()).unwrap();
    assert_eq!((claims.assurance(), claims.assurance().acr()), (Assurance::Recovered, "urn:factorgate:acr:recovered"));
    let begun = host.mfa.begin_step_up(&claims, contact(), &trusting(), Duration::MAX).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::AppCode]);
    let refused = host.mfa.verify_recovery_code(asked.flow(), codes[2], &trusting()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));

    // The registration to which it leads ends the session, but for the one that made it.
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let flow = passed.recovery().unwrap().registration();
    let begun = host.mfa.replace_device(flow, device, &trusting()).await.unwrap();
    let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
    let code = host.code(&secret_of(&enroll));
    let name = DeviceName::default();
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &trusting()).await.unwrap();
    let Registration::Registered(registered) = done else { panic!("{done:?}") };
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Ended));
    let claims = claims.after(&registered.change);
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Valid(_)));
}

#[tokio::test]
async fn h06_h15_an_administrators_reset_ends_sessions_and_trust() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    let root = Administrator::assertion(UserId::new("root").unwrap());
    host.mfa.reset_by_admin(&alice(), &root, contact()).await.unwrap();
    assert!(host.mfa.browsers(&alice()).await.unwrap().is_empty());
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Ended));
    let login = host.begin_from(&trusting(), Some(&token)).await;
    assert!(!is_in(&login), "{login:?}");
}

#[tokio::test]
async fn d14_recovery_codes_are_made_anew_on_a_step_up_and_not_in_a_session_that_has_ended() {
    let host = Host::new();
    let secret = host.register().await;
    let (_, claims) = host.trust(&secret).await;
    let begun = host.mfa.begin_step_up(&claims, contact(), &off(), Duration::ZERO).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    let done = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    let StepUp::Fresh(elevated) = done else { panic!("{done:?}") };
    let made = host.mfa.begin_recovery_codes_with(&elevated).await.unwrap();
    assert!(matches!(made, Change::Made { .. }), "{made:?}");

    let Session::Valid(session) = host.mfa.check_session(&claims).await.unwrap() else { panic!() };
    host.mfa.revoke_logins(&alice()).await.unwrap();
    let refused = host.mfa.begin_recovery_codes_with(&elevated).await.unwrap();
    assert!(matches!(refused, Change::Refused { reason: ChangeRefused::StepUpEnded, .. }));
    host.wait(30);
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let (code, name) = (host.code(&secret), DeviceName::new("Mine").unwrap());
    let ended = |reason| matches!(reason, ChangeRefused::SessionEnded);
    let refused = host.mfa.begin_recovery_codes(&session, &code).await.unwrap();
    assert!(matches!(refused, Change::Refused { reason, .. } if ended(reason)));
    let refused = host.mfa.rename_device(&session, device, &name, &code).await.unwrap();
    assert!(matches!(refused, Change::Refused { reason, .. } if ended(reason)));
    // No code was spent by that.
    let again = host.mfa.rename_device(&factorgate::SignedIn::assertion(alice()), device, &name, &code).await.unwrap();
    assert!(matches!(again, Change::Made { .. }), "{again:?}");
}
