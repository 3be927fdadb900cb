//! The engine, what is known of its user, and what must hold of every answer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind};
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otp::Secret;
use factorgate::otpauth::Issuer;
use factorgate::policy::Policy;
use factorgate::session::{AddressPermit, SessionCheck};
use factorgate::store::Record;
use factorgate::testing::{FixedClock, MailFault, MemoryStore, SeededRandom};
use factorgate::{Contact, EmailAddress, Mfa, Refusal, Session, Timestamp, UserId, UserRow};

use crate::facts::{can_be_past, ends_sessions, is_running};
use crate::flow::{Answer, Engine, Open, Request, send};
use crate::kept::{Agent, Fresh, Given, Kept, Opener};
use crate::ledger::{Ledger, Operation, Purpose};
use crate::model::{Model, Row, is_worn_out, policies, totp};
use crate::post::{Letter, Post};

pub struct World {
    /// The browsers, the one that was given a cookie last at the end.
    pub agents: Vec<Agent>,
    /// Why the last code, or one like it, could not have been compared.
    pub barred: Option<Refusal>,
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
            agents: Vec::new(),
            barred: None,
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
            opener: Opener { agent: self.next_flow, login: self.next_flow },
            outstanding: None,
            policy: self.policy,
            proved: BTreeSet::new(),
            reference: None,
            replaces: None,
            row: self.row,
            secret: None,
            session: None,
            unconfirmed: 0,
        }
    }

    /// Follows what an operation on the record did, and gives its events.
    pub fn follow(&mut self, op: Operation) -> Vec<Event> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let now = self.now();
        let (has_factor, mail_fails) = (self.model.has_factor(), self.fault.is_some());
        let op = Operation { has_factor, mail_fails, ..op };
        self.ledger.follow(&events, &op, now);
        for app in self.model.apps.iter_mut().filter(|app| !is_worn_out(app.failures)) {
            app.failures = app.failures.saturating_sub(self.ledger.forgiven);
        }
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
        self.ledger.arrive(&notices, dropped, self.fault, now);
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
        match *kind {
            EventKind::GraceBegun { .. } => {
                let earlier = self.model.grace_begun.replace(now);
                assert_eq!(earlier, None, "a grace period began twice");
            }
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
        !self.model.erased
            && kept.epoch == self.model.epoch
            && can_be_past(kept.claims.auth_time(), now)
            && trusted.is_none_or(|(id, _)| self.ledger.browsers.is_trusted(id, now))
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
            let address = open.row.address;
            self.follow(Operation { flow: Some(open.id), compared, imported, address, ..Operation::default() })
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

    pub fn place(&self, at: u8) -> Option<usize> {
        (!self.sessions.is_empty()).then(|| usize::from(at) % self.sessions.len())
    }
}
