//! What is known of the user without asking the engine, and the rules as naive as they can be.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use factorgate::Timestamp;
use factorgate::device::DeviceId;
use factorgate::limits::Guessing;
use factorgate::login::Evidence;
use factorgate::otp::{Digits, Secret, Totp};
use factorgate::policy::{Channel, ExternalFactor, FirstRegistration, GraceDays, Policy, Strength};

use crate::facts::is_running;
use crate::guesses::Target;

/// The policies, and of each what it asks of everybody: one of every list.
pub fn policies() -> &'static [(Policy, Vec<Vec<Channel>>)] {
    static POLICIES: LazyLock<Vec<(Policy, Vec<Vec<Channel>>)>> = LazyLock::new(made);
    &POLICIES
}

fn made() -> Vec<(Policy, Vec<Vec<Channel>>)> {
    use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};
    let (app, email, key) = (Channel::App, Channel::Email, Channel::External(factors()[0]));
    let days = |days| GraceDays::new(days).unwrap();
    let any = |channels: &[Channel], first| Policy::any_of(channels.iter().copied(), first).unwrap();
    let all = |channels: &[Channel], first| Policy::all_of(channels.iter().copied(), first).unwrap();
    let stand_in = any(&[app, email], AfterEmailCode).with_stand_in(factors()[0]).unwrap();
    vec![
        (Policy::off(AfterPassword), vec![]),
        // A code of the user's own app answers wherever it is no weaker than what is asked for.
        (any(&[email], AfterEmailCode), vec![vec![app, email]]),
        (any(&[app], WithTicket), vec![vec![app]]),
        (any(&[app, email], AfterEmailCode).with_trusted_browsers(), vec![vec![app, email]]),
        (all(&[app, email], AfterEmailCode), vec![vec![app], vec![email]]),
        (any(&[app], AfterPassword).with_grace(days(7)), vec![vec![app]]),
        (all(&[app, email], AfterEmailCode).with_grace(days(1)), vec![vec![app], vec![email]]),
        (any(&[app, key], WithTicket), vec![vec![app, key]]),
        (stand_in.with_trusted_browsers(), vec![vec![app, email]]),
        (any(&[app], AfterPassword), vec![vec![app]]),
    ]
}

/// The factors that the host checks.
pub fn factors() -> [ExternalFactor; 3] {
    [
        ExternalFactor::phishing_resistant("passkey").unwrap(),
        ExternalFactor::possession("push").unwrap(),
        ExternalFactor::phishing_resistant("smart-card").unwrap(),
    ]
}

/// Eight digits, so that a wrong code is hardly ever right.
pub fn totp() -> Totp {
    Totp::builder().digits(Digits::EIGHT).build().unwrap()
}

/// The user's row in the host's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub credential: u32,
    pub address: u8,
}

pub struct App {
    pub failures: u32,
    pub id: DeviceId,
    /// No code of this step or an earlier one is accepted.
    pub last_step: u64,
    pub secret: Secret,
    pub used: BTreeSet<u64>,
}

/// An external factor that the user has.
pub struct Held {
    pub factor: ExternalFactor,
    pub failures: u32,
    pub used_at: Timestamp,
}

pub struct RecoveryText {
    pub text: String,
    pub used: bool,
}

/// What was proved in a flow: the right thing was sent, and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    App,
    Email,
    External(ExternalFactor),
    Recovery,
    Registered,
    Ticket,
}

impl Proof {
    /// What a browser is known for by it, and a flow is paid back.
    pub fn target(self) -> Option<Target> {
        match self {
            Self::App | Self::Registered => Some(Target::App),
            Self::Email => Some(Target::Email),
            Self::External(_) => Some(Target::External),
            Self::Recovery => Some(Target::Recovery),
            Self::Ticket => None,
        }
    }
}

#[derive(Default)]
pub struct Model {
    pub apps: Vec<App>,
    pub email_failures: u32,
    /// How often all sessions were ended.
    pub epoch: u64,
    pub erased: bool,
    pub ever_had: bool,
    pub exemption: Option<(Timestamp, Timestamp)>,
    pub external: Vec<Held>,
    pub grace_begun: Option<Timestamp>,
    pub recovery: Vec<RecoveryText>,
    pub recovery_failures: u32,
    /// The row that the last login was begun with, or that was reported.
    pub row: Option<Row>,
    /// The row that the last report replaced, and until when it is refused.
    pub stale_row: Option<(Row, Timestamp)>,
}

/// What too many failures in a row have disabled.
pub fn is_worn_out(failures: u32) -> bool {
    failures >= Guessing::CONSECUTIVE_CAP
}

impl Model {
    /// Whether this evidence is enough under a policy: for a login, or for a session, where a recovery code alone is not.
    pub fn lets_in(&self, policy: usize, evidence: &Evidence, now: Timestamp, is_session: bool) -> bool {
        let (policy, clauses) = &policies()[policy];
        let trusted = evidence.trusted_browser.is_some() && policy.allows_trusted_browsers();
        let answers = |channel| match channel {
            Channel::App => {
                let device = evidence.app_code.is_some() || evidence.registered.is_some();
                device || !is_session && evidence.recovery_code.is_some()
            }
            Channel::Email => evidence.email_code.is_some(),
            Channel::External(factor) => is_checked(evidence, factor),
            _ => false,
        };
        let own = if !self.apps.is_empty() {
            answers(Channel::App) || policy.stand_ins().any(|factor| is_checked(evidence, factor))
        } else {
            self.external.is_empty() || self.strongest().any(|factor| is_checked(evidence, factor))
        };
        let exempt = self.exemption.is_some_and(|(from, until)| from <= now && now < until) && !self.ever_had;
        let company = exempt
            || clauses.iter().all(|clause| {
                clause.iter().any(|channel| answers(*channel))
                    || self.defers(policy, now) && !clause.contains(&Channel::Email)
            });
        trusted || own && company
    }

    /// Whether the first registration may be put off.
    fn defers(&self, policy: &Policy, now: Timestamp) -> bool {
        let until = |days: GraceDays| {
            let begun = self.grace_begun.unwrap_or(now);
            begun.saturating_add(Duration::from_secs(u64::from(days.get()) * 86_400))
        };
        !self.ever_had && policy.grace().is_some_and(|days| now < until(days))
    }

    /// Whether a factor may be registered, after what was proved in the flow.
    pub fn may_register(&self, policy: usize, proved: &BTreeSet<Proof>) -> bool {
        let has = |proof| proved.contains(&proof);
        if !self.apps.is_empty() {
            return has(Proof::App)
                || has(Proof::Registered)
                || has(Proof::Recovery)
                || self.phishing_resistant().any(|factor| has(Proof::External(factor)));
        }
        if !self.external.is_empty() {
            return self.strongest().any(|factor| has(Proof::External(factor)));
        }
        match policies()[policy].0.first_registration() {
            FirstRegistration::AfterPassword if !self.ever_had => true,
            FirstRegistration::WithTicket => has(Proof::Ticket),
            _ => has(Proof::Ticket) || has(Proof::Email),
        }
    }

    /// Whether what was proved holds the strongest factor that the user has, and nothing in its place.
    pub fn steps_up(&self, has: impl Fn(Proof) -> bool) -> bool {
        if !self.apps.is_empty() {
            let device = has(Proof::App) || has(Proof::Registered);
            return device || self.phishing_resistant().any(|factor| has(Proof::External(factor)));
        }
        if self.external.is_empty() {
            has(Proof::Email)
        } else {
            self.strongest().any(|factor| has(Proof::External(factor)))
        }
    }

    fn phishing_resistant(&self) -> impl Iterator<Item = ExternalFactor> {
        let held = self.external.iter().map(|held| held.factor);
        held.filter(|factor| factor.strength() == Strength::PhishingResistant)
    }

    fn strongest(&self) -> impl Iterator<Item = ExternalFactor> {
        let strongest = self.external.iter().map(|held| held.factor.strength()).max();
        self.external.iter().map(|held| held.factor).filter(move |factor| Some(factor.strength()) == strongest)
    }

    pub fn has_factor(&self) -> bool {
        !self.apps.is_empty() || !self.external.is_empty()
    }

    /// How many devices an app code of any of them is compared with.
    pub fn devices(&self) -> u32 {
        self.apps.iter().filter(|app| !is_worn_out(app.failures)).count() as u32
    }

    /// Without a device there are no recovery codes.
    pub fn forget_recovery_without_device(&mut self) {
        if self.apps.is_empty() {
            self.set_recovery([]);
        }
    }

    /// Whether the codes are those of another system, plain or hashed.
    pub fn has_imported_codes(&self) -> bool {
        self.recovery.iter().any(|code| code.text.starts_with("plain") || code.text.starts_with("hashed"))
    }

    pub fn set_recovery(&mut self, codes: impl IntoIterator<Item = String>) {
        self.recovery = codes.into_iter().map(|text| RecoveryText { text, used: false }).collect();
        self.recovery_failures = 0;
    }

    /// A factor that is registered again takes its own place.
    pub fn hold(&mut self, factor: ExternalFactor, now: Timestamp) {
        self.external.retain(|held| held.factor != factor);
        self.external.push(Held { factor, failures: 0, used_at: now });
        self.external.sort_by_key(|held| held.factor);
        self.ever_had = true;
    }

    /// The host has reported that the row is `new`.
    pub fn row_was_replaced(&mut self, new: Row, now: Timestamp) {
        if self.erased {
            return;
        }
        match self.row.replace(new).filter(|old| *old != new) {
            Some(old) => self.stale_row = Some((old, now.saturating_add(Duration::from_secs(600)))),
            None => self.stale_row = self.stale_row.filter(|_| !self.is_stale(new, now)),
        }
    }

    pub fn is_stale(&self, row: Row, now: Timestamp) -> bool {
        self.stale_row.is_some_and(|(stale, until)| stale == row && is_running(until, 600, now))
    }

    /// What a write removes.
    pub fn sweep(&mut self, now: Timestamp) {
        self.exemption = self.exemption.filter(|(_, until)| now < *until);
        self.stale_row = self.stale_row.filter(|(_, until)| is_running(*until, 600, now));
    }
}

pub fn is_checked(evidence: &Evidence, factor: ExternalFactor) -> bool {
    evidence.external.iter().any(|checked| checked.factor() == factor)
}

/// What the evidence says was proved.
pub fn proofs(evidence: &Evidence) -> Vec<(Proof, Timestamp)> {
    let Evidence { app_code, ref email_code, registered, ref external, recovery_code, ticket, .. } = *evidence;
    let proofs = [
        (Proof::App, app_code.map(|(_, at)| at)),
        (Proof::Email, email_code.as_ref().map(|(_, at)| *at)),
        (Proof::Registered, registered.map(|(_, at)| at)),
        (Proof::Recovery, recovery_code),
        (Proof::Ticket, ticket),
    ];
    let external = external.iter().map(|checked| (Proof::External(checked.factor()), checked.at()));
    proofs.into_iter().filter_map(|(proof, at)| Some((proof, at?))).chain(external).collect()
}
