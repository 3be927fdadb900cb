//! What goes wrong, and the page that says so.

use std::error::Error;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use factorgate::Refusal;
use factorgate::env::RandomUnavailable;

use crate::mfa::EngineError;
use crate::pages;

/// Why a request has no page of its own. The visitor learns the kind, the log the cause.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The form was not made by this browser's own page, or is older than its cookie.
    Forged,
    /// The request's form cannot be read.
    Malformed,
    /// The session owes steps. It can only complete them.
    Owes,
    /// Nobody is signed in, or not any more.
    SignedOut,
    /// There is no such page, or not for this visitor.
    NotFound,
    /// The second factor could not be decided: the store, the mail server or another part failed.
    Undecided(EngineError),
    /// The portal, or what it stands on, failed.
    Internal(Box<dyn Error + Send + Sync>),
}

/// The cause, for the log.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undecided(cause) => f.write_str(&chain(cause)),
            Self::Internal(cause) => f.write_str(&chain(&**cause)),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Failure {
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<EngineError> for Failure {
    fn from(cause: EngineError) -> Self {
        Self::Undecided(cause)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(cause: sqlx::Error) -> Self {
        Self::internal(cause)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StepsOwed => Self::Owes,
            Refusal::SessionEnded | Refusal::AccountChanged => Self::SignedOut,
            other => Self::internal(other),
        }
    }
}

impl From<RandomUnavailable> for Failure {
    fn from(cause: RandomUnavailable) -> Self {
        Self::internal(cause)
    }
}

impl From<askama::Error> for Failure {
    fn from(cause: askama::Error) -> Self {
        Self::internal(cause)
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page {
    title: &'static str,
    text: &'static str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::Owes => return Redirect::to(pages::COMPLETION).into_response(),
            Self::SignedOut => return Redirect::to(pages::SIGN_IN).into_response(),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form has expired",
                "It was open for too long, or was not sent from this portal. Go back, load the page again, and retry.",
            ),
            Self::Malformed => (StatusCode::BAD_REQUEST, "That form could not be read", "Go back and try again."),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "There is no such page", "It may have moved, or it is not open to you.")
            }
            Self::Undecided(cause) => {
                eprintln!("portal: {}", chain(&cause));
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "We can’t check that right now",
                    "This says nothing about what you entered, and no one was signed in. Try again in a moment.",
                )
            }
            Self::Internal(cause) => {
                eprintln!("portal: {}", chain(&*cause));
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "Try again in a moment.")
            }
        };
        let page = Page { title, text }.render().unwrap_or_else(|_| title.to_owned());
        (status, Html(page)).into_response()
    }
}

/// An error with all its sources, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
