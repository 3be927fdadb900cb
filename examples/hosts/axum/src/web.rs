//! The error type of a request. Nothing in it is about factors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use factorgate::{MfaError, Refusal};
use serde_json::{Value, json};

use crate::mail::Post;
use crate::store::Records;

pub(crate) type Answer = Result<Json<Value>, Error>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("invalid input: {0}")]
    Bad(String),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("only an administrator can do this")]
    Forbidden,
    #[error("the server is misconfigured: {0}")]
    Internal(&'static str),
    #[error("the sign-in failed")]
    Mfa(#[from] MfaError<Records, Post>),
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the session store failed")]
    Session(#[from] tower_sessions::session::Error),
    #[error("the user must complete a flow first")]
    Show(StatusCode, Value),
    #[error("wrong name or password")]
    WrongPassword,
}

impl Error {
    pub(crate) fn bad(error: impl std::fmt::Display) -> Self {
        Self::Bad(error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let text = json!({"error": self.to_string()});
        let (status, body) = match self {
            Self::Show(status, body) => (status, body),
            Self::Bad(_) => (StatusCode::BAD_REQUEST, text),
            Self::Forbidden => (StatusCode::FORBIDDEN, text),
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, text),
            Self::Refused(Refusal::SessionEnded) => {
                (StatusCode::UNAUTHORIZED, json!({"refusal": Refusal::SessionEnded}))
            }
            Self::Refused(refusal) => (StatusCode::CONFLICT, json!({"refusal": refusal})),
            Self::Database(sqlx::Error::Database(e)) if e.is_unique_violation() => {
                (StatusCode::CONFLICT, json!({"error": "this name is taken"}))
            }
            Self::Database(_) | Self::Internal(_) | Self::Mfa(_) | Self::Session(_) => {
                eprintln!("{self:?}");
                (StatusCode::SERVICE_UNAVAILABLE, json!({"error": "try again later"}))
            }
        };
        (status, Json(body)).into_response()
    }
}
