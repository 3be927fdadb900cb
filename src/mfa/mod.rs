//! The engine: one loop that commits before it reveals, and the operations of a host on top of it.

mod builder;
mod coverage;
mod exemptions;
#[cfg(feature = "dangerous-export")]
mod export;
mod external;
mod lifecycle;
mod moving;
mod operations;
mod reseal;
mod sessions;
mod trust;
mod walk;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::account::{Account, Context, Decision, Fresh, Outgoing, OutgoingNotice, Progress, Rules};
use crate::code::Code;
use crate::error::{Error, MfaError};
use crate::event::{Event, EventKind};
use crate::keys::ServerKeys;
use crate::login::{Challenge, Denied, Enroll, Flow, Purpose, Token, sealed::Revealed};
use crate::mailer::{Mail, Mailer, NoticeMail, Undelivered};
use crate::random::{RandomUnavailable, SecureRandom, uniform_below};
use crate::record::{self, Nonce};
use crate::store::{Record, Store, Swap, Version};
use crate::ticket::Ticket;
use crate::time::{Clock, Timestamp};
use crate::user::UserId;

#[cfg(feature = "dangerous-export")]
pub use self::export::{Export, ExportedDevice};
pub use self::{
    builder::{InvalidSettings, MfaBuilder},
    coverage::{Coverage, Covered},
    lifecycle::{Alternative, NewRecoveryCodes, Removable},
    moving::Imported,
    operations::{IssuedTicket, Removal, RemovalReason, Revocation, UserStatus},
    reseal::{KeyUsage, Resealed, Reseals},
    sessions::AddressChange,
    walk::Walk,
};

/// How often a transition is decided anew because another request came first. Of any number of requests at
/// once one wins each round, and after five wrong codes nothing is written any more.
const TRIES: u32 = 64;

/// The engine: everything between the password and the session.
///
/// It holds no state of any user: any number of servers can run on one store. Each operation loads the
/// record of the user, decides, stores what the decision costs, and only then tells the outcome. A future that
/// is dropped in between loses the answer, never the count.
///
/// See the [crate's documentation](crate) for a whole login.
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
    /// Decides and stores, tells the observer, sends the mails: in this order. What it came to stands, though a notice of
    /// it is not delivered, and is not taken from the host by that.
    async fn transact<T: Send>(
        &self,
        user: &UserId,
        decide: impl FnMut(&mut Account, Context<'_>, Fresh) -> Decision<T> + Send,
    ) -> Result<(T, Vec<Event>), MfaError<S, M>> {
        let (decision, at) = self.commit(user, decide).await?;
        let Published { events, value, .. } = self.publish(user, decision, at).await?;
        Ok((value, events))
    }

    /// What follows a commit: tells the observer, sends the mails.
    async fn publish<T: Send>(
        &self,
        user: &UserId,
        decision: Decision<T>,
        at: Timestamp,
    ) -> Result<Published<T, M::Error>, MfaError<S, M>> {
        let Decision { events, mails, value, .. } = decision;
        let mut events: Vec<Event> = events.into_iter().map(|kind| self.observe(user, at, kind)).collect();
        let (mut code, mut notice) = (None, None);
        for mail in mails {
            let Err(undelivered) = self.send(&mail).await else { continue };
            events.push(self.observe(user, at, EventKind::MailUndelivered));
            match mail {
                Outgoing::Code { .. } => code = Some(undelivered),
                Outgoing::Notice(_) => notice = Some(undelivered),
            }
        }
        match code {
            None => Ok(Published { events, undelivered: notice, value }),
            Some(undelivered) => {
                // The user can ask again at once. If this write fails, the pause remains: no more than that.
                let _ = self.commit(user, |account, _, _| account.lift_pause()).await;
                Err(Error::Mailer(undelivered))
            }
        }
    }

    /// The loop that the rest stands on: nothing that `decide` came to leaves it before the store has applied
    /// the change that pays for it.
    async fn commit<T: Send>(
        &self,
        user: &UserId,
        mut decide: impl FnMut(&mut Account, Context<'_>, Fresh) -> Decision<T> + Send,
    ) -> Result<(Decision<T>, Timestamp), MfaError<S, M>> {
        for _ in 0..TRIES {
            // The time that decides every expiry of this attempt.
            let now = self.clock.now().ok_or(Error::Clock)?;
            let (fresh, nonce) = self.draw(user)?;
            let stored = self.store.load(user).await.map_err(Error::Store)?;
            let expected = stored.as_ref().map(Record::version);
            let mut account = match &stored {
                Some(stored) => record::open(stored, user, &self.keys)?,
                None => Account::default(),
            };
            let cx = Context { keys: &self.keys, now, rules: &self.rules, user };
            let decision = decide(&mut account, cx, fresh);
            if !decision.changed {
                return Ok((decision, now));
            }
            account.forget_what_is_over(now);
            let version = expected.map_or(Version::FIRST, Version::next);
            let next = record::seal(&account, user, version, &self.keys, &nonce)?;
            match self.store.compare_and_swap(user, expected, &next).await.map_err(Error::Store)? {
                Swap::Applied => return Ok((decision, now)),
                Swap::Conflict => {}
            }
        }
        Err(Error::Contention)
    }

    /// All the randomness that a transition may need: a nonce is never used for two attempts.
    fn draw(&self, user: &UserId) -> Result<(Fresh, Nonce), RandomUnavailable> {
        let random = &*self.random;
        let mut bytes = Box::new(Zeroizing::new([0; 32]));
        random.fill(bytes.as_mut_slice())?;
        let mut series = Box::new(Zeroizing::new([0; 16]));
        random.fill(series.as_mut_slice())?;
        let mut nonce = [0; 24];
        random.fill(&mut nonce)?;
        let digits = self.rules.email_digits;
        let fresh = Fresh {
            code: Code::from_value(uniform_below(random, digits.count_of_codes())?, digits),
            secret: self.rules.totp.algorithm().generate_secret(random)?,
            series,
            ticket: Ticket::generate(random)?,
            token: Token { user: user.clone(), bytes },
        };
        Ok((fresh, nonce))
    }

    fn observe(&self, user: &UserId, at: Timestamp, kind: EventKind) -> Event {
        let event = Event { user: user.clone(), at, kind };
        #[cfg(feature = "tracing")]
        tracing::info!(target: "factorgate", user = %event.user, at = event.at.as_secs(), kind = ?event.kind);
        if let Some(observer) = &self.observer {
            observer(&event);
        }
        event
    }

    async fn send(&self, mail: &Outgoing) -> Result<(), Undelivered<M::Error>> {
        let product = self.rules.issuer.as_str();
        self.mailer
            .send(match mail {
                Outgoing::Code { to, code } => Mail::code(to, code, self.rules.email_lifetime, product),
                Outgoing::Notice(OutgoingNotice { to, notice, name, replaced }) => Mail::notice(NoticeMail {
                    to,
                    notice: *notice,
                    name: name.as_deref(),
                    replaced: replaced.as_deref(),
                    product,
                }),
            })
            .await
    }
}

/// What was committed, observed and mailed.
struct Published<T, E> {
    events: Vec<Event>,
    /// Why a notice was not delivered.
    undelivered: Option<Undelivered<E>>,
    value: T,
}

/// Turns what was committed into the value that the host matches on.
///
/// Who is not in yet is not let in while a notice of it cannot be delivered: it may tell the owner of the account of
/// somebody else. Who is signed in already learns what has become of the change.
fn reveal<R: Flow, S, E>(token: Token, published: Published<Progress, E>) -> Result<R::Outcome, Error<S, E>> {
    let Published { events, undelivered, value: progress } = published;
    if let (Purpose::Login, Progress::Finished(_), Some(undelivered)) = (R::PURPOSE, &progress, undelivered) {
        return Err(Error::Mailer(undelivered));
    }
    let challenge = |state, events| Challenge { flow: R::from_token(token), state, events };
    Ok(R::outcome(match progress {
        Progress::Challenge(state) => Revealed::Challenge(challenge(state, events)),
        Progress::Denied(reason) => Revealed::Denied(Denied { reason, events }),
        Progress::Enroll(state, key_uri) => Revealed::Enroll(Enroll { challenge: challenge(state, events), key_uri }),
        Progress::Finished(finished) => Revealed::Finished(finished, events),
    }))
}
