//! The pages, and what all of them share.

mod accounts;
mod address;
mod audit;
mod browsers;
mod completion;
mod dashboard;
mod devices;
mod entry;
mod exemption;
mod groups;
mod journey;
mod keys;
mod mailbox;
mod moving;
mod odds;
mod passkeys;
mod password;
pub(crate) mod plans;
mod preview;
mod profile;
mod recovery_codes;
mod registration;
mod replacement;
mod reset;
mod security;
pub(crate) mod shown;
mod sign_in;
mod step_up;
mod steps;
mod unblock;
mod users;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use factorgate::Timestamp;

use crate::app::App;
use crate::cookie;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::Visitor;

/// Where a session is completed that owes steps.
pub(crate) const COMPLETION: &str = "/completion";
pub(crate) const SIGN_IN: &str = "/sign-in";

/// Every page.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .merge(entry::router())
        .merge(sign_in::router())
        .merge(completion::router())
        .merge(registration::router())
        .merge(step_up::router())
        .merge(dashboard::router())
        .merge(profile::router())
        .merge(devices::router())
        .merge(passkeys::router())
        .merge(replacement::router())
        .merge(recovery_codes::router())
        .merge(browsers::router())
        .merge(address::router())
        .merge(password::router())
        .merge(security::router())
        .merge(users::router())
        .merge(groups::router())
        .merge(moving::router())
        .merge(reset::router())
        .merge(exemption::router())
        .merge(accounts::router())
        .merge(unblock::router())
        .merge(keys::router())
        .merge(audit::router())
        .merge(mailbox::router())
        .fallback(async || Failure::NotFound)
}

/// What the pages are drawn with. It is the same for everybody, and needs no session.
pub(crate) fn assets() -> Router<App> {
    const STYLE: &str = include_str!("../../assets/portal.css");
    const ICON: &str = include_str!("../../assets/icon.svg");
    const PASSKEY: &str = include_str!("../../assets/passkey.js");
    fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], body)
    }
    Router::new()
        .route("/assets/portal.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/passkey.js", get(async || asset("text/javascript; charset=utf-8", PASSKEY)))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", ICON)))
}

/// The frame around a page.
pub(crate) struct Shell {
    title: &'static str,
    /// Which entry of the navigation the page is.
    at: &'static str,
    viewer: Option<Viewer>,
    csrf: String,
    notice: Option<Notice>,
    mailbox: bool,
}

struct Viewer {
    is_admin: bool,
    /// The session is valid; one that owes steps has no pages to go to.
    signed_in: bool,
}

impl Shell {
    pub(crate) fn new(app: &App, visitor: &Visitor, title: &'static str, at: &'static str) -> Self {
        Self {
            title,
            at,
            viewer: visitor
                .session
                .as_ref()
                .map(|session| Viewer { is_admin: session.user.is_admin, signed_in: visitor.is_signed_in() }),
            csrf: visitor.token.csrf(),
            notice: visitor.notice,
            mailbox: app.outbox.is_kept(),
        }
    }
}

type Page = Result<Response, Failure>;

fn show(page: &impl Template) -> Page {
    Ok(Html(page.render()?).into_response())
}

/// A page that says what is wrong with what was posted.
fn show_again(page: &impl Template) -> Page {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

/// A page that says that there were too many tries.
fn show_throttled(page: &impl Template) -> Page {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Html(page.render()?)).into_response();
    response.extensions_mut().insert(shown::Answer);
    Ok(response)
}

/// A page with a secret, which is shown once.
fn show_once(page: &impl Template) -> Page {
    let mut response = show(page)?;
    response.extensions_mut().insert(shown::Once);
    Ok(response)
}

/// After a post the browser gets another page: reloading it posts nothing.
fn go(to: &str) -> Response {
    Redirect::to(to).into_response()
}

fn go_and_say(to: &str, notice: Notice) -> Page {
    let mut response = go(to);
    cookie::set(response.headers_mut(), cookie::NOTICE, notice.word(), Some(60))?;
    Ok(response)
}

fn moment(at: Timestamp) -> String {
    date_time(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

/// A time as people read it, in UTC.
fn date_time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date from a day count, with eras of 400 years that begin on 1 March (Howard Hinnant's method).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + carried;
    format!("{year}-{month:02}-{day:02}, {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01, 00:00 UTC"),
            (951_782_399, "2000-02-28, 23:59 UTC"),
            (951_825_600, "2000-02-29, 12:00 UTC"),
            (4_107_542_400, "2100-03-01, 00:00 UTC"),
        ] {
            assert_eq!(super::date_time(seconds), text);
        }
    }
}
