//! What is left of a session, or of a trusted browser, when it should be nothing.

use factorgate::{BrowserName, BrowserToken, Session, StepUp, Trust};

use super::*;

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

impl Host {
    /// Logs in by a code of the device, and trusts the browser.
    async fn trust(&self, secret: &Secret) -> (BrowserToken, factorgate::SessionClaims) {
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

    async fn begin_from(&self, token: &BrowserToken) -> Login {
        let primary = PrimaryVerified::assertion(alice());
        self.mfa.begin_login_from(primary, contact(), &trusting(), Some(token)).await.unwrap()
    }
}

#[tokio::test]
async fn e11_a_password_that_was_reset_keeps_the_factors_and_ends_sessions_and_trust() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert!(matches!(host.mfa.check_session(&claims).await.unwrap(), Session::Ended));
    let Login::Challenge(asked) = host.begin_from(&token).await else { panic!() };
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
    assert!(is_locked(&host.begin_from(&token).await));
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
