//! The engine, what is known of its user, and what must hold of every answer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind};
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::login::Evidence;
use factorgate::otp::Secret;
use factorgate::otpauth::Issuer;
use factorgate::policy::Policy;
use factorgate::session::{AddressPermit, SessionCheck};
use factorgate::store::Record;
use factorgate::testing::{FixedClock, MailFault, MemoryStore, SeededRandom};
use factorgate::{
    Authenticated, Contact, Elevated, EmailAddress, Mfa, Refusal, Session, SessionClaims, Timestamp, UserId, UserRow,
};

use crate::flow::{Answer, Done, Engine, Open, Request, send};
use crate::kept::{Fresh, Given, Kept, TrustCookie};
use crate::ledger::{Ledger, Operation, Purpose, can_be_past, ends_sessions, is_running};
use crate::model::{Browser, Model, Row, is_worn_out, policies, proofs, totp};
use crate::post::{Letter, Post};

pub struct World {
    /// The cookie of a trusted browser.
    pub browser: Option<TrustCookie>,
    /// The cookie before, as somebody has copied it.
    pub copied: Option<TrustCookie>,
    pub clock: FixedClock,
    pub elevated: Option<Fresh>,
    events: Arc<Mutex<Vec<Event>>>,
    pub fault: Option<MailFault>,
    pub flows: Vec<Open>,
    /// A checked session that a host holds for longer than its request, and the policy of that.
    pub held: Option<(Session, Kept, usize)>,
    /// Until when no code is mailed, because the host is writing an address.
    pub held_back: Option<Timestamp>,
    pub imports: u8,
    pub ledger: Ledger,
    /// The longest record so far, for the seeds.
    pub longest: Option<Record>,
    /// The code that was mailed last.
    pub last_code: Option<String>,
    pub mfa: Engine,
    pub model: Model,
    next_flow: u64,
    /// The next request of a flow comes from another session of the user.
    pub other_session: bool,
    pub post: Post,
    pub permit: Option<(AddressPermit, u64)>,
    /// The policy of now.
    pub policy: usize,
    /// The row of now, and those before.
    pub row: Row,
    pub rows: Vec<Row>,
    pub sessions: Vec<Kept>,
    store: MemoryStore,
    pub ticket: Option<Given>,
    pub user: UserId,
    /// Whether the host has marked the address as verified.
    pub verified: bool,
    version: Option<i64>,
    /// Whether the flow of the last request was open.
    pub was_open: bool,
    /// Whether the last request of a flow came from another session.
    pub was_other: bool,
}

pub fn root() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

pub fn address(number: u8) -> EmailAddress {
    EmailAddress::new(&format!("alice{number}@example.com")).unwrap()
}

impl World {
    pub fn new() -> Self {
        let (clock, post, store) = (FixedClock::at(1_900_000_000), Post::default(), MemoryStore::new());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let observed = Arc::clone(&events);
        let builder = Mfa::builder(store.clone(), post.clone(), Self::keys(), Issuer::new("ACME Co").unwrap());
        let builder = builder.clock(clock.clone()).random(SeededRandom::new(7)).totp(totp());
        let builder = builder.observer(move |event| observed.lock().unwrap().push(event.clone()));
        Self {
            browser: None,
            copied: None,
            elevated: None,
            events,
            fault: None,
            flows: Vec::new(),
            held: None,
            held_back: None,
            imports: 0,
            ledger: Ledger::default(),
            longest: None,
            last_code: None,
            mfa: builder.recovery_hash_checker(|code, hash| hash.strip_prefix("hash:") == Some(code)).build().unwrap(),
            clock,
            model: Model::default(),
            next_flow: 0,
            other_session: false,
            post,
            permit: None,
            policy: 0,
            row: Row { credential: 0, address: 0 },
            rows: Vec::new(),
            sessions: Vec::new(),
            store,
            ticket: None,
            user: UserId::new("alice").unwrap(),
            verified: true,
            version: None,
            was_open: false,
            was_other: false,
        }
    }

    pub fn keys() -> ServerKeys {
        ServerKeys::new(ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap())
    }

    pub fn record(&self) -> Option<Record> {
        self.store.record(&self.user)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.time()
    }

    pub fn step(&self) -> u64 {
        totp().step_at(self.now()).unwrap().get()
    }

    pub fn policy(&self) -> &'static Policy {
        &policies()[self.policy].0
    }

    pub fn app(&self, index: u8) -> usize {
        usize::from(index) % self.model.apps.len().max(1)
    }

    pub fn code(&self, secret: &Secret, step: u64) -> String {
        let code = totp().generate(secret, Timestamp::from_secs(step * 30)).unwrap();
        code.expose_secret().expose_secret().to_owned()
    }

    pub fn contact(&self) -> Contact {
        self.contact_of(self.row)
    }

    fn contact_of(&self, row: Row) -> Contact {
        let is_verified = row.address != self.row.address || self.verified;
        let address = address(row.address);
        if is_verified { Contact::verified(address) } else { Contact::unverified(address) }
    }

    pub fn user_row(&self, row: Row) -> UserRow {
        UserRow::new(self.user.clone(), row.credential.to_be_bytes(), self.contact_of(row))
    }

    /// The host writes the row.
    pub fn write_row(&mut self, row: Row) {
        self.verified &= row.address == self.row.address;
        self.rows.push(std::mem::replace(&mut self.row, row));
    }

    /// A flow that is about to be begun.
    pub fn opening(&mut self) -> Open {
        self.next_flow += 1;
        Open {
            begun_at: self.now(),
            epoch: self.model.epoch,
            id: self.next_flow,
            mailed: VecDeque::new(),
            outstanding: None,
            policy: self.policy,
            proved: BTreeSet::new(),
            reference: None,
            replaces: None,
            row: self.row,
            secret: None,
            session: None,
        }
    }

    /// Follows what an operation on the record did, and gives its events.
    pub fn follow(&mut self, op: Operation) -> Vec<Event> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let now = self.now();
        self.ledger.follow(&events, op, now);
        self.model.epoch += u64::from(events.iter().any(|event| ends_sessions(&event.kind)));
        for event in &events {
            self.follow_one(&event.kind);
        }
        let number = |to: &EmailAddress| (0..3).find(|number| address(*number) == *to).expect("an address of the user");
        let mut notices = Vec::new();
        for (to, letter) in self.post.take() {
            match letter {
                Letter::Code(code) => {
                    assert_eq!(number(&to), op.address, "a code went to another address");
                    self.last_code = Some(code);
                }
                Letter::Notice(name) => notices.push((number(&to), name)),
            }
        }
        let dropped = events.iter().filter(|event| event.kind == EventKind::NoticeDropped).count();
        self.ledger.arrive(&notices, dropped, self.fault.is_none());
        let record = self.record();
        let version = record.as_ref().map(|record| i64::from(record.version()));
        if std::mem::replace(&mut self.version, version) != version {
            self.ledger.sweep(now);
            self.model.sweep(now);
            self.held_back = self.held_back.filter(|until| is_running(*until, 300, now));
        }
        let len = |record: &Option<Record>| record.as_ref().map_or(0, |record| record.sealed().len());
        assert!(len(&record) <= Record::MAX_LEN, "a record that is too long");
        if len(&record) > len(&self.longest) {
            self.longest = record;
        }
        events
    }

    fn follow_one(&mut self, kind: &EventKind) {
        let now = self.now();
        if ends_sessions(kind) {
            self.model.browsers.clear();
        }
        match *kind {
            EventKind::GraceBegun { .. } => {
                let earlier = self.model.grace_begun.replace(now);
                assert_eq!(earlier, None, "a grace period began twice");
            }
            EventKind::BrowserTrusted { browser } => {
                self.model.browsers.retain(|browser| browser.is_trusted(now));
                let until = now.saturating_add(Duration::from_secs(30 * 86_400));
                self.model.browsers.push(Browser { id: browser, since: now, until });
            }
            EventKind::BrowserTrustEnded { browser, .. } => self.model.browsers.retain(|held| held.id != browser),
            EventKind::AddressChangePermitted => {
                self.held_back = Some(now.saturating_add(Duration::from_secs(300)));
            }
            EventKind::AddressChanged => self.held_back = None,
            EventKind::CodeIssued => {
                assert!(
                    self.held_back.is_none_or(|until| !is_running(until, 300, now)),
                    "a code was mailed while the address changes"
                );
            }
            _ => {}
        }
    }

    /// Whether nothing has ended a session, apart from a change of the row.
    pub fn is_alive(&self, kept: &Kept) -> bool {
        let now = self.now();
        let trusted = kept.claims.evidence().trusted_browser;
        let is_trusted = |id| self.model.browsers.iter().any(|browser| browser.id == id && browser.is_trusted(now));
        !self.model.erased
            && kept.epoch == self.model.epoch
            && can_be_past(kept.claims.auth_time(), now)
            && trusted.is_none_or(|(id, _)| is_trusted(id))
            && !self.model.is_stale(kept.row, now)
    }

    /// Checks the session of a number, as a host does on each request.
    pub async fn check_number(&mut self, number: Option<u64>) -> SessionCheck {
        let place = number.and_then(|number| self.sessions.iter().position(|kept| kept.claims.number() == number));
        match place {
            Some(place) => self.check(place).await,
            None => SessionCheck::Ended,
        }
    }

    /// A session is ended exactly if something has ended it, and valid only if it has proved what is asked now.
    pub async fn check(&mut self, place: usize) -> SessionCheck {
        let (claims, row) = (self.sessions[place].claims.clone(), self.user_row(self.row));
        let check = self.mfa.check_session(&claims, &row, self.policy()).await.unwrap();
        let kept = &self.sessions[place];
        let holds = self.is_alive(kept) && kept.row == self.row;
        assert_eq!(!matches!(check, SessionCheck::Ended), holds, "a session ended, or did not");
        if let SessionCheck::Valid(session) = &check {
            let evidence = session.claims().evidence();
            let enough = self.model.lets_in(self.policy, evidence, self.now(), true);
            assert!(enough, "valid by {evidence:?}, policy {}", self.policy);
        }
        self.follow(Operation::default());
        check
    }

    /// Takes a step in the flow that was used last, and gives the answer and the flow.
    pub async fn act(&mut self, request: Request, compared: u32) -> Option<(Answer, Open)> {
        let open = self.flows.pop()?;
        let mut number = open.session.as_ref().map(|(number, ..)| *number);
        let mut is_other = false;
        if std::mem::take(&mut self.other_session) && number.is_some() {
            let other = self.sessions.iter().map(|kept| kept.claims.number()).find(|other| Some(*other) != number);
            is_other = other.is_some();
            number = other.or(number);
        }
        let check = self.check_number(number).await;
        let reference = open.reference.as_ref().expect("a flow that was begun");
        let Some(mut answer) = send(&self.mfa, reference, self.policy(), &check, request).await else {
            self.flows.push(open);
            return None;
        };
        let purpose = reference.purpose();
        let was_open = self.ledger.is_open(open.id, self.now());
        answer.events = {
            let imported = self.model.has_imported_codes();
            self.follow(Operation { flow: Some(open.id), begins: None, compared, imported, address: open.row.address })
        };
        (self.was_open, self.was_other) = (was_open, is_other);
        if is_other {
            assert_eq!(answer.refusal, Some(Refusal::FlowEnded), "a flow was used from another session");
        }
        if !was_open {
            assert_eq!(answer.refusal, Some(Refusal::FlowEnded), "a flow that had ended was used");
        }
        assert!(!answer.undelivered || purpose == Purpose::Login && self.fault.is_some());
        Some((answer, open))
    }

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
        if let Some(left) = answer.attempts_left {
            assert_eq!(left, self.ledger.guesses.left(), "another number of guesses is left");
        }
        let longest = now.saturating_add(Duration::from_secs(3660));
        assert!(
            answer.refusal.and_then(|refusal| refusal.retry_at()).is_none_or(|at| at <= longest),
            "too long a wait"
        );
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
        self.keep(passed, open.row);
    }

    /// Opens the session if the row is still the one that was proved.
    pub fn keep(&mut self, passed: Authenticated, row: Row) {
        let verified = passed.verified_address().cloned();
        assert!(verified.as_ref().is_none_or(|verified| *verified == address(row.address)), "another address");
        match passed.into_session(&self.user_row(self.row)) {
            Ok(claims) => {
                assert_eq!(row, self.row, "a session was opened for a row that was replaced");
                assert_eq!(SessionClaims::from_text(&claims.to_text()).as_ref(), Ok(&claims));
                self.verified |= verified.is_some();
                self.sessions.retain(|kept| kept.claims.number() != claims.number());
                self.sessions.push(Kept { claims, epoch: self.model.epoch, row });
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
        self.keep(passed, open.row);
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
        let kept = Kept { claims, epoch: self.model.epoch, row: open.row };
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
        assert_eq!(status.locked_until, self.ledger.guesses.locked_until(now), "another lock");
        let left = self.model.recovery.iter().filter(|code| !code.used).count() as u32;
        let left = if is_worn_out(self.model.recovery_failures) { 0 } else { left };
        assert_eq!(status.recovery_codes.map_or(0, |left| left.get()), left, "other recovery codes");
        let open = self.ledger.slots.iter().filter(|slot| slot.is_open(now)).count();
        assert_eq!(status.open_flows, open, "other flows are open");
        let browsers = self.model.browsers.iter().filter(|browser| browser.is_trusted(now)).map(|browser| browser.id);
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

    pub fn place(&self, at: u8) -> Option<usize> {
        (!self.sessions.is_empty()).then(|| usize::from(at) % self.sessions.len())
    }
}
