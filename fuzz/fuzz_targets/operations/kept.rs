//! What the host, the user or a thief keeps between two requests.

use factorgate::browser::BrowserId;
use factorgate::{Elevated, SessionClaims, Timestamp};

use crate::model::Row;

/// A ticket that was handed over.
pub struct Given {
    pub at: Timestamp,
    pub text: String,
    pub used: bool,
}

/// A session, as the host keeps it.
#[derive(Clone)]
pub struct Kept {
    pub claims: SessionClaims,
    pub epoch: u64,
    pub row: Row,
}

/// A fresh proof, and its session as it was then.
pub struct Fresh {
    pub elevated: Elevated,
    pub kept: Kept,
}

/// The cookie of a trusted browser.
#[derive(Clone)]
pub struct TrustCookie {
    pub id: BrowserId,
    pub policy: usize,
    /// When it was replaced by another one.
    pub replaced_at: Option<Timestamp>,
    pub row: Row,
    pub text: String,
}
