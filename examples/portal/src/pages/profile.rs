//! The user's own account, and the devices that protect it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::{Page, Shell, show};
use crate::app::App;
use crate::login::{self, Device};
use crate::session::SignedIn;

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile", get(profile))
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    shell: Shell,
    name: String,
    email: String,
    email_verified: bool,
    devices: Vec<Device>,
    suggested: &'static str,
}

async fn profile(State(app): State<App>, SignedIn { visitor, session }: SignedIn) -> Page {
    let devices = login::devices(&app, &session.user).await?;
    show(&ProfilePage {
        shell: Shell::new(&app, &visitor, "Profile", "profile"),
        suggested: if devices.is_empty() { "My phone" } else { "My other phone" },
        devices,
        name: session.user.name,
        email: session.user.email.as_str().to_owned(),
        email_verified: session.user.email_verified,
    })
}
