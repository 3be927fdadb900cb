//! Multi-factor authentication to embed.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod random;
mod secret;
mod time;
mod user;

#[cfg(feature = "std")]
pub use crate::{random::OsRandom, time::SystemClock};
pub use crate::{
    random::{RandomUnavailable, SecureRandom},
    secret::{InvalidSecret, Secret, SecretText},
    time::{BeforeEpoch, Clock, Timestamp},
    user::{EmailAddress, InvalidEmailAddress, InvalidUserId, UserId},
};
