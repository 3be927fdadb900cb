//! The engine without an executor: a blocking store and mailer, and [`Mfa::wait`].
//!
//! A host on diesel, rusqlite or any other blocking library implements [`Store`] and [`Mailer`] of this module, builds the
//! engine over [`Ready`] and runs its operations by [`Mfa::wait`]. There is no second implementation behind it.

use core::error::Error;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::Mfa;
use crate::mail::{Mail, Undelivered};
use crate::store::{Record, Swap, Version};
use crate::user::UserId;

/// [`crate::Store`] without futures; the same contract.
///
/// ```
/// use std::{collections::HashMap, convert::Infallible, sync::Mutex};
///
/// use factorgate::UserId;
/// use factorgate::blocking::Store;
/// use factorgate::store::{Record, Swap, Version};
///
/// #[derive(Default)]
/// struct Memory(Mutex<HashMap<UserId, Record>>);
///
/// impl Store for Memory {
///     type Error = Infallible;
///
///     fn load(&self, user: &UserId) -> Result<Option<Record>, Infallible> {
///         Ok(self.0.lock().unwrap().get(user).cloned())
///     }
///
///     fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Infallible> {
///         let mut records = self.0.lock().unwrap();
///         if records.get(user).map(Record::version) != expected {
///             return Ok(Swap::Conflict);
///         }
///         records.insert(user.clone(), next.clone());
///         Ok(Swap::Applied)
///     }
/// }
/// ```
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
///
/// ```
/// use factorgate::blocking::Mailer;
/// use factorgate::mail::{Mail, Undelivered};
///
/// /// Prints mails, for development.
/// struct Console;
///
/// impl Mailer for Console {
///     type Error = std::convert::Infallible;
///
///     fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
///         println!("{}: {}", mail.subject(), mail.text().expose_secret());
///         Ok(())
///     }
/// }
/// ```
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

/// A blocking store or mailer as the engine takes it: its futures are ready at the first poll.
#[derive(Clone, Debug)]
pub struct Ready<T>(pub T);

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

/// A store or mailer whose futures are ready at the first poll: [`Ready`], and those of the feature `testing`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may have to wait for its database or mail server, so it cannot be used with `Mfa::wait`",
    note = "use `.await` with an asynchronous store or mailer",
    note = "implement `factorgate::blocking::Store` or `Mailer` and build the engine over `Ready(..)`"
)]
pub trait Immediate {}

impl<T> Immediate for Ready<T> {}

impl<S: crate::Store, M: crate::Mailer> Mfa<S, M> {
    /// Runs operations of this engine on this thread, if its store and mailer are blocking ones.
    ///
    /// ```
    /// use factorgate::blocking::{Mailer, Ready, Store};
    /// use factorgate::keys::{ServerKey, ServerKeys};
    /// use factorgate::{Mfa, UserId, admin::Administrator, env::OsRandom, otpauth::Issuer};
    /// # use factorgate::mail::{Mail, Undelivered};
    /// # use factorgate::store::{Record, Swap, Version};
    /// # struct MyStore;
    /// # impl Store for MyStore {
    /// #     type Error = std::io::Error;
    /// #     fn load(&self, _: &UserId) -> Result<Option<Record>, Self::Error> { Ok(None) }
    /// #     fn compare_and_swap(&self, _: &UserId, _: Option<Version>, _: &Record) -> Result<Swap, Self::Error> {
    /// #         Ok(Swap::Applied)
    /// #     }
    /// # }
    /// # struct MyMailer;
    /// # impl Mailer for MyMailer {
    /// #     type Error = std::io::Error;
    /// #     fn send(&self, _: Mail<'_>) -> Result<(), Undelivered<Self::Error>> { Ok(()) }
    /// # }
    ///
    /// let keys = ServerKeys::new(ServerKey::generate(&OsRandom)?);
    /// let mfa = Mfa::builder(Ready(MyStore), Ready(MyMailer), keys, Issuer::new("ACME")?).build()?;
    /// let by = Administrator::assertion(UserId::new("root")?);
    /// let alice = UserId::new("alice")?;
    /// let status = mfa.wait(async { mfa.admin(&by).status(&alice).await })?;
    /// assert!(status.devices.is_empty());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `operations` awaits anything that is not ready at once, such as a timer. What was stored before stays stored.
    pub fn wait<F: Future>(&self, operations: F) -> F::Output
    where
        S: Immediate,
        M: Immediate,
    {
        let future = pin!(operations);
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            // A mistake of the caller that no input can cause: the engine itself awaits its store and mailer alone.
            Poll::Pending => panic!("`wait` runs only operations of this engine; await nothing else inside it"),
        }
    }
}
