//! A user who has nothing left to prove: the administrator takes all factors away, and gives a ticket.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::Elevated;

use super::step_up::{self, Intent};
use super::users::{self, Ticket};
use super::{Page, Shell, show};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::session::{self, Admin, SignedIn};
use crate::{accounts, mfa, passkeys};

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users/{id}/reset", get(ask).post(begin))
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    shell: Shell,
    id: i64,
    name: String,
    email: String,
    devices: Vec<String>,
    passkeys: Vec<String>,
    codes: u32,
    browsers: usize,
}

async fn ask(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let status = mfa::status(&app, &user).await?;
    show(&ResetPage {
        shell: Shell::new(&app, &admin.visitor, "Reset a sign-in", "users"),
        id,
        devices: status.devices.iter().map(|device| device.name.as_str().to_owned()).collect(),
        passkeys: passkeys::of(&app.db, id).await?.into_iter().map(|held| held.name).collect(),
        codes: status.recovery_codes.map_or(0, |left| left.get()),
        browsers: status.browsers.len(),
        email: user.email.as_str().to_owned(),
        name: user.name,
    })
}

async fn begin(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    accounts::find(&app.db, id).await?;
    step_up::go_on(&app, &admin, Intent::Reset(id)).await
}

/// Takes all factors away, the proof being fresh. The answer is the page itself, as it is for a ticket.
pub(super) async fn reset(app: &App, admin: &SignedIn, id: i64, _: &Elevated) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let by = mfa::administrator(&admin.session.user)?;
    let ticket = app.mfa.admin(&by).reset(&mfa::user_id(&user)?, &mfa::contact(&user)).await?;
    session::close_others(&app.db, id, None).await?;
    passkeys::remove_all(&app.db, id).await?;
    let shown = Ticket::new(app, user, &ticket, true).await?;
    users::drawn(app, admin, Some(shown)).await
}
