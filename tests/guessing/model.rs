//! The transitions: what each action of a history changes, and what it costs.

use super::budget::Budget;
use super::rules::{NEVER, Policy, Rules, Simpler, Time};
use super::state::{
    APP, Action, Answer, Browser, Cookie, Flow, Ghost, Key, MAIL, Out, Person, RECOVERY, RecoveryTyped, State, Typed,
};

impl State {
    pub(crate) fn new(r: &Rules, devices: usize) -> Self {
        Self {
            now: 0,
            budgets: [Budget::full(r); 2],
            devices: vec![(0, NEVER); devices],
            browsers: Vec::new(),
            flows: Vec::new(),
            recovery: (2, 0),
            mail_failures: 0,
            sent: (0, NEVER),
            granted_at: NEVER,
            ids: 1,
            ghost: Ghost {
                cookie: 0,
                copy: 0,
                thief: 0,
                attacker_has_password: true,
                inside: false,
                units: 0,
                paid: 0,
                life: 0,
                jumps: 0,
                off: 0,
                restored: 0,
                resets: 0,
            },
        }
    }

    /// The state after an action, and what came of it.
    pub(crate) fn step(&self, r: &Rules, action: Action) -> (Self, Out) {
        let mut s = self.clone();
        let out = s.act(r, action);
        (s, out)
    }

    fn act(&mut self, r: &Rules, action: Action) -> Out {
        let (who, id) = match action {
            Action::Wait(time) => {
                (self.now, self.ghost.life) = (self.now + time, self.ghost.life + time);
                return Answer::Ok.into();
            }
            Action::Jump(time) => {
                (self.now, self.ghost.off) = (self.now + time, self.ghost.off + time);
                self.ghost.jumps += 1;
                return Answer::Ok.into();
            }
            Action::Copy => {
                self.ghost.copy = self.ghost.cookie;
                return Answer::Ok.into();
            }
            Action::Trust => {
                let cookie = self.ghost.cookie;
                if let Some(browser) =
                    self.browsers.iter_mut().find(|browser| cookie != 0 && browser.key.token == cookie)
                {
                    browser.trusted |= browser.proved & APP != 0;
                }
                return Answer::Ok.into();
            }
            Action::Password(by, proof) => return self.change_password(r, by, proof),
            Action::RemoveDevice => {
                if self.devices.len() > 1 {
                    self.devices.pop();
                }
                self.end_flows_and_trust();
                return Answer::Ok.into();
            }
            Action::Begin(who, cookie) => {
                let ghost = &self.ghost;
                if who == Person::Attacker && !ghost.attacker_has_password {
                    return Answer::WrongPassword.into();
                }
                let token = match cookie {
                    Cookie::Nothing => 0,
                    Cookie::Own => ghost.cookie,
                    Cookie::Copied => ghost.copy,
                    Cookie::Given => ghost.thief,
                };
                let out = self.begin(r, who, token);
                self.ghost.inside |= who == Person::Attacker && out.answer == Answer::SignedIn;
                return self.hand_out(out, who);
            }
            Action::App(who, id, ..)
            | Action::MailCode(who, id, _)
            | Action::Recover(who, id, _)
            | Action::Send(who, id) => (who, id),
        };
        let Some(at) = self.flows.iter().position(|flow| flow.id == id && self.is_open(r, flow)) else {
            return Answer::FlowEnded.into();
        };
        let of_attacker = self.flows[at].by == Person::Attacker;
        let out = match action {
            Action::App(_, _, typed, only) => self.app_code(r, at, typed, only),
            Action::MailCode(_, _, typed) => self.mail_code(r, at, typed),
            Action::Recover(_, _, typed) => self.recovery_code(r, at, typed),
            _ => self.send(r, at),
        };
        if of_attacker {
            let is_app = matches!(action, Action::App(..));
            self.ghost.units += if is_app { out.compared } else { 0 };
            self.ghost.paid += out.paid;
        }
        let by_mail = matches!(action, Action::MailCode(..));
        self.ghost.inside |= who == Person::Attacker && out.answer == Answer::SignedIn && !by_mail;
        self.hand_out(out, who)
    }

    pub(crate) fn is_open(&self, r: &Rules, flow: &Flow) -> bool {
        (0..r.life).contains(&(self.now - flow.begun))
    }

    /// The browser stores the cookie.
    fn hand_out(&mut self, out: Out, who: Person) -> Out {
        if out.token != 0 {
            match who {
                Person::Attacker => self.ghost.thief = out.token,
                Person::Owner => self.ghost.cookie = out.token,
            }
        }
        out
    }

    fn next_id(&mut self) -> i64 {
        self.ids += 1;
        self.ids - 1
    }

    /// The place of the browser that has a token, and whether it is the old one.
    pub(crate) fn holder(&self, token: i64) -> Option<(usize, bool)> {
        let at = self.browsers.iter().position(|browser| browser.has(token))?;
        Some((at, self.browsers[at].key.token != token))
    }

    fn begin(&mut self, r: &Rules, who: Person, token: i64) -> Out {
        let now = self.now;
        self.budgets = self.budgets.map(|budget| budget.regained(r, now));
        let holder = self.holder(token);
        let mut id = 0;
        if let Some((at, is_old)) = holder {
            id = self.browsers[at].id;
            if self.browsers[at].trusted && !is_old {
                let new = Key { token: self.next_id(), ..self.browsers[at].key };
                let browser = &mut self.browsers[at];
                (browser.old, browser.key, browser.used) = (Some(browser.key), new, now);
                browser.shares = !r.has(Simpler::TokensNeverShareCount);
                return Out { token: new.token, ..Answer::SignedIn.into() };
            }
            // A copy ends the trust, not the acquaintance. Once the new token was seen, the old one is worthless.
            let browser = &mut self.browsers[at];
            if is_old {
                browser.trusted = false;
            } else if !r.has(Simpler::TokenStays) {
                browser.old = None;
            }
        }
        self.flows.retain(|flow| (0..r.life).contains(&(now - flow.begun)));
        let known = holder.is_some_and(|(at, is_old)| {
            !is_old && (r.has(Simpler::WeakBrowsersShareFlows) || self.browsers[at].proved & APP != 0)
        });
        let same = |flow: &&Flow| r.has(Simpler::OneSetOfFlows) || flow.known == known;
        if self.flows.iter().filter(same).count() >= r.lane {
            let own = self.flows.iter().filter(same).find(|flow| known && flow.browser == id);
            let oldest = own.or_else(|| self.flows.iter().find(same)).map(|flow| flow.id);
            self.flows.retain(|flow| Some(flow.id) != oldest);
        }
        let flow = Flow {
            id: self.next_id(),
            by: who,
            browser: id,
            token: if id != 0 { token } else { 0 },
            begun: now,
            proved: 0,
            spent: [(0, 0); 2],
            codes: 0,
            code: None,
            known,
        };
        self.flows.push(flow);
        Answer::Challenge.into()
    }

    fn budget(r: &Rules, factor: u8) -> usize {
        usize::from(factor == MAIL && !r.has(Simpler::SharedByFactors))
    }

    /// The place of the browser that pays for a guess in a flow; `None` if the shared budget does.
    fn payer(&self, r: &Rules, flow: &Flow, factor: u8) -> Option<usize> {
        let at = self.browsers.iter().position(|browser| flow.browser != 0 && browser.id == flow.browser)?;
        let browser = &self.browsers[at];
        let is_known = browser.proved & factor != 0 || r.has(Simpler::KnownForAllFactors);
        (is_known && browser.has(flow.token)).then_some(at)
    }

    /// Why a code is not even compared. Paying comes before comparing.
    fn refusal(&self, r: &Rules, flow: &Flow, factor: u8, cost: i64) -> Option<Answer> {
        if let Some(at) = self.payer(r, flow, factor) {
            let key = self.browsers[at].key_of(flow.token);
            let is_locked = key.wrong == r.limit && (-r.skew..r.first).contains(&(self.now - key.locked_at));
            return is_locked.then_some(Answer::Locked);
        }
        let budget = self.budgets[Self::budget(r, factor)].regained(r, self.now);
        if budget.is_locked(r, self.now) {
            return Some(Answer::Locked);
        }
        match budget.left {
            left if left <= 0 => Some(Answer::NewBrowsersBlocked),
            left if left < cost && !r.has(Simpler::PaidAfterwards) => Some(Answer::ChooseDevice),
            _ => None,
        }
    }

    /// Takes a wrong code from the budget that pays for it, and returns the units of the shared one.
    fn charge(&mut self, r: &Rules, at: usize, factor: u8, cost: i64) -> i64 {
        let token = self.flows[at].token;
        if let Some(place) = self.payer(r, &self.flows[at], factor) {
            let browser = &mut self.browsers[place];
            let was = browser.key_of(token);
            let key = Key { wrong: was.wrong + 1, locked_at: self.now, ..was };
            let is_old = key.token != browser.key.token;
            if key.wrong >= r.own {
                if is_old && !browser.shares {
                    browser.old = None;
                } else {
                    self.browsers.remove(place);
                }
                return 0;
            }
            if !is_old || browser.shares {
                browser.key = Key { token: browser.key.token, ..key };
            }
            if is_old || browser.shares {
                browser.old = browser.old.map(|old| Key { token: old.token, ..key });
            }
            return 0;
        }
        let budget = &mut self.budgets[Self::budget(r, factor)];
        *budget = budget.regained(r, self.now).spent(r, cost, self.now);
        let (units, codes) = &mut self.flows[at].spent[usize::from(factor == MAIL)];
        (*units, *codes) = (*units + cost, *codes + 1);
        cost
    }

    /// Continues after a right code. A flow that is complete pays back its own wrong codes of the factors that it proved.
    fn proved(&mut self, r: &Rules, at: usize, factor: u8) -> Out {
        self.flows[at].proved |= factor;
        let proved = self.flows[at].proved;
        let app = proved & (APP | RECOVERY) != 0;
        let done = match r.policy {
            Policy::App => app,
            Policy::AppOrMail => app || proved & MAIL != 0,
            Policy::AppAndMail => app && proved & MAIL != 0,
        };
        if !done {
            return Answer::NextStep.into();
        }
        let flow = self.flows.remove(at);
        let mut paid = 0;
        for (place, name) in [APP, MAIL].into_iter().enumerate() {
            let (units, codes) = flow.spent[place];
            if (proved & name != 0 || r.has(Simpler::AnyFactorPaysBack)) && (units > 0 || codes > 0) {
                let before = self.budgets[place].left;
                self.budgets[place] = self.budgets[place].regained(r, self.now).paid_back(r, units, codes, self.now);
                paid += (self.budgets[place].left - before).max(0);
            }
        }
        if proved & APP != 0 {
            // The owner meant one device: the others did not fail.
            for (failures, _) in &mut self.devices {
                *failures = (*failures - flow.codes).max(0);
            }
        }
        self.know(r, &flow, paid)
    }

    /// Knows the browser for what it has proved. A known browser gets a new token, and with it a new budget.
    fn know(&mut self, r: &Rules, flow: &Flow, paid: i64) -> Out {
        let names = flow.proved & (APP | MAIL);
        // `None` if the token was replaced twice while the flow was open: the browser is unknown again.
        let holder = self.holder(flow.token);
        let token = self.next_id();
        let signed_in = Out { paid, ..Answer::SignedIn.into() };
        let Some((at, _)) = holder else { return self.know_new(r, names, token, signed_in) };
        let browser = &mut self.browsers[at];
        let was = browser.key_of(flow.token);
        // An old token and an e-mail code do not take the newest token from the browser that has it. No cookie is set
        // then: it may be another tab of that browser.
        let is_old = was.token != browser.key.token;
        let has_app = browser.proved & APP != 0;
        if is_old && has_app && names & APP == 0 && !r.has(Simpler::OldTokenIsReplaced) {
            return signed_in;
        }
        let stays = r.has(Simpler::TokenStays);
        let mut new = if stays { Key { wrong: 0, ..was } } else { Key::new(token) };
        // Only an app code, or a proof of all that the browser has proved before, gives it a new budget.
        if names & APP == 0 && has_app && !stays {
            (new.wrong, new.locked_at) = (was.wrong, was.locked_at);
        }
        browser.old = if stays { browser.old } else { Some(was) };
        let proves_less = names & APP == 0 && has_app;
        browser.shares = proves_less && !r.has(Simpler::TokensNeverShareCount) || r.has(Simpler::TokensShareCount);
        (browser.key, browser.used) = (new, self.now);
        browser.proved |= names;
        Out { token: new.token, ..signed_in }
    }

    fn know_new(&mut self, r: &Rules, names: u8, token: i64, signed_in: Out) -> Out {
        if names == 0 {
            return signed_in;
        }
        let is_weak = |browser: &&Browser| browser.proved & APP == 0;
        let any = r.has(Simpler::KnownForAllFactors);
        let weak = self.browsers.iter().filter(is_weak).count();
        let oldest = |browsers: &[Browser], weak_only: bool| {
            let candidates = browsers.iter().filter(|browser| !weak_only || is_weak(browser));
            candidates.min_by_key(|browser| browser.used).map(|browser| browser.id)
        };
        let out = if names & APP == 0 && weak >= r.weak && !any {
            oldest(&self.browsers, true)
        } else if self.browsers.len() >= r.known {
            oldest(&self.browsers, !any && weak > 0)
        } else {
            None
        };
        self.browsers.retain(|browser| Some(browser.id) != out);
        self.browsers.push(Browser {
            id: token,
            key: Key::new(token),
            old: None,
            shares: r.has(Simpler::TokensShareCount),
            proved: names,
            used: self.now,
            trusted: false,
            sent: (0, NEVER),
        });
        Out { token, ..signed_in }
    }

    fn app_code(&mut self, r: &Rules, at: usize, typed: Typed, only: Option<usize>) -> Out {
        if r.policy == Policy::AppAndMail && self.flows[at].proved & MAIL == 0 {
            return Answer::NotOpen.into();
        }
        let is_live = |(device, (failures, _)): &(usize, &(i64, Time))| {
            *failures < r.nist && only.is_none_or(|only| only == *device)
        };
        let live: Vec<usize> = self.devices.iter().enumerate().filter(is_live).map(|(device, _)| device).collect();
        let Some(&target) = live.first() else { return Answer::DeviceDisabled.into() };
        let cost = live.len() as i64 * r.weight;
        if let Some(answer) = self.refusal(r, &self.flows[at], APP, cost) {
            return answer.into();
        }
        // The phone shows the true time.
        if typed == Typed::Right && self.ghost.off == 0 && self.now > self.devices[target].1 {
            self.devices[target] = (0, self.now);
            return self.proved(r, at, APP);
        }
        if typed == Typed::Used && r.has(Simpler::UsedCodeIsFree) {
            return Out { compared: cost, ..Answer::WrongCode.into() };
        }
        for device in live {
            self.devices[device].0 += 1;
        }
        self.flows[at].codes += 1;
        Out { cost: self.charge(r, at, APP, cost), compared: cost, ..Answer::WrongCode.into() }
    }

    fn send(&mut self, r: &Rules, at: usize) -> Out {
        let (now, browser) = (self.now, self.flows[at].browser);
        let place = self.browsers.iter().position(|known| browser != 0 && known.id == browser);
        let sent = place.map_or(&mut self.sent, |place| &mut self.browsers[place].sent);
        if !(-r.skew..r.hour).contains(&(now - sent.1)) {
            *sent = (0, now);
        }
        if sent.0 >= r.sends {
            // What was refused is not written.
            return Answer::TooSoon.into();
        }
        sent.0 += 1;
        self.flows[at].code = Some((0, now));
        Answer::Sent.into()
    }

    fn mail_code(&mut self, r: &Rules, at: usize, typed: Typed) -> Out {
        let Some((tries, sent_at)) = self.flows[at].code else { return Answer::NoCodeSent.into() };
        // Whatever was typed: an expired code is compared with nothing, so it tells nothing and costs nothing.
        if !(-r.skew..r.life).contains(&(self.now - sent_at)) {
            self.flows[at].code = None;
            return Answer::Expired.into();
        }
        if self.mail_failures >= r.nist {
            return Answer::MailDisabled.into();
        }
        if let Some(answer) = self.refusal(r, &self.flows[at], MAIL, 1) {
            return answer.into();
        }
        if typed == Typed::Right {
            self.mail_failures = 0;
            self.flows[at].code = None;
            return self.proved(r, at, MAIL);
        }
        self.flows[at].code = Some((tries + 1, sent_at)).filter(|(tries, _)| *tries < r.per_code);
        self.mail_failures += 1;
        Out { cost: self.charge(r, at, MAIL, 1), compared: 1, ..Answer::WrongCode.into() }
    }

    fn recovery_code(&mut self, r: &Rules, at: usize, typed: RecoveryTyped) -> Out {
        let (left, failures) = self.recovery;
        if r.has(Simpler::SharedByFactors) {
            if self.budgets[0].is_locked(r, self.now) {
                return Answer::Locked.into();
            }
            if self.budgets[0].left <= 0 {
                return Answer::NewBrowsersBlocked.into();
            }
        }
        if left == 0 || failures >= r.nist {
            return Answer::RecoveryDisabled.into();
        }
        if typed == RecoveryTyped::Right {
            self.recovery = (left - 1, 0);
            let flow = self.flows[at].clone();
            let out = self.proved(r, at, RECOVERY);
            if out.answer != Answer::SignedIn {
                return out;
            }
            // A recovered login leads to the registration of a device, on the same page. That makes the browser known.
            self.devices[0] = (0, self.now);
            return self.know(r, &Flow { proved: APP, ..flow }, 0);
        }
        if r.has(Simpler::EveryRecoveryCodeCounts) {
            self.recovery.1 += 1;
        }
        Answer::WrongCode.into()
    }

    fn end_flows_and_trust(&mut self) {
        self.flows.clear();
        for browser in &mut self.browsers {
            browser.trusted = false;
        }
    }

    /// Ends flows and trust. Known browsers stay known: who copied a cookie has no password any longer.
    fn change_password(&mut self, r: &Rules, by: Person, proof: bool) -> Out {
        self.end_flows_and_trust();
        self.ghost.attacker_has_password = by == Person::Attacker;
        if proof || r.has(Simpler::ResetRestoresAll) {
            self.budgets = [Budget::full(r); 2];
            self.ghost.restored += i64::from(proof);
            return Answer::Restored.into();
        }
        self.ghost.resets += 1;
        let is_below = |budget: &Budget| {
            let budget = budget.regained(r, self.now);
            budget.left < r.grant.min(r.cap) || budget.is_locked(r, self.now)
        };
        if !self.budgets.iter().any(is_below) {
            return Answer::NotRestored.into();
        }
        if self.now < self.granted_at {
            self.granted_at = self.now;
            return Answer::NotRestored.into();
        }
        if self.now - self.granted_at < r.grant_every {
            return Answer::NotRestored.into();
        }
        for budget in &mut self.budgets {
            budget.left = budget.left.max(r.grant.min(r.cap));
            (budget.locks, budget.streak) = (0, 0);
        }
        self.granted_at = self.now;
        Answer::Granted.into()
    }
}
