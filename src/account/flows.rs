//! Beginning a flow.

use core::time::Duration;

use super::browsers::Noted;
use super::outlook::Outlook;
use super::turn::{completed, denied};
use super::{
    Account, Decision, Digest, Each, FLOW_LIFETIME, FlowBrowser, Fresh, OpenFlow, Progress, Request, STALE_ROW_LIFETIME,
};
use crate::audit::EventKind;
use crate::browser::BrowserToken;
use crate::device::DeviceId;
use crate::flow::{Contact, Elevated, Evidence, Purpose, Refusal, RowDigest, SessionClaims, UserRow};
use crate::limits::is_running;
use crate::policy::ExternalEvidence;
use crate::time::Timestamp;

/// What a request to begin a flow brings with it.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) browser: Option<&'a BrowserToken>,
    pub(crate) contact: &'a Contact,
    /// How old a proof of the session may be for a step-up.
    pub(crate) freshness: Duration,
    /// The row of a login, or of the session.
    pub(crate) row: RowDigest,
    /// The row itself, for a login.
    pub(crate) login: Option<&'a UserRow>,
}

impl Purpose {
    /// The most flows of a kind that are open for a user; the oldest of the kind makes way for a new one. What is begun
    /// with the password alone cannot end what was begun in a session. Logins have these places twice: in known browsers, and
    /// in all others.
    pub(crate) const fn places(self) -> usize {
        match self {
            Self::Login => 4,
            Self::Registration | Self::StepUp | Self::Completion => 2,
        }
    }

    pub(crate) const ALL_PLACES: usize =
        2 * Self::Login.places() + Self::Registration.places() + Self::StepUp.places() + Self::Completion.places();
}

impl Account {
    /// Begins a flow, unless nothing is owed or there is no way through.
    pub(crate) fn begin(&mut self, rq: &Request<'_>, fresh: Fresh, opening: Opening<'_>) -> Decision<Progress> {
        let Request { cx, judge, purpose, .. } = *rq;
        let session = judge.session.map(|session| &session.claims);
        if self.erased || self.is_stale(&opening.row, cx.now) {
            return denied(Refusal::AccountChanged);
        }
        if session.is_some_and(|claims| !self.holds(claims, cx.now)) {
            return denied(Refusal::SessionEnded);
        }
        let mut flow = OpenFlow {
            begun_at: cx.now,
            browser: session.and_then(|claims| self.browser_of_session(claims.number)),
            code: None,
            contact: opening.contact.clone(),
            epoch: self.epoch,
            evidence: session
                .map_or_else(Evidence::default, |claims| self.proved_before(purpose, claims, &opening, cx.now)),
            expires_at: cx.now.saturating_add(FLOW_LIFETIME),
            known: false,
            pending: None,
            policy: judge.policy.clone(),
            proved: 0,
            purpose,
            replaces: None,
            row: opening.row,
            session: session.map_or(fresh.session, |claims| claims.number),
            spent: Each::default(),
            token: Digest::of_token(&cx, purpose, rq.token),
            wrong_app_codes: 0,
        };
        let outlook = match self.outlook(cx.now, flow.view(judge.policy)) {
            // A device is registered on proofs of now, also where the session has proved them long ago.
            Outlook::Open(remaining) if purpose == Purpose::Completion && remaining.registers() => {
                let is_fresh = |at: Timestamp| cx.now.saturating_since(at) <= Elevated::LIFETIME;
                flow.evidence.email_code.take_if(|(_, at)| !is_fresh(*at));
                flow.evidence.ticket.take_if(|at| !is_fresh(*at));
                self.outlook(cx.now, flow.view(judge.policy))
            }
            outlook => outlook,
        };
        match outlook {
            Outlook::Denied(refusal, _) => denied(refusal),
            Outlook::Finished { grace_until } => {
                let begun = self.begin_grace(&cx, &flow, judge.policy);
                let Some(passed) = self.passed(rq, &flow, grace_until) else { return denied(Refusal::SessionEnded) };
                let finished = Progress::Finished(passed);
                // If nothing is owed, nothing need be written.
                let decision = Decision { changed: begun.is_some(), ..Decision::unchanged(finished) };
                decision.with_events(begun).with_event(completed(purpose))
            }
            Outlook::Open(_) => {
                self.shared.iter_mut().for_each(|budget| budget.regain(&cx.rules.guessing, cx.now));
                let (mut noted, mut granted) = (Noted::default(), None);
                if let Some(token) = opening.browser {
                    match self.pass_as_trusted(rq, &fresh, &mut flow, token, opening.login) {
                        Ok(decision) => return decision,
                        Err(refused) => noted = refused,
                    }
                    match self.recognize(&cx, token) {
                        Some((browser, known)) => (flow.browser, flow.known) = (Some(browser), known),
                        None if noted.events.is_empty() => noted.events.push(EventKind::BrowserNotTrusted),
                        None => {}
                    }
                }
                self.make_room(&flow, cx.now);
                if purpose == Purpose::Login {
                    // A change that the host has not reported is a password reset, as far as anybody knows.
                    let is_new = self.row.replace(opening.row).is_some_and(|row| opening.row.has_new_credential(&row));
                    granted = is_new.then(|| self.grant(&cx, opening.contact)).flatten();
                }
                let Noted { mut events, notice } = noted;
                events.push(begun(purpose));
                self.advance(rq, fresh, usize::MAX, flow).after(events).with_notice(notice).following(granted)
            }
        }
    }

    /// Whether a row was replaced a short time ago.
    pub(super) fn is_stale(&self, row: &RowDigest, now: Timestamp) -> bool {
        self.stale_row
            .as_ref()
            .is_some_and(|(stale, until)| is_running(*until, STALE_ROW_LIFETIME, now) && stale.is(row))
    }

    fn make_room(&mut self, new: &OpenFlow, now: Timestamp) {
        self.sweep(now);
        let of_kind = |flow: &&OpenFlow| flow.purpose == new.purpose && flow.known == new.known;
        if self.flows.iter().filter(of_kind).count() < new.purpose.places() {
            return;
        }
        // A known browser ends its own flows first.
        let id = |flow: &OpenFlow| flow.browser.map(|FlowBrowser { id, .. }| id);
        let own = self.flows.iter().position(|flow| of_kind(&flow) && new.known && id(flow) == id(new));
        if let Some(oldest) = own.or_else(|| self.flows.iter().position(|flow| of_kind(&flow))) {
            self.flows.remove(oldest);
        }
    }

    /// What need not be proved again in a flow that is begun in a session.
    fn proved_before(
        &self,
        purpose: Purpose,
        claims: &SessionClaims,
        opening: &Opening<'_>,
        now: Timestamp,
    ) -> Evidence {
        let evidence = &claims.evidence;
        // A proof of the future proves nothing. The age may be `most`, and no more (RFC 9470 section 6); zero is not met by a
        // proof of the same second (OpenID Connect Core 1.0 section 3.1.2.1).
        let is_fresh = |at: Timestamp, most: Duration| at <= now && now.saturating_since(at) <= most && !most.is_zero();
        let of_address = |most: Duration| {
            evidence
                .email_code
                .clone()
                .filter(|(address, at)| is_fresh(*at, most) && opening.contact.address() == Some(address))
        };
        match purpose {
            Purpose::Login => Evidence::default(),
            Purpose::Registration => Evidence { email_code: of_address(Elevated::LIFETIME), ..Evidence::default() },
            Purpose::StepUp => {
                let most = opening.freshness;
                // The claims are the host's word. Where the record knows when the factor was used last, it is asked, too.
                let is_true = |(id, at): &(DeviceId, Timestamp)| {
                    let device = self.devices.iter().find(|device| device.id == *id);
                    let used = |device: &&super::Device| device.last_used_at.unwrap_or(device.added_at) >= *at;
                    is_fresh(*at, most) && device.filter(used).is_some_and(|device| !device.is_disabled())
                };
                let is_held = |checked: &&ExternalEvidence| {
                    let held = self.external.iter().find(|held| held.factor == checked.factor());
                    let used =
                        |held: &&super::RegisteredFactor| held.last_used_at.unwrap_or(held.added_at) >= checked.at();
                    is_fresh(checked.at(), most) && held.filter(used).is_some_and(|held| !held.is_disabled())
                };
                Evidence {
                    external: evidence.external.iter().filter(is_held).copied().collect(),
                    app_code: evidence.app_code.filter(is_true),
                    email_code: of_address(most),
                    registered: evidence.registered.filter(is_true),
                    ..Evidence::default()
                }
            }
            // What the session has proved counts; a recovery code pays for a new device for as long as a flow is open.
            Purpose::Completion => Evidence {
                recovery_code: evidence.recovery_code.filter(|at| {
                    is_fresh(*at, FLOW_LIFETIME) && self.recovery.as_ref().is_some_and(|set| set.since <= *at)
                }),
                trusted_browser: None,
                ..evidence.clone()
            },
        }
    }
}

fn begun(purpose: Purpose) -> EventKind {
    match purpose {
        Purpose::Login => EventKind::LoginBegun,
        Purpose::Completion => EventKind::CompletionBegun,
        Purpose::Registration => EventKind::RegistrationBegun,
        Purpose::StepUp => EventKind::StepUpBegun,
    }
}
