//! The chance of getting in by guessing.

use core::time::Duration;

use super::{Path, Plan, Policy, Standing, Step};
use crate::limits;
use crate::otp::{Digits, Window};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What somebody has besides the password of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attacker {
    /// Nothing.
    #[default]
    Password,
    /// The mailbox: codes by e-mail are no hindrance, and the password can be reset.
    Mailbox,
    /// A copy of the cookie of a known browser, made once. It is worthless once the user has signed in there with a code.
    CopiedCookie,
    /// The user is tricked, again and again, into finishing the attacker's logins.
    FinishedByOwner,
}

/// What a guess is up against. The default is the engine's, and a user with one device.
///
/// ```
/// use factorgate::policy::{Attack, Attacker, Channel, DeviceStanding, FirstRegistration, Policy, Standing};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?;
/// let mut user = Standing::new();
/// user.device = DeviceStanding::Confirmed { recovery_codes: false };
///
/// // 56 guesses in a year, three codes of a million being right at any time: 1 in 5,953.
/// let mut attack = Attack::default();
/// assert_eq!((1.0 / policy.odds(&user, &attack).per_year).round(), 5953.0);
///
/// // An attacker who reads the mailbox resets the password, and each of five resets gives ten more guesses.
/// attack.attacker = Attacker::Mailbox;
/// assert_eq!((1.0 / policy.odds(&user, &attack).per_year).round(), 3145.0);
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attack {
    /// The length of the codes of an app.
    pub app_digits: Digits,
    /// Who guesses.
    pub attacker: Attacker,
    /// How many devices the user has registered. Only a copied cookie makes use of more than one.
    pub devices: u32,
    /// The length of the codes by e-mail.
    pub email_digits: Digits,
    /// How often codes can be guessed.
    pub limits: limits::Guessing,
    /// Which time steps are accepted.
    pub window: Window,
}

impl Default for Attack {
    fn default() -> Self {
        Self {
            app_digits: Digits::SIX,
            attacker: Attacker::Password,
            devices: 1,
            email_digits: Digits::EIGHT,
            limits: limits::Guessing::new(),
            window: Window::default(),
        }
    }
}

/// The chance that an attacker signs in by guessing: 0 is never, and 1 is certain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Odds {
    /// Within a day.
    pub per_day: f64,
    /// Within a year of 365 days.
    pub per_year: f64,
}

impl Policy {
    /// The chance that an attacker signs in as this user by guessing codes.
    ///
    /// It is that of the best attack: as many guesses as the limits leave, on every path of the plan. What the owner does
    /// meanwhile changes nothing: a login pays back its own guesses only. A path is open when each of its codes has been
    /// guessed; where one of them holds nothing to guess, such as the registration of the first device after the password,
    /// the chance is 1. The chance of one guess is that of RFC 4226 section 6, *s*·*v*/10^*digits*.
    ///
    /// It says nothing of what is no guess, such as a code that the user gives away. Factors that the host checks, tickets
    /// and recovery codes are taken to be beyond guessing; for the first, the host must know.
    #[must_use]
    pub fn odds(&self, user: &Standing, attack: &Attack) -> Odds {
        // The attacker sits at another browser; a copy of the cookie of a trusted one is as good as that.
        let trusted = user.trusted && attack.attacker == Attacker::CopiedCookie;
        let plan = self.evaluate(&Standing { trusted, ..user.clone() });
        let chance = |paths: &[Path], time| chance_of_any(paths, attack.app_within(time), attack.email_within(time));
        match &plan {
            Plan::Allow { .. } => Odds { per_day: 1.0, per_year: 1.0 },
            Plan::Deny(_) => Odds { per_day: 0.0, per_year: 0.0 },
            Plan::Paths { paths, .. } => Odds { per_day: chance(paths, DAY), per_year: chance(paths, YEAR) },
        }
    }
}

impl Attack {
    /// How many units of the shared budget can be spent in this time.
    fn units_within(&self, time: Duration) -> u32 {
        let limits = &self.limits;
        let begun = |every: Duration| 1 + periods(time, every);
        limits.shared
            + periods(time, limits.regained_every)
            + match self.attacker {
                Attacker::Password | Attacker::CopiedCookie => 0,
                Attacker::Mailbox => limits.reset * begun(limits.reset_every),
                Attacker::FinishedByOwner => limits.payback * begun(limits.regained_every),
            }
    }

    fn app_within(&self, time: Duration) -> f64 {
        let steps = 1 + u32::from(self.window.past()) + u32::from(self.window.future());
        // Naming a device makes the most of a unit, so that the number of devices does not matter.
        let comparisons = self.units_within(time) / steps.div_ceil(3);
        let copied = if self.attacker == Attacker::CopiedCookie { self.limits.known } else { 0 };
        let comparisons = f64::from(comparisons) + f64::from(copied) * f64::from(self.devices.max(1));
        chance_of(comparisons, f64::from(steps) / self.app_digits.count_of_codes() as f64)
    }

    fn email_within(&self, time: Duration) -> f64 {
        if self.attacker == Attacker::Mailbox {
            return 1.0;
        }
        let copied = if self.attacker == Attacker::CopiedCookie { self.limits.known } else { 0 };
        let guesses = f64::from(self.units_within(time) + copied);
        chance_of(guesses, 1.0 / self.email_digits.count_of_codes() as f64)
    }
}

/// How often `every` has passed in `time`.
fn periods(time: Duration, every: Duration) -> u32 {
    let passed = time.as_secs().checked_div(every.as_secs()).unwrap_or(0);
    u32::try_from(passed).unwrap_or(u32::MAX)
}

/// The chance that one of these guesses is right.
fn chance_of(guesses: f64, each: f64) -> f64 {
    1.0 - (1.0 - each).powf(guesses)
}

/// The chance that one of the paths is open, when the codes of the app and those by e-mail are guessed with these
/// chances, each on its own.
fn chance_of_any(paths: &[Path], app: f64, email: f64) -> f64 {
    let outcomes = [(true, true), (true, false), (false, true), (false, false)];
    let open = |(app, email): (bool, bool)| {
        let passed = |step: &Step| match step {
            Step::AppCode => app,
            Step::EmailCode | Step::VerifyEmail => email,
            Step::EnrollApp => true,
            Step::External(_) | Step::RecoveryCode | Step::Ticket => false,
        };
        paths.iter().any(|path| path.steps().iter().all(passed))
    };
    let part = |happens: bool, chance: f64| if happens { chance } else { 1.0 - chance };
    outcomes.into_iter().filter(|outcome| open(*outcome)).map(|(a, e)| part(a, app) * part(e, email)).sum()
}
