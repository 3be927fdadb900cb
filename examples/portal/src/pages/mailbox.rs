//! The mail that was not sent, on a development machine.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse as _};
use axum::routing::get;

use super::{Page, Shell, date_time, show};
use crate::app::App;
use crate::error::Failure;
use crate::mail::{self, Kept};
use crate::session::Visitor;

/// The mailbox's own page may frame the mail, and nothing else.
const WITH_FRAME: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; \
                          frame-ancestors 'none'; base-uri 'none'";
/// The mail itself: its styles are its own, and it can neither load nor run anything, nor reach the portal.
const MAIL: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'";

pub(super) fn router() -> Router<App> {
    Router::new().route("/mailbox", get(list)).route("/mailbox/{id}", get(one)).route("/mailbox/{id}/html", get(html))
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct MailboxPage {
    shell: Shell,
    mails: Vec<Kept>,
    open: Option<Kept>,
    sent: String,
}

async fn list(State(app): State<App>, visitor: Visitor) -> Page {
    only_in_development(&app)?;
    let mails = mail::kept(&app.db).await?;
    show(&MailboxPage { shell: Shell::new(&app, &visitor, "Mailbox", ""), mails, open: None, sent: String::new() })
}

async fn one(State(app): State<App>, visitor: Visitor, Path(id): Path<i64>) -> Page {
    let mail = find(&app, id).await?;
    let sent = date_time(mail.sent_at);
    let page = MailboxPage { shell: Shell::new(&app, &visitor, "Mail", ""), mails: Vec::new(), open: Some(mail), sent };
    Ok(([(header::CONTENT_SECURITY_POLICY, WITH_FRAME)], show(&page)?).into_response())
}

async fn html(State(app): State<App>, Path(id): Path<i64>) -> Page {
    let mail = find(&app, id).await?;
    let headers = [(header::CONTENT_SECURITY_POLICY, MAIL), (header::X_FRAME_OPTIONS, "SAMEORIGIN")];
    Ok((headers, Html(mail.body_html)).into_response())
}

async fn find(app: &App, id: i64) -> Result<Kept, Failure> {
    only_in_development(app)?;
    mail::kept_one(&app.db, id).await?.ok_or(Failure::NotFound)
}

fn only_in_development(app: &App) -> Result<(), Failure> {
    if app.outbox.is_kept() { Ok(()) } else { Err(Failure::NotFound) }
}
