//! The administrator's settings. What users will be asked is shown first, and what was shown is what is saved.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::policy::{Plan, Standing};

use super::preview::{self, Row};
use super::{Page, Shell, go_and_say, show, show_again};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::Posted;
use crate::mfa;
use crate::notice::Notice;
use crate::session::{Admin, SignedIn};
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
    preview: Option<Preview>,
    saved: bool,
}

struct Preview {
    kinds: Vec<Row>,
    people: Vec<Row>,
    warnings: Vec<&'static str>,
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    let settings = Settings::load(&app.db).await?;
    show(&drawn(&app, &admin, settings, true).await?)
}

async fn preview(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let page = drawn(&app, &admin, fields.into(), false).await?;
    if page.error.is_some() { show_again(&page) } else { show(&page) }
}

async fn save(State(app): State<App>, Admin(admin): Admin, Posted(fields): Posted<Fields>) -> Page {
    let settings = Settings::from(fields);
    let page = drawn(&app, &admin, settings, false).await?;
    if page.error.is_some() {
        return show_again(&page);
    }
    settings.save(&app.db).await?;
    go_and_say("/admin/security", Notice::SettingsSaved)
}

async fn drawn(app: &App, admin: &SignedIn, settings: Settings, saved: bool) -> Result<SecurityPage, Failure> {
    let shell = Shell::new(app, &admin.visitor, "Security", "security");
    Ok(match settings.to_policy() {
        Ok(policy) => {
            let preview = Preview {
                kinds: preview::kinds(&policy),
                people: preview::people(&policy, &standings(app).await?),
                warnings: preview::warnings(&policy),
            };
            let own = standing(app, &admin.session.user).await?;
            let locked_out = !saved && matches!(policy.evaluate(&own), Plan::Deny(_));
            let error = locked_out.then_some(
                "With these settings you could not sign in again yourself. Register a smartphone from your profile, or \
                 issue yourself a ticket, before you save them.",
            );
            SecurityPage { shell, settings, error, preview: Some(preview), saved }
        }
        Err(objection) => {
            // On the first visit nothing has been decided, and nothing is wrong.
            let error = (!saved).then_some(match objection {
                Objection::FallbackWithoutEmail => {
                    "An e-mail code can stand in for the smartphone only where the e-mail channel is enabled."
                }
                Objection::NoChannel => "To enforce MFA, enable at least one channel.",
                Objection::NoFirstRegistration => "Decide who may register the first smartphone.",
            });
            SecurityPage { shell, settings, error, preview: None, saved }
        }
    })
}

/// Every user as the policy sees them.
async fn standings(app: &App) -> Result<Vec<(String, Standing)>, Failure> {
    let mut found = Vec::new();
    for user in accounts::all(&app.db).await? {
        let standing = standing(app, &user).await?;
        found.push((user.name, standing));
    }
    Ok(found)
}

async fn standing(app: &App, user: &User) -> Result<Standing, Failure> {
    Ok(mfa::status(app, user).await?.standing(&mfa::contact(user)))
}
