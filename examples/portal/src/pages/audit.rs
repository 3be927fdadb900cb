//! What happened, for the administrator.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::{Page, Shell, date_time, show};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::session::Admin;

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/audit", get(page))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    entries: Vec<(String, Entry)>,
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    let entries = audit::newest(&app.db).await?;
    show(&AuditPage {
        shell: Shell::new(&app, &admin.visitor, "Audit log", "audit"),
        entries: entries.into_iter().map(|entry| (date_time(entry.at), entry)).collect(),
    })
}
