//! Who pays for a guess: the browser, if it is known for the factor, or the budget that all unknown browsers share.

use super::outlook::is_email;
use super::turn::{Charged, Turn, Verdict};
use super::{ATTEMPTS_PER_ENROLLMENT, Account, Context, Decision, OpenFlow, OutgoingNotice};
use crate::audit::EventKind;
use crate::flow::{Contact, Refusal};
use crate::limits::{Each, Spent, Target};
use crate::mail::Notice;
use crate::policy::Step;
use crate::time::Timestamp;
use crate::user::UserId;

impl Account {
    /// The place of the browser that pays for a guess in a flow; `None` if the shared budget does. A browser pays for the
    /// factors that it has proved: otherwise an attacker who reads the mailbox signs in by e-mail, and guesses app codes
    /// with a budget that each such sign-in renews.
    fn payer(&self, flow: &OpenFlow, target: Target) -> Option<usize> {
        self.browsers.of_flow(flow).filter(|at| self.browsers.is_known_for(*at, target))
    }

    /// Units of a comparison of an app code with one device: one for each three steps of the window, begun. So the odds of
    /// a guess are the same for every window.
    pub(super) fn weight(cx: &Context<'_>) -> u32 {
        let window = cx.rules.window;
        (1 + u32::from(window.past()) + u32::from(window.future())).div_ceil(3)
    }

    /// Why a code is not even compared. Paying comes before comparing, and what is refused here costs nothing.
    pub(super) fn refusal(&self, cx: &Context<'_>, flow: &OpenFlow, target: Target, cost: u32) -> Option<Refusal> {
        let rules = &cx.rules.guessing;
        if let Some(at) = self.payer(flow, target) {
            return self.browsers.locked(at, flow, cx).map(|until| Refusal::Locked { until });
        }
        let budget = self.shared.of(target);
        if let Some(until) = budget.locked(rules, cx.now) {
            return Some(Refusal::Locked { until });
        }
        let least = if target == Target::App { Self::weight(cx) } else { 1 };
        match budget.left(rules, cx.now) {
            left if left < least.min(cost) => {
                Some(Refusal::NewBrowsersBlocked { regained_at: budget.regained_at(rules, cx.now) })
            }
            left if left < cost => Some(Refusal::ChooseDevice),
            _ => None,
        }
    }

    /// A turn that ends before the comparison.
    pub(super) fn not_compared(&self, cx: &Context<'_>, flow: &OpenFlow, target: Target, cost: u32) -> Option<Turn> {
        let refusal = self.refusal(cx, flow, target, cost)?;
        let Refusal::Locked { until } = refusal else { return Some(Turn::refused(refusal)) };
        Some(Turn::new(Verdict::Refused(refusal), [EventKind::RefusedWhileLocked { until }]))
    }

    /// Takes a wrong code from the budget that pays for it.
    pub(super) fn charge(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, target: Target, cost: u32) -> Charged {
        let rules = &cx.rules.guessing;
        let charged = |locked: Option<Timestamp>| Charged {
            events: locked.iter().map(|until| EventKind::Locked { until: *until }).collect(),
            notice: None,
            refusal: locked.map_or(Refusal::WrongCode, |until| Refusal::Locked { until }),
        };
        if let Some(at) = self.payer(flow, target) {
            // Never `None`: the payer is known by the token of the flow.
            let (locked, ended) = self.browsers.charge(at, flow, cx).unwrap_or_default();
            let mut charged = charged(locked);
            charged.events.extend(ended);
            return charged;
        }
        let spent = flow.spent.of_mut(target);
        *spent = Spent { codes: spent.codes + 1, units: spent.units.saturating_add(cost) };
        let budget = self.shared.of_mut(target);
        let before = budget.left(rules, cx.now);
        let locked = budget.spend(rules, cost, cx.now);
        let mut charged = charged(locked);
        // The guesser has passed the first factor: the owner has to know (OWASP ASVS 5.0, 6.3.5). Once a day is enough.
        let notice = if budget.left(rules, cx.now) == 0 && before > 0 {
            charged.events.push(EventKind::NewBrowsersBlocked { regained_at: budget.regained_at(rules, cx.now) });
            Some(Notice::NewBrowsersBlocked)
        } else {
            let first = locked.filter(|_| budget.locks == 1);
            first.map(|until| Notice::Locked { lasts: until.saturating_since(cx.now) })
        };
        charged.notice = notice.and_then(|notice| OutgoingNotice::new(&flow.contact, notice));
        charged
    }

    /// Pays back, when a flow has ended well, what it has spent on the factors that it has proved. Otherwise an attacker
    /// who reads the mailbox would end each flow of wrong app codes with a right e-mail code.
    pub(super) fn pay_back(&mut self, cx: &Context<'_>, flow: &OpenFlow) {
        for target in Target::ALL {
            if flow.has_proved(target) {
                self.shared.of_mut(target).pay_back(&cx.rules.guessing, flow.spent.of(target), cx.now);
            }
        }
        if flow.has_proved(Target::App) {
            // The owner meant one device: the others have not failed. One that is disabled stays so until it is registered
            // again.
            for device in self.devices.iter_mut().filter(|device| !device.is_disabled()) {
                device.failures = device.failures.saturating_sub(flow.wrong_app_codes);
            }
        }
    }

    /// How many codes the user can enter in a flow before the next lock.
    pub(super) fn attempts_left(&self, cx: &Context<'_>, flow: &OpenFlow, next: Option<&Step>) -> u32 {
        let rules = &cx.rules.guessing;
        let Some(target) = next.and_then(|step| target_of(*step)) else {
            let attempts = flow.pending.as_ref().map_or(0, |pending| pending.attempts);
            return ATTEMPTS_PER_ENROLLMENT.saturating_sub(attempts);
        };
        if let Some(at) = self.payer(flow, target) {
            return self.browsers.attempts_left(at, flow, rules);
        }
        let devices = self.devices.iter().filter(|device| !device.is_disabled()).count() as u32;
        let cost = if target == Target::App { devices.max(1) * Self::weight(cx) } else { 1 };
        let budget = self.shared.of(target);
        rules.lock_after.saturating_sub(budget.streak).min(budget.left(rules, cx.now).div_ceil(cost))
    }

    /// Why the step that a page would ask for is refused now, whatever is entered.
    pub(super) fn block(&self, cx: &Context<'_>, flow: &OpenFlow, next: Option<&Step>) -> Option<Refusal> {
        self.refusal(cx, flow, target_of(*next?)?, 1)
    }

    /// At a password change without a second factor, as far as anybody knows: lifts locks, and raises the units to a few,
    /// once in a while. Otherwise an attacker who reads the mailbox resets the password whenever the units are spent.
    pub(super) fn grant(&mut self, cx: &Context<'_>, contact: &Contact) -> Option<Decision<()>> {
        let rules = &cx.rules.guessing;
        if !self.shared.iter_mut().any(|budget| budget.is_below(rules, rules.reset, cx.now)) {
            return None;
        }
        // A clock that went back gives nothing, and the time starts again.
        self.granted_at = self.granted_at.map(|at| at.min(cx.now));
        if self.granted_at.is_some_and(|at| cx.now.saturating_since(at) < rules.reset_every) {
            return None;
        }
        self.granted_at = Some(cx.now);
        self.shared.iter_mut().for_each(|budget| budget.raise(rules, rules.reset));
        let notice = OutgoingNotice::new(contact, Notice::Unblocked);
        Some(Decision::changed(()).with_event(EventKind::GuessesGranted).with_notice(notice))
    }

    /// Restores all that unknown browsers have spent.
    pub(super) fn restore_guesses(&mut self, by: Option<&UserId>) -> Option<EventKind> {
        let spent = core::mem::take(&mut self.shared);
        (spent != Each::default()).then(|| EventKind::GuessesRestored { by: by.cloned() })
    }
}

/// What is guessed at a step. A recovery code has no budget that is shared, and a ticket cannot be guessed.
fn target_of(step: Step) -> Option<Target> {
    match step {
        Step::AppCode => Some(Target::App),
        Step::External(_) => Some(Target::External),
        step if is_email(step) => Some(Target::Email),
        _ => None,
    }
}

impl OpenFlow {
    /// Notes that it has proved something itself, whatever its session has proved before.
    pub(super) fn prove(&mut self, target: Target) {
        self.proved |= target.bit();
    }

    pub(super) fn has_proved(&self, target: Target) -> bool {
        self.proved & target.bit() != 0
    }
}
