//! The administrator's settings. What users will be asked is shown first, and what was shown is what is saved.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::policy::{LocksOutAdministrators, Plan, Policy, Saveable, Summary};

use super::odds::{self, Chance};
use super::preview::{self, Effect, Row};
use super::{Page, Shell, go_and_say, show, show_again};
use crate::app::App;
use crate::error::Failure;
use crate::forms::Posted;
use crate::notice::Notice;
use crate::session::{Admin, SignedIn};
use crate::settings::{Fields, Objection, Settings};
use crate::{accounts, db, mfa};

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/security", get(page).post(save)).route("/admin/security/preview", post(preview))
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    settings: Settings,
    error: Option<&'static str>,
    preview: Option<Preview>,
    saved: bool,
}

/// What settings come to.
struct Preview {
    kinds: Vec<Row>,
    people: Vec<Row>,
    warnings: Vec<&'static str>,
    odds: Vec<Chance>,
    effects: Vec<Effect>,
    summary: Summary,
    /// No administrator could take the settings back.
    locks_out: bool,
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    let settings = Settings::load(&app.db).await?;
    let preview = match settings.to_policy() {
        Ok(policy) => Some(looked_at(&app, &admin, &policy).await?.0),
        // On the first visit nothing has been decided, and nothing is wrong.
        Err(_) => None,
    };
    show(&drawn(&app, &admin, settings, preview, None, true))
}

async fn preview(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let settings = Settings::from(fields);
    match settings.to_policy() {
        Ok(policy) => {
            let (preview, _) = looked_at(&app, &admin, &policy).await?;
            let error = preview.locks_out.then_some(LOCKS_OUT);
            let page = drawn(&app, &admin, settings, Some(preview), error, false);
            if error.is_some() { show_again(&page) } else { show(&page) }
        }
        Err(objection) => show_again(&drawn(&app, &admin, settings, None, Some(in_words(objection)), false)),
    }
}

async fn save(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let accepts_lockout = fields.accepts_lockout();
    let settings = Settings::from(fields);
    let policy = match settings.to_policy() {
        Ok(policy) => policy,
        Err(objection) => return show_again(&drawn(&app, &admin, settings, None, Some(in_words(objection)), false)),
    };
    let (preview, checked) = looked_at(&app, &admin, &policy).await?;
    let saveable = match checked {
        Ok(saveable) => saveable,
        Err(refused) if accepts_lockout => refused.accept_lockout(),
        Err(_) => return show_again(&drawn(&app, &admin, settings, Some(preview), Some(LOCKS_OUT), false)),
    };
    settings.save(&app.db, &saveable).await?;
    go_and_say("/admin/security", Notice::SettingsSaved)
}

const LOCKS_OUT: &str = "With these settings no administrator could sign in again, and nobody could take them back. \
                         Register a smartphone from your profile, or issue yourself a ticket, before you save them.";

fn in_words(objection: Objection) -> &'static str {
    match objection {
        Objection::FallbackWithoutEmail => {
            "An e-mail code can stand in for the smartphone only where the e-mail channel is enabled."
        }
        Objection::Grace => "The time to register must be 1 to 90 days, or empty.",
        Objection::NoChannel => "To enforce MFA, enable at least one channel.",
        Objection::NoFirstRegistration => "Decide who may register the first smartphone.",
    }
}

/// Holds the policy against the one in force, for the users whom there are.
async fn looked_at(
    app: &App,
    admin: &SignedIn,
    policy: &Policy,
) -> Result<(Preview, Result<Saveable, LocksOutAdministrators>), Failure> {
    let change = factorgate::policy::Preview::new(&Settings::policy(&app.db).await?, policy);
    let (mut users, mut administrators) = (Vec::new(), Vec::new());
    let mut warnings = preview::warnings(policy);
    for user in accounts::all(&app.db).await? {
        let standing = mfa::status(app, &user).await?.standing(&mfa::contact(&user));
        if user.id == admin.session.user.id && matches!(policy.evaluate(&standing), Plan::Deny(_)) {
            warnings.insert(0, "You yourself could not sign in again without help.");
        }
        if user.is_admin {
            administrators.push(standing.clone());
        }
        users.push((user.name, standing));
    }
    let (effects, summary) = preview::effects(&change, &users);
    let now = db::time()?;
    let checked = change.check_administrators(administrators);
    let preview = Preview {
        kinds: preview::asked_of_kinds(policy, now),
        people: preview::people(policy, &users),
        warnings,
        odds: odds::chances(policy, preview::kinds(now)),
        effects,
        summary,
        locks_out: checked.is_err(),
    };
    Ok((preview, checked))
}

fn drawn(
    app: &App,
    admin: &SignedIn,
    settings: Settings,
    preview: Option<Preview>,
    error: Option<&'static str>,
    saved: bool,
) -> SecurityPage {
    let shell = Shell::new(app, &admin.visitor, "Security", "security");
    SecurityPage { shell, settings, error, preview, saved }
}
