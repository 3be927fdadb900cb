//! Sessions after the login: their claims, and proving anew in them, as a host would call it.

mod claims;
#[path = "../host/mod.rs"]
mod host;
mod operations;
mod proofs;

use std::time::Duration;

use factorgate::policy::{Channel, DenyReason, EmailStanding, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::{
    AddressChange, Assurance, Contact, DeniedReason, DeviceId, DeviceName, Elevated, EmailAddress, EventKind, Login,
    LoginRef, PrimaryVerified, Refusal, Registered, Registration, Removal, RemovalReason, Secret, Session,
    SessionClaims, SignedIn, StepUp, StepUpRef, UserId, insufficient_user_authentication,
};

use host::*;

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword};

const MINUTE: Duration = Duration::from_secs(60);

impl Host {
    /// A session of a user who holds nothing, and proved nothing beside the password.
    async fn by_password(&self) -> SessionClaims {
        claims(&passed(self.begin(&off()).await))
    }

    async fn by_mail(&self) -> SessionClaims {
        let Login::Challenge(asked) = self.begin(&email()).await else { panic!() };
        let login = self.mfa.verify_email_code(asked.flow(), &self.mailed(), &email()).await.unwrap();
        claims(&passed(login))
    }

    /// A session of a login that registered a device; its code was used half a minute ago.
    async fn registering(&self) -> (Secret, SessionClaims) {
        let (secret, passed) = self.register_under(&app()).await;
        (secret, claims(&passed))
    }

    async fn by_app(&self, secret: &Secret) -> SessionClaims {
        claims(&self.log_in(secret, &app()).await)
    }

    async fn elevated(&self, claims: &SessionClaims, secret: &Secret) -> Elevated {
        let asked = self.step_up_asked(claims).await;
        let done = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await.unwrap();
        self.wait(30);
        fresh(done)
    }

    async fn device(&self) -> DeviceId {
        self.mfa.devices(&alice()).await.unwrap()[0].id
    }

    async fn remove(&self, elevated: &Elevated, device: DeviceId, policy: &Policy) -> Removal {
        self.mfa.remove_device_with(elevated, device, contact(), policy).await.unwrap()
    }

    /// Registers a device from the profile.
    async fn register_in_profile(&self, session: &SignedIn, secret: &Secret) -> Registered {
        let begun = self.mfa.begin_registration(session, contact(), &off()).await.unwrap();
        let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
        let open = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await.unwrap();
        let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
        let second = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let (code, name) = (self.code(&second), DeviceName::default());
        match self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &off()).await.unwrap() {
            Registration::Registered(registered) => registered,
            other => panic!("{other:?}"),
        }
    }
}

fn fresh(step_up: StepUp) -> Elevated {
    match step_up {
        StepUp::Fresh(elevated) => elevated,
        other => panic!("{other:?}"),
    }
}

fn is_challenge(step_up: &StepUp, step: Step) -> bool {
    matches!(step_up, StepUp::Challenge(asked) if asked.next() == [step])
}

fn is_ended(step_up: &StepUp) -> bool {
    matches!(step_up, StepUp::Denied(denied) if denied.reason == DeniedReason::SessionEnded)
}
