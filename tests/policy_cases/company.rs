//! What a company sets beside channels, over every user: grace, exemptions, factors of the host. And a reference
//! evaluator, in sets of bits and with none of the crate's code.

use super::{APP, DAY, EMAIL, FIRST, IN_GRACE, NOW, OVER, days, user};
use factorgate::Timestamp;
use factorgate::policy::{
    Channel, DenyReason, DeviceStanding, EmailStanding, Exemption, ExternalFactor, FirstRegistration, Grace, Plan,
    Policy, Remedy, Standing, Step,
};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// A factor of the host that is phishing-resistant, and one that is not.
pub const PASSKEY: u8 = 4;
pub const PUSH: u8 = 8;

pub static PASSKEY_FACTOR: LazyLock<ExternalFactor> =
    LazyLock::new(|| ExternalFactor::phishing_resistant("passkey").unwrap());
pub static PUSH_FACTOR: LazyLock<ExternalFactor> = LazyLock::new(|| ExternalFactor::possession("push").unwrap());

/// What one level of a company sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub requires: Requires,
    pub first: FirstRegistration,
    pub fallback: bool,
    pub trust: bool,
    pub grace: Option<u8>,
    pub stand_in: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Requires {
    Off,
    Any(u8),
    All(u8),
}

pub fn channels(bits: u8) -> Vec<Channel> {
    let every = [
        (APP, Channel::App),
        (EMAIL, Channel::Email),
        (PUSH, Channel::External(*PUSH_FACTOR)),
        (PASSKEY, Channel::External(*PASSKEY_FACTOR)),
    ];
    every.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, channel)| channel).collect()
}

impl Requires {
    /// All 27: off, any of each set, and all of each set that has two at least.
    pub fn every() -> Vec<Self> {
        let any = (1..16).map(Self::Any);
        let all = (1..16_u8).filter(|set| set.count_ones() > 1).map(Self::All);
        [Self::Off].into_iter().chain(any).chain(all).collect()
    }

    pub fn enabled(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Any(set) | Self::All(set) => set,
        }
    }

    pub fn clauses(self) -> Vec<u8> {
        match self {
            Self::Off => vec![],
            // Only against a passkey is an app the weaker answer.
            Self::Any(PASSKEY) => vec![PASSKEY],
            Self::Any(set) => vec![set | APP],
            Self::All(set) => [APP, EMAIL, PASSKEY, PUSH].into_iter().filter(|bit| set & bit != 0).collect(),
        }
    }
}

impl Level {
    /// Every level but for its grace, of which there is none.
    pub fn every() -> Vec<Self> {
        let mut every = Vec::new();
        for requires in Requires::every() {
            for fallback in [false, true] {
                if fallback && requires.enabled() & EMAIL == 0 {
                    continue;
                }
                for first in FIRST {
                    for trust in [false, true] {
                        for stand_in in [false, true] {
                            every.push(Self { requires, first, fallback, trust, grace: None, stand_in });
                        }
                    }
                }
            }
        }
        every
    }

    pub fn policy(&self) -> Policy {
        let mut policy = match self.requires {
            Requires::Off => Policy::off(self.first),
            Requires::Any(set) => Policy::any_of(channels(set), self.first).unwrap(),
            Requires::All(set) => Policy::all_of(channels(set), self.first).unwrap(),
        };
        if self.fallback {
            policy = policy.with_email_fallback().unwrap();
        }
        if self.stand_in {
            policy = policy.with_stand_in(*PASSKEY_FACTOR).unwrap();
        }
        if let Some(grace) = self.grace {
            policy = policy.with_grace(days(grace));
        }
        if self.trust { policy.with_trusted_browsers() } else { policy }
    }

    /// What must be answered now: without what an exemption lifts, and without what grace puts off.
    pub fn asked(&self, user: &Standing) -> Vec<u8> {
        let mut clauses = if is_exempt(user) { vec![] } else { self.requires.clauses() };
        if self.in_grace(user) {
            clauses.retain(|clause| clause & EMAIL != 0);
        }
        clauses.extend(self.own(user));
        clauses
    }

    /// What the user's own factors ask for.
    pub fn own(&self, user: &Standing) -> Option<u8> {
        let held = held(user);
        if matches!(user.device, DeviceStanding::Confirmed { .. }) {
            let email = if self.fallback && email_step(user) == Some(Step::EmailCode) { EMAIL } else { 0 };
            let passkey = if self.stand_in { held & PASSKEY } else { 0 };
            return Some(APP | email | passkey);
        }
        [PASSKEY, PUSH].into_iter().find(|bit| held & bit != 0)
    }

    pub fn in_grace(&self, user: &Standing) -> bool {
        let Some(days) = self.grace else { return false };
        let begun = match user.grace {
            Grace::NotStarted => true,
            Grace::Started { at, until } => NOW < until.as_secs() && NOW < at.as_secs() + u64::from(days) * DAY,
            _ => unreachable!(),
        };
        begun && never_held(user)
    }

    /// The plan by the reference.
    pub fn expected(&self, user: &Standing) -> Expected {
        let all = Self { grace: None, ..*self }.asked(user);
        let asked = self.asked(user);
        let remind = asked.len() < all.len();
        if asked.is_empty() {
            return Expected::Allow(remind);
        }
        let paths = self.paths(user, &asked);
        if paths.is_empty() {
            return self.denial(user, &asked);
        }
        let challenges = |path: &Vec<Step>| path.iter().all(is_challenge);
        if self.trust && user.trusted && paths.iter().any(challenges) {
            return Expected::Allow(remind);
        }
        Expected::Paths(paths, remind)
    }

    fn paths(&self, user: &Standing, asked: &[u8]) -> BTreeSet<Vec<Step>> {
        let answers = |set: u8| asked.iter().all(|clause| clause & set != 0);
        let smallest = (1..16).filter(|&set| answers(set) && !(1..set).any(|part| part & set == part && answers(part)));
        smallest.flat_map(|set| self.walks(user, set)).collect()
    }

    /// Every walk that answers with all of `set`.
    fn walks(&self, user: &Standing, set: u8) -> Vec<Vec<Step>> {
        let mut walks = vec![vec![]];
        for channel in [PASSKEY, PUSH, EMAIL, APP].into_iter().filter(|bit| set & bit != 0) {
            let ways = self.ways(user, channel);
            walks = walks.iter().flat_map(|walk| ways.iter().map(|way| [walk.clone(), way.clone()].concat())).collect();
        }
        for walk in &mut walks {
            let mut seen = Vec::new();
            walk.retain(|step| {
                !seen.contains(step) && {
                    seen.push(*step);
                    true
                }
            });
        }
        walks
    }

    fn ways(&self, user: &Standing, channel: u8) -> Vec<Vec<Step>> {
        match (channel, user.device) {
            (EMAIL, _) => email_step(user).into_iter().map(|step| vec![step]).collect(),
            (APP, DeviceStanding::Confirmed { recovery_codes: true }) => {
                vec![vec![Step::AppCode], vec![Step::RecoveryCode]]
            }
            (APP, DeviceStanding::Confirmed { .. }) => vec![vec![Step::AppCode]],
            (APP, _) if self.requires.enabled() & APP == 0 => vec![],
            (APP, _) => self.proofs(user).into_iter().map(|proof| [proof, vec![Step::EnrollApp]].concat()).collect(),
            _ if held(user) & channel == 0 => vec![],
            _ => vec![vec![external_step(channel)]],
        }
    }

    fn proofs(&self, user: &Standing) -> Vec<Vec<Step>> {
        if let Some(own) = self.own(user) {
            return vec![vec![external_step(own)]];
        }
        let first = if never_held(user) { self.first } else { self.first.max(FirstRegistration::AfterEmailCode) };
        let email = email_step(user).filter(|_| first == FirstRegistration::AfterEmailCode);
        let ticket = user.ticket.then_some(Step::Ticket);
        match first {
            FirstRegistration::AfterPassword => vec![vec![]],
            _ => email.into_iter().chain(ticket).map(|step| vec![step]).collect(),
        }
    }

    fn denial(&self, user: &Standing, asked: &[u8]) -> Expected {
        let stuck =
            |clause: &&u8| (0..4).map(|i| **clause & 1 << i).all(|bit| bit == 0 || self.ways(user, bit).is_empty());
        let cure = |clause: &u8| match clause {
            clause if clause & self.requires.enabled() & APP != 0 => 2,
            clause if clause & EMAIL != 0 => 0,
            _ => 1,
        };
        Expected::Deny(match asked.iter().filter(stuck).map(cure).min() {
            Some(0) => (DenyReason::NoUsableEmail, Remedy::FixEmailAddress),
            Some(1) => (DenyReason::NoExternalFactor, Remedy::RegisterExternalFactor),
            _ => (DenyReason::NoFirstEnrollmentProof, Remedy::IssueTicket),
        })
    }
}

/// A plan, its paths in no order.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Allow(bool),
    Deny((DenyReason, Remedy)),
    Paths(BTreeSet<Vec<Step>>, bool),
}

impl From<&Plan> for Expected {
    fn from(plan: &Plan) -> Self {
        match plan {
            Plan::Allow { remind_enrollment } => Self::Allow(*remind_enrollment),
            Plan::Deny(denial) => Self::Deny((denial.reason, denial.remedy)),
            Plan::Paths { paths, remind_enrollment } => {
                Self::Paths(paths.iter().map(|path| path.steps().to_vec()).collect(), *remind_enrollment)
            }
            _ => unreachable!(),
        }
    }
}

pub fn external_step(channel: u8) -> Step {
    Step::External(if channel == PASSKEY { *PASSKEY_FACTOR } else { *PUSH_FACTOR })
}

/// The channels that a finished path answers.
pub fn proved(steps: &[Step]) -> u8 {
    steps.iter().fold(0, |proved, step| {
        proved
            | match step {
                Step::External(factor) if *factor == *PASSKEY_FACTOR => PASSKEY,
                Step::External(_) => PUSH,
                _ => super::proved(&[*step]),
            }
    })
}

pub fn is_challenge(step: &Step) -> bool {
    !matches!(step, Step::EnrollApp | Step::Ticket | Step::VerifyEmail)
}

pub fn held(user: &Standing) -> u8 {
    let bit = |factor: &ExternalFactor, bit| if user.external.contains(factor) { bit } else { 0 };
    bit(&PASSKEY_FACTOR, PASSKEY) | bit(&PUSH_FACTOR, PUSH)
}

pub fn never_held(user: &Standing) -> bool {
    user.device == DeviceStanding::Never && held(user) == 0
}

pub fn is_exempt(user: &Standing) -> bool {
    user.exemption == *VALID && never_held(user)
}

fn email_step(user: &Standing) -> Option<Step> {
    let email = user.email.filter(|email| !email.tainted)?;
    Some(if email.verified { Step::EmailCode } else { Step::VerifyEmail })
}

pub static VALID: LazyLock<Option<Exemption>> = LazyLock::new(|| exemption(NOW, NOW + 1));
pub static EXPIRED: LazyLock<Option<Exemption>> = LazyLock::new(|| exemption(NOW - DAY, NOW));

pub fn exemption(from: u64, until: u64) -> Option<Exemption> {
    let (from, until) = (Timestamp::from_secs(from), Timestamp::from_secs(until));
    Some(Exemption::new("O. Petrova, security", "waits for a smartphone", from, until).unwrap())
}

/// Every user without an exemption, whose grace is over.
pub fn every_plain_user() -> Vec<Standing> {
    let mut every = Vec::new();
    for device in [
        DeviceStanding::Never,
        DeviceStanding::Formerly,
        DeviceStanding::Confirmed { recovery_codes: false },
        DeviceStanding::Confirmed { recovery_codes: true },
    ] {
        for (email, tainted) in [(None, false), (Some(false), false), (Some(true), false), (Some(true), true)] {
            for held in [0, PASSKEY, PUSH, PASSKEY | PUSH] {
                for trusted in [false, true] {
                    for ticket in [false, true] {
                        every.push(user(|u| {
                            (u.device, u.trusted, u.ticket) = (device, trusted, ticket);
                            u.email = email.map(|verified| EmailStanding { verified, tainted });
                            u.external = factors(held);
                        }));
                    }
                }
            }
        }
    }
    every
}

pub fn factors(held: u8) -> BTreeSet<ExternalFactor> {
    [(PASSKEY, *PASSKEY_FACTOR), (PUSH, *PUSH_FACTOR)]
        .into_iter()
        .filter(|(bit, _)| held & bit != 0)
        .map(|(_, factor)| factor)
        .collect()
}

/// `user` with each state of the grace period and each of an exemption.
pub fn every_dated(user: &Standing) -> impl Iterator<Item = Standing> + '_ {
    let exemptions = [None, VALID.clone(), EXPIRED.clone()];
    [Grace::NotStarted, IN_GRACE, OVER].into_iter().flat_map(move |grace| {
        exemptions
            .clone()
            .into_iter()
            .map(move |exemption| super::with(user, |u| (u.grace, u.exemption) = (grace, exemption)))
    })
}
