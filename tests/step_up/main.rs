//! Sessions after the login: their claims, and proving anew in them, as a host would call it.

mod claims;
mod operations;
mod proofs;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, DenyReason, EmailStanding, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    AddressChange, Assurance, Authenticated, Challenge, Code, Contact, DeniedReason, DeviceId, DeviceName, Elevated,
    EmailAddress, Event, EventKind, Login, LoginRef, Mfa, OsRandom, PrimaryVerified, Refusal, Registered, Registration,
    Removal, RemovalReason, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, StepUpRef,
    Timestamp, UserId, insufficient_user_authentication,
};

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword};

const MINUTE: Duration = Duration::from_secs(60);

struct Host {
    clock: FixedClock,
    log: Arc<Mutex<Vec<Event>>>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        let (clock, outbox, store) = (FixedClock::at(1_900_000_000), Outbox::new(), MemoryStore::new());
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

    async fn begin(&self, policy: &Policy) -> Login {
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact(), policy).await.unwrap()
    }

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
        let Login::Enroll(enroll) = self.begin(&app()).await else { panic!() };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let (code, name) = (self.code(&secret), DeviceName::default());
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap();
        self.wait(30);
        (secret, claims(&passed(login)))
    }

    async fn by_app(&self, secret: &Secret) -> SessionClaims {
        let Login::Challenge(asked) = self.begin(&app()).await else { panic!() };
        let login = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &app()).await.unwrap();
        self.wait(30);
        claims(&passed(login))
    }

    async fn step_up(&self, claims: &SessionClaims, freshness: Duration) -> StepUp {
        self.mfa.begin_step_up(claims, contact(), &off(), freshness).await.unwrap()
    }

    async fn asked(&self, claims: &SessionClaims) -> Challenge<StepUpRef> {
        match self.step_up(claims, Duration::ZERO).await {
            StepUp::Challenge(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    async fn elevated(&self, claims: &SessionClaims, secret: &Secret) -> Elevated {
        let asked = self.asked(claims).await;
        let done = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await.unwrap();
        self.wait(30);
        fresh(done)
    }

    async fn holds(&self, claims: &SessionClaims) -> bool {
        matches!(self.mfa.check_session(claims).await.unwrap(), Session::Valid(_))
    }

    async fn device(&self) -> DeviceId {
        self.mfa.devices(&alice()).await.unwrap()[0].id
    }

    async fn remove(&self, elevated: &Elevated, device: DeviceId, policy: &Policy) -> Removal {
        self.mfa.remove_device_with(elevated, device, contact(), policy).await.unwrap()
    }

    /// Registers a device from the profile.
    async fn register(&self, session: &SignedIn, secret: &Secret) -> Registered {
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

    fn events(&self) -> Vec<EventKind> {
        self.log.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
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

fn off() -> Policy {
    Policy::off(AfterPassword)
}

fn passed(login: Login) -> Authenticated {
    match login {
        Login::Authenticated(passed) => passed,
        other => panic!("{other:?}"),
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

/// What the host keeps, and reads back at the next request.
fn claims(passed: &Authenticated) -> SessionClaims {
    SessionClaims::from_text(&passed.session().rotated().to_text()).unwrap()
}

fn is_ended(step_up: &StepUp) -> bool {
    matches!(step_up, StepUp::Denied(denied) if denied.reason == DeniedReason::SessionEnded)
}

fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}
