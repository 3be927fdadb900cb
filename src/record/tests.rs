use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::*;
use crate::account::{
    Browsers, Device, Digest, HeldFactor, IssuedCode, OpenFlow, Pending, PendingRecovery, RecoverySet,
    StoredRecoveryCode, StoredTicket, TrustedBrowser,
};
use crate::browser::{BrowserId, BrowserName};
use crate::device::{DeviceId, DeviceName};
use crate::keys::ServerKey;
use crate::login::{Contact, Evidence, Purpose};
use crate::moving::Import;
use crate::otp::{Algorithm, Digits, TimeStep, Totp};
use crate::otpauth::AccountName;
use crate::policy::{
    AuthenticationMethod, Channel, Exemption, ExternalEvidence, ExternalFactor, FirstRegistration, Grace, Policy,
};
use crate::secret::{Secret, SecretText};
use crate::throttle::{Failures, Issues};
use crate::time::Timestamp;
use crate::user::EmailAddress;

fn keys(last: &str) -> ServerKey {
    ServerKey::from_hex(&["00".repeat(31), last.to_string()].concat()).unwrap()
}

fn user() -> UserId {
    UserId::new("alice").unwrap()
}

/// An account that uses every field that format 1 has.
fn account_1() -> Account {
    let at = Timestamp::from_secs;
    let digest = Digest { key: KeyId([9; 8]), tag: [7; 32] };
    Account {
        browsers: Browsers::default(),
        devices: Vec::from([Device {
            added_at: at(1),
            failures: 2,
            id: DeviceId::new(3),
            last_step: TimeStep::new(u64::MAX),
            last_used_at: Some(at(4)),
            name: DeviceName::default(),
            secret: Secret::from_bytes(&[0xa5; 20]).unwrap(),
            totp: Totp::default(),
        }]),
        email_failures: 5,
        epoch: 6,
        ever_held_factor: true,
        exemption: None,
        external: Vec::new(),
        failures: Failures { spent: 1, locks: 2, locked_until: Some(at(3)) },
        flows: Vec::from([OpenFlow {
            begun_at: at(1),
            code: Some(IssuedCode { attempts: 1, digest, expires_at: at(2), sent_at: at(1), superseded: Some(digest) }),
            contact: Contact::verified(EmailAddress::new("alice@example.com").unwrap()),
            epoch: 6,
            evidence: Evidence {
                app_code: Some((DeviceId::new(3), at(1))),
                email_code: Some(at(2)),
                enrolled: None,
                external: Vec::new(),
                recovery_code: None,
                ticket: Some(at(3)),
                trusted_browser: None,
            },
            expires_at: at(9),
            pending: Some(Pending {
                attempts: 1,
                expires_at: at(10),
                secret: Secret::from_bytes(&[0x5a; 20]).unwrap(),
                totp: Totp::default(),
            }),
            policy: Policy::off(FirstRegistration::WithTicket),
            purpose: Purpose::Registration,
            replaces: None,
            token: digest,
        }]),
        grace: Grace::NotStarted,
        issues: Issues { times: Vec::from([at(1), at(2)]), paused_until: Some(at(3)) },
        last_device: 3,
        pending_recovery: None,
        recovery: None,
        ticket: Some(StoredTicket { digest, expires_at: at(8) }),
    }
}

/// An account that uses every field.
fn account() -> Account {
    let set = |used: usize| RecoverySet {
        codes: (0..10).map(|at| StoredRecoveryCode { tag: [at as u8; 32], used: at < used }).collect(),
        failures: 7,
        imported: None,
        key: KeyId([9; 8]),
    };
    let at = Timestamp::from_secs;
    let digest = Digest { key: KeyId([9; 8]), tag: [7; 32] };
    let mut account = account_1();
    account.browsers = Browsers {
        last_id: 4,
        trusted: Vec::from([TrustedBrowser {
            id: BrowserId::new(4),
            last_used_at: Some(at(6)),
            name: BrowserName::new("Firefox").unwrap(),
            policy: Policy::off(FirstRegistration::AfterPassword).with_trusted_browsers(),
            replaced: Some((digest, at(6))),
            series: digest,
            since: at(5),
            token: digest,
            until: at(7),
        }]),
    };
    let hash = |text: &str| SecretText::new(text.to_string());
    account.recovery = Some(RecoverySet { imported: Some(Vec::from(["$2a$04$a", "b"].map(hash))), ..set(3) });
    account.pending_recovery = Some(PendingRecovery { attempts: 2, expires_at: Timestamp::from_secs(11), set: set(0) });
    account.flows[0].evidence.recovery_code = Some(Timestamp::from_secs(4));
    account.flows[0].replaces = Some(DeviceId::new(3));
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let methods = [AuthenticationMethod::HardwareKey, AuthenticationMethod::UserPresence];
    account.flows[0].evidence.external = Vec::from([ExternalEvidence::assertion(passkey, methods, at(5)).unwrap()]);
    account.grace = Grace::Started { at: at(12), until: at(13) };
    account.exemption = Some(Exemption::new("O. Petrova", "waits for a smartphone", at(14), at(15)).unwrap());
    account.external = Vec::from([
        HeldFactor { added_at: at(16), factor: passkey, failures: 1, last_used_at: Some(at(17)) },
        HeldFactor {
            added_at: at(18),
            factor: ExternalFactor::possession("push").unwrap(),
            failures: 0,
            last_used_at: None,
        },
    ]);
    account
}

fn plain(account: &Account) -> Vec<u8> {
    let mut out = vec![0; encode::encoded_len(account)];
    encode::encode(account, &mut out).unwrap();
    out
}

fn sealed() -> Record {
    seal(&account(), &user(), Version::FIRST, &ServerKeys::new(keys("01")), &[3; 24]).unwrap()
}

#[test]
fn what_is_sealed_is_opened() {
    let opened = open(&sealed(), &user(), &ServerKeys::new(keys("01"))).unwrap();
    assert_eq!(plain(&opened), plain(&account()));
    assert_eq!(plain(&Account::default()), plain(&decode::decode(&plain(&Account::default()), FORMAT).unwrap()));
}

#[test]
fn no_secret_and_no_address_shows_in_the_sealed_bytes() {
    let sealed = sealed();
    let shows = |needle: &[u8], hay: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    for needle in [&[0xa5; 8][..], &[0x5a; 8], b"alice@", b"Smartphone"] {
        assert!(shows(needle, &plain(&account())), "the control must find it");
        assert!(!shows(needle, sealed.sealed()));
    }
}

#[test]
fn every_changed_bit_and_every_other_length_is_noticed() {
    let keys = ServerKeys::new(keys("01"));
    let good = sealed();
    for at in 0..good.sealed().len() {
        let mut bytes = good.sealed().to_vec();
        bytes[at] ^= 1 << (at % 8);
        assert!(open(&Record::new(Version::FIRST, bytes), &user(), &keys).is_err(), "byte {at}");
        let cut = good.sealed()[..at].to_vec();
        assert!(open(&Record::new(Version::FIRST, cut), &user(), &keys).is_err(), "cut to {at}");
    }
    assert_eq!(
        open(&Record::new(Version::FIRST, vec![0; MAX_LEN + 1]), &user(), &keys).err(),
        Some(CorruptRecord::Format)
    );
}

#[test]
fn a_record_belongs_to_one_user_and_one_version() {
    let keys = ServerKeys::new(keys("01"));
    let good = sealed();
    assert_eq!(open(&good, &UserId::new("alice2").unwrap(), &keys).err(), Some(CorruptRecord::BrokenSeal));
    let moved = Record::new(Version::new(2), good.sealed().to_vec());
    assert_eq!(open(&moved, &user(), &keys).err(), Some(CorruptRecord::BrokenSeal));
}

#[test]
fn a_retired_key_opens_and_an_unknown_one_is_named_as_such() {
    let record = sealed();
    assert!(open(&record, &user(), &ServerKeys::new(keys("02")).with_retired(keys("01"))).is_ok());
    assert_eq!(open(&record, &user(), &ServerKeys::new(keys("02"))).err(), Some(CorruptRecord::UnknownKey));
}

#[test]
fn content_that_was_cut_or_goes_on_is_refused() {
    let whole = plain(&account());
    for len in 0..whole.len() {
        assert!(decode::decode(&whole[..len], FORMAT).is_none(), "cut to {len}");
    }
    assert!(decode::decode(&[whole.as_slice(), &[0]].concat(), FORMAT).is_none());
}

#[test]
fn the_largest_account_stays_below_the_bound() {
    let long = |n: usize| "é".repeat(n / 2);
    let mut account = account();
    account.recovery = account.recovery.map(|set| RecoverySet {
        codes: Vec::new(),
        imported: Some(
            (0..Import::MAX_RECOVERY_CODES).map(|_| SecretText::new("h".repeat(Import::MAX_HASH_LEN))).collect(),
        ),
        ..set
    });
    account.issues.times = vec![Timestamp::from_secs(u64::MAX); 60];
    account.devices = (0..crate::account::MAX_DEVICES)
        .map(|_| {
            let mut devices = self::account().devices;
            devices[0].name = DeviceName::new(&long(DeviceName::MAX_LEN)).unwrap();
            devices.remove(0)
        })
        .collect();
    account.browsers.trusted = (0..crate::account::MAX_BROWSERS)
        .map(|_| {
            let mut browsers = self::account().browsers.trusted;
            browsers[0].name = BrowserName::new(&long(BrowserName::MAX_LEN)).unwrap();
            browsers.remove(0)
        })
        .collect();
    let name = |n: usize| format!("{n}{}", "x".repeat(ExternalFactor::MAX_NAME_LEN - 1));
    let factors: Vec<_> =
        (0..crate::account::MAX_EXTERNAL).map(|n| ExternalFactor::possession(&name(n)).unwrap()).collect();
    account.external =
        factors.iter().map(|factor| HeldFactor { factor: *factor, ..self::account().external.remove(0) }).collect();
    let text = long(Exemption::MAX_TEXT_LEN);
    let (now, later) = (Timestamp::from_secs(u64::MAX - 1), Timestamp::from_secs(u64::MAX));
    account.exemption = Some(Exemption::new(&text, &text, now, later).unwrap());
    account.flows = (0..crate::account::MAX_FLOWS)
        .map(|_| {
            let mut flows = self::account().flows;
            let address = format!("a@{}", "d".repeat(252));
            flows[0].contact = Contact::verified(EmailAddress::new(&address).unwrap());
            let checked = |factor: &ExternalFactor| {
                let methods = [AuthenticationMethod::OneTimePassword, AuthenticationMethod::Sms];
                ExternalEvidence::assertion(*factor, methods, later).unwrap()
            };
            flows[0].evidence.external = factors.iter().map(checked).collect();
            flows.remove(0)
        })
        .collect();
    assert!(plain(&account).len() < MAX_LEN - 100, "{}", plain(&account).len());
}

#[test]
fn more_than_can_be_imported_is_not_read() {
    let with = |hashes: usize, len: usize| {
        let mut account = account();
        let imported = Some((0..hashes).map(|_| SecretText::new("h".repeat(len))).collect());
        account.recovery = account.recovery.map(|set| RecoverySet { imported, ..set });
        decode::decode(&plain(&account), FORMAT)
    };
    let (most, longest) = (Import::MAX_RECOVERY_CODES, Import::MAX_HASH_LEN);
    assert!(with(most, longest).is_some());
    assert!(with(most + 1, 1).is_none() && with(1, longest + 1).is_none());
}

#[test]
fn a_short_secret_that_was_imported_is_read() {
    let mut account = account();
    account.devices[0].secret = Secret::from_legacy_bytes(&[1; 10]).unwrap();
    assert!(decode::decode(&plain(&account), FORMAT).is_some());
}

#[test]
fn records_of_every_format_open_for_ever() {
    for (name, account) in goldens(account_1) {
        assert_eq!(plain(&open_golden(1, name)), plain(&account), "{name}");
    }
    for (name, account) in goldens(account) {
        assert_eq!(plain(&open_golden(2, name)), plain(&account), "{name}");
    }
}

#[test]
fn what_is_written_is_the_newest_format_to_the_byte() {
    for (name, account) in goldens(account) {
        let sealed = seal(&account, &user(), Version::FIRST, &ServerKeys::new(keys("01")), &[3; 24]).unwrap();
        let text: String = sealed.sealed().iter().map(|byte| format!("{byte:02x}")).collect();
        // If the format was changed on purpose it needs a number of its own, and files of its own.
        assert_eq!(golden(FORMAT, name), text, "tests/data/records/{FORMAT}-{name}.hex");
    }
}

#[test]
fn a_record_of_a_format_that_is_not_known_is_not_guessed_at() {
    for format in [0, FORMAT + 1, 255] {
        let mut bytes = sealed().sealed().to_vec();
        bytes[3] = format;
        let opened = open(&Record::new(Version::FIRST, bytes), &user(), &ServerKeys::new(keys("01")));
        assert_eq!(opened.err(), Some(CorruptRecord::Format));
    }
    // Nor is a record read as one of another format that is known.
    let mut bytes = sealed().sealed().to_vec();
    bytes[3] = 1;
    let opened = open(&Record::new(Version::FIRST, bytes), &user(), &ServerKeys::new(keys("01")));
    assert_eq!(opened.err(), Some(CorruptRecord::BrokenSeal));
    assert!(decode::decode(&plain(&account()), 1).is_none());
}

/// What `tests/data/records` keeps of an account.
fn golden(format: u8, name: &str) -> String {
    let path = format!("{}/tests/data/records/{format}-{name}.hex", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_default().trim().to_string()
}

fn open_golden(format: u8, name: &str) -> Account {
    let text = golden(format, name);
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let sealed: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
    assert_eq!(sealed[3], format);
    open(&Record::new(Version::FIRST, sealed), &user(), &ServerKeys::new(keys("01"))).unwrap()
}

/// Accounts of which `tests/data/records` keeps what each format made of them.
fn goldens(account: fn() -> Account) -> [(&'static str, Account); 4] {
    let many = |mut whole: Account| {
        whole.devices.extend(account().devices);
        whole.devices.extend([Device {
            added_at: Timestamp::from_secs(1_900_000_000),
            failures: 100,
            id: DeviceId::new(4),
            last_step: TimeStep::new(0),
            last_used_at: None,
            name: DeviceName::new("Łucja's „Pixel“").unwrap(),
            secret: Secret::from_bytes(&[0x3c; 64]).unwrap(),
            totp: Totp::builder().algorithm(Algorithm::Sha512).digits(Digits::EIGHT).period_secs(60).build().unwrap(),
        }]);
        whole.flows.extend([OpenFlow {
            code: None,
            contact: Contact::without_email(AccountName::new("alice").unwrap()),
            evidence: Evidence { enrolled: Some((DeviceId::new(4), Timestamp::from_secs(7))), ..Evidence::default() },
            pending: None,
            policy: Policy::all_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode).unwrap(),
            purpose: Purpose::Login,
            ..account().flows.remove(0)
        }]);
        whole
    };
    let device_only = Account { flows: Vec::new(), issues: Issues::default(), ticket: None, ..account() };
    [("empty", Account::default()), ("device", device_only), ("full", account()), ("many", many(account()))]
}
