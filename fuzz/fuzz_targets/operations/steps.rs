//! The steps of a flow: each says what was sent, and what the answer may be.

use std::collections::HashSet;
use std::time::Duration;

use factorgate::moving::LegacyRecoveryCode;
use factorgate::otp::Window;
use factorgate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor};
use factorgate::{Code, DeviceName, EventKind, Factor, PrimaryVerified, RecoveryCode, SignedIn, Ticket, Timestamp};

use crate::flow::{Answer, Open, Reference, step};
use crate::model::{App, Proof, factors, is_worn_out, policies};
use crate::world::{World, contact};

fn wrong() -> Code {
    Code::parse("00000000").unwrap()
}

impl World {
    pub async fn begin(&mut self, policy: u8, trusted: bool) {
        self.choose_policy(policy);
        let primary = PrimaryVerified::assertion(self.user.clone());
        let browser = self.browser.take().filter(|_| trusted);
        let mut open = self.opening();
        open.trusted = browser.as_ref().is_some_and(|(_, epoch)| *epoch == self.model.epoch);
        let token = browser.as_ref().map(|(token, _)| token);
        let login = self.mfa.begin_login_from(primary, contact(), self.policy(), token).await.unwrap();
        self.see(login.into(), open).await;
    }

    pub async fn begin_registration(&mut self, policy: u8, in_session: bool) {
        self.choose_policy(policy);
        let other = (SignedIn::assertion(self.user.clone()), self.model.epoch);
        let (session, epoch) = self.signed_in.as_ref().filter(|_| in_session).unwrap_or(&other);
        let begun = self.mfa.begin_registration(session, contact(), self.policy()).await.unwrap();
        let answer = Answer::from(begun);
        assert!(answer.reference.is_none() || *epoch == self.model.epoch, "begun in a session that was ended");
        self.see(answer, self.opening()).await;
    }

    pub async fn begin_step_up(&mut self, policy: u8, session: u8, freshness: u8) {
        if self.sessions.is_empty() {
            return;
        }
        self.choose_policy(policy);
        let at = usize::from(session) % self.sessions.len();
        let used = self.sessions.remove(at);
        self.sessions.push(used);
        let Some((claims, epoch)) = self.sessions.last() else { return };
        let freshness = Duration::from_secs([0, 30, 600][usize::from(freshness) % 3]);
        let answer = Answer::from(self.mfa.begin_step_up(claims, contact(), self.policy(), freshness).await.unwrap());
        let goes_on = answer.reference.is_some() || answer.done.is_some();
        assert!(!goes_on || *epoch == self.model.epoch, "raised in a session that was ended");
        let open = Open { session: Some((claims.evidence().clone(), freshness)), ..self.opening() };
        self.see(answer, open).await;
    }

    pub async fn resume(&mut self, policy: u8) {
        let Some(open) = self.flows.last() else { return };
        let policy = &policies()[usize::from(policy) % policies().len()].0;
        let answer = step!(open, flow => self.mfa.resume(flow, policy));
        assert!(answer.done.is_none(), "a look lets nobody in");
    }

    pub async fn begin_enrollment(&mut self) {
        let Some(open) = self.flows.pop() else { return };
        let answer = step!(open, flow => self.mfa.begin_app_enrollment(flow, self.policy()));
        self.see(answer, open).await;
    }

    pub async fn send_email(&mut self) {
        let Some(open) = self.flows.pop() else { return };
        let answer = step!(open, flow => self.mfa.send_email_code(flow, self.policy()));
        self.see(answer, open).await;
    }

    pub async fn replace_device(&mut self, device: u8) {
        let Some(app) = self.model.apps.get(self.app(device)).map(|app| app.id) else { return };
        let Some(mut open) = self.flows.pop() else { return };
        let answer = match &open.reference {
            Some(Reference::Registration(flow)) => {
                let answer = self.mfa.replace_device(flow, app, self.policy()).await.unwrap().into();
                open.replaces = Some(app);
                answer
            }
            _ => Answer::default(),
        };
        self.see(answer, open).await;
    }

    pub async fn confirm_enrollment(&mut self, right: bool) {
        if self.flows.last().is_none_or(|open| open.secret.is_none()) {
            return;
        }
        let Some(mut open) = self.flows.pop() else { return };
        let Some(secret) = open.secret.take() else { return };
        let step = self.step();
        let code = self.code(&secret, if right { step } else { step + 100 });
        let name = DeviceName::new("phone").unwrap();
        let answer = step!(open, flow => self.mfa.confirm_app_enrollment(flow, &code, &name, self.policy()));
        let added = answer.events.iter().find_map(|event| match event.kind {
            EventKind::DeviceAdded { device } => Some((device, None)),
            EventKind::DeviceReplaced { device, by } => Some((by, Some(device))),
            _ => None,
        });
        match added {
            Some((id, replaced)) => {
                assert!(right, "a device was confirmed by a wrong code");
                self.may_register(&open);
                assert!(replaced.is_none() || replaced == open.replaces, "another device was replaced");
                self.model.apps.retain(|app| Some(app.id) != replaced);
                // The code that confirmed it is used up.
                self.model.apps.push(App { failures: 0, id, secret, used: HashSet::from([step]) });
                self.model.ever_held = true;
                open.proved.insert(Proof::Enrolled);
            }
            None => open.secret = Some(secret),
        }
        self.see(answer, open).await;
    }

    pub async fn register_external(&mut self, factor: u8, secs_ago: i8) {
        let Some(mut open) = self.flows.pop() else { return };
        let (factor, checked) = self.checked(factor, secs_ago);
        let answer = match &open.reference {
            Some(Reference::Registration(flow)) => {
                Answer::from(self.mfa.register_external(flow, &checked, self.policy()).await.unwrap())
            }
            _ => Answer::default(),
        };
        if answer.done.is_some() {
            self.may_register(&open);
            self.is_of_flow(&open, &checked);
            self.model.hold(factor);
            open.proved.insert(Proof::External(factor));
        }
        self.see(answer, open).await;
    }

    pub async fn assert_external(&mut self, factor: u8, secs_ago: i8) {
        let Some(mut open) = self.flows.pop() else { return };
        let (factor, checked) = self.checked(factor, secs_ago);
        let answer = step!(open, flow => self.mfa.assert_external(flow, &checked, self.policy()));
        if answer.accepted(Factor::External(factor)) {
            self.is_of_flow(&open, &checked);
            let held = self.model.external.iter_mut().find(|held| held.factor == factor);
            let held = held.expect("a factor was accepted that the user does not hold");
            assert!(!is_worn_out(held.failures), "a factor that is disabled was accepted");
            held.failures = 0;
            self.prove(&mut open, Proof::External(factor));
        }
        self.see(answer, open).await;
    }

    pub async fn fail_external(&mut self, factor: u8) {
        let Some(open) = self.flows.pop() else { return };
        let (factor, _) = self.checked(factor, 0);
        let answer = step!(open, flow => self.mfa.external_failed(flow, factor, self.policy()));
        if answer.judged_wrong(Factor::External(factor)) {
            let held = self.model.external.iter_mut().find(|held| held.factor == factor);
            held.expect("a factor was judged that the user does not hold").failures += 1;
            self.wrong += 1;
        }
        self.see(answer, open).await;
    }

    pub async fn redeem_ticket(&mut self, right: bool) {
        let Some(given) = &self.ticket else { return };
        let Some(mut open) = self.flows.pop() else { return };
        let other = Ticket::parse("GEZD GNBV GY3T QOJQ GEZD GNBV GY").unwrap();
        let ticket = if right { &given.ticket } else { &other };
        let answer = step!(open, flow => self.mfa.redeem_ticket(flow, ticket, self.policy()));
        if answer.accepted(Factor::Ticket) {
            let given = self.ticket.as_mut().filter(|given| right && !given.used);
            let given = given.expect("a ticket was good twice");
            let age = self.clock.time().saturating_since(given.at);
            assert!(age < Duration::from_secs(86_400), "a ticket was good for too long");
            given.used = true;
            self.prove(&mut open, Proof::Ticket);
        }
        self.wrong += u32::from(answer.judged_wrong(Factor::Ticket));
        self.see(answer, open).await;
    }

    /// Sends a code of `device`, as one of any device or of the one that is named.
    pub async fn verify_app(&mut self, device: u8, named: Option<u8>, steps_off: i8, right: bool) {
        let named = named.map(|named| self.app(named));
        if named.is_some_and(|named| named >= self.model.apps.len()) {
            return;
        }
        let Some(mut open) = self.flows.pop() else { return };
        // Mostly near the window.
        let (device, steps_off) = (self.app(device), i64::from(steps_off % 4));
        let step = self.step().saturating_add_signed(steps_off);
        let sent = self.model.apps.get(device).filter(|_| right).map(|_| (device, step));
        let code = sent.map_or_else(wrong, |(at, step)| self.code(&self.model.apps[at].secret, step));
        let answer = match named.map(|named| self.model.apps[named].id) {
            Some(id) => step!(open, flow => self.mfa.verify_app_code_of(flow, id, &code, self.policy())),
            None => step!(open, flow => self.mfa.verify_app_code(flow, &code, self.policy())),
        };
        self.judge_app_code(&answer.events, sent, named);
        if answer.accepted(Factor::App) {
            let window = Window::default();
            assert!((-i64::from(window.past())..=window.future().into()).contains(&steps_off));
            self.prove(&mut open, Proof::App);
        }
        self.see(answer, open).await;
    }

    pub async fn verify_email(&mut self, right: bool) {
        let Some(mut open) = self.flows.pop() else { return };
        let sent = self.outbox.last_code().filter(|_| right);
        let code = sent.as_ref().map_or_else(wrong, |code| Code::parse(code).unwrap());
        let answer = step!(open, flow => self.mfa.verify_email_code(flow, &code, self.policy()));
        if answer.accepted(Factor::Email) {
            assert!(sent.is_some() && open.mailed.take() == sent, "a code was good twice, or in another flow");
            assert!(!is_worn_out(self.model.email_failures), "codes by mail are disabled");
            self.model.email_failures = 0;
            self.prove(&mut open, Proof::Email);
        }
        if answer.judged_wrong(Factor::Email) {
            self.model.email_failures += 1;
            self.wrong += 1;
        }
        self.see(answer, open).await;
    }

    /// Sends a recovery code, as one of this library or of another system.
    pub async fn verify_recovery(&mut self, code: u8, right: bool, legacy: bool) {
        let at = usize::from(code) % self.model.recovery.len().max(1);
        let sent = self.model.recovery.get(at).filter(|_| right);
        let typed = sent.map_or("0000-0000-0000-0000", |code| &code.text).to_owned();
        let sent = sent.is_some();
        let Some(mut open) = self.flows.pop() else { return };
        let answer = match (legacy, RecoveryCode::parse(&typed)) {
            (true, _) => {
                let code = LegacyRecoveryCode::parse(&typed).unwrap();
                step!(open, flow => self.mfa.verify_legacy_recovery_code(flow, &code, self.policy()))
            }
            (false, Ok(code)) => step!(open, flow => self.mfa.verify_recovery_code(flow, &code, self.policy())),
            (false, Err(_)) => Answer::default(),
        };
        if answer.accepted(Factor::Recovery) {
            assert!(sent, "a wrong recovery code was accepted");
            assert!(!std::mem::replace(&mut self.model.recovery[at].used, true), "a recovery code was good twice");
            assert!(!is_worn_out(self.model.recovery_failures), "recovery codes that are disabled were accepted");
            self.model.recovery_failures = 0;
            self.prove(&mut open, Proof::Recovery);
        }
        if answer.judged_wrong(Factor::Recovery) {
            self.model.recovery_failures += 1;
            self.wrong += 1;
        }
        self.see(answer, open).await;
    }

    fn prove(&self, open: &mut Open, proof: Proof) {
        let is_young = self.clock.time().saturating_since(open.begun_at) < Duration::from_secs(600);
        let is_alive = is_young && !open.done && open.epoch == self.model.epoch;
        assert!(is_alive, "{proof:?} was accepted in a flow that was ended");
        open.proved.insert(proof);
    }

    fn may_register(&self, open: &Open) {
        for policy in [open.policy, self.policy] {
            let proved = &open.proved;
            assert!(self.model.may_register(policy, proved), "registered after {proved:?}, policy {policy}");
        }
    }

    fn is_of_flow(&self, open: &Open, checked: &ExternalEvidence) {
        let during = open.begun_at..=self.clock.time();
        assert!(during.contains(&checked.at()), "a check of another flow was taken");
    }

    /// What the host says that it has checked, so many seconds ago.
    fn checked(&self, factor: u8, secs_ago: i8) -> (ExternalFactor, ExternalEvidence) {
        let factor = factors()[usize::from(factor) % factors().len()];
        let at = Timestamp::from_secs(self.clock.time().as_secs().saturating_add_signed(-i64::from(secs_ago)));
        (factor, ExternalEvidence::assertion(factor, [AuthenticationMethod::HardwareKey], at).unwrap())
    }
}
