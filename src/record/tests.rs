mod bounds;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::*;
use core::time::Duration;

use crate::account::{
    Browsers, Device, Digest, FlowBrowser, IssuedCode, KnownBrowser, MAX_OWED, OpenFlow, OutgoingNotice, Owed,
    OwedNotice, Pending, PendingRecovery, RecoverySet, RegisteredFactor, Replaced, StoredRecoveryCode, StoredTicket,
    Tail, Trust, WrongCodes,
};
use crate::audit::{EventKind, MAX_TAIL};
use crate::browser::{BrowserId, BrowserName};
use crate::device::{DeviceId, DeviceName};
use crate::flow::{Contact, Evidence, Purpose, RowDigest};
use crate::keys::ServerKey;
use crate::limits::{Each, Issues, SharedBudget, Spent};
use crate::mail::Notice;
use crate::migrate::Import;
use crate::otp::{Algorithm, Digits, TimeStep, Totp};
use crate::otpauth::AccountName;
use crate::policy::{
    AuthenticationMethod, Channel, Exemption, ExternalEvidence, ExternalFactor, FirstRegistration, Grace, Policy,
};
use crate::secret::{Secret, SecretText};
use crate::time::Timestamp;
use crate::user::EmailAddress;

fn keys(last: &str) -> ServerKey {
    ServerKey::from_hex(&["00".repeat(31), last.to_string()].concat()).unwrap()
}

fn user() -> UserId {
    UserId::new("alice").unwrap()
}

const ROW: RowDigest = RowDigest { key: KeyId([9; 8]), credential: [5; 16], address: [6; 16] };

/// An account that uses every field.
fn account() -> Account {
    let at = Timestamp::from_secs;
    let digest = Digest { key: KeyId([9; 8]), tag: [7; 16] };
    let set = |used: usize| RecoverySet {
        codes: (0..10)
            .map(|at| StoredRecoveryCode { half: Some([at as u8; 6]), tag: [at as u8; 16], used: at < used })
            .collect(),
        failures: 7,
        imported: None,
        key: KeyId([9; 8]),
        since: at(6),
    };
    let hash = |text: &str| SecretText::new(text.to_string());
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let methods = [AuthenticationMethod::HardwareKey, AuthenticationMethod::UserPresence];
    let address = EmailAddress::new("alice@example.com").unwrap();
    let notice = |notice| OutgoingNotice {
        to: address.clone(),
        notice,
        name: Some("new".to_string()),
        replaced: Some("old".to_string()),
    };
    Account {
        address_change: Some(at(40)),
        browsers: Browsers {
            last_id: 4,
            known: Vec::from([KnownBrowser {
                id: BrowserId::new(4),
                proved: 3,
                replaced: Some(Replaced {
                    at: at(6),
                    token: digest,
                    wrong: Some(WrongCodes { count: 5, last_at: Some(at(5)) }),
                }),
                sent: Issues { times: Vec::from([at(1), at(2)]), undelivered: true },
                session: 7,
                token: digest,
                trust: Some(Trust {
                    last_used_at: Some(at(6)),
                    name: BrowserName::new("Firefox").unwrap(),
                    policy: Policy::off(FirstRegistration::AfterPassword).with_trusted_browsers(),
                    row: ROW,
                    series: digest,
                    since: at(5),
                    until: at(7),
                }),
                used_at: at(6),
                wrong: WrongCodes { count: 1, last_at: Some(at(7)) },
            }]),
        },
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
        erased: true,
        ever_had_factor: true,
        exemption: Some(Exemption::new("O. Petrova", "waits for a smartphone", at(14), at(15)).unwrap()),
        external: Vec::from([
            RegisteredFactor { added_at: at(16), factor: passkey, failures: 1, last_used_at: Some(at(17)) },
            RegisteredFactor {
                added_at: at(18),
                factor: ExternalFactor::possession("push").unwrap(),
                failures: 0,
                last_used_at: None,
            },
        ]),
        flows: Vec::from([OpenFlow {
            begun_at: at(1),
            browser: Some(FlowBrowser { id: BrowserId::new(4), tag: [7; 16] }),
            code: Some(IssuedCode {
                attempts: 1,
                digest,
                expires_at: at(2),
                sent_at: Some(at(1)),
                superseded: Some(digest),
            }),
            contact: Contact::verified(address.clone()),
            epoch: 6,
            evidence: Evidence {
                app_code: Some((DeviceId::new(3), at(1))),
                email_code: Some((address.clone(), at(2))),
                external: Vec::from([ExternalEvidence::assertion(passkey, methods, at(5)).unwrap()]),
                recovery_code: Some(at(4)),
                registered: None,
                ticket: Some(at(3)),
                trusted_browser: None,
            },
            expires_at: at(9),
            known: true,
            pending: Some(Pending {
                attempts: 1,
                expires_at: at(10),
                secret: Secret::from_bytes(&[0x5a; 20]).unwrap(),
                totp: Totp::default(),
            }),
            policy: Policy::off(FirstRegistration::WithTicket),
            purpose: Purpose::Registration,
            replaces: Some(DeviceId::new(3)),
            row: ROW,
            session: u64::MAX,
            spent: Each { email: Spent { codes: 1, units: 2 }, ..Each::default() },
            token: digest,
            proved: 3,
            wrong_app_codes: 3,
        }]),
        grace: Grace::Started { at: at(12), until: at(13) },
        granted_at: Some(at(22)),
        issues: Issues { times: Vec::from([at(1), at(2)]), undelivered: true },
        last_device: 3,
        owed: Owed {
            last: 30,
            notices: notices(passkey)
                .into_iter()
                .zip(19..)
                .map(|(kind, number)| OwedNotice {
                    number,
                    notice: notice(kind),
                    tried_at: at(20),
                    failed: number % 2 == 0,
                })
                .collect(),
        },
        pending_recovery: Some(PendingRecovery { attempts: 2, expires_at: at(11), set: set(0) }),
        recovery: Some(RecoverySet { imported: Some(Vec::from(["$2a$04$a", "b"].map(hash))), ..set(3) }),
        row: Some(ROW),
        shared: Each { app: spent_budget(at(1)), ..Each::default() },
        stale_row: Some((RowDigest { credential: [8; 16], ..ROW }, at(41))),
        tail: Tail {
            last: 99,
            events: EventKind::samples().into_iter().take(MAX_TAIL).map(|kind| (at(21), kind)).collect(),
        },
        ticket: Some(StoredTicket { digest, expires_at: at(8) }),
    }
}

fn spent_budget(at: Timestamp) -> SharedBudget {
    let (locked_at, paying_since, since) = (Some(at), Some(at), Some(at));
    SharedBudget { locked_at, locks: 2, paid_back: 4, paying_since, since, spent: 30, streak: 4 }
}

/// As many kinds as there are places.
fn notices(factor: ExternalFactor) -> [Notice; MAX_OWED] {
    [
        Notice::AddressChangePermitted,
        Notice::BrowserTokenReused,
        Notice::BrowserTrusted,
        Notice::DeviceAdded,
        Notice::DeviceRemoved,
        Notice::DeviceReplaced,
        Notice::FactorAdded { factor },
        Notice::FactorRemoved { factor },
        Notice::FactorsReset,
        Notice::Locked { lasts: Duration::from_secs(60) },
        Notice::RecoveryCodeUsed { left: 2 },
        Notice::RecoveryCodesRenewed,
    ]
}

fn plain(account: &Account) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    fields::write(account, &mut out).unwrap();
    out.into_writer()
}

fn sealed_of(mut account: Account) -> Result<Record, TooLarge> {
    seal(&mut account, &user(), Version::FIRST, &ServerKeys::new(keys("01")), &[3; 24])
}

fn sealed() -> Record {
    sealed_of(account()).ok().unwrap()
}

#[test]
fn sealed_account_is_opened() {
    let opened = open(&sealed(), &user(), &ServerKeys::new(keys("01"))).unwrap();
    assert_eq!(plain(&opened), plain(&account()));
    assert_eq!(plain(&Account::default()), plain(&fields::read(&plain(&Account::default())).unwrap()));
}

#[test]
fn sealed_bytes_show_no_secret_and_no_address() {
    let sealed = sealed();
    let shows = |needle: &[u8], hay: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    for needle in [&[0xa5; 8][..], &[0x5a; 8], b"alice@", b"Smartphone"] {
        assert!(shows(needle, &plain(&account())), "the control must find it");
        assert!(!shows(needle, sealed.sealed()));
    }
}

#[test]
fn changed_or_cut_record_is_refused() {
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
        open(&Record::new(Version::FIRST, vec![0; Record::MAX_LEN + 1]), &user(), &keys).err(),
        Some(CorruptRecord::Format)
    );
}

#[test]
fn record_belongs_to_one_user_and_one_version() {
    let keys = ServerKeys::new(keys("01"));
    let good = sealed();
    assert_eq!(open(&good, &UserId::new("alice2").unwrap(), &keys).err(), Some(CorruptRecord::BrokenSeal));
    let moved = Record::new(2, good.sealed().to_vec());
    assert_eq!(open(&moved, &user(), &keys).err(), Some(CorruptRecord::BrokenSeal));
}

#[test]
fn retired_key_opens_and_unknown_key_is_named() {
    let record = sealed();
    assert!(open(&record, &user(), &ServerKeys::new(keys("02")).with_retired(keys("01"))).is_ok());
    assert_eq!(open(&record, &user(), &ServerKeys::new(keys("02"))).err(), Some(CorruptRecord::UnknownKey));
}

#[test]
fn content_that_is_cut_or_continued_is_refused() {
    let whole = plain(&account());
    for len in 0..whole.len() {
        assert!(fields::read(&whole[..len]).is_none(), "cut to {len}");
    }
    assert!(fields::read(&[whole.as_slice(), &[0]].concat()).is_none());
}

/// A usual record: one device, ten recovery codes, two trusted browsers, a full tail of events, and an attacker.
#[test]
fn usual_record_has_at_most_1_5_kib() {
    let whole = account();
    let at = Timestamp::from_secs(1_900_000_000);
    let policy = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode).unwrap();
    let mut browsers = account().browsers;
    browsers.known.extend(account().browsers.known);
    for browser in &mut browsers.known {
        let trust = browser.trust.as_mut().unwrap();
        trust.policy = policy.clone().with_trusted_browsers();
        (trust.since, trust.until, trust.last_used_at) = (at, at, Some(at));
        trust.name = BrowserName::new("Firefox on Windows").unwrap();
        (browser.used_at, browser.session) = (at, u64::MAX);
        browser.sent.times = Vec::from([at]);
        let replaced = browser.replaced.as_mut().unwrap();
        (replaced.at, replaced.wrong) = (at, Some(WrongCodes { count: 5, last_at: Some(at) }));
        browser.wrong = WrongCodes { count: 5, last_at: Some(at) };
    }
    let spent = spent_budget(at);
    let mut devices = whole.devices;
    devices[0].name = DeviceName::new("Alice's Pixel 9 Pro").unwrap();
    devices[0].last_step = TimeStep::new(63_333_333);
    (devices[0].added_at, devices[0].last_used_at) = (at, Some(at));
    let set = RecoverySet { imported: None, ..whole.recovery.unwrap() };
    // The longest events of everyday life.
    let event = |n: usize| match n % 3 {
        0 => EventKind::CodeRefused { factor: crate::audit::Factor::App, fault: crate::audit::CodeFault::Wrong },
        1 => EventKind::LoginCompleted,
        _ => EventKind::BrowserAccepted { browser: BrowserId::new(300), parallel: false },
    };
    let usual = Account {
        browsers,
        devices,
        epoch: 300,
        ever_had_factor: true,
        issues: Issues { times: Vec::from([at, at]), undelivered: false },
        last_device: 300,
        owed: Owed { last: 300, notices: Vec::new() },
        recovery: Some(set),
        row: Some(ROW),
        shared: Each { app: spent, email: spent, ..Each::default() },
        stale_row: Some((ROW, at)),
        tail: Tail { last: 10_000, events: (0..MAX_TAIL).map(|n| (at, event(n))).collect() },
        ..Account::default()
    };
    let len = sealed_of(usual).ok().unwrap().sealed().len();
    assert!(len <= 1536, "{len} bytes");
}

#[test]
fn imported_short_secret_is_read() {
    let mut account = account();
    account.devices[0].secret = Secret::from_legacy_bytes(&[1; 10]).unwrap();
    assert!(fields::read(&plain(&account)).is_some());
}

#[test]
fn golden_records_open() {
    for (name, account) in goldens() {
        let text = golden(name);
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        let sealed: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
        assert_eq!(sealed[3], FORMAT);
        let opened = open(&Record::new(1, sealed), &user(), &ServerKeys::new(keys("01"))).unwrap();
        assert_eq!(plain(&opened), plain(&account), "{name}");
    }
}

/// Once the format is released, a change needs a number and files of its own.
#[test]
fn format_is_written_as_in_the_golden_records_to_the_byte() {
    for (name, account) in goldens() {
        let sealed = sealed_of(account).ok().unwrap();
        let text: String = sealed.sealed().iter().map(|byte| format!("{byte:02x}")).collect();
        if std::env::var_os("FACTORGATE_WRITE_GOLDEN").is_some() {
            std::fs::write(golden_path(name), format!("{text}\n")).unwrap();
        }
        assert_eq!(golden(name), text, "{}", golden_path(name));
    }
}

#[test]
fn unknown_format_is_refused() {
    for format in [0, FORMAT + 1, 255] {
        let mut bytes = sealed().sealed().to_vec();
        bytes[3] = format;
        let opened = open(&Record::new(Version::FIRST, bytes), &user(), &ServerKeys::new(keys("01")));
        assert_eq!(opened.err(), Some(CorruptRecord::Format));
    }
}

fn golden_path(name: &str) -> String {
    format!("{}/tests/data/records/{FORMAT}-{name}.hex", env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(golden_path(name)).unwrap_or_default().trim().to_string()
}

/// Accounts of which `tests/data/records` keeps the records.
fn goldens() -> [(&'static str, Account); 4] {
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
            evidence: Evidence { registered: Some((DeviceId::new(4), Timestamp::from_secs(7))), ..Evidence::default() },
            pending: None,
            policy: Policy::all_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode).unwrap(),
            purpose: Purpose::Completion,
            ..account().flows.remove(0)
        }]);
        whole
    };
    let tombstone =
        Account { epoch: 7, erased: true, tail: Tail { last: 9, events: Vec::new() }, ..Account::default() };
    [("empty", Account::default()), ("tombstone", tombstone), ("full", account()), ("many", many(account()))]
}
