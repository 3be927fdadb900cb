//! Why nothing could be decided.

use crate::mail::{Mailer, Undelivered};
use crate::random::RandomUnavailable;
use crate::store::{CorruptRecord, Store};

/// A part that the engine depends on failed, so nothing was decided and nobody was signed in.
///
/// Answer it with status 503 and log it with its sources. A wrong code is never an error: it is a
/// [`Refusal`](crate::Refusal).
///
/// ```
/// # fn status<S, M>(error: &factorgate::Error<S, M>) -> u16 {
/// use factorgate::Error;
///
/// match error {
///     Error::Contention => 503, // with `Retry-After`
///     _ => 503,                 // and a line in the log
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<S, M> {
    /// The system clock is unavailable.
    #[error("the clock is unavailable")]
    Clock,
    /// Other requests changed the record each time; the request can be repeated.
    #[error("the record was changed by other requests too often; repeat the request")]
    Contention,
    /// The record cannot be decrypted or decoded; it was left unchanged.
    #[error("the record cannot be opened; check the server keys")]
    Corrupt(#[source] CorruptRecord),
    /// A notice that its owner must get before this login completes was not delivered. What was spent stays spent, the
    /// notice stays owed, and the user repeats the login.
    #[error("a notice that this login depends on was not delivered; repeat the login")]
    Mailer(#[source] Undelivered<M>),
    /// The source of randomness failed.
    #[error("randomness is unavailable")]
    Randomness(#[source] RandomUnavailable),
    /// The store failed. If it failed during a write, the write may have been made: then the code is spent.
    #[error("the store failed")]
    Store(#[source] S),
    /// The record would become longer than [`Record::MAX_LEN`](crate::store::Record::MAX_LEN), and was not written.
    #[error("the record would be too long to be read; use a policy that names fewer factors")]
    TooLarge,
}

/// The error type of an engine over the store `S` and the mailer `M`.
pub type MfaError<S, M> = Error<<S as Store>::Error, <M as Mailer>::Error>;

impl<S, M> From<RandomUnavailable> for Error<S, M> {
    fn from(source: RandomUnavailable) -> Self {
        Self::Randomness(source)
    }
}

impl<S, M> From<CorruptRecord> for Error<S, M> {
    fn from(source: CorruptRecord) -> Self {
        Self::Corrupt(source)
    }
}
