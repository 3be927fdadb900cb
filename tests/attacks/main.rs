//! Attacks that were seen on real systems, as a host's requests; what must come out of each.

mod bypass;
mod devices;
mod guessing;
mod leaks;
mod lifecycle;
mod recovery;
mod replay;
mod reset;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::{Algorithm, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, EmailStanding, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Administrator, Alternative, Assurance, Challenge, Change, ChangeRefused, Code, CodeFault, Contact, DeniedReason,
    DeviceId, DeviceName, EmailAddress, Enroll, Event, EventKind, Factor, Flow, IssuanceBudget, Login, LoginRef, Mfa,
    MfaBuilder, Notice, OsRandom, PrimaryVerified, RecoveryCode, RecoveryCodes, RecoveryCodesLeft, Refusal,
    Registration, RegistrationRef, Removable, Removal, RemovalReason, Secret, ServerKey, ServerKeys, SignedIn,
    Timestamp, UserId,
};

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

struct Host {
    clock: FixedClock,
    log: Arc<Mutex<Vec<Event>>>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(settings: impl FnOnce(MfaBuilder<MemoryStore, Outbox>) -> MfaBuilder<MemoryStore, Outbox>) -> Self {
        let (clock, outbox, store) = (FixedClock::at(1_900_000_000), Outbox::new(), MemoryStore::new());
        let log: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&log);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()));
        let mfa = settings(builder).build().unwrap();
        Self { clock, log, mfa, outbox, store }
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    async fn begin(&self, policy: &Policy) -> Login {
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact(), policy).await.unwrap()
    }

    async fn challenge(&self, policy: &Policy) -> Challenge<LoginRef> {
        match self.begin(policy).await {
            Login::Challenge(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    async fn app(&self, flow: &LoginRef, code: &Code, policy: &Policy) -> Login {
        self.mfa.verify_app_code(flow, code, policy).await.unwrap()
    }

    async fn email(&self, flow: &LoginRef, code: &Code, policy: &Policy) -> Login {
        self.mfa.verify_email_code(flow, code, policy).await.unwrap()
    }

    async fn enroll(&self) -> Enroll<LoginRef> {
        match self.begin(&app()).await {
            Login::Enroll(enroll) => enroll,
            other => panic!("{other:?}"),
        }
    }

    async fn confirm(&self, enroll: &Enroll<LoginRef>, code: &Code) -> Login {
        self.mfa.confirm_app_enrollment(enroll.flow(), code, &DeviceName::default(), &app()).await.unwrap()
    }

    /// Registers a device; the code that confirmed it is half a minute old then.
    async fn register(&self) -> Secret {
        let enroll = self.enroll().await;
        let secret = secret_of(&enroll);
        assert!(passed(&self.confirm(&enroll, &self.code(&secret)).await));
        self.wait(30);
        secret
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

    fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn mailed(&self) -> Code {
        Code::parse(&self.outbox.last_code().unwrap()).unwrap()
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

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn session() -> SignedIn {
    SignedIn::assertion(alice())
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn app() -> Policy {
    Policy::any_of([App], AfterPassword).unwrap()
}

fn email() -> Policy {
    Policy::any_of([Email], AfterPassword).unwrap()
}

fn any() -> Policy {
    Policy::any_of([App, Email], AfterPassword).unwrap()
}

fn off() -> Policy {
    Policy::off(AfterPassword)
}

fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

/// A code of a step that lies outside of every window.
fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}

fn not(code: &Code) -> Code {
    let text = code.expose_secret();
    Code::parse(if text.expose_secret() == "00000000" { "00000001" } else { "00000000" }).unwrap()
}

fn passed(login: &Login) -> bool {
    matches!(login, Login::Authenticated(_))
}

fn refusal(login: &Login) -> Option<Refusal> {
    match login {
        Login::Challenge(challenge) => challenge.refusal(),
        Login::Enroll(enroll) => enroll.challenge().refusal(),
        Login::Authenticated(_) | Login::Denied(_) => None,
    }
}

fn denied(login: &Login) -> Option<DeniedReason> {
    match login {
        Login::Denied(denied) => Some(denied.reason),
        _ => None,
    }
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
