//! The steps of a flow: each says what was sent, and what the answer may be.

use std::time::Duration;

use factorgate::audit::{CodeFault, EventKind, Factor};
use factorgate::device::DeviceId;
use factorgate::otp::Window;
use factorgate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor};
use factorgate::{Action, Refusal, Timestamp};

use crate::facts::is_running;
use crate::flow::{Open, Request};
use crate::guesses::Target;
use crate::model::{App, Proof, factors, is_worn_out};
use crate::world::World;

const WRONG: &str = "00000000";

/// A recovery code with the same first half, and another end.
fn near(code: &str) -> String {
    let (rest, last) = code.split_at(code.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

impl World {
    /// Why a guess in the flow that was used last would not even be compared.
    fn bar(&mut self, target: Target, cost: u32) -> Option<Refusal> {
        let (flow, now) = (self.flows.last()?.id, self.now());
        self.barred = self.ledger.refusal(flow, target, cost, now);
        self.barred
    }

    pub async fn resume(&mut self) {
        let Some((answer, open)) = self.act(Request::Resume, 0).await else { return };
        assert!(answer.done.is_none(), "a look lets nobody in");
        self.see(answer, open).await;
    }

    pub fn switch_flow(&mut self, to: u8) {
        if !self.flows.is_empty() {
            let at = usize::from(to) % self.flows.len();
            let flow = self.flows.remove(at);
            self.flows.push(flow);
        }
    }

    pub async fn cancel(&mut self) {
        let Some((answer, open)) = self.act(Request::Submit(Action::Cancel), 0).await else { return };
        assert_eq!(answer.refusal, Some(Refusal::FlowEnded));
        if self.was_open && !self.was_other {
            self.ledger.close(Some(open.id));
        }
        self.see(answer, open).await;
    }

    pub async fn send_email(&mut self) {
        let Some((answer, open)) = self.act(Request::Submit(Action::SendEmailCode), 0).await else { return };
        self.see(answer, open).await;
    }

    /// Begins to register a device: in place of none, of one, or of one that does not exist.
    pub async fn register_app(&mut self, replace: u8) {
        let replace = match replace % 8 {
            0..4 => None,
            7 => Some(DeviceId::new(999)),
            at => self.model.apps.get(self.app(at)).map(|app| app.id),
        };
        let action = Action::RegisterApp { replace };
        let Some((answer, mut open)) = self.act(Request::Submit(action), 0).await else { return };
        let known = replace.filter(|id| self.model.apps.iter().any(|app| app.id == *id));
        open.replaces = known.or(open.replaces);
        self.see(answer, open).await;
    }

    pub async fn confirm_app(&mut self, right: bool) {
        let step = self.step();
        let Some(Open { secret: Some(secret), .. }) = self.flows.last() else { return };
        let code = self.code(secret, if right { step } else { step + 100 });
        let action = Action::ConfirmApp { code: code.into(), name: Some("phone".into()) };
        let Some((answer, mut open)) = self.act(Request::Submit(action), 0).await else { return };
        let added = answer.events.iter().find_map(|event| match event.kind {
            EventKind::DeviceAdded { device } => Some((device, None)),
            EventKind::DeviceReplaced { device, by } => Some((by, Some(device))),
            _ => None,
        });
        if let Some((id, replaced)) = added {
            assert!(right, "a device was confirmed by a wrong code");
            self.may_register(&open);
            assert!(replaced.is_none() || replaced == open.replaces, "another device was replaced");
            self.model.apps.retain(|app| Some(app.id) != replaced);
            let secret = open.secret.take().expect("a secret was shown");
            // The code that confirmed it is used up.
            let used = [step].into();
            self.model.apps.push(App { failures: 0, id, last_step: step, secret, used });
            self.model.ever_had = true;
            open.proved.insert(Proof::Registered);
        }
        self.see(answer, open).await;
    }

    /// The host says that it has checked a factor, so many seconds ago: it is verified, or registered.
    pub async fn external(&mut self, factor: u8, secs_ago: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        // Mostly now.
        let ago = [0, 0, 0, 0, 1, 30, -1, -100][usize::from(secs_ago) % 8];
        let at = Timestamp::from_secs(self.now().as_secs().saturating_add_signed(-ago));
        let checked = ExternalEvidence::assertion(factor, [AuthenticationMethod::HardwareKey], at).unwrap();
        let barred = self.bar(Target::External, 1);
        let Some((answer, mut open)) = self.act(Request::External(Ok(checked)), 0).await else { return };
        let registered = answer.events.iter().any(|event| matches!(event.kind, EventKind::ExternalAdded { .. }));
        let accepted = answer.accepted(Factor::External(factor));
        if registered || accepted {
            assert!((open.begun_at..=self.now()).contains(&at), "a check of another flow was taken");
        }
        if registered {
            self.may_register(&open);
            self.model.hold(factor, self.now());
            open.proved.insert(Proof::External(factor));
        }
        if accepted {
            assert_eq!(barred, None, "a check was taken while its factor was locked");
            let now = self.now();
            let held = self.held_factor(factor);
            assert!(!is_worn_out(held.failures), "a factor that is disabled was accepted");
            (held.failures, held.used_at) = (0, now);
            open.proved.insert(Proof::External(factor));
        }
        self.see(answer, open).await;
    }

    pub async fn external_failed(&mut self, factor: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        self.bar(Target::External, 1);
        let Some((answer, open)) = self.act(Request::External(Err(factor)), 0).await else { return };
        if answer.fault(Factor::External(factor)).is_some() {
            self.held_factor(factor).failures += 1;
        }
        self.see(answer, open).await;
    }

    fn held_factor(&mut self, factor: ExternalFactor) -> &mut crate::model::Held {
        let held = self.model.external.iter_mut().find(|held| held.factor == factor);
        held.expect("a factor was judged that the user does not have")
    }

    pub async fn redeem_ticket(&mut self, right: bool) {
        let Some(given) = &self.ticket else { return };
        let code = if right { given.text.clone() } else { "GEZD GNBV GY3T QOJQ GEZD GNBV GY".into() };
        let action = Action::Ticket { code: code.into() };
        let Some((answer, mut open)) = self.act(Request::Submit(action), 0).await else { return };
        if answer.accepted(Factor::Ticket) {
            let now = self.now();
            let given = self.ticket.as_mut().filter(|given| right && !given.used);
            let given = given.expect("a ticket was accepted twice");
            let until = given.at.saturating_add(Duration::from_secs(86_400));
            assert!(is_running(until, 86_400, now), "a ticket was accepted that had expired");
            given.used = true;
            open.proved.insert(Proof::Ticket);
        }
        if answer.fault(Factor::Ticket).is_some() {
            assert!(!right, "a right ticket was refused");
        }
        self.see(answer, open).await;
    }

    /// Sends a code of `device`, as one of any device or of the one that is named.
    pub async fn app_code(&mut self, device: u8, named: Option<u8>, steps_off: u8, right: bool) {
        let named = named.map(|named| self.app(named));
        let takes = |at: usize, app: &App| !is_worn_out(app.failures) && named.is_none_or(|named| named == at);
        let apps = self.model.apps.iter().enumerate();
        let compared: Vec<usize> = apps.filter(|(at, app)| takes(*at, app)).map(|(at, _)| at).collect();
        let id = match named.map(|named| self.model.apps.get(named).map(|app| app.id)) {
            Some(None) => return,
            Some(Some(id)) => Some(id),
            None => None,
        };
        // Mostly near the window.
        let (at, steps_off) = (self.app(device), i64::from(steps_off as i8 % 4));
        let step = self.step().saturating_add_signed(steps_off);
        let app = self.model.apps.get(at).filter(|_| right);
        let code = app.map_or_else(|| WRONG.to_owned(), |app| self.code(&app.secret, step));
        let window = Window::default();
        let in_window = (-i64::from(window.past())..=window.future().into()).contains(&steps_off);
        let is_of_step = app.filter(|_| in_window && compared.contains(&at));
        let expected = match is_of_step {
            Some(app) if step > app.last_step => Ok(()),
            Some(_) => Err(CodeFault::Replayed),
            None => Err(CodeFault::Wrong),
        };
        let cost = compared.len() as u32;
        let barred = self.bar(Target::App, cost);
        let action = Action::AppCode { code: code.into(), device: id };
        let Some((answer, mut open)) = self.act(Request::Submit(action), cost).await else { return };
        if answer.accepted(Factor::App) {
            assert_eq!(expected, Ok(()), "a code was accepted that is wrong, or was used");
            let app = &mut self.model.apps[at];
            assert!(app.used.insert(step), "a code was accepted twice");
            (app.failures, app.last_step) = (0, step);
            open.proved.insert(Proof::App);
        }
        if let Some(fault) = answer.fault(Factor::App) {
            assert_eq!(expected, Err(fault), "a code was refused for another reason");
            compared.iter().for_each(|at| self.model.apps[*at].failures += 1);
        }
        let judged = answer.accepted(Factor::App) || answer.fault(Factor::App).is_some();
        assert!(!judged || barred.is_none(), "a code was compared that could not be paid for: {barred:?}");
        self.see(answer, open).await;
    }

    /// Sends a wrong code, the newest of this flow, the one before, or the newest of any flow.
    pub async fn email_code(&mut self, which: u8) {
        let Some(open) = self.flows.last() else { return };
        let newest = open.mailed.back().cloned().flatten();
        let before = open.mailed.iter().rev().nth(1).cloned().flatten();
        let code = match which % 4 {
            0 => None,
            1 => newest.clone(),
            2 => before.clone(),
            _ => self.last_code.clone(),
        };
        let code = code.unwrap_or_else(|| WRONG.to_owned());
        let expected = match open.outstanding {
            None => Err(CodeFault::NoneOutstanding),
            Some((expires_at, _)) if expires_at <= self.now() => Err(CodeFault::Expired),
            Some(_) if newest.as_ref() == Some(&code) => Ok(()),
            Some(_) if before.as_ref() == Some(&code) => Err(CodeFault::Superseded),
            Some(_) => Err(CodeFault::Wrong),
        };
        let action = Action::EmailCode { code: code.into() };
        let barred = self.bar(Target::Email, 1);
        let Some((answer, mut open)) = self.act(Request::Submit(action), 0).await else { return };
        let mut dead = false;
        if answer.accepted(Factor::Email) {
            assert_eq!(expected, Ok(()), "a code was accepted that is wrong, was used, or is of another flow");
            assert_eq!(barred, None, "a code was accepted while codes by mail were locked");
            assert!(!is_worn_out(self.model.email_failures), "codes by mail are disabled");
            self.model.email_failures = 0;
            open.proved.insert(Proof::Email);
            dead = true;
        }
        if let Some(fault) = answer.fault(Factor::Email) {
            assert_eq!(expected, Err(fault), "a code was refused for another reason");
            if matches!(fault, CodeFault::Superseded | CodeFault::Wrong) {
                self.model.email_failures += 1;
                let (_, attempts) = open.outstanding.as_mut().expect("a code to compare with");
                *attempts += 1;
                dead = *attempts == 5;
            }
        }
        if dead {
            open.outstanding = None;
            open.mailed.clear();
        }
        self.see(answer, open).await;
    }

    /// Enters the recovery code (1), one that has its first half (2), or another.
    pub async fn recovery_code(&mut self, code: u8, right: u8) {
        let at = usize::from(code) % self.model.recovery.len().max(1);
        let chosen = self.model.recovery.get(at);
        let sent = chosen.filter(|_| right & 1 == 1);
        let imported = self.model.has_imported_codes();
        let near = chosen.filter(|_| sent.is_none() && right & 2 == 2 && !imported).map(|code| near(&code.text));
        let is_attempt = imported || sent.is_some() || near.is_some();
        let typed = sent.map(|code| code.text.clone()).or(near).unwrap_or_else(|| "0000-0000-0000-0000".to_owned());
        let expected = match sent {
            Some(code) if !code.used => Ok(()),
            // A hash is dropped with its use.
            Some(code) if !code.text.starts_with("hashed") => Err(CodeFault::Replayed),
            _ => Err(CodeFault::Wrong),
        };
        let action = Action::RecoveryCode { code: typed.into() };
        let barred = if imported { self.bar(Target::Recovery, 1) } else { None };
        let Some((answer, mut open)) = self.act(Request::Submit(action), 0).await else { return };
        if answer.accepted(Factor::Recovery) {
            assert_eq!(barred, None, "a recovery code was accepted while they were locked");
            assert_eq!(expected, Ok(()), "a recovery code was accepted that is wrong, or was used");
            assert!(!is_worn_out(self.model.recovery_failures), "recovery codes that are disabled were accepted");
            self.model.recovery[at].used = true;
            self.model.recovery_failures = 0;
            open.proved.insert(Proof::Recovery);
        } else if let Some(fault) = answer.fault(Factor::Recovery) {
            assert_eq!(expected, Err(fault), "a recovery code was refused for another reason");
            self.model.recovery_failures += u32::from(is_attempt);
        }
        self.see(answer, open).await;
    }

    /// Text that no code can have costs nothing.
    pub async fn malformed(&mut self, what: u8) {
        let code = |text: &str| text.into();
        let action = match what % 7 {
            0 => Action::AppCode { code: code("12ab"), device: None },
            // The codes of the user's apps have eight digits.
            1 => Action::AppCode { code: code("123456"), device: None },
            2 => Action::EmailCode { code: code("") },
            3 => Action::EmailCode { code: code("123456") },
            4 => Action::RecoveryCode { code: code(&"x".repeat(65)) },
            5 => Action::Ticket { code: code("!") },
            _ => Action::ConfirmApp { code: code("x"), name: None },
        };
        let before = self.ledger.budgets.clone();
        let Some((answer, open)) = self.act(Request::Submit(action), 0).await else { return };
        let judged = |kind: &EventKind| matches!(kind, EventKind::CodeRefused { .. } | EventKind::CodeAccepted { .. });
        assert!(!answer.events.iter().any(|event| judged(&event.kind)), "text that is no code was compared");
        assert_eq!(self.ledger.budgets, before);
        assert!(answer.done.is_none());
        self.see(answer, open).await;
    }

    fn may_register(&self, open: &Open) {
        for policy in [open.policy, self.policy] {
            let proved = &open.proved;
            assert!(self.model.may_register(policy, proved), "registered after {proved:?}, policy {policy}");
        }
    }
}
