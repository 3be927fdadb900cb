//! What all users have, and what a policy asks of them.

use std::ops::ControlFlow;
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::browser::BrowserName;
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::maintenance::{Coverage, Covered, Walk};
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, TimeStep, Totp};
use factorgate::otpauth::{AccountName, Issuer};
use factorgate::policy::{
    Channel, DenyReason, Exemption, ExternalFactor, FirstRegistration, GraceDays, Policy, Preview, Summary,
};
use factorgate::store::{Record, Version};
use factorgate::testing::{FixedClock, MailFailed, MemoryStore, Outbox, StoreFailed, StoreFault};
use factorgate::{
    Action, Contact, EmailAddress, Error, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Timestamp, UserId, UserRow,
};

const NOW: u64 = 1_900_000_000;

type Result = Walk<Coverage, Error<StoreFailed, MailFailed>>;

struct Host {
    clock: FixedClock,
    mfa: Mfa<MemoryStore, Outbox>,
    root: Administrator,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        let (clock, store) = (FixedClock::at(NOW), MemoryStore::new());
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
        let root = Administrator::assertion(user("root"));
        Self { mfa: builder.clock(clock.clone()).build().unwrap(), clock, root, store }
    }

    fn admin(&self) -> factorgate::admin::Admin<'_, MemoryStore, Outbox> {
        self.mfa.admin(&self.root)
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
        self.admin().import(&user(name), &import).await.unwrap().unwrap();
    }

    async fn begin(&self, name: &str, policy: &Policy) -> Outcome<Login> {
        self.mfa.begin_login(PrimaryVerified::assertion(row(name)), policy).await.unwrap()
    }

    async fn app_code(&self, flow: &FlowRef<Login>, at: Timestamp) -> Outcome<Login> {
        let code = Totp::default().generate(&Secret::from_bytes(&[1; 20]).unwrap(), at).unwrap();
        let code = code.expose_secret().expose_secret().into();
        self.mfa.submit(flow, &app(), Action::AppCode { code, device: None }).await.unwrap()
    }

    async fn wrong(&self, name: &str) {
        if let Outcome::Challenge(asked) = self.begin(name, &app()).await {
            let _ = self.app_code(asked.flow(), Timestamp::from_secs(0)).await;
        }
    }

    /// A user whose device was disabled by wrong codes.
    async fn disable(&self, name: &str) {
        self.hold(name, 1, 0).await;
        while !self.admin().status(&user(name)).await.unwrap().devices[0].disabled {
            self.wrong(name).await;
            self.clock.advance(Duration::from_secs(14 * 24 * 3600));
        }
    }

    async fn trust(&self, name: &str) {
        self.hold(name, 1, 0).await;
        let Outcome::Challenge(asked) = self.begin(name, &app()).await else { panic!() };
        let Outcome::Done(passed) = self.app_code(asked.flow(), self.clock.time()).await else { panic!() };
        let claims = passed.into_session(&row(name)).unwrap();
        let check = self.mfa.check_session(&claims, &row(name), &app()).await.unwrap();
        let profile = self.mfa.profile(check.session().unwrap());
        let _ = profile.trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap().unwrap();
    }

    async fn look(&self, names: &[&str], policy: &Policy) -> Result {
        self.mfa.maintenance().coverage(all(names), policy, |_| ControlFlow::Continue(())).await
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

/// The user "unreachable" has no address.
fn contact(name: &str) -> Contact {
    match name {
        "unreachable" => Contact::without_email(AccountName::new(name).unwrap()),
        _ => Contact::verified(EmailAddress::new(&format!("{name}@example.com")).unwrap()),
    }
}

fn row(name: &str) -> UserRow {
    UserRow::new(user(name), "password 1", contact(name))
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode).unwrap().with_trusted_browsers()
}

#[tokio::test]
async fn users_are_counted_by_what_they_have() {
    let host = Host::new();
    host.hold("one", 1, 0).await;
    host.hold("three", 3, 10).await;
    host.hold("few", 1, 2).await;
    host.import("short", Import::new(device(9, 10))).await;
    host.hold("former", 1, 5).await;
    host.admin().reset(&user("former"), &contact("former")).await.unwrap();
    host.disable("disabled").await;
    host.hold("locked", 1, 0).await;
    for _ in 0..5 {
        host.wrong("locked").await;
    }
    host.trust("trusting").await;
    let first = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
    assert!(matches!(host.begin("registering", &first).await, Outcome::Enroll(_)));

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
    // The new user, the one who registers, and the former one with the ticket of the reset.
    assert_eq!(sum.must_register, 3);
    assert_eq!(sum.denied.iter().collect::<Vec<_>>(), [(&DenyReason::NoFirstEnrollmentProof, &1)]);
    let table = walk.to_string();
    for (line, users) in [
        ("users", 11),
        ("devices: 3", 1),
        ("cannot sign in: the user has nothing to prove before a device is registered", 1),
    ] {
        assert!(table.contains(&format!("{line:<42} {users:>10}")), "{table}");
    }
    assert!(!names.iter().any(|name| table.contains(&format!("{name}@"))), "{table}");
}

#[tokio::test]
async fn grace_exemptions_and_external_factors_are_counted() {
    let host = Host::new();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    host.admin().register_external(&user("passkey"), passkey, &contact("passkey")).await.unwrap().unwrap();
    let (from, until) = (Timestamp::from_secs(NOW), Timestamp::from_secs(NOW + 86_400));
    let exemption = Exemption::new("R. Oot", "on leave", from, until).unwrap();
    host.admin().exempt(&user("exempt"), Some(&exemption)).await.unwrap().unwrap();
    let policy = app().with_grace(GraceDays::new(14).unwrap());
    let walk = host.look(&["passkey", "exempt", "new"], &policy).await;
    let sum = &walk.total;
    assert_eq!((sum.users, sum.never, sum.formerly, sum.external), (3, 2, 0, 1));
    assert_eq!((sum.exempt, sum.in_grace), (1, 1));
    let mut twice = sum.clone();
    twice += sum.clone();
    assert_eq!((twice.external, twice.exempt, twice.in_grace), (2, 2, 2));
    host.clock.advance(Duration::from_secs(86_400));
    assert_eq!(host.look(&["exempt"], &policy).await.total.exempt, 0, "it has ended");
}

#[tokio::test]
async fn sum_of_parts_is_the_sum_of_all() {
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
async fn walk_names_users_continues_after_failures_and_can_be_stopped() {
    let host = Host::new();
    host.hold("a", 1, 0).await;
    host.store.put(&user("b"), Record::new(Version::FIRST, vec![0; 99]));
    let mut who = Vec::new();
    let collect = |covered: &Covered| {
        if covered.must_register() {
            who.push(covered.user.as_str().to_owned());
        }
        if covered.user.as_str() == "d" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let walk = host.mfa.maintenance().coverage(all(&["a", "b", "c", "d", "e"]), &app(), collect).await;
    assert_eq!(who, ["c", "d"]);
    assert_eq!((walk.total.users, walk.failed, walk.last.unwrap().as_str()), (3, 1, "d"));
    assert!(matches!(&walk.failures[..], [(user, Error::Corrupt(_))] if user.as_str() == "b"));
    host.store.set_fault(Some(StoreFault::Load));
    let walk = host.look(&["a", "c"], &app()).await;
    assert_eq!((walk.total.users, walk.failed), (0, 2), "a user who could not be read is not counted");
}

#[tokio::test]
async fn coverage_feeds_a_preview() {
    let host = Host::new();
    host.hold("a", 1, 0).await;
    let (off, next) = (Policy::off(FirstRegistration::AfterEmailCode), app());
    let (preview, mut summary) = (Preview::new(&off, &next), Summary::default());
    let mut locked_out = Vec::new();
    let maintenance = host.mfa.maintenance();
    let walk = maintenance.coverage(all(&["a", "b", "unreachable"]), &off, |covered| {
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
async fn coverage_shows_no_secret() {
    let host = Host::new();
    let secret = ImportedDevice::new(Secret::from_bytes(b"12345678901234567890").unwrap(), Totp::default());
    let code = LegacyRecoveryCode::parse("plain-one").unwrap();
    host.import("a", Import::new(secret).with_recovery_code(code).unwrap()).await;
    let mut shown = String::new();
    let policy = app();
    let maintenance = host.mfa.maintenance();
    let walk = maintenance.coverage(all(&["a"]), &policy, |covered| {
        shown = format!("{covered:?}");
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    shown += &format!("{walk:?}");
    for secret in ["12345678901234567890", "GEZDGNBV", "plain-one", "a@example.com", "[49, 50, 51"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A sum in which each count is a multiple of `n`, and no two are the same.
fn counts(n: u64) -> Coverage {
    let mut sum = Coverage::default();
    sum.devices.insert(1, 17 * n);
    sum.denied.insert(DenyReason::NoFirstEnrollmentProof, 18 * n);
    let counts = [
        &mut sum.users,
        &mut sum.never,
        &mut sum.formerly,
        &mut sum.external,
        &mut sum.devices_disabled,
        &mut sum.short_secrets,
        &mut sum.recovery_codes_enough,
        &mut sum.recovery_codes_few,
        &mut sum.recovery_codes_none,
        &mut sum.trusting,
        &mut sum.locked,
        &mut sum.in_grace,
        &mut sum.exempt,
        &mut sum.registering,
        &mut sum.password_alone,
        &mut sum.must_register,
    ];
    for (count, factor) in counts.into_iter().zip(1..) {
        *count = factor * n;
    }
    sum
}

#[test]
fn merged_walks_add_every_count() {
    let mut sum = counts(3);
    sum += counts(5);
    assert_eq!(sum, counts(8));
}

#[tokio::test]
async fn walk_keeps_the_first_hundred_failures_and_counts_all() {
    let host = Host::new();
    let names: Vec<String> = (0..101).map(|at| format!("user-{at:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    host.store.set_fault(Some(StoreFault::Load));
    let mut walk = host.look(&names, &app()).await;
    assert_eq!((walk.failed, walk.failures.len()), (101, Result::FAILURES_KEPT));
    walk.merge(host.look(&names, &app()).await);
    assert_eq!((walk.failed, walk.failures.len()), (202, Result::FAILURES_KEPT));
    assert_eq!(walk.failures[99].0, user("user-099"));
}
