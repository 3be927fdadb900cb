//! The beginning of a flow.

use std::time::Duration;

use factorgate::audit::{Event, EventKind};
use factorgate::{PrimaryVerified, Refusal, Session, Timestamp};

use crate::browsers::Worth;
use crate::flow::{Answer, Done, Open};
use crate::kept::{Cookie, Kept};
use crate::ledger::{Operation, Purpose};
use crate::model::{Proof, proofs};
use crate::world::{World, address};

impl World {
    /// Begins a login with the row of now, or with one that the host read before.
    pub async fn begin(&mut self, stale: Option<u8>, browser: u8) {
        let row = match stale {
            None => self.row,
            Some(_) if self.rows.is_empty() => return,
            Some(at) => self.rows[usize::from(at) % self.rows.len()],
        };
        let (agent, cookie) = self.cookie(browser);
        let (text, token) = (cookie.map(|cookie| cookie.text.clone()), cookie.map(|cookie| cookie.token));
        let primary = PrimaryVerified::assertion(self.user_row(row)).from_browser(text.as_deref());
        let mut answer = Answer::from(self.mfa.begin_login(primary, self.policy()).await);
        let mut open = Open { row, ..self.opening() };
        open.opener.agent = agent.unwrap_or(open.opener.agent);
        let refused = self.model.erased || self.model.is_stale(row, self.now());
        let worth = self.ledger.browsers.worth(token, row, self.policy(), self.now());
        let begins = Operation {
            flow: Some(open.id),
            begins: Some(Purpose::Login),
            grants: self.model.row.is_some_and(|before| before.credential != row.credential),
            token,
            address: row.address,
            ..Operation::default()
        };
        answer.events = self.follow(begins);
        assert_eq!(answer.refusal == Some(Refusal::AccountChanged), refused, "a row that was replaced, or was not");
        if answer.events.iter().any(|event| event.kind == EventKind::LoginBegun) {
            self.model.row = Some(row);
        }
        self.trusts(&answer, worth);
        self.see(answer, open).await;
    }

    /// The browser that a login comes from, and its cookie: the newest (1), the one before (2), or none. Others than the last
    /// browser are counted in threes.
    fn cookie(&self, browser: u8) -> (Option<u64>, Option<&Cookie>) {
        let back = usize::from(browser / 3) % self.agents.len().max(1);
        let Some(agent) = self.agents.iter().rev().nth(back) else { return (None, None) };
        let cookie = match browser % 3 {
            1 => agent.cookies.last(),
            2 => agent.cookies.iter().rev().nth(1),
            _ => None,
        };
        (cookie.map(|_| agent.number), cookie)
    }

    /// A browser is trusted with its own cookie, for the row and under the policy that it was trusted for.
    fn trusts(&mut self, answer: &Answer, worth: Worth) {
        let of = |event: &Event| match event.kind {
            EventKind::BrowserAccepted { browser, parallel } => Some(Worth::Accepted { browser, parallel }),
            EventKind::BrowserTrustEnded { browser, cause } => Some(Worth::Ended { browser, cause }),
            _ => None,
        };
        let done = answer.events.iter().find_map(of);
        if answer.events.iter().any(|event| event.kind == EventKind::LoginBegun) {
            // A browser that is trusted may still have to register a device.
            let ended = Some(worth).filter(|worth| matches!(worth, Worth::Ended { .. }));
            assert_eq!(done, ended, "the trust in a browser ended, or did not");
        } else if let Some(done) = done {
            assert_eq!(done, worth, "a browser was trusted, or was not");
        }
        if let Some(Done::Login(passed)) = &answer.done {
            let accepted = match done {
                Some(Worth::Accepted { browser, .. }) => Some(browser),
                _ => None,
            };
            assert_eq!(passed.evidence().trusted_browser.map(|(id, _)| id), accepted);
        }
    }

    /// A session for a request: of now, or one that the host has held for longer than it should.
    pub async fn session(&mut self, at: u8) -> Option<(Session, Kept, usize)> {
        if at >= 0xf0 {
            return self.held.take();
        }
        let place = self.place(at)?;
        let session = self.check(place).await.into_session().ok()?;
        Some((session, self.sessions[place].clone(), self.policy))
    }

    pub async fn begin_registration(&mut self, session: u8) {
        let Some((session, kept, policy)) = self.session(session).await else { return };
        let alive = self.is_alive(&kept);
        let answer = Answer::from(self.mfa.profile(&session).begin_registration().await);
        // A code that this session has verified a moment ago, at this address, counts.
        let young = |at: Timestamp| at <= self.now() && self.now().saturating_since(at) <= Duration::from_secs(300);
        let mailed = kept.claims.evidence().email_code.clone();
        let mailed = mailed.is_some_and(|(to, at)| young(at) && to == address(kept.row.address));
        let mut open = self.opening_in(&kept, policy, Duration::ZERO);
        open.proved.extend(mailed.then_some(Proof::Email));
        self.begun(answer, open, alive, Purpose::Registration).await;
    }

    pub async fn begin_step_up(&mut self, session: u8, freshness: u8) {
        let freshness = Duration::from_secs([0, 30, 600][usize::from(freshness) % 3]);
        let Some((session, kept, policy)) = self.session(session).await else { return };
        let alive = self.is_alive(&kept);
        let answer = Answer::from(self.mfa.profile(&session).begin_step_up(freshness).await);
        let open = self.opening_in(&kept, policy, freshness);
        self.begun(answer, open, alive, Purpose::StepUp).await;
    }

    pub async fn begin_completion(&mut self, session: u8) {
        let Some(place) = self.place(session) else { return };
        let check = self.check(place).await;
        let Ok(owing) = check.owing() else { return };
        let kept = self.sessions[place].clone();
        let answer = Answer::from(self.mfa.begin_completion(owing).await);
        let now = self.now();
        let is_young = |at: Timestamp| at <= now && now.saturating_since(at) <= Duration::from_secs(600);
        let counts = |(proof, at): &(Proof, Timestamp)| *proof != Proof::Recovery || is_young(*at);
        let mut open = self.opening_in(&kept, self.policy, Duration::ZERO);
        open.proved = proofs(kept.claims.evidence()).into_iter().filter(counts).map(|(proof, _)| proof).collect();
        self.begun(answer, open, true, Purpose::Completion).await;
    }

    /// A flow that is about to be begun in a session.
    fn opening_in(&mut self, kept: &Kept, policy: usize, freshness: Duration) -> Open {
        let session = Some((kept.claims.number(), kept.claims.evidence().clone(), freshness));
        Open { opener: kept.opener, policy, row: kept.row, session, ..self.opening() }
    }

    async fn begun(&mut self, mut answer: Answer, open: Open, alive: bool, purpose: Purpose) {
        let begins = Operation {
            flow: Some(open.id),
            begins: Some(purpose),
            session: open.opener.login,
            address: open.row.address,
            ..Operation::default()
        };
        answer.events = self.follow(begins);
        let goes_on = answer.reference.is_some() || answer.done.is_some();
        assert!(alive || !goes_on, "a flow was begun in a session that had ended");
        if open.proved.contains(&Proof::Recovery)
            && let Some(slot) = self.ledger.slots.iter_mut().find(|slot| slot.id == open.id)
        {
            slot.recovered = true;
        }
        self.see(answer, open).await;
    }
}
