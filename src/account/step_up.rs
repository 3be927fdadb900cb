//! Sessions after the login: whether they still hold, and what is proved anew in them.

use core::time::Duration;

use super::devices::removal_refused;
use super::{Account, Context, Decision, Outgoing};
use crate::account::RemovalRefusal;
use crate::device::DeviceId;
use crate::event::EventKind;
use crate::login::{AddressPermit, ChangeRefused, Contact, Elevated, Evidence, SessionClaims, SignedIn};
use crate::mailer::Notice;
use crate::policy::{ExternalEvidence, Policy};
use crate::time::Timestamp;

/// Where a request to begin a flow comes from.
#[derive(Clone, Copy)]
pub(crate) enum Session<'a> {
    /// A login: there is none yet.
    None,
    SignedIn(&'a SignedIn),
    /// The session of a step-up, and the age up to which its proofs are taken.
    Claims(&'a SessionClaims, Duration),
}

impl Account {
    /// Whether the session that a flow is begun in still holds.
    pub(super) fn is_open(&self, session: Session<'_>, now: Timestamp) -> bool {
        match session {
            Session::None => true,
            Session::SignedIn(session) => self.is_current(session),
            Session::Claims(claims, _) => self.holds(claims, now),
        }
    }

    /// Whether a session is of this epoch, as far as it says of which it is.
    pub(super) fn is_current(&self, session: &SignedIn) -> bool {
        session.epoch.is_none_or(|epoch| epoch == self.epoch)
    }

    /// Makes a change from the profile, unless its session has ended.
    pub(crate) fn in_session<T>(
        &mut self,
        session: &SignedIn,
        change: impl FnOnce(&mut Self) -> Decision<Result<T, ChangeRefused>>,
    ) -> Decision<Result<T, ChangeRefused>> {
        if self.is_current(session) { change(self) } else { Decision::unchanged(Err(ChangeRefused::SessionEnded)) }
    }

    /// Whether the claims of a session still hold. A session that rests on the trust in a browser ends with it.
    pub(crate) fn holds(&self, claims: &SessionClaims, now: Timestamp) -> bool {
        let trusted = claims.evidence.trusted_browser;
        claims.epoch == self.epoch && trusted.is_none_or(|(browser, _)| self.browsers.is_trusted(browser, now))
    }

    /// What need not be proved again: the proofs that the session had when it began, or since, and that are fresh.
    pub(super) fn proved_before(&self, session: Session<'_>, now: Timestamp) -> Evidence {
        let Session::Claims(claims, freshness) = session else { return Evidence::default() };
        // A proof that lies in the future proves nothing. The age may be `freshness`, and no more (RFC 9470 section 6);
        // zero is not met by a proof of the same second (OpenID Connect Core 1.0 section 3.1.2.1).
        let is_fresh = |at: Timestamp| at <= now && now.saturating_since(at) <= freshness && !freshness.is_zero();
        // The claims are the host's word. Where the record knows when the factor was used last, it is asked, too.
        let is_true = |(id, at): &(DeviceId, Timestamp)| {
            let used = |device: &&super::Device| device.last_used_at.unwrap_or(device.added_at) >= *at;
            let device = self.devices.iter().find(|device| device.id == *id);
            is_fresh(*at) && device.filter(used).is_some_and(|device| !device.is_disabled())
        };
        let is_held = |checked: &&ExternalEvidence| {
            let held = self.external.iter().find(|held| held.factor == checked.factor());
            let used = |held: &&super::HeldFactor| held.last_used_at.unwrap_or(held.added_at) >= checked.at();
            is_fresh(checked.at()) && held.filter(used).is_some_and(|held| !held.is_disabled())
        };
        Evidence {
            external: claims.evidence.external.iter().filter(is_held).copied().collect(),
            app_code: claims.evidence.app_code.filter(is_true),
            email_code: claims.evidence.email_code.filter(|at| is_fresh(*at)),
            enrolled: claims.evidence.enrolled.filter(is_true),
            ..Evidence::default()
        }
    }

    /// Whether a step-up still counts: it was just now, and nothing has changed since.
    pub(super) fn is_elevated(&self, cx: &Context<'_>, elevated: &Elevated) -> bool {
        elevated.user == *cx.user
            && elevated.epoch == self.epoch
            && elevated.at <= cx.now
            && cx.now.saturating_since(elevated.at) <= Elevated::LIFETIME
    }

    /// Removes a device on a step-up.
    pub(crate) fn remove_device_with(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        device: DeviceId,
        contact: &Contact,
        policy: &Policy,
    ) -> Decision<Result<u64, RemovalRefusal>> {
        if !self.is_elevated(cx, elevated) {
            return Decision::unchanged(Err(RemovalRefusal::StepUpEnded));
        }
        match self.can_spare(cx.now, device, contact, policy) {
            Ok(()) => self.take_out(device, contact),
            Err(refusal) => removal_refused(refusal, EventKind::DeviceRemovalRefused { device }),
        }
    }

    /// Lets the host change the address. Whatever rests on the old one ends: open flows, sessions, trust.
    pub(crate) fn permit_address_change(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
    ) -> Decision<Option<(AddressPermit, u64)>> {
        if !self.is_elevated(cx, elevated) {
            return Decision::unchanged(None);
        }
        self.end_flows();
        Decision::changed(Some((AddressPermit { user: cx.user.clone() }, self.epoch)))
            .with_event(EventKind::AddressChangePermitted)
            .with_mail(Outgoing::notice(&elevated.contact, Notice::AddressChangePermitted))
    }
}
