//! Moving in from other systems: their rows, what becomes of them, and what must not come of it.

mod guessing;
mod import;
mod recipes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::moving::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{TimeStep, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Administrator, Challenge, Code, Contact, EmailAddress, Event, Imported, Login, LoginRef, Mfa, OsRandom,
    PrimaryVerified, Secret, ServerKey, ServerKeys, Store, UserId,
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
        Self::on(MemoryStore::new(), |typed, hash| typed.to_uppercase() == hash)
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

    async fn import(&self, import: &Import) -> Imported {
        self.mfa.import(&alice(), import, &admin()).await.unwrap()
    }

    async fn imported(&self, import: &Import) {
        let imported = self.import(import).await;
        assert!(matches!(imported, Imported::Made { .. }), "{imported:?}");
    }

    async fn begin(&self, policy: &Policy) -> Login {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact, policy).await.unwrap()
    }

    async fn challenge(&self) -> Challenge<LoginRef> {
        match self.begin(&app()).await {
            Login::Challenge(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    /// A login of its own with this code of an app.
    async fn log_in(&self, code: &str) -> Login {
        let asked = self.challenge().await;
        self.mfa.verify_app_code(asked.flow(), &Code::parse(code).unwrap(), &app()).await.unwrap()
    }

    /// A login of its own with this recovery code.
    async fn recover(&self, text: &str) -> Login {
        let asked = self.challenge().await;
        self.mfa.verify_legacy_recovery_code(asked.flow(), &legacy(text), &app()).await.unwrap()
    }

    async fn left(&self) -> u32 {
        self.mfa.status(&alice()).await.unwrap().recovery_codes.map_or(0, |left| left.get())
    }

    fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
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

/// The device, with these codes in plain and those hashed.
fn with_codes(plain: &[&str], hashed: &[&str]) -> Import {
    let import = plain.iter().try_fold(Import::new(device()), |import, code| import.with_recovery_code(legacy(code)));
    hashed.iter().try_fold(import.unwrap(), |import, hash| import.with_hashed_recovery_code(hash)).unwrap()
}

fn passed(login: &Login) -> bool {
    matches!(login, Login::Authenticated(_))
}
