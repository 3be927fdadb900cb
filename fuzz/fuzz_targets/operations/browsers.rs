//! The browsers that are known: what each has proved, its tokens, its own guesses and mails, and the trust in it.

use std::collections::BTreeSet;
use std::time::Duration;

use factorgate::audit::TrustEnd;
use factorgate::browser::BrowserId;
use factorgate::limits::Guessing;
use factorgate::policy::Policy;
use factorgate::{Refusal, Timestamp};

use crate::facts::can_be_past;
use crate::guesses::{Charged, Target};
use crate::model::{Row, policies};

/// A token that was given to a browser. All tokens of one trust have the series in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub number: u64,
    series: u64,
}

/// A token that is known, with the wrong codes that were entered with it.
#[derive(Clone, Copy, Debug)]
struct Key {
    token: Token,
    wrong: u32,
    wrong_at: Timestamp,
}

#[derive(Debug)]
pub struct Trust {
    pub policy: usize,
    pub row: Row,
    series: u64,
    since: Timestamp,
    until: Timestamp,
}

#[derive(Debug)]
pub struct Known {
    pub id: BrowserId,
    newest: Key,
    /// The token before, until the newest was seen.
    before: Option<(Key, Timestamp)>,
    /// Whether both count the same wrong codes: nothing was proved for the newest.
    in_common: bool,
    pub mails: Mails,
    proved: BTreeSet<Target>,
    /// The login of its last session.
    session: u64,
    pub trust: Option<Trust>,
    used_at: Timestamp,
}

impl Known {
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        self.trust.as_ref().is_some_and(|trust| now < trust.until && can_be_past(trust.since, now))
    }

    fn key(&mut self, token: u64) -> Option<&mut Key> {
        let before = self.before.as_mut().map(|(key, _)| key);
        [Some(&mut self.newest), before].into_iter().flatten().find(|key| key.token.number == token)
    }
}

/// The browser of a flow, and the number of the token that it has shown.
pub type Shown = (BrowserId, u64);

/// What a token is worth as trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    Accepted { browser: BrowserId, parallel: bool },
    Ended { browser: BrowserId, cause: TrustEnd },
    Nothing,
}

/// A session that trusts its browser.
#[derive(Clone, Debug)]
pub struct Trusting {
    pub policy: usize,
    pub proved: BTreeSet<Target>,
    pub row: Row,
    pub session: u64,
}

/// Whether these are the strongest factors of a user who has a factor, or has none.
fn is_strong(proved: &BTreeSet<Target>, has_factor: bool) -> bool {
    proved.contains(&Target::App) || proved.contains(&Target::External) || !has_factor && !proved.is_empty()
}

#[derive(Debug, Default)]
pub struct Browsers {
    pub known: Vec<Known>,
    last_id: u64,
    last_token: u64,
}

impl Browsers {
    pub fn erase(&mut self) {
        *self = Self { last_token: self.last_token, ..Self::default() };
    }

    pub fn end_trust(&mut self) {
        self.known.iter_mut().for_each(|browser| browser.trust = None);
    }

    pub fn is_trusted(&self, id: BrowserId, now: Timestamp) -> bool {
        self.known.iter().any(|browser| browser.id == id && browser.is_trusted(now))
    }

    fn new_token(&mut self) -> Token {
        self.last_token += 1;
        Token { number: self.last_token, series: self.last_token }
    }

    /// The browser of a flow, if its token is still known.
    pub fn of(&mut self, shown: Option<Shown>) -> Option<&mut Known> {
        let (id, token) = shown?;
        let browser = self.known.iter_mut().find(|browser| browser.id == id)?;
        browser.key(token).is_some().then_some(browser)
    }

    /// The browser that pays for a guess itself.
    fn payer(&mut self, shown: Option<Shown>, target: Target) -> Option<&mut Known> {
        self.of(shown).filter(|browser| browser.proved.contains(&target))
    }

    pub fn pays(&mut self, shown: Option<Shown>, target: Target) -> bool {
        self.payer(shown, target).is_some()
    }

    /// The minute after the fifth wrong code.
    pub fn refusal(&mut self, shown: Option<Shown>, target: Target, now: Timestamp) -> Option<Refusal> {
        let (_, token) = shown?;
        let key = *self.payer(shown, target)?.key(token)?;
        let until = key.wrong_at.saturating_add(Duration::from_secs(60));
        let is_locked = key.wrong == Guessing::LOCK_AFTER && now < until && can_be_past(key.wrong_at, now);
        is_locked.then_some(Refusal::Locked { until })
    }

    pub fn attempts_left(&mut self, shown: Option<Shown>, target: Target) -> Option<u32> {
        let (_, token) = shown?;
        let wrong = self.payer(shown, target)?.key(token)?.wrong;
        Some(if wrong < 5 { 5 - wrong } else { 10 - wrong })
    }

    /// What the wrong code has brought about, and whether it ends trust.
    pub fn charge(&mut self, (id, token): Shown, now: Timestamp) -> (Charged, bool) {
        let place = self.known.iter().position(|browser| browser.id == id).expect("the browser that pays");
        let browser = &mut self.known[place];
        let is_newest = browser.newest.token.number == token;
        let wrong = browser.key(token).expect("the token that pays").wrong + 1;
        let in_common = browser.in_common;
        let before = browser.before.as_mut().map(|(key, _)| key).filter(|_| in_common || !is_newest);
        let newest = Some(&mut browser.newest).filter(|_| in_common || is_newest);
        for key in before.into_iter().chain(newest) {
            (key.wrong, key.wrong_at) = (wrong, now);
        }
        let mut ends_trust = false;
        if wrong == 10 && (is_newest || in_common) {
            ends_trust = self.known.remove(place).is_trusted(now);
        } else if wrong == 10 {
            browser.before = None;
        }
        let locked_until = (wrong == 5).then(|| now.saturating_add(Duration::from_secs(60)));
        (Charged { locked_until, ..Charged::default() }, ends_trust)
    }

    /// What becomes of a login that shows a token, and whether it has a place among those of known browsers.
    pub fn recognize(&mut self, token: Token, has_factor: bool) -> Option<(Shown, bool)> {
        let browser =
            self.known.iter_mut().find_map(|browser| browser.key(token.number).is_some().then_some(browser))?;
        let is_newest = browser.newest.token == token;
        if is_newest {
            browser.before = None;
        }
        Some(((browser.id, token.number), is_newest && is_strong(&browser.proved, has_factor)))
    }

    pub fn of_session(&self, session: u64) -> Option<Shown> {
        let browser = self.known.iter().find(|browser| browser.session == session)?;
        Some((browser.id, browser.newest.token.number))
    }

    /// What a token is worth for a login with `row` under `policy`.
    pub fn worth(&self, token: Option<Token>, row: Row, policy: &Policy, now: Timestamp) -> Worth {
        let Some(token) = token else { return Worth::Nothing };
        let of_series = |browser: &&Known| {
            browser.is_trusted(now) && browser.trust.as_ref().is_some_and(|trust| trust.series == token.series)
        };
        let Some(Known { id, newest, before, trust: Some(trust), .. }) = self.known.iter().find(of_series) else {
            return Worth::Nothing;
        };
        let ended = |cause| Worth::Ended { browser: *id, cause };
        let is_parallel = |(key, at): (Key, Timestamp)| {
            key.token == token && can_be_past(at, now) && now.saturating_since(at).as_secs() < 10
        };
        let parallel = before.is_some_and(is_parallel);
        let then = &policies()[trust.policy].0;
        if newest.token != token && !parallel {
            ended(TrustEnd::Reused)
        } else if trust.row != row {
            ended(TrustEnd::AccountChanged)
        } else if Policy::strictest(then, [policy]) != *then {
            ended(TrustEnd::StricterPolicy)
        } else {
            Worth::Accepted { browser: *id, parallel }
        }
    }

    /// A trusted browser has signed in; it gets the next token of its series.
    pub fn accept(&mut self, id: BrowserId, session: u64, now: Timestamp) -> Token {
        let number = self.new_token().number;
        let browser = self.known.iter_mut().find(|browser| browser.id == id).expect("a browser that is trusted");
        let Key { token, .. } = browser.newest;
        browser.before = Some((browser.newest, now));
        browser.newest.token = Token { number, ..token };
        browser.in_common = true;
        (browser.session, browser.used_at) = (session, now);
        browser.newest.token
    }

    /// A login has ended well. Gives the token for the cookie, and the browser that is no longer trusted.
    pub fn sign_in(
        &mut self,
        shown: Option<Shown>,
        proved: &BTreeSet<Target>,
        session: u64,
        has_factor: bool,
        now: Timestamp,
    ) -> (Option<Token>, Option<BrowserId>) {
        if proved.is_empty() {
            return (None, None);
        }
        let token = self.new_token();
        let strong = is_strong(proved, has_factor);
        let Some(browser) = self.of(shown) else {
            let displaced = self.add(token, proved, session, has_factor, now);
            return (Some(token), displaced);
        };
        let was = shown.and_then(|(_, token)| browser.key(token).copied()).expect("the token of the flow");
        let is_weaker = is_strong(&browser.proved, has_factor) && !strong;
        if is_weaker && was.token != browser.newest.token {
            return (None, None);
        }
        browser.before = Some((was, now));
        browser.in_common = is_weaker;
        browser.newest = if is_weaker { Key { token, ..was } } else { Key { token, wrong: 0, wrong_at: now } };
        browser.proved.extend(proved);
        (browser.session, browser.used_at) = (session, now);
        if let Some(trust) = &mut browser.trust {
            trust.series = token.series;
        }
        (Some(token), None)
    }

    /// A flow of a session has ended well.
    pub fn learn(
        &mut self,
        shown: Option<Shown>,
        proved: &BTreeSet<Target>,
        session: u64,
        is_step_up: bool,
        has_factor: bool,
        now: Timestamp,
    ) -> (Option<Token>, Option<BrowserId>) {
        match self.of(shown) {
            Some(browser) => {
                browser.proved.extend(proved);
                (None, None)
            }
            None if is_step_up => (None, None),
            None => self.sign_in(None, proved, session, has_factor, now),
        }
    }

    /// Gives the browser that is no longer trusted.
    fn add(
        &mut self,
        token: Token,
        proved: &BTreeSet<Target>,
        session: u64,
        has_factor: bool,
        now: Timestamp,
    ) -> Option<BrowserId> {
        let weak = |browser: &Known| !is_strong(&browser.proved, has_factor);
        let weak_ones = self.known.iter().filter(|browser| weak(browser)).count();
        let is_full = self.known.len() == 10;
        // Weak ones have three places, and make way first.
        let leaves = if !is_strong(proved, has_factor) && weak_ones >= 3 || is_full && weak_ones > 0 {
            self.known.iter().filter(|browser| weak(browser)).map(|browser| (browser.used_at, browser.id)).min()
        } else if is_full {
            self.known.iter().map(|browser| (browser.used_at, browser.id)).min()
        } else {
            None
        };
        let place = leaves.and_then(|(_, id)| self.known.iter().position(|browser| browser.id == id));
        let left = place.map(|place| self.known.remove(place));
        self.last_id += 1;
        self.known.push(Known {
            id: BrowserId::new(self.last_id),
            newest: Key { token, wrong: 0, wrong_at: now },
            before: None,
            in_common: false,
            mails: Mails::default(),
            proved: proved.clone(),
            session,
            trust: None,
            used_at: now,
        });
        left.filter(|browser| browser.is_trusted(now)).map(|browser| browser.id)
    }

    /// A session trusts its browser: which one that is, its token, and those that are no longer trusted.
    pub fn trust(&mut self, by: &Trusting, has_factor: bool, now: Timestamp) -> (BrowserId, Token, Vec<BrowserId>) {
        let mut ended = Vec::new();
        for browser in &mut self.known {
            browser.trust = browser.trust.take().filter(|trust| now < trust.until);
        }
        let token = self.new_token();
        if self.of_session(by.session).is_none() {
            ended.extend(self.add(token, &by.proved, by.session, has_factor, now));
        }
        let (id, _) = self.of_session(by.session).expect("a browser that is known now");
        let others = self.known.iter().filter(|browser| browser.id != id);
        let trusted: BTreeSet<_> =
            others.filter_map(|browser| Some((browser.trust.as_ref()?.since, browser.id))).collect();
        let displaced = trusted.first().filter(|_| trusted.len() >= 5).map(|(_, id)| *id);
        for browser in &mut self.known {
            if displaced == Some(browser.id) {
                browser.trust = None;
            }
            if browser.id != id {
                continue;
            }
            if browser.newest.token != token {
                browser.before = Some((browser.newest, now));
                browser.newest.token = token;
                browser.in_common = true;
            }
            let until = now.saturating_add(Duration::from_secs(30 * 86_400));
            let Trusting { policy, row, .. } = *by;
            browser.trust = Some(Trust { policy, row, series: token.series, since: now, until });
        }
        ended.extend(displaced);
        (id, token, ended)
    }
}

/// The codes that were mailed to a known browser, or to all others.
#[derive(Clone, Debug, Default)]
pub struct Mails {
    times: Vec<Timestamp>,
    /// The next one need not wait for 30 seconds.
    pub failed: bool,
}

impl Mails {
    fn of_the_hour(&self, now: Timestamp) -> Vec<Timestamp> {
        let hour = Duration::from_secs(3600);
        let is_of_it = |at: &Timestamp| can_be_past(*at, now) && now.saturating_since(*at) < hour;
        self.times.iter().copied().filter(is_of_it).collect()
    }

    /// When the next code may be mailed, if not now.
    pub fn wait(&self, now: Timestamp) -> Option<Timestamp> {
        let sent = self.of_the_hour(now);
        let pause = sent.last().filter(|_| !self.failed).map(|at| at.saturating_add(Duration::from_secs(30)));
        let hour = sent.iter().rev().nth(9).map(|at| at.saturating_add(Duration::from_secs(3600)));
        pause.max(hour).filter(|until| now < *until)
    }

    pub fn count(&mut self, now: Timestamp) {
        assert_eq!(self.wait(now), None, "a code was mailed too soon");
        self.times = self.of_the_hour(now);
        self.times.push(now);
        self.failed = false;
    }
}
