//! The engine: one loop that commits before it reveals, and the operations of a host on top of it.

mod admin;
mod builder;
mod commit;
mod coverage;
mod elevated;
#[cfg(feature = "dangerous-export")]
mod export;
mod maintenance;
mod profile;
mod reencrypt;
mod walk;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::account::{Account, Context, Decision, Fresh, Opening, Prepaid, Progress, Request, Rules};
use crate::audit::Event;
use crate::error::{Error, MfaError};
use crate::flow::{
    Action, Challenge, Completion, Denied, Enroll, Flow, FlowRef, Login, Outcome, Owing, PrimaryVerified, Purpose,
    Refusal, RowDigest, SessionCheck, SessionClaims, Token, UserRow,
};
use crate::keys::ServerKeys;
use crate::mail::{Mailer, Undelivered};
use crate::policy::{ExternalEvidence, ExternalFactor, Policy};
use crate::random::SecureRandom;
use crate::secret::SecretText;
use crate::store::Store;
use crate::time::Clock;

#[cfg(feature = "dangerous-export")]
pub use self::export::{Export, ExportedDevice};
pub use self::{
    admin::{Admin, Administrator},
    builder::MfaBuilder,
    coverage::{Coverage, Covered},
    elevated::Dangerous,
    maintenance::Maintenance,
    profile::{NewRecoveryCodes, Profile},
    reencrypt::{KeyUsage, Reencrypted, Reencryptions},
    walk::Walk,
};

/// The engine: everything between the password and the session.
///
/// It holds no state of any user: any number of servers can run on one store. Each operation loads the record of the user,
/// decides, stores what the decision costs, and only then reveals the outcome. If a request is dropped in between, its answer
/// is lost, and nothing that was spent comes back. Notices that are owed are part of the commit and are sent by the next
/// operation on that user, or by [`Maintenance::send_owed_notices`].
///
/// | I want to … | call |
/// |---|---|
/// | sign a user in | [`begin_login`](Self::begin_login), then [`submit`](Self::submit) |
/// | continue any flow | [`submit`](Self::submit), [`resume`](Self::resume), [`assert_external`](Self::assert_external) |
/// | check a session on each request | [`check_session`](Self::check_session), [`begin_completion`](Self::begin_completion) |
/// | show or change the profile | [`profile`](Self::profile) |
/// | do something dangerous after a fresh proof | [`Profile::begin_step_up`], [`elevated`](Self::elevated) |
/// | help a user as an administrator | [`admin`](Self::admin) |
/// | sweep, re-encrypt, count | [`maintenance`](Self::maintenance) |
pub struct Mfa<S, M> {
    clock: Box<dyn Clock>,
    hash_checker: Option<Box<HashChecker>>,
    keys: ServerKeys,
    mailer: M,
    observer: Option<Box<Observer>>,
    random: Box<dyn SecureRandom>,
    rules: Rules,
    store: S,
}

pub(crate) type HashChecker = dyn Fn(&str, &str) -> bool + Send + Sync;
pub(crate) type Observer = dyn Fn(&Event) + Send + Sync;

impl<S, M> fmt::Debug for Mfa<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa").field("rules", &self.rules).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Begins a login after the first factor was verified.
    ///
    /// If an e-mail code is the only way to continue, it is sent; if registering a device is, the registration begins. If
    /// nothing is owed, the login is done, and nothing is written except the begin of a grace period. A login from a browser
    /// that the user trusts is done at once if the policy allows it; [`Authenticated::browser`](crate::Authenticated::browser)
    /// has the next token for its cookie. The token that was presented is refused from then on, except for 10 seconds, for a
    /// browser that opens two tabs at once.
    ///
    /// The flow is bound to the row that was passed: if the row changes, the flow cannot open a session.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed and nothing could be decided; nobody is signed in. A wrong code, a lock, a
    /// refused mail and a stale row are outcomes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use factorgate::policy::{Channel, FirstRegistration, Policy};
    /// use factorgate::testing::Kit;
    /// use factorgate::{Contact, EmailAddress, Outcome, PrimaryVerified, UserId, UserRow};
    ///
    /// let mfa = Kit::new().mfa();
    /// let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?;
    /// let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
    /// let row = UserRow::new(UserId::new("4711")?, "password version 1", contact);
    ///
    /// let outcome = mfa.begin_login(PrimaryVerified::assertion(row), &policy).await?;
    /// assert!(matches!(outcome, Outcome::Challenge(_)), "an e-mail code was sent");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin_login(
        &self,
        primary: PrimaryVerified,
        policy: &Policy,
    ) -> Result<Outcome<Login>, MfaError<S, M>> {
        let PrimaryVerified { row, browser } = primary;
        let opening = Opening {
            browser: browser.as_ref(),
            contact: &row.contact,
            freshness: Duration::ZERO,
            row: RowDigest::of(self.keys.current(), &row),
            login: Some(&row),
        };
        let token = self.new_token(&row.user)?;
        self.run(&token, policy, |account, rq, fresh| account.begin(rq, fresh, opening)).await
    }

    /// Submits one action of the user. `by` is the policy for a login and the checked session for every other flow.
    ///
    /// Text that no code can have is [`Refusal::Malformed`] and costs nothing. A wrong code is counted by the very change
    /// that judges it. [`Action::Cancel`] ends the flow: the outcome is [`Refusal::FlowEnded`].
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed: nobody is signed in. [`Error::Mailer`] if a login is complete but a notice
    /// that its owner must get first was not delivered: what was spent stays spent, the notice stays owed, and the user
    /// repeats the login.
    ///
    /// ```
    /// # async fn step<S: factorgate::Store, M: factorgate::Mailer>(
    /// #     mfa: &factorgate::Mfa<S, M>, flow: &factorgate::FlowRef<factorgate::Login>, policy: &factorgate::policy::Policy,
    /// # ) -> Result<(), factorgate::MfaError<S, M>> {
    /// use factorgate::{Action, Outcome};
    ///
    /// match mfa.submit(flow, policy, Action::AppCode { code: "123 456".into(), device: None }).await? {
    ///     Outcome::Done(authenticated) => println!("open a session for {}", authenticated.user()),
    ///     other => println!("show the next page, and set or remove the cookie: {:?}", other.flow()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit<F: Flow>(
        &self,
        flow: &FlowRef<F>,
        by: &F::By,
        action: Action,
    ) -> Result<Outcome<F>, MfaError<S, M>> {
        let (token, judge) = (flow.token(), F::judge(by));
        let submit = |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            account.submit(&Request { cx, judge, purpose: F::PURPOSE, token }, fresh, &action)
        };
        let (committed, prepaid) = self.commit(&token.user, submit).await?.split();
        if let Some(prepaid) = prepaid
            && let Some(hash) = self.matching(&prepaid)
        {
            // The checker has run outside of every transaction. What it says is revealed after the code is spent; what the
            // guess owed as a wrong one is owed no longer.
            let (paid, before): (Vec<_>, Vec<_>) =
                committed.due.into_iter().partition(|owed| owed.number >= committed.own);
            let paid: Vec<u64> = paid.iter().map(|owed| owed.number).collect();
            self.deliver(&token.user, &before, committed.own).await;
            let accept = |account: &mut Account, rq: &Request<'_>, fresh: Fresh| {
                account.accept_checked_code(rq, fresh, &prepaid, hash, &paid)
            };
            return self.run(token, by, accept).await;
        }
        self.publish::<F>(token, by, committed).await
    }

    /// Returns where a flow stands, for a page that is loaded again. It never completes a flow, and nothing is sent or spent.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn resume<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By) -> Result<Outcome<F>, MfaError<S, M>> {
        self.run(flow.token(), by, |account, rq, _| account.resume(rq)).await
    }

    /// Takes the host's word on an external factor in this flow: that it was verified, or which one was not.
    ///
    /// It counts where [`Step::External`](crate::policy::Step::External) of this factor is open now, and nowhere else. In a
    /// registration it registers the factor where a device could be registered. The host makes its check for this flow, by a
    /// challenge of its own that is used once, and gives the time of it: what was checked before the flow began, or in the
    /// future, is [`Refusal::NotFresh`]. A failed check spends an attempt as a wrong code does; report what could have been a
    /// guess, not a check that was broken off.
    ///
    /// # Errors
    ///
    /// As [`Mfa::submit`].
    ///
    /// ```
    /// # async fn passkey<S: factorgate::Store, M: factorgate::Mailer>(
    /// #     mfa: &factorgate::Mfa<S, M>, flow: &factorgate::FlowRef<factorgate::Login>, policy: &factorgate::policy::Policy,
    /// #     verified: bool, now: factorgate::Timestamp,
    /// # ) -> Result<(), Box<dyn std::error::Error>> where factorgate::MfaError<S, M>: std::error::Error + 'static {
    /// use factorgate::policy::{AuthenticationMethod as Method, ExternalEvidence, ExternalFactor};
    ///
    /// let passkey = ExternalFactor::phishing_resistant("passkey")?;
    /// let checked = match verified {
    ///     true => Ok(ExternalEvidence::assertion(passkey, [Method::HardwareKey, Method::UserPresence], now)?),
    ///     false => Err(passkey),
    /// };
    /// let outcome = mfa.assert_external(flow, policy, checked).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn assert_external<F: Flow>(
        &self,
        flow: &FlowRef<F>,
        by: &F::By,
        checked: Result<ExternalEvidence, ExternalFactor>,
    ) -> Result<Outcome<F>, MfaError<S, M>> {
        let checked = checked.as_ref().map_err(|factor| *factor);
        self.run(flow.token(), by, |account, rq, fresh| account.external(rq, fresh, checked)).await
    }

    /// Checks a session for the user's row and the policy as they are now. Call it on each request. It reads once, and
    /// writes nothing unless a notice is overdue.
    ///
    /// A session ends once the row has changed, a factor was added or removed elsewhere, or all sessions were ended. It owes
    /// steps if the policy now asks for more than it has proved, and after a recovery code until a device is registered. How
    /// long a session lasts otherwise is for the host to decide.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed: treat the request as not signed in.
    ///
    /// ```
    /// # async fn request<S: factorgate::Store, M: factorgate::Mailer>(
    /// #     mfa: &factorgate::Mfa<S, M>, claims: &factorgate::SessionClaims, row: &factorgate::UserRow,
    /// #     policy: &factorgate::policy::Policy,
    /// # ) -> Result<&'static str, factorgate::MfaError<S, M>> {
    /// use factorgate::session::SessionCheck;
    ///
    /// Ok(match mfa.check_session(claims, row, policy).await? {
    ///     SessionCheck::Valid(_) => "the page",
    ///     SessionCheck::Owes(_) => "redirect to the completion",
    ///     SessionCheck::Ended => "redirect to the login",
    /// })
    /// # }
    /// ```
    pub async fn check_session(
        &self,
        claims: &SessionClaims,
        row: &UserRow,
        policy: &Policy,
    ) -> Result<SessionCheck, MfaError<S, M>> {
        self.read(claims.user(), |account, cx| account.check_session(cx, claims, row, policy)).await
    }

    /// Begins to complete the steps that a session owes.
    ///
    /// After a recovery code the flow registers a new device, within 10 minutes of the code; later it asks for another proof
    /// first. [`Action::RegisterApp`] can name the device that is replaced.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_completion(&self, owing: &Owing) -> Result<Outcome<Completion>, MfaError<S, M>> {
        self.begin_in_session::<Completion>(owing, &owing.session, Duration::ZERO).await
    }

    /// Returns the operations of the signed-in user.
    #[must_use]
    pub fn profile<'a>(&'a self, session: &'a crate::Session) -> Profile<'a, S, M> {
        Profile { mfa: self, session }
    }

    /// Returns the operations that need a fresh proof, for the session that the proof was made in.
    #[must_use]
    pub fn elevated<'a>(&'a self, elevated: &'a crate::Elevated) -> Dangerous<'a, S, M> {
        Dangerous { mfa: self, elevated }
    }

    /// Returns the operations of an administrator, and those of the host on a user without a session.
    #[must_use]
    pub fn admin<'a>(&'a self, by: &'a Administrator) -> Admin<'a, S, M> {
        Admin { mfa: self, by }
    }

    /// Returns the operations over all users: owed notices, re-encryption, tombstones, coverage.
    #[must_use]
    pub fn maintenance(&self) -> Maintenance<'_, S, M> {
        Maintenance { mfa: self }
    }

    /// Begins a flow in a session.
    pub(crate) async fn begin_in_session<F: Flow>(
        &self,
        by: &F::By,
        session: &crate::Session,
        freshness: Duration,
    ) -> Result<Outcome<F>, MfaError<S, M>> {
        let token = self.new_token(session.user())?;
        let row = session.claims.row;
        let opening = Opening { browser: None, contact: &session.contact, freshness, row, login: None };
        self.run(&token, by, |account, rq, fresh| account.begin(rq, fresh, opening)).await
    }

    /// Decides a request of a flow, sends what it owes, and reveals the outcome.
    async fn run<F: Flow>(
        &self,
        token: &Token,
        by: &F::By,
        decide: impl Fn(&mut Account, &Request<'_>, Fresh) -> Decision<Progress> + Send,
    ) -> Result<Outcome<F>, MfaError<S, M>> {
        let judge = F::judge(by);
        let decide = move |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            decide(account, &Request { cx, judge, purpose: F::PURPOSE, token }, fresh)
        };
        let committed = self.commit(&token.user, decide).await?;
        self.publish::<F>(token, by, committed).await
    }

    /// Sends what a flow owes after the commit, and reveals the outcome.
    async fn publish<F: Flow>(
        &self,
        token: &Token,
        by: &F::By,
        committed: commit::Committed<Progress>,
    ) -> Result<Outcome<F>, MfaError<S, M>> {
        let commit::Committed { code, due, own, value: mut progress, .. } = committed;
        let user = &token.user;
        if let Some(code) = code {
            match self.send_code(&code).await {
                Ok(()) => {}
                Err(Undelivered::Refused(_)) => {
                    let judge = F::judge(by);
                    let refused = |account: &mut Account, cx: Context<'_>, _| {
                        account.code_was_refused(&Request { cx, judge, purpose: F::PURPOSE, token })
                    };
                    progress = self.commit(user, refused).await?.value;
                }
                Err(Undelivered::Unknown(_)) => {
                    let judge = F::judge(by);
                    let uncertain = |account: &mut Account, cx: Context<'_>, _| {
                        account.code_is_uncertain(&Request { cx, judge, purpose: F::PURPOSE, token })
                    };
                    // If this write fails, the pause before the next code remains: no more than that.
                    let _ = self.commit(user, uncertain).await;
                }
            }
        }
        let (_, undelivered) = self.deliver(user, &due, own).await;
        let flow = || FlowRef::new(token.duplicate());
        Ok(match (progress, undelivered) {
            // A login completes only after its notice was delivered: it may tell the owner of somebody else.
            (Progress::Finished(_), Some(undelivered)) if F::PURPOSE == Purpose::Login => {
                return Err(Error::Mailer(undelivered));
            }
            (Progress::Challenge(state), _) => Outcome::Challenge(Challenge { flow: flow(), state }),
            (Progress::Enroll(state, key_uri), _) => {
                Outcome::Enroll(Enroll { challenge: Challenge { flow: flow(), state }, key_uri })
            }
            (Progress::Denied(refusal), _) => Outcome::Denied(Denied { refusal }),
            (Progress::Finished(passed), _) => match F::done(passed) {
                Some(done) => Outcome::Done(done),
                None => Outcome::Denied(Denied { refusal: Refusal::SessionEnded }),
            },
        })
    }

    /// The imported hash that the guess matches, if there is one.
    fn matching<'p>(&self, prepaid: &'p Prepaid) -> Option<&'p SecretText> {
        let checker = self.hash_checker.as_ref()?;
        prepaid.hashes.iter().find(|hash| checker(prepaid.code.expose_secret(), hash.expose_secret()))
    }
}

macro_rules! copies {
    ($($group:ident),*) => {$(
        impl<S, M> Clone for $group<'_, S, M> {
            fn clone(&self) -> Self {
                *self
            }
        }

        // References alone, whatever the store and the mailer are: an operation takes its group by value, so that its future
        // outlives the statement in which it was made.
        impl<S, M> Copy for $group<'_, S, M> {}
    )*};
}

copies!(Admin, Dangerous, Maintenance, Profile);
