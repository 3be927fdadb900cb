//! The engine, what is known of its user, and what must hold of every answer.

use std::collections::HashSet;
use std::time::Duration;

use factorgate::otpauth::Issuer;
use factorgate::policy::Policy;
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom};
use factorgate::{
    Administrator, Authenticated, BrowserToken, Code, Contact, Elevated, EmailAddress, EpochChange, Event, EventKind,
    Evidence, FailureBudget, Mfa, Registered, RegistrationRef, Secret, ServerKey, ServerKeys, SessionClaims, SignedIn,
    Ticket, Timestamp, UserId,
};

use crate::Act;
use crate::flow::{Answer, Done, Open, Reference};
use crate::model::{Model, is_worn_out, policies, proofs, totp};

/// A ticket that was handed over.
pub struct Given {
    pub at: Timestamp,
    pub ticket: Ticket,
    pub used: bool,
}

/// What the target holds beside the epoch in which it was made.
pub type Dated<T> = (T, u64);

pub struct World {
    pub browser: Option<Dated<BrowserToken>>,
    pub clock: FixedClock,
    pub elevated: Option<(Dated<Elevated>, Timestamp)>,
    pub flows: Vec<Open>,
    pub imports: u8,
    pub mfa: Mfa<MemoryStore, Outbox>,
    pub model: Model,
    pub outbox: Outbox,
    pub passed: Option<Authenticated>,
    /// The policy of now.
    pub policy: usize,
    pub sessions: Vec<Dated<SessionClaims>>,
    pub signed_in: Option<Dated<SignedIn>>,
    pub ticket: Option<Given>,
    pub user: UserId,
    /// Wrong guesses since the last lock, or login.
    pub wrong: u32,
}

pub fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

pub fn root() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

impl World {
    pub fn new() -> Self {
        let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
        let keys = ServerKeys::new(ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap());
        let builder = Mfa::builder(MemoryStore::new(), outbox.clone(), keys, Issuer::new("ACME Co").unwrap());
        let builder = builder.clock(clock.clone()).random(SeededRandom::new(7)).totp(totp());
        Self {
            browser: None,
            elevated: None,
            flows: Vec::new(),
            imports: 0,
            mfa: builder.recovery_hash_checker(|code, hash| hash.strip_prefix("hash:") == Some(code)).build().unwrap(),
            clock,
            model: Model::default(),
            outbox,
            passed: None,
            policy: 0,
            sessions: Vec::new(),
            signed_in: None,
            ticket: None,
            user: UserId::new("alice").unwrap(),
            wrong: 0,
        }
    }

    pub fn step(&self) -> u64 {
        totp().step_at(self.clock.time()).unwrap().get()
    }

    pub fn policy(&self) -> &'static Policy {
        &policies()[self.policy].0
    }

    pub fn choose_policy(&mut self, policy: u8) {
        self.policy = usize::from(policy) % policies().len();
    }

    pub fn app(&self, index: u8) -> usize {
        usize::from(index) % self.model.apps.len().max(1)
    }

    pub fn code(&self, secret: &Secret, step: u64) -> Code {
        totp().generate(secret, Timestamp::from_secs(step * 30)).unwrap()
    }

    /// A flow that is about to be begun.
    pub fn opening(&self) -> Open {
        Open {
            begun_at: self.clock.time(),
            done: false,
            epoch: self.model.epoch,
            mailed: None,
            policy: self.policy,
            proved: HashSet::new(),
            reference: None,
            replaces: None,
            secret: None,
            session: None,
            trusted: false,
        }
    }

    /// What must hold of every answer of a flow.
    pub async fn see(&mut self, answer: Answer, mut open: Open) {
        let (epoch, mut led_to) = (self.model.epoch, None);
        self.observe(&answer.events);
        if self.model.epoch != epoch {
            // It has registered a factor, and ended every other one.
            open.epoch = self.model.epoch;
        }
        if answer.events.iter().any(|event| event.kind == EventKind::CodeIssued) {
            open.mailed = self.outbox.last_code();
        }
        open.secret = answer.secret.or(open.secret);
        if let Some(done) = answer.done {
            assert!(!open.done, "a flow was completed twice");
            assert_eq!(open.epoch, self.model.epoch, "a flow that was ended was completed");
            open.done = true;
            match done {
                Done::Login(passed) => led_to = self.let_in(passed, &open).await,
                Done::Registration(registered) => self.registered(registered, &open),
                Done::StepUp(elevated) => self.stepped_up(elevated, &open),
            }
        }
        open.reference = open.reference.or(answer.reference);
        let begun = [Some(open), led_to].into_iter().flatten();
        self.flows.extend(begun.filter(|open| open.reference.is_some()));
        self.flows.drain(..self.flows.len().saturating_sub(12));
    }

    /// Gives the registration to which a recovered login leads.
    async fn let_in(&mut self, passed: Authenticated, open: &Open) -> Option<Open> {
        let (evidence, now) = (passed.evidence(), self.clock.time());
        let status = self.mfa.status(&self.user).await.unwrap();
        // Where nothing is owed, there is nothing to guess, and no lock.
        assert!(status.locked_until.is_none() || *evidence == Evidence::default(), "in while locked");
        for (proof, _) in proofs(evidence) {
            assert!(open.proved.contains(&proof), "{proof:?} was not proved in this login");
        }
        assert!(evidence.trusted_browser.is_none() || open.trusted, "a browser is trusted that is not");
        for policy in [open.policy, self.policy] {
            assert!(self.model.lets_in(policy, evidence, now), "in by {evidence:?}, policy {policy}");
        }
        assert!(
            passed.grace_until().is_none() || self.model.grace_begun.is_some(),
            "a grace period without a beginning"
        );
        if open.reference.is_some() {
            self.wrong = 0;
        }
        let claims = passed.session().rotated();
        assert_eq!(SessionClaims::from_text(&claims.to_text()).as_ref(), Ok(&claims));
        self.sessions.push((claims, self.model.epoch));
        if self.sessions.len() > 8 {
            self.sessions.remove(0);
        }
        let led_to = passed.recovery().map(|recovery| {
            let text = recovery.registration().to_cookie();
            let reference = RegistrationRef::from_cookie(text.expose_secret()).unwrap();
            let reference = Some(Reference::Registration(reference));
            Open { policy: open.policy, proved: open.proved.clone(), reference, ..self.opening() }
        });
        self.passed = Some(passed);
        led_to
    }

    fn registered(&mut self, registered: Registered, open: &Open) {
        for (proof, _) in proofs(&registered.evidence) {
            assert!(open.proved.contains(&proof), "{proof:?} was not proved in this registration");
        }
        self.go_on(&registered.change);
    }

    fn stepped_up(&mut self, elevated: Elevated, open: &Open) {
        let evidence = elevated.evidence();
        assert!(self.model.steps_up(evidence), "raised by {evidence:?}");
        for proof in proofs(evidence) {
            let before = open.session.as_ref().filter(|(session, _)| proofs(session).any(|held| held == proof));
            let fresh = before.is_some_and(|(_, freshness)| {
                !freshness.is_zero() && open.begun_at.saturating_since(proof.1) <= *freshness
            });
            assert!(fresh || open.proved.contains(&proof.0), "{proof:?} was not proved in this step-up");
        }
        if let Some((claims, epoch)) = self.sessions.last_mut() {
            if let Some(raised) = claims.raised_by(&elevated) {
                assert_eq!(*epoch, self.model.epoch, "a session that was ended was raised");
                *claims = raised.rotated();
            }
        }
        self.elevated = Some(((elevated, self.model.epoch), self.clock.time()));
    }

    /// The session that was used last has made this change, and goes on.
    pub fn go_on(&mut self, change: &EpochChange) {
        let Some((claims, epoch)) = self.sessions.pop() else { return };
        let next = if epoch + 1 == self.model.epoch { self.model.epoch } else { epoch };
        self.sessions.push((claims.after(change), next));
    }

    /// Follows what happened.
    pub fn observe(&mut self, events: &[Event]) {
        let ends = |event: &Event| {
            use EventKind::*;
            let kind = &event.kind;
            matches!(kind, AddressChangePermitted | DeviceAdded { .. } | DeviceRemoved { .. } | DeviceReplaced { .. })
                || matches!(kind, ExternalAdded { .. } | ExternalRemoved { .. } | FactorsImported { .. })
                || matches!(kind, FactorsReset { .. } | LoginsRevoked)
        };
        self.model.epoch += u64::from(events.iter().any(ends));
        for event in events {
            match event.kind {
                EventKind::GraceBegun { .. } => {
                    let earlier = self.model.grace_begun.replace(self.clock.time());
                    assert_eq!(earlier, None, "a grace period began twice");
                }
                EventKind::Locked { .. } => self.wrong = 0,
                _ => {}
            }
        }
        assert!(self.wrong < FailureBudget::DEFAULT_LIMIT, "more guesses than the budget allows");
    }

    /// Whether the last step-up still counts: it was just now, and nothing has changed since.
    pub fn is_elevated(&self) -> bool {
        let counts = |((_, epoch), at): &(Dated<Elevated>, Timestamp)| {
            *epoch == self.model.epoch && self.clock.time().saturating_since(*at) <= Duration::from_secs(300)
        };
        self.elevated.as_ref().is_some_and(counts)
    }

    /// The engine and the target know the same of the user.
    pub async fn compare(&self) {
        let status = self.mfa.status(&self.user).await.unwrap();
        assert!(status.devices.len() <= 5 && status.external.len() <= 5);
        let apps = self.model.apps.iter().map(|app| (app.id, is_worn_out(app.failures)));
        assert!(status.devices.iter().map(|device| (device.id, device.disabled)).eq(apps), "other devices");
        let external = self.model.external.iter().map(|held| (held.factor, is_worn_out(held.failures)));
        assert!(status.external.iter().map(|held| (held.factor, held.disabled)).eq(external), "other factors");
        assert_eq!(status.ever_held_factor, self.model.ever_held);
    }

    pub async fn act(&mut self, act: Act) {
        match act {
            Act::Advance(by) => self.clock.advance(Duration::from_secs(by.into())),
            Act::AdministratorIssuesTicket => self.issue_ticket().await,
            Act::AdministratorRegistersExternal { factor } => self.register_external_by_admin(factor).await,
            Act::AdministratorResets => self.reset().await,
            Act::AssertExternal { factor, secs_ago } => self.assert_external(factor, secs_ago).await,
            Act::Begin { policy, trusted } => self.begin(policy, trusted).await,
            Act::BeginEnrollment => self.begin_enrollment().await,
            Act::BeginRegistration { policy, in_session } => self.begin_registration(policy, in_session).await,
            Act::BeginStepUp { policy, session, freshness } => self.begin_step_up(policy, session, freshness).await,
            Act::CheckSession { session } => self.check_session(session).await,
            Act::ConfirmEnrollment { right } => self.confirm_enrollment(right).await,
            Act::FailExternal { factor } => self.fail_external(factor).await,
            Act::GrantExemption { from_hours, hours } => self.grant_exemption(from_hours, hours).await,
            Act::Import { devices, plain, hashed, last_step_off } => {
                self.import(devices, plain, hashed, last_step_off).await
            }
            Act::MakeRecoveryCodes { confirm } => self.make_recovery_codes(confirm).await,
            Act::PermitAddressChange => self.permit_address_change().await,
            Act::RedeemTicket { right } => self.redeem_ticket(right).await,
            Act::RegisterExternal { factor, secs_ago } => self.register_external(factor, secs_ago).await,
            Act::RemoveDevice { device, by } => self.remove_device(device, by).await,
            Act::RemoveDeviceElevated { device } => self.remove_device_elevated(device).await,
            Act::RemoveExternal { factor } => self.remove_external(factor).await,
            Act::ReplaceDevice { device } => self.replace_device(device).await,
            Act::Resume { policy } => self.resume(policy).await,
            Act::RevokeLogins => self.revoke_logins().await,
            Act::SendEmail => self.send_email().await,
            Act::SwitchFlow(to) => {
                if !self.flows.is_empty() {
                    let at = usize::from(to) % self.flows.len();
                    let flow = self.flows.swap_remove(at);
                    self.flows.push(flow);
                }
            }
            Act::Trust => self.trust().await,
            Act::VerifyApp { device, steps_off, right } => self.verify_app(device, None, steps_off, right).await,
            Act::VerifyAppOf { device, named, steps_off } => {
                self.verify_app(device, Some(named), steps_off, true).await
            }
            Act::VerifyEmail { right } => self.verify_email(right).await,
            Act::VerifyLegacyRecovery { code, right } => self.verify_recovery(code, right, true).await,
            Act::VerifyRecovery { code, right } => self.verify_recovery(code, right, false).await,
            // Once is enough.
            Act::WearOut { .. } => {}
            Act::WithdrawExemption => self.withdraw_exemption().await,
        }
    }
}
