//! Multi-factor authentication to embed: everything between the password and the session.
//!
//! A host checks a password. The policy of its administrator says which steps the user owes. factorgate sends and verifies
//! the codes, registers the smartphone, counts the guesses, and returns the one value that a session may be opened for.
//!
//! ```
//! use factorgate::policy::{Channel, FirstRegistration, Policy};
//! use factorgate::testing::Kit;
//! use factorgate::{Action, Contact, EmailAddress, FlowRef, Login, Outcome, PrimaryVerified, UserId, UserRow};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once: an engine over the host's store and mailer (here those for tests), and the policy.
//! let kit = Kit::new();
//! let mfa = kit.mfa();
//! let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?;
//!
//! // The password was right. The row is what the host has read: id, credential, contact.
//! let row = || -> Result<UserRow, Box<dyn std::error::Error>> {
//!     let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
//!     Ok(UserRow::new(UserId::new("4711")?, "password version 1", contact))
//! };
//! let outcome = mfa.begin_login(PrimaryVerified::assertion(row()?), &policy).await?;
//! let cookie = outcome.flow().ok_or("nothing is owed")?.to_cookie(); // ask for one of challenge.next()
//!
//! // The next request: the cookie, and what the user has typed.
//! let flow = FlowRef::<Login>::from_cookie(&cookie)?;
//! let typed = kit.outbox.last_code().ok_or("no mail")?;
//! match mfa.submit(&flow, &policy, Action::EmailCode { code: typed.into() }).await? {
//!     Outcome::Done(passed) => {
//!         let claims = passed.into_session(&row()?)?; // store them under a new session id
//!         assert_eq!(claims.user().as_str(), "4711");
//!     }
//!     other => return Err(format!("show the next page: {other:?}").into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How it fits together
//!
//! ```text
//!  host                                    Mfa                                        host
//!  password ok
//!    │ PrimaryVerified::assertion(row), policy
//!    ▼
//!  begin_login ─► policy ─► nothing owed ─────────────────────► Outcome::Done
//!                   │
//!  submit(action) ──┤  load ─► open ─► decide                                   ◄─► Store::load
//!                   │  seal ─► compare and swap                                 ◄─► Store::compare_and_swap
//!                   │  conflict: decide again; applied: reveal ─► Outcome::{Challenge, Enroll, Done, Denied}
//!                   └─► codes and owed notices, after the commit                ──► Mailer::send
//!  each request: check_session(claims, row, policy) ─► Valid, Owes steps, or Ended
//! ```
//!
//! * Everything that a user has is **one sealed record with a version**, behind a [`Store`] of two methods. So replay,
//!   counting, single use and lock-out hold together, on any database.
//! * **Nothing is revealed before it is paid for.** A verdict leaves the engine after the store has applied the change that
//!   counts the attempt or spends the code.
//! * **[`Authenticated`] cannot be forged**: only the engine makes it, where the policy is met.
//! * **A sign-in is bound to the row that was read**: [`UserRow`]. When the password or the address changes, flows, sessions
//!   and trusted browsers of the old row end, in whatever order the host reads, writes and calls.
//! * **A session is only worth what the policy asks now**: [`Mfa::check_session`] returns *valid*, *ended*, or *owes*, and
//!   [`Mfa::begin_completion`] collects what is missing.
//! * **Nothing is silent.** Owed notices are part of the commit and are sent until the mailer takes them; the record keeps the
//!   12 newest, and an event names each one that was dropped. The last 16 events are kept too, numbered without gaps.
//! * The [`policy`] is data, its evaluation a pure function, and it explains itself.
//! * [`otp`], [`otpauth`] and [`policy`] can be used alone, with no store, and without `std`.
//!
//! # What is left to the host
//!
//! To check the password; to pass the row that it has read in [`PrimaryVerified::assertion`]; to lead every way into a session
//! through [`Mfa::begin_login`]; to give the session a new id when it opens; to keep [`SessionClaims`] where nobody else
//! writes them, and to check them on each request; to protect forms from forgery, and the server from floods; never to give a
//! user's id to a second person; and a store that reports the truth, which `testing::check_store` verifies. `SECURITY.md` in
//! the repository says what is promised, and what is not.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | the engine, the ports, QR codes, the system's clock and randomness; without it one-time passwords, secrets, Key URIs and the policy, on `alloc` alone |
//! | `dangerous-export` | no | `Admin::export`, which writes out the secrets of a user's devices |
//! | `migration` | no | reads the exports of Google Authenticator, on `alloc` alone |
//! | `png` | no | QR codes as PNG |
//! | `serde` | no | policies, claims, actions, outcomes, status and events as data |
//! | `testing` | no | test kit: memory store, outbox, fixed clock, seeded randomness, conformance kit for stores |
//! | `tracing` | no | every event through `tracing` as well |

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod account;
#[cfg(feature = "std")]
pub mod audit;
#[cfg(feature = "std")]
mod bearer;
#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "std")]
pub mod browser;
#[cfg(feature = "std")]
mod cbor;
mod code;
#[cfg(feature = "std")]
pub mod device;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod flow;
#[cfg(feature = "std")]
pub mod keys;
#[cfg(feature = "std")]
pub mod limits;
#[cfg(feature = "std")]
mod mac;
#[cfg(feature = "std")]
pub mod mail;
#[cfg(feature = "std")]
mod mfa;
#[cfg(feature = "std")]
pub mod migrate;
#[cfg(feature = "std")]
mod name;
pub mod otp;
pub mod otpauth;
pub mod policy;
#[cfg(feature = "std")]
mod qr;
mod random;
#[cfg(feature = "std")]
mod record;
#[cfg(feature = "std")]
mod recovery_code;
mod secret;
#[cfg(feature = "std")]
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "std")]
mod ticket;
mod time;
mod user;

/// The clock and the source of randomness.
pub mod env {
    #[cfg(feature = "std")]
    pub use crate::{random::OsRandom, time::SystemClock};
    pub use crate::{
        random::{RandomUnavailable, SecureRandom},
        time::{BeforeEpoch, Clock},
    };
}

/// Open flows: what the host says, what the user submits, outcomes, evidence.
///
/// A login, a completion, a registration and a step-up are four flows with one protocol. Each request of a flow returns an
/// [`Outcome`]; the host shows it, stores [`Outcome::flow`] in a cookie, and submits the user's next [`Action`].
pub mod login {
    #[cfg(feature = "std")]
    pub use crate::flow::{
        Action, Advice, Assurance, Authenticated, Challenge, Completion, Contact, Denied, EmailStatus, Enroll,
        Evidence, Flow, FlowRef, InvalidFlowRef, Login, Outcome, PrimaryVerified, Refusal, Registration, StepUp, Typed,
        UserRow,
    };
    pub use crate::user::{InvalidEmailAddress, InvalidUserId};
}

/// Sessions after the login: claims, checks, completion, registration, step-up, the profile.
///
/// # Changes of a user
///
/// Sessions, flows and trusted browsers are bound to the row that the host passes. So they end when the row changes, also if
/// the change is never reported. A report ends them at once, refuses sign-ins that have read the old row, and lets the session
/// that made the change continue.
///
/// | what happens | what the host does |
/// |---|---|
/// | the user changes the password | step-up, write it, then [`Profile::password_changed`](session::Profile::password_changed) with the row as it is now |
/// | the password is reset by mail | write it, then [`Admin::account_changed`](crate::admin::Admin::account_changed) |
/// | the user changes the address | step-up, [`Dangerous::permit_address_change`](session::Dangerous::permit_address_change), write it, [`Dangerous::finish_address_change`](session::Dangerous::finish_address_change) |
/// | an administrator changes the address | write it, then [`Admin::account_changed`](crate::admin::Admin::account_changed) |
/// | a user is disabled | refuse the login before `begin_login`, and [`Admin::end_sessions`](crate::admin::Admin::end_sessions) |
/// | a user is deleted | delete the row, then [`Dangerous::erase_user`](session::Dangerous::erase_user) or [`Admin::erase_user`](crate::admin::Admin::erase_user) |
/// | the policy becomes stricter | nothing: [`Mfa::check_session`](crate::Mfa::check_session) returns [`SessionCheck::Owes`](session::SessionCheck::Owes) |
///
/// In each case write first, read the row again, and report last: the row that is reported is the one that counts from then on.
///
/// ```
/// # async fn password<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, elevated: &factorgate::Elevated, write: impl Fn() -> factorgate::UserRow,
/// # ) -> Result<factorgate::SessionClaims, Box<dyn std::error::Error>>
/// # where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// let row = write(); // UPDATE users SET password = …, version = version + 1; and the row as it is then
/// let passed = mfa.profile(elevated.session()).password_changed(&row).await??;
/// Ok(passed.into_session(&row)?) // this session continues under a new id; every other one has ended
/// # }
/// ```
#[cfg(feature = "std")]
pub mod session {
    pub use crate::flow::{
        AddressPermit, Completion, Elevated, ExternalInfo, InvalidClaims, Owing, Registration, Session, SessionCheck,
        SessionClaims, StepUp, UserStatus, insufficient_user_authentication,
    };
    pub use crate::mfa::{Dangerous, Profile};
}

/// Recovery codes.
#[cfg(feature = "std")]
pub mod recovery {
    pub use crate::mfa::NewRecoveryCodes;
    pub use crate::recovery_code::{InvalidRecoveryCode, RecoveryCode, RecoveryCodes, RecoveryCodesLeft};
}

/// What an administrator does for a user, and what the host does for a user without a session.
#[cfg(feature = "std")]
pub mod admin {
    pub use crate::mfa::{Admin, Administrator};
    #[cfg(feature = "dangerous-export")]
    pub use crate::mfa::{Export, ExportedDevice};
    pub use crate::ticket::{InvalidTicket, Ticket};
}

/// Operations over all users: owed notices, re-encryption, key usage, tombstones, coverage.
#[cfg(feature = "std")]
pub mod maintenance {
    pub use crate::mfa::{Coverage, Covered, KeyUsage, Maintenance, Reencrypted, Reencryptions, Walk};
}

/// For the fuzz targets only.
#[cfg(all(fuzzing, feature = "std"))]
#[doc(hidden)]
pub use crate::record::fuzzing;

/// The examples of the README.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(feature = "std")]
pub use crate::{
    error::{Error, MfaError},
    flow::{
        Action, Authenticated, Challenge, Contact, Denied, Elevated, Enroll, Flow, FlowRef, Login, Outcome,
        PrimaryVerified, Refusal, Session, SessionClaims, UserRow,
    },
    mail::Mailer,
    mfa::{Mfa, MfaBuilder},
    store::Store,
};
pub use crate::{
    time::Timestamp,
    user::{EmailAddress, UserId},
};
