//! Keyed digests: what is stored of codes and tokens.
//!
//! A thief of the database could search a plain or a slow hash of a short code in no time; without the server's key there
//! is nothing to search (OWASP ASVS 5.0, 6.5.2; NIST SP 800-63B-4 section 3.1.1.2).

use alloc::vec::Vec;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::recovery::{Found, HALF_LEN};
use super::{Context, Digest, OpenFlow, RecoverySet, StoredRecoveryCode};
use crate::browser::BrowserToken;
use crate::code::Code;
use crate::flow::{Purpose, Token};
use crate::keys::KeySet;
use crate::mac::tag;
use crate::migrate::{Import, LegacyRecoveryCode};
use crate::recovery_code::{RecoveryCode, RecoveryCodes};
use crate::secret::SecretText;
use crate::ticket::Ticket;

impl Digest {
    /// Of the token of a flow.
    pub(super) fn of_token(cx: &Context<'_>, purpose: Purpose, token: &Token) -> Self {
        Self::new(cx.keys.current(), &token_fields(cx, purpose, token))
    }

    pub(super) fn is_of_token(&self, cx: &Context<'_>, purpose: Purpose, token: &Token) -> bool {
        self.matches(cx, &token_fields(cx, purpose, token))
    }

    /// Of an e-mail code, for one flow and one address only (OWASP ASVS 5.0, 6.6.2).
    pub(super) fn of_code(cx: &Context<'_>, flow: &OpenFlow, code: &Code) -> Self {
        with_code_fields(cx, flow, code, |fields| Self::new(cx.keys.current(), fields))
    }

    pub(super) fn is_of_code(&self, cx: &Context<'_>, flow: &OpenFlow, code: &Code) -> bool {
        with_code_fields(cx, flow, code, |fields| self.matches(cx, fields))
    }

    pub(super) fn of_ticket(cx: &Context<'_>, ticket: &Ticket) -> Self {
        Self::new(cx.keys.current(), &ticket_fields(cx, ticket))
    }

    pub(super) fn is_of_ticket(&self, cx: &Context<'_>, ticket: &Ticket) -> bool {
        self.matches(cx, &ticket_fields(cx, ticket))
    }

    /// Of what the tokens of a trusted browser have in common.
    pub(super) fn of_series(cx: &Context<'_>, token: &BrowserToken) -> Self {
        Self::new(cx.keys.current(), &browser_fields(cx, b"series", token.series()))
    }

    pub(super) fn is_of_series(&self, cx: &Context<'_>, token: &BrowserToken) -> bool {
        self.matches(cx, &browser_fields(cx, b"series", token.series()))
    }

    /// Of the token of a known browser, all of it.
    pub(super) fn of_browser(cx: &Context<'_>, token: &BrowserToken) -> Self {
        Self::new(cx.keys.current(), &browser_fields(cx, b"token", token.bytes()))
    }

    pub(super) fn is_of_browser(&self, cx: &Context<'_>, token: &BrowserToken) -> bool {
        self.matches(cx, &browser_fields(cx, b"token", token.bytes()))
    }

    fn new(keys: &KeySet, fields: &[&[u8]]) -> Self {
        Self { key: keys.id, tag: tag(&keys.digest, fields) }
    }

    fn matches(&self, cx: &Context<'_>, fields: &[&[u8]]) -> bool {
        // A digest whose key is no longer configured matches nothing.
        cx.keys.by_id(self.key).is_some_and(|keys| tag(&keys.digest, fields).ct_eq(&self.tag).into())
    }
}

impl RecoverySet {
    pub(super) fn of_codes(cx: &Context<'_>, codes: &RecoveryCodes) -> Self {
        let keys = cx.keys.current();
        let stored = |code| StoredRecoveryCode {
            half: Some(half_of(keys, cx, code)),
            tag: tag(&keys.digest, &recovery_fields(cx, code)),
            used: false,
        };
        Self { codes: codes.iter().map(stored).collect(), failures: 0, imported: None, key: keys.id, since: cx.now }
    }

    /// Of the codes of another system: in plain as digests of their bytes, hashed ones as they are.
    pub(super) fn of_import(cx: &Context<'_>, import: &Import) -> Self {
        let keys = cx.keys.current();
        let mut codes: Vec<StoredRecoveryCode> = Vec::with_capacity(import.codes.len());
        for code in &import.codes {
            let tag = tag(&keys.digest, &legacy_fields(cx, code));
            if !codes.iter().any(|stored| stored.tag.ct_eq(&tag).into()) {
                codes.push(StoredRecoveryCode { half: None, tag, used: false });
            }
        }
        let hashes = import.hashes.iter().map(SecretText::duplicate).collect();
        Self { codes, failures: 0, imported: Some(hashes), key: keys.id, since: cx.now }
    }

    /// Looks for a code. However many are stored, two digests are computed, and compared with all of them
    /// (OWASP ASVS 5.0, 11.2.4).
    pub(super) fn find(&self, cx: &Context<'_>, code: &RecoveryCode) -> Found {
        let place = self.place_of(cx, &recovery_fields(cx, code));
        let Some(keys) = cx.keys.by_id(self.key) else { return Found::Stranger };
        let made = half_of(keys, cx, code);
        let is_half = |stored: &StoredRecoveryCode| stored.half.map_or(Choice::from(0), |half| half.ct_eq(&made));
        let half = self.codes.iter().fold(Choice::from(0), |found, stored| found | is_half(stored));
        match place {
            Some(place) => Found::Code(place),
            None if half.into() => Found::Guess,
            None => Found::Stranger,
        }
    }

    /// As [`RecoverySet::find`], of a code of another system. Every guess counts.
    pub(super) fn find_imported(&self, cx: &Context<'_>, code: &LegacyRecoveryCode) -> Found {
        self.place_of(cx, &legacy_fields(cx, code)).map_or(Found::Guess, Found::Code)
    }

    fn place_of(&self, cx: &Context<'_>, fields: &[&[u8]]) -> Option<usize> {
        let made = tag(&cx.keys.by_id(self.key)?.digest, fields);
        let mut found = u64::MAX;
        for (place, stored) in (0..).zip(&self.codes) {
            found.conditional_assign(&place, stored.tag.ct_eq(&made));
        }
        usize::try_from(found).ok().filter(|place| *place < self.codes.len())
    }
}

fn token_fields<'a>(cx: &Context<'a>, purpose: Purpose, token: &'a Token) -> [&'a [u8]; 4] {
    [b"token", purpose.label(), cx.user.as_str().as_bytes(), token.bytes.as_slice()]
}

fn browser_fields<'a>(cx: &Context<'a>, part: &'static [u8], bytes: &'a [u8]) -> [&'a [u8]; 4] {
    [b"browser", part, cx.user.as_str().as_bytes(), bytes]
}

fn ticket_fields<'a>(cx: &Context<'a>, ticket: &'a Ticket) -> [&'a [u8]; 3] {
    [b"ticket", cx.user.as_str().as_bytes(), ticket.bytes()]
}

fn recovery_fields<'a>(cx: &Context<'a>, code: &'a RecoveryCode) -> [&'a [u8]; 3] {
    [b"recovery", cx.user.as_str().as_bytes(), code.bytes()]
}

/// Of the first eight characters.
fn half_of(keys: &KeySet, cx: &Context<'_>, code: &RecoveryCode) -> [u8; HALF_LEN] {
    let (first, _) = code.bytes().split_at(code.bytes().len() / 2);
    let made = tag(&keys.digest, &[b"recovery half", cx.user.as_str().as_bytes(), first]);
    let mut half = [0; HALF_LEN];
    for (to, from) in half.iter_mut().zip(made) {
        *to = from;
    }
    half
}

fn legacy_fields<'a>(cx: &Context<'a>, code: &'a LegacyRecoveryCode) -> [&'a [u8]; 3] {
    [b"legacy recovery", cx.user.as_str().as_bytes(), code.expose_secret().as_bytes()]
}

fn with_code_fields<T>(cx: &Context<'_>, flow: &OpenFlow, code: &Code, digest: impl FnOnce(&[&[u8]]) -> T) -> T {
    let address = flow.contact.address().map_or("", |address| address.as_str());
    let value = zeroize::Zeroizing::new(code.value().to_be_bytes());
    digest(&[
        b"code",
        flow.purpose.label(),
        cx.user.as_str().as_bytes(),
        &flow.token.tag,
        address.as_bytes(),
        &[code.digits().get()],
        value.as_slice(),
    ])
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use zeroize::Zeroizing;

    use super::*;
    use crate::account::{Account, Rules};
    use crate::flow::{Contact, Evidence, RowDigest};
    use crate::keys::{KeyId, ServerKey, ServerKeys};
    use crate::limits::Each;
    use crate::mac::TAG_LEN;
    use crate::otp::Digits;
    use crate::policy::{FirstRegistration, Policy};
    use crate::random::OsRandom;
    use crate::time::Timestamp;
    use crate::user::{EmailAddress, UserId};

    fn token(byte: u8) -> Token {
        Token { user: UserId::new("alice").unwrap(), bytes: Box::new(Zeroizing::new([byte; 32])) }
    }

    fn flow(cx: &Context<'_>, purpose: Purpose, of: &Token, address: &str) -> OpenFlow {
        let now = Timestamp::from_secs(0);
        OpenFlow {
            begun_at: now,
            browser: None,
            code: None,
            contact: Contact::verified(EmailAddress::new(address).unwrap()),
            epoch: Account::default().epoch,
            evidence: Evidence::default(),
            expires_at: now,
            known: false,
            pending: None,
            policy: Policy::off(FirstRegistration::WithTicket),
            purpose,
            replaces: None,
            row: RowDigest { key: KeyId([0; 8]), credential: [0; TAG_LEN], address: [0; TAG_LEN] },
            session: 0,
            spent: Each::default(),
            token: Digest::of_token(cx, purpose, of),
            proved: 0,
            wrong_app_codes: 0,
        }
    }

    /// An e-mail code is valid in its own flow, for its own user, purpose and address, and under its own key.
    #[test]
    fn email_code_is_bound_to_flow_user_purpose_and_address() {
        let (rules, alice, bob) = (Rules::sample(), UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let key = || ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let (keys, other_keys) = (key(), key());
        let cx = |keys, user| Context { keys, now: Timestamp::from_secs(0), rules: &rules, user };
        let own = cx(&keys, &alice);
        let address = "alice@example.com";
        let of = flow(&own, Purpose::Login, &token(1), address);
        let code = Code::from_value(12_345_678, Digits::EIGHT);
        let digest = Digest::of_code(&own, &of, &code);
        assert!(digest.is_of_code(&own, &of, &code));

        for (name, other) in [
            ("flow", flow(&own, Purpose::Login, &token(2), address)),
            ("purpose", OpenFlow { purpose: Purpose::StepUp, ..flow(&own, Purpose::Login, &token(1), address) }),
            ("address", flow(&own, Purpose::Login, &token(1), "alice@example.org")),
        ] {
            assert!(!digest.is_of_code(&own, &other, &code), "another {name}");
        }
        assert!(!digest.is_of_code(&cx(&keys, &bob), &of, &code), "another user");
        assert!(!digest.is_of_code(&cx(&other_keys, &alice), &of, &code), "another key");
        for other in [Code::from_value(12_345_679, Digits::EIGHT), Code::from_value(12_345_678, Digits::NINE)] {
            assert!(!digest.is_of_code(&own, &of, &other), "another code");
        }
    }

    /// The token of one kind of flow, or of one user, is nothing for another one.
    #[test]
    fn token_is_bound_to_purpose_and_user() {
        let (rules, alice, bob) = (Rules::sample(), UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let cx = |user| Context { keys: &keys, now: Timestamp::from_secs(0), rules: &rules, user };
        let digest = Digest::of_token(&cx(&alice), Purpose::Login, &token(1));
        assert!(digest.is_of_token(&cx(&alice), Purpose::Login, &token(1)));
        assert!(!digest.is_of_token(&cx(&alice), Purpose::Login, &token(2)));
        assert!(!digest.is_of_token(&cx(&bob), Purpose::Login, &token(1)));
        for purpose in [Purpose::Registration, Purpose::StepUp, Purpose::Completion] {
            assert!(!digest.is_of_token(&cx(&alice), purpose, &token(1)), "{purpose:?}");
        }
    }
}
