//! The engine for hosts without an executor: the same code, run by one poll.
//!
//! A host on diesel, rusqlite or any other blocking library implements [`Store`] and [`Mailer`] of this module
//! and uses [`Mfa`] of this module. There is no second implementation behind it.

mod company;
mod lifecycle;
mod moving;
mod sessions;

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::code::Code;
use crate::device::{DeviceId, DeviceInfo, DeviceName};
use crate::error::Error as EngineError;
use crate::keys::ServerKeys;
use crate::login::{Administrator, Contact, Flow, Login, PrimaryVerified, Registration, SignedIn};
use crate::mailer::{Mail, Undelivered};
use crate::mfa::{IssuedTicket, MfaBuilder, Removal, Revocation, UserStatus};
use crate::otpauth::Issuer;
use crate::policy::Policy;
use crate::store::{Record, Swap, Version};
use crate::ticket::Ticket;
use crate::user::UserId;

/// [`crate::Store`] without futures; the same contract.
pub trait Store: Send + Sync {
    /// Why the database could not answer.
    type Error: Error + Send + Sync + 'static;

    /// As [`crate::Store::load`].
    ///
    /// # Errors
    ///
    /// The database's own.
    fn load(&self, user: &UserId) -> Result<Option<Record>, Self::Error>;

    /// As [`crate::Store::compare_and_swap`].
    ///
    /// # Errors
    ///
    /// The database's own.
    fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Self::Error>;
}

/// [`crate::Mailer`] without futures; the same contract.
pub trait Mailer: Send + Sync {
    /// Why the mail system did not take a mail.
    type Error: Error + Send + Sync + 'static;

    /// As [`crate::Mailer::send`].
    ///
    /// # Errors
    ///
    /// [`Undelivered`] says whether the mail was refused, or whether nobody knows.
    fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Self::Error>>;
}

/// A blocking store or mailer, as the engine takes it: its futures are ready when they are polled first.
#[derive(Clone, Debug)]
pub struct Ready<T>(T);

impl<T> Ready<T> {
    /// Wraps a store or mailer of this module, for [`crate::Mfa::builder`].
    pub const fn new(inner: T) -> Self {
        Self(inner)
    }
}

impl<S: Store> crate::Store for Ready<S> {
    type Error = S::Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, S::Error> {
        self.0.load(user)
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, S::Error> {
        self.0.compare_and_swap(user, expected, next)
    }
}

impl<M: Mailer> crate::Mailer for Ready<M> {
    type Error = M::Error;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<M::Error>> {
        self.0.send(mail)
    }
}

/// [`crate::Mfa`] without futures.
///
/// ```
/// use factorgate::blocking::{Mfa, Ready};
/// use factorgate::otpauth::Issuer;
/// use factorgate::{OsRandom, ServerKey, ServerKeys};
/// # use factorgate::{Mail, Record, Swap, Undelivered, UserId, Version};
/// # struct MyStore;
/// # impl factorgate::blocking::Store for MyStore {
/// #     type Error = std::io::Error;
/// #     fn load(&self, _: &UserId) -> Result<Option<Record>, Self::Error> { Ok(None) }
/// #     fn compare_and_swap(&self, _: &UserId, _: Option<Version>, _: &Record) -> Result<Swap, Self::Error> {
/// #         Ok(Swap::Applied)
/// #     }
/// # }
/// # struct MyMailer;
/// # impl factorgate::blocking::Mailer for MyMailer {
/// #     type Error = std::io::Error;
/// #     fn send(&self, _: Mail<'_>) -> Result<(), Undelivered<Self::Error>> { Ok(()) }
/// # }
///
/// let keys = ServerKeys::new(ServerKey::generate(&OsRandom)?);
/// let mfa = Mfa::new(Mfa::builder(MyStore, MyMailer, keys, Issuer::new("ACME")?).build()?);
/// assert!(mfa.devices(&UserId::new("alice")?)?.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Mfa<S, M>(crate::Mfa<Ready<S>, Ready<M>>);

impl<S, M> fmt::Debug for Mfa<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error of a blocking engine over the store `S` and the mailer `M`.
pub type MfaError<S, M> = EngineError<<S as Store>::Error, <M as Mailer>::Error>;

/// Each operation is the one of [`crate::Mfa`] with the same name, and so are its errors.
#[allow(clippy::missing_errors_doc, reason = "the errors are those of the operations named")]
impl<S: Store, M: Mailer> Mfa<S, M> {
    /// As [`crate::Mfa::builder`]; what it builds goes into [`Mfa::new`].
    pub fn builder(store: S, mailer: M, keys: ServerKeys, issuer: Issuer) -> MfaBuilder<Ready<S>, Ready<M>> {
        crate::Mfa::builder(Ready(store), Ready(mailer), keys, issuer)
    }

    /// The blocking face of `engine`.
    #[must_use]
    pub fn new(engine: crate::Mfa<Ready<S>, Ready<M>>) -> Self {
        Self(engine)
    }

    /// As [`crate::Mfa::begin_login`].
    pub fn begin_login(
        &self,
        primary: PrimaryVerified,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Login, MfaError<S, M>> {
        run(self.0.begin_login(primary, contact, policy))
    }

    /// As [`crate::Mfa::begin_registration`].
    pub fn begin_registration(
        &self,
        session: &SignedIn,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        run(self.0.begin_registration(session, contact, policy))
    }

    /// As [`crate::Mfa::resume`].
    pub fn resume<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.resume(flow, policy))
    }

    /// As [`crate::Mfa::cancel`].
    pub fn cancel<R: Flow>(&self, flow: &R) -> Result<(), MfaError<S, M>> {
        run(self.0.cancel(flow))
    }

    /// As [`crate::Mfa::send_email_code`].
    pub fn send_email_code<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.send_email_code(flow, policy))
    }

    /// As [`crate::Mfa::verify_email_code`].
    pub fn verify_email_code<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.verify_email_code(flow, code, policy))
    }

    /// As [`crate::Mfa::verify_app_code`].
    pub fn verify_app_code<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.verify_app_code(flow, code, policy))
    }

    /// As [`crate::Mfa::redeem_ticket`].
    pub fn redeem_ticket<R: Flow>(
        &self,
        flow: &R,
        ticket: &Ticket,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.redeem_ticket(flow, ticket, policy))
    }

    /// As [`crate::Mfa::begin_app_enrollment`].
    pub fn begin_app_enrollment<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.begin_app_enrollment(flow, policy))
    }

    /// As [`crate::Mfa::confirm_app_enrollment`].
    pub fn confirm_app_enrollment<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        name: &DeviceName,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.confirm_app_enrollment(flow, code, name, policy))
    }

    /// As [`crate::Mfa::remove_device`].
    pub fn remove_device(
        &self,
        session: &SignedIn,
        device: DeviceId,
        code: &Code,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        run(self.0.remove_device(session, device, code, contact, policy))
    }

    /// As [`crate::Mfa::status`].
    pub fn status(&self, user: &UserId) -> Result<UserStatus, MfaError<S, M>> {
        run(self.0.status(user))
    }

    /// As [`crate::Mfa::devices`].
    pub fn devices(&self, user: &UserId) -> Result<Vec<DeviceInfo>, MfaError<S, M>> {
        run(self.0.devices(user))
    }

    /// As [`crate::Mfa::issue_ticket`].
    pub fn issue_ticket(&self, user: &UserId, by: &Administrator) -> Result<IssuedTicket, MfaError<S, M>> {
        run(self.0.issue_ticket(user, by))
    }

    /// As [`crate::Mfa::revoke_logins`].
    pub fn revoke_logins(&self, user: &UserId) -> Result<Revocation, MfaError<S, M>> {
        run(self.0.revoke_logins(user))
    }
}

/// Polls a future of ready futures: the first poll finishes it.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        // Nothing in the engine waits for anything but the store and the mailer, and these are ready.
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}
