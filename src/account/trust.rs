//! Trusted browsers: a filter on the finished plan, by a token that each use replaces.

use alloc::vec::Vec;
use core::time::Duration;

use super::flow::{Outlook, finished};
use super::{Account, Context, Decision, Digest, FLOW_LIFETIME, Fresh, OpenFlow, Outgoing, Progress};
use crate::browser::{BrowserId, BrowserInfo, BrowserName};
use crate::event::{EventKind, TrustEnd};
use crate::login::{Assurance, Authenticated, BrowserToken, TrustRefused};
use crate::mailer::Notice;
use crate::policy::Policy;
use crate::time::Timestamp;

/// The most browsers that a user can trust; the oldest makes way for a new one.
pub(crate) const MAX_BROWSERS: usize = 5;
/// For how long the token before the last is taken once it was replaced: two tabs that are opened at once send the
/// same cookie. It is not replaced a second time, so that a copy of it is good for nothing when this time is over.
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
    pub(super) notice: Option<Outgoing>,
}

impl Browsers {
    pub(crate) fn is_trusted(&self, id: BrowserId, now: Timestamp) -> bool {
        self.trusted.iter().any(|browser| browser.id == id && now < browser.until)
    }
}

impl Account {
    /// Trusts the browser of a login that was completed, for the policy that the login has met.
    pub(crate) fn trust_browser(
        &mut self,
        cx: Context<'_>,
        fresh: &Fresh,
        passed: &Authenticated,
        name: &BrowserName,
        policy: &Policy,
    ) -> Decision<Result<(BrowserToken, BrowserInfo), TrustRefused>> {
        let age = cx.now.saturating_since(passed.at);
        if passed.epoch != self.epoch || age > FLOW_LIFETIME {
            return Decision::unchanged(Err(TrustRefused::LoginEnded));
        }
        if !asks_no_more(policy, &passed.policy) {
            return Decision::unchanged(Err(TrustRefused::Policy));
        }
        // A recovered login leads to a device first, whatever else it has proved.
        if passed.assurance() < Assurance::TwoFactor || passed.evidence.is_recovered() {
            return Decision::unchanged(Err(TrustRefused::Assurance));
        }
        self.browsers.trusted.retain(|browser| cx.now < browser.until);
        let mut events = Vec::new();
        if self.browsers.trusted.len() >= MAX_BROWSERS {
            let browser = self.browsers.trusted.remove(0).id;
            events.push(EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Displaced });
        }
        self.browsers.last_id = self.browsers.last_id.saturating_add(1);
        let token = BrowserToken::new(cx.user.clone(), fresh.series.as_slice(), &fresh.token.bytes);
        let browser = TrustedBrowser {
            id: BrowserId::new(self.browsers.last_id),
            last_used_at: None,
            name: name.clone(),
            policy: passed.policy.clone(),
            replaced: None,
            series: Digest::of_series(&cx, &token),
            since: cx.now,
            token: Digest::of_browser(&cx, &token),
            until: cx.now.saturating_add(cx.rules.trust_lifetime),
        };
        let info = browser.info();
        events.push(EventKind::BrowserTrusted { browser: browser.id });
        self.browsers.trusted.push(browser);
        let mut decision = Decision::changed(Ok((token, info)));
        decision.events = events;
        decision.with_mail(Outgoing::browser_notice(&passed.contact, Notice::BrowserTrusted, name))
    }

    /// Finishes a login that owes a challenge, if its browser is trusted. Otherwise it gives what is to be noted,
    /// and the login goes on as without a token.
    pub(super) fn pass_as_trusted(
        &mut self,
        cx: &Context<'_>,
        fresh: &Fresh,
        flow: &mut OpenFlow,
        policy: &Policy,
        token: &BrowserToken,
    ) -> Result<Decision<Progress>, Noted> {
        let (at, parallel) = match self.presented(cx, policy, token) {
            Presented::Good { at, parallel } => (at, parallel),
            Presented::Ended { at, cause } => {
                let ended = self.browsers.trusted.remove(at);
                let notice = match cause {
                    TrustEnd::Reused => {
                        Outgoing::browser_notice(&flow.contact, Notice::BrowserTokenReused, &ended.name)
                    }
                    TrustEnd::Displaced | TrustEnd::Revoked | TrustEnd::StricterPolicy => None,
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
        let Outlook::Finished { grace_until } = self.outlook(cx, flow, policy) else {
            // A registration is owed. Trust lifts none, and is not used up by it.
            flow.evidence.trusted_browser = None;
            return Err(Noted::default());
        };
        let mut finished = finished(cx, flow, policy, grace_until);
        let mut decision = match self.browsers.trusted.get_mut(at) {
            Some(browser) if !parallel => {
                let next = BrowserToken::new(cx.user.clone(), token.series(), &fresh.token.bytes);
                browser.replaced = Some((browser.token, cx.now));
                // Both under the key of now, so that a retired one can be taken away in the end.
                browser.series = Digest::of_series(cx, &next);
                browser.token = Digest::of_browser(cx, &next);
                browser.last_used_at = Some(cx.now);
                finished.browser = Some(next);
                Decision::changed(Progress::Finished(finished))
            }
            _ => Decision::unchanged(Progress::Finished(finished)),
        };
        decision.events = Vec::from([EventKind::BrowserAccepted { browser, parallel }, EventKind::LoginCompleted]);
        Ok(decision)
    }

    fn presented(&self, cx: &Context<'_>, policy: &Policy, token: &BrowserToken) -> Presented {
        // The user is part of the digest: a token that names another one matches nothing.
        let of_token = |browser: &TrustedBrowser| cx.now < browser.until && browser.series.is_of_series(cx, token);
        let Some((at, browser)) = self.browsers.trusted.iter().enumerate().find(|(_, browser)| of_token(browser))
        else {
            return Presented::Unknown;
        };
        let in_parallel = |(replaced, at): &(Digest, Timestamp)| {
            cx.now.saturating_since(*at) < PARALLEL_USE && replaced.is_of_browser(cx, token)
        };
        let is_current = browser.token.is_of_browser(cx, token);
        if !is_current && !browser.replaced.as_ref().is_some_and(in_parallel) {
            // Its name is known to nobody but the browser: this was its token once, and somebody has a copy.
            return Presented::Ended { at, cause: TrustEnd::Reused };
        }
        if !asks_no_more(policy, &browser.policy) {
            return Presented::Ended { at, cause: TrustEnd::StricterPolicy };
        }
        Presented::Good { at, parallel: !is_current }
    }

    /// Ends the trust in one browser, or in all.
    pub(crate) fn revoke_browsers(&mut self, only: Option<BrowserId>) -> Decision<()> {
        let (revoked, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.browsers.trusted)
            .into_iter()
            .partition(|browser| only.is_none_or(|id| browser.id == id));
        self.browsers.trusted = kept;
        let mut decision = if revoked.is_empty() { Decision::unchanged(()) } else { Decision::changed(()) };
        let event =
            |browser: TrustedBrowser| EventKind::BrowserTrustEnded { browser: browser.id, cause: TrustEnd::Revoked };
        decision.events = revoked.into_iter().map(event).collect();
        decision
    }

    pub(crate) fn browser_list(&self, now: Timestamp) -> Vec<BrowserInfo> {
        let alive = |browser: &&TrustedBrowser| now < browser.until;
        self.browsers.trusted.iter().filter(alive).map(TrustedBrowser::info).collect()
    }
}

impl TrustedBrowser {
    fn info(&self) -> BrowserInfo {
        let Self { id, last_used_at, name, since, until, .. } = self;
        BrowserInfo { id: *id, name: name.clone(), since: *since, until: *until, last_used_at: *last_used_at }
    }
}

/// Whether nothing was tightened since `then`, which allowed trusted browsers: so `now` allows them, too.
fn asks_no_more(now: &Policy, then: &Policy) -> bool {
    then.allows_trusted_browsers() && Policy::strictest(then, [now]) == *then
}
