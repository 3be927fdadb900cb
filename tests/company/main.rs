//! What a company sets beside channels, as a host's requests: grace, exemptions, and factors that the host checks.

mod assertions;
mod binding;
mod costs;
mod exemptions;
mod grace;
#[path = "../host/mod.rs"]
mod host;

use std::time::Duration;

use factorgate::policy::{
    AuthenticationMethod as Method, Channel, ExternalEvidence, ExternalFactor, FirstRegistration, Policy, Step,
};
use factorgate::{
    Assurance, Authenticated, Contact, DeniedReason, DeviceName, Elevated, EmailAddress, EventKind, Flow, Login,
    LoginRef, Notice, PrimaryVerified, Refusal, Registered, Registration, Secret, SessionClaims, SignedIn, StepUp,
    Timestamp, UserStatus,
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

    async fn status(&self) -> UserStatus {
        self.mfa.status(&alice()).await.unwrap()
    }

    /// What the host says of a factor that it has checked just now.
    fn checked(&self, factor: ExternalFactor) -> ExternalEvidence {
        let methods = match factor.name() {
            "push" => [Method::OneTimePassword, Method::UserPresence],
            _ => [Method::HardwareKey, Method::UserPresence],
        };
        ExternalEvidence::assertion(factor, methods, self.clock.time()).unwrap()
    }

    async fn assert<R: Flow>(&self, flow: &R, factor: ExternalFactor, policy: &Policy) -> R::Outcome {
        self.mfa.assert_external(flow, &self.checked(factor), policy).await.unwrap()
    }

    async fn fail<R: Flow>(&self, flow: &R, factor: ExternalFactor, policy: &Policy) -> R::Outcome {
        self.mfa.external_failed(flow, factor, policy).await.unwrap()
    }

    /// A registration from the profile, as far as it goes by itself.
    async fn begin_registration(&self, policy: &Policy) -> Registration {
        self.mfa.begin_registration(&SignedIn::assertion(alice()), contact(), policy).await.unwrap()
    }

    /// Registers a factor of the host for a user who holds none.
    async fn bind(&self, factor: ExternalFactor) -> Registered {
        let Registration::Enroll(enroll) = self.begin_registration(&off()).await else { panic!() };
        registered(self.mfa.register_external(enroll.flow(), &self.checked(factor), &off()).await.unwrap())
    }

    /// A device and a factor of the host, which was registered on the proof of the device.
    async fn with_both(factor: ExternalFactor) -> (Self, Secret) {
        let host = Self::new();
        let secret = host.register().await;
        let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
        let _ = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
        registered(host.mfa.register_external(asked.flow(), &host.checked(factor), &off()).await.unwrap());
        host.wait(30);
        (host, secret)
    }

    /// Registers `factor` on the proof of `held`.
    async fn bind_another(&self, held: ExternalFactor, factor: ExternalFactor) {
        let Registration::Challenge(asked) = self.begin_registration(&off()).await else { panic!() };
        let open = self.assert(asked.flow(), held, &off()).await;
        assert!(matches!(open, Registration::Enroll(_)), "one proof is enough: {open:?}");
        registered(self.mfa.register_external(asked.flow(), &self.checked(factor), &off()).await.unwrap());
    }

    async fn by_external(&self, factor: ExternalFactor, policy: &Policy) -> Authenticated {
        let asked = self.challenge(policy).await;
        passed(self.assert(asked.flow(), factor, policy).await)
    }

    async fn elevated(&self, claims: &SessionClaims, factor: ExternalFactor) -> Elevated {
        let asked = self.step_up_asked(claims).await;
        match self.assert(asked.flow(), factor, &off()).await {
            StepUp::Fresh(elevated) => elevated,
            other => panic!("{other:?}"),
        }
    }
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn push() -> ExternalFactor {
    ExternalFactor::possession("push").unwrap()
}

/// Either the app or a passkey will do, also for who has a device.
fn app_or_passkey() -> Policy {
    Policy::any_of([App, External(passkey())], AfterPassword).unwrap().with_stand_in(passkey()).unwrap()
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn registered(registration: Registration) -> Registered {
    match registration {
        Registration::Registered(done) => done,
        other => panic!("{other:?}"),
    }
}

fn not_registered(registration: &Registration) -> Option<Refusal> {
    match registration {
        Registration::Challenge(challenge) => challenge.refusal(),
        Registration::Enroll(enroll) => enroll.challenge().refusal(),
        Registration::Denied(_) | Registration::Registered(_) => None,
    }
}
