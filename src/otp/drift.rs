//! Clocks that are off: by a drift that is learned and allowed for, or by so much that it is only told.

use core::fmt;
use core::time::Duration;

use subtle::{Choice, ConditionallySelectable as _};

use super::hotp::Hotp;
use super::totp::{TimeStep, Totp, Verdict};
use super::window::Window;
use crate::code::Code;
use crate::secret::{Secret, wipe_stack};
use crate::time::Timestamp;

/// By how many time steps the clock of a device runs ahead, or behind if it is negative (RFC 6238 section 6).
///
/// It moves the [`Window`] and does not widen it: as many codes are right as without it. It is learned from
/// codes that were accepted, by one step for each, and never goes beyond [`Drift::MAX`]: so nobody can lead it
/// far away, and a clock that was set right again is followed back.
///
/// ```
/// use factorgate::otp::{Drift, Totp, Verdict, Window};
/// use factorgate::{env::OsRandom, otp::Secret, Timestamp};
///
/// let (totp, secret) = (Totp::default(), Secret::generate(&OsRandom)?);
/// let mut drift = Drift::default();
/// let mut last = None;
///
/// // The clock of this device falls behind by half a minute every month.
/// for month in 1..=5 {
///     let now = Timestamp::from_secs(1_900_000_000 + month * 2_592_000);
///     let shown = totp.generate(&secret, Timestamp::from_secs(now.as_secs() - month * 30)).ok_or("before T0")?;
///     match totp.check_with_drift(&secret, &shown, now, Window::default(), drift, last) {
///         Verdict::Accepted(step) => (last, drift) = (Some(step), totp.learn(drift, now, step)),
///         other => return Err(format!("{other:?}").into()),
///     }
/// }
/// assert_eq!(drift.steps(), -5);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Drift(i8);

impl Drift {
    /// The greatest number of steps each way.
    pub const MAX: u8 = 10;

    /// A drift of `steps`, as it was stored.
    ///
    /// # Errors
    ///
    /// [`InvalidDrift`] if it is more than [`Drift::MAX`] steps each way.
    pub const fn new(steps: i8) -> Result<Self, InvalidDrift> {
        if steps.unsigned_abs() > Self::MAX {
            return Err(InvalidDrift);
        }
        Ok(Self(steps))
    }

    /// The number of steps, to be stored.
    #[must_use]
    pub const fn steps(self) -> i8 {
        self.0
    }
}

/// A drift of more than [`Drift::MAX`] steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a drift is at most 10 steps either way")]
pub struct InvalidDrift;

/// How far the clock of a device is off, as a code of it shows.
///
/// ```
/// use std::time::Duration;
///
/// use factorgate::otp::ClockSkew;
///
/// assert_eq!(ClockSkew::Behind(Duration::from_secs(420)).to_string(), "about 7 minutes behind");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockSkew {
    /// The device is ahead of the server by about this long.
    Ahead(Duration),
    /// The device is behind the server by about this long.
    Behind(Duration),
}

impl fmt::Display for ClockSkew {
    /// In minutes, or in seconds below two minutes: `about 7 minutes behind`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, way) = match self {
            Self::Ahead(by) => (by.as_secs(), "ahead"),
            Self::Behind(by) => (by.as_secs(), "behind"),
        };
        match by {
            0..120 => write!(f, "about {by} seconds {way}"),
            _ => write!(f, "about {} minutes {way}", (by + 30) / 60),
        }
    }
}

impl Totp {
    /// How many steps each way [`Totp::diagnose`] looks: an hour of 30-second steps.
    pub const DIAGNOSIS_REACH: u64 = 120;

    /// Judges a code as [`Totp::check`] does, with the window around the step that the device is in.
    #[must_use = "only `Accepted` is a right code, and its step must be stored"]
    pub fn check_with_drift(
        &self,
        secret: &Secret,
        code: &Code,
        at: Timestamp,
        window: Window,
        drift: Drift,
        after: Option<TimeStep>,
    ) -> Verdict {
        // In 128 bits nothing here can overflow.
        let center = self.step_at(at).map(|now| i128::from(now.get()) + i128::from(drift.0));
        let first = center.map(|center| center - i128::from(window.past()));
        let last = center.map(|center| center + i128::from(window.future()));
        let (Some(first), Some(last)) = (first, last) else { return Verdict::Wrong };
        // Where the window reaches over an end of the steps, it is cut off; it can lie beyond it as a whole.
        match (u64::try_from(first.max(0)), u64::try_from(last.min(u64::MAX.into()))) {
            (Ok(first), Ok(last)) => self.judge(secret, code, first, last, after),
            _ => Verdict::Wrong,
        }
    }

    /// The drift after the code of the step `accepted` was accepted at the time `at`: one step nearer to what the
    /// code has shown.
    #[must_use]
    pub fn learn(&self, drift: Drift, at: Timestamp, accepted: TimeStep) -> Drift {
        let Some(now) = self.step_at(at) else { return drift };
        let shown = i128::from(accepted.get()) - i128::from(now.get());
        let toward = (shown - i128::from(drift.0)).signum();
        // Neither leaves the bounds: the sum is at most one off.
        let steps = (i128::from(drift.0) + toward).clamp(-i128::from(Drift::MAX), i128::from(Drift::MAX));
        Drift(steps as i8)
    }

    /// What a code that was refused says about the clock of the device: how far off it must be to show this code
    /// now, within [`Totp::DIAGNOSIS_REACH`] steps. `None` if the code is that of the present step, or of none.
    ///
    /// It accepts no code. The answer "your clock is ahead" reveals a code that becomes valid later. Show it only at the
    /// confirmation of a registration, or to the help desk, never in answer to a guess. By chance, 1 in 4,000 wrong codes
    /// of six digits is that of a step within reach.
    ///
    /// ```
    /// use factorgate::otp::Totp;
    /// use factorgate::{env::OsRandom, otp::Secret, Timestamp};
    ///
    /// let (totp, secret) = (Totp::default(), Secret::generate(&OsRandom)?);
    /// let old = totp.generate(&secret, Timestamp::from_secs(1_900_000_000)).ok_or("before T0")?;
    /// let skew = totp.diagnose(&secret, &old, Timestamp::from_secs(1_900_000_420)).ok_or("none")?;
    /// assert_eq!(skew.to_string(), "about 7 minutes behind");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn diagnose(&self, secret: &Secret, code: &Code, at: Timestamp) -> Option<ClockSkew> {
        let now = self.step_at(at)?.get();
        let (hit, step) = nearest(&self.hotp(), secret, code, now, Self::DIAGNOSIS_REACH);
        wipe_stack();
        // At most 120 days: the reach times the longest period.
        let by = Duration::from_secs(now.abs_diff(step) * self.period_secs());
        match (bool::from(hit), step.cmp(&now)) {
            (true, core::cmp::Ordering::Greater) => Some(ClockSkew::Ahead(by)),
            (true, core::cmp::Ordering::Less) => Some(ClockSkew::Behind(by)),
            _ => None,
        }
    }
}

/// Branch-free: whether `code` is right for a step at most `reach` steps from `now`, and the nearest of them.
#[inline(never)]
fn nearest(hotp: &Hotp, secret: &Secret, code: &Code, now: u64, reach: u64) -> (Choice, u64) {
    let (mut hit, mut nearest) = (Choice::from(0), now);
    // From the farthest to the nearest, so that the last match stays.
    let steps = (0..=reach).rev().flat_map(|by| [now.checked_add(by), now.checked_sub(by)]);
    hotp.each(secret, steps.flatten(), |step, value| {
        let right = code.ct_is(value, hotp.digits());
        hit |= right;
        nearest.conditional_assign(&step, right);
    });
    (hit, nearest)
}
