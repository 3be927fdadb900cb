//! The chance of getting in by guessing.

use core::time::Duration;

use super::{Path, Plan, Policy, Standing, Step};
use crate::limits::{FailureBudget, Failures, IssuanceBudget, Issues};
use crate::otp::{Digits, Window};
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

/// The chance that an attacker who has the password signs in by guessing: 0 is never, and 1 is certain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Odds {
    /// Within a day.
    pub per_day: f64,
    /// Within a year of 365 days.
    pub per_year: f64,
}

impl Policy {
    /// The chance that somebody who has the password of this user, and nothing else, signs in by guessing.
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
                // Each login begins the same again; there is one a second at most, which is what time is counted in.
                let logins = logins.min(24 * 60 * 60);
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
            if let Some(until) = failures.locked(&guessing.failures, now) {
                now = until;
                // By then the app shows other codes.
                tried = if self.per_code.is_some() { tried } else { 0 };
            }
            if self.per_code.is_some_and(|most| guess == 0 || tried >= most) {
                now = issues.wait(&guessing.issuance, now).unwrap_or(now);
                issues.count(now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Channel::{self, App, Email};
    use crate::policy::{DeviceStanding, EmailStanding, ExternalFactor, FirstRegistration};
    use alloc::vec::Vec;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// What an attacker does to the engine, guess by guess, with the engine's rules written a second time.
    struct Attack {
        app: Option<(u64, u64)>,
        codes: u64,
        devices: u64,
        end: u64,
        limit: u64,
        lock: u64,
        owner_every: u64,
        /// Codes an hour, and the pause between two.
        mails: (usize, u64),
    }

    impl Attack {
        fn succeeds(&self, seed: u64) -> bool {
            let (mut now, mut spent, mut locks, mut wrong_in_a_row) = (0, 0, 0, 0);
            let (mut mailed, mut attempts_left, mut mailed_code, mut value) =
                (Vec::<u64>::new(), 0_u64, 0, random(seed));
            let mut owner_comes = self.owner_every;
            loop {
                if now >= owner_comes {
                    (spent, locks, wrong_in_a_row, now) = (0, 0, 0, owner_comes);
                    (attempts_left, owner_comes) = (0, owner_comes + self.owner_every);
                    mailed.clear();
                }
                if self.app.is_none() && attempts_left == 0 && wrong_in_a_row < 100 {
                    let (per_hour, pause) = self.mails;
                    let after_pause = mailed.last().map_or(0, |last| last + pause);
                    let after_hour = mailed.len().checked_sub(per_hour).map_or(0, |oldest| mailed[oldest] + 3_600);
                    now = now.max(after_pause).max(after_hour);
                    mailed.push(now);
                    (attempts_left, mailed_code) = (5, random(seed ^ (now + 1) << 20) % self.codes);
                    if now >= owner_comes {
                        continue;
                    }
                }
                if now >= self.end {
                    return false;
                }
                if wrong_in_a_row >= 100 {
                    if owner_comes >= self.end {
                        return false;
                    }
                    now = owner_comes;
                    continue;
                }
                // Another value each time, and so never the same twice at one code.
                value = (value + 1) % self.codes;
                let right = match self.app {
                    None => value == mailed_code,
                    Some((past, future)) => {
                        let step = now / 30 + 1_000;
                        let shown = |device: u64, step: u64| random(seed ^ device << 60 ^ step << 8) % self.codes;
                        (0..self.devices)
                            .any(|device| (step - past..=step + future).any(|at| shown(device, at) == value))
                    }
                };
                if right {
                    return true;
                }
                attempts_left = attempts_left.saturating_sub(1);
                wrong_in_a_row += 1;
                spent += if self.app.is_some() { self.devices } else { 1 };
                if spent >= self.limit {
                    now += self.lock.saturating_mul(1 << locks.min(20)).min(3_600.max(self.lock));
                    (spent, locks) = (0, locks + 1);
                }
            }
        }

        /// How often it succeeds, and four standard deviations of that.
        fn frequency(&self) -> (f64, f64) {
            const TRIALS: u32 = 12_000;
            let hits = (0..TRIALS).filter(|trial| self.succeeds(random(u64::from(*trial) + 1))).count() as f64;
            let share = hits / f64::from(TRIALS);
            (share, 4.0 * (share * (1.0 - share) / f64::from(TRIALS)).sqrt())
        }
    }

    /// SplitMix64.
    fn random(seed: u64) -> u64 {
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Fewer codes than the engine allows, so that guesses succeed often enough to be counted.
    const FEW: u64 = 1_000;

    fn guessing(limit: u32, lock: u64, devices: u32, window: (u8, u8)) -> Guessing {
        Guessing {
            devices,
            failures: FailureBudget::new(limit, Duration::from_secs(lock)).unwrap(),
            window: Window::new(window.0, window.1).unwrap(),
            ..Guessing::default()
        }
    }

    fn attack(guessing: &Guessing, app: bool, time: Duration, lock: u64) -> Attack {
        let day = DAY.as_secs();
        Attack {
            app: app.then(|| (guessing.window.past().into(), guessing.window.future().into())),
            codes: FEW,
            devices: guessing.devices.into(),
            end: time.as_secs(),
            limit: guessing.failures.limit().into(),
            lock,
            owner_every: day.checked_div(guessing.owner_logins_per_day.into()).unwrap_or(u64::MAX),
            mails: (10, 30),
        }
    }

    fn target(guessing: &Guessing, app: bool) -> Target {
        Target { codes: FEW as f64, ..if app { Target::app(guessing) } else { Target::email(guessing) } }
    }

    #[test]
    fn b11_the_odds_are_how_often_a_simulated_attack_succeeds() {
        for (limit, lock, devices, window) in [
            (5, 60, 1, (1, 1)),
            (5, 60, 1, (0, 0)),
            (5, 60, 2, (1, 1)),
            (3, 90, 3, (2, 0)),
            (20, 600, 1, (1, 1)),
            (1, 30, 1, (1, 0)),
        ] {
            let guessing = guessing(limit, lock, devices, window);
            for time in [HOUR, DAY, DAY * 30] {
                let (share, tolerance) = attack(&guessing, true, time, lock).frequency();
                let odds = target(&guessing, true).chance_within(time, &guessing);
                assert!((odds - share).abs() <= tolerance, "{guessing:?} in {time:?}: {odds}, not {share}");
            }
        }
    }

    #[test]
    fn b11_the_odds_of_a_mailed_code_are_how_often_a_simulated_attack_succeeds() {
        for (limit, lock) in [(5, 60), (20, 30), (3, 60), (7, 30)] {
            let guessing = guessing(limit, lock, 1, (1, 1));
            for time in [HOUR, HOUR * 2, DAY] {
                let (share, tolerance) = attack(&guessing, false, time, lock).frequency();
                let odds = target(&guessing, false).chance_within(time, &guessing);
                assert!((odds - share).abs() <= tolerance, "{guessing:?} in {time:?}: {odds}, not {share}");
            }
        }
    }

    #[test]
    fn b11_every_login_of_the_owner_gives_the_attacker_another_go() {
        for logins in [1, 4, 24] {
            let guessing = Guessing { owner_logins_per_day: logins, ..guessing(5, 60, 1, (1, 1)) };
            let (share, tolerance) = attack(&guessing, true, DAY, 60).frequency();
            let odds = target(&guessing, true).chance_within_days(1, &guessing);
            assert!((odds - share).abs() <= tolerance, "{logins}: {odds}, not {share}");
        }
    }

    #[test]
    fn control_a_formula_that_forgets_a_rule_is_found() {
        let settings = guessing(5, 60, 2, (1, 1));
        let (share, tolerance) = attack(&settings, true, DAY, 60).frequency();
        let differs = |odds: f64| (odds - share).abs() > tolerance;
        let right = target(&settings, true);
        assert!(!differs(right.chance_within(DAY, &settings)));
        assert!(differs(Target { right: 2.0, ..right }.chance_within(DAY, &settings)), "the window");
        assert!(differs(Target { right: 3.0, ..right }.chance_within(DAY, &settings)), "the second device");
        assert!(differs(right.chance_within(HOUR, &settings)), "the time");
        let hour = attack(&settings, true, HOUR, 60).frequency();
        assert!((Target { cost: 1, ..right }.chance_within(HOUR, &settings) - hour.0).abs() > hour.1, "the cost");
        let no_cap = 1.0 - (1.0 - 6.0 / FEW as f64).powi(29 * 5);
        assert!(differs(no_cap), "the cap");

        let mail = guessing(20, 30, 1, (1, 1));
        let (share, tolerance) = attack(&mail, false, HOUR, 30).frequency();
        assert!((target(&mail, false).chance_within(HOUR, &mail) - share).abs() <= tolerance);
        let unlimited = Target { per_code: None, ..target(&mail, false) };
        assert!((unlimited.chance_within(HOUR, &mail) - share).abs() > tolerance, "the issuance budget");
    }

    fn odds(policy: &Policy, set: impl FnOnce(&mut Standing)) -> Odds {
        let mut user = Standing::new();
        set(&mut user);
        policy.odds(&user, &Guessing::default())
    }

    fn near(odds: f64, expected: f64) {
        assert!((odds - expected).abs() <= expected * 1e-3, "{odds}, not {expected}");
    }

    #[test]
    fn the_weakest_path_of_a_plan_is_what_counts() {
        let first = FirstRegistration::AfterEmailCode;
        let any = |channels: &[Channel]| Policy::any_of(channels.iter().copied(), first).unwrap();
        let verified = Some(EmailStanding { verified: true, tainted: false });
        let device = |u: &mut Standing| u.device = DeviceStanding::Confirmed { recovery_codes: true };
        let with_email = |u: &mut Standing| u.email = verified;
        let both =
            |u: &mut Standing| (u.device, u.email) = (DeviceStanding::Confirmed { recovery_codes: false }, verified);

        // 100 guesses: of a million codes, three are right; of a hundred million, one.
        let (app, mail) = (3.0e-4, 1.0e-6);
        near(odds(&any(&[App]), device).per_year, app);
        near(odds(&any(&[Email]), with_email).per_year, mail);
        near(odds(&any(&[App]), with_email).per_year, mail);
        near(odds(&Policy::all_of([App, Email], first).unwrap(), both).per_year, app * mail);
        near(odds(&any(&[App, Email]).with_email_fallback().unwrap(), both).per_year, app + mail);
        // By the end of a day the cap is reached, too.
        near(odds(&any(&[App]), device).per_day, app);

        let certain = Odds { per_day: 1.0, per_year: 1.0 };
        let never = Odds { per_day: 0.0, per_year: 0.0 };
        assert_eq!(odds(&Policy::off(first), |_| {}), certain);
        let after_password = Policy::any_of([App], FirstRegistration::AfterPassword).unwrap();
        assert_eq!(odds(&after_password, |_| {}), certain, "the attacker registers");
        assert_eq!(odds(&any(&[App]), |_| {}), never, "there is no way in");
        assert_eq!(odds(&any(&[App]), |u| u.ticket = true), never, "a ticket has 128 bits");
        let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
        assert_eq!(odds(&any(&[Channel::External(passkey)]), |u| u.external = [passkey].into()), never);
        let trusting = any(&[App]).with_trusted_browsers();
        near(
            odds(&trusting, |u| (u.device, u.trusted) = (DeviceStanding::Confirmed { recovery_codes: false }, true))
                .per_year,
            app,
        );
    }

    #[test]
    fn more_devices_wider_windows_and_shorter_codes_are_never_better() {
        let policy = Policy::any_of([App], FirstRegistration::WithTicket).unwrap();
        let user = Standing { device: DeviceStanding::Confirmed { recovery_codes: false }, ..Standing::new() };
        let base = Guessing::default();
        let year = |guessing: Guessing| policy.odds(&user, &guessing).per_year;
        for worse in [
            Guessing { devices: 2, ..base },
            Guessing { window: Window::new(2, 1).unwrap(), ..base },
            Guessing { owner_logins_per_day: 1, ..base },
        ] {
            assert!(year(worse) > year(base), "{worse:?}");
        }
        assert!(year(Guessing { app_digits: Digits::EIGHT, ..base }) < year(base));
        assert_eq!(year(Guessing { devices: 0, ..base }), year(base), "a device is asked for, so there is one");
        let extreme = Guessing {
            devices: u32::MAX,
            owner_logins_per_day: u32::MAX,
            window: Window::new(10, 10).unwrap(),
            ..base
        };
        assert!(year(extreme) > 0.999 && year(extreme) <= 1.0, "{}", year(extreme));
    }
}
