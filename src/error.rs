//! Why nothing could be decided.

use crate::mailer::{Mailer, Undelivered};
use crate::random::RandomUnavailable;
use crate::record::CorruptRecord;
use crate::store::Store;

/// A part that the engine depends on has failed. Whatever it is, nobody is let in, and it says nothing about
/// the code: a wrong code is an outcome, not an error.
///
/// Answer it with a server error (503), never with "wrong code", and log it with its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<S, M> {
    /// The clock does not say the time.
    #[error("the clock does not say the time")]
    Clock,
    /// Other requests changed the record of the user each time it was about to be changed. Nothing was decided;
    /// the request can be made again.
    #[error("the record of the user was changed by other requests again and again; try again")]
    Contention,
    /// The record cannot be opened. It was left as it is.
    #[error("the record of the user cannot be opened")]
    Corrupt(#[source] CorruptRecord),
    /// A mail that a login waits for was not sent, or may not have been. What it tells of is stored.
    ///
    /// A user who waits for a code asks for another one at once: the pause between two mails is lifted, while
    /// the mail stays counted in its hour. And nobody is let in while the owner of the account cannot be told of it:
    /// whoever registered a device at a login logs in again, with a code of that device; a recovery code that was used
    /// stays used, and the user takes the next one.
    ///
    /// No other notice stops anything: that it was not delivered is among the events of the answer, as
    /// [`EventKind::MailUndelivered`](crate::EventKind::MailUndelivered).
    #[error("what was decided is stored, but a mail that the login waits for was not delivered")]
    Mailer(#[source] Undelivered<M>),
    /// The source of randomness failed.
    #[error("no randomness")]
    Randomness(#[source] RandomUnavailable),
    /// The store failed. If it failed during a write, the write may have been made: then the code is spent.
    #[error("the store failed")]
    Store(#[source] S),
}

/// The error of an engine over the store `S` and the mailer `M`.
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
