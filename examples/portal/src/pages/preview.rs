//! What a policy asks of users, in the administrator's words.

use factorgate::Timestamp;
use factorgate::policy::{
    DenyReason, DeviceStanding, EmailStanding, Finding, FirstRegistration, Path, Plan, Policy, Remedy, Standing, Step,
    Summary,
};

use crate::webauthn;

/// What is asked for after the password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) text: String,
    /// There is no way in.
    pub(super) denied: bool,
    /// The password is enough.
    pub(super) open: bool,
}

/// A kind of user, and what is asked of it.
pub(super) struct Row {
    pub(super) who: String,
    pub(super) asked: Asked,
}

/// The kinds of users that differ by what they hold, at a sign-in `now`.
pub(super) fn kinds(now: Timestamp) -> Vec<(&'static str, Standing)> {
    let user = |device, verified, ticket| {
        let mut standing = Standing::at(now);
        standing.device = device;
        standing.email = Some(EmailStanding { verified, tainted: false });
        standing.ticket = ticket;
        standing
    };
    let registered = |recovery_codes| DeviceStanding::Confirmed { recovery_codes };
    let with_passkey = |mut standing: Standing| {
        standing.external.extend(webauthn::factor().ok());
        standing
    };
    vec![
        ("New, nothing registered yet", user(DeviceStanding::Never, false, false)),
        ("Without a smartphone, address verified", user(DeviceStanding::Never, true, false)),
        ("Without a smartphone, with a ticket from you", user(DeviceStanding::Never, true, true)),
        ("With a registered smartphone", user(registered(false), true, false)),
        ("With a smartphone and recovery codes", user(registered(true), true, false)),
        ("With a passkey, and no smartphone", with_passkey(user(DeviceStanding::Never, true, false))),
        ("With a smartphone and a passkey", with_passkey(user(registered(false), true, false))),
        ("Had a smartphone, and removed it", user(DeviceStanding::Formerly, true, false)),
    ]
}

/// What each kind of user is asked for.
pub(super) fn asked_of_kinds(policy: &Policy, now: Timestamp) -> Vec<Row> {
    let row = |(who, user): (&str, Standing)| Row { who: who.to_owned(), asked: asked(&policy.evaluate(&user)) };
    kinds(now).into_iter().map(row).collect()
}

/// What a change does to some of the users.
pub(super) struct Effect {
    pub(super) title: &'static str,
    pub(super) who: String,
    /// What helps, or what is new.
    pub(super) detail: String,
    /// The class of its look.
    pub(super) tone: &'static str,
}

/// What a change of the settings does to the users whom it concerns.
pub(super) fn effects(findings: &[Finding<String>]) -> (Vec<Effect>, Summary) {
    let mut effects: Vec<(&'static str, &'static str, String, Vec<&str>)> = Vec::new();
    let mut summary = Summary::default();
    for finding in findings {
        summary.count(finding);
        let mut found = Vec::new();
        if let Some(denial) = finding.newly_locked_out() {
            found.push(("Locked out", "bad", remedy_in_words(denial.remedy)));
        } else if finding.after.reminds_enrollment() && !finding.before.reminds_enrollment() {
            found.push(("Reminded to register", "", "From the next sign-in on, until the time is up.".to_owned()));
        } else if finding.must_register() {
            found.push(("Must register a smartphone", "warn", "At the next sign-in.".to_owned()));
        } else if finding.password_alone() && !matches!(finding.before, Plan::Allow { .. }) {
            found.push(("No longer asked for anything", "warn", "The password is enough.".to_owned()));
        } else {
            let (gained, lost) = (finding.gained(), finding.lost());
            if !gained.is_empty() {
                found.push(("New for them", "", sentence_of(&gained)));
            }
            if !lost.is_empty() {
                found.push(("No longer for them", "", sentence_of(&lost)));
            }
        }
        for (title, tone, detail) in found {
            match effects.iter_mut().find(|(known, _, more, _)| *known == title && *more == detail) {
                Some((_, _, _, names)) => names.push(&finding.id),
                None => effects.push((title, tone, detail, vec![&finding.id])),
            }
        }
    }
    let effect =
        |(title, tone, detail, names): (_, _, _, Vec<&str>)| Effect { title, tone, detail, who: listed(&names) };
    (effects.into_iter().map(effect).collect(), summary)
}

fn remedy_in_words(remedy: Remedy) -> String {
    match remedy {
        Remedy::IssueTicket => "Issue a ticket for each of them, on the users page.".to_owned(),
        Remedy::RegisterExternalFactor => {
            "Let each of them register a passkey from the profile first, while they can sign in.".to_owned()
        }
        Remedy::FixEmailAddress => "Put an address on record that is known to be the user’s.".to_owned(),
        _ => "Help each of them to sign in.".to_owned(),
    }
}

fn sentence_of(steps: &[Step]) -> String {
    capital(&steps.iter().copied().map(step_in_words).collect::<Vec<_>>().join("; or ")) + "."
}

/// What users would be asked for after a change, those who are asked for the same in one row.
pub(super) fn people(findings: &[Finding<String>]) -> Vec<Row> {
    let mut rows: Vec<(Vec<&str>, Asked)> = Vec::new();
    for finding in findings {
        let asked = asked(&finding.after);
        match rows.iter_mut().find(|(_, known)| *known == asked) {
            Some((names, _)) => names.push(&finding.id),
            None => rows.push((vec![&finding.id], asked)),
        }
    }
    rows.into_iter().map(|(names, asked)| Row { who: listed(&names), asked }).collect()
}

/// The first few names, and how many there are beside them.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => {
            format!("{} and {more} more", names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
        }
        _ => names.join(", "),
    }
}

pub(super) fn asked(plan: &Plan) -> Asked {
    let text = match plan {
        Plan::Allow { remind_enrollment: true } => "Nothing yet: reminded to register a smartphone".to_owned(),
        Plan::Allow { .. } => "Nothing: the password is enough".to_owned(),
        Plan::Deny(denial) => match denial.reason {
            DenyReason::NoFirstEnrollmentProof => "Cannot sign in before you issue a ticket".to_owned(),
            DenyReason::NoExternalFactor => "Cannot sign in: there is no passkey".to_owned(),
            DenyReason::NoUsableEmail => "Cannot sign in: there is no address to send a code to".to_owned(),
            _ => "Cannot sign in".to_owned(),
        },
        Plan::Paths { paths, .. } => capital(&paths.iter().map(path_in_words).collect::<Vec<_>>().join("; or ")),
        _ => plan.to_string(),
    };
    Asked { text, denied: matches!(plan, Plan::Deny(_)), open: matches!(plan, Plan::Allow { .. }) }
}

fn path_in_words(path: &Path) -> String {
    path.steps().iter().copied().map(step_in_words).collect::<Vec<_>>().join(", then ")
}

fn step_in_words(step: Step) -> String {
    match step {
        Step::AppCode => "a code from the smartphone".to_owned(),
        Step::EmailCode | Step::VerifyEmail => "a code sent by e-mail".to_owned(),
        Step::EnrollApp => "register a smartphone".to_owned(),
        Step::External(_) => "the passkey".to_owned(),
        Step::RecoveryCode => "a recovery code".to_owned(),
        Step::Ticket => "your ticket".to_owned(),
        other => other.to_string(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What an administrator should know before saving.
pub(super) fn warnings(policy: &Policy) -> Vec<&'static str> {
    let mut found = Vec::new();
    if !policy.is_enforced() {
        found.push("With a stolen password, an attacker can sign in as a user without a smartphone or a passkey.");
    }
    if policy.first_registration() == FirstRegistration::AfterPassword {
        found.push(
            "Until a user has registered a smartphone, whoever knows the password can register one instead, and is in. \
             Ask for an e-mail code or a ticket to close this.",
        );
    }
    if policy.allows_email_fallback() {
        found.push("Anyone who can read a user’s mail can sign in without the smartphone.");
    }
    if policy.grace().is_some() {
        found.push("During the time to register, an attacker with a stolen password can sign in as a user who never had a smartphone.");
    }
    if policy.allows_trusted_browsers() {
        found.push("In a trusted browser, anyone who knows the password can sign in without a code.");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use factorgate::policy::{Channel, Preview};

    fn found(old: &Policy, new: &Policy, users: &[(String, Standing)]) -> Vec<Finding<String>> {
        let change = Preview::new(old, new);
        users.iter().map(|(name, standing)| change.finding(name.clone(), standing)).collect()
    }

    fn asked_of(policy: &Policy, who: &str) -> String {
        asked_of_kinds(policy, Timestamp::from_secs(1_900_000_000))
            .into_iter()
            .find(|row| row.who.starts_with(who))
            .unwrap()
            .asked
            .text
    }

    #[test]
    fn the_preview_says_what_each_kind_of_user_is_asked() {
        let any = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterPassword).unwrap();
        assert_eq!(asked_of(&any, "New"), "A code sent by e-mail; or register a smartphone");
        assert_eq!(asked_of(&any, "With a registered"), "A code from the smartphone");
        let ticket = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
        assert_eq!(asked_of(&ticket, "New"), "Cannot sign in before you issue a ticket");
        assert_eq!(asked_of(&ticket, "Without a smartphone, with"), "Your ticket, then register a smartphone");
        assert_eq!(asked_of(&Policy::off(FirstRegistration::WithTicket), "New"), "Nothing: the password is enough");
    }

    #[test]
    fn people_who_are_asked_for_the_same_stand_together() {
        let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
        let mut with_device = Standing::new();
        with_device.device = DeviceStanding::Confirmed { recovery_codes: false };
        let mut users: Vec<(String, Standing)> = (1..=6).map(|n| (format!("User {n}"), Standing::new())).collect();
        users.insert(1, ("Ada".to_owned(), with_device));
        let rows: Vec<(String, String)> =
            people(&found(&policy, &policy, &users)).into_iter().map(|row| (row.who, row.asked.text)).collect();
        let expected = [
            ("User 1, User 2, User 3, User 4 and 2 more", "Register a smartphone"),
            ("Ada", "A code from the smartphone"),
        ];
        assert_eq!(rows, expected.map(|(who, text)| (who.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_change_is_told_by_whom_it_concerns() {
        let off = Policy::off(FirstRegistration::WithTicket);
        let app = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
        let (mut with_device, mut with_ticket) = (Standing::new(), Standing::new());
        with_device.device = DeviceStanding::Confirmed { recovery_codes: false };
        with_ticket.ticket = true;
        let users = [("Ada", Standing::new()), ("Bo", with_device), ("Cy", with_ticket), ("Di", Standing::new())];
        let users = users.map(|(name, standing)| (name.to_owned(), standing));
        let (effects, summary) = effects(&found(&off, &app, &users));
        let told: Vec<_> = effects.iter().map(|effect| (effect.title, effect.who.as_str())).collect();
        assert_eq!(told, [("Locked out", "Ada, Di"), ("Must register a smartphone", "Cy")]);
        assert!(effects[0].detail.contains("ticket"));
        assert_eq!((summary.password_alone_before, summary.password_alone_after), (3, 0));
    }

    #[test]
    fn weak_settings_are_named() {
        assert_eq!(warnings(&Policy::off(FirstRegistration::AfterPassword)).len(), 2);
        let graced = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
        let graced = graced.with_grace(factorgate::policy::GraceDays::new(14).unwrap());
        assert_eq!(warnings(&graced).len(), 1);
        assert_eq!(asked_of(&graced, "New"), "Nothing yet: reminded to register a smartphone");
        let strict = Policy::all_of([Channel::App, Channel::Email], FirstRegistration::WithTicket).unwrap();
        assert!(warnings(&strict).is_empty());
    }
}
