//! What a change from the profile comes to.

use alloc::vec::Vec;

use crate::event::Event;
use crate::time::Timestamp;

/// What a change, from the profile or by an administrator, came to. Exhaustive on purpose, as [`Login`](crate::Login)
/// is.
#[derive(Debug)]
#[must_use = "a change can be refused"]
pub enum Change<T> {
    /// The change is made.
    Made {
        /// What it gives.
        value: T,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
    /// Nothing has changed.
    Refused {
        /// Why.
        reason: ChangeRefused,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
}

impl<T> Change<T> {
    pub(crate) fn new(result: Result<T, ChangeRefused>, events: Vec<Event>) -> Self {
        match result {
            Ok(value) => Self::Made { value, events },
            Err(reason) => Self::Refused { reason, events },
        }
    }
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefused {
    /// Every device of the user was disabled by consecutive wrong codes.
    #[error("every device was disabled after too many wrong codes; ask an administrator for help")]
    DevicesDisabled,
    /// The exemption is over before it has begun.
    #[error("the exemption is over already")]
    ExemptionOver,
    /// The user holds a factor, and registers another one by proving it.
    #[error("the user holds a factor and has to prove it to register another one")]
    HoldsFactor,
    /// Too many wrong codes.
    #[error("too many wrong codes; wait before you try again")]
    Locked {
        /// From this second on the user can try again.
        until: Timestamp,
    },
    /// Codes have another number of digits. Nothing was spent.
    #[error("the code has the wrong number of digits")]
    Malformed,
    /// The user holds no device, and so nothing that proves the change.
    #[error("there is no device whose code could prove this; register one first")]
    NoDevice,
    /// Nothing waits for a confirmation, or not any more.
    #[error("nothing waits to be confirmed; begin again")]
    NothingToConfirm,
    /// The session has ended.
    #[error("the session has ended; log in again")]
    SessionEnded,
    /// The step-up is too long ago, or the account has changed since.
    #[error("the proof is not fresh any more; prove it again")]
    StepUpEnded,
    /// The user holds no such device.
    #[error("there is no such device")]
    UnknownDevice,
    /// The code is not accepted.
    #[error("the code is not right")]
    WrongCode,
}
