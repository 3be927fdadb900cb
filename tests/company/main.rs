//! What a company sets beside channels, as a host's requests: grace, exemptions, and factors that the host checks.

mod assertions;
mod binding;
mod costs;
mod exemptions;
mod grace;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{
    AuthenticationMethod as Method, Channel, ExternalEvidence, ExternalFactor, FirstRegistration, Policy, Step,
};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Administrator, Assurance, Authenticated, Challenge, Code, Contact, DeniedReason, DeviceName, Elevated,
    EmailAddress, Enroll, Event, EventKind, Flow, Login, LoginRef, Mfa, Notice, OsRandom, PrimaryVerified, Refusal,
    Registered, Registration, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, StepUpRef,
    Timestamp, UserId, UserStatus,
};

use Channel::{App, Email, External};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

const NOW: u64 = 1_900_000_000;
const DAY: u64 = 24 * 60 * 60;

struct Host {
    clock: FixedClock,
    log: Arc<Mutex<Vec<Event>>>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        let (clock, outbox, store) = (FixedClock::at(NOW), Outbox::new(), MemoryStore::new());
        let log: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&log);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let mfa = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        Self { clock, log, mfa, outbox, store }
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn mailed(&self) -> Code {
        Code::parse(&self.outbox.last_code().unwrap()).unwrap()
    }

    fn events(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.log.lock().unwrap().iter().filter(|event| wanted(&event.kind)).count()
    }

    fn last_event(&self) -> EventKind {
        self.log.lock().unwrap().last().unwrap().kind.clone()
    }

    async fn status(&self) -> UserStatus {
        self.mfa.status(&alice()).await.unwrap()
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

    /// Registers a device at login; the code that confirmed it is half a minute old then.
    async fn register(&self) -> Secret {
        let Login::Enroll(enroll) = self.begin(&app()).await else { panic!() };
        let secret = secret_of(&enroll);
        let (code, name) = (self.code(&secret), DeviceName::default());
        let _ = passed(self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap());
        self.wait(30);
        secret
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

    async fn step_up(&self, claims: &SessionClaims, secs: u64) -> StepUp {
        self.mfa.begin_step_up(claims, contact(), &off(), Duration::from_secs(secs)).await.unwrap()
    }

    async fn step_up_asked(&self, claims: &SessionClaims) -> Challenge<StepUpRef> {
        match self.step_up(claims, 0).await {
            StepUp::Challenge(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    async fn elevated(&self, claims: &SessionClaims, factor: ExternalFactor) -> Elevated {
        let asked = self.step_up_asked(claims).await;
        match self.assert(asked.flow(), factor, &off()).await {
            StepUp::Fresh(elevated) => elevated,
            other => panic!("{other:?}"),
        }
    }

    async fn holds(&self, claims: &SessionClaims) -> bool {
        matches!(self.mfa.check_session(claims).await.unwrap(), Session::Valid(_))
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn push() -> ExternalFactor {
    ExternalFactor::possession("push").unwrap()
}

fn app() -> Policy {
    Policy::any_of([App], AfterPassword).unwrap()
}

/// Either the app or a passkey will do, also for who has a device.
fn app_or_passkey() -> Policy {
    Policy::any_of([App, External(passkey())], AfterPassword).unwrap().with_stand_in(passkey()).unwrap()
}

fn off() -> Policy {
    Policy::off(AfterPassword)
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

/// A code of a step that lies outside of every window.
fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, secs(0)).unwrap()
}

fn passed(login: Login) -> Authenticated {
    match login {
        Login::Authenticated(passed) => passed,
        other => panic!("{other:?}"),
    }
}

fn registered(registration: Registration) -> Registered {
    match registration {
        Registration::Registered(done) => done,
        other => panic!("{other:?}"),
    }
}

fn denied(login: &Login) -> Option<DeniedReason> {
    match login {
        Login::Denied(denied) => Some(denied.reason),
        _ => None,
    }
}

fn refusal(login: &Login) -> Option<Refusal> {
    match login {
        Login::Challenge(challenge) => challenge.refusal(),
        _ => None,
    }
}

fn not_registered(registration: &Registration) -> Option<Refusal> {
    match registration {
        Registration::Challenge(challenge) => challenge.refusal(),
        Registration::Enroll(enroll) => enroll.challenge().refusal(),
        Registration::Denied(_) | Registration::Registered(_) => None,
    }
}

fn claims(passed: &Authenticated) -> SessionClaims {
    passed.session().rotated()
}
