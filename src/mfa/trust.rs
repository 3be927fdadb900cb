//! Trusted browsers.

use alloc::vec::Vec;

use super::Mfa;
use crate::account::{Account, Context, Fresh, Session};
use crate::browser::{BrowserId, BrowserInfo, BrowserName};
use crate::error::MfaError;
use crate::event::Event;
use crate::login::{Authenticated, BrowserToken, Contact, Login, LoginRef, PrimaryVerified, Trust};
use crate::mailer::Mailer;
use crate::policy::Policy;
use crate::store::Store;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Begins a login as [`Mfa::begin_login`], with the token of a browser that may be trusted.
    ///
    /// Where the policy allows it, the browser stands for the challenge: the login is
    /// [`Login::Authenticated`] at once, worth [`Assurance::TrustedBrowser`](crate::Assurance::TrustedBrowser), and
    /// carries the next token in [`Authenticated::browser_token`]. It never stands for a registration, nor against a
    /// denial or a lock.
    ///
    /// The token that was presented is refused from then on, and whoever presents it ends the trust: somebody has
    /// a copy, and the user is told by mail. For 10 seconds it is still taken, for a browser that opens two tabs at once; it is not replaced again,
    /// so that nothing but the token that was given first goes on. A browser that never got the answer loses its
    /// trust, and its user is asked for a code.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn begin_login_from(
        &self,
        primary: PrimaryVerified,
        contact: Contact,
        policy: &Policy,
        browser: Option<&BrowserToken>,
    ) -> Result<Login, MfaError<S, M>> {
        self.begin::<LoginRef>(primary.user(), &contact, policy, Session::None, browser).await
    }

    /// Trusts the browser of a login that has just been completed, by a code of a device or by a factor of the host.
    ///
    /// The trust ends at a time that is fixed now; when any factor or the password is changed; and when the browser is
    /// next used under a policy that allows no trusted browsers or is stricter in anything than the one that this
    /// login has met. A user trusts 5 browsers at most; the oldest makes way. The user is told by mail.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn trust_browser(
        &self,
        passed: &Authenticated,
        name: &BrowserName,
        policy: &Policy,
    ) -> Result<Trust, MfaError<S, M>> {
        let trust = |account: &mut Account, cx: Context<'_>, fresh: Fresh| {
            account.trust_browser(cx, &fresh, passed, name, policy)
        };
        let (trusted, events) = self.transact(passed.user(), trust).await?;
        Ok(match trusted {
            Ok((token, browser)) => Trust::Trusted { token, browser, events },
            Err(reason) => Trust::Refused { reason, events },
        })
    }

    /// The browsers that a user trusts. Nothing is written.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn browsers(&self, user: &UserId) -> Result<Vec<BrowserInfo>, MfaError<S, M>> {
        Ok(self.status(user).await?.browsers)
    }

    /// Ends the trust in one browser, and the sessions that rest on it.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn revoke_browser(&self, user: &UserId, browser: BrowserId) -> Result<Vec<Event>, MfaError<S, M>> {
        let ((), events) = self.transact(user, |account, _, _| account.revoke_browsers(Some(browser))).await?;
        Ok(events)
    }

    /// Ends the trust in every browser of a user, and the sessions that rest on it.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn revoke_browsers(&self, user: &UserId) -> Result<Vec<Event>, MfaError<S, M>> {
        let ((), events) = self.transact(user, |account, _, _| account.revoke_browsers(None)).await?;
        Ok(events)
    }
}
