//! What a host can ask of the engine.

use alloc::vec::Vec;

use super::{Mfa, Published, reveal};
use crate::account::{self, Account, Context, Decision, Fresh, Opening, Progress, Request};
use crate::browser::BrowserInfo;
use crate::code::Code;
use crate::device::{DeviceId, DeviceInfo, DeviceName};
use crate::error::{Error, MfaError};
use crate::event::Event;
use crate::login::{
    Administrator, BrowserToken, Contact, EpochChange, ExternalInfo, Flow, Login, PrimaryVerified, Registration,
    RegistrationRef, SignedIn,
};
use crate::mailer::Mailer;
use crate::policy::{Exemption, Grace, Policy, RemovalRefused, Standing};
use crate::record;
use crate::recovery::RecoveryCodesLeft;
use crate::store::Store;
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Begins a login, after the first factor was checked.
    ///
    /// If an e-mail code is the only way on, it is sent; if registering a device is, the registration begins.
    /// Where nothing is owed the user is authenticated, and nothing is written but the beginning of a grace period, by
    /// the first login that it lets through.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed and nothing could be decided; nobody is let in.
    pub async fn begin_login(
        &self,
        primary: PrimaryVerified,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Login, MfaError<S, M>> {
        self.begin_login_from(primary, contact, policy, None).await
    }

    /// Begins the registration of a device, or of a factor that the host checks ([`Mfa::register_external`]), from the
    /// profile of a user who is signed in.
    ///
    /// Who holds a device proves it by a code first, or proves a phishing-resistant factor of the host, or uses a
    /// recovery code in place of the device; who holds a factor of the
    /// host alone proves that; who holds neither proves what the policy asks before a first registration. A device is
    /// registered when a code of it has confirmed it, and until then nothing changes.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_registration(
        &self,
        session: &SignedIn,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        self.begin::<RegistrationRef>(session.user(), &contact, policy, account::Session::SignedIn(session), None).await
    }

    pub(super) async fn begin<R: Flow>(
        &self,
        user: &UserId,
        contact: &Contact,
        policy: &Policy,
        session: account::Session<'_>,
        browser: Option<&BrowserToken>,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        let opening = Opening { browser, contact, policy, purpose: R::PURPOSE, session };
        let begin = |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            let token = fresh.token.duplicate();
            let Decision { changed, events, mails, value } = account.begin(cx, fresh, opening);
            Decision { changed, events, mails, value: (token, value) }
        };
        let (decision, at) = self.commit(user, begin).await?;
        let Published { events, undelivered, value: (token, value) } = self.publish(user, decision, at).await?;
        reveal::<R, _, _>(token, Published { events, undelivered, value })
    }

    pub(super) async fn proceed<R: Flow>(
        &self,
        flow: &R,
        policy: &Policy,
        decide: impl Fn(&mut Account, &Request<'_>, Fresh) -> Decision<Progress> + Send,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        let token = flow.token();
        let decide = move |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            decide(account, &Request { cx, policy, purpose: R::PURPOSE, token }, fresh)
        };
        let (decision, at) = self.commit(&token.user, decide).await?;
        reveal::<R, _, _>(token.duplicate(), self.publish(&token.user, decision, at).await?)
    }

    /// Shows where a flow stands, for a page that is loaded again. Nothing is sent or spent.
    ///
    /// It never authenticates: [`Login::Authenticated`] is the answer to the step that completes a login, once.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn resume<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, _| account.resume(rq)).await
    }

    /// Ends a flow: the user has gone back, or signed out.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn cancel<R: Flow>(&self, flow: &R) -> Result<(), MfaError<S, M>> {
        let ((), _) =
            self.transact(&flow.token().user, |account, cx, _| account.cancel(cx, R::PURPOSE, flow.token())).await?;
        Ok(())
    }

    /// Sends an e-mail code, or a new one in place of it. The new one is good; the one before it is refused.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`]. [`Error::Mailer`](crate::Error::Mailer) leaves the flow open, and the user may ask
    /// again at once.
    pub async fn send_email_code<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.send_email_code(rq, fresh)).await
    }

    /// Verifies an e-mail code.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`]. A wrong code is no error, but a [`Refusal`](crate::Refusal).
    pub async fn verify_email_code<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.verify_email_code(rq, fresh, code)).await
    }

    /// Verifies a code of an authenticator app.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn verify_app_code<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.verify_app_code(rq, fresh, code, None)).await
    }

    /// Redeems a ticket, by which an administrator vouches for the user.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn redeem_ticket<R: Flow>(
        &self,
        flow: &R,
        ticket: &Ticket,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.redeem_ticket(rq, fresh, ticket)).await
    }

    /// Begins to register a device: makes its secret and shows it. Asked again in the same flow it shows the
    /// same secret, for 10 minutes.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_app_enrollment<R: Flow>(&self, flow: &R, policy: &Policy) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.begin_enrollment(rq, fresh)).await
    }

    /// Confirms a registration by the code that the new device shows, and names the device. That code cannot
    /// log in any more. The user is told by mail, and every other open flow of the user ends.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn confirm_app_enrollment<R: Flow>(
        &self,
        flow: &R,
        code: &Code,
        name: &DeviceName,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.confirm_enrollment(rq, fresh, code, name)).await
    }

    /// Removes a device, on a fresh code of any device that the user holds (OWASP ASVS 5.0, 7.5.1). The user is
    /// told by mail, and every open flow of the user ends. With the last device the recovery codes go, which stood
    /// in for it.
    ///
    /// [`Mfa::can_remove`] says beforehand whether it is possible, and what is instead.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn remove_device(
        &self,
        session: &SignedIn,
        device: DeviceId,
        code: &Code,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        let remove = |account: &mut Account, cx: Context<'_>, _| {
            account.remove_device(cx, session, device, code, &contact, policy)
        };
        let (removal, events) = self.transact(session.user(), remove).await?;
        Ok(Removal::of(session.user(), removal, events))
    }

    /// What an administrator, or the user, may see. Nothing is written.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn status(&self, user: &UserId) -> Result<UserStatus, MfaError<S, M>> {
        let (account, now) = self.look(user).await?;
        Ok(UserStatus::new(account, now))
    }

    /// The account as it is stored, and the time.
    pub(super) async fn look(&self, user: &UserId) -> Result<(Account, Timestamp), MfaError<S, M>> {
        let now = self.clock.now().ok_or(Error::Clock)?;
        let account = match self.store.load(user).await.map_err(Error::Store)? {
            Some(stored) => record::open(&stored, user, &self.keys)?,
            None => Account::default(),
        };
        Ok((account, now))
    }

    /// The devices of a user. Nothing is written.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn devices(&self, user: &UserId) -> Result<Vec<DeviceInfo>, MfaError<S, M>> {
        Ok(self.status(user).await?.devices)
    }

    /// Makes a ticket for a user, to be handed over by an administrator who has made sure of who it is. It is
    /// good once, for 24 hours; an earlier one is not good any more.
    ///
    /// It lets a user register who holds no device. Whose devices are lost or disabled needs
    /// [`Mfa::reset_by_admin`], which makes a ticket, too.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn issue_ticket(&self, user: &UserId, by: &Administrator) -> Result<IssuedTicket, MfaError<S, M>> {
        let ((ticket, expires_at), events) =
            self.transact(user, |account, cx, fresh| account.issue_ticket(cx, fresh, by.id())).await?;
        Ok(IssuedTicket { ticket, expires_at, events })
    }

    /// Ends every open login, registration and step-up of a user, every session whose claims are checked, the trust in
    /// every browser, and recovery codes that wait for their confirmation. Call it when the password was changed or
    /// reset, when the user is disabled, or signs out everywhere.
    ///
    /// The session in which the user has changed the password may go on, by [`Revocation::change`] (OWASP ASVS 5.0,
    /// 7.4.3). Call it after the new password is stored: with the old one nobody gets in then.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn revoke_logins(&self, user: &UserId) -> Result<Revocation, MfaError<S, M>> {
        let (epoch, events) = self.transact(user, |account, _, _| account.revoke_flows()).await?;
        Ok(Revocation { change: EpochChange { user: user.clone(), epoch }, events })
    }
}

/// Every session of a user was ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Revocation {
    /// A session that is to go on does so with this: the one in which the user has changed the password. Where all are
    /// to end it is dropped.
    pub change: EpochChange,
    /// What happened with this answer, for the audit log.
    pub events: Vec<Event>,
}

/// What the removal of a device, or of a factor of the host, came to. Exhaustive on purpose, as [`Login`] is.
#[derive(Debug)]
#[must_use = "a removal can be refused"]
pub enum Removal {
    /// The device is still there.
    Refused {
        /// Why.
        reason: RemovalReason,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
    /// Its codes are not taken any more. The claims of the user's sessions do not hold any more, either (OWASP ASVS
    /// 5.0, 7.4.3).
    Removed {
        /// The session that removed it goes on with this.
        change: EpochChange,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
}

impl Removal {
    pub(super) fn of(user: &UserId, removal: Result<u64, account::RemovalRefusal>, events: Vec<Event>) -> Self {
        match removal {
            Ok(epoch) => Self::Removed { change: EpochChange { user: user.clone(), epoch }, events },
            Err(refusal) => Self::Refused { reason: refusal.into(), events },
        }
    }
}

/// Why a device, or a factor of the host, was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemovalReason {
    /// Every device of the user was disabled by consecutive wrong codes.
    #[error("every device was disabled after too many wrong codes; ask an administrator for help")]
    DevicesDisabled,
    /// Too many wrong codes.
    #[error("too many wrong codes; wait before you try again")]
    Locked {
        /// From this second on the user can try again.
        until: Timestamp,
    },
    /// Codes have another number of digits. Nothing was spent.
    #[error("the code has the wrong number of digits")]
    Malformed,
    /// The other devices and factors of the user are disabled, and nobody would get in with them. The code was not
    /// looked at.
    #[error("the other devices are disabled after too many wrong codes; remove them first")]
    OthersDisabled,
    /// The policy forbids it. The code was not looked at.
    #[error("the policy forbids it")]
    Policy(#[source] RemovalRefused),
    /// The session has ended.
    #[error("the session has ended; log in again")]
    SessionEnded,
    /// The step-up is too long ago, or the account has changed since.
    #[error("the proof is not fresh any more; prove it again")]
    StepUpEnded,
    /// The user holds no such device.
    #[error("there is no such device")]
    UnknownDevice,
    /// The user holds no such factor of the host.
    #[error("there is no such factor")]
    UnknownFactor,
    /// The code is not accepted.
    #[error("the code is not right")]
    WrongCode,
}

impl From<account::RemovalRefusal> for RemovalReason {
    fn from(refusal: account::RemovalRefusal) -> Self {
        match refusal {
            account::RemovalRefusal::OthersDisabled => Self::OthersDisabled,
            account::RemovalRefusal::Policy(refused) => Self::Policy(refused),
            account::RemovalRefusal::SessionEnded => Self::SessionEnded,
            account::RemovalRefusal::StepUpEnded => Self::StepUpEnded,
            account::RemovalRefusal::UnknownDevice => Self::UnknownDevice,
            account::RemovalRefusal::UnknownFactor => Self::UnknownFactor,
            account::RemovalRefusal::Unproved(unproved) => match unproved {
                account::Unproved::DevicesDisabled => Self::DevicesDisabled,
                account::Unproved::Locked(until) => Self::Locked { until },
                account::Unproved::Malformed => Self::Malformed,
                account::Unproved::WrongCode => Self::WrongCode,
            },
        }
    }
}

/// A ticket that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedTicket {
    /// The ticket, to be shown once.
    pub ticket: Ticket,
    /// From this second on it is refused.
    pub expires_at: Timestamp,
    /// What happened with this answer, for the audit log.
    pub events: Vec<Event>,
}

/// What may be seen of a user: no secret, nothing to guess by.
#[non_exhaustive]
pub struct UserStatus {
    /// The browsers that the user trusts.
    pub browsers: Vec<BrowserInfo>,
    /// The registered devices.
    pub devices: Vec<DeviceInfo>,
    /// Whether the user has ever registered a device, or a factor that the host checks. It never becomes false again.
    pub ever_held_factor: bool,
    /// The exemption that an administrator has granted, if it is not over.
    pub exemption: Option<Exemption>,
    /// The factors of the host that the user holds.
    pub external: Vec<ExternalInfo>,
    /// The user's grace period. A policy that grants less makes it shorter: [`Policy::grace_until`], of
    /// [`UserStatus::standing`], is the deadline.
    pub grace: Grace,
    /// How many recovery codes can be used; `None` if there never were any, or not since the last device was removed.
    pub recovery_codes: Option<RecoveryCodesLeft>,
    /// Until when the user is locked.
    pub locked_until: Option<Timestamp>,
    /// Until when a ticket of the user is good.
    pub ticket_until: Option<Timestamp>,
    account: Account,
    now: Timestamp,
}

impl UserStatus {
    fn new(account: Account, now: Timestamp) -> Self {
        Self {
            browsers: account.browser_list(now),
            devices: account.device_list(),
            ever_held_factor: account.ever_held_factor,
            exemption: account.exemption.clone().filter(|exemption| now < exemption.until()),
            external: account.external_list(),
            grace: account.grace,
            recovery_codes: account.recovery_codes_left(),
            locked_until: account.failures.locked(now),
            ticket_until: account.ticket.as_ref().map(|ticket| ticket.expires_at).filter(|until| now < *until),
            account,
            now,
        }
    }

    /// Whether a device of the user has a secret that is [shorter than it should be](crate::Secret::is_short), as it was
    /// imported. Let the user register it anew.
    #[must_use]
    pub fn has_short_secret(&self) -> bool {
        self.account.devices.iter().any(|device| device.secret.is_short())
    }

    /// What the policy may know of the user, so that a host can show what it will ask:
    /// [`Policy::evaluate`] and [`Policy::explain`].
    #[must_use]
    pub fn standing(&self, contact: &Contact) -> Standing {
        self.account.standing(self.now, contact)
    }

    /// How many logins and registrations are under way.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        let alive = |flow: &&account::OpenFlow| flow.epoch == self.account.epoch && self.now < flow.expires_at;
        self.account.flows.iter().filter(alive).count()
    }
}

impl core::fmt::Debug for UserStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UserStatus")
            .field("browsers", &self.browsers)
            .field("devices", &self.devices)
            .field("ever_held_factor", &self.ever_held_factor)
            .field("exemption", &self.exemption)
            .field("external", &self.external)
            .field("grace", &self.grace)
            .field("recovery_codes", &self.recovery_codes)
            .field("locked_until", &self.locked_until)
            .field("ticket_until", &self.ticket_until)
            .finish_non_exhaustive()
    }
}
