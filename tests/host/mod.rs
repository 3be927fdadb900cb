//! The host of the tests: an engine with its store, an outbox, a clock that stands still, and one user, Alice.
#![allow(dead_code, reason = "a module of several test crates, each of which uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom};
use factorgate::{
    Administrator, Authenticated, BrowserToken, Challenge, Code, Contact, DeniedReason, DeviceName, EmailAddress,
    Enroll, Event, EventKind, Flow, Login, LoginRef, Mfa, MfaBuilder, MfaError, OsRandom, PrimaryVerified, Refusal,
    Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, StepUpRef, Store, Timestamp, UserId,
};

/// When each test begins.
pub(crate) const NOW: u64 = 1_900_000_000;
pub(crate) const DAY: u64 = 24 * 60 * 60;

pub(crate) struct Host<S = MemoryStore> {
    pub(crate) clock: FixedClock,
    pub(crate) log: Arc<Mutex<Vec<Event>>>,
    pub(crate) mfa: Arc<Mfa<S, Outbox>>,
    pub(crate) outbox: Outbox,
    pub(crate) store: S,
    pub(crate) user: UserId,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(
        settings: impl FnOnce(MfaBuilder<MemoryStore, Outbox>) -> MfaBuilder<MemoryStore, Outbox>,
    ) -> Self {
        Self::on(MemoryStore::new(), settings)
    }
}

impl<S: Store + Clone> Host<S> {
    pub(crate) fn on(store: S, settings: impl FnOnce(MfaBuilder<S, Outbox>) -> MfaBuilder<S, Outbox>) -> Self {
        let (clock, outbox) = (FixedClock::at(NOW), Outbox::new());
        let log: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&log);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            // The same in every run: a code of another step can be right by chance, and some tests guess hundreds of times.
            .random(SeededRandom::new(20))
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()));
        let mfa = Arc::new(settings(builder).build().unwrap());
        Self { clock, log, mfa, outbox, store, user: alice() }
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// What the app of a registered device shows now.
    pub(crate) fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    pub(crate) fn mailed(&self) -> Code {
        Code::parse(&self.outbox.last_code().expect("a code was mailed")).unwrap()
    }

    /// What has happened since this was asked last.
    pub(crate) fn events(&self) -> Vec<EventKind> {
        self.log.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }

    pub(crate) async fn try_begin(&self, policy: &Policy) -> Result<Login, MfaError<S, Outbox>> {
        self.mfa.begin_login(PrimaryVerified::assertion(self.user.clone()), contact(), policy).await
    }

    pub(crate) async fn begin(&self, policy: &Policy) -> Login {
        self.try_begin(policy).await.unwrap()
    }

    /// A login from a browser that shows what it was given when it was trusted.
    pub(crate) async fn begin_from(&self, policy: &Policy, browser: Option<&BrowserToken>) -> Login {
        let primary = PrimaryVerified::assertion(self.user.clone());
        self.mfa.begin_login_from(primary, contact(), policy, browser).await.unwrap()
    }

    pub(crate) async fn challenge(&self, policy: &Policy) -> Challenge<LoginRef> {
        match self.begin(policy).await {
            Login::Challenge(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn enroll(&self, policy: &Policy) -> Enroll<LoginRef> {
        match self.begin(policy).await {
            Login::Enroll(enroll) => enroll,
            other => panic!("{other:?}"),
        }
    }

    /// Registers a device at a login; the code that confirmed it is half a minute old then.
    pub(crate) async fn register(&self) -> Secret {
        self.register_under(&app()).await.0
    }

    pub(crate) async fn register_under(&self, policy: &Policy) -> (Secret, Authenticated) {
        let enroll = self.enroll(policy).await;
        let secret = secret_of(&enroll);
        let (code, name) = (self.code(&secret), DeviceName::default());
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, policy).await.unwrap();
        self.wait(30);
        (secret, passed(login))
    }

    /// Logs in by a code of the device, which is half a minute old then.
    pub(crate) async fn log_in(&self, secret: &Secret, policy: &Policy) -> Authenticated {
        let asked = self.challenge(policy).await;
        let login = self.mfa.verify_app_code(asked.flow(), &self.code(secret), policy).await.unwrap();
        self.wait(30);
        passed(login)
    }

    pub(crate) async fn step_up(&self, claims: &SessionClaims, freshness: Duration) -> StepUp {
        self.mfa.begin_step_up(claims, contact(), &off(), freshness).await.unwrap()
    }

    pub(crate) async fn step_up_asked(&self, claims: &SessionClaims) -> Challenge<StepUpRef> {
        match self.step_up(claims, Duration::ZERO).await {
            StepUp::Challenge(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn holds(&self, claims: &SessionClaims) -> bool {
        matches!(self.mfa.check_session(claims).await.unwrap(), Session::Valid(_))
    }
}

pub(crate) fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

pub(crate) fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

pub(crate) fn session() -> SignedIn {
    SignedIn::assertion(alice())
}

pub(crate) fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

pub(crate) fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

pub(crate) fn email() -> Policy {
    Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap()
}

pub(crate) fn with_ticket() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap()
}

pub(crate) fn off() -> Policy {
    Policy::off(FirstRegistration::AfterPassword)
}

/// What an app learns by scanning the QR code.
pub(crate) fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

/// A code of a step that lies outside of every window.
pub(crate) fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}

/// What the host keeps, and reads back at the next request.
pub(crate) fn claims(passed: &Authenticated) -> SessionClaims {
    SessionClaims::from_text(&passed.session().rotated().to_text()).unwrap()
}

pub(crate) fn passed(login: Login) -> Authenticated {
    match login {
        Login::Authenticated(passed) => passed,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_in(login: &Login) -> bool {
    matches!(login, Login::Authenticated(_))
}

pub(crate) fn denied(login: &Login) -> Option<DeniedReason> {
    match login {
        Login::Denied(denied) => Some(denied.reason),
        _ => None,
    }
}

pub(crate) fn refusal(login: &Login) -> Option<Refusal> {
    match login {
        Login::Challenge(challenge) => challenge.refusal(),
        Login::Enroll(enroll) => enroll.challenge().refusal(),
        Login::Authenticated(_) | Login::Denied(_) => None,
    }
}
