//! Administrators disable, enable and delete accounts. Users delete their own account.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, get, post};
use factorgate::Elevated;

use super::plans::Plan;
use super::{Page, SIGN_IN, Shell, go_and_say, show, show_again, step_up};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{self, Admin, SignedIn, Visitor};
use crate::{audit, mfa};

const OWN: &str = "/profile/delete";
const LAST_ADMINISTRATOR: &str = "This is the only administrator who can sign in. The account must stay.";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/admin/users/{id}/disable", carry_out(Plan::DisableUser).get(ask_to_disable))
        .route("/admin/users/{id}/enable", carry_out(Plan::EnableUser))
        .route("/admin/users/{id}/delete", carry_out(Plan::DeleteUser).get(ask_to_delete))
        .route(OWN, get(ask_to_delete_own).post(delete_own))
}

/// The page that asks for confirmation.
#[derive(Template)]
#[template(path = "account.html")]
struct AskPage {
    shell: Shell,
    eyebrow: &'static str,
    heading: String,
    email: String,
    effects: &'static [&'static str],
    button: &'static str,
    path: String,
    back: &'static str,
    error: Option<&'static str>,
}

async fn ask_to_disable(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>) -> Page {
    let user = accounts::find(&app.db, id).await?;
    show(&about_disabling(&app, &admin.visitor, user, None))
}

fn about_disabling(app: &App, visitor: &Visitor, user: User, error: Option<&'static str>) -> AskPage {
    AskPage {
        shell: Shell::new(app, visitor, "Disable an account", "users"),
        eyebrow: "Users",
        heading: format!("Disable the account of {}?", user.name),
        email: user.email.as_str().to_owned(),
        effects: &[
            "The user is signed out everywhere and can’t sign in.",
            "Smartphones, passkeys and recovery codes stay registered. Browsers are no longer trusted.",
            "You can enable the account again.",
        ],
        button: "Disable account",
        path: format!("/admin/users/{}/disable", user.id),
        back: "/admin/users",
        error,
    }
}

async fn ask_to_delete(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>) -> Page {
    let user = accounts::find(&app.db, id).await?;
    show(&about_deleting(&app, &admin.visitor, user, None))
}

fn about_deleting(app: &App, visitor: &Visitor, user: User, error: Option<&'static str>) -> AskPage {
    AskPage {
        shell: Shell::new(app, visitor, "Delete an account", "users"),
        eyebrow: "Users",
        heading: format!("Delete the account of {}?", user.name),
        email: user.email.as_str().to_owned(),
        effects: &[
            "The user is signed out everywhere.",
            "The account, its smartphones, passkeys and recovery codes are deleted. You can’t undo this.",
            "The e-mail address can be used for a new account.",
        ],
        button: "Delete account",
        path: format!("/admin/users/{}/delete", user.id),
        back: "/admin/users",
        error,
    }
}

async fn ask_to_delete_own(State(app): State<App>, signed_in: SignedIn) -> Page {
    show(&about_deleting_own(&app, signed_in, None))
}

fn about_deleting_own(app: &App, signed_in: SignedIn, error: Option<&'static str>) -> AskPage {
    AskPage {
        shell: Shell::new(app, &signed_in.visitor, "Delete your account", "profile"),
        eyebrow: "Profile",
        heading: "Delete your account?".to_owned(),
        email: signed_in.session.user.email.as_str().to_owned(),
        effects: &[
            "You are signed out everywhere.",
            "Your account, your devices, passkeys and recovery codes are deleted. You can’t undo this.",
        ],
        button: "Delete my account",
        path: OWN.to_owned(),
        back: "/profile",
        error,
    }
}

/// Does to a user what an administrator has planned, after a fresh proof.
fn carry_out(plan: fn(i64) -> Plan) -> MethodRouter<App> {
    post(
        async move |State(app): State<App>,
                    Admin(admin): Admin,
                    Path(id): Path<i64>,
                    Posted(Empty {}): Posted<Empty>| {
            accounts::find(&app.db, id).await?;
            step_up::carry_out(&app, &admin, plan(id)).await
        },
    )
}

async fn delete_own(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    step_up::carry_out(&app, &signed_in, Plan::DeleteAccount).await
}

/// Disables the account after a fresh proof. The row is written first, so that sign-ins that read it before are refused. Then
/// the engine ends the open sessions and flows.
pub(super) async fn disable_user(app: &App, admin: &SignedIn, id: i64) -> Page {
    let user = accounts::find(&app.db, id).await?;
    if !accounts::disable(&app.db, id).await? {
        return show_again(&about_disabling(app, &admin.visitor, user, Some(LAST_ADMINISTRATOR)));
    }
    let words = format!("Disabled the account of {}. Before: {}. Now: disabled", user.name, state(&user));
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    let by = mfa::administrator(&admin.session.user)?;
    app.mfa.admin(&by).end_sessions(&mfa::user_id(&user)?).await?;
    session::close_others(&app.db, id, None).await?;
    go_and_say("/admin/users", Notice::UserDisabled)
}

/// Enables the account again after a fresh proof.
pub(super) async fn enable_user(app: &App, admin: &SignedIn, id: i64) -> Page {
    let user = accounts::find(&app.db, id).await?;
    accounts::enable(&app.db, id).await?;
    let words = format!("Enabled the account of {}. Before: {}. Now: enabled", user.name, state(&user));
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say("/admin/users", Notice::UserEnabled)
}

/// Deletes the account after a fresh proof: first the row with its sessions, then the factors in the engine.
pub(super) async fn delete_user(app: &App, admin: &SignedIn, id: i64) -> Page {
    let user = accounts::find(&app.db, id).await?;
    if !accounts::delete(&app.db, id).await? {
        return show_again(&about_deleting(app, &admin.visitor, user, Some(LAST_ADMINISTRATOR)));
    }
    note_deleted(app, admin.session.user.id, &user).await?;
    let by = mfa::administrator(&admin.session.user)?;
    app.mfa.admin(&by).erase_user(&mfa::user_id(&user)?).await?;
    accounts::note_erased(&app.db, id).await?;
    go_and_say("/admin/users", Notice::UserDeleted)
}

/// Deletes the user's own account after a fresh proof.
pub(super) async fn delete_account(app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
    let id = mfa::row_id(elevated.user())?;
    let user = accounts::find(&app.db, id).await?;
    if !accounts::delete(&app.db, id).await? {
        return show_again(&about_deleting_own(app, signed_in.clone(), Some(LAST_ADMINISTRATOR)));
    }
    note_deleted(app, id, &user).await?;
    app.mfa.elevated(elevated).erase_user().await?;
    accounts::note_erased(&app.db, id).await?;
    go_and_say(SIGN_IN, Notice::AccountDeleted)
}

async fn note_deleted(app: &App, by: i64, user: &User) -> Result<(), Failure> {
    let words = format!("Deleted the account of {}. Before: {}. Now: deleted", user.name, state(user));
    audit::note(&app.db, by, "warn", &words).await
}

fn state(user: &User) -> &'static str {
    if user.disabled { "disabled" } else { "enabled" }
}
