//! A new smartphone in the place of another one, which works until the new one is confirmed.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

use super::{Page, Shell, devices, registration, show};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::session::{SignedIn, Wish};

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile/devices/{id}/replace", get(page).post(replace))
}

#[derive(Template)]
#[template(path = "replace.html")]
struct ReplacePage {
    shell: Shell,
    id: u64,
    name: String,
}

async fn page(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = devices::find(&app, &signed_in, id).await?;
    show(&ReplacePage {
        shell: Shell::new(&app, &signed_in.visitor, "Replace a device", "profile"),
        id,
        name: device.name.as_str().to_owned(),
    })
}

async fn replace(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    devices::find(&app, &signed_in, id).await?;
    registration::begun(&app, signed_in, Wish::Replacement(id)).await
}
