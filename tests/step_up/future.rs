//! Proofs that are dated in the future: they prove nothing.

use factorgate::browser::BrowserName;
use factorgate::policy::{AuthenticationMethod as Method, ExternalEvidence, ExternalFactor};

use super::*;

/// How far a proof may be ahead of the clock without ending its session.
const TOLERATED: u64 = 60;

impl Host {
    /// Sets the clock back, as a server does whose clock was ahead.
    fn go_back(&self, secs: u64) {
        self.clock.set(self.clock.time().as_secs() - secs);
    }
}

#[tokio::test]
async fn claims_of_the_future_are_ended() {
    let host = Host::new();
    let claims = host.by_mail().await;
    let at = |secs: u64| edited(&claims, &format!(";at={NOW};"), &format!(";at={secs};"));
    assert!(host.holds(&at(NOW + TOLERATED)).await, "as far as the clocks of two servers differ");
    for secs in [NOW + TOLERATED + 1, u64::MAX] {
        assert!(host.is_ended(&at(secs)).await, "{secs}");
    }
    host.go_back(TOLERATED + 1);
    assert!(host.is_ended(&claims).await);
}

#[tokio::test]
async fn email_code_of_the_future_is_not_fresh() {
    let host = Host::new();
    host.by_mail().await;
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)), "the control");
    host.go_back(1);
    for freshness in [MINUTE, Duration::MAX] {
        assert!(asks_for(&host.step_up_last(freshness).await, Step::EmailCode), "{freshness:?}");
    }
}

#[tokio::test]
async fn device_proof_of_the_future_is_not_fresh() {
    let host = Host::new();
    // The device was registered in the future.
    let (secret, _) = host.register_under(&app()).await;
    host.go_back(30);
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)), "the control");
    host.go_back(1);
    assert!(asks_for(&host.step_up_last(MINUTE).await, Step::AppCode));
    // Its code was verified in the future.
    host.wait(61);
    host.log_in(&secret, &app()).await;
    host.go_back(30);
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)), "the control");
    host.go_back(1);
    assert!(asks_for(&host.step_up_last(MINUTE).await, Step::AppCode));
}

#[tokio::test]
async fn external_proof_of_the_future_is_not_fresh() {
    let host = Host::new();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    host.mfa.admin(&admin()).register_external(&alice(), passkey, &contact()).await.unwrap().unwrap();
    let asked = host.challenge(&off()).await;
    let checked = ExternalEvidence::assertion(passkey, [Method::HardwareKey], host.clock.time()).unwrap();
    host.open(done(host.mfa.assert_external(asked.flow(), &off(), Ok(checked)).await.unwrap()));
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)), "the control");
    host.go_back(1);
    assert!(asks_for(&host.step_up_last(MINUTE).await, Step::External(passkey)));
}

#[tokio::test]
async fn email_code_of_the_future_registers_nothing() {
    let host = Host::new();
    host.by_mail().await;
    let policy = Policy::any_of([Email], AfterEmailCode).unwrap();
    let session = host.session_under(&policy).await;
    let begun = host.begin_registration(&session).await;
    assert!(matches!(begun, Outcome::Enroll(_)), "the control: {begun:?}");
    host.go_back(1);
    let session = host.session_under(&policy).await;
    assert!(asks_for(&host.begin_registration(&session).await, Step::EmailCode));
}

#[tokio::test]
async fn recovery_code_of_the_future_registers_nothing() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    host.go_back(1);
    let owing = host.owing(&claims, &app()).await;
    let asked = asked(host.begin_completion(&owing).await);
    assert_eq!(asked.next(), [Step::AppCode, Step::RecoveryCode]);
    host.wait(1);
    let owing = host.owing(&claims, &app()).await;
    let begun = host.begin_completion(&owing).await;
    let Outcome::Challenge(asked) = &begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::EnrollApp, Step::AppCode], "the control");
}

#[tokio::test]
async fn device_proof_of_the_future_trusts_no_browser() {
    let host = Host::new();
    let policy = app().with_trusted_browsers();
    host.register_under(&policy).await;
    let name = BrowserName::new("Firefox").unwrap();
    host.go_back(31);
    let session = host.session_under(&policy).await;
    let refused = host.mfa.profile(&session).trust_browser(&name).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::TrustNotAllowed));
    host.wait(1);
    let session = host.session_under(&policy).await;
    assert!(host.mfa.profile(&session).trust_browser(&name).await.unwrap().is_ok(), "the control");
}
