//! The settings of the engine, each with a default that needs no thought.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use super::{HashChecker, Mfa, Observer};
use crate::account::Rules;
use crate::audit::Event;
use crate::keys::ServerKeys;
use crate::limits::{Guessing, InvalidSettings, IssuanceBudget};
use crate::mail::Mailer;
use crate::otp::{Digits, Totp, Window};
use crate::otpauth::Issuer;
use crate::random::{OsRandom, SecureRandom};
use crate::store::Store;
use crate::time::{Clock, SystemClock, Timestamp};

/// Settings of an [`Mfa`], to be built.
///
/// ```
/// use std::time::Duration;
///
/// use factorgate::Mfa;
/// use factorgate::env::OsRandom;
/// use factorgate::keys::{ServerKey, ServerKeys};
/// use factorgate::limits::IssuanceBudget;
/// use factorgate::otpauth::Issuer;
/// use factorgate::testing::{MemoryStore, Outbox};
///
/// let keys = ServerKeys::new(ServerKey::generate(&OsRandom)?);
/// let mfa = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, Issuer::new("ACME")?)
///     .email_lifetime(Duration::from_secs(5 * 60))
///     .issuance_budget(IssuanceBudget::new(5, Duration::from_secs(60))?)
///     .observer(|event| println!("{event}"))
///     .build()?;
/// # let _ = mfa;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder builds nothing by itself"]
pub struct MfaBuilder<S, M>(Mfa<S, M>);

impl<S, M> fmt::Debug for MfaBuilder<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MfaBuilder").field(&self.0.rules).finish()
    }
}

impl<S, M> Mfa<S, M> {
    /// Returns the settings of an engine over the host's `store` and `mailer`.
    ///
    /// `issuer` is the name of the product, as apps and mails show it. It is part of the configuration, never
    /// of a request.
    ///
    /// ```
    /// # fn engine(
    /// #     store: factorgate::testing::MemoryStore, mailer: factorgate::testing::Outbox, key_in_hex: &str,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use factorgate::Mfa;
    /// use factorgate::keys::{ServerKey, ServerKeys};
    /// use factorgate::otpauth::Issuer;
    ///
    /// let keys = ServerKeys::new(ServerKey::from_hex(key_in_hex)?);
    /// let mfa = Mfa::builder(store, mailer, keys, Issuer::new("ACME")?)
    ///     .observer(|event| println!("{event}"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(store: S, mailer: M, keys: ServerKeys, issuer: Issuer) -> MfaBuilder<S, M>
    where
        S: Store,
        M: Mailer,
    {
        MfaBuilder(Self {
            clock: Box::new(SystemClock),
            hash_checker: None,
            keys,
            mailer,
            observer: None,
            random: Box::new(OsRandom),
            rules: Rules {
                email_digits: Digits::EIGHT,
                email_lifetime: MfaBuilder::<S, M>::MAX_EMAIL_LIFETIME,
                guessing: Guessing::new(),
                issuance: IssuanceBudget::default(),
                issuer,
                totp: Totp::default(),
                trust_lifetime: MfaBuilder::<S, M>::MAX_TRUST_LIFETIME,
                window: Window::default(),
            },
            store,
        })
    }
}

impl<S: Store, M: Mailer> MfaBuilder<S, M> {
    /// The longest lifetime of an e-mail code, and the default: 10 minutes (OWASP ASVS 5.0, 6.5.5).
    pub const MAX_EMAIL_LIFETIME: Duration = Duration::from_secs(10 * 60);
    /// The longest time for which a browser can be trusted, and the default: 30 days.
    pub const MAX_TRUST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// The shortest lifetime of an e-mail code: 1 minute.
    pub const MIN_EMAIL_LIFETIME: Duration = Duration::from_secs(60);
    /// The shortest time for which a browser can be trusted: 1 minute.
    pub const MIN_TRUST_LIFETIME: Duration = Duration::from_secs(60);

    /// Replaces the system clock.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.0.clock = Box::new(clock);
        self
    }

    /// How many digits an e-mail code has: 8 by default, 26.6 bits.
    pub fn email_digits(mut self, digits: Digits) -> Self {
        self.0.rules.email_digits = digits;
        self
    }

    /// Sets how long an e-mail code is valid. Default: 10 minutes.
    pub fn email_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.rules.email_lifetime = lifetime;
        self
    }

    /// Sets how often codes can be guessed. Default: [`Guessing::new`].
    pub fn guessing(mut self, limits: Guessing) -> Self {
        self.0.rules.guessing = limits;
        self
    }

    /// Sets how often a code is mailed to a user. Default: 10 in an hour, at least 30 seconds apart.
    pub fn issuance_budget(mut self, budget: IssuanceBudget) -> Self {
        self.0.rules.issuance = budget;
        self
    }

    /// Sees each [`Event`] after the store has accepted it. It runs within the request: hand the event on, do
    /// not wait.
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.0.observer = Some(Box::new(observer) as Box<Observer>);
        self
    }

    /// Replaces the source of randomness. Default: [`OsRandom`].
    pub fn random(mut self, random: impl SecureRandom + 'static) -> Self {
        self.0.random = Box::new(random);
        self
    }

    /// Sets the function that compares a typed recovery code with an imported hash: see [`migrate`](crate::migrate). Its
    /// arguments are the code and the hash.
    ///
    /// Hashes of passwords are slow on purpose, and there is one for each code that is left: of ten, at a quarter of a
    /// second each, one guess takes two and a half seconds of a processor. So it is run only for a user whose first
    /// factor was right, on what is left of the user's own hashes ([`Import::MAX_RECOVERY_CODES`] at most), until one is
    /// right, and after the guess was counted: however many requests come at once, it is run for no more of them than the
    /// budget has guesses. It runs within the request and blocks its thread: on tokio's executor with several threads,
    /// wrap it into `tokio::task::block_in_place`.
    ///
    /// [`Import::MAX_RECOVERY_CODES`]: crate::migrate::Import::MAX_RECOVERY_CODES
    pub fn recovery_hash_checker(mut self, checker: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.0.hash_checker = Some(Box::new(checker) as Box<HashChecker>);
        self
    }

    /// How codes of devices that are registered from now on are computed. The default is the one that every app
    /// supports; a device keeps the settings that it was registered with.
    pub fn totp(mut self, totp: Totp) -> Self {
        self.0.rules.totp = totp;
        self
    }

    /// For how long a browser is trusted, where the policy allows it: 30 days by default, from the day on which it
    /// was trusted, however often it is used.
    pub fn trust_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.rules.trust_lifetime = lifetime;
        self
    }

    /// How far the clock of a device may be off: one step either way by default.
    pub fn window(mut self, window: Window) -> Self {
        self.0.rules.window = window;
        self
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] names the setting that is out of range.
    pub fn build(self) -> Result<Mfa<S, M>, InvalidSettings> {
        let rules = &self.0.rules;
        if !(Self::MIN_EMAIL_LIFETIME..=Self::MAX_EMAIL_LIFETIME).contains(&rules.email_lifetime) {
            return Err(InvalidSettings::EmailLifetime);
        }
        if !rules.guessing.is_valid() {
            return Err(InvalidSettings::Guessing);
        }
        if rules.totp.t0() != Timestamp::from_secs(0) {
            return Err(InvalidSettings::T0);
        }
        if !(Self::MIN_TRUST_LIFETIME..=Self::MAX_TRUST_LIFETIME).contains(&rules.trust_lifetime) {
            return Err(InvalidSettings::TrustLifetime);
        }
        Ok(self.0)
    }
}
