//! What a company sets beside channels, as a host's requests: grace, exemptions, and external factors.

mod assertions;
mod binding;
mod costs;
mod exemptions;
mod grace;
#[path = "../host/mod.rs"]
mod host;

use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::login::Assurance;
use factorgate::mail::Notice;
use factorgate::otp::Secret;
use factorgate::policy::{
    AuthenticationMethod as Method, Channel, DenyReason, ExternalEvidence, ExternalFactor, FirstRegistration, Policy,
    Step,
};
use factorgate::session::SessionCheck;
use factorgate::{
    Contact, Elevated, EmailAddress, Flow, FlowRef, Login, Outcome, Refusal, Session, SessionClaims, Timestamp,
};

use host::*;

use Channel::{App, Email, External};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

impl Host {
    fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.log.lock().unwrap().iter().filter(|event| wanted(&event.kind)).count()
    }

    fn last_event(&self) -> EventKind {
        self.log.lock().unwrap().last().unwrap().kind.clone()
    }

    fn last_notice(&self) -> Option<Notice> {
        self.outbox.sent().last().and_then(|mail| mail.notice)
    }

    /// What the host says of an external factor that it has checked just now.
    fn checked(&self, factor: ExternalFactor) -> ExternalEvidence {
        let methods = match factor.name() {
            "push" => [Method::OneTimePassword, Method::UserPresence],
            _ => [Method::HardwareKey, Method::UserPresence],
        };
        ExternalEvidence::assertion(factor, methods, self.clock.time()).unwrap()
    }

    async fn assert<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, factor: ExternalFactor) -> Outcome<F> {
        self.assert_checked(flow, by, self.checked(factor)).await
    }

    async fn assert_checked<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, checked: ExternalEvidence) -> Outcome<F> {
        self.mfa.assert_external(flow, by, Ok(checked)).await.unwrap()
    }

    async fn fail<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, factor: ExternalFactor) -> Outcome<F> {
        self.mfa.assert_external(flow, by, Err(factor)).await.unwrap()
    }

    /// Registers an external factor for a user without a factor.
    async fn bind(&self, factor: ExternalFactor) -> SessionClaims {
        let session = self.session().await;
        let enroll = enrolling(self.begin_registration(&session).await);
        self.open(done(self.assert(enroll.challenge().flow(), &session, factor).await))
    }

    /// A device and an external factor, which was registered on a code of the device.
    async fn with_both(factor: ExternalFactor) -> (Self, Secret) {
        let host = Self::new();
        let secret = host.register().await;
        let session = host.session().await;
        let asked = asked(host.begin_registration(&session).await);
        let _ = enrolling(host.app_code(asked.flow(), &session, &host.code(&secret)).await);
        host.open(done(host.assert(asked.flow(), &session, factor).await));
        host.wait(30);
        (host, secret)
    }

    /// Registers `factor` on a check of `held`. One proof is enough.
    async fn bind_another(&self, held: ExternalFactor, factor: ExternalFactor) {
        let session = self.session().await;
        let asked = asked(self.begin_registration(&session).await);
        let _ = enrolling(self.assert(asked.flow(), &session, held).await);
        self.open(done(self.assert(asked.flow(), &session, factor).await));
    }

    /// Signs in by an external factor.
    async fn by_external(&self, factor: ExternalFactor, policy: &Policy) -> SessionClaims {
        let asked = self.challenge(policy).await;
        self.open(done(self.assert(asked.flow(), policy, factor).await))
    }

    async fn elevated_by(&self, session: &Session, factor: ExternalFactor) -> Elevated {
        let asked = self.step_up_asked(session).await;
        done(self.assert(asked.flow(), session, factor).await)
    }
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn push() -> ExternalFactor {
    ExternalFactor::possession("push").unwrap()
}

/// Either the app or a passkey is enough, also for a user with a device.
fn app_or_passkey() -> Policy {
    Policy::any_of([App, External(passkey())], AfterPassword).unwrap().with_stand_in(passkey()).unwrap()
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn is_denied_for<F: Flow>(outcome: &Outcome<F>, reason: DenyReason) -> bool {
    matches!(denied(outcome), Some(Refusal::Policy(denial)) if denial.reason == reason)
}
