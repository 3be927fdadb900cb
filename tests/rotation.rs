//! A new server key: what is re-encrypted, what cannot be, and what continues meanwhile.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::browser::BrowserName;
use factorgate::keys::{KeyId, ServerKey, ServerKeys};
use factorgate::maintenance::{Reencrypted, Reencryptions, Walk};
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::session::SessionCheck;
use factorgate::store::{CorruptRecord, Record};
use factorgate::testing::{FixedClock, MailFailed, MemoryStore, Outbox, SeededRandom, StoreFailed, StoreFault};
use factorgate::{
    Action, Contact, EmailAddress, Error, FlowRef, Login, Mfa, Outcome, PrimaryVerified, SessionClaims, UserId, UserRow,
};

type Engine = Mfa<MemoryStore, Outbox>;

const NOW: u64 = 1_900_000_000;
const ROUNDS: usize = 100;

/// One store, an engine with the old key, and one with the new key, for which the old one is retired.
struct Host {
    clock: FixedClock,
    new: Arc<Engine>,
    old: Engine,
    random: SeededRandom,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        Self::on(MemoryStore::new())
    }

    fn on(store: MemoryStore) -> Self {
        let (clock, random) = (FixedClock::at(NOW), SeededRandom::new(3));
        let engine = |keys| {
            let builder = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
            builder.clock(clock.clone()).random(random.clone()).build().unwrap()
        };
        let (old, new) = (engine(ServerKeys::new(key(1))), engine(ServerKeys::new(key(2)).with_retired(key(1))));
        Self { clock, new: Arc::new(new), old, random, store }
    }

    /// The engine after the old key was dropped.
    fn dropped(&self) -> Engine {
        let keys = ServerKeys::new(key(2));
        let builder = Mfa::builder(self.store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
        builder.clock(self.clock.clone()).build().unwrap()
    }

    /// Registers a device with the old key.
    async fn register(&self, name: &str) -> Secret {
        let Outcome::Enroll(enroll) = begin(&self.old, name).await else { panic!() };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let confirm = Action::ConfirmApp { code: self.code(&secret).as_str().into(), name: None };
        let login = self.old.submit(enroll.challenge().flow(), &app(), confirm).await.unwrap();
        assert!(passed(&login));
        self.wait(30);
        secret
    }

    /// Signs in by a code of the device.
    async fn sign_in(&self, mfa: &Engine, name: &str, secret: &Secret) -> SessionClaims {
        let asked = begin(mfa, name).await;
        let Outcome::Done(passed) = self.app_code(mfa, asked.flow().unwrap(), secret).await else { panic!() };
        self.wait(30);
        passed.into_session(&row(name)).unwrap()
    }

    async fn app_code(&self, mfa: &Engine, flow: &FlowRef<Login>, secret: &Secret) -> Outcome<Login> {
        let code = self.code(secret).as_str().into();
        mfa.submit(flow, &app(), Action::AppCode { code, device: None }).await.unwrap()
    }

    /// Activates recovery codes, with the key of `mfa`.
    async fn recovery_codes(&self, mfa: &Engine, name: &str, secret: &Secret) -> Vec<String> {
        let claims = self.sign_in(mfa, name, secret).await;
        let check = mfa.check_session(&claims, &row(name), &app()).await.unwrap();
        let profile = mfa.profile(check.session().unwrap());
        let Outcome::Done(elevated) = profile.begin_step_up(Duration::from_secs(60)).await.unwrap() else { panic!() };
        let new = mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
        let codes: Vec<String> = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
        profile.confirm_recovery_codes(&codes[0].as_str().into()).await.unwrap().unwrap();
        codes
    }

    async fn recover(&self, mfa: &Engine, name: &str, code: &str) -> bool {
        let asked = begin(mfa, name).await;
        let action = Action::RecoveryCode { code: code.into() };
        passed(&mfa.submit(asked.flow().unwrap(), &app(), action).await.unwrap())
    }

    fn code(&self, secret: &Secret) -> String {
        let code = Totp::default().generate(secret, self.clock.time()).unwrap();
        code.expose_secret().expose_secret().to_owned()
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    async fn reencrypt(&self, name: &str) -> Result<Reencrypted, Error<StoreFailed, MailFailed>> {
        self.new.maintenance().reencrypt(&user(name)).await
    }

    async fn usage(&self, name: &str) -> (Option<KeyId>, BTreeSet<KeyId>) {
        let usage = self.new.maintenance().key_usage(&user(name)).await.unwrap();
        (usage.sealed_under, usage.needed)
    }
}

async fn begin(mfa: &Engine, name: &str) -> Outcome<Login> {
    mfa.begin_login(PrimaryVerified::assertion(row(name)), &app()).await.unwrap()
}

fn key(last: u8) -> ServerKey {
    ServerKey::from_hex(&format!("{last:064x}")).unwrap()
}

fn ids<const N: usize>(keys: [u8; N]) -> BTreeSet<KeyId> {
    keys.into_iter().map(|last| key(last).id()).collect()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn row(name: &str) -> UserRow {
    let contact = Contact::verified(EmailAddress::new(&format!("{name}@example.com")).unwrap());
    UserRow::new(user(name), "password 1", contact)
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn passed(login: &Outcome<Login>) -> bool {
    matches!(login, Outcome::Done(_))
}

fn on(_: &UserId, _: &Result<Reencrypted, Error<StoreFailed, MailFailed>>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[tokio::test]
async fn record_is_reencrypted_once_and_opens_without_the_old_key() {
    let host = Host::new();
    let (secret, other) = (host.register("alice").await, host.register("bob").await);
    assert_eq!(host.usage("alice").await, (Some(key(1).id()), ids([])));
    assert_eq!(host.reencrypt("alice").await.unwrap(), Reencrypted::Changed { needed: ids([]) });
    assert_eq!(host.usage("alice").await, (Some(key(2).id()), ids([])));
    let (record, swaps) = (host.store.record(&user("alice")), host.store.swaps());
    assert_eq!(host.reencrypt("alice").await.unwrap(), Reencrypted::Current { needed: ids([]) });
    assert_eq!((host.store.record(&user("alice")), host.store.swaps()), (record, swaps), "nothing is written twice");

    let dropped = host.dropped();
    host.sign_in(&dropped, "alice", &secret).await;
    // The control: the other user cannot sign in without the old key, and can with it.
    let result = dropped.begin_login(PrimaryVerified::assertion(row("bob")), &app()).await;
    assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::UnknownKey))), "{result:?}");
    host.sign_in(&host.new, "bob", &other).await;
}

#[tokio::test]
async fn digests_say_which_key_they_need_and_for_how_long() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let codes = host.recovery_codes(&host.old, "alice", &secret).await;
    let root = Administrator::assertion(user("root"));
    host.old.admin(&root).issue_ticket(&user("bob")).await.unwrap();
    let Outcome::Challenge(open) = begin(&host.old, "alice").await else { panic!() };
    let walk = host.new.maintenance().reencrypt_all(["alice", "bob"].map(user), on).await;
    assert_eq!((walk.total.changed, walk.failed), (2, 0));
    assert_eq!(walk.total.needed.into_iter().collect::<Vec<_>>(), [(key(1).id(), 2)]);
    // The open login continues under the new key.
    let login = host.app_code(&host.new, open.flow(), &secret).await;
    assert!(passed(&login), "{login:?}");

    host.wait(24 * 60 * 60);
    assert_eq!(host.usage("bob").await.1, ids([]), "the ticket has expired");
    assert_eq!(host.usage("alice").await.1, ids([1]), "recovery codes do not expire");
    assert!(host.recover(&host.new, "alice", &codes[1]).await);
    // Without the key they are refused, and the device is not: the answer tells an administrator so beforehand.
    assert!(!host.recover(&host.dropped(), "alice", &codes[2]).await);
    host.wait(30);
    host.recovery_codes(&host.new, "alice", &secret).await;
    let needed = host.usage("alice").await.1;
    assert!(needed.contains(&key(2).id()), "{needed:?}");
    host.wait(11 * 60);
    assert_eq!(host.usage("alice").await.1, ids([2]), "new codes are digested under the new key");
}

#[tokio::test]
async fn session_of_a_retired_key_is_valid_until_the_key_is_dropped() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let claims = host.sign_in(&host.old, "alice", &secret).await;
    host.reencrypt("alice").await.unwrap();
    let check = host.new.check_session(&claims, &row("alice"), &app()).await.unwrap();
    assert!(matches!(check, SessionCheck::Valid(_)), "{check:?}");
    let check = host.dropped().check_session(&claims, &row("alice"), &app()).await.unwrap();
    assert!(matches!(check, SessionCheck::Ended), "{check:?}");
}

#[tokio::test]
async fn walk_continues_after_a_record_that_cannot_be_opened() {
    let host = Host::new();
    for name in ["a", "b", "c", "d"] {
        host.register(name).await;
    }
    let bad = host.store.record(&user("b")).unwrap();
    let mut bytes = bad.sealed().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let bad = Record::new(bad.version(), bytes);
    host.store.put(&user("b"), bad.clone());

    let mut seen = Vec::new();
    let maintenance = host.new.maintenance();
    let walk = maintenance.reencrypt_all(["a", "b", "nobody", "c", "d"].map(user), |user, result| {
        seen.push((user.as_str().to_owned(), result.is_ok()));
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    assert_eq!((walk.total.changed, walk.total.without_record, walk.failed), (3, 1, 1));
    assert!(matches!(&walk.failures[..], [(who, Error::Corrupt(CorruptRecord::BrokenSeal))] if who.as_str() == "b"));
    assert_eq!(seen.iter().filter(|(_, ok)| !ok).collect::<Vec<_>>(), [&("b".to_owned(), false)]);
    assert_eq!(seen.len(), 5);
    assert_eq!(host.store.record(&user("b")), Some(bad), "it is left as it is");
    assert_eq!(host.store.record(&user("nobody")), None, "and none is made");
    let lines = [("re-encrypted", 3), ("already current", 0), ("without a record", 1), ("failed", 1)];
    let table = lines.map(|(name, users)| format!("{name:<42} {users:>10}")).join("\n");
    assert_eq!(walk.to_string(), table, "the sum names nobody");
}

#[tokio::test]
async fn stopped_walk_continues_after_its_last_user() {
    let host = Host::new();
    let names: Vec<UserId> = (0..6).map(|at| user(&format!("user-{at}"))).collect();
    for name in &names {
        host.register(name.as_str()).await;
    }
    let maintenance = host.new.maintenance();
    let mut left = 2;
    let stop = |_: &UserId, _: &Result<_, _>| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut walk = maintenance.reencrypt_all(names.clone(), stop).await;
    assert_eq!((walk.last.as_ref(), walk.total.changed), (Some(&names[1]), 2));
    let last = walk.last.clone();
    let rest = names.iter().filter(|name| Some(*name) > last.as_ref()).cloned();
    walk.merge(maintenance.reencrypt_all(rest, on).await);
    assert_eq!((walk.last.as_ref(), walk.total.changed, walk.total.current), (names.last(), 6, 0));
    walk.merge(maintenance.reencrypt_all(names.clone(), on).await);
    assert_eq!((walk.total.changed, walk.total.current), (6, 6), "once more changes nothing");
    walk.merge(Walk::default());
    assert_eq!(walk.last.as_ref(), names.last(), "nor does an empty batch move it back");
}

#[tokio::test]
async fn failed_reencryption_leaves_the_old_or_the_new_record() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let before = host.store.record(&user("alice"));
    for fault in [StoreFault::Load, StoreFault::Swap] {
        host.store.set_fault(Some(fault));
        assert!(matches!(host.reencrypt("alice").await, Err(Error::Store(StoreFailed))), "{fault:?}");
        assert_eq!(host.store.record(&user("alice")), before);
    }
    host.store.set_fault(None);
    host.random.set_broken(true);
    assert!(matches!(host.reencrypt("alice").await, Err(Error::Randomness(_))));
    host.random.set_broken(false);
    assert_eq!(host.store.record(&user("alice")), before);
    host.store.set_fault(Some(StoreFault::AfterSwap));
    assert!(matches!(host.reencrypt("alice").await, Err(Error::Store(StoreFailed))));
    host.store.set_fault(None);
    // The write was made, and its answer lost: the walk is run again.
    assert!(matches!(host.reencrypt("alice").await.unwrap(), Reencrypted::Current { .. }));
    host.sign_in(&host.new, "alice", &secret).await;
}

#[test]
fn all_failures_are_counted_and_the_first_are_kept() {
    type Failed = Walk<Reencryptions, u8>;
    let batch = || {
        let mut walk = Failed::default();
        walk.failed = 80;
        walk.failures = (0..80).map(|at| (user("x"), at)).collect();
        walk
    };
    let mut walk = batch();
    walk.merge(batch());
    assert_eq!((walk.failed, walk.failures.len()), (160, Failed::FAILURES_KEPT));
}

/// Submits one right code 8 times while the record is re-encrypted 8 times. Returns how many logins were completed.
async fn race(host: &Host) -> usize {
    let secret = host.register("alice").await;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        cookies.push(begin(&host.old, "alice").await.flow().unwrap().to_cookie());
    }
    let code = host.code(&secret);
    let tasks: Vec<_> = (0..16)
        .map(|at| {
            let (mfa, code, cookie) = (Arc::clone(&host.new), code.clone(), cookies[at / 2 % 2].clone());
            tokio::spawn(async move {
                if at % 2 == 0 {
                    mfa.maintenance().reencrypt(&user("alice")).await.unwrap();
                    return false;
                }
                let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
                let action = Action::AppCode { code: code.into(), device: None };
                passed(&mfa.submit(&flow, &app(), action).await.unwrap())
            })
        })
        .collect();
    let mut completed = 0;
    for task in tasks {
        completed += usize::from(task.await.unwrap());
    }
    // What was spent meanwhile stays spent.
    let asked = begin(&host.new, "alice").await;
    let Some(flow) = asked.flow() else { return completed };
    completed + usize::from(passed(&host.app_code(&host.new, flow, &secret).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn code_is_accepted_once_while_records_are_reencrypted() {
    for _ in 0..ROUNDS {
        let host = Host::on(MemoryStore::interleaving());
        assert_eq!(race(&host).await, 1);
        assert_eq!(host.usage("alice").await.0, Some(key(2).id()));
    }
}

/// The control, with requests that take turns: on a store that applies every write the code is accepted more often.
#[tokio::test]
async fn control_code_is_accepted_more_than_once() {
    let accepted = race(&Host::on(MemoryStore::ignoring_expected())).await;
    assert!(accepted > 1, "{accepted}");
}

/// A key that is dropped in the middle of a step-up: the flow cannot be completed, and the code that it took is spent.
#[tokio::test]
async fn code_stays_spent_when_the_key_of_the_row_is_gone() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let claims = host.sign_in(&host.old, "alice", &secret).await;
    assert!(matches!(host.reencrypt("alice").await, Ok(Reencrypted::Changed { .. })));
    let check = host.new.check_session(&claims, &row("alice"), &app()).await.unwrap();
    let session = check.session().unwrap();
    let begun = host.new.profile(session).begin_step_up(Duration::ZERO).await.unwrap();
    let code = || Action::AppCode { code: host.code(&secret).as_str().into(), device: None };
    let refused = host.dropped().submit(begun.flow().unwrap(), session, code()).await.unwrap();
    let Outcome::Denied(denied) = refused else { panic!("{refused:?}") };
    assert_eq!(denied.refusal().code(), "flow_ended");

    let again = host.new.profile(session).begin_step_up(Duration::ZERO).await.unwrap();
    let Outcome::Challenge(challenge) = host.new.submit(again.flow().unwrap(), session, code()).await.unwrap() else {
        panic!("the code was spent")
    };
    assert_eq!(challenge.refusal().map(|refusal| refusal.code()), Some("wrong_code"));
}

#[tokio::test]
async fn disabled_recovery_codes_need_no_key() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let codes = host.recovery_codes(&host.old, "alice", &secret).await;
    // Its first half is right, so that it is an attempt.
    let (half, _) = codes[0].split_at(10);
    let near = format!("{half}{}", if codes[0].ends_with("0000-0000") { "1111-1111" } else { "0000-0000" });
    host.wait(3600);
    assert_eq!(host.usage("alice").await.1, ids([1]), "the control");
    for _ in 0..20 {
        for _ in 0..5 {
            assert!(!host.recover(&host.old, "alice", &near).await);
        }
        host.wait(3600);
    }
    assert_eq!(host.usage("alice").await.1, ids([]));
}

#[tokio::test]
async fn hashes_of_another_system_need_no_key() {
    let host = Host::new();
    let builder =
        Mfa::builder(host.store.clone(), Outbox::new(), ServerKeys::new(key(1)), Issuer::new("ACME").unwrap());
    let mfa = builder.clock(host.clock.clone()).recovery_hash_checker(|_, _| false).build().unwrap();
    let root = Administrator::assertion(user("root"));
    let device = || ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default());
    let hashed = Import::new(device()).with_hashed_recovery_code("hash").unwrap();
    mfa.admin(&root).import(&user("alice"), &hashed).await.unwrap().unwrap();
    assert_eq!(host.usage("alice").await, (Some(key(1).id()), ids([])));
    let plain = Import::new(device()).with_recovery_code(LegacyRecoveryCode::parse("plain-one").unwrap()).unwrap();
    mfa.admin(&root).import(&user("bob"), &plain).await.unwrap().unwrap();
    assert_eq!(host.usage("bob").await.1, ids([1]), "the control: a code in plain is kept as a digest");
}

#[test]
fn merged_walks_add_every_count() {
    let counts = |n: u64| {
        let mut sum = Reencryptions::default();
        (sum.changed, sum.current, sum.without_record) = (n, 2 * n, 3 * n);
        sum.needed.insert(key(1).id(), 4 * n);
        sum
    };
    let mut sum = counts(3);
    sum += counts(5);
    assert_eq!(sum, counts(8));
}

#[tokio::test]
async fn trusted_browser_needs_the_new_key_alone_after_two_uses() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let policy = app().with_trusted_browsers();
    let claims = host.sign_in(&host.old, "alice", &secret).await;
    let check = host.old.check_session(&claims, &row("alice"), &policy).await.unwrap();
    let profile = host.old.profile(check.session().unwrap());
    let mut cookie = profile.trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap().unwrap().to_cookie();
    host.wait(3600);
    assert_eq!(host.usage("alice").await.1, ids([1]));
    // The token before the last one is kept, for two tabs that are opened at once.
    for needed in [ids([1, 2]), ids([2])] {
        let primary = PrimaryVerified::assertion(row("alice")).from_browser(Some(&cookie));
        let Outcome::Done(passed) = host.new.begin_login(primary, &policy).await.unwrap() else { panic!() };
        cookie = passed.browser().unwrap().to_cookie();
        assert_eq!(host.usage("alice").await.1, needed);
    }
}
