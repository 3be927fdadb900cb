//! What the host, the user or a thief keeps between two requests.

use factorgate::{Elevated, SessionClaims, Timestamp};

use crate::browsers::Token;
use crate::model::Row;

/// A ticket that was handed over.
pub struct Given {
    pub at: Timestamp,
    pub text: String,
    pub used: bool,
}

/// What has opened a session: a browser, and a login in it.
#[derive(Clone, Copy)]
pub struct Opener {
    pub agent: u64,
    pub login: u64,
}

/// A session, as the host keeps it.
#[derive(Clone)]
pub struct Kept {
    pub claims: SessionClaims,
    pub epoch: u64,
    pub opener: Opener,
    pub row: Row,
}

/// A fresh proof, and its session as it was then.
pub struct Fresh {
    pub elevated: Elevated,
    pub kept: Kept,
}

/// A browser, as whoever uses it sees it.
pub struct Agent {
    /// The login that it was used for first.
    pub number: u64,
    /// The cookies that it was given, the newest last.
    pub cookies: Vec<Cookie>,
}

pub struct Cookie {
    pub text: String,
    pub token: Token,
}
