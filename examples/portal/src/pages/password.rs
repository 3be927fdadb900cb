//! A new password.

use askama::Template;
use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;

use super::entry::THROTTLED;
use super::{Page, SIGN_IN, Shell, go_and_say, show, show_again, show_throttled};
use crate::app::App;
use crate::forms::Posted;
use crate::notice::Notice;
use crate::server::Client;
use crate::session::{self, SignedIn};
use crate::{accounts, mfa, password};

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile/password", get(page).post(change))
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    shell: Shell,
    email: String,
    current_error: Option<&'static str>,
    new_error: Option<&'static str>,
}

#[derive(Deserialize)]
struct Change {
    current: String,
    new: String,
}

async fn page(State(app): State<App>, signed_in: SignedIn) -> Page {
    show(&drawn(&app, signed_in, None, None))
}

/// Whoever else is signed in, or on the way in with the old password, is out.
async fn change(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    signed_in: SignedIn,
    Posted(form): Posted<Change>,
) -> Page {
    let user = &signed_in.session.user;
    if let Some(objection) = password::objection(&form.new) {
        return show_again(&drawn(&app, signed_in, None, Some(objection)));
    }
    if !app.throttle.allows(user.email.as_str(), client) {
        return show_throttled(&drawn(&app, signed_in, Some(THROTTLED), None));
    }
    let hash = accounts::by_email(&app.db, &user.email).await?.map(|(_, hash)| hash);
    let right = form.current.len() <= password::MAX_BYTES && app.passwords.verify(form.current, hash).await?;
    if !right {
        return show_again(&drawn(&app, signed_in, Some("That is not your password."), None));
    }
    let hash = app.passwords.hash(form.new).await?;
    let Some(changed) = accounts::set_password(&app.db, user, &hash).await? else {
        return show_again(&drawn(&app, signed_in, Some("Your password was changed by another session."), None));
    };
    let Ok(passed) = app.mfa.profile(signed_in.engine()?).password_changed(&mfa::row(&app, &changed)?).await? else {
        return go_and_say(SIGN_IN, Notice::SessionOver);
    };
    let mut response = go_and_say("/profile", Notice::PasswordChanged)?;
    session::go_on_alone(&app, &signed_in, passed, response.headers_mut()).await?;
    Ok(response)
}

fn drawn(
    app: &App,
    signed_in: SignedIn,
    current_error: Option<&'static str>,
    new_error: Option<&'static str>,
) -> PasswordPage {
    PasswordPage {
        shell: Shell::new(app, &signed_in.visitor, "New password", "profile"),
        email: signed_in.session.user.email.as_str().to_owned(),
        current_error,
        new_error,
    }
}
