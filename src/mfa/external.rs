//! Factors that the host checks by itself.

use super::{Mfa, Removal};
use crate::account::{Account, Context};
use crate::error::MfaError;
use crate::login::{Administrator, Change, Contact, Elevated, Flow, Registration, RegistrationRef};
use crate::mailer::Mailer;
use crate::policy::{ExternalEvidence, ExternalFactor, Policy};
use crate::store::Store;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Registers a factor of the host, such as a passkey, in place of a device: in a registration that
    /// [`Mfa::begin_registration`] has begun, once a device could be registered in it. What has to be proved before is
    /// the same for both: the strongest factor that the user holds or a recovery code in its place, and before the
    /// first one what the policy asks for.
    ///
    /// `checked` is the host's word that the new factor was made and has answered in this registration. It is asked for
    /// from now on. The user is told by mail, and every session and every other open flow of the user ends. A user
    /// holds 5 such factors at most. One that is registered anew takes its own place, and is not disabled any more.
    ///
    /// ```
    /// # use factorgate::testing::{MemoryStore, Outbox};
    /// # async fn add(
    /// #     mfa: &factorgate::Mfa<MemoryStore, Outbox>,
    /// #     registration: &factorgate::RegistrationRef,
    /// #     policy: &factorgate::policy::Policy,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use factorgate::policy::{AuthenticationMethod as Method, ExternalEvidence, ExternalFactor};
    /// use factorgate::{Clock, Registration, SystemClock};
    ///
    /// // The host has verified the new credential, and keeps its public key with the user.
    /// let passkey = ExternalFactor::phishing_resistant("passkey")?;
    /// let now = SystemClock.now().ok_or("no time")?;
    /// let checked = ExternalEvidence::assertion(passkey, [Method::HardwareKey, Method::UserPresence], now)?;
    /// match mfa.register_external(registration, &checked, policy).await? {
    ///     Registration::Registered(done) => assert!(!done.evidence.external.is_empty()),
    ///     other => println!("not yet: {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn register_external(
        &self,
        registration: &RegistrationRef,
        checked: &ExternalEvidence,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        self.proceed(registration, policy, |account, rq, _| account.register_external(rq, checked)).await
    }

    /// Registers a factor of the host for a user who holds none: what
    /// [`Remedy::RegisterExternalFactor`](crate::policy::Remedy::RegisterExternalFactor) asks for. The administrator
    /// has made sure of who the user is, and hands the factor over. The user is told by mail, and every session of the
    /// user ends.
    ///
    /// Who holds a factor registers another one by proving it, or is reset first: [`Mfa::reset_by_admin`].
    ///
    /// # Errors
    ///
    /// As [`Mfa::register_external`].
    pub async fn register_external_by_admin(
        &self,
        user: &UserId,
        factor: ExternalFactor,
        by: &Administrator,
        contact: Contact,
    ) -> Result<Change<()>, MfaError<S, M>> {
        let register = |account: &mut Account, cx: Context<'_>, _| {
            account.register_external_by_admin(&cx, factor, by.id(), &contact)
        };
        let (result, events) = self.transact(user, register).await?;
        Ok(Change::new(result, events))
    }

    /// Takes the host's word that it has checked a factor of the user in this flow, as
    /// [`Mfa::verify_app_code`] takes a code.
    ///
    /// It counts where [`Step::External`](crate::policy::Step::External) of this very factor is open now, and nowhere
    /// else: not for a user who does not hold it, is locked, or is asked for something else. The host has to make its
    /// check for this flow, by a challenge of its own that is used once, and to give the time of it: what was checked
    /// before the flow began, or in the future, is refused.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn assert_external<R: Flow>(
        &self,
        flow: &R,
        checked: &ExternalEvidence,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.assert_external(rq, fresh, checked)).await
    }

    /// Counts a check of the host that has failed: it spends the budget of the user as a wrong code does, and after
    /// [`FailureBudget::CONSECUTIVE_CAP`](crate::FailureBudget::CONSECUTIVE_CAP) of them in a row the factor is
    /// disabled. A check that was broken off is none: report what could have been a guess.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn external_failed<R: Flow>(
        &self,
        flow: &R,
        factor: ExternalFactor,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, _| account.external_failed(rq, factor)).await
    }

    /// Removes a factor of the host, on a step-up (OWASP ASVS 5.0, 7.5.1), unless the next login would have no way
    /// through then: [`Policy::allows_removal_of_external`]. The user is told by mail, and every session and open flow
    /// of the user ends.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn remove_external(
        &self,
        elevated: &Elevated,
        factor: ExternalFactor,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        let remove = |account: &mut Account, cx: Context<'_>, _| {
            account.remove_external(&cx, elevated, factor, &contact, policy)
        };
        let (removal, events) = self.transact(elevated.user(), remove).await?;
        Ok(Removal::of(elevated.user(), removal, events))
    }
}
