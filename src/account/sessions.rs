//! Whether a session is still valid, and what ends the others.

use alloc::boxed::Box;

use super::outlook::{Outlook, View};
use super::{Account, Change, Context, Decision, OutgoingNotice};
use crate::audit::{EventKind, SessionsEnd};
use crate::flow::{
    AddressPermit, Elevated, Evidence, Owing, Purpose, Refusal, RowDigest, Session, SessionCheck, SessionClaims,
    UserRow,
};
use crate::limits::can_be_past;
use crate::mail::Notice;
use crate::policy::{Plan, Policy};
use crate::time::Timestamp;

impl Account {
    /// Whether the account has not ended the session since. A session that rests on the trust in a browser ends with it.
    pub(super) fn holds(&self, claims: &SessionClaims, now: Timestamp) -> bool {
        let trusted = claims.evidence.trusted_browser;
        !self.erased
            && claims.epoch == self.epoch
            // What was written by a clock that is ahead would stay fresh for as long as it was wrong.
            && can_be_past(claims.auth_time, now)
            && trusted.is_none_or(|(browser, _)| self.browsers.is_trusted(browser, now))
            && !self.is_stale(&claims.row, now)
    }

    /// Checks a session against the account, the row and the policy of now.
    pub(crate) fn check_session(
        &self,
        cx: &Context<'_>,
        claims: &SessionClaims,
        row: &UserRow,
        policy: &Policy,
    ) -> SessionCheck {
        let key = cx.keys.by_id(claims.row.key).filter(|key| claims.row.is_of(key, row));
        let Some(key) = key.filter(|_| claims.user == row.user && self.holds(claims, cx.now)) else {
            return SessionCheck::Ended;
        };
        let (claims, contact) = (claims.clone(), row.contact.clone());
        let session = Session { claims, contact, key: key.clone(), policy: policy.clone() };
        let view = View {
            contact: &session.contact,
            evidence: &session.claims.evidence,
            begun_under: None,
            policy,
            purpose: Purpose::Completion,
        };
        let plan = match self.outlook(cx.now, view) {
            Outlook::Finished { .. } => return SessionCheck::Valid(Box::new(session)),
            Outlook::Open(remaining) => Plan::Paths { paths: remaining.paths, remind_enrollment: false },
            Outlook::Denied(_, plan) => plan,
        };
        SessionCheck::Owes(Box::new(Owing { session, plan }))
    }

    /// Whether a step-up still counts: it was just now, and nothing has changed since.
    pub(super) fn check_elevated(&self, cx: &Context<'_>, elevated: &Elevated) -> Result<(), Refusal> {
        let fresh = elevated.at <= cx.now && cx.now.saturating_since(elevated.at) <= Elevated::LIFETIME;
        let valid = elevated.user() == cx.user && self.holds(elevated.session().claims(), cx.now);
        if fresh && valid { Ok(()) } else { Err(Refusal::StepUpExpired) }
    }

    /// The claims of the session that has just ended every other one.
    pub(super) fn continued(&self, elevated: &Elevated) -> SessionClaims {
        elevated.session().claims().raised(&Evidence::default(), self.epoch)
    }

    /// Ends every other session at the wish of the user.
    pub(crate) fn sign_out_elsewhere(&mut self, cx: &Context<'_>, session: &Session) -> Change<SessionClaims> {
        if !self.holds(&session.claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        let decision = self.end_all(SessionsEnd::User);
        let claims = session.claims.raised(&Evidence::default(), self.epoch);
        decision.map(|()| Ok(claims))
    }

    /// Ends every other session after the host has stored a new password. If this session was ended meanwhile it is
    /// refused, and the others end all the same.
    pub(crate) fn password_changed(
        &mut self,
        cx: &Context<'_>,
        session: &Session,
        new: &UserRow,
    ) -> Change<SessionClaims> {
        let (contact, new) = (new.contact(), RowDigest::of(cx.keys.current(), new));
        let holds = self.holds(&session.claims, cx.now);
        if holds {
            self.row = Some(session.claims.row);
        }
        let proved = holds && self.is_second_factor(&session.claims.evidence);
        let restored = |event| Decision::changed(()).with_event(event);
        let given = if proved { self.restore_guesses(None).map(restored) } else { self.grant(cx, contact) };
        let decision = self.row_changed(cx, new, SessionsEnd::PasswordChanged).following(given);
        let claims = SessionClaims { row: new, ..session.claims.raised(&Evidence::default(), self.epoch) };
        decision.map(|()| if holds { Ok(claims) } else { Err(Refusal::SessionEnded) })
    }

    /// Whether these proofs are those of the strongest factor that the user has. An attacker who reads the mailbox must not
    /// restore the guesses at the app.
    fn is_second_factor(&self, evidence: &Evidence) -> bool {
        let factor = evidence.app_code.or(evidence.registered).is_some() || !evidence.external.is_empty();
        let has_factor = !self.devices.is_empty() || !self.external.is_empty();
        factor || !has_factor && evidence.email_code.is_some()
    }

    /// Lets the host write a new address. Open flows end, and no code is mailed until the change is finished.
    pub(crate) fn permit_address_change(&mut self, cx: &Context<'_>, elevated: &Elevated) -> Change<AddressPermit> {
        if let Err(refusal) = self.check_elevated(cx, elevated) {
            return Decision::unchanged(Err(refusal));
        }
        self.flows.clear();
        self.address_change = Some(cx.now.saturating_add(AddressPermit::LIFETIME));
        let permit = AddressPermit { user: cx.user.clone(), number: elevated.session().claims.number };
        Decision::changed(Ok(permit))
            .with_event(EventKind::AddressChangePermitted)
            .with_notice(OutgoingNotice::new(&elevated.session().contact, Notice::AddressChangePermitted))
    }

    /// Completes a change of the address after the host has written it. What rests on the old address ends.
    pub(crate) fn finish_address_change(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        permit: &AddressPermit,
        new: RowDigest,
    ) -> Change<SessionClaims> {
        let claims = elevated.session().claims();
        // The row was written: the change is finished whatever became of the session, and the others end all the same.
        let holds = permit.number == claims.number && self.holds(claims, cx.now);
        self.address_change = None;
        if holds {
            self.row = Some(claims.row);
        }
        self.replace_row(cx, new);
        self.end_sessions();
        let mut continued = SessionClaims { row: new, ..claims.raised(&Evidence::default(), self.epoch) };
        // A code that went to the old address proves nothing of the new one.
        continued.evidence.email_code = None;
        Decision::changed(if holds { Ok(continued) } else { Err(Refusal::SessionEnded) })
            .with_event(EventKind::AddressChanged)
    }
}
