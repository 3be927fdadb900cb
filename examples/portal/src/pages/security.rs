//! The administrator's settings. What users will be asked is shown first, and what was shown is what is saved.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::policy::{
    DenyReason, DeviceStanding, EmailStanding, FirstRegistration, Path, Plan, Policy, Standing, Step,
};

use super::{Page, Shell, go_and_say, show, show_again};
use crate::app::App;
use crate::forms::Posted;
use crate::notice::Notice;
use crate::session::{Admin, Visitor};
use crate::settings::{Fields, Objection, Settings};

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/security", get(page).post(save)).route("/admin/security/preview", post(preview))
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    settings: Settings,
    error: Option<&'static str>,
    preview: Option<Vec<Row>>,
    saved: bool,
    warnings: Vec<&'static str>,
}

/// What one kind of user is asked for.
struct Row {
    who: &'static str,
    asked: String,
    denied: bool,
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    let settings = Settings::load(&app.db).await?;
    show(&drawn(&app, &admin.visitor, settings, true))
}

async fn preview(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let page = drawn(&app, &admin.visitor, fields.into(), false);
    if page.error.is_some() { show_again(&page) } else { show(&page) }
}

async fn save(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let settings = Settings::from(fields);
    if settings.to_policy().is_err() {
        return show_again(&drawn(&app, &admin.visitor, settings, false));
    }
    settings.save(&app.db).await?;
    go_and_say("/admin/security", Notice::SettingsSaved)
}

fn drawn(app: &App, visitor: &Visitor, settings: Settings, saved: bool) -> SecurityPage {
    let shell = Shell::new(app, visitor, "Security", "security");
    match settings.to_policy() {
        Ok(policy) => SecurityPage {
            shell,
            settings,
            error: None,
            preview: Some(rows(&policy)),
            saved,
            warnings: warnings(&policy),
        },
        Err(objection) => {
            // On the first visit nothing has been decided, and nothing is wrong.
            let error = (!saved).then_some(match objection {
                Objection::FallbackWithoutEmail => {
                    "An e-mail code can stand in for the smartphone only where the e-mail channel is enabled."
                }
                Objection::NoChannel => "To enforce MFA, enable at least one channel.",
                Objection::NoFirstRegistration => "Decide who may register the first smartphone.",
            });
            SecurityPage { shell, settings, error, preview: None, saved, warnings: Vec::new() }
        }
    }
}

fn rows(policy: &Policy) -> Vec<Row> {
    kinds()
        .into_iter()
        .map(|(who, standing)| {
            let plan = policy.evaluate(&standing);
            Row { who, denied: matches!(plan, Plan::Deny(_)), asked: in_words(&plan) }
        })
        .collect()
}

fn kinds() -> Vec<(&'static str, Standing)> {
    let user = |device, verified, ticket| {
        let mut standing = Standing::new();
        standing.device = device;
        standing.email = Some(EmailStanding { verified, tainted: false });
        standing.ticket = ticket;
        standing
    };
    let registered = DeviceStanding::Confirmed { recovery_codes: true };
    vec![
        ("New, nothing registered yet", user(DeviceStanding::Never, false, false)),
        ("Without a smartphone, address verified", user(DeviceStanding::Never, true, false)),
        ("Without a smartphone, with a ticket of yours", user(DeviceStanding::Never, true, true)),
        ("With a registered smartphone", user(registered, true, false)),
        ("Had a smartphone, and was reset", user(DeviceStanding::Formerly, true, false)),
    ]
}

fn in_words(plan: &Plan) -> String {
    match plan {
        Plan::Allow { .. } => "Nothing: the password is enough".to_owned(),
        Plan::Deny(denial) => match denial.reason {
            DenyReason::NoFirstEnrollmentProof => "Cannot sign in before you issue a ticket".to_owned(),
            DenyReason::NoUsableEmail => "Cannot sign in: there is no address to send a code to".to_owned(),
            _ => denial.to_string(),
        },
        Plan::Paths { paths, .. } => {
            let text = paths.iter().map(path_in_words).collect::<Vec<_>>().join("; or ");
            let mut letters = text.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
        _ => plan.to_string(),
    }
}

fn path_in_words(path: &Path) -> String {
    let steps = path.steps().iter().map(|step| match step {
        Step::AppCode => "a code from the smartphone".to_owned(),
        Step::EmailCode | Step::VerifyEmail => "a code sent by e-mail".to_owned(),
        Step::EnrollApp => "register a smartphone".to_owned(),
        Step::RecoveryCode => "a recovery code".to_owned(),
        Step::Ticket => "your ticket".to_owned(),
        other => other.to_string(),
    });
    steps.collect::<Vec<_>>().join(", then ")
}

/// What an administrator should know before saving.
fn warnings(policy: &Policy) -> Vec<&'static str> {
    let mut found = Vec::new();
    if !policy.is_enforced() {
        found.push("A stolen password is enough to get into the account of a user without a smartphone.");
    }
    if policy.first_registration() == FirstRegistration::AfterPassword {
        found.push(
            "Until a user has registered a smartphone, whoever knows the password can register one instead, and is in. \
             Ask for an e-mail code or a ticket to close this.",
        );
    }
    if policy.allows_email_fallback() {
        found.push("Whoever can read a user’s mail gets around the smartphone.");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use factorgate::policy::Channel;

    fn asked(policy: &Policy, who: &str) -> String {
        rows(policy).into_iter().find(|row| row.who.starts_with(who)).unwrap().asked
    }

    #[test]
    fn the_preview_says_what_each_kind_of_user_is_asked() {
        let any = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterPassword).unwrap();
        assert_eq!(asked(&any, "New"), "A code sent by e-mail; or register a smartphone");
        assert_eq!(asked(&any, "With a registered"), "A code from the smartphone; or a recovery code");
        let ticket = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
        assert_eq!(asked(&ticket, "New"), "Cannot sign in before you issue a ticket");
        assert_eq!(asked(&ticket, "Without a smartphone, with"), "Your ticket, then register a smartphone");
        assert_eq!(asked(&Policy::off(FirstRegistration::WithTicket), "New"), "Nothing: the password is enough");
    }

    #[test]
    fn weak_settings_are_named() {
        assert_eq!(warnings(&Policy::off(FirstRegistration::AfterPassword)).len(), 2);
        let strict = Policy::all_of([Channel::App, Channel::Email], FirstRegistration::WithTicket).unwrap();
        assert!(warnings(&strict).is_empty());
    }
}
