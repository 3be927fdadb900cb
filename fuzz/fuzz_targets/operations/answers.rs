//! What must hold of every answer, and of what is shown of the user.

use std::time::Duration;

use factorgate::audit::{CodeFault, EventKind, Factor};
use factorgate::login::Evidence;
use factorgate::testing::MailFault;
use factorgate::{Authenticated, Elevated, Refusal, SessionClaims};

use crate::facts::{ends_sessions, is_running};
use crate::flow::{Answer, Done, Open};
use crate::guesses::Target;
use crate::kept::{Agent, Cookie, Fresh, Kept, Opener};
use crate::ledger::Operation;
use crate::model::{Row, is_worn_out, proofs};
use crate::world::{World, address, root};

impl World {
    /// What must hold of every answer of a flow.
    pub async fn see(&mut self, answer: Answer, mut open: Open) {
        let now = self.now();
        if answer.events.iter().any(|event| ends_sessions(&event.kind)) {
            // It has registered a factor, and ended every other flow.
            open.epoch = self.model.epoch;
        }
        if answer.events.iter().any(|event| event.kind == EventKind::CodeIssued) {
            let code = self.last_code.clone().filter(|_| self.fault != Some(MailFault::Refused));
            let slot = self.ledger.slots.iter().find(|slot| slot.id == open.id).expect("a code of an open flow");
            let expires_at = now.saturating_add(Duration::from_secs(600)).min(slot.expires_at);
            open.outstanding = Some((expires_at, 0));
            open.mailed.push_back(code);
            match self.fault {
                Some(MailFault::Refused) => assert_eq!(answer.refusal, Some(Refusal::MailRefused)),
                _ => {
                    let email = answer.email.as_ref().expect("the state of the code");
                    assert_eq!((email.sent_at, email.expires_at), (Some(now), Some(expires_at)));
                }
            }
        }
        self.limits(&answer, &mut open);
        open.secret = answer.secret.or(open.secret);
        if answer.done.is_some() || answer.undelivered {
            assert_eq!(open.epoch, self.model.epoch, "a flow that was ended was completed");
        }
        match answer.done {
            Some(Done::Login(passed)) => self.let_in(passed, &open),
            Some(Done::Session(passed)) => self.completed(passed, &open),
            Some(Done::StepUp(elevated)) => self.stepped_up(elevated, &open),
            None => {}
        }
        open.reference = open.reference.or(answer.reference);
        self.flows.extend(Some(open).filter(|open| open.reference.is_some()));
        self.flows.drain(..self.flows.len().saturating_sub(12));
    }

    /// What is shown of guesses and mails.
    fn limits(&mut self, answer: &Answer, open: &mut Open) {
        let (now, barred) = (self.now(), self.barred.take());
        let has = |wanted: fn(&EventKind) -> bool| answer.events.iter().any(|event| wanted(&event.kind));
        if has(|kind| matches!(kind, EventKind::EnrollmentBegun | EventKind::CodeIssued)) {
            open.unconfirmed = 0;
        }
        let (factor, fault) = (Factor::Enrollment, CodeFault::Wrong);
        if answer.events.iter().any(|event| event.kind == EventKind::CodeRefused { factor, fault }) {
            // At the tenth it starts again.
            open.unconfirmed = (open.unconfirmed + 1) % 10;
        }
        let Some(left) = answer.attempts_left else { return };
        let expected = self.ledger.attempts_left(open.id, answer.asked, self.model.devices().max(1), now);
        assert_eq!(left, expected.unwrap_or(10 - open.unconfirmed), "another number of guesses is left");
        let lock = answer.events.iter().find_map(|event| match event.kind {
            EventKind::Locked { until } => Some(Refusal::Locked { until }),
            _ => None,
        });
        let block = self.ledger.block(open.id, answer.asked, now);
        let is_uncertain = self.fault == Some(MailFault::Unknown) && has(|kind| *kind == EventKind::CodeIssued);
        let held_back = self.held_back.filter(|until| is_running(*until, 300, now));
        let wait = self.ledger.mail_wait(open.id, is_uncertain, now).max(held_back);
        match answer.refusal {
            None => assert_eq!(block, None, "nothing says that no code is compared"),
            Some(Refusal::TooSoon { retry_at }) => assert_eq!(Some(retry_at), wait, "another wait for a mail"),
            Some(Refusal::Locked { .. } | Refusal::NewBrowsersBlocked { .. } | Refusal::ChooseDevice) => {
                let reasons = if lock.is_some() { [lock, None] } else { [barred, block] };
                assert!(reasons.contains(&answer.refusal), "{:?}, not {reasons:?}", answer.refusal);
            }
            Some(_) => assert_eq!(lock, None, "a lock that is not shown"),
        }
        if let Some(email) = &answer.email {
            assert_eq!(email.resend_at, wait, "the next mail at another time");
        }
    }

    /// The browser is given the token that it has got.
    fn hand(&mut self, agent: u64, passed: &Authenticated) {
        let (text, token) = (passed.browser().map(|token| token.to_cookie()), self.ledger.handed.take());
        assert_eq!(text.is_some(), token.is_some(), "a browser got a token, or did not");
        if let (Some(text), Some(token)) = (text, token) {
            self.give_cookie(agent, Cookie { text, token });
        }
    }

    pub fn give_cookie(&mut self, agent: u64, cookie: Cookie) {
        let place = self.agents.iter().position(|held| held.number == agent);
        let mut held = place.map_or(Agent { number: agent, cookies: Vec::new() }, |place| self.agents.remove(place));
        held.cookies.push(cookie);
        held.cookies.drain(..held.cookies.len().saturating_sub(3));
        self.agents.push(held);
        self.agents.drain(..self.agents.len().saturating_sub(12));
    }

    fn let_in(&mut self, passed: Authenticated, open: &Open) {
        let (evidence, now) = (passed.evidence(), self.now());
        for (proof, _) in proofs(evidence) {
            assert!(open.proved.contains(&proof), "{proof:?} was not proved in this login");
        }
        for policy in [open.policy, self.policy] {
            assert!(self.model.lets_in(policy, evidence, now, false), "in by {evidence:?}, policy {policy}");
        }
        assert!(
            passed.grace_until().is_none() || self.model.grace_begun.is_some(),
            "a grace period without a beginning"
        );
        self.hand(open.opener.agent, &passed);
        self.keep(passed, open.row, open.opener);
    }

    /// Opens the session if the row is still the one that was proved.
    pub fn keep(&mut self, passed: Authenticated, row: Row, opener: Opener) {
        let verified = passed.verified_address().cloned();
        assert!(verified.as_ref().is_none_or(|verified| *verified == address(row.address)), "another address");
        match passed.into_session(&self.user_row(self.row)) {
            Ok(claims) => {
                assert_eq!(row, self.row, "a session was opened for a row that was replaced");
                assert_eq!(SessionClaims::from_text(&claims.to_text()).as_ref(), Ok(&claims));
                self.verified |= verified.is_some();
                self.sessions.retain(|kept| kept.claims.number() != claims.number());
                self.sessions.push(Kept { claims, epoch: self.model.epoch, opener, row });
                self.sessions.drain(..self.sessions.len().saturating_sub(8));
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::AccountChanged);
                assert_ne!(row, self.row, "a session was refused for the row of now");
            }
        }
    }

    fn completed(&mut self, passed: Authenticated, open: &Open) {
        self.is_proved(passed.evidence(), open);
        self.hand(open.opener.agent, &passed);
        self.keep(passed, open.row, open.opener);
    }

    /// What the claims hold was proved in the flow, or by the session before.
    fn is_proved(&self, evidence: &Evidence, open: &Open) {
        let Some((number, at_begin, _)) = &open.session else { panic!("a flow without a session") };
        let now = self.sessions.iter().find(|kept| kept.claims.number() == *number);
        let before: Vec<_> = now.iter().flat_map(|kept| proofs(kept.claims.evidence())).collect();
        for proof in proofs(evidence) {
            let known = before.contains(&proof) || proofs(at_begin).contains(&proof);
            assert!(known || open.proved.contains(&proof.0), "{proof:?} was not proved in this session");
        }
    }

    fn stepped_up(&mut self, elevated: Elevated, open: &Open) {
        let Some((number, at_begin, freshness)) = &open.session else { panic!("a step-up without a session") };
        let is_fresh = |proof| {
            let of_device = |(id, _)| self.model.apps.iter().any(|app| app.id == id && !is_worn_out(app.failures));
            let has_device = at_begin.app_code.is_some_and(of_device) || at_begin.registered.is_some_and(of_device);
            let at = proofs(at_begin).into_iter().filter(|(held, _)| *held == proof).map(|(_, at)| at).max();
            let is_device = matches!(proof, crate::model::Proof::App | crate::model::Proof::Registered);
            let is_young = |at| at <= open.begun_at && open.begun_at.saturating_since(at) <= *freshness;
            !freshness.is_zero() && at.is_some_and(is_young) && (!is_device || has_device)
        };
        let has = |proof| open.proved.contains(&proof) || is_fresh(proof);
        assert!(self.model.steps_up(has), "raised by {:?}, {at_begin:?}", open.proved);
        self.is_proved(elevated.evidence(), open);
        let claims = elevated.session().claims().clone();
        assert_eq!(claims.number(), *number);
        let kept = Kept { claims, epoch: self.model.epoch, opener: open.opener, row: open.row };
        self.elevated = Some(Fresh { elevated, kept });
    }

    /// Whether the last step-up still counts: it was just now, and nothing has changed since.
    pub fn is_elevated(&self) -> bool {
        let now = self.now();
        self.elevated.as_ref().is_some_and(|Fresh { elevated, kept }| {
            let at = elevated.at();
            at <= now && now.saturating_since(at) <= Duration::from_secs(300) && self.is_alive(kept)
        })
    }

    /// The engine and the target know the same of the user.
    pub async fn compare(&mut self) {
        let status = self.mfa.admin(&root()).status(&self.user).await.unwrap();
        self.follow(Operation::default());
        let now = self.now();
        assert!(status.devices.len() <= 5 && status.external.len() <= 5);
        let apps = self.model.apps.iter().map(|app| (app.id, is_worn_out(app.failures)));
        assert!(status.devices.iter().map(|device| (device.id, device.disabled)).eq(apps), "other devices");
        let external = self.model.external.iter().map(|held| (held.factor, is_worn_out(held.failures)));
        assert!(status.external.iter().map(|held| (held.factor, held.disabled)).eq(external), "other factors");
        assert_eq!(status.ever_had_factor, self.model.ever_had);
        assert_eq!(status.erased, self.model.erased);
        let budgets = Target::ALL.map(|target| self.ledger.budget(target));
        let locked_until = budgets.iter().filter_map(|budget| budget.locked_until(now)).max();
        assert_eq!(status.locked_until, locked_until, "another lock");
        let blocked_until = budgets.iter().filter_map(|budget| budget.blocked_until(now)).max();
        assert_eq!(status.new_browsers_blocked_until, blocked_until, "new browsers are blocked, or not");
        let left = self.model.recovery.iter().filter(|code| !code.used).count() as u32;
        let left = if is_worn_out(self.model.recovery_failures) { 0 } else { left };
        assert_eq!(status.recovery_codes.map_or(0, |left| left.get()), left, "other recovery codes");
        let open = self.ledger.slots.iter().filter(|slot| slot.is_open(now)).count();
        assert_eq!(status.open_flows, open, "other flows are open");
        let known = &self.ledger.browsers.known;
        assert!(known.len() <= 10, "more known browsers than there are places");
        let browsers = known.iter().filter(|browser| browser.is_trusted(now)).map(|browser| browser.id);
        assert!(status.browsers.iter().map(|browser| browser.id).eq(browsers), "other browsers are trusted");
        assert!(status.recent.iter().eq(self.ledger.tail.iter().take(status.recent.len())), "other events");
        assert_eq!(status.recent.len(), self.ledger.tail.len());
        // What was overdue was sent after the status was read.
        let owed = match status.owed_notices {
            0 => 0,
            _ => self.mfa.admin(&root()).status(&self.user).await.unwrap().owed_notices,
        };
        assert_eq!(owed, self.ledger.owed.len(), "a notice that is owed was forgotten");
    }
}
