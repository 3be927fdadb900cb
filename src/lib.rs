//! Multi-factor authentication to embed.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod account;
#[cfg(feature = "std")]
pub mod blocking;
mod code;
#[cfg(feature = "std")]
mod device;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod event;
#[cfg(feature = "std")]
mod keys;
#[cfg(feature = "std")]
mod login;
#[cfg(feature = "std")]
mod mac;
#[cfg(feature = "std")]
mod mailer;
#[cfg(feature = "std")]
mod mfa;
pub mod otp;
pub mod otpauth;
pub mod policy;
#[cfg(feature = "std")]
mod qr;
mod random;
#[cfg(feature = "std")]
mod record;
mod secret;
#[cfg(feature = "std")]
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "std")]
mod throttle;
#[cfg(feature = "std")]
mod ticket;
mod time;
mod user;

pub use crate::{
    code::{Code, InvalidCode},
    random::{RandomUnavailable, SecureRandom},
    secret::{InvalidSecret, Secret, SecretText},
    time::{BeforeEpoch, Clock, Timestamp},
    user::{EmailAddress, InvalidEmailAddress, InvalidUserId, UserId},
};
#[cfg(feature = "std")]
pub use crate::{
    device::{DeviceId, DeviceInfo, DeviceName, InvalidDeviceName},
    error::{Error, MfaError},
    event::{CodeFault, Event, EventKind, Factor},
    keys::{InvalidServerKey, ServerKey, ServerKeys},
    login::{
        Assurance, Authenticated, Challenge, Contact, Denied, DeniedReason, EmailStatus, Enroll, Evidence, Flow,
        InvalidReference, Login, LoginRef, PrimaryVerified, Refusal, Registered, Registration, RegistrationRef,
        SentCode, SignedIn,
    },
    mailer::{AnyMailer, CodeMail, Mail, Mailer, Notice, NoticeMail, Undelivered},
    mfa::{InvalidSettings, IssuedTicket, Mfa, MfaBuilder, Removal, RemovalReason, UserStatus},
    qr::{QrCode, QrTooLong},
    random::OsRandom,
    record::CorruptRecord,
    store::{AnyError, AnyStore, Record, Store, Swap, Version},
    throttle::{FailureBudget, InvalidBudget, IssuanceBudget},
    ticket::{InvalidTicket, Ticket},
    time::SystemClock,
};
