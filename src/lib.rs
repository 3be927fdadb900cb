//! Multi-factor authentication to embed.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod code;
#[cfg(feature = "std")]
mod keys;
#[cfg(feature = "std")]
mod mac;
pub mod otp;
pub mod otpauth;
pub mod policy;
#[cfg(feature = "std")]
mod qr;
mod random;
mod secret;
#[cfg(feature = "std")]
mod throttle;
mod time;
mod user;

#[cfg(feature = "std")]
pub use crate::{
    keys::{InvalidServerKey, ServerKey, ServerKeys},
    qr::{QrCode, QrTooLong},
    random::OsRandom,
    throttle::{FailureBudget, InvalidBudget, IssuanceBudget},
    time::SystemClock,
};
pub use crate::{
    code::{Code, InvalidCode},
    random::{RandomUnavailable, SecureRandom},
    secret::{InvalidSecret, Secret, SecretText},
    time::{BeforeEpoch, Clock, Timestamp},
    user::{EmailAddress, InvalidEmailAddress, InvalidUserId, UserId},
};
