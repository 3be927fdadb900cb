//! Another server key: what is sealed anew, what cannot be, and what goes on meanwhile.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom, StoreFailed, StoreFault};
use factorgate::{
    Administrator, Change, Code, Contact, CorruptRecord, DeviceName, EmailAddress, Error, KeyId, Login, LoginRef, Mfa,
    PrimaryVerified, Record, RecoveryCode, RecoveryCodes, Resealed, Secret, ServerKey, ServerKeys, SignedIn, UserId,
    Version, Walk,
};

const NOW: u64 = 1_900_000_000;
const ROUNDS: usize = 100;

/// One store, an engine with the old key, and one with the new key, for which the old one is retired.
struct Host {
    clock: FixedClock,
    new: Arc<Mfa<MemoryStore, Outbox>>,
    old: Mfa<MemoryStore, Outbox>,
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

    /// The engine when the old key is dropped.
    fn dropped(&self) -> Mfa<MemoryStore, Outbox> {
        let keys = ServerKeys::new(key(2));
        let builder = Mfa::builder(self.store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
        builder.clock(self.clock.clone()).build().unwrap()
    }

    /// Registers a device with the old key.
    async fn register(&self, name: &str) -> Secret {
        let Login::Enroll(enroll) = begin(&self.old, name).await else { panic!() };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let code = self.code(&secret);
        let login = self.old.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &app()).await;
        assert!(passed(&login.unwrap()));
        self.wait(30);
        secret
    }

    /// Puts recovery codes into force, with the key of `mfa`.
    async fn recovery_codes(&self, mfa: &Mfa<MemoryStore, Outbox>, name: &str, secret: &Secret) -> RecoveryCodes {
        let session = SignedIn::assertion(user(name));
        let shown = mfa.begin_recovery_codes(&session, &self.code(secret)).await.unwrap();
        let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
        let done = mfa.confirm_recovery_codes(&session, first(&new.codes), contact(name)).await.unwrap();
        assert!(matches!(done, Change::Made { .. }), "{done:?}");
        self.wait(30);
        new.codes
    }

    async fn recover(&self, mfa: &Mfa<MemoryStore, Outbox>, name: &str, code: &RecoveryCode) -> bool {
        let Login::Challenge(asked) = begin(mfa, name).await else { panic!() };
        passed(&mfa.verify_recovery_code(asked.flow(), code, &app()).await.unwrap())
    }

    fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    async fn usage(&self, name: &str) -> (Option<KeyId>, BTreeSet<KeyId>) {
        let usage = self.new.key_usage(&user(name)).await.unwrap();
        (usage.sealed_under, usage.needed)
    }
}

async fn begin(mfa: &Mfa<MemoryStore, Outbox>, name: &str) -> Login {
    mfa.begin_login(PrimaryVerified::assertion(user(name)), contact(name), &app()).await.unwrap()
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

fn contact(name: &str) -> Contact {
    Contact::verified(EmailAddress::new(&format!("{name}@example.com")).unwrap())
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn first(codes: &RecoveryCodes) -> &RecoveryCode {
    codes.iter().next().unwrap()
}

fn passed(login: &Login) -> bool {
    matches!(login, Login::Authenticated(_))
}

fn on(_: &UserId, _: &Result<Resealed, Error<StoreFailed, factorgate::testing::MailFailed>>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[tokio::test]
async fn a_record_is_sealed_anew_once_and_opens_without_the_old_key() {
    let host = Host::new();
    let (secret, other) = (host.register("alice").await, host.register("bob").await);
    assert_eq!(host.usage("alice").await, (Some(key(1).id()), ids([])));
    assert_eq!(host.new.reseal(&user("alice")).await.unwrap(), Resealed::Changed { needed: ids([]) });
    assert_eq!(host.usage("alice").await, (Some(key(2).id()), ids([])));
    let (record, swaps) = (host.store.record(&user("alice")), host.store.swaps());
    assert_eq!(host.new.reseal(&user("alice")).await.unwrap(), Resealed::Current { needed: ids([]) });
    assert_eq!((host.store.record(&user("alice")), host.store.swaps()), (record, swaps), "nothing is written twice");

    let dropped = host.dropped();
    let Login::Challenge(asked) = begin(&dropped, "alice").await else { panic!() };
    assert!(passed(&dropped.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap()));
    // The control: who was not resealed cannot log in without the old key, and can with it.
    let result = dropped.begin_login(PrimaryVerified::assertion(user("bob")), contact("bob"), &app()).await;
    assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::UnknownKey))), "{result:?}");
    let Login::Challenge(asked) = begin(&host.new, "bob").await else { panic!() };
    assert!(passed(&host.new.verify_app_code(asked.flow(), &host.code(&other), &app()).await.unwrap()));
}

#[tokio::test]
async fn a_record_of_an_older_format_is_written_in_the_newest() {
    let text =
        std::fs::read_to_string(format!("{}/tests/data/records/1-full.hex", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let text = text.trim();
    let sealed = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    let host = Host::new();
    host.store.put(&user("alice"), Record::new(Version::FIRST, sealed));
    let format = || host.store.record(&user("alice")).unwrap().sealed()[3];
    assert_eq!(format(), 1);
    // Under the key that it is sealed under already.
    assert!(matches!(host.old.reseal(&user("alice")).await.unwrap(), Resealed::Changed { .. }));
    assert_eq!(format(), 2);
    assert!(matches!(host.old.reseal(&user("alice")).await.unwrap(), Resealed::Current { .. }));
    assert_eq!(host.old.devices(&user("alice")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_made_anew_says_which_key_it_needs_and_for_how_long() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let codes = host.recovery_codes(&host.old, "alice", &secret).await;
    host.old.issue_ticket(&user("bob"), &Administrator::assertion(user("root"))).await.unwrap();
    let Login::Challenge(open) = begin(&host.old, "alice").await else { panic!() };
    let walk = host.new.reseal_all(["alice", "bob"].map(user), on).await;
    assert_eq!((walk.total.changed, walk.failed), (2, 0));
    assert_eq!(walk.total.needed.into_iter().collect::<Vec<_>>(), [(key(1).id(), 2)]);
    // The login that was open goes on under the new key.
    let login = host.new.verify_app_code(open.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(passed(&login), "{login:?}");

    host.wait(24 * 60 * 60);
    assert_eq!(host.usage("bob").await.1, ids([]), "the ticket has expired");
    assert_eq!(host.usage("alice").await.1, ids([1]), "recovery codes do not");
    assert!(host.recover(&host.new, "alice", first(&codes)).await);
    // Without the key they are dead, and the device is not: that is what the answer is for.
    let second = codes.iter().nth(1).unwrap();
    assert!(!host.recover(&host.dropped(), "alice", second).await);
    host.wait(30);
    host.recovery_codes(&host.new, "alice", &secret).await;
    let needed = host.usage("alice").await.1;
    assert!(needed.contains(&key(2).id()), "{needed:?}");
    host.wait(11 * 60);
    assert_eq!(host.usage("alice").await.1, ids([2]), "new ones are made under the new key");
}

#[tokio::test]
async fn a_walk_goes_past_what_fails_and_keeps_it() {
    let host = Host::new();
    let names = ["a", "b", "c", "d"];
    for name in names {
        host.register(name).await;
    }
    let bad = host.store.record(&user("b")).unwrap();
    let mut bytes = bad.sealed().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let bad = Record::new(bad.version(), bytes);
    host.store.put(&user("b"), bad.clone());

    let mut seen = Vec::new();
    let walk = host.new.reseal_all(["a", "b", "nobody", "c", "d"].map(user), |user, result| {
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
    let lines = [("sealed anew", 3), ("as they should be", 0), ("without a record", 1), ("failed", 1)];
    let table = lines.map(|(name, users)| format!("{name:<42} {users:>10}")).join("\n");
    assert_eq!(walk.to_string(), table, "nobody is named in the sum");
}

#[tokio::test]
async fn a_walk_is_stopped_and_goes_on_where_it_was() {
    let host = Host::new();
    let names: Vec<UserId> = (0..6).map(|at| user(&format!("user-{at}"))).collect();
    for name in &names {
        host.register(name.as_str()).await;
    }
    let mut left = 2;
    let mut walk = host
        .new
        .reseal_all(names.clone(), |_, _| {
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .await;
    assert_eq!((walk.last.as_ref(), walk.total.changed), (Some(&names[1]), 2));
    let last = walk.last.clone();
    let rest = names.iter().filter(|name| Some(*name) > last.as_ref()).cloned();
    walk.merge(host.new.reseal_all(rest, on).await);
    assert_eq!((walk.last.as_ref(), walk.total.changed, walk.total.current), (names.last(), 6, 0));
    walk.merge(host.new.reseal_all(names.clone(), on).await);
    assert_eq!((walk.total.changed, walk.total.current), (6, 6), "once more changes nothing");
    walk.merge(Walk::default());
    assert_eq!(walk.last.as_ref(), names.last(), "nor does an empty batch move it back");
}

#[tokio::test]
async fn when_a_part_fails_the_record_is_the_old_one_or_the_new_one() {
    let host = Host::new();
    let secret = host.register("alice").await;
    let before = host.store.record(&user("alice"));
    for fault in [StoreFault::Load, StoreFault::Swap] {
        host.store.set_fault(Some(fault));
        assert!(matches!(host.new.reseal(&user("alice")).await, Err(Error::Store(StoreFailed))), "{fault:?}");
        assert_eq!(host.store.record(&user("alice")), before);
    }
    host.store.set_fault(None);
    host.random.set_broken(true);
    assert!(matches!(host.new.reseal(&user("alice")).await, Err(Error::Randomness(_))));
    host.random.set_broken(false);
    assert_eq!(host.store.record(&user("alice")), before);
    host.store.set_fault(Some(StoreFault::AfterSwap));
    assert!(matches!(host.new.reseal(&user("alice")).await, Err(Error::Store(StoreFailed))));
    host.store.set_fault(None);
    // The write was made, and its answer lost: the walk is run again.
    assert!(matches!(host.new.reseal(&user("alice")).await.unwrap(), Resealed::Current { .. }));
    let Login::Challenge(asked) = begin(&host.new, "alice").await else { panic!() };
    assert!(passed(&host.new.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap()));
}

#[test]
fn failures_are_counted_all_and_kept_in_part() {
    let batch = || {
        let mut walk = Walk::<factorgate::Reseals, u8>::default();
        walk.failed = 80;
        walk.failures = (0..80).map(|at| (user("x"), at)).collect();
        walk
    };
    let mut walk = batch();
    walk.merge(batch());
    assert_eq!((walk.failed, walk.failures.len()), (160, Walk::<factorgate::Reseals, u8>::FAILURES_KEPT));
}

/// One right code, 8 times, while the record is sealed anew 8 times. Gives how many were let in.
async fn race(host: &Host) -> usize {
    let secret = host.register("alice").await;
    let cookies = {
        let mut cookies = Vec::new();
        for _ in 0..2 {
            let Login::Challenge(asked) = begin(&host.old, "alice").await else { panic!() };
            cookies.push(asked.flow().to_cookie().expose_secret().to_owned());
        }
        cookies
    };
    let code = host.code(&secret).expose_secret().expose_secret().to_owned();
    let tasks: Vec<_> = (0..16)
        .map(|at| {
            let (mfa, code, cookie) = (Arc::clone(&host.new), code.clone(), cookies[at / 2 % 2].clone());
            tokio::spawn(async move {
                if at % 2 == 0 {
                    mfa.reseal(&user("alice")).await.unwrap();
                    return false;
                }
                let flow = LoginRef::from_cookie(&cookie).unwrap();
                passed(&mfa.verify_app_code(&flow, &Code::parse(&code).unwrap(), &app()).await.unwrap())
            })
        })
        .collect();
    let mut let_in = 0;
    for task in tasks {
        let_in += usize::from(task.await.unwrap());
    }
    // What was spent meanwhile stays spent.
    let Login::Challenge(asked) = begin(&host.new, "alice").await else { panic!() };
    let again = host.new.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    let_in + usize::from(passed(&again))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_f06_logins_go_on_while_records_are_sealed_anew_and_a_code_lets_in_once() {
    let mut control = 0;
    for _ in 0..ROUNDS {
        let host = Host::new();
        assert_eq!(race(&host).await, 1);
        assert_eq!(host.usage("alice").await.0, Some(key(2).id()));
        control += usize::from(race(&Host::on(MemoryStore::ignoring_expected())).await > 1);
    }
    assert!(control > 0, "the control must fail");
}
