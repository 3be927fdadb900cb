//! What a browser posts.

use axum::extract::{FromRequest, FromRequestParts as _, RawForm, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::session::Visitor;

/// A form that this browser's own page posted. There is no other way to a form's fields, so none is read before
/// its token is checked.
#[derive(Debug)]
pub(crate) struct Posted<T>(pub(crate) T);

/// A form with no field of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct Empty {}

/// The same as it came: for a form in which one field can stand several times.
#[derive(Debug)]
pub(crate) struct PostedPairs(pub(crate) Vec<(String, String)>);

#[derive(Deserialize)]
struct Protection {
    csrf: String,
}

impl<S: Send + Sync> FromRequest<S> for PostedPairs {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Posted(pairs) = Posted::from_request(request, state).await?;
        Ok(Self(pairs))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Posted<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        let RawForm(bytes) =
            RawForm::from_request(Request::from_parts(parts, body), state).await.map_err(|_| Failure::Malformed)?;
        let Protection { csrf } = serde_urlencoded::from_bytes(&bytes).map_err(|_| Failure::Forged)?;
        if !visitor.token.is_csrf(&csrf) {
            return Err(Failure::Forged);
        }
        serde_urlencoded::from_bytes(&bytes).map(Self).map_err(|_| Failure::Malformed)
    }
}
