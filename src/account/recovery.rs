//! Recovery codes: a set that waits for its confirmation, the set in force, and what the use of a code leads to.

use alloc::vec::Vec;

use super::{
    ATTEMPTS_PER_ENROLLMENT, Account, Context, Decision, Digest, FLOW_LIFETIME, Fresh, OpenFlow, Outgoing, Progress,
    Request,
};
use crate::code::Code;
use crate::event::{CodeFault, EventKind, Factor};
use crate::keys::KeyId;
use crate::login::{ChangeRefused, Contact, Elevated, Purpose, Refusal, Token};
use crate::mailer::Notice;
use crate::policy::Step;
use crate::recovery::{RecoveryCode, RecoveryCodes, RecoveryCodesLeft};
use crate::secret::SecretText;
use crate::throttle::FailureBudget;
use crate::time::Timestamp;

/// Recovery codes in force, as keyed digests under one key.
pub(crate) struct RecoverySet {
    pub(crate) codes: Vec<StoredRecoveryCode>,
    /// Consecutive wrong codes. Time does not reset them.
    pub(crate) failures: u32,
    /// The hashes, of another system, that were not used yet; `None` in a set that was made here.
    pub(crate) imported: Option<Vec<SecretText>>,
    pub(crate) key: KeyId,
}

pub(crate) struct StoredRecoveryCode {
    pub(crate) tag: [u8; 32],
    pub(crate) used: bool,
}

/// Recovery codes that were shown and wait for their confirmation. Nothing accepts them but that.
pub(crate) struct PendingRecovery {
    pub(crate) attempts: u32,
    pub(crate) expires_at: Timestamp,
    pub(crate) set: RecoverySet,
}

impl RecoverySet {
    /// How many can be used.
    pub(crate) fn left(&self) -> u32 {
        let unused: u32 = self.codes.iter().map(|code| u32::from(!code.used)).sum();
        // There are few: the import and the record are bounded.
        let hashed = self.imported.as_ref().map_or(0, |hashes| hashes.len() as u32);
        if self.is_disabled() { 0 } else { unused + hashed }
    }

    fn is_disabled(&self) -> bool {
        self.failures >= FailureBudget::CONSECUTIVE_CAP
    }
}

impl Account {
    /// Whether a recovery code can stand in for the app.
    pub(crate) fn has_recovery_codes(&self) -> bool {
        self.recovery.as_ref().is_some_and(|set| set.left() > 0)
    }

    pub(crate) fn recovery_codes_left(&self) -> Option<RecoveryCodesLeft> {
        self.recovery.as_ref().map(|set| RecoveryCodesLeft::new(set.left()))
    }

    /// Keeps `made` until one of them is typed, on a fresh code of a device. The set before stays in force.
    pub(crate) fn begin_recovery_codes(
        &mut self,
        cx: Context<'_>,
        code: &Code,
        made: &RecoveryCodes,
    ) -> Decision<Result<Timestamp, ChangeRefused>> {
        if self.devices.is_empty() {
            return Decision::unchanged(Err(ChangeRefused::NoDevice));
        }
        self.with_fresh_code(&cx, code, |account| account.show_recovery_codes(&cx, made))
    }

    /// Keeps `made` as [`Account::begin_recovery_codes`] does, on a step-up.
    pub(crate) fn begin_recovery_codes_with(
        &mut self,
        cx: Context<'_>,
        elevated: &Elevated,
        made: &RecoveryCodes,
    ) -> Decision<Result<Timestamp, ChangeRefused>> {
        if self.devices.is_empty() {
            return Decision::unchanged(Err(ChangeRefused::NoDevice));
        }
        if !self.is_elevated(&cx, elevated) {
            return Decision::unchanged(Err(ChangeRefused::StepUpEnded));
        }
        self.show_recovery_codes(&cx, made)
    }

    fn show_recovery_codes(
        &mut self,
        cx: &Context<'_>,
        made: &RecoveryCodes,
    ) -> Decision<Result<Timestamp, ChangeRefused>> {
        let expires_at = cx.now.saturating_add(FLOW_LIFETIME);
        let set = RecoverySet::of_codes(cx, made);
        self.pending_recovery = Some(PendingRecovery { attempts: 0, expires_at, set });
        Decision::changed(Ok(expires_at)).with_event(EventKind::RecoveryCodesShown)
    }

    /// Puts the new codes into force on one of them, which stays good: typing it shows that they were kept. The set
    /// before is dead, and so is whatever it has opened.
    pub(crate) fn confirm_recovery_codes(
        &mut self,
        cx: Context<'_>,
        code: &RecoveryCode,
        contact: &Contact,
    ) -> Decision<Result<(), ChangeRefused>> {
        if let Some(until) = self.failures.locked(cx.now) {
            return Decision::unchanged(Err(ChangeRefused::Locked { until }))
                .with_event(EventKind::RefusedWhileLocked { until });
        }
        let Some(mut pending) = self.pending_recovery.take_if(|pending| cx.now < pending.expires_at) else {
            return Decision::unchanged(Err(ChangeRefused::NothingToConfirm));
        };
        if pending.set.find(&cx, code).is_none() {
            // No guess: whoever confirms was shown the codes.
            pending.attempts += 1;
            self.pending_recovery = Some(pending).filter(|pending| pending.attempts < ATTEMPTS_PER_ENROLLMENT);
            let refused = EventKind::CodeRefused { factor: Factor::RecoveryConfirmation, fault: CodeFault::Wrong };
            return Decision::changed(Err(ChangeRefused::WrongCode)).with_event(refused);
        }
        self.recovery = Some(pending.set);
        self.flows.retain(|flow| flow.evidence.recovery_code.is_none());
        Decision::changed(Ok(()))
            .with_event(EventKind::RecoveryCodesRenewed)
            .with_mail(Outgoing::notice(contact, Notice::RecoveryCodesRenewed))
    }

    /// Spends a recovery code in place of a code of the app.
    pub(crate) fn verify_recovery_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &RecoveryCode,
    ) -> Decision<Progress> {
        self.at_step(rq, Step::RecoveryCode, |account, at| {
            let found = account.recovery.as_ref().and_then(|set| set.find(&rq.cx, code));
            account.judge_recovery_code(rq, fresh, at, found)
        })
    }

    /// Judges a code that was looked for, and stands at `found`.
    pub(super) fn judge_recovery_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        at: usize,
        found: Option<usize>,
    ) -> Decision<Progress> {
        let refused = |fault| EventKind::CodeRefused { factor: Factor::Recovery, fault };
        let Some(set) = &mut self.recovery else { return self.refuse(rq, at, Refusal::WrongCode) };
        match found.and_then(|place| set.codes.get_mut(place)) {
            Some(stored) if stored.used => {
                self.refuse(rq, at, Refusal::WrongCode).with_event(refused(CodeFault::Replayed))
            }
            Some(stored) => {
                stored.used = true;
                self.accept_recovery_code(rq, fresh, at)
            }
            None => {
                set.failures = set.failures.saturating_add(1);
                let mut events = Vec::from([refused(CodeFault::Wrong)]);
                if set.failures == FailureBudget::CONSECUTIVE_CAP {
                    events.push(EventKind::RecoveryCodesDisabled);
                }
                self.after_wrong_code(rq, at, 1, events)
            }
        }
    }

    /// Goes on after a recovery code that was right, and is spent.
    pub(super) fn accept_recovery_code(&mut self, rq: &Request<'_>, fresh: Fresh, at: usize) -> Decision<Progress> {
        let left = self.recovery.as_mut().map_or(0, |set| {
            set.failures = 0;
            set.left()
        });
        let notice = self.flows.get_mut(at).and_then(|flow| {
            flow.evidence.recovery_code = Some(rq.cx.now);
            Outgoing::notice(&flow.contact, Notice::RecoveryCodeUsed { left })
        });
        let mut decision = self.advance_with(rq, fresh, at, EventKind::CodeAccepted { factor: Factor::Recovery });
        decision.events.insert(1, EventKind::RecoveryCodeUsed { left });
        decision.with_mail(notice)
    }

    /// Opens the registration to which a recovered login leads: what paid for the login pays for it, too. From the
    /// profile it would take another recovery code, and the one that was spent may have been the last.
    pub(super) fn lead_to_registration(&mut self, cx: &Context<'_>, token: Token, login: &OpenFlow) -> Option<Token> {
        if login.purpose != Purpose::Login || !login.evidence.is_recovered() {
            return None;
        }
        self.flows.push(OpenFlow {
            begun_at: cx.now,
            code: None,
            contact: login.contact.clone(),
            epoch: self.epoch,
            evidence: login.evidence.clone(),
            expires_at: cx.now.saturating_add(FLOW_LIFETIME),
            pending: None,
            policy: login.policy.clone(),
            purpose: Purpose::Registration,
            replaces: None,
            token: Digest::of_token(cx, Purpose::Registration, &token),
        });
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Rules;
    use crate::keys::{ServerKey, ServerKeys};
    use crate::mac;
    use crate::otp::{Digits, Totp, Window};
    use crate::otpauth::Issuer;
    use crate::random::OsRandom;
    use crate::throttle::IssuanceBudget;
    use crate::user::UserId;

    fn rules() -> Rules {
        Rules {
            email_digits: Digits::EIGHT,
            email_lifetime: FLOW_LIFETIME,
            failures: FailureBudget::default(),
            issuance: IssuanceBudget::default(),
            issuer: Issuer::new("ACME").unwrap(),
            totp: Totp::default(),
            trust_lifetime: FLOW_LIFETIME,
            window: Window::default(),
        }
    }

    fn key() -> ServerKey {
        ServerKey::generate(&OsRandom).unwrap()
    }

    fn digests(of: impl FnOnce()) -> u32 {
        let before = mac::tests::COUNT.with(core::cell::Cell::get);
        of();
        mac::tests::COUNT.with(core::cell::Cell::get) - before
    }

    #[test]
    fn h11_a_guess_computes_one_digest_however_many_codes_are_stored() {
        let (keys, rules, user) = (ServerKeys::new(key()), rules(), UserId::new("alice").unwrap());
        let cx = Context { keys: &keys, now: Timestamp::from_secs(0), rules: &rules, user: &user };
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        let mut set = RecoverySet::of_codes(&cx, &codes);
        for len in (0..=RecoveryCodes::COUNT).rev() {
            set.codes.truncate(len);
            for (place, code) in codes.iter().enumerate() {
                let mut found = None;
                assert_eq!(digests(|| found = set.find(&cx, code)), 1);
                assert_eq!(found, Some(place).filter(|place| *place < len));
            }
        }
        assert_eq!(digests(|| drop(RecoverySet::of_codes(&cx, &codes))), 10, "the control: they are counted");
    }

    #[test]
    fn n09_a_stored_code_is_of_one_server_and_one_user_and_is_none_of_its_bytes() {
        let (rules, alice, bob) = (rules(), UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let (old, other) = (key(), ServerKeys::new(key()));
        let text = old.to_hex();
        let keys = ServerKeys::new(old);
        let rotated = ServerKeys::new(key()).with_retired(ServerKey::from_hex(text.expose_secret()).unwrap());
        let cx = |keys, user| Context { keys, now: Timestamp::from_secs(0), rules: &rules, user };
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        let set = RecoverySet::of_codes(&cx(&keys, &alice), &codes);
        for code in codes.iter() {
            assert!(set.find(&cx(&keys, &alice), code).is_some());
            assert!(set.find(&cx(&rotated, &alice), code).is_some(), "they outlive the change of the server's key");
            assert!(set.find(&cx(&keys, &bob), code).is_none());
            assert!(set.find(&cx(&other, &alice), code).is_none());
            assert!(set.codes.iter().all(|stored| !stored.tag.windows(4).any(|part| code.bytes().starts_with(part))));
        }
        assert_eq!(set.left(), 10);
    }
}
