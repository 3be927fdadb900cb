//! The host of the tests: an engine with its store, an outbox, a clock that stands still, and one user, Alice.
//!
//! The host remembers the session that was opened last, as a browser does: see [`Host::session`].
#![allow(dead_code, reason = "a module of several test crates, each of which uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind};
use factorgate::device::DeviceId;
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::login::{Registration, StepUp};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::session::{Completion, Owing, SessionCheck, UserStatus};
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom};
use factorgate::{
    Action, Authenticated, Challenge, Contact, Elevated, EmailAddress, Enroll, Flow, FlowRef, Login, Mfa, MfaBuilder,
    MfaError, Outcome, PrimaryVerified, Refusal, Session, SessionClaims, Store, Timestamp, UserId, UserRow,
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
    account: Mutex<(String, Contact)>,
    current: Mutex<Option<SessionClaims>>,
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
        let account = Mutex::new(("password 1".to_owned(), contact()));
        Self { clock, log, mfa, outbox, store, user: alice(), account, current: Mutex::default() }
    }
}

/// The host's own table, its clock and what it has seen.
impl<S: Store> Host<S> {
    /// The user's row as it is now.
    pub(crate) fn row(&self) -> UserRow {
        let account = self.account.lock().unwrap();
        UserRow::new(self.user.clone(), &account.0, account.1.clone())
    }

    /// Writes another password into the user's row. The engine is not told.
    pub(crate) fn set_password(&self, password: &str) {
        password.clone_into(&mut self.account.lock().unwrap().0);
    }

    /// Writes another contact into the user's row. The engine is not told.
    pub(crate) fn set_contact(&self, contact: Contact) {
        self.account.lock().unwrap().1 = contact;
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// What the app of a registered device shows now.
    pub(crate) fn code(&self, secret: &Secret) -> String {
        code_at(secret, self.clock.time())
    }

    pub(crate) fn mailed(&self) -> String {
        self.outbox.last_code().expect("a code was mailed")
    }

    /// What has happened since this was asked last.
    pub(crate) fn events(&self) -> Vec<EventKind> {
        self.log.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }

    pub(crate) fn has_seen(&self, kind: &EventKind) -> bool {
        self.log.lock().unwrap().iter().any(|event| event.kind == *kind)
    }

    pub(crate) async fn status(&self) -> UserStatus {
        self.mfa.admin(&admin()).status(&self.user).await.unwrap()
    }

    pub(crate) async fn device_ids(&self) -> Vec<DeviceId> {
        self.status().await.devices.into_iter().map(|device| device.id).collect()
    }
}

/// Flows.
impl<S: Store> Host<S> {
    pub(crate) async fn try_begin(&self, policy: &Policy) -> Result<Outcome<Login>, MfaError<S, Outbox>> {
        self.mfa.begin_login(PrimaryVerified::assertion(self.row()), policy).await
    }

    pub(crate) async fn begin(&self, policy: &Policy) -> Outcome<Login> {
        self.try_begin(policy).await.unwrap()
    }

    /// A login from a browser that shows the cookie that it was given when it was trusted.
    pub(crate) async fn begin_from(&self, policy: &Policy, cookie: Option<&str>) -> Outcome<Login> {
        let primary = PrimaryVerified::assertion(self.row()).from_browser(cookie);
        self.mfa.begin_login(primary, policy).await.unwrap()
    }

    pub(crate) async fn challenge(&self, policy: &Policy) -> Challenge<Login> {
        asked(self.begin(policy).await)
    }

    /// Begins a login at a time when a code would be compared, however far that is.
    pub(crate) async fn challenge_unblocked(&self, policy: &Policy) -> Challenge<Login> {
        loop {
            let asked = self.challenge(policy).await;
            match asked.refusal().and_then(|refusal| refusal.retry_at()) {
                Some(at) => self.clock.set(at.as_secs()),
                None => return asked,
            }
        }
    }

    pub(crate) async fn enroll(&self, policy: &Policy) -> Enroll<Login> {
        enrolling(self.begin(policy).await)
    }

    pub(crate) async fn submit<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, action: Action) -> Outcome<F> {
        self.mfa.submit(flow, by, action).await.unwrap()
    }

    pub(crate) async fn app_code<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Outcome<F> {
        self.submit(flow, by, Action::AppCode { code: code.into(), device: None }).await
    }

    pub(crate) async fn email_code<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Outcome<F> {
        self.submit(flow, by, Action::EmailCode { code: code.into() }).await
    }

    pub(crate) async fn recovery_code<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Outcome<F> {
        self.submit(flow, by, Action::RecoveryCode { code: code.into() }).await
    }

    pub(crate) async fn ticket<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Outcome<F> {
        self.submit(flow, by, Action::Ticket { code: code.into() }).await
    }

    pub(crate) async fn send_email<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By) -> Outcome<F> {
        self.submit(flow, by, Action::SendEmailCode).await
    }

    pub(crate) async fn register_app<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By) -> Outcome<F> {
        self.submit(flow, by, Action::RegisterApp { replace: None }).await
    }

    pub(crate) async fn replace_app<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, old: DeviceId) -> Outcome<F> {
        self.submit(flow, by, Action::RegisterApp { replace: Some(old) }).await
    }

    pub(crate) async fn confirm<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Outcome<F> {
        self.submit(flow, by, Action::ConfirmApp { code: code.into(), name: None }).await
    }

    pub(crate) async fn cancel<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By) -> Outcome<F> {
        self.submit(flow, by, Action::Cancel).await
    }
}

/// Sessions.
impl<S: Store> Host<S> {
    /// Opens a session as a host does, and remembers it.
    pub(crate) fn open(&self, passed: impl Into<Authenticated>) -> SessionClaims {
        let claims = passed.into().into_session(&self.row()).unwrap();
        let claims = SessionClaims::from_text(&claims.to_text()).unwrap();
        *self.current.lock().unwrap() = Some(claims.clone());
        claims
    }

    /// The claims of the session that was opened last.
    pub(crate) fn claims(&self) -> SessionClaims {
        self.current.lock().unwrap().clone().expect("a session was opened")
    }

    pub(crate) async fn check(&self, claims: &SessionClaims, policy: &Policy) -> SessionCheck {
        self.mfa.check_session(claims, &self.row(), policy).await.unwrap()
    }

    pub(crate) async fn holds(&self, claims: &SessionClaims) -> bool {
        matches!(self.check(claims, &off()).await, SessionCheck::Valid(_))
    }

    /// The session that was opened last, under a policy that asks for nothing. A user who has opened none signs in.
    pub(crate) async fn session(&self) -> Session {
        self.session_under(&off()).await
    }

    pub(crate) async fn session_under(&self, policy: &Policy) -> Session {
        let current = self.current.lock().unwrap().clone();
        let claims = match current {
            Some(claims) => claims,
            None => self.open(done(self.begin(policy).await)),
        };
        self.session_of(&claims, policy).await
    }

    pub(crate) async fn session_of(&self, claims: &SessionClaims, policy: &Policy) -> Session {
        self.check(claims, policy).await.into_session().unwrap()
    }

    /// A session that owes steps under `policy`.
    pub(crate) async fn owing(&self, claims: &SessionClaims, policy: &Policy) -> Box<Owing> {
        match self.check(claims, policy).await {
            SessionCheck::Owes(owing) => owing,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn begin_completion(&self, owing: &Owing) -> Outcome<Completion> {
        self.mfa.begin_completion(owing).await.unwrap()
    }

    pub(crate) async fn begin_registration(&self, session: &Session) -> Outcome<Registration> {
        self.mfa.profile(session).begin_registration().await.unwrap()
    }

    pub(crate) async fn step_up(&self, session: &Session, freshness: Duration) -> Outcome<StepUp> {
        self.mfa.profile(session).begin_step_up(freshness).await.unwrap()
    }

    pub(crate) async fn step_up_asked(&self, session: &Session) -> Challenge<StepUp> {
        asked(self.step_up(session, Duration::ZERO).await)
    }

    /// Steps the last session up by a code of the device, which is half a minute old then.
    pub(crate) async fn elevated(&self, secret: &Secret) -> Elevated {
        self.elevated_in(&self.session().await, secret).await
    }

    pub(crate) async fn elevated_in(&self, session: &Session, secret: &Secret) -> Elevated {
        let asked = self.step_up_asked(session).await;
        let elevated = done(self.app_code(asked.flow(), session, &self.code(secret)).await);
        self.wait(30);
        elevated
    }
}

/// Whole journeys.
impl<S: Store> Host<S> {
    /// Registers a device at a login; the code that confirmed it is half a minute old then.
    pub(crate) async fn register(&self) -> Secret {
        self.register_under(&app()).await.0
    }

    pub(crate) async fn register_under(&self, policy: &Policy) -> (Secret, SessionClaims) {
        let enroll = self.enroll(policy).await;
        let secret = secret_of(&enroll);
        let passed = done(self.confirm(enroll.challenge().flow(), policy, &self.code(&secret)).await);
        self.wait(30);
        (secret, self.open(passed))
    }

    /// Logs in by a code of the device, which is half a minute old then.
    pub(crate) async fn log_in(&self, secret: &Secret, policy: &Policy) -> SessionClaims {
        let asked = self.challenge(policy).await;
        let passed = done(self.app_code(asked.flow(), policy, &self.code(secret)).await);
        self.wait(30);
        self.open(passed)
    }

    /// Registers another device from the profile, on a code of the one that is registered.
    pub(crate) async fn register_another(&self, held: &Secret) -> Secret {
        let session = self.session().await;
        let asked = asked(self.begin_registration(&session).await);
        let enroll = enrolling(self.app_code(asked.flow(), &session, &self.code(held)).await);
        let secret = secret_of(&enroll);
        self.open(done(self.confirm(asked.flow(), &session, &self.code(&secret)).await));
        self.wait(30);
        secret
    }

    /// Activates new recovery codes, on a code of the device.
    pub(crate) async fn recovery_codes(&self, held: &Secret) -> Vec<String> {
        let elevated = self.elevated(held).await;
        let new = self.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
        let codes: Vec<String> = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
        let session = self.session().await;
        self.mfa.profile(&session).confirm_recovery_codes(&codes[0].as_str().into()).await.unwrap().unwrap();
        codes
    }

    /// Signs in by a recovery code. The session owes a device.
    pub(crate) async fn recover(&self, code: &str, policy: &Policy) -> SessionClaims {
        let asked = self.challenge(policy).await;
        self.open(done(self.recovery_code(asked.flow(), policy, code).await))
    }
}

pub(crate) fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

/// The row of another user.
pub(crate) fn row_of(user: &str) -> UserRow {
    UserRow::new(UserId::new(user).unwrap(), "password 1", contact())
}

pub(crate) fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
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
pub(crate) fn secret_of<F: Flow>(enroll: &Enroll<F>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

pub(crate) fn code_at(secret: &Secret, at: Timestamp) -> String {
    Totp::default().generate(secret, at).unwrap().expose_secret().expose_secret().to_owned()
}

/// A code of a step that lies outside of every window.
pub(crate) fn wrong(secret: &Secret) -> String {
    code_at(secret, Timestamp::from_secs(0))
}

/// A mailed code that is not this one.
pub(crate) fn not(code: &str) -> String {
    if code == "00000000" { "00000001" } else { "00000000" }.to_owned()
}

/// A recovery code of nobody.
pub(crate) const NOBODYS: &str = "0000-0000-0000-0000";

#[track_caller]
pub(crate) fn done<F: Flow>(outcome: Outcome<F>) -> F::Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn asked<F: Flow>(outcome: Outcome<F>) -> Challenge<F> {
    match outcome {
        Outcome::Challenge(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn enrolling<F: Flow>(outcome: Outcome<F>) -> Enroll<F> {
    match outcome {
        Outcome::Enroll(enroll) => enroll,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_in<F: Flow>(outcome: &Outcome<F>) -> bool {
    matches!(outcome, Outcome::Done(_))
}

pub(crate) fn denied<F: Flow>(outcome: &Outcome<F>) -> Option<Refusal> {
    match outcome {
        Outcome::Denied(denied) => Some(denied.refusal()),
        _ => None,
    }
}

/// Why a flow that stays open was refused.
pub(crate) fn refusal<F: Flow>(outcome: &Outcome<F>) -> Option<Refusal> {
    match outcome {
        Outcome::Challenge(challenge) => challenge.refusal(),
        Outcome::Enroll(enroll) => enroll.challenge().refusal(),
        Outcome::Done(_) | Outcome::Denied(_) => None,
    }
}

pub(crate) fn is_locked<F: Flow>(outcome: &Outcome<F>) -> bool {
    matches!(refusal(outcome), Some(Refusal::Locked { .. }))
}
