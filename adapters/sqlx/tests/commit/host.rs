//! A user with a device who logs in while writes fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use factorgate::audit::{CodeFault, EventKind};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, Outbox};
use factorgate::{
    Action, Contact, EmailAddress, Error, FlowRef, Login, Mfa, MfaError, Outcome, PrimaryVerified, Timestamp, UserId,
    UserRow,
};
use factorgate_sqlx::SqliteStore;

/// Wrong codes that a user has before a lock.
pub(crate) const LIMIT: usize = 5;

pub(crate) struct Host {
    pub(crate) clock: FixedClock,
    pub(crate) mfa: Mfa<SqliteStore, Outbox>,
    pub(crate) user: UserId,
    /// Codes that the observer has seen to be compared and found wrong.
    judged: Arc<AtomicUsize>,
}

/// What came of many wrong codes.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    /// Codes that were compared and found wrong.
    pub(crate) judged: usize,
    /// Requests that ended in [`Error::Store`].
    pub(crate) failed: usize,
}

impl Host {
    pub(crate) fn new(store: SqliteStore) -> Self {
        let (clock, judged) = (FixedClock::at(1_900_000_000), Arc::new(AtomicUsize::new(0)));
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let seen = Arc::clone(&judged);
        let mfa = Mfa::builder(store, Outbox::new(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .observer(move |event| {
                let wrong = matches!(event.kind, EventKind::CodeRefused { fault: CodeFault::Wrong, .. });
                seen.fetch_add(usize::from(wrong), Ordering::SeqCst);
            })
            .build()
            .unwrap();
        Self { clock, mfa, user: UserId::new("alice").unwrap(), judged }
    }

    pub(crate) async fn begin(&self) -> Result<Outcome<Login>, MfaError<SqliteStore, Outbox>> {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        self.mfa.begin_login(PrimaryVerified::assertion(UserRow::new(self.user.clone(), "1", contact)), &app()).await
    }

    /// Registers a device and returns its secret.
    pub(crate) async fn register(&self) -> Secret {
        let outcome = self.begin().await.unwrap();
        let Outcome::Enroll(enroll) = outcome else { panic!("{outcome:?}") };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let confirm = Action::ConfirmApp { code: self.code(&secret, self.clock.time()).into(), name: None };
        let outcome = self.mfa.submit(enroll.challenge().flow(), &app(), confirm).await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    /// Begins a login that waits for a code of the device.
    pub(crate) async fn login(&self) -> FlowRef<Login> {
        let outcome = self.begin().await.unwrap();
        FlowRef::from_cookie(&outcome.flow().expect("a code is owed").to_cookie()).unwrap()
    }

    /// Submits `count` wrong codes.
    pub(crate) async fn guess(&self, flow: &FlowRef<Login>, secret: &Secret, count: usize) -> Guesses {
        // A code of a step that lies outside of every window.
        let wrong = self.code(secret, Timestamp::from_secs(0));
        let before = self.judged.load(Ordering::SeqCst);
        let mut guesses = Guesses::default();
        for _ in 0..count {
            let code = Action::AppCode { code: wrong.as_str().into(), device: None };
            match self.mfa.submit(flow, &app(), code).await {
                Ok(_) => {}
                Err(Error::Store(_)) => guesses.failed += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        guesses.judged = self.judged.load(Ordering::SeqCst) - before;
        guesses
    }

    /// Submits the right code of this moment once for each of `flows`, and returns how often the engine accepted it and
    /// how often the store failed.
    pub(crate) async fn submit_right_code(&self, flows: &[&FlowRef<Login>], secret: &Secret) -> (usize, usize) {
        let right = self.code(secret, self.clock.time());
        let (mut accepted, mut failed) = (0, 0);
        for &flow in flows {
            let code = Action::AppCode { code: right.as_str().into(), device: None };
            match self.mfa.submit(flow, &app(), code).await {
                Ok(outcome) => accepted += usize::from(matches!(outcome, Outcome::Done(_))),
                Err(Error::Store(_)) => failed += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (accepted, failed)
    }

    fn code(&self, secret: &Secret, at: Timestamp) -> String {
        Totp::default().generate(secret, at).unwrap().expose_secret().expose_secret().to_owned()
    }
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}
