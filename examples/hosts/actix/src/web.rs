//! The web kit: answers, errors, and handlers that may block. It knows nothing about factors.

use std::collections::HashMap;
use std::error::Error;

use actix_session::Session as Cookie;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpResponse, Route};
use factorgate::Refusal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Host, Visit};

/// The answer, and what changes in the cookie.
pub(crate) struct Reply(pub(crate) StatusCode, pub(crate) Value, pub(crate) Vec<(&'static str, Option<String>)>);
pub(crate) type Answer = Result<Reply, Reply>;

impl<E: Error + 'static> From<E> for Reply {
    fn from(error: E) -> Self {
        let (status, body) = match (&error as &dyn Error).downcast_ref::<Refusal>() {
            Some(Refusal::SessionEnded) => (StatusCode::UNAUTHORIZED, json!({"refusal": Refusal::SessionEnded})),
            Some(refusal) => (StatusCode::CONFLICT, json!({"refusal": refusal})),
            None if (&error as &dyn Error).is::<serde_json::Error>() => {
                (StatusCode::BAD_REQUEST, json!({"error": error.to_string()}))
            }
            None => {
                eprintln!("{error:?}");
                (StatusCode::SERVICE_UNAVAILABLE, json!({"error": "try again later"}))
            }
        };
        Self(status, body, vec![])
    }
}

/// Makes a route of `work`, which runs on a thread that may block.
pub(crate) fn run<T, W>(route: Route, work: W) -> Route
where
    T: DeserializeOwned + 'static,
    W: AsyncFn(&Visit<'_>, T) -> Answer + Copy + Send + 'static,
{
    route.to(move |host: Data<Host>, cookie: Cookie, body: Bytes| async move {
        let values: HashMap<String, String> = cookie.entries().clone();
        let operations = move || {
            let input = if body.is_empty() { b"null" } else { &body[..] };
            host.mfa.wait(async { work(&Visit::new(&host, values).await?, serde_json::from_slice(input)?).await })
        };
        let Reply(status, body, changes) = web::block(operations).await?.unwrap_or_else(|refused| refused);
        for (name, value) in changes {
            match value {
                Some(text) => cookie.insert(name, text)?,
                None => drop(cookie.remove(name)),
            }
        }
        Ok::<_, actix_web::Error>(HttpResponse::build(status).json(body))
    })
}
