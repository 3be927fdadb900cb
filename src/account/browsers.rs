//! Known browsers: each has a token that a sign-in replaces, and guesses of its own. A user can trust some of them.

use alloc::vec::Vec;
use core::time::Duration;

use super::outlook::Outlook;
use super::{
    Account, Change, Context, Decision, Digest, FLOW_LIFETIME, Fresh, OpenFlow, OutgoingNotice, Progress, Request,
};
use crate::audit::{EventKind, TrustEnd};
use crate::browser::{BrowserId, BrowserInfo, BrowserName, BrowserToken};
use crate::flow::{Purpose, Refusal, RowDigest, Session, UserRow};
use crate::limits::{Guessing, Issues, Target, can_be_past};
use crate::mac::TAG_LEN;
use crate::mail::Notice;
use crate::policy::{ExternalEvidence, Policy};
use crate::time::Timestamp;

/// The most browsers that are known of a user; the one that was used least recently makes way for a new one.
pub(crate) const MAX_KNOWN: usize = 10;
/// The most of them that have proved no more than an e-mail code. They displace only each other: otherwise an attacker who
/// reads the mailbox displaces the browsers of the owner.
pub(crate) const MAX_WEAK: usize = 3;
/// The most browsers that a user can trust; the oldest trust makes way for a new one.
pub(crate) const MAX_TRUSTED: usize = 5;
/// For how long the token before the last is taken for trust once it was replaced: two tabs that are opened at once send
/// the same cookie. It is not replaced a second time, so that a copy of it is worthless after this time.
pub(crate) const PARALLEL_USE: Duration = Duration::from_secs(10);

/// The browsers that are known of a user.
#[derive(Default)]
pub(crate) struct Browsers {
    pub(crate) known: Vec<KnownBrowser>,
    pub(crate) last_id: u64,
}

pub(crate) struct KnownBrowser {
    pub(crate) id: BrowserId,
    /// The factors that it has proved, a bit for each [`Target`].
    pub(crate) proved: u8,
    /// The token before. It is known until the newest was presented: an answer may have been lost.
    pub(crate) replaced: Option<Replaced>,
    /// The codes that were mailed to flows of this browser.
    pub(crate) sent: Issues,
    /// The number of the session that was opened last in it.
    pub(crate) session: u64,
    pub(crate) token: Digest,
    pub(crate) trust: Option<Trust>,
    pub(crate) used_at: Timestamp,
    pub(crate) wrong: WrongCodes,
}

pub(crate) struct Replaced {
    pub(crate) at: Timestamp,
    pub(crate) token: Digest,
    /// Its own count, if it was replaced by a proof of the strongest factor; otherwise it shares that of the newest token.
    /// With two counts, a copy of a trusted token would get new guesses from each sign-in without a code.
    pub(crate) wrong: Option<WrongCodes>,
}

/// The wrong codes entered with a token.
#[derive(Clone, Copy, Default)]
pub(crate) struct WrongCodes {
    pub(crate) count: u32,
    pub(crate) last_at: Option<Timestamp>,
}

pub(crate) struct Trust {
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) name: BrowserName,
    /// The policy that was met by the login that trusted it.
    pub(crate) policy: Policy,
    /// The row that it was trusted for.
    pub(crate) row: RowDigest,
    /// What all its tokens have in common, by which an old copy is recognized.
    pub(crate) series: Digest,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

/// The browser of a flow, and the token that it has presented.
#[derive(Clone, Copy)]
pub(crate) struct FlowBrowser {
    pub(crate) id: BrowserId,
    pub(crate) tag: [u8; TAG_LEN],
}

/// What is to be told of a token that did not let its browser pass.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) events: Vec<EventKind>,
    pub(super) notice: Option<OutgoingNotice>,
}

impl Browsers {
    pub(crate) fn is_trusted(&self, id: BrowserId, now: Timestamp) -> bool {
        self.known.iter().any(|browser| browser.id == id && browser.trust(now).is_some())
    }

    /// Ends the trust in every browser. They stay known: that grants no more than guesses.
    pub(super) fn end_trust(&mut self) {
        self.known.iter_mut().for_each(|browser| browser.trust = None);
    }

    /// Makes room for the trust in the browser of a session: the oldest of the others ends.
    fn displace_trust(&mut self, session: u64, now: Timestamp) -> Option<EventKind> {
        self.known.iter_mut().for_each(|browser| drop(browser.trust.take_if(|trust| now >= trust.until)));
        let others = |browser: &&mut KnownBrowser| browser.trust.is_some() && browser.session != session;
        let mut trusted: Vec<_> = self.known.iter_mut().filter(others).collect();
        if trusted.len() < MAX_TRUSTED {
            return None;
        }
        trusted.sort_by_key(|browser| (browser.trust.as_ref().map(|trust| trust.since), browser.id.get()));
        let oldest = trusted.into_iter().next()?;
        oldest.trust = None;
        Some(EventKind::BrowserTrustEnded { browser: oldest.id, cause: TrustEnd::Displaced })
    }

    /// The place of the browser of a flow, unless its token was replaced twice meanwhile: then it is unknown.
    pub(super) fn of_flow(&self, flow: &OpenFlow) -> Option<usize> {
        let FlowBrowser { id, tag } = flow.browser?;
        let at = self.known.iter().position(|browser| browser.id == id)?;
        self.known.get(at)?.wrong(&tag).map(|_| at)
    }

    pub(super) fn is_known_for(&self, at: usize, target: Target) -> bool {
        self.known.get(at).is_some_and(|browser| browser.proved & target.bit() != 0)
    }

    /// Until when the token of a flow is locked.
    pub(super) fn locked(&self, at: usize, flow: &OpenFlow, cx: &Context<'_>) -> Option<Timestamp> {
        let rules = &cx.rules.guessing;
        let wrong = self.known.get(at)?.wrong(&flow.browser?.tag).filter(|wrong| wrong.count == rules.lock_after)?;
        let until = wrong.last_at.filter(|at| can_be_past(*at, cx.now))?.saturating_add(rules.first_lock);
        Some(until).filter(|until| cx.now < *until)
    }

    pub(super) fn attempts_left(&self, at: usize, flow: &OpenFlow, rules: &Guessing) -> u32 {
        let wrong =
            self.known.get(at).zip(flow.browser).and_then(|(browser, FlowBrowser { tag, .. })| browser.wrong(&tag));
        let count = wrong.map_or(0, |wrong| wrong.count);
        if count < rules.lock_after { rules.lock_after - count } else { rules.known.saturating_sub(count) }
    }

    /// Counts a wrong code entered with the token of a flow; returns until when nothing is compared, if this begins a
    /// lock, and the event of a trust that ends. After too many of them the token is worthless.
    pub(super) fn charge(
        &mut self,
        at: usize,
        flow: &OpenFlow,
        cx: &Context<'_>,
    ) -> Option<(Option<Timestamp>, Option<EventKind>)> {
        let rules = &cx.rules.guessing;
        let (browser, FlowBrowser { tag, .. }) = self.known.get_mut(at).zip(flow.browser)?;
        let own = browser.replaced.as_mut().filter(|replaced| replaced.token.tag == tag);
        let own = own.and_then(|replaced| replaced.wrong.as_mut());
        let is_shared = own.is_none();
        let wrong = own.unwrap_or(&mut browser.wrong);
        *wrong = WrongCodes { count: wrong.count + 1, last_at: Some(cx.now) };
        let count = wrong.count;
        let locked = (count == rules.lock_after).then(|| cx.now.saturating_add(rules.first_lock));
        if count < rules.known {
            return Some((locked, None));
        }
        browser.replaced = None;
        let dropped = if is_shared { Some(self.known.remove(at)) } else { None };
        Some((locked, dropped.and_then(|browser| browser.trust_ended(TrustEnd::WrongCodes, cx.now))))
    }
}

impl KnownBrowser {
    /// The trust that holds at `now`. Trust that was given by a clock that was ahead does not.
    pub(super) fn trust(&self, now: Timestamp) -> Option<&Trust> {
        self.trust.as_ref().filter(|trust| now < trust.until && can_be_past(trust.since, now))
    }

    /// What was entered with a token; `None` if it is not a token of this browser, or no longer.
    fn wrong(&self, tag: &[u8; TAG_LEN]) -> Option<&WrongCodes> {
        match &self.replaced {
            _ if self.token.tag == *tag => Some(&self.wrong),
            Some(replaced) if replaced.token.tag == *tag => Some(replaced.wrong.as_ref().unwrap_or(&self.wrong)),
            _ => None,
        }
    }

    /// Replaces the token of a browser that has proved nothing new: both share one count.
    fn replace_token(&mut self, token: Digest, now: Timestamp) {
        let before = core::mem::replace(&mut self.token, token);
        self.replaced = Some(Replaced { at: now, token: before, wrong: None });
    }

    /// The event of the trust that ends with this browser.
    fn trust_ended(self, cause: TrustEnd, now: Timestamp) -> Option<EventKind> {
        self.trust(now).map(|_| EventKind::BrowserTrustEnded { browser: self.id, cause })
    }

    fn info(&self, now: Timestamp) -> Option<BrowserInfo> {
        let Trust { last_used_at, name, since, until, .. } = self.trust(now)?;
        let (name, since) = (name.clone(), *since);
        Some(BrowserInfo { id: self.id, name, since, until: *until, last_used_at: *last_used_at })
    }
}

impl Account {
    /// Whether these factors are the strongest of the user: without a device or an external factor, an e-mail code is.
    fn is_strong(&self, proved: u8) -> bool {
        let has_factor = !self.devices.is_empty() || !self.external.is_empty();
        proved & (Target::App.bit() | Target::External.bit()) != 0 || !has_factor && proved & Target::Email.bit() != 0
    }

    /// Recognizes the browser of a login by its token, and whether it has the newest token of a browser that has proved the
    /// strongest factor: only that uses the places of known browsers, so that nobody else can end its flows.
    pub(super) fn recognize(&mut self, cx: &Context<'_>, token: &BrowserToken) -> Option<(FlowBrowser, bool)> {
        let known = &mut self.browsers.known;
        let is_newest = |browser: &KnownBrowser| browser.token.is_of_browser(cx, token);
        let (browser, tag) = known.iter_mut().find_map(|browser| {
            let tag = if is_newest(browser) {
                browser.token.tag
            } else {
                browser.replaced.as_ref().filter(|replaced| replaced.token.is_of_browser(cx, token))?.token.tag
            };
            Some((browser, tag))
        })?;
        let is_newest = browser.token.tag == tag;
        if is_newest {
            // It has arrived: the one before is worthless.
            browser.replaced = None;
        }
        let (found, proved) = (FlowBrowser { id: browser.id, tag }, browser.proved);
        Some((found, is_newest && self.is_strong(proved)))
    }

    /// The browser that opened a session, if it is known.
    pub(super) fn browser_of_session(&self, session: u64) -> Option<FlowBrowser> {
        let browser = self.browsers.known.iter().find(|browser| browser.session == session)?;
        Some(FlowBrowser { id: browser.id, tag: browser.token.tag })
    }

    /// Knows the browser of a flow that has ended well, for what it has proved. After a login it gets a new token, and with
    /// it new guesses. The event is that of a trust that this displaces.
    pub(super) fn know(
        &mut self,
        cx: &Context<'_>,
        fresh: &Fresh,
        flow: &OpenFlow,
    ) -> (Option<BrowserToken>, Option<EventKind>) {
        // A recovery code is of no browser.
        let proved = flow.proved & !Target::Recovery.bit();
        let strong = self.is_strong(proved);
        let (token, digest) = new_token(cx, fresh);
        let at = self.browsers.of_flow(flow);
        // A step-up follows a sign-in, which gave a cookie: one that was lost since is not made up for.
        if proved == 0 || at.is_none() && flow.purpose == Purpose::StepUp {
            return (None, None);
        }
        let was_strong =
            at.and_then(|at| self.browsers.known.get(at)).is_some_and(|known| self.is_strong(known.proved));
        let known = at.and_then(|at| self.browsers.known.get_mut(at)).zip(flow.browser);
        let Some((browser, FlowBrowser { tag, .. })) = known else {
            let displaced = self.make_way(strong, cx.now);
            self.add_browser(cx, proved, flow.session, digest);
            return (Some(token), displaced);
        };
        if flow.purpose != Purpose::Login {
            browser.proved |= proved;
            return (None, None);
        }
        let is_weaker = was_strong && !strong;
        // An old token and an e-mail code do not take the newest token from the browser that has it: this may be another
        // tab of it, or a copy.
        if is_weaker && browser.token.tag != tag {
            return (None, None);
        }
        let wrong = browser.wrong(&tag).copied();
        if is_weaker {
            // Only a proof as strong as those before gives it new guesses.
            browser.replace_token(digest, cx.now);
        } else {
            let old = browser.replaced.take().map(|old| old.token);
            let before = if browser.token.tag == tag { Some(browser.token) } else { old };
            browser.replaced = before.map(|token| Replaced { at: cx.now, token, wrong });
            (browser.token, browser.wrong) = (digest, WrongCodes::default());
        }
        (browser.proved, browser.session, browser.used_at) = (browser.proved | proved, flow.session, cx.now);
        if let Some(trust) = &mut browser.trust {
            trust.series = Digest::of_series(cx, &token);
        }
        (Some(token), None)
    }

    /// Makes room for one more known browser.
    fn make_way(&mut self, strong: bool, now: Timestamp) -> Option<EventKind> {
        let is_weak = |browser: &KnownBrowser| !self.is_strong(browser.proved);
        let known = &self.browsers.known;
        let weak = known.iter().filter(|browser| is_weak(browser)).count();
        let is_full = known.len() >= MAX_KNOWN;
        let only_weak = !strong && weak >= MAX_WEAK || is_full && weak > 0;
        if !only_weak && !is_full {
            return None;
        }
        let candidates = known.iter().enumerate().filter(|(_, browser)| !only_weak || is_weak(browser));
        let (oldest, _) = candidates.min_by_key(|(_, browser)| browser.used_at)?;
        self.browsers.known.remove(oldest).trust_ended(TrustEnd::Displaced, now)
    }

    fn add_browser(&mut self, cx: &Context<'_>, proved: u8, session: u64, token: Digest) {
        self.browsers.last_id = self.browsers.last_id.saturating_add(1);
        self.browsers.known.push(KnownBrowser {
            id: BrowserId::new(self.browsers.last_id),
            proved,
            replaced: None,
            sent: Issues::default(),
            session,
            token,
            trust: None,
            used_at: cx.now,
            wrong: WrongCodes::default(),
        });
    }

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
        let (token, digest) = new_token(cx, fresh);
        let mut events = Vec::new();
        if !self.browsers.known.iter().any(|browser| browser.session == claims.number) {
            let app = evidence.app_code.or(evidence.registered).map_or(0, |_| Target::App.bit());
            let external = if evidence.external.is_empty() { 0 } else { Target::External.bit() };
            events.extend(self.make_way(true, cx.now));
            self.add_browser(cx, app | external, claims.number, digest);
        }
        events.extend(self.browsers.displace_trust(claims.number, cx.now));
        let Some(browser) = self.browsers.known.iter_mut().find(|browser| browser.session == claims.number) else {
            return Decision::unchanged(Err(Refusal::TrustNotAllowed));
        };
        if browser.token.tag != digest.tag {
            browser.replace_token(digest, cx.now);
        }
        browser.trust = Some(Trust {
            last_used_at: None,
            name: name.clone(),
            policy: session.policy.clone(),
            row: claims.row,
            series: Digest::of_series(cx, &token),
            since: cx.now,
            until: cx.now.saturating_add(cx.rules.trust_lifetime),
        });
        events.push(EventKind::BrowserTrusted { browser: browser.id });
        Decision::changed(Ok(token)).with_events(events).with_notice(OutgoingNotice::of_browser(
            &session.contact,
            Notice::BrowserTrusted,
            name,
        ))
    }

    /// Completes a login that owes a challenge, if its browser is trusted. Otherwise it returns what is to be noted, and
    /// the login continues as without trust.
    pub(super) fn pass_as_trusted(
        &mut self,
        rq: &Request<'_>,
        fresh: &Fresh,
        flow: &mut OpenFlow,
        token: &BrowserToken,
        row: Option<&UserRow>,
    ) -> Result<Decision<Progress>, Noted> {
        let cx = &rq.cx;
        let Some((at, worth)) = self.presented(cx, rq.judge.policy, row, token) else { return Err(Noted::default()) };
        let Some(held) = self.browsers.known.get_mut(at) else { return Err(Noted::default()) };
        let browser = held.id;
        let parallel = match worth {
            Ok(parallel) => parallel,
            Err(cause) => {
                let copied = held.trust.take().filter(|_| cause == TrustEnd::Reused);
                let notice =
                    |trust: Trust| OutgoingNotice::of_browser(&flow.contact, Notice::BrowserTokenReused, &trust.name);
                let events = Vec::from([EventKind::BrowserTrustEnded { browser, cause }]);
                return Err(Noted { events, notice: copied.and_then(notice) });
            }
        };
        flow.evidence.trusted_browser = Some((browser, cx.now));
        let passed = match self.outlook(cx.now, flow.view(rq.judge.policy)) {
            Outlook::Finished { grace_until } => self.passed(rq, flow, grace_until),
            Outlook::Open(_) | Outlook::Denied(..) => None,
        };
        let Some(mut passed) = passed else {
            // A registration is owed. Trust lifts none, and is not used up by it.
            flow.evidence.trusted_browser = None;
            return Err(Noted::default());
        };
        let decision = match self.browsers.known.get_mut(at) {
            Some(browser) if !parallel => {
                let next = BrowserToken::new(cx.user.clone(), token.series(), &fresh.token.bytes, cx.now);
                // All under the key of now, so that a retired one can be dropped in the end.
                browser.replace_token(Digest::of_browser(cx, &next), cx.now);
                (browser.session, browser.used_at) = (flow.session, cx.now);
                if let Some(trust) = &mut browser.trust {
                    trust.series = Digest::of_series(cx, &next);
                    trust.row = flow.row;
                    trust.last_used_at = Some(cx.now);
                }
                passed.authenticated.browser = Some(next);
                Decision::changed(Progress::Finished(passed))
            }
            _ => Decision::unchanged(Progress::Finished(passed)),
        };
        Ok(decision.with_events([EventKind::BrowserAccepted { browser, parallel }, EventKind::LoginCompleted]))
    }

    /// The trusted browser that a token is of, and whether the token is one that may be used in parallel; or why the trust
    /// ends.
    fn presented(
        &self,
        cx: &Context<'_>,
        policy: &Policy,
        row: Option<&UserRow>,
        token: &BrowserToken,
    ) -> Option<(usize, Result<bool, TrustEnd>)> {
        // The user is part of the digest: a token that names another one matches nothing.
        let (at, browser, trust) = self.browsers.known.iter().enumerate().find_map(|(at, browser)| {
            Some((at, browser, browser.trust(cx.now).filter(|trust| trust.series.is_of_series(cx, token))?))
        })?;
        let in_parallel = |replaced: &Replaced| {
            can_be_past(replaced.at, cx.now)
                && cx.now.saturating_since(replaced.at) < PARALLEL_USE
                && replaced.token.is_of_browser(cx, token)
        };
        let is_current = browser.token.is_of_browser(cx, token);
        let is_of_row = |row| cx.keys.by_id(trust.row.key).is_some_and(|key| trust.row.is_of(key, row));
        let worth = if !is_current && !browser.replaced.as_ref().is_some_and(in_parallel) {
            // What its tokens have in common is known to nobody but the browser: this was its token once, and somebody has
            // a copy.
            Err(TrustEnd::Reused)
        } else if !row.is_some_and(is_of_row) {
            Err(TrustEnd::AccountChanged)
        } else if !asks_no_more(policy, &trust.policy) {
            Err(TrustEnd::StricterPolicy)
        } else {
            Ok(!is_current)
        };
        Some((at, worth))
    }

    /// Ends the trust in one browser, and forgets it.
    pub(crate) fn revoke_browser(&mut self, cx: &Context<'_>, session: &Session, browser: BrowserId) -> Change<()> {
        if !self.holds(&session.claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        let known = &mut self.browsers.known;
        let at = known.iter().position(|known| known.id == browser && known.trust.is_some());
        let Some(at) = at else { return Decision::unchanged(Err(Refusal::Unknown)) };
        known.remove(at);
        Decision::changed(Ok(())).with_event(EventKind::BrowserTrustEnded { browser, cause: TrustEnd::Revoked })
    }

    /// Forgets every browser: the next login in each of them is that of an unknown one.
    pub(crate) fn forget_browsers(&mut self, cx: &Context<'_>, session: &Session) -> Change<()> {
        if !self.holds(&session.claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        let known = core::mem::take(&mut self.browsers.known).into_iter();
        let ended: Vec<_> = known.filter_map(|browser| browser.trust_ended(TrustEnd::Revoked, cx.now)).collect();
        Decision::changed(Ok(())).with_events(ended)
    }

    pub(super) fn browser_list(&self, now: Timestamp) -> Vec<BrowserInfo> {
        self.browsers.known.iter().filter_map(|browser| browser.info(now)).collect()
    }
}

/// A token for a browser that has proved something, and what is kept of it.
fn new_token(cx: &Context<'_>, fresh: &Fresh) -> (BrowserToken, Digest) {
    let token = BrowserToken::new(cx.user.clone(), fresh.series.as_slice(), &fresh.token.bytes, cx.now);
    let digest = Digest::of_browser(cx, &token);
    (token, digest)
}

/// Whether nothing was tightened since `then`, which allowed trusted browsers: so `now` allows them, too.
fn asks_no_more(now: &Policy, then: &Policy) -> bool {
    then.allows_trusted_browsers() && Policy::strictest(then, [now]) == *then
}
