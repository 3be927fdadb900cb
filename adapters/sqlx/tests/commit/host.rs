//! A user with a device who logs in while writes fail.

use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, Outbox};
use factorgate::{
    CodeFault, Contact, DeviceName, EmailAddress, Error, Event, EventKind, Login, LoginRef, Mfa, MfaError, OsRandom,
    PrimaryVerified, Secret, ServerKey, ServerKeys, Timestamp, UserId,
};
use factorgate_sqlx::SqliteStore;

/// Wrong codes that a user has before a lock.
pub(crate) const LIMIT: usize = 5;

pub(crate) struct Host {
    pub(crate) clock: FixedClock,
    pub(crate) mfa: Mfa<SqliteStore, Outbox>,
    pub(crate) user: UserId,
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
        let clock = FixedClock::at(1_900_000_000);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store, Outbox::new(), keys, Issuer::new("ACME").unwrap());
        let mfa = builder.clock(clock.clone()).build().unwrap();
        Self { clock, mfa, user: UserId::new("alice").unwrap() }
    }

    pub(crate) async fn begin(&self) -> Result<Login, MfaError<SqliteStore, Outbox>> {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        self.mfa.begin_login(PrimaryVerified::assertion(self.user.clone()), contact, &app()).await
    }

    /// Registers a device and returns its secret.
    pub(crate) async fn register(&self) -> Secret {
        let login = self.begin().await.unwrap();
        let Login::Enroll(enroll) = login else { panic!("{login:?}") };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let code = Totp::default().generate(&secret, self.clock.time()).unwrap();
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &app()).await;
        assert!(matches!(login.unwrap(), Login::Authenticated(_)));
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    /// Begins a login that waits for a code of the device.
    pub(crate) async fn login(&self) -> LoginRef {
        let login = self.begin().await.unwrap();
        let Login::Challenge(challenge) = login else { panic!("{login:?}") };
        LoginRef::from_cookie(challenge.flow().to_cookie().expose_secret()).unwrap()
    }

    /// Submits `count` wrong codes.
    pub(crate) async fn guess(&self, flow: &LoginRef, secret: &Secret, count: usize) -> Guesses {
        // A code of a step that lies outside of every window.
        let wrong = Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap();
        let mut guesses = Guesses::default();
        for _ in 0..count {
            match self.mfa.verify_app_code(flow, &wrong, &app()).await {
                Ok(login) => guesses.judged += events(&login).iter().filter(is_judged).count(),
                Err(Error::Store(_)) => guesses.failed += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        guesses
    }

    /// Submits the right code of this moment once for each of `flows`, and returns how often the engine accepted it and
    /// how often the store failed.
    pub(crate) async fn submit_right_code(&self, flows: &[&LoginRef], secret: &Secret) -> (usize, usize) {
        let right = Totp::default().generate(secret, self.clock.time()).unwrap();
        let (mut accepted, mut failed) = (0, 0);
        for &flow in flows {
            match self.mfa.verify_app_code(flow, &right, &app()).await {
                Ok(login) => accepted += usize::from(matches!(login, Login::Authenticated(_))),
                Err(Error::Store(_)) => failed += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (accepted, failed)
    }
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn is_judged(event: &&Event) -> bool {
    matches!(event.kind, EventKind::CodeRefused { fault: CodeFault::Wrong, .. })
}

fn events(login: &Login) -> &[Event] {
    match login {
        Login::Authenticated(passed) => passed.events(),
        Login::Challenge(challenge) => challenge.events(),
        Login::Denied(denied) => &denied.events,
        Login::Enroll(enroll) => enroll.challenge().events(),
    }
}
