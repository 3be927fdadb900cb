//! What is known of the user without asking the engine, and the rules as naive as they can be.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use factorgate::otp::{Digits, Totp};
use factorgate::policy::{Channel, ExternalFactor, FirstRegistration, GraceDays, Policy, Strength};
use factorgate::{DeviceId, Evidence, FailureBudget, Secret, Timestamp};

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

pub struct App {
    pub failures: u32,
    pub id: DeviceId,
    pub secret: Secret,
    pub used: HashSet<u64>,
}

/// A factor of the host that the user holds.
pub struct Held {
    pub factor: ExternalFactor,
    pub failures: u32,
}

pub struct RecoveryText {
    pub text: String,
    pub used: bool,
}

/// What was proved in a flow: the right thing was sent, and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    App,
    Email,
    Enrolled,
    External(ExternalFactor),
    Recovery,
    Ticket,
}

#[derive(Default)]
pub struct Model {
    pub apps: Vec<App>,
    pub email_failures: u32,
    /// How often all sessions were ended.
    pub epoch: u64,
    pub ever_held: bool,
    pub exemption: Option<(Timestamp, Timestamp)>,
    pub external: Vec<Held>,
    pub grace_begun: Option<Timestamp>,
    pub recovery: Vec<RecoveryText>,
    pub recovery_failures: u32,
}

/// What too many failures in a row have disabled.
pub fn is_worn_out(failures: u32) -> bool {
    failures >= FailureBudget::CONSECUTIVE_CAP
}

impl Model {
    /// Whether a login with this evidence may be let in.
    pub fn lets_in(&self, policy: usize, evidence: &Evidence, now: Timestamp) -> bool {
        let (policy, clauses) = &policies()[policy];
        let trusted = evidence.trusted_browser.is_some() && policy.allows_trusted_browsers();
        let own = if !self.apps.is_empty() {
            answers(evidence, Channel::App) || policy.stand_ins().any(|factor| is_checked(evidence, factor))
        } else {
            self.external.is_empty() || self.strongest().any(|factor| is_checked(evidence, factor))
        };
        let exempt = self.exemption.is_some_and(|(from, until)| from <= now && now < until) && !self.ever_held;
        let company = exempt
            || clauses.iter().all(|clause| {
                clause.iter().any(|channel| answers(evidence, *channel))
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
        !self.ever_held && policy.grace().is_some_and(|days| now < until(days))
    }

    /// Whether a factor may be registered, after what was proved in the flow.
    pub fn may_register(&self, policy: usize, proved: &HashSet<Proof>) -> bool {
        let has = |proof| proved.contains(&proof);
        if !self.apps.is_empty() {
            return has(Proof::App)
                || has(Proof::Recovery)
                || self.phishing_resistant().any(|f| has(Proof::External(f)));
        }
        if !self.external.is_empty() {
            return self.strongest().any(|factor| has(Proof::External(factor)));
        }
        match policies()[policy].0.first_registration() {
            FirstRegistration::AfterPassword if !self.ever_held => true,
            FirstRegistration::WithTicket => has(Proof::Ticket),
            _ => has(Proof::Ticket) || has(Proof::Email),
        }
    }

    /// Whether the evidence holds the strongest of what the user holds, and nothing in its place.
    pub fn steps_up(&self, evidence: &Evidence) -> bool {
        if !self.apps.is_empty() {
            let app = evidence.app_code.map(|(id, _)| id).or(evidence.enrolled.map(|(id, _)| id));
            return app.is_some() || self.phishing_resistant().any(|factor| is_checked(evidence, factor));
        }
        if self.external.is_empty() {
            evidence.email_code.is_some()
        } else {
            self.strongest().any(|factor| is_checked(evidence, factor))
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

    /// The factors that an administrator, or the last removal, has taken away take the codes with them.
    pub fn forget_recovery_without_device(&mut self) {
        if self.apps.is_empty() {
            self.set_recovery([]);
        }
    }

    pub fn set_recovery(&mut self, codes: impl IntoIterator<Item = String>) {
        self.recovery = codes.into_iter().map(|text| RecoveryText { text, used: false }).collect();
        self.recovery_failures = 0;
    }

    /// A factor takes its own place.
    pub fn hold(&mut self, factor: ExternalFactor) {
        self.external.retain(|held| held.factor != factor);
        self.external.push(Held { factor, failures: 0 });
        self.external.sort_by_key(|held| held.factor);
        self.ever_held = true;
    }
}

fn answers(evidence: &Evidence, channel: Channel) -> bool {
    match channel {
        Channel::App => evidence.app_code.is_some() || evidence.enrolled.is_some() || evidence.recovery_code.is_some(),
        Channel::Email => evidence.email_code.is_some(),
        Channel::External(factor) => is_checked(evidence, factor),
        _ => false,
    }
}

fn is_checked(evidence: &Evidence, factor: ExternalFactor) -> bool {
    evidence.external.iter().any(|checked| checked.factor() == factor)
}

/// What the evidence says was proved.
pub fn proofs(evidence: &Evidence) -> impl Iterator<Item = (Proof, Timestamp)> {
    let Evidence { app_code, email_code, enrolled, ref external, recovery_code, ticket, .. } = *evidence;
    let proofs = [
        (Proof::App, app_code.map(|(_, at)| at)),
        (Proof::Email, email_code),
        (Proof::Enrolled, enrolled.map(|(_, at)| at)),
        (Proof::Recovery, recovery_code),
        (Proof::Ticket, ticket),
    ];
    let external = external.iter().map(|checked| (Proof::External(checked.factor()), checked.at()));
    proofs.into_iter().filter_map(|(proof, at)| Some((proof, at?))).chain(external)
}
