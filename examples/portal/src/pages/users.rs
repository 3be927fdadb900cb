//! The administrator's help for a user who cannot get in.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use factorgate::policy::Policy;
use factorgate::{Administrator, UserStatus};

use super::preview::{Asked, asked};
use super::{Page, Shell, moment, show};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::mfa;
use crate::session::{Admin, SignedIn};
use crate::settings::Settings;

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users", get(list)).route("/admin/users/{id}/ticket", post(issue_ticket))
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    users: Vec<Person>,
    ticket: Option<Ticket>,
}

struct Person {
    id: i64,
    name: String,
    email: String,
    is_admin: bool,
    devices: String,
    locked: bool,
    /// A ticket stands before a first registration, and is nothing to one who has a smartphone.
    can_use_ticket: bool,
    /// Until when a ticket is good.
    ticket: Option<String>,
    /// What the next sign-in asks for.
    next: Asked,
    /// Why it does.
    why: String,
}

/// Shown once.
struct Ticket {
    name: String,
    text: String,
    until: String,
}

async fn list(State(app): State<App>, Admin(admin): Admin) -> Page {
    drawn(&app, &admin, None).await
}

/// The answer is the page itself: the ticket is kept nowhere, and a redirect could not carry it.
async fn issue_ticket(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let user = accounts::by_id(&app.db, id).await?.ok_or(Failure::NotFound)?;
    let by = Administrator::assertion(mfa::user_id(&admin.session.user)?);
    let issued = app.mfa.issue_ticket(&mfa::user_id(&user)?, &by).await?;
    let text = issued.ticket.expose_secret().expose_secret().to_owned();
    drawn(&app, &admin, Some(Ticket { name: user.name, text, until: moment(issued.expires_at) })).await
}

async fn drawn(app: &App, admin: &SignedIn, ticket: Option<Ticket>) -> Page {
    let policy = Settings::policy(&app.db).await?;
    let mut users = Vec::new();
    for user in accounts::all(&app.db).await? {
        let status = mfa::status(app, &user).await?;
        users.push(person(user, &status, &policy));
    }
    show(&UsersPage { shell: Shell::new(app, &admin.visitor, "Users", "users"), users, ticket })
}

fn person(user: User, status: &UserStatus, policy: &Policy) -> Person {
    let explained = policy.explain(&status.standing(&mfa::contact(&user)));
    Person {
        id: user.id,
        email: user.email.as_str().to_owned(),
        is_admin: user.is_admin,
        devices: match (status.devices.len(), status.ever_held_factor) {
            (0, false) => "No smartphone".to_owned(),
            (0, true) => "No smartphone now, but had one".to_owned(),
            (1, _) => "1 smartphone".to_owned(),
            (devices, _) => format!("{devices} smartphones"),
        },
        can_use_ticket: status.devices.is_empty(),
        locked: status.locked_until.is_some(),
        ticket: status.ticket_until.map(moment),
        next: asked(explained.plan()),
        why: explained.to_string(),
        name: user.name,
    }
}
