//! Moving in from another system, and out to one.

use alloc::vec::Vec;

use super::{Mfa, reveal};
use crate::account::{Account, Context, Decision, Fresh, Request};
use crate::error::MfaError;
use crate::event::Event;
use crate::login::{Administrator, Flow};
use crate::mailer::Mailer;
use crate::moving::{Import, LegacyRecoveryCode, NotImported};
use crate::policy::Policy;
use crate::secret::SecretText;
use crate::store::Store;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Takes over what a user has registered with another system: see [`moving`](crate::moving). A user who holds a factor
    /// here, or has held one, is left as they are, so that it can be run again.
    ///
    /// Nobody is told by mail. Every open flow of the user ends, and every session whose claims are checked.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn import(&self, user: &UserId, import: &Import, by: &Administrator) -> Result<Imported, MfaError<S, M>> {
        let checks_hashes = self.hash_checker.is_some();
        let take = |account: &mut Account, cx: Context<'_>, _| account.import(cx, import, by.id(), checks_hashes);
        let (result, events) = self.transact(user, take).await?;
        Ok(match result {
            Ok(()) => Imported::Made { events },
            Err(reason) => Imported::Unchanged { reason },
        })
    }

    /// Verifies a recovery code of another system, which was imported, in place of a code of the app, and spends it; or
    /// one of this library, as [`Mfa::verify_recovery_code`] does. The user is told by mail.
    ///
    /// Where codes are hashed, the guess is counted as a wrong one, then the checker is run outside of every transaction,
    /// and what it found right is given back: [`MfaBuilder::recovery_hash_checker`](crate::MfaBuilder::recovery_hash_checker)
    /// says what that costs. Of a hashed code that was used nothing is kept: typed again, it counts as a wrong one.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_recovery_code`].
    pub async fn verify_legacy_recovery_code<R: Flow>(
        &self,
        flow: &R,
        code: &LegacyRecoveryCode,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        let token = flow.token();
        let guess = |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            account.guess_legacy_code(&Request { cx, policy, purpose: R::PURPOSE, token }, fresh, code)
        };
        let (Decision { changed, events, mails, value: (progress, prepaid) }, at) =
            self.commit(&token.user, guess).await?;
        if let Some(prepaid) = prepaid {
            // The guess is paid for. What the checker says is revealed after the code is spent.
            if let Some(hash) = self.matching(code, &prepaid.hashes) {
                let accept = |account: &mut Account, rq: &Request<'_>, fresh: Fresh| {
                    account.accept_checked_code(rq, fresh, &prepaid, hash)
                };
                return self.proceed(flow, policy, accept).await;
            }
        }
        let refused = Decision { changed, events, mails, value: progress };
        reveal::<R, _, _>(token.duplicate(), self.publish(&token.user, refused, at).await?)
    }

    fn matching<'h>(&self, code: &LegacyRecoveryCode, hashes: &'h [SecretText]) -> Option<&'h SecretText> {
        let checker = self.hash_checker.as_ref()?;
        hashes.iter().find(|hash| checker(code.expose_secret(), hash.expose_secret()))
    }
}

/// What an import came to. Exhaustive on purpose, as [`Login`](crate::Login) is.
#[derive(Debug)]
#[must_use = "an import can change nothing"]
pub enum Imported {
    /// The user's devices are those of the import, and so are the recovery codes.
    Made {
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
    /// Nothing has changed.
    Unchanged {
        /// Why.
        reason: NotImported,
    },
}
