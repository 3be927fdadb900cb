//! The loop that everything stands on: commit before reveal, and what follows a commit.

use alloc::boxed::Box;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::Mfa;
use crate::account::{
    Account, Change, CodeToSend, Context, Decision, Fresh, NumberedEvent, OwedNotice, Prepaid, Progress,
};
use crate::audit::Event;
use crate::code::Code;
use crate::error::{Error, MfaError};
use crate::flow::{Authenticated, Refusal, SessionClaims, Token};
use crate::mail::{Mail, Mailer, NoticeMail, Undelivered};
use crate::random::{RandomUnavailable, uniform_below};
use crate::record::{self, Nonce};
use crate::store::{Record, Store, Swap, Version};
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::UserId;

/// How often a transition is decided again because another request came first. Of any number of requests at once one wins
/// each round, and after five wrong codes nothing more is written.
pub(super) const TRIES: u32 = 64;

/// What was committed and observed, and what is to be sent now.
pub(super) struct Committed<T> {
    pub(super) code: Option<CodeToSend>,
    /// The notices of this decision, and those that an earlier request has left behind.
    pub(super) due: Vec<OwedNotice>,
    /// The number of the first notice of this decision.
    pub(super) own: u64,
    pub(super) value: T,
}

impl Committed<(Progress, Option<Prepaid>)> {
    pub(super) fn split(self) -> (Committed<Progress>, Option<Prepaid>) {
        let Self { code, due, own, value: (value, prepaid) } = self;
        (Committed { code, due, own, value }, prepaid)
    }
}

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Decides and stores, and sends the notices that are owed. A notice that is not delivered stays owed.
    pub(super) async fn transact<T: Send>(
        &self,
        user: &UserId,
        decide: impl FnMut(&mut Account, Context<'_>, Fresh) -> Decision<T> + Send,
    ) -> Result<T, MfaError<S, M>> {
        let Committed { due, own, value, .. } = self.commit(user, decide).await?;
        self.deliver(user, &due, own).await;
        Ok(value)
    }

    /// As [`Mfa::transact`], for a change with which a session continues.
    pub(super) async fn change_session(
        &self,
        user: &UserId,
        decide: impl FnMut(&mut Account, Context<'_>, Fresh) -> Change<SessionClaims> + Send,
    ) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        Ok(self.transact(user, decide).await?.and_then(|claims| {
            let key = self.keys.by_id(claims.row.key).ok_or(Refusal::SessionEnded)?;
            Ok(Authenticated::new(claims, key.clone()))
        }))
    }

    /// Reads the account, and sends what is overdue.
    pub(super) async fn read<T: Send>(
        &self,
        user: &UserId,
        look: impl FnOnce(&Account, &Context<'_>) -> T + Send,
    ) -> Result<T, MfaError<S, M>> {
        let (value, due) = self.peek(user, |account, cx| (look(account, cx), account.overdue(cx.now))).await?;
        self.deliver(user, &due, u64::MAX).await;
        Ok(value)
    }

    /// Reads the account, and nothing else.
    pub(super) async fn peek<T: Send>(
        &self,
        user: &UserId,
        look: impl FnOnce(&Account, &Context<'_>) -> T + Send,
    ) -> Result<T, MfaError<S, M>> {
        let now = self.now()?;
        let account = match self.store.load(user).await.map_err(Error::Store)? {
            Some(stored) => record::open(&stored, user, &self.keys)?,
            None => Account::default(),
        };
        Ok(look(&account, &Context { keys: &self.keys, now, rules: &self.rules, user }))
    }

    /// Nothing that `decide` came to leaves this function before the store has applied the change that pays for it.
    pub(super) async fn commit<T: Send>(
        &self,
        user: &UserId,
        mut decide: impl FnMut(&mut Account, Context<'_>, Fresh) -> Decision<T> + Send,
    ) -> Result<Committed<T>, MfaError<S, M>> {
        for _ in 0..TRIES {
            // The time that decides every expiry of this attempt.
            let now = self.now()?;
            let (fresh, nonce) = self.draw(user)?;
            let stored = self.store.load(user).await.map_err(Error::Store)?;
            let expected = stored.as_ref().map(Record::version);
            let mut account = match &stored {
                Some(stored) => record::open(stored, user, &self.keys)?,
                None => Account::default(),
            };
            let cx = Context { keys: &self.keys, now, rules: &self.rules, user };
            let mut decision = decide(&mut account, cx, fresh);
            let own = account.owed.last.saturating_add(1);
            if !decision.changed {
                let due = account.overdue(now);
                for kind in decision.events.drain(..) {
                    self.observe(user, now, NumberedEvent { seq: None, kind });
                }
                return Ok(Committed { code: decision.code, due, own, value: decision.value });
            }
            account.sweep(now);
            let (events, due) = account.book(now, &mut decision);
            let version = expected.map_or(Version::FIRST, Version::next);
            let next = record::seal(&mut account, user, version, &self.keys, &nonce).map_err(|_| Error::TooLarge)?;
            drop(account);
            match self.store.compare_and_swap(user, expected, &next).await.map_err(Error::Store)? {
                Swap::Applied => {
                    for event in events {
                        self.observe(user, now, event);
                    }
                    return Ok(Committed { code: decision.code, due, own, value: decision.value });
                }
                Swap::Conflict => {}
            }
        }
        Err(Error::Contention)
    }

    /// Sends notices, and clears those that were delivered by a second commit. Returns how many were delivered, and why one
    /// of this decision was not.
    pub(super) async fn deliver(
        &self,
        user: &UserId,
        due: &[OwedNotice],
        own: u64,
    ) -> (usize, Option<Undelivered<M::Error>>) {
        let (mut delivered, mut failed, mut undelivered) = (Vec::new(), Vec::new(), None);
        for owed in due {
            let notice = &owed.notice;
            let mail = Mail::notice(NoticeMail {
                to: &notice.to,
                notice: notice.notice,
                name: notice.name.as_deref(),
                replaced: notice.replaced.as_deref(),
                product: self.rules.issuer.as_str(),
            });
            match self.mailer.send(mail).await {
                Ok(()) => delivered.push(owed.number),
                Err(error) => {
                    failed.push(owed.number);
                    if owed.number >= own {
                        undelivered = Some(error);
                    }
                }
            }
        }
        if !due.is_empty() {
            // If this write fails the notices stay owed, and are sent once more: at least once.
            let _ = self.commit(user, |account, cx, _| account.settle(cx.now, &delivered, &failed)).await;
        }
        (delivered.len(), undelivered)
    }

    pub(super) async fn send_code(&self, code: &CodeToSend) -> Result<(), Undelivered<M::Error>> {
        let CodeToSend { code, to, valid_for } = code;
        self.mailer.send(Mail::code(to, code, *valid_for, self.rules.issuer.as_str())).await
    }

    pub(super) fn now(&self) -> Result<Timestamp, MfaError<S, M>> {
        self.clock.now().ok_or(Error::Clock)
    }

    /// A bearer token for a new flow of `user`.
    pub(super) fn new_token(&self, user: &UserId) -> Result<Token, RandomUnavailable> {
        let mut bytes = Box::new(Zeroizing::new([0; 32]));
        self.random.fill(bytes.as_mut_slice())?;
        Ok(Token { user: user.clone(), bytes })
    }

    /// All the randomness that a transition may need: a nonce is never used for two attempts.
    pub(super) fn draw(&self, user: &UserId) -> Result<(Fresh, Nonce), RandomUnavailable> {
        let random = &*self.random;
        let mut series = Box::new(Zeroizing::new([0; 16]));
        random.fill(series.as_mut_slice())?;
        let (mut nonce, mut session) = ([0; 24], [0; 8]);
        random.fill(&mut nonce)?;
        random.fill(&mut session)?;
        let digits = self.rules.email_digits;
        let fresh = Fresh {
            code: Code::from_value(uniform_below(random, digits.count_of_codes())?, digits),
            secret: self.rules.totp.algorithm().generate_secret(random)?,
            series,
            session: u64::from_be_bytes(session),
            ticket: Ticket::generate(random)?,
            token: self.new_token(user)?,
        };
        Ok((fresh, nonce))
    }

    pub(super) fn observe(&self, user: &UserId, at: Timestamp, event: NumberedEvent) {
        let NumberedEvent { seq, kind } = event;
        let event = Event { seq, user: user.clone(), at, kind };
        #[cfg(feature = "tracing")]
        tracing::info!(
            target: "factorgate",
            user = %event.user,
            seq = event.seq,
            at = event.at.as_secs(),
            kind = event.kind.name(),
            line = %event
        );
        if let Some(observer) = &self.observer {
            observer(&event);
        }
    }
}
