//! What all users hold, and what a policy asks of them.

use std::ops::ControlFlow;
use std::time::Duration;

use factorgate::moving::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{TimeStep, Totp};
use factorgate::otpauth::{AccountName, Issuer};
use factorgate::policy::{
    Channel, DenyReason, Exemption, ExternalFactor, FirstRegistration, GraceDays, Policy, Preview, Summary,
};
use factorgate::testing::{FixedClock, MailFailed, MemoryStore, Outbox, StoreFailed, StoreFault};
use factorgate::{
    Administrator, BrowserName, Contact, Coverage, Covered, EmailAddress, Error, Imported, Login, Mfa, OsRandom,
    PrimaryVerified, Record, Secret, ServerKey, ServerKeys, Timestamp, Trust, UserId, Walk,
};

const NOW: u64 = 1_900_000_000;

type Result = Walk<Coverage, Error<StoreFailed, MailFailed>>;

struct Host {
    clock: FixedClock,
    mfa: Mfa<MemoryStore, Outbox>,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        let (clock, store) = (FixedClock::at(NOW), MemoryStore::new());
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
        Self { mfa: builder.clock(clock.clone()).build().unwrap(), clock, store }
    }

    /// A user with so many devices and recovery codes.
    async fn hold(&self, name: &str, devices: u8, codes: usize) {
        let mut import = Import::new(device(1, 20));
        for byte in 2..=devices {
            import = import.with_device(device(byte, 20)).unwrap();
        }
        for at in 0..codes {
            import = import.with_recovery_code(LegacyRecoveryCode::parse(&format!("code-{at}")).unwrap()).unwrap();
        }
        self.import(name, import).await;
    }

    async fn import(&self, name: &str, import: Import) {
        let imported = self.mfa.import(&user(name), &import, &admin()).await.unwrap();
        assert!(matches!(imported, Imported::Made { .. }), "{imported:?}");
    }

    async fn begin(&self, name: &str, policy: &Policy) -> Login {
        self.mfa.begin_login(PrimaryVerified::assertion(user(name)), contact(name), policy).await.unwrap()
    }

    async fn wrong(&self, name: &str) {
        let Login::Challenge(asked) = self.begin(name, &app()).await else { return };
        let wrong = Totp::default().generate(&Secret::from_bytes(&[1; 20]).unwrap(), Timestamp::from_secs(0)).unwrap();
        let _ = self.mfa.verify_app_code(asked.flow(), &wrong, &app()).await.unwrap();
    }

    async fn look(&self, names: &[&str], policy: &Policy) -> Result {
        self.mfa.coverage(all(names), policy, |_| ControlFlow::Continue(())).await
    }
}

fn device(byte: u8, len: usize) -> ImportedDevice {
    let secret = Secret::from_legacy_bytes(&vec![byte; len]).unwrap();
    ImportedDevice::new(secret, Totp::default()).last_step(TimeStep::new(0))
}

fn all(names: &[&str]) -> Vec<(UserId, Contact)> {
    names.iter().map(|name| (user(name), contact(name))).collect()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Who is called "unreachable" has no address.
fn contact(name: &str) -> Contact {
    match name {
        "unreachable" => Contact::without_email(AccountName::new(name).unwrap()),
        _ => Contact::verified(EmailAddress::new(&format!("{name}@example.com")).unwrap()),
    }
}

fn admin() -> Administrator {
    Administrator::assertion(user("root"))
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode).unwrap().with_trusted_browsers()
}

#[tokio::test]
async fn each_user_is_counted_by_what_they_hold() {
    let host = Host::new();
    host.hold("one", 1, 0).await;
    host.hold("three", 3, 10).await;
    host.hold("few", 1, 2).await;
    host.import("short", Import::new(device(9, 10))).await;
    host.hold("former", 1, 5).await;
    host.mfa.reset_by_admin(&user("former"), &admin(), contact("former")).await.unwrap();
    host.hold("disabled", 1, 0).await;
    for _ in 0..100 {
        while !matches!(host.begin("disabled", &app()).await, Login::Challenge(_)) {
            host.clock.advance(Duration::from_secs(3600));
            if host.mfa.devices(&user("disabled")).await.unwrap()[0].disabled {
                break;
            }
        }
        host.wrong("disabled").await;
    }
    host.clock.advance(Duration::from_secs(3600));
    host.hold("locked", 1, 0).await;
    for _ in 0..5 {
        host.wrong("locked").await;
    }
    host.hold("trusting", 1, 0).await;
    let Login::Challenge(asked) = host.begin("trusting", &app()).await else { panic!() };
    let code = Totp::default().generate(&Secret::from_bytes(&[1; 20]).unwrap(), host.clock.time()).unwrap();
    let Login::Authenticated(passed) = host.mfa.verify_app_code(asked.flow(), &code, &app()).await.unwrap() else {
        panic!()
    };
    let trust = host.mfa.trust_browser(&passed, &BrowserName::new("Firefox").unwrap(), &app()).await.unwrap();
    assert!(matches!(trust, Trust::Trusted { .. }), "{trust:?}");
    let first = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
    assert!(matches!(host.begin("registering", &first).await, Login::Enroll(_)));

    let names = [
        "one",
        "three",
        "few",
        "short",
        "former",
        "disabled",
        "locked",
        "trusting",
        "registering",
        "new",
        "unreachable",
    ];
    let (loads, swaps) = (host.store.loads(), host.store.swaps());
    let walk = host.look(&names, &app()).await;
    assert_eq!((host.store.loads() - loads, host.store.swaps() - swaps), (11, 0), "one load each, and no write");
    assert_eq!((walk.failed, walk.last.as_ref().unwrap().as_str()), (0, "unreachable"));
    let sum = &walk.total;
    assert_eq!((sum.users, sum.registered(), sum.never, sum.formerly), (11, 7, 3, 1));
    assert_eq!(sum.devices.iter().map(|(held, users)| (*held, *users)).collect::<Vec<_>>(), [(1, 6), (3, 1)]);
    assert_eq!((sum.recovery_codes_enough, sum.recovery_codes_few, sum.recovery_codes_none), (1, 1, 5));
    assert_eq!((sum.devices_disabled, sum.short_secrets, sum.trusting), (1, 1, 1));
    assert_eq!((sum.locked, sum.registering, sum.password_alone), (1, 1, 0));
    // The new ones and the one who begins; the former with the ticket of the reset.
    assert_eq!(sum.must_register, 3);
    assert_eq!(sum.denied.iter().collect::<Vec<_>>(), [(&DenyReason::NoFirstEnrollmentProof, &1)]);
    let table = walk.to_string();
    for line in [
        "users                                              11",
        "devices: 3                                          1",
    ] {
        assert!(table.contains(line), "{table}");
    }
    assert!(table.contains("the user has nothing to prove before a device is registered          1"), "{table}");
    assert!(!names.iter().any(|name| *name != "locked" && table.contains(&format!("{name}@"))), "{table}");
}

#[tokio::test]
async fn who_is_in_grace_exempt_or_holds_a_factor_of_the_host_is_counted_as_such() {
    let host = Host::new();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let _ = host.mfa.register_external_by_admin(&user("passkey"), passkey, &admin(), contact("passkey")).await.unwrap();
    let (from, until) = (Timestamp::from_secs(NOW), Timestamp::from_secs(NOW + 86_400));
    let exemption = Exemption::new("R. Oot", "on leave", from, until).unwrap();
    let _ = host.mfa.grant_exemption(&user("exempt"), &exemption, &admin()).await.unwrap();
    let policy = app().with_grace(GraceDays::new(14).unwrap());
    let walk = host.look(&["passkey", "exempt", "new"], &policy).await;
    let sum = &walk.total;
    assert_eq!((sum.users, sum.never, sum.formerly, sum.external), (3, 2, 0, 1));
    assert_eq!((sum.exempt, sum.in_grace), (1, 1));
    let mut twice = sum.clone();
    twice += sum.clone();
    assert_eq!((twice.external, twice.exempt, twice.in_grace), (2, 2, 2));
    host.clock.advance(Duration::from_secs(86_400));
    assert_eq!(host.look(&["exempt"], &policy).await.total.exempt, 0, "it is over");
}

#[tokio::test]
async fn walks_are_added_up_and_a_sum_of_parts_is_the_sum_of_all() {
    let host = Host::new();
    host.hold("a", 1, 1).await;
    host.hold("b", 2, 10).await;
    let names = ["a", "b", "c", "unreachable"];
    let whole = host.look(&names, &app()).await;
    let mut parts = host.look(&names[..2], &app()).await;
    parts.merge(host.look(&names[2..], &app()).await);
    assert_eq!(parts.total, whole.total);
    assert_eq!((parts.last, parts.failed), (whole.last, 0));
    assert_eq!(host.look(&[], &app()).await.total, Coverage::default());
}

#[tokio::test]
async fn a_walk_says_who_goes_past_who_fails_and_can_be_stopped() {
    let host = Host::new();
    host.hold("a", 1, 0).await;
    host.store.put(&user("b"), Record::new(factorgate::Version::FIRST, vec![0; 99]));
    let mut who = Vec::new();
    let collect = |covered: &Covered| {
        if covered.must_register() {
            who.push(covered.user.as_str().to_owned());
        }
        if covered.user.as_str() == "d" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let walk = host.mfa.coverage(all(&["a", "b", "c", "d", "e"]), &app(), collect).await;
    assert_eq!(who, ["c", "d"]);
    assert_eq!((walk.total.users, walk.failed, walk.last.unwrap().as_str()), (3, 1, "d"));
    assert!(matches!(&walk.failures[..], [(user, Error::Corrupt(_))] if user.as_str() == "b"));
    host.store.set_fault(Some(StoreFault::Load));
    let walk = host.look(&["a", "c"], &app()).await;
    assert_eq!((walk.total.users, walk.failed), (0, 2), "who could not be looked at is no one without a factor");
}

#[tokio::test]
async fn what_is_seen_feeds_a_preview() {
    let host = Host::new();
    host.hold("a", 1, 0).await;
    let (off, next) = (Policy::off(FirstRegistration::AfterEmailCode), app());
    let (preview, mut summary) = (Preview::new(&off, &next), Summary::default());
    let mut locked_out = Vec::new();
    let walk = host.mfa.coverage(all(&["a", "b", "unreachable"]), &off, |covered| {
        let finding = preview.finding(covered.user.clone(), &covered.standing);
        summary.count(&finding);
        locked_out.extend(finding.newly_locked_out().map(|_| finding.id));
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    assert_eq!((walk.total.password_alone, walk.total.denied.len()), (2, 0));
    assert_eq!((summary.users, summary.must_register, summary.password_alone_before), (3, 1, 2));
    assert_eq!(locked_out, [user("unreachable")]);
}

#[tokio::test]
async fn no_secret_is_in_what_is_shown() {
    let host = Host::new();
    let secret = ImportedDevice::new(Secret::from_bytes(b"12345678901234567890").unwrap(), Totp::default());
    let code = LegacyRecoveryCode::parse("plain-one").unwrap();
    host.import("a", Import::new(secret).with_recovery_code(code).unwrap()).await;
    let mut shown = String::new();
    let policy = app();
    let walk = host.mfa.coverage(all(&["a"]), &policy, |covered| {
        shown = format!("{covered:?}");
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    shown += &format!("{walk:?}");
    for secret in ["12345678901234567890", "GEZDGNBV", "plain-one", "a@example.com", "[49, 50, 51"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
