//! After a sign-in with a recovery code: the smartphone is lost, and the way leads to a new one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use factorgate::{Assurance, RecoveryCodesLeft};

use super::{Page, Shell, go, show};
use crate::app::App;
use crate::mfa;
use crate::session::SignedIn;

pub(super) const PATH: &str = "/sign-in/recovered";

pub(super) fn router() -> Router<App> {
    Router::new().route(PATH, get(page))
}

#[derive(Template)]
#[template(path = "recovered.html")]
struct RecoveredPage {
    shell: Shell,
    left: u32,
    few: bool,
    devices: Vec<(u64, String)>,
}

async fn page(State(app): State<App>, SignedIn { visitor, session }: SignedIn) -> Page {
    if session.claims.assurance() != Assurance::Recovered {
        return Ok(go("/dashboard"));
    }
    let status = mfa::status(&app, &session.user).await?;
    let left = status.recovery_codes.unwrap_or(RecoveryCodesLeft::None);
    show(&RecoveredPage {
        shell: Shell::new(&app, &visitor, "Register your smartphone again", ""),
        left: left.get(),
        few: !matches!(left, RecoveryCodesLeft::Enough(_)),
        devices: status.devices.iter().map(|held| (held.id.get(), held.name.as_str().to_owned())).collect(),
    })
}
