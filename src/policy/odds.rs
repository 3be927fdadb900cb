//! The chance of getting in by guessing.

use core::time::Duration;

use super::{Path, Plan, Policy, Standing, Step};
use crate::otp::{Digits, Window};
use crate::throttle::{FailureBudget, Failures, IssuanceBudget, Issues};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DAYS_OF_A_YEAR: u32 = 365;

/// What a guess is up against: the settings of the engine, and the habits of the user. The default is the engine's.
///
/// ```
/// use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Guessing, Policy, Standing};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?;
/// let mut user = Standing::new();
/// user.device = DeviceStanding::Confirmed { recovery_codes: false };
///
/// // 100 guesses of one in a million, three of which are right at any time: then the device is disabled.
/// let alone = policy.odds(&user, &Guessing::default());
/// assert!((alone.per_year - 3.0e-4).abs() < 1e-6);
///
/// // Every login of the owner sets the count back.
/// let mut daily = Guessing::default();
/// daily.owner_logins_per_day = 1;
/// assert!(policy.odds(&user, &daily).per_year > 0.1);
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Guessing {
    /// The length of the codes of an app.
    pub app_digits: Digits,
    /// How many devices the user has registered. A code is compared with each.
    pub devices: u32,
    /// The length of the codes by e-mail.
    pub email_digits: Digits,
    /// The budget for wrong codes.
    pub failures: FailureBudget,
    /// The budget for codes by e-mail.
    pub issuance: IssuanceBudget,
    /// How often a day the owner logs in, which restores the budget for wrong codes and sets back what disables a
    /// factor. With 0 the attacker is alone.
    pub owner_logins_per_day: u32,
    /// Which time steps are accepted.
    pub window: Window,
}

impl Default for Guessing {
    fn default() -> Self {
        Self {
            app_digits: Digits::SIX,
            devices: 1,
            email_digits: Digits::EIGHT,
            failures: FailureBudget::default(),
            issuance: IssuanceBudget::default(),
            owner_logins_per_day: 0,
            window: Window::default(),
        }
    }
}

/// The chance that somebody who has the password gets in by guessing: 0 is never, and 1 is certain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Odds {
    /// Within a day.
    pub per_day: f64,
    /// Within a year of 365 days.
    pub per_year: f64,
}

impl Policy {
    /// The chance that somebody who has the password of this user, and nothing else, gets in by guessing.
    ///
    /// It is that of the best attack: as many guesses as the budgets leave, as early as they leave them, on every path
    /// of the plan. A path is open when each of its codes has been guessed; where one of them holds nothing to guess,
    /// such as the registration of the first device after the password, the chance is 1. The chance of one guess is
    /// that of RFC 4226 section 6, *s*·*v*/10^*digits*, the guesses at one code being different.
    ///
    /// It says nothing of what is no guess: a code that the user gives away, a mailbox that is read. Factors that the
    /// host checks, tickets and recovery codes are taken to be beyond guessing; for the first, the host must know.
    #[must_use]
    pub fn odds(&self, user: &Standing, guessing: &Guessing) -> Odds {
        // The attacker sits at another browser.
        let plan = self.evaluate(&Standing { trusted: false, ..user.clone() });
        let chance = |paths: &[Path], days| {
            let app = Target::app(guessing).chance_within_days(days, guessing);
            let email = Target::email(guessing).chance_within_days(days, guessing);
            chance_of_any(paths, app, email)
        };
        match &plan {
            Plan::Allow { .. } => Odds { per_day: 1.0, per_year: 1.0 },
            Plan::Deny(_) => Odds { per_day: 0.0, per_year: 0.0 },
            Plan::Paths { paths, .. } => Odds { per_day: chance(paths, 1), per_year: chance(paths, DAYS_OF_A_YEAR) },
        }
    }
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

/// Something that is guessed.
#[derive(Clone, Copy)]
struct Target {
    /// How many codes there are.
    codes: f64,
    /// What a wrong guess costs.
    cost: u32,
    /// Guesses at one code, where codes are issued one by one.
    per_code: Option<u32>,
    /// How many codes are right at one time.
    right: f64,
}

impl Target {
    fn app(guessing: &Guessing) -> Self {
        let steps = 1 + u32::from(guessing.window.past()) + u32::from(guessing.window.future());
        let devices = guessing.devices.max(1);
        Self {
            codes: guessing.app_digits.count_of_codes() as f64,
            // A guess at two devices is two guesses.
            cost: devices,
            per_code: None,
            right: f64::from(steps) * f64::from(devices),
        }
    }

    fn email(guessing: &Guessing) -> Self {
        let codes = guessing.email_digits.count_of_codes() as f64;
        Self { codes, cost: 1, per_code: Some(IssuanceBudget::ATTEMPTS_PER_CODE), right: 1.0 }
    }

    fn chance_within_days(&self, days: u32, guessing: &Guessing) -> f64 {
        match guessing.owner_logins_per_day {
            0 => self.chance_within(DAY * days, guessing),
            logins => {
                // Each login begins the same anew.
                let once = self.chance_within(DAY / logins, guessing);
                1.0 - (1.0 - once).powf(f64::from(logins) * f64::from(days))
            }
        }
    }

    /// The chance of being right within `time`, all counters being at zero in the beginning.
    ///
    /// The budgets themselves say when the next guess may be made.
    fn chance_within(&self, time: Duration, guessing: &Guessing) -> f64 {
        let (mut failures, mut issues) = (Failures::default(), Issues::default());
        let mut now = Timestamp::from_secs(0);
        let end = now.saturating_add(time);
        // Guesses at the codes of the moment, and the chance that all guesses so far were wrong.
        let (mut tried, mut all_wrong) = (0, 1.0);
        for guess in 0..FailureBudget::CONSECUTIVE_CAP {
            if let Some(until) = failures.locked(now) {
                now = until;
                // By then the app shows other codes.
                tried = if self.per_code.is_some() { tried } else { 0 };
            }
            if self.per_code.is_some_and(|most| guess == 0 || tried >= most) {
                now = issues.wait(&guessing.issuance, now).unwrap_or(now);
                issues.count(&guessing.issuance, now);
                tried = 0;
            }
            if now >= end {
                break;
            }
            // None of the codes that are right is this one, given that none is one of those that were tried.
            let wrong = 1.0 - 1.0 / (self.codes - f64::from(tried));
            all_wrong *= wrong.powf(self.right);
            tried += 1;
            failures.spend(self.cost, &guessing.failures, now);
        }
        1.0 - all_wrong
    }
}
