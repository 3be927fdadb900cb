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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const NOW: Timestamp = Timestamp::from_secs(1_111_111_109); // step 37037036

    fn secret() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn code_of(step: u64) -> Code {
        Hotp::default().generate(&secret(), step)
    }

    fn accepted(at: u64, drift: i8, step: u64) -> bool {
        let (at, drift) = (Timestamp::from_secs(at * 30), Drift::new(drift).unwrap());
        match Totp::default().check_with_drift(&secret(), &code_of(step), at, Window::default(), drift, None) {
            Verdict::Accepted(found) => found.get() == step,
            _ => false,
        }
    }

    #[test]
    fn r12_the_window_is_moved_and_not_widened() {
        for drift in -10..=10 {
            let steps: alloc::vec::Vec<i64> =
                (-20..=20).filter(|by| accepted(1000, drift, 1000_u64.saturating_add_signed(*by))).collect();
            let center = i64::from(drift);
            assert_eq!(steps, [center - 1, center, center + 1]);
        }
    }

    #[test]
    fn without_a_drift_it_is_the_check() {
        for step in 37_037_030..=37_037_042 {
            for after in [None, Some(TimeStep::new(37_037_036))] {
                let plain = Totp::default().check(&secret(), &code_of(step), NOW, Window::default(), after);
                let drift = Drift::default();
                let other =
                    Totp::default().check_with_drift(&secret(), &code_of(step), NOW, Window::default(), drift, after);
                assert_eq!(plain, other);
            }
        }
    }

    #[test]
    fn n01_n03_the_ends_of_the_steps() {
        assert!(accepted(0, -1, 0) && !accepted(0, -2, 0) && accepted(0, 1, 0) && accepted(0, 1, 2));
        let totp = Totp::builder().period_secs(1).build().unwrap();
        let at = Timestamp::from_secs(u64::MAX);
        let check = |drift, step| {
            totp.check_with_drift(&secret(), &code_of(step), at, Window::default(), Drift::new(drift).unwrap(), None)
        };
        assert_eq!(check(1, u64::MAX), Verdict::Accepted(TimeStep::new(u64::MAX)));
        assert_eq!(check(2, u64::MAX), Verdict::Wrong);
        assert_eq!(check(1, 0), Verdict::Wrong);
        let later = Totp::builder().t0(NOW).build().unwrap();
        let before = Timestamp::from_secs(NOW.as_secs() - 1);
        let drift = Drift::new(10).unwrap();
        assert_eq!(
            later.check_with_drift(&secret(), &code_of(0), before, Window::default(), drift, None),
            Verdict::Wrong
        );
        assert_eq!(later.learn(drift, before, TimeStep::new(0)), drift);
    }

    #[test]
    fn r12_learning_is_slow_bounded_and_goes_back() {
        let totp = Totp::default();
        let now = totp.step_at(NOW).unwrap().get();
        let mut drift = Drift::default();
        for login in 1..=100 {
            // Always one step later than what is known.
            let step = now.saturating_add_signed(i64::from(drift.steps()) - 1);
            drift = totp.learn(drift, NOW, TimeStep::new(step));
            assert_eq!(drift.steps(), -login.min(10));
        }
        assert_eq!(totp.learn(drift, NOW, TimeStep::new(now)).steps(), -9);
        assert_eq!(totp.learn(drift, NOW, TimeStep::new(u64::MAX)).steps(), -9);
        assert_eq!(totp.learn(Drift::default(), NOW, TimeStep::new(now)), Drift::default());
        assert_eq!(totp.learn(Drift::default(), NOW, TimeStep::new(0)).steps(), -1);
    }

    #[test]
    fn drifts_are_bounded() {
        for steps in [-11, 11, i8::MIN, i8::MAX] {
            assert_eq!(Drift::new(steps), Err(InvalidDrift));
        }
        assert_eq!(Drift::new(-10).unwrap().steps(), -10);
    }

    #[test]
    fn a_diagnosis_tells_how_far_and_which_way() {
        let now = Totp::default().step_at(NOW).unwrap().get();
        let diagnose = |step| Totp::default().diagnose(&secret(), &code_of(step), NOW);
        for by in [1, 2, 14, 119, 120] {
            assert_eq!(diagnose(now - by), Some(ClockSkew::Behind(Duration::from_secs(by * 30))));
            assert_eq!(diagnose(now + by), Some(ClockSkew::Ahead(Duration::from_secs(by * 30))));
        }
        assert_eq!((diagnose(now), diagnose(now - 121), diagnose(now + 121)), (None, None, None));
        // The nearest counts: 911617 is the code of the steps 910737 and 910738.
        let twice = Totp::default().diagnose(&secret(), &code_of(910_737), Timestamp::from_secs(910_740 * 30));
        assert_eq!(twice, Some(ClockSkew::Behind(Duration::from_secs(60))));
        // As many digits as the configuration says.
        let eight = Hotp::new(crate::otp::Algorithm::Sha1, crate::otp::Digits::EIGHT).generate(&secret(), now - 1);
        assert_eq!(Totp::default().diagnose(&secret(), &eight, NOW), None);
    }

    #[test]
    fn a_diagnosis_at_the_ends_of_the_steps() {
        let totp = Totp::builder().period_secs(86_400).build().unwrap();
        let skew = totp.diagnose(&secret(), &code_of(5), Timestamp::from_secs(0));
        assert_eq!(skew, Some(ClockSkew::Ahead(Duration::from_secs(5 * 86_400))));
        let totp = Totp::builder().period_secs(1).build().unwrap();
        let skew = totp.diagnose(&secret(), &code_of(u64::MAX - 3), Timestamp::from_secs(u64::MAX));
        assert_eq!(skew, Some(ClockSkew::Behind(Duration::from_secs(3))));
    }

    #[test]
    fn a_skew_is_told_in_words() {
        let told = |secs| format!("{}", ClockSkew::Ahead(Duration::from_secs(secs)));
        assert_eq!(
            (told(90), told(119), told(120), told(420)),
            (
                "about 90 seconds ahead".into(),
                "about 119 seconds ahead".into(),
                "about 2 minutes ahead".into(),
                "about 7 minutes ahead".into()
            )
        );
    }
}
