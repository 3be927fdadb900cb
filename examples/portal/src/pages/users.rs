//! The administrator's help for a user who cannot get in.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::{Page, Shell, show};
use crate::accounts;
use crate::app::App;
use crate::session::Admin;

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users", get(list))
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
    factors: String,
}

struct Ticket {
    name: String,
    text: String,
    expires: String,
}

async fn list(State(app): State<App>, Admin(admin): Admin) -> Page {
    let users = accounts::all(&app.db).await?;
    let users = users
        .into_iter()
        .map(|user| Person {
            id: user.id,
            name: user.name,
            email: user.email.as_str().to_owned(),
            is_admin: user.is_admin,
            factors: "No smartphone".to_owned(),
        })
        .collect();
    show(&UsersPage { shell: Shell::new(&app, &admin.visitor, "Users", "users"), users, ticket: None })
}
