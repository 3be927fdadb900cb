//! Sessions after the login: whether they hold, and proving anew in them.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Mfa, NewRecoveryCodes, Removal};
use crate::account;
use crate::device::DeviceId;
use crate::error::MfaError;
use crate::event::Event;
use crate::login::{
    AddressPermit, Change, Contact, Elevated, EpochChange, Session, SessionClaims, SignedIn, StepUp, StepUpRef,
};
use crate::mailer::Mailer;
use crate::policy::Policy;
use crate::recovery::RecoveryCodes;
use crate::store::Store;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Whether the claims of a session still hold. One load, and nothing is written.
    ///
    /// They do not once a device, or a factor of the host, was added or removed, the password or the address was
    /// changed, the user was reset, or all sessions were revoked; [`SessionClaims::after`] keeps the session that did
    /// it. How long a session lasts otherwise is the host's.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn check_session(&self, claims: &SessionClaims) -> Result<Session, MfaError<S, M>> {
        let (account, now) = self.look(claims.user()).await?;
        Ok(match account.holds(claims, now) {
            true => Session::Valid(SignedIn { user: claims.user.clone(), epoch: Some(claims.epoch) }),
            false => Session::Ended,
        })
    }

    /// Asks anew for the strongest factor that the user of a session holds, unless it was proved in the session at
    /// most `freshness` ago: a code of a device, or a factor of the host that is phishing-resistant; where there is
    /// neither, any factor of the host, and without one a code by e-mail. Zero asks always, and so leaves nothing to a
    /// forged request.
    ///
    /// Nothing weaker will do, whatever the policy allows at login, and no device is registered on the way.
    /// Guesses spend the one budget of the user.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_step_up(
        &self,
        claims: &SessionClaims,
        contact: Contact,
        policy: &Policy,
        freshness: Duration,
    ) -> Result<StepUp, MfaError<S, M>> {
        let session = account::Session::Claims(claims, freshness);
        self.begin::<StepUpRef>(claims.user(), &contact, policy, session, None).await
    }

    /// Removes a device as [`Mfa::remove_device`], on a step-up instead of a code.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn remove_device_with(
        &self,
        elevated: &Elevated,
        device: DeviceId,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        let remove = |account: &mut account::Account, cx: account::Context<'_>, _| {
            account.remove_device_with(&cx, elevated, device, &contact, policy)
        };
        let (removal, events) = self.transact(elevated.user(), remove).await?;
        Ok(Removal::of(elevated.user(), removal, events))
    }

    /// Makes new recovery codes as [`Mfa::begin_recovery_codes`], on a step-up instead of a code.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_recovery_codes_with(
        &self,
        elevated: &Elevated,
    ) -> Result<Change<NewRecoveryCodes>, MfaError<S, M>> {
        let codes = RecoveryCodes::generate(&*self.random)?;
        let begin = |account: &mut account::Account, cx: account::Context<'_>, _| {
            account.begin_recovery_codes_with(cx, elevated, &codes)
        };
        let (result, events) = self.transact(elevated.user(), begin).await?;
        Ok(Change::new(result.map(|expires_at| NewRecoveryCodes { codes, expires_at }), events))
    }

    /// Permits the host to change the address on record, on a step-up. Every open flow and session of the user ends,
    /// and the trust in every browser. The old address is told by mail: the one that the step-up was begun with.
    ///
    /// The sessions end before the host writes the new address, and not after, so that none is left if the server stops
    /// in between; if the write fails, the user begins again. Verify the new address before codes are sent there: hand
    /// it over as [`Contact::unverified`].
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn permit_address_change(&self, elevated: &Elevated) -> Result<AddressChange, MfaError<S, M>> {
        let permit =
            |account: &mut account::Account, cx: account::Context<'_>, _| account.permit_address_change(&cx, elevated);
        let (permit, events) = self.transact(elevated.user(), permit).await?;
        Ok(match permit {
            Some((permit, epoch)) => {
                let change = EpochChange { user: elevated.user().clone(), epoch };
                AddressChange::Permitted { permit, change, events }
            }
            None => AddressChange::StepUpEnded,
        })
    }
}

/// Whether the address of a user may be changed. Exhaustive on purpose, as [`Login`](crate::Login) is.
#[derive(Debug)]
#[must_use = "a change of the address can be refused"]
pub enum AddressChange {
    /// It may, once.
    Permitted {
        /// What the function of the host that writes the address asks for.
        permit: AddressPermit,
        /// The session that changes it goes on with this.
        change: EpochChange,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
    /// It may not: the step-up is too long ago, or the account has changed since.
    StepUpEnded,
}
