//! Attacks that were seen on real systems, as a host's requests; what must come out of each.

mod bypass;
mod devices;
mod guessing;
#[path = "../host/mod.rs"]
mod host;
mod leaks;
mod lifecycle;
mod recovery;
mod replay;
mod reset;
mod sessions;

use std::time::Duration;

use factorgate::otp::{Algorithm, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, EmailStanding, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Alternative, Assurance, Change, ChangeRefused, Code, CodeFault, Contact, DeniedReason, DeviceId, DeviceName,
    EmailAddress, Enroll, Event, EventKind, Factor, IssuanceBudget, Login, LoginRef, Mfa, Notice, OsRandom,
    PrimaryVerified, RecoveryCode, RecoveryCodes, RecoveryCodesLeft, Refusal, Registration, RegistrationRef, Removable,
    Removal, RemovalReason, Secret, ServerKey, ServerKeys, SignedIn, Timestamp, UserId,
};

use host::*;

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

impl Host {
    async fn app(&self, flow: &LoginRef, code: &Code, policy: &Policy) -> Login {
        self.mfa.verify_app_code(flow, code, policy).await.unwrap()
    }

    async fn email(&self, flow: &LoginRef, code: &Code, policy: &Policy) -> Login {
        self.mfa.verify_email_code(flow, code, policy).await.unwrap()
    }

    async fn confirm(&self, enroll: &Enroll<LoginRef>, code: &Code) -> Login {
        self.mfa.confirm_app_enrollment(enroll.flow(), code, &DeviceName::default(), &app()).await.unwrap()
    }

    /// Registers another device, on a code of the one that is held.
    async fn register_another(&self, held: &Secret) -> Secret {
        let begun = self.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
        let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
        let open = self.mfa.verify_app_code(asked.flow(), &self.code(held), &off()).await.unwrap();
        let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
        let secret = secret_of(&enroll);
        assert!(registered(&self.confirm_registration(&enroll, &self.code(&secret)).await));
        self.wait(30);
        secret
    }

    async fn confirm_registration(&self, enroll: &Enroll<RegistrationRef>, code: &Code) -> Registration {
        self.mfa.confirm_app_enrollment(enroll.flow(), code, &DeviceName::default(), &off()).await.unwrap()
    }

    /// Puts new recovery codes into force, on a code of the device.
    async fn recovery_codes(&self, held: &Secret) -> RecoveryCodes {
        let shown = self.mfa.begin_recovery_codes(&session(), &self.code(held)).await.unwrap();
        let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
        let one = new.codes.iter().next().unwrap();
        let done = self.mfa.confirm_recovery_codes(&session(), one, contact()).await.unwrap();
        assert!(matches!(done, Change::Made { .. }), "{done:?}");
        self.wait(30);
        new.codes
    }

    async fn recover(&self, flow: &LoginRef, code: &RecoveryCode, policy: &Policy) -> Login {
        self.mfa.verify_recovery_code(flow, code, policy).await.unwrap()
    }

    async fn device_ids(&self) -> Vec<DeviceId> {
        self.mfa.devices(&alice()).await.unwrap().into_iter().map(|device| device.id).collect()
    }

    fn has_seen(&self, kind: &EventKind) -> bool {
        self.log.lock().unwrap().iter().any(|event| event.kind == *kind)
    }

    /// Sends `request` on a login of its own until it was judged 100 times, however long the locks are.
    async fn wear_out(&self, policy: &Policy, request: impl AsyncFn(&LoginRef)) {
        for _ in 0..100 {
            let asked = loop {
                match self.begin(policy).await {
                    Login::Challenge(asked) if asked.refusal().is_none() => break asked,
                    _ => self.wait(3600),
                }
            };
            request(asked.flow()).await;
        }
        self.wait(3600);
    }

    fn faults(&self, factor: Factor) -> Vec<CodeFault> {
        let log = self.log.lock().unwrap();
        let fault = |event: &Event| match event.kind {
            EventKind::CodeRefused { factor: of, fault } if of == factor => Some(fault),
            _ => None,
        };
        log.iter().filter_map(fault).collect()
    }
}

fn any() -> Policy {
    Policy::any_of([App, Email], AfterPassword).unwrap()
}

fn not(code: &Code) -> Code {
    let text = code.expose_secret();
    Code::parse(if text.expose_secret() == "00000000" { "00000001" } else { "00000000" }).unwrap()
}

fn registered(registration: &Registration) -> bool {
    matches!(registration, Registration::Registered(_))
}

fn refused<T>(change: &Change<T>) -> Option<ChangeRefused> {
    match change {
        Change::Refused { reason, .. } => Some(*reason),
        Change::Made { .. } => None,
    }
}

/// A recovery code that is nobody's.
fn nobodys() -> RecoveryCode {
    RecoveryCode::parse("0000-0000-0000-0000").unwrap()
}

fn is_locked(login: &Login) -> bool {
    matches!(denied(login), Some(DeniedReason::Locked { .. }))
}
