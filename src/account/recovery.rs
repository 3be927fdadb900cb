//! Recovery codes: a set that waits for its confirmation, the active set, and the use of a code.

use alloc::vec::Vec;

use super::turn::{Turn, Verdict};
use super::{ATTEMPTS_PER_ENROLLMENT, Account, Change, Context, Decision, FLOW_LIFETIME, OpenFlow, OutgoingNotice};
use crate::audit::{CodeFault, EventKind, Factor};
use crate::flow::{Elevated, Refusal, Session};
use crate::keys::KeyId;
use crate::limits::{Guessing, Target, is_running};
use crate::mac::TAG_LEN;
use crate::mail::Notice;
use crate::recovery_code::{RecoveryCode, RecoveryCodes, RecoveryCodesLeft};
use crate::secret::SecretText;
use crate::time::Timestamp;

/// The length of the digest of the first half of a recovery code.
pub(crate) const HALF_LEN: usize = 6;

/// What is found of a recovery code that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The place of the code.
    Code(usize),
    /// A guess that counts: its first half is that of a code, or the codes have none to compare.
    Guess,
    /// No attempt at a code of this user.
    Stranger,
}

/// Active recovery codes, as keyed digests under one key.
pub(crate) struct RecoverySet {
    pub(crate) codes: Vec<StoredRecoveryCode>,
    /// Consecutive wrong codes. Time does not reset them.
    pub(crate) failures: u32,
    /// The hashes, of another system, that were not used yet; `None` in a set that was made here.
    pub(crate) imported: Option<Vec<SecretText>>,
    pub(crate) key: KeyId,
    /// When the set became active. A session that was recovered before registers no device by its code.
    pub(crate) since: Timestamp,
}

pub(crate) struct StoredRecoveryCode {
    /// A keyed digest of the first half of a code that was made here. A wrong code counts only if its first half is that of a
    /// code of the user: anything else is no attempt at one of them.
    pub(crate) half: Option<[u8; HALF_LEN]>,
    pub(crate) tag: [u8; TAG_LEN],
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
        self.failures >= Guessing::CONSECUTIVE_CAP
    }
}

impl PendingRecovery {
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        is_running(self.expires_at, FLOW_LIFETIME, now)
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

    /// Keeps `made` until one of them is typed. The set before stays active.
    pub(crate) fn new_recovery_codes(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        made: &RecoveryCodes,
    ) -> Change<Timestamp> {
        if let Err(refusal) = self.check_elevated(cx, elevated) {
            return Decision::unchanged(Err(refusal));
        }
        if self.devices.is_empty() {
            return Decision::unchanged(Err(Refusal::Unknown));
        }
        let expires_at = cx.now.saturating_add(FLOW_LIFETIME);
        let set = RecoverySet::of_codes(cx, made);
        self.pending_recovery = Some(PendingRecovery { attempts: 0, expires_at, set });
        Decision::changed(Ok(expires_at)).with_event(EventKind::RecoveryCodesShown)
    }

    /// Activates the new codes with one of them, which stays valid: typing it shows that they were kept. The set before is
    /// dead, and so is whatever it has opened.
    pub(crate) fn confirm_recovery_codes(
        &mut self,
        cx: &Context<'_>,
        session: &Session,
        code: &RecoveryCode,
    ) -> Change<()> {
        if !self.holds(&session.claims, cx.now) {
            return Decision::unchanged(Err(Refusal::SessionEnded));
        }
        let Some(mut pending) = self.pending_recovery.take_if(|pending| pending.is_open(cx.now)) else {
            return Decision::unchanged(Err(Refusal::NothingToConfirm));
        };
        if !matches!(pending.set.find(cx, code), Found::Code(_)) {
            // No guess: the user was shown the codes.
            pending.attempts += 1;
            self.pending_recovery = Some(pending).filter(|pending| pending.attempts < ATTEMPTS_PER_ENROLLMENT);
            let refused = EventKind::CodeRefused { factor: Factor::RecoveryConfirmation, fault: CodeFault::Wrong };
            return Decision::changed(Err(Refusal::WrongCode)).with_event(refused);
        }
        self.recovery = Some(RecoverySet { since: cx.now, ..pending.set });
        self.flows.retain(|flow| flow.evidence.recovery_code.is_none());
        Decision::changed(Ok(()))
            .with_event(EventKind::RecoveryCodesRenewed)
            .with_notice(OutgoingNotice::new(&session.contact, Notice::RecoveryCodesRenewed))
    }

    /// Judges a code that was looked for. Whoever has the password could disable the codes by a hundred wrong ones, or lock
    /// the user, if each counted. So a code that was made here counts only if its first half is right, and spends no attempt
    /// (NIST SP 800-63B-4 section 3.1.2.2: the limit is one of attempts at a code).
    pub(super) fn judge_recovery_code(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, found: Found) -> Turn {
        let refused = |fault| EventKind::CodeRefused { factor: Factor::Recovery, fault };
        let Some(set) = &mut self.recovery else { return Turn::refused(Refusal::WrongCode) };
        let fault = match found {
            Found::Stranger => return Turn::new(Verdict::Refused(Refusal::WrongCode), [refused(CodeFault::Wrong)]),
            Found::Guess => CodeFault::Wrong,
            Found::Code(place) => match set.codes.get_mut(place).filter(|stored| !stored.used) {
                Some(stored) => {
                    stored.used = true;
                    return self.accept_recovery_code(cx, flow);
                }
                None => CodeFault::Replayed,
            },
        };
        set.failures = set.failures.saturating_add(1);
        let disabled = (set.failures == Guessing::CONSECUTIVE_CAP).then_some(EventKind::RecoveryCodesDisabled);
        let verdict = match set.imported {
            Some(_) => Verdict::Wrong { target: Target::Recovery, cost: 1 },
            None => Verdict::Stays(Some(Refusal::WrongCode)),
        };
        Turn::new(verdict, [refused(fault)].into_iter().chain(disabled))
    }

    /// Continues after a recovery code that was right, and is spent.
    pub(super) fn accept_recovery_code(&mut self, cx: &Context<'_>, flow: &mut OpenFlow) -> Turn {
        let left = self.recovery.as_mut().map_or(0, |set| {
            set.failures = 0;
            set.left()
        });
        flow.evidence.recovery_code = Some(cx.now);
        flow.prove(Target::Recovery);
        Turn::new(
            Verdict::Proved,
            [EventKind::CodeAccepted { factor: Factor::Recovery }, EventKind::RecoveryCodeUsed { left }],
        )
        .with_notice(OutgoingNotice::new(&flow.contact, Notice::RecoveryCodeUsed { left }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Rules;
    use crate::keys::{ServerKey, ServerKeys};
    use crate::mac;
    use crate::random::OsRandom;
    use crate::user::UserId;

    fn key() -> ServerKey {
        ServerKey::generate(&OsRandom).unwrap()
    }

    fn digests(of: impl FnOnce()) -> u32 {
        let before = mac::tests::COUNT.with(core::cell::Cell::get);
        of();
        mac::tests::COUNT.with(core::cell::Cell::get) - before
    }

    #[test]
    fn guess_computes_two_digests_however_many_codes_are_stored() {
        let (keys, rules, user) = (ServerKeys::new(key()), Rules::sample(), UserId::new("alice").unwrap());
        let cx = Context { keys: &keys, now: Timestamp::from_secs(0), rules: &rules, user: &user };
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        let mut set = RecoverySet::of_codes(&cx, &codes);
        for len in (0..=RecoveryCodes::COUNT).rev() {
            set.codes.truncate(len);
            for (place, code) in codes.iter().enumerate() {
                let mut found = Found::Guess;
                assert_eq!(digests(|| found = set.find(&cx, code)), 2);
                assert_eq!(found, if place < len { Found::Code(place) } else { Found::Stranger });
            }
        }
        assert_eq!(digests(|| drop(RecoverySet::of_codes(&cx, &codes))), 20, "the control: they are counted");
    }

    #[test]
    fn stored_code_is_bound_to_server_and_user_and_contains_none_of_its_bytes() {
        let (rules, alice, bob) = (Rules::sample(), UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let (old, other) = (key(), ServerKeys::new(key()));
        let text = old.to_hex();
        let keys = ServerKeys::new(old);
        let rotated = ServerKeys::new(key()).with_retired(ServerKey::from_hex(text.expose_secret()).unwrap());
        let cx = |keys, user| Context { keys, now: Timestamp::from_secs(0), rules: &rules, user };
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        let set = RecoverySet::of_codes(&cx(&keys, &alice), &codes);
        for code in codes.iter() {
            let found = set.find(&cx(&keys, &alice), code);
            assert!(matches!(found, Found::Code(_)));
            assert_eq!(set.find(&cx(&rotated, &alice), code), found, "they outlive the change of the server's key");
            assert_eq!(set.find(&cx(&keys, &bob), code), Found::Stranger);
            assert_eq!(set.find(&cx(&other, &alice), code), Found::Stranger);
            assert!(set.codes.iter().all(|stored| !stored.tag.windows(4).any(|part| code.bytes().starts_with(part))));
        }
        assert_eq!(set.left(), 10);
    }
}
