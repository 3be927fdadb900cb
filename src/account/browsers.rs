//! Trusted browsers: a filter on the finished plan, by a token that each use replaces.

use alloc::vec::Vec;
use core::time::Duration;

use super::outlook::Outlook;
use super::{
    Account, Change, Context, Decision, Digest, FLOW_LIFETIME, Fresh, OpenFlow, OutgoingNotice, Progress, Request,
};
use crate::audit::{EventKind, TrustEnd};
use crate::browser::{BrowserId, BrowserInfo, BrowserName, BrowserToken};
use crate::flow::{Refusal, RowDigest, Session, UserRow};
use crate::limits::can_be_past;
use crate::mail::Notice;
use crate::policy::{ExternalEvidence, Policy};
use crate::time::Timestamp;

/// The most browsers that a user can trust; the oldest makes way for a new one.
pub(crate) const MAX_BROWSERS: usize = 5;
/// For how long the token before the last is taken once it was replaced: two tabs that are opened at once send the
/// same cookie. It is not replaced a second time, so that a copy of it is worthless after this time.
pub(crate) const PARALLEL_USE: Duration = Duration::from_secs(10);

/// The browsers that a user trusts.
#[derive(Default)]
pub(crate) struct Browsers {
    pub(crate) last_id: u64,
    /// The oldest first. A change of the epoch clears them.
    pub(crate) trusted: Vec<TrustedBrowser>,
}

pub(crate) struct TrustedBrowser {
    pub(crate) id: BrowserId,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) name: BrowserName,
    /// The policy that was met by the login that trusted it.
    pub(crate) policy: Policy,
    /// The token before the last, and when it was replaced.
    pub(crate) replaced: Option<(Digest, Timestamp)>,
    /// The row that it was trusted for.
    pub(crate) row: RowDigest,
    pub(crate) series: Digest,
    pub(crate) since: Timestamp,
    pub(crate) token: Digest,
    pub(crate) until: Timestamp,
}

/// What a token that was presented turns out to be.
enum Presented {
    /// The token that is good now, or in parallel with it.
    Good {
        at: usize,
        parallel: bool,
    },
    Ended {
        at: usize,
        cause: TrustEnd,
    },
    Unknown,
}

/// What is to be told of a token that did not let its browser pass.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) events: Vec<EventKind>,
    pub(super) notice: Option<OutgoingNotice>,
}

impl Browsers {
    pub(crate) fn is_trusted(&self, id: BrowserId, now: Timestamp) -> bool {
        self.trusted.iter().any(|browser| browser.id == id && browser.is_valid(now))
    }
}

impl Account {
    /// Trusts the browser of a session that has just verified a device or an external factor, for the policy of now.
    pub(crate) fn trust_browser(
        &mut self,
        cx: &Context<'_>,
        fresh: &Fresh,
        session: &Session,
        name: &BrowserName,
    ) -> Change<BrowserToken> {
        let claims = &session.claims;
        if !self.holds(claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        let evidence = &claims.evidence;
        let devices = [evidence.app_code, evidence.registered].into_iter().flatten().map(|(_, at)| at);
        let proofs = devices.chain(evidence.external.iter().map(ExternalEvidence::at));
        let is_fresh = |at: &Timestamp| *at <= cx.now && cx.now.saturating_since(*at) <= FLOW_LIFETIME;
        // A recovered session registers a device first, whatever else it has proved.
        let proved = proofs.max().filter(is_fresh).is_some() && !evidence.is_recovered();
        if !session.policy.allows_trusted_browsers() || !proved {
            return Decision::unchanged(Err(Refusal::TrustNotAllowed));
        }
        self.browsers.trusted.retain(|browser| browser.is_valid(cx.now));
        let mut events = Vec::new();
        if self.browsers.trusted.len() >= MAX_BROWSERS {
            let browser = self.browsers.trusted.remove(0).id;
            events.push(EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Displaced });
        }
        self.browsers.last_id = self.browsers.last_id.saturating_add(1);
        let until = cx.now.saturating_add(cx.rules.trust_lifetime);
        let token = BrowserToken::new(cx.user.clone(), fresh.series.as_slice(), &fresh.token.bytes, until);
        let browser = TrustedBrowser {
            id: BrowserId::new(self.browsers.last_id),
            last_used_at: None,
            name: name.clone(),
            policy: session.policy.clone(),
            replaced: None,
            row: claims.row,
            series: Digest::of_series(cx, &token),
            since: cx.now,
            token: Digest::of_browser(cx, &token),
            until,
        };
        events.push(EventKind::BrowserTrusted { browser: browser.id });
        self.browsers.trusted.push(browser);
        Decision::changed(Ok(token)).with_events(events).with_notice(OutgoingNotice::of_browser(
            &session.contact,
            Notice::BrowserTrusted,
            name,
        ))
    }

    /// Completes a login that owes a challenge, if its browser is trusted. Otherwise it returns what is to be noted, and the
    /// login continues as without a token.
    pub(super) fn pass_as_trusted(
        &mut self,
        rq: &Request<'_>,
        fresh: &Fresh,
        flow: &mut OpenFlow,
        token: &BrowserToken,
        row: Option<&UserRow>,
    ) -> Result<Decision<Progress>, Noted> {
        let cx = &rq.cx;
        let (at, parallel) = match self.presented(cx, rq.judge.policy, row, token) {
            Presented::Good { at, parallel } => (at, parallel),
            Presented::Ended { at, cause } => {
                let ended = self.browsers.trusted.remove(at);
                let notice = match cause {
                    TrustEnd::Reused => {
                        OutgoingNotice::of_browser(&flow.contact, Notice::BrowserTokenReused, &ended.name)
                    }
                    TrustEnd::AccountChanged | TrustEnd::Displaced | TrustEnd::Revoked | TrustEnd::StricterPolicy => {
                        None
                    }
                };
                let event = EventKind::BrowserTrustEnded { browser: ended.id, cause };
                return Err(Noted { events: Vec::from([event]), notice });
            }
            Presented::Unknown => {
                return Err(Noted { events: Vec::from([EventKind::BrowserNotTrusted]), notice: None });
            }
        };
        let Some(browser) = self.browsers.trusted.get(at).map(|browser| browser.id) else {
            return Err(Noted::default());
        };
        flow.evidence.trusted_browser = Some((browser, cx.now));
        let outlook = self.outlook(cx.now, flow.view(rq.judge.policy));
        let passed = match outlook {
            Outlook::Finished { grace_until } => self.passed(rq, flow, grace_until),
            Outlook::Open(_) | Outlook::Denied(..) => None,
        };
        let Some(mut passed) = passed else {
            // A registration is owed. Trust lifts none, and is not used up by it.
            flow.evidence.trusted_browser = None;
            return Err(Noted::default());
        };
        let decision = match self.browsers.trusted.get_mut(at) {
            Some(browser) if !parallel => {
                let next = BrowserToken::new(cx.user.clone(), token.series(), &fresh.token.bytes, browser.until);
                browser.replaced = Some((browser.token, cx.now));
                // All under the key of now, so that a retired one can be dropped in the end.
                browser.series = Digest::of_series(cx, &next);
                browser.token = Digest::of_browser(cx, &next);
                browser.row = flow.row;
                browser.last_used_at = Some(cx.now);
                passed.authenticated.browser = Some(next);
                Decision::changed(Progress::Finished(passed))
            }
            _ => Decision::unchanged(Progress::Finished(passed)),
        };
        Ok(decision.with_events([EventKind::BrowserAccepted { browser, parallel }, EventKind::LoginCompleted]))
    }

    fn presented(&self, cx: &Context<'_>, policy: &Policy, row: Option<&UserRow>, token: &BrowserToken) -> Presented {
        // The user is part of the digest: a token that names another one matches nothing.
        let of_token = |browser: &TrustedBrowser| browser.is_valid(cx.now) && browser.series.is_of_series(cx, token);
        let Some((at, browser)) = self.browsers.trusted.iter().enumerate().find(|(_, browser)| of_token(browser))
        else {
            return Presented::Unknown;
        };
        let in_parallel = |(replaced, at): &(Digest, Timestamp)| {
            can_be_past(*at, cx.now) && cx.now.saturating_since(*at) < PARALLEL_USE && replaced.is_of_browser(cx, token)
        };
        let is_current = browser.token.is_of_browser(cx, token);
        if !is_current && !browser.replaced.as_ref().is_some_and(in_parallel) {
            // Its name is known to nobody but the browser: this was its token once, and somebody has a copy.
            return Presented::Ended { at, cause: TrustEnd::Reused };
        }
        let key = cx.keys.by_id(browser.row.key);
        if !row.zip(key).is_some_and(|(row, key)| browser.row.is_of(key, row)) {
            return Presented::Ended { at, cause: TrustEnd::AccountChanged };
        }
        if !asks_no_more(policy, &browser.policy) {
            return Presented::Ended { at, cause: TrustEnd::StricterPolicy };
        }
        Presented::Good { at, parallel: !is_current }
    }

    /// Ends the trust in one browser.
    pub(crate) fn revoke_browser(&mut self, cx: &Context<'_>, session: &Session, browser: BrowserId) -> Change<()> {
        if !self.holds(&session.claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        match self.browsers.trusted.iter().position(|trusted| trusted.id == browser) {
            Some(at) => {
                self.browsers.trusted.remove(at);
                let event = EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Revoked };
                Decision::changed(Ok(())).with_event(event)
            }
            None => Decision::unchanged(Err(Refusal::Unknown)),
        }
    }

    pub(super) fn browser_list(&self, now: Timestamp) -> Vec<BrowserInfo> {
        self.browsers.trusted.iter().filter(|browser| browser.is_valid(now)).map(TrustedBrowser::info).collect()
    }
}

impl TrustedBrowser {
    /// Whether the trust holds at `now`. Trust that was given by a clock that was ahead does not.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        now < self.until && can_be_past(self.since, now)
    }

    fn info(&self) -> BrowserInfo {
        let Self { id, last_used_at, name, since, until, .. } = self;
        BrowserInfo { id: *id, name: name.clone(), since: *since, until: *until, last_used_at: *last_used_at }
    }
}

/// Whether nothing was tightened since `then`, which allowed trusted browsers: so `now` allows them, too.
fn asks_no_more(now: &Policy, then: &Policy) -> bool {
    then.allows_trusted_browsers() && Policy::strictest(then, [now]) == *then
}
