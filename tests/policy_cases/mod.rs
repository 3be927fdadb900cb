//! Every policy that an administrator can set, and every user.
#![allow(dead_code, unreachable_pub, reason = "a module of several test crates, each of which uses a part of it")]

pub mod company;

use factorgate::Timestamp;
use factorgate::policy::{
    Channel::{App, Email},
    DeviceStanding, EmailStanding, FirstRegistration, Grace, GraceDays, Plan, Policy, Standing, Step,
};
use std::sync::LazyLock;

pub const DAY: u64 = 24 * 60 * 60;
/// When every login takes place, unless a test moves it.
pub const NOW: u64 = 1_900_000_000;
/// A period that began yesterday, and one that is over at this very second.
pub const IN_GRACE: Grace = period(NOW - DAY, NOW + 13 * DAY);
pub const OVER: Grace = period(NOW - 14 * DAY, NOW);

pub const fn period(at: u64, until: u64) -> Grace {
    Grace::Started { at: Timestamp::from_secs(at), until: Timestamp::from_secs(until) }
}

pub fn days(days: u8) -> GraceDays {
    GraceDays::new(days).unwrap()
}

/// The settings of an administrator, as the form of a host would hold them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub channels: Channels,
    pub first: FirstRegistration,
    pub fallback: bool,
    pub trust: bool,
    pub grace: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Channels {
    Off,
    Email,
    Any,
    App,
    All,
}

impl Channels {
    pub fn enable_app(self) -> bool {
        matches!(self, Self::Any | Self::App | Self::All)
    }

    pub fn enable_email(self) -> bool {
        matches!(self, Self::Email | Self::Any | Self::All)
    }
}

impl Settings {
    pub fn every() -> Vec<Self> {
        let mut every = Vec::new();
        for channels in [Channels::Off, Channels::Email, Channels::Any, Channels::App, Channels::All] {
            for fallback in [false, true] {
                if fallback && !channels.enable_email() {
                    continue;
                }
                for first in FIRST {
                    for trust in [false, true] {
                        for grace in [false, true] {
                            every.push(Self { channels, first, fallback, trust, grace });
                        }
                    }
                }
            }
        }
        every
    }

    pub fn policy(&self) -> Policy {
        let mut policy = match self.channels {
            Channels::Off => Policy::off(self.first),
            Channels::Email => Policy::any_of([Email], self.first).unwrap(),
            Channels::Any => Policy::any_of([App, Email], self.first).unwrap(),
            Channels::App => Policy::any_of([App], self.first).unwrap(),
            Channels::All => Policy::all_of([App, Email], self.first).unwrap(),
        };
        if self.fallback {
            policy = policy.with_email_fallback().unwrap();
        }
        if self.trust {
            policy = policy.with_trusted_browsers();
        }
        if self.grace {
            policy = policy.with_grace(days(14));
        }
        policy
    }

    /// What must be answered, in the words of the law and not of the crate: sets of channels as bits.
    pub fn requirement(&self, user: &Standing) -> Vec<u8> {
        let mut clauses = match self.channels {
            Channels::Off => vec![],
            Channels::Email | Channels::Any => vec![APP | EMAIL],
            Channels::App => vec![APP],
            Channels::All => vec![APP, EMAIL],
        };
        if has_device(user) {
            let stand_in = self.fallback && user.email == Some(EmailStanding { verified: true, tainted: false });
            clauses.push(if stand_in { APP | EMAIL } else { APP });
        }
        clauses
    }

    /// Whether this user may put the first registration off.
    pub fn defers(&self, user: &Standing) -> bool {
        self.grace && user.grace != OVER && user.device == DeviceStanding::Never
    }
}

pub const FIRST: [FirstRegistration; 3] =
    [FirstRegistration::AfterPassword, FirstRegistration::AfterEmailCode, FirstRegistration::WithTicket];

pub const APP: u8 = 1;
pub const EMAIL: u8 = 2;

/// The channels that a finished path answers.
pub fn proved(steps: &[Step]) -> u8 {
    steps.iter().fold(0, |proved, step| {
        proved
            | match step {
                Step::AppCode | Step::RecoveryCode | Step::EnrollApp => APP,
                Step::EmailCode | Step::VerifyEmail => EMAIL,
                _ => 0,
            }
    })
}

pub fn every_user() -> Vec<Standing> {
    let mut every = Vec::new();
    for device in [
        DeviceStanding::Never,
        DeviceStanding::Formerly,
        DeviceStanding::Confirmed { recovery_codes: false },
        DeviceStanding::Confirmed { recovery_codes: true },
    ] {
        for pending in [false, true] {
            for email in [
                None,
                Some(EmailStanding { verified: false, tainted: false }),
                Some(EmailStanding { verified: false, tainted: true }),
                Some(EmailStanding { verified: true, tainted: false }),
                Some(EmailStanding { verified: true, tainted: true }),
            ] {
                for trusted in [false, true] {
                    for grace in [OVER, IN_GRACE] {
                        for ticket in [false, true] {
                            every.push(user(|u| {
                                (u.device, u.pending, u.email) = (device, pending, email);
                                (u.trusted, u.grace, u.ticket) = (trusted, grace, ticket);
                            }));
                        }
                    }
                }
            }
        }
    }
    every
}

/// A user whose grace is over, and of whom nothing else is known but what `set` sets.
pub fn user(set: impl FnOnce(&mut Standing)) -> Standing {
    let mut user = Standing::at(Timestamp::from_secs(NOW));
    user.grace = OVER;
    set(&mut user);
    user
}

/// `user`, with a difference.
pub fn with(user: &Standing, set: impl FnOnce(&mut Standing)) -> Standing {
    let mut changed = user.clone();
    set(&mut changed);
    changed
}

pub fn has_device(user: &Standing) -> bool {
    matches!(user.device, DeviceStanding::Confirmed { .. })
}

pub struct Case {
    pub settings: Settings,
    pub policy: Policy,
    pub user: Standing,
    pub plan: Plan,
}

/// Every policy with every user, and the plan.
pub static EVERY_CASE: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let users = every_user();
    let mut cases = Vec::new();
    for settings in Settings::every() {
        let policy = settings.policy();
        for user in &users {
            let plan = policy.evaluate(user);
            cases.push(Case { settings, policy: policy.clone(), user: user.clone(), plan });
        }
    }
    cases
});

impl Case {
    pub fn allows(&self) -> bool {
        matches!(self.plan, Plan::Allow { .. })
    }

    pub fn denies(&self) -> bool {
        matches!(self.plan, Plan::Deny(_))
    }

    pub fn asks_for(&self, step: Step) -> bool {
        self.plan.paths().iter().any(|path| path.steps().contains(&step))
    }

    pub fn every_path(&self, holds: impl Fn(&[Step]) -> bool) -> bool {
        self.plan.paths().iter().all(|path| holds(path.steps()))
    }
}
