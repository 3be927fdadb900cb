//! Imports from other systems: their rows, what becomes of them, and what must not.

mod guessing;
mod import;
mod recipes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, TimeStep, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::session::UserStatus;
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Action, Challenge, Contact, EmailAddress, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal, Store, UserId,
    UserRow,
};

/// When the rows were made.
const NOW: u64 = 1_900_000_000;
const KEY: &[u8] = b"12345678901234567890";

struct Host<S = MemoryStore> {
    /// How often the checker of hashes was run.
    checks: Arc<AtomicUsize>,
    clock: FixedClock,
    log: Arc<Mutex<Vec<Event>>>,
    mfa: Arc<Mfa<S, Outbox>>,
    outbox: Outbox,
    store: S,
}

impl Host {
    /// With a checker for which a hash is the code in upper case.
    fn new() -> Self {
        Self::on(MemoryStore::new(), is_upper_case)
    }
}

impl<S: Store + Clone> Host<S> {
    fn on(store: S, checker: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        let (clock, outbox, checks) = (FixedClock::at(NOW), Outbox::new(), Arc::new(AtomicUsize::new(0)));
        let (log, counted): (Arc<Mutex<Vec<Event>>>, _) = (Arc::default(), Arc::clone(&checks));
        let seen = Arc::clone(&log);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let mfa = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()))
            .recovery_hash_checker(move |typed, hash| {
                counted.fetch_add(1, Ordering::SeqCst);
                checker(typed, hash)
            })
            .build()
            .unwrap();
        Self { checks, clock, log, mfa: Arc::new(mfa), outbox, store }
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    async fn import(&self, import: &Import) -> Result<(), Refusal> {
        self.mfa.admin(&admin()).import(&alice(), import).await.unwrap()
    }

    async fn imported(&self, import: &Import) {
        self.import(import).await.unwrap();
    }

    async fn begin(&self, policy: &Policy) -> Outcome<Login> {
        self.mfa.begin_login(PrimaryVerified::assertion(row()), policy).await.unwrap()
    }

    async fn challenge(&self) -> Challenge<Login> {
        match self.begin(&app()).await {
            Outcome::Challenge(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    async fn app_code(&self, flow: &FlowRef<Login>, code: &str) -> Outcome<Login> {
        self.mfa.submit(flow, &app(), Action::AppCode { code: code.into(), device: None }).await.unwrap()
    }

    async fn recovery_code(&self, flow: &FlowRef<Login>, code: &str) -> Outcome<Login> {
        self.mfa.submit(flow, &app(), recovery(code)).await.unwrap()
    }

    /// A login of its own with this code of an app.
    async fn log_in(&self, code: &str) -> Outcome<Login> {
        self.app_code(self.challenge().await.flow(), code).await
    }

    /// A login of its own with this recovery code.
    async fn recover(&self, code: &str) -> Outcome<Login> {
        self.recovery_code(self.challenge().await.flow(), code).await
    }

    async fn status(&self) -> UserStatus {
        self.mfa.admin(&admin()).status(&alice()).await.unwrap()
    }

    async fn left(&self) -> u32 {
        self.status().await.recovery_codes.map_or(0, |left| left.get())
    }

    fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.log.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }
}

fn is_upper_case(typed: &str, hash: &str) -> bool {
    typed.to_uppercase() == hash
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn row() -> UserRow {
    UserRow::new(alice(), "password 1", contact())
}

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn secret() -> Secret {
    Secret::from_bytes(KEY).unwrap()
}

/// A device whose last step is half a minute old.
fn device() -> ImportedDevice {
    ImportedDevice::new(secret(), Totp::default()).last_step(TimeStep::new(NOW / 30 - 1))
}

fn legacy(text: &str) -> LegacyRecoveryCode {
    LegacyRecoveryCode::parse(text).unwrap()
}

fn recovery(code: &str) -> Action {
    Action::RecoveryCode { code: code.into() }
}

/// The device, with these codes in plain and those hashed.
fn with_codes(plain: &[&str], hashed: &[&str]) -> Import {
    let import = plain.iter().try_fold(Import::new(device()), |import, code| import.with_recovery_code(legacy(code)));
    hashed.iter().try_fold(import.unwrap(), |import, hash| import.with_hashed_recovery_code(hash)).unwrap()
}

fn passed(login: &Outcome<Login>) -> bool {
    matches!(login, Outcome::Done(_))
}
