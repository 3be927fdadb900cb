//! TOTP (RFC 6238): HOTP whose counter is the time.

use core::num::NonZeroU64;
use core::time::Duration;

use super::Algorithm;
use super::hotp::{Hotp, Search};
use super::window::Window;
use crate::code::{Code, Digits};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Codes that follow the clock (RFC 6238).
///
/// The parameters belong to the secret: what the app was given when it was registered, the server must use
/// for ever (RFC 6238 section 3, R4). The default, SHA-1, 6 digits, 30 seconds, is what every app supports.
///
/// ```
/// use factorgate::otp::{Algorithm, Digits, Totp};
///
/// let totp = Totp::builder().algorithm(Algorithm::Sha256).digits(Digits::EIGHT).period_secs(60).build()?;
/// assert_eq!(totp.period_secs(), 60);
/// assert!(Totp::builder().period_secs(0).build().is_err());
/// # Ok::<_, factorgate::otp::InvalidTotp>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Totp {
    hotp: Hotp,
    period: NonZeroU64,
    t0: Timestamp,
}

impl Totp {
    /// The period that every app supports, in seconds (RFC 6238 section 4.1).
    pub const DEFAULT_PERIOD_SECS: u64 = 30;
    /// The longest period, in seconds: a day.
    pub const MAX_PERIOD_SECS: u64 = 86_400;

    /// Starts from the default parameters.
    pub fn builder() -> TotpBuilder {
        TotpBuilder::default()
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.hotp.algorithm()
    }

    /// The number of digits.
    #[must_use]
    pub const fn digits(&self) -> Digits {
        self.hotp.digits()
    }

    /// The same with another hash function, as an app shows it that ignores this one.
    #[cfg(feature = "std")]
    pub(crate) const fn with_algorithm(self, algorithm: Algorithm) -> Self {
        Self { hotp: Hotp::new(algorithm, self.hotp.digits()), ..self }
    }

    pub(super) const fn hotp(&self) -> Hotp {
        self.hotp
    }

    /// How long a code is shown, in seconds (X in RFC 6238).
    #[must_use]
    pub const fn period_secs(&self) -> u64 {
        self.period.get()
    }

    /// The time at which step 0 begins.
    #[must_use]
    pub const fn t0(&self) -> Timestamp {
        self.t0
    }

    /// The code that an app shows at the time `at`; `None` before T0.
    #[must_use]
    pub fn generate(&self, secret: &Secret, at: Timestamp) -> Option<Code> {
        let step = self.step_at(at)?;
        Some(self.hotp.generate(secret, step.0))
    }

    /// The code that an app shows next, after that of the time `at`; `None` after the last step.
    ///
    /// ```
    /// use factorgate::otp::Totp;
    /// use factorgate::{otp::Secret, Timestamp};
    ///
    /// let (totp, secret) = (Totp::default(), Secret::from_bytes(b"12345678901234567890")?);
    /// let (now, soon) = (Timestamp::from_secs(59), Timestamp::from_secs(60));
    /// let (next, then) = (totp.generate_next(&secret, now), totp.generate(&secret, soon));
    /// assert_eq!(next.unwrap().expose_secret().expose_secret(), then.unwrap().expose_secret().expose_secret());
    /// # Ok::<_, factorgate::otp::InvalidSecret>(())
    /// ```
    #[must_use]
    pub fn generate_next(&self, secret: &Secret, at: Timestamp) -> Option<Code> {
        let next = self.step_at(at).map_or(Some(0), |TimeStep(step)| step.checked_add(1))?;
        Some(self.hotp.generate(secret, next))
    }

    /// The step for which `code` is right, out of the `window` around the step of the time `at`.
    ///
    /// `after` is the greatest step that was accepted before with this secret: neither it nor an earlier step
    /// is accepted again (RFC 6238 section 5.2). On `Some(step)` the host stores `step` in its place in one
    /// atomic step, only if the stored one is not already as great. If the code is right for several steps,
    /// the greatest is given, or the code would be good a second time.
    ///
    /// `None` if the code is wrong, has another number of digits, was used, or if `at` lies before T0;
    /// [`Totp::check`] tells a code that was used from a wrong one.
    #[must_use = "only `Some` is a right code, and its step must be stored"]
    pub fn verify(
        &self,
        secret: &Secret,
        code: &Code,
        at: Timestamp,
        window: Window,
        after: Option<TimeStep>,
    ) -> Option<TimeStep> {
        match self.check(secret, code, at, window, after) {
            Verdict::Accepted(step) => Some(step),
            Verdict::Replayed | Verdict::Wrong => None,
        }
    }

    /// Judges `code` as [`Totp::verify`] does, and tells a right code that was used from a wrong one.
    ///
    /// To the user the two are the same. To the server they are not: a code that is sent twice, by a double
    /// click or by an eavesdropper, is no guess.
    #[must_use = "only `Accepted` is a right code, and its step must be stored"]
    pub fn check(
        &self,
        secret: &Secret,
        code: &Code,
        at: Timestamp,
        window: Window,
        after: Option<TimeStep>,
    ) -> Verdict {
        let Some(TimeStep(now)) = self.step_at(at) else { return Verdict::Wrong };
        // Where the window reaches over an end of the steps, it is cut off.
        let first = now.saturating_sub(u64::from(window.past()));
        let last = now.saturating_add(u64::from(window.future()));
        self.judge(secret, code, first, last, after)
    }

    /// Judges a code by those of the steps `first..=last`.
    pub(super) fn judge(
        &self,
        secret: &Secret,
        code: &Code,
        first: u64,
        last: u64,
        after: Option<TimeStep>,
    ) -> Verdict {
        let found = Search { hotp: self.hotp, secret, code, first, last, after: after.map(TimeStep::get) }.run();
        // The verdict is public.
        if found.fresh.into() {
            Verdict::Accepted(TimeStep(found.counter))
        } else if found.spent.into() {
            Verdict::Replayed
        } else {
            Verdict::Wrong
        }
    }

    /// The step of a time: the whole periods since T0 (RFC 6238 section 4.2); `None` before T0.
    // Apart from the code that touches secrets, so that a look at the machine code can tell that the division
    // is on public values.
    #[inline(never)]
    #[must_use]
    pub fn step_at(&self, at: Timestamp) -> Option<TimeStep> {
        let since = at.as_secs().checked_sub(self.t0.as_secs())?;
        Some(TimeStep(since / self.period.get()))
    }

    /// How long the code of the time `at` is still shown; before T0, how long until the first one is.
    #[inline(never)]
    #[must_use]
    pub fn remaining(&self, at: Timestamp) -> Duration {
        Duration::from_secs(match at.as_secs().checked_sub(self.t0.as_secs()) {
            Some(since) => self.period.get() - since % self.period.get(),
            None => self.t0.as_secs() - at.as_secs(),
        })
    }

    /// How long a code is accepted in all, from the first moment to the last (NIST SP 800-63B-4 section
    /// 3.1.5.2). It is also how many codes a single guess can hit, counted in periods.
    ///
    /// ```
    /// use factorgate::otp::{Totp, Window};
    ///
    /// assert_eq!(Totp::default().accepted_lifetime(Window::default()).as_secs(), 90);
    /// ```
    #[must_use]
    pub fn accepted_lifetime(&self, window: Window) -> Duration {
        // At most 21 days.
        Duration::from_secs(self.period.get() * (u64::from(window.past()) + 1 + u64::from(window.future())))
    }
}

impl Default for Totp {
    fn default() -> Self {
        // Evaluated by the compiler: a zero would not compile.
        const PERIOD: NonZeroU64 = NonZeroU64::new(Totp::DEFAULT_PERIOD_SECS).unwrap();
        Self { hotp: Hotp::default(), period: PERIOD, t0: Timestamp::from_secs(0) }
    }
}

/// The parameters of a [`Totp`] in the making.
///
/// ```
/// use factorgate::otp::{Algorithm, Digits, Totp};
///
/// let totp = Totp::builder().algorithm(Algorithm::Sha256).digits(Digits::EIGHT).period_secs(60).build()?;
/// assert_eq!((totp.digits(), totp.period_secs()), (Digits::EIGHT, 60));
/// # Ok::<_, factorgate::otp::InvalidTotp>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TotpBuilder {
    algorithm: Algorithm,
    digits: Digits,
    period: u64,
    t0: Timestamp,
}

impl TotpBuilder {
    /// The hash function; SHA-1 if it is not set.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The number of digits; six if it is not set.
    pub fn digits(mut self, digits: Digits) -> Self {
        self.digits = digits;
        self
    }

    /// How long a code is shown, from 1 to [`Totp::MAX_PERIOD_SECS`] seconds; 30 if it is not set. NIST SP
    /// 800-63B-4 section 3.1.4.1 asks for at most 120.
    pub fn period_secs(mut self, secs: u64) -> Self {
        self.period = secs;
        self
    }

    /// The time at which step 0 begins; the Unix epoch if it is not set. No Key URI can express another.
    pub fn t0(mut self, t0: Timestamp) -> Self {
        self.t0 = t0;
        self
    }

    /// The parameters, if they make sense together.
    ///
    /// # Errors
    ///
    /// [`InvalidTotp::Period`] if the period is not 1 to [`Totp::MAX_PERIOD_SECS`] seconds.
    pub fn build(self) -> Result<Totp, InvalidTotp> {
        let period = NonZeroU64::new(self.period)
            .filter(|secs| secs.get() <= Totp::MAX_PERIOD_SECS)
            .ok_or(InvalidTotp::Period)?;
        Ok(Totp { hotp: Hotp::new(self.algorithm, self.digits), period, t0: self.t0 })
    }
}

impl Default for TotpBuilder {
    fn default() -> Self {
        let Totp { hotp, period, t0 } = Totp::default();
        Self { algorithm: hotp.algorithm(), digits: hotp.digits(), period: period.get(), t0 }
    }
}

/// Why parameters make no [`Totp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTotp {
    /// The period is not 1 to [`Totp::MAX_PERIOD_SECS`] seconds.
    #[error("the period of a time-based code is 1 to 86400 seconds")]
    Period,
}

/// The number of a period, counted from T0. A time-based code is valid for one period.
///
/// ```
/// use factorgate::Timestamp;
/// use factorgate::otp::{TimeStep, Totp};
///
/// assert_eq!(Totp::default().step_at(Timestamp::from_secs(59)), Some(TimeStep::new(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeStep(u64);

impl TimeStep {
    /// The step with this number, as it was stored. Step 0 is a step like any other.
    #[must_use]
    pub const fn new(step: u64) -> Self {
        Self(step)
    }

    /// Its number, to be stored in 64 bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What [`Totp::check`] finds.
///
/// ```
/// use factorgate::Timestamp;
/// use factorgate::otp::{Secret, Totp, Verdict, Window};
///
/// let secret = Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
/// let (totp, now) = (Totp::default(), Timestamp::from_secs(1_900_000_000));
/// let code = totp.generate(&secret, now).ok_or("before T0")?;
/// let Verdict::Accepted(step) = totp.check(&secret, &code, now, Window::default(), None) else { panic!("right") };
/// assert_eq!(totp.check(&secret, &code, now, Window::default(), Some(step)), Verdict::Replayed);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Verdict {
    /// The code is right for this step, which is to be stored.
    Accepted(TimeStep),
    /// The code is right, but for a step that is used up.
    Replayed,
    /// The code is wrong.
    Wrong,
}
