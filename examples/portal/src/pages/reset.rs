//! A user who has nothing left to prove: the administrator takes all factors away, and gives a ticket.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::{Administrator, Elevated, Error};

use super::step_up::{self, Intent};
use super::users::{self, Ticket};
use super::{Page, Shell, go_and_say, moment, show};
use crate::app::App;
use crate::error::{Failure, chain};
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
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
    let user = accounts::by_id(&app.db, id).await?.ok_or(Failure::NotFound)?;
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
    accounts::by_id(&app.db, id).await?.ok_or(Failure::NotFound)?;
    step_up::go_on(&app, &admin, Intent::Reset(id)).await
}

/// Takes all factors away, the proof being fresh. The answer is the page itself, as it is for a ticket.
pub(super) async fn reset(app: &App, admin: &SignedIn, id: i64, _: &Elevated) -> Page {
    let user = accounts::by_id(&app.db, id).await?.ok_or(Failure::NotFound)?;
    let by = Administrator::assertion(mfa::user_id(&admin.session.user)?);
    let outcome = app.mfa.reset_by_admin(&mfa::user_id(&user)?, &by, mfa::contact(&user)).await;
    session::close_others(&app.db, id, None).await?;
    if matches!(outcome, Ok(_) | Err(Error::Mailer(_))) {
        passkeys::remove_all(&app.db, id).await?;
    }
    match outcome {
        Ok(issued) => {
            let text = issued.ticket.expose_secret().expose_secret().to_owned();
            let ticket = Ticket { name: user.name, text, until: moment(issued.expires_at), reset: true };
            users::drawn(app, admin, Some(ticket)).await
        }
        // They are reset all the same, and the ticket is lost.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            go_and_say("/admin/users", Notice::ResetUntold)
        }
        Err(error) => Err(error.into()),
    }
}
