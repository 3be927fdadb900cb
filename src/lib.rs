//! Multi-factor authentication to embed: everything between the password and the session.
//!
//! A host checks a password. The policy of its administrator says which steps are owed; factorgate sends and
//! checks the codes, registers the smartphone, counts the guesses, and hands over the one value that a session
//! may be opened for.
//!
//! ```
//! use factorgate::otpauth::Issuer;
//! use factorgate::policy::{Channel, FirstRegistration, Policy};
//! use factorgate::testing::{MemoryStore, Outbox};
//! use factorgate::{
//!     Code, Contact, EmailAddress, Login, LoginRef, Mfa, OsRandom, PrimaryVerified, ServerKey, ServerKeys, UserId,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once: the host's store and mailer (here those for tests), the server's key, the name of the product.
//! let (store, mailer) = (MemoryStore::new(), Outbox::new());
//! let keys = ServerKeys::new(ServerKey::generate(&OsRandom)?);
//! let mfa = Mfa::builder(store, mailer.clone(), keys, Issuer::new("ACME")?).build()?;
//! let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?;
//!
//! // The password was right.
//! let primary = PrimaryVerified::assertion(UserId::new("4711")?);
//! let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
//! let cookie = match mfa.begin_login(primary, contact, &policy).await? {
//!     Login::Authenticated(passed) => return open_session(passed),
//!     Login::Challenge(challenge) => challenge.flow().to_cookie(), // ask for challenge.next()
//!     Login::Enroll(enroll) => enroll.flow().to_cookie(),          // show enroll.key_uri().qr()
//!     Login::Denied(denied) => return Err(denied.reason.to_string().into()),
//! };
//!
//! // The next request: the cookie, and what the user has typed.
//! let flow = LoginRef::from_cookie(cookie.expose_secret())?;
//! let typed = Code::parse(&mailer.last_code().ok_or("no mail")?)?;
//! match mfa.verify_email_code(&flow, &typed, &policy).await? {
//!     Login::Authenticated(passed) => open_session(passed),
//!     other => Err(format!("{other:?}").into()),
//! }
//! # }
//! # fn open_session(passed: factorgate::Authenticated) -> Result<(), Box<dyn std::error::Error>> {
//! #     assert_eq!(passed.user().as_str(), "4711");
//! #     Ok(())
//! # }
//! ```
//!
//! # How it fits together
//!
//! ```text
//! host                           Mfa, or blocking::Mfa                          host
//! password ok
//!   │ PrimaryVerified::assertion, address on record, policy
//!   ▼
//! begin_login ──► the policy is asked ──► nothing owed ──► Login::Authenticated
//!                        │
//! verify_app_code ───────┤   load ─► open ─► decide                          ◄─► Store::load
//! verify_email_code ─────┤   seal ─► compare and swap                        ◄─► Store::compare_and_swap
//! confirm_app_enrollment ┘   conflict: decide anew; applied: reveal ──► Login::{Challenge, Enroll, Authenticated}
//! send_email_code ──► keep the digest ─► after the commit                    ──► Mailer::send
//! ```
//!
//! * All that a user holds is **one sealed record with a version**, behind a [`Store`] of two methods. So replay,
//!   counting, single use and lock-out hold together, on any database.
//! * **Nothing is revealed before it is paid for.** A verdict leaves the engine after the store has applied the
//!   change that counts the attempt or spends the code.
//! * **[`Authenticated`] cannot be forged**: only the engine makes it, where the policy is met.
//! * **A session is not the end of it.** [`SessionClaims`] say what was proved and when, [`Mfa::check_session`] whether
//!   they still hold, and [`Mfa::begin_step_up`] asks anew before something that matters.
//! * **A trusted browser lifts a challenge and nothing else**, by a token that each use replaces, where the policy
//!   says so: [`Mfa::trust_browser`].
//! * **A factor that the host checks**, such as a passkey, is a step like any other: the host says that it was checked,
//!   by [`Mfa::assert_external`], and is believed where that step is open.
//! * **Users of another system register nothing anew**: [`moving`]. [`Mfa::coverage`] tells who holds what, and
//!   [`Mfa::reseal_all`] follows a change of the server's key.
//! * The [`policy`] is data, its evaluation a pure function, and it explains itself.
//! * [`otp`], [`otpauth`] and [`policy`] can be used alone, with no store, and without `std`.
//!
//! # What is left to the host
//!
//! To check the password; to say the truth in [`PrimaryVerified::assertion`], [`SignedIn::assertion`] and
//! [`Contact`]; to lead every way into a session through [`Mfa::begin_login`]; to give the session a new id when
//! it opens; to keep [`SessionClaims`] where nobody else writes them, and to check them; to protect forms from forgery,
//! and the server from floods; never to give a user's id to a second person; and a store that tells the truth, which
//! `testing::check_store` tries out. `SECURITY.md` in the repository says what is promised, and what is not.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | the engine, the ports, QR codes, the system's clock and randomness; without it one-time passwords, secrets, Key URIs and the policy, on `alloc` alone |
//! | `dangerous-export` | no | `Mfa::export`, which writes out the secrets of a user's devices |
//! | `migration` | no | reads the exports of Google Authenticator, on `alloc` alone |
//! | `png` | no | QR codes as PNG |
//! | `serde` | no | policies and exemptions as data, the claims of a session as their line of text |
//! | `testing` | no | memory store, outbox, fixed clock, seeded randomness and the conformance kit for stores |
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
pub mod blocking;
#[cfg(feature = "std")]
mod browser;
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
#[cfg(feature = "std")]
pub mod moving;
pub mod otp;
pub mod otpauth;
pub mod policy;
#[cfg(feature = "std")]
mod qr;
mod random;
#[cfg(feature = "std")]
mod record;
#[cfg(feature = "std")]
mod recovery;
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

/// For the fuzz targets only.
#[cfg(all(fuzzing, feature = "std"))]
#[doc(hidden)]
pub use crate::record::fuzzing;

/// The examples of the README.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(feature = "dangerous-export")]
pub use crate::mfa::{Export, ExportedDevice};
#[cfg(feature = "std")]
pub use crate::{
    browser::{BrowserId, BrowserInfo, BrowserName, InvalidBrowserName},
    device::{DeviceId, DeviceInfo, DeviceName, InvalidDeviceName},
    error::{Error, MfaError},
    event::{CodeFault, Event, EventKind, Factor, TrustEnd},
    keys::{InvalidServerKey, KeyId, ServerKey, ServerKeys},
    login::{
        AddressPermit, Administrator, Assurance, Authenticated, BrowserToken, Challenge, Change, ChangeRefused,
        Contact, Denied, DeniedReason, Elevated, EmailStatus, Enroll, EpochChange, Evidence, ExternalInfo, Flow,
        InvalidBrowserToken, InvalidClaims, InvalidReference, Login, LoginRef, MustRotateSession, PrimaryVerified,
        Recovery, Refusal, Registered, Registration, RegistrationRef, SentCode, Session, SessionClaims, SignedIn,
        StepUp, StepUpRef, Trust, TrustRefused, insufficient_user_authentication,
    },
    mailer::{AnyMailer, CodeMail, Mail, Mailer, Notice, NoticeMail, Undelivered},
    mfa::{
        AddressChange, Alternative, Coverage, Covered, Imported, InvalidSettings, IssuedTicket, KeyUsage, Mfa,
        MfaBuilder, NewRecoveryCodes, Removable, Removal, RemovalReason, Resealed, Reseals, Revocation, UserStatus,
        Walk,
    },
    qr::{QrCode, QrTooLong},
    random::OsRandom,
    record::CorruptRecord,
    recovery::{InvalidRecoveryCode, RecoveryCode, RecoveryCodes, RecoveryCodesLeft},
    store::{AnyError, AnyStore, Record, Store, Swap, Version},
    throttle::{FailureBudget, InvalidBudget, IssuanceBudget},
    ticket::{InvalidTicket, Ticket},
    time::SystemClock,
};
pub use crate::{
    code::{Code, InvalidCode},
    random::{RandomUnavailable, SecureRandom},
    secret::{InvalidSecret, Secret, SecretText},
    time::{BeforeEpoch, Clock, Timestamp},
    user::{EmailAddress, InvalidEmailAddress, InvalidUserId, UserId},
};
