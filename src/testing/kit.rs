//! Everything that a test needs around an engine.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::borrow::ToOwned as _;
use std::sync::{Mutex, PoisonError};

use super::{FixedClock, MemoryStore, Outbox, SeededRandom};
use crate::audit::Event;
use crate::keys::{ServerKey, ServerKeys};
use crate::mfa::{Mfa, MfaBuilder};
use crate::otp::{Secret, Totp};
use crate::otpauth::{Issuer, KeyParameters, KeyUri};

/// Everything that a test needs around an engine: its store, outbox, clock and events.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use factorgate::policy::{Channel, FirstRegistration, Policy};
/// use factorgate::testing::Kit;
/// use factorgate::{Action, Contact, EmailAddress, Outcome, PrimaryVerified, UserId, UserRow};
///
/// let kit = Kit::new();
/// let mfa = kit.mfa();
/// let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword)?;
/// let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
/// let row = UserRow::new(UserId::new("alice")?, "1", contact);
/// let Outcome::Enroll(enroll) = mfa.begin_login(PrimaryVerified::assertion(row), &policy).await? else { panic!() };
///
/// let phone = kit.scan(enroll.key_uri());
/// let confirm = Action::ConfirmApp { code: phone.code().into(), name: None };
/// let outcome = mfa.submit(enroll.challenge().flow(), &policy, confirm).await?;
/// assert!(matches!(outcome, Outcome::Done(_)));
/// assert_eq!(kit.outbox.notices(), ["device_added"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Kit {
    /// The store.
    pub store: MemoryStore,
    /// The outbox.
    pub outbox: Outbox,
    /// The clock, which stands still until the test moves it.
    pub clock: FixedClock,
    random: SeededRandom,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Kit {
    /// Returns a kit whose clock shows 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::over(MemoryStore::new())
    }

    /// Returns a kit over `store`, such as [`MemoryStore::interleaving`] for a test of races.
    #[must_use]
    pub fn over(store: MemoryStore) -> Self {
        Self {
            store,
            outbox: Outbox::new(),
            clock: FixedClock::at(1_767_225_600),
            random: SeededRandom::new(1),
            events: Arc::default(),
        }
    }

    /// Returns the settings of an engine over the kit, to be changed as the host changes its own.
    pub fn builder(&self) -> MfaBuilder<MemoryStore, Outbox> {
        let events = Arc::clone(&self.events);
        // Constants of a test: the bytes are a key, and the name an issuer.
        let key =
            ServerKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").expect("a key");
        let issuer = Issuer::new("ACME").expect("a name");
        Mfa::builder(self.store.clone(), self.outbox.clone(), ServerKeys::new(key), issuer)
            .clock(self.clock.clone())
            .random(self.random.clone())
            .observer(move |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone()))
    }

    /// Returns an engine over the kit.
    #[must_use]
    pub fn mfa(&self) -> Mfa<MemoryStore, Outbox> {
        // The settings are the defaults, which are in range.
        self.builder().build().expect("default settings")
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Returns the events so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Scans a Key URI as a phone does.
    #[must_use]
    pub fn scan(&self, uri: &KeyUri) -> App {
        App::scan(uri, &self.clock)
    }
}

impl Default for Kit {
    fn default() -> Self {
        Self::new()
    }
}

/// An authenticator app that has scanned one Key URI.
#[derive(Debug)]
pub struct App {
    secret: Secret,
    totp: Totp,
    clock: FixedClock,
}

impl App {
    /// Scans the Key URI of a time-based device; codes follow `clock`.
    ///
    /// # Panics
    ///
    /// If the Key URI is not one of a time-based device.
    #[must_use]
    pub fn scan(uri: &KeyUri, clock: &FixedClock) -> Self {
        let parsed = KeyUri::parse(uri.expose_secret()).expect("a Key URI of this library");
        let KeyParameters::Totp(totp) = parsed.parameters() else { panic!("a Key URI of a time-based device") };
        Self { secret: parsed.into_secret(), totp, clock: clock.clone() }
    }

    /// Returns the code that the app shows now.
    #[must_use]
    pub fn code(&self) -> String {
        let code = self.totp.generate(&self.secret, self.clock.time()).expect("a time after the first step");
        code.expose_secret().expose_secret().to_owned()
    }

    /// Moves the clock to the next step and returns its code: no code works twice.
    #[must_use]
    pub fn next_code(&self) -> String {
        self.clock.advance(Duration::from_secs(self.totp.period_secs()));
        self.code()
    }
}
