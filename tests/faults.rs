//! When a part fails, nobody gets in, nothing that was spent comes back, and the error says which part it was.

#[path = "fault/company.rs"]
mod company;
mod host;
#[path = "fault/lifecycle.rs"]
mod lifecycle;
#[path = "fault/sessions.rs"]
mod sessions;

use std::error::Error as _;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::mail::Notice;
use factorgate::otp::Secret;
use factorgate::otpauth::Issuer;
use factorgate::policy::Policy;
use factorgate::store::{CorruptRecord, Record, Swap, Version};
use factorgate::testing::{MailFault, MemoryStore, Outbox, SeededRandom, StoreFailed};
use factorgate::{
    Action, Error, Flow, FlowRef, Login, Mfa, MfaError, Outcome, PrimaryVerified, Refusal, Store, UserId,
};

use host::*;

/// How the call fails that is told to fail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing happens.
    Before,
    /// The write is made, and its answer is lost.
    After,
}

/// A store of which one call fails.
#[derive(Clone)]
struct Faulty {
    calls: Arc<AtomicU64>,
    fails_at: Arc<AtomicU64>,
    fault: Fault,
    inner: MemoryStore,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { calls: Arc::default(), fails_at: Arc::new(AtomicU64::new(u64::MAX)), fault, inner: MemoryStore::new() }
    }

    fn fail_at(&self, call: u64) {
        self.calls.store(0, Ordering::SeqCst);
        self.fails_at.store(call, Ordering::SeqCst);
    }

    fn fails(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) == self.fails_at.load(Ordering::SeqCst)
    }
}

impl Store for Faulty {
    type Error = StoreFailed;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, StoreFailed> {
        if self.fails() { Err(StoreFailed) } else { self.inner.load(user).await }
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, StoreFailed> {
        let fails = self.fails();
        if fails && self.fault == Fault::Before {
            return Err(StoreFailed);
        }
        let swap = self.inner.compare_and_swap(user, expected, next).await?;
        if fails { Err(StoreFailed) } else { Ok(swap) }
    }
}

/// A host on a faulty store, with randomness that can fail.
struct World {
    host: Host<Faulty>,
    random: SeededRandom,
}

type Failure = MfaError<Faulty, Outbox>;

impl Deref for World {
    type Target = Host<Faulty>;

    fn deref(&self) -> &Host<Faulty> {
        &self.host
    }
}

impl World {
    fn new(fault: Fault) -> Self {
        let random = SeededRandom::new(7);
        Self { host: Host::on(Faulty::new(fault), |builder| builder.random(random.clone())), random }
    }

    async fn try_submit<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, action: Action) -> Result<Outcome<F>, Failure> {
        self.mfa.submit(flow, by, action).await
    }

    async fn try_app_code<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Result<Outcome<F>, Failure> {
        self.try_submit(flow, by, Action::AppCode { code: code.into(), device: None }).await
    }

    async fn try_email_code(&self, flow: &FlowRef<Login>, code: &str) -> Result<Outcome<Login>, Failure> {
        self.try_submit(flow, &email(), Action::EmailCode { code: code.into() }).await
    }

    async fn try_confirm<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, code: &str) -> Result<Outcome<F>, Failure> {
        self.try_submit(flow, by, Action::ConfirmApp { code: code.into(), name: None }).await
    }

    fn is_after(&self) -> bool {
        self.store.fault == Fault::After
    }
}

fn assert_store_failed<T: std::fmt::Debug>(result: Result<T, Failure>) {
    let error = result.expect_err("a failing store lets nobody in");
    assert!(matches!(error, Error::Store(StoreFailed)), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), StoreFailed.to_string());
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    ByMail,
    ByApp,
    Registration,
    FromProfile,
}

impl World {
    async fn run(&self, way: Way, secret: Option<&Secret>) -> Result<bool, Failure> {
        Ok(match way {
            Way::ByMail => {
                let asked = asked(self.try_begin(&email()).await?);
                is_in(&self.try_email_code(asked.flow(), &self.mailed()).await?)
            }
            Way::ByApp => {
                let asked = asked(self.try_begin(&app()).await?);
                is_in(&self.try_app_code(asked.flow(), &app(), &self.code(secret.unwrap())).await?)
            }
            Way::Registration => {
                let enroll = enrolling(self.try_begin(&app()).await?);
                let code = self.code(&secret_of(&enroll));
                is_in(&self.try_confirm(enroll.challenge().flow(), &app(), &code).await?)
            }
            Way::FromProfile => {
                let claims = self.claims();
                let check = self.mfa.check_session(&claims, &self.row(), &off()).await?;
                let session = check.session().unwrap();
                let enroll = enrolling(self.mfa.profile(session).begin_registration().await?);
                let code = self.code(&secret_of(&enroll));
                is_in(&self.try_confirm(enroll.challenge().flow(), session, &code).await?)
            }
        })
    }
}

#[tokio::test]
async fn every_store_call_of_every_flow_fails_once_and_nobody_gets_in() {
    for fault in [Fault::Before, Fault::After] {
        // A load and a swap for each operation, and a load for the look at the session.
        for (way, calls) in [(Way::ByMail, 4), (Way::ByApp, 4), (Way::Registration, 4), (Way::FromProfile, 5)] {
            let mut failures = 0;
            loop {
                let world = World::new(fault);
                let secret = if way == Way::ByApp { Some(world.register().await) } else { None };
                if way == Way::FromProfile {
                    world.session().await;
                }
                world.store.fail_at(failures);
                match world.run(way, secret.as_ref()).await {
                    Ok(passed) => {
                        assert!(passed, "{way:?} without a fault");
                        break;
                    }
                    Err(error) => assert_store_failed::<()>(Err(error)),
                }
                failures += 1;
                // When the fault is over, a clean login works.
                world.store.fail_at(u64::MAX);
                world.wait(60);
                let asked = asked(world.begin(&email()).await);
                if world.device_ids().await.is_empty() {
                    let login = world.email_code(asked.flow(), &email(), &world.mailed()).await;
                    assert!(is_in(&login), "{way:?}, call {failures}, {fault:?}");
                } else {
                    // The device was registered by the write whose answer was lost.
                    assert!(way == Way::ByApp || fault == Fault::After);
                }
            }
            assert_eq!(failures, calls, "{way:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn code_is_spent_by_the_write_whose_answer_was_lost() {
    let world = World::new(Fault::After);
    let secret = world.register().await;
    let (first, second) = (world.challenge(&app()).await, world.challenge(&app()).await);
    world.store.fail_at(1);
    assert_store_failed(world.try_app_code(first.flow(), &app(), &world.code(&secret)).await);
    for flow in [first.flow(), second.flow()] {
        let login = world.app_code(flow, &app(), &world.code(&secret)).await;
        assert!(!is_in(&login), "{login:?}");
    }
}

#[tokio::test]
async fn code_is_valid_once_if_the_write_was_not_made() {
    let world = World::new(Fault::Before);
    let secret = world.register().await;
    let asked = world.challenge(&app()).await;
    world.store.fail_at(1);
    assert_store_failed(world.try_app_code(asked.flow(), &app(), &world.code(&secret)).await);
    assert!(is_in(&world.app_code(asked.flow(), &app(), &world.code(&secret)).await));
    let again = world.app_code(asked.flow(), &app(), &world.code(&secret)).await;
    assert_eq!(denied(&again), Some(Refusal::FlowEnded));
}

#[tokio::test]
async fn guess_is_counted_by_the_write_whose_answer_was_lost() {
    let world = World::new(Fault::After);
    let secret = world.register().await;
    let asked = world.challenge(&app()).await;
    for _ in 0..5 {
        world.store.fail_at(1);
        assert_store_failed(world.try_app_code(asked.flow(), &app(), &wrong(&secret)).await);
    }
    let login = world.app_code(asked.flow(), &app(), &world.code(&secret)).await;
    assert!(is_locked(&login), "five guesses lock, seen or not: {login:?}");
}

#[tokio::test]
async fn code_that_was_not_sent_can_be_asked_for_again_at_once() {
    for (fault, arrives) in [(MailFault::Refused, false), (MailFault::Unknown, true)] {
        let world = World::new(Fault::Before);
        world.outbox.set_fault(Some(fault));
        let open = world.challenge(&email()).await;
        assert_eq!(open.refusal(), (!arrives).then_some(Refusal::MailRefused));
        assert_eq!(open.email().unwrap().sent_at.is_some(), arrives);
        assert_eq!(world.outbox.last_code().is_some(), arrives);

        world.outbox.set_fault(None);
        let again = asked(world.send_email(open.flow(), &email()).await);
        assert_eq!(again.refusal(), None, "there is no pause");
        assert!(is_in(&world.email_code(open.flow(), &email(), &world.mailed()).await));
    }
}

/// A refused mail must be noted, or the page would say that a code was sent. An unknown fate need not be.
#[tokio::test]
async fn fate_of_a_code_that_cannot_be_stored_is_an_error_if_the_mail_was_refused() {
    for (fault, is_error) in [(MailFault::Refused, true), (MailFault::Unknown, false)] {
        let world = World::new(Fault::Before);
        world.outbox.set_fault(Some(fault));
        world.store.fail_at(3);
        let begun = world.try_begin(&email()).await;
        assert_eq!(begun.is_err(), is_error, "{begun:?}");
        if let Ok(open) = begun {
            assert!(is_in(&world.email_code(open.flow().unwrap(), &email(), &world.mailed()).await));
        }
    }
}

#[tokio::test]
async fn refused_mails_stay_counted_in_their_hour() {
    let world = World::new(Fault::Before);
    world.outbox.set_fault(Some(MailFault::Refused));
    for _ in 0..10 {
        assert_eq!(world.challenge(&email()).await.refusal(), Some(Refusal::MailRefused));
    }
    let asked = world.challenge(&email()).await;
    let retry_at = world.clock.time().saturating_add(Duration::from_secs(3600));
    assert_eq!(asked.refusal(), Some(Refusal::TooSoon { retry_at }));
}

#[tokio::test]
async fn undelivered_notice_leaves_the_device_and_completes_no_login() {
    let world = World::new(Fault::Before);
    let enroll = world.enroll(&app()).await;
    let secret = secret_of(&enroll);
    world.outbox.set_fault(Some(MailFault::Refused));
    let result = world.try_confirm(enroll.challenge().flow(), &app(), &world.code(&secret)).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Mailer(_)), "{error:?}");
    assert!(error.source().unwrap().source().is_some(), "the mailer's own error is kept");
    world.outbox.set_fault(None);
    world.wait(30);
    world.log_in(&secret, &app()).await;
}

/// The second write of an operation clears its notice. If it fails, the outcome stands, and the notice is sent once more.
#[tokio::test]
async fn notice_that_cannot_be_cleared_is_sent_again() {
    for fault in [Fault::Before, Fault::After] {
        for call in [2, 3] {
            let world = World::new(fault);
            world.register().await;
            let resets = || world.outbox.notices().iter().filter(|notice| **notice == "factors_reset").count();
            world.store.fail_at(call);
            world.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
            world.store.fail_at(u64::MAX);
            assert_eq!(resets(), 1, "{fault:?}, {call}");
            let cleared = call == 3 && fault == Fault::After;
            assert_eq!(world.status().await.owed_notices, usize::from(!cleared), "{fault:?}, {call}");
            world.wait(60);
            world.status().await;
            assert_eq!(resets(), if cleared { 1 } else { 2 }, "{fault:?}, {call}");
            assert_eq!(world.status().await.owed_notices, 0);
        }
    }
}

#[tokio::test]
async fn without_the_time_or_randomness_nothing_is_decided() {
    let world = World::new(Fault::Before);
    let secret = world.register().await;
    let asked = world.challenge(&app()).await;
    let before = world.store.inner.record(&alice());

    world.clock.set_broken(true);
    assert!(matches!(world.try_begin(&off()).await, Err(Error::Clock)));
    assert!(matches!(world.try_app_code(asked.flow(), &app(), &world.code(&secret)).await, Err(Error::Clock)));
    let claims = world.claims();
    assert!(matches!(world.mfa.check_session(&claims, &world.row(), &off()).await, Err(Error::Clock)));
    world.clock.set_broken(false);

    world.random.set_broken(true);
    let result = world.try_app_code(asked.flow(), &app(), &world.code(&secret)).await;
    assert!(matches!(&result, Err(error @ Error::Randomness(_)) if error.source().is_some()), "{result:?}");
    world.random.set_broken(false);

    assert_eq!(world.store.inner.record(&alice()), before, "and nothing was written");
    assert!(is_in(&world.app_code(asked.flow(), &app(), &world.code(&secret)).await));
}

#[tokio::test]
async fn record_that_cannot_be_opened_is_an_error_and_stays_as_it_is() {
    let world = World::new(Fault::Before);
    world.register().await;
    let good = world.store.inner.record(&alice()).unwrap();
    let mut bytes = good.sealed().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let changed = Record::new(good.version(), bytes);
    world.store.inner.put(&alice(), changed.clone());
    world.store.inner.put(row_of("bob").user(), good.clone());
    for (user, stored) in [("alice", &changed), ("bob", &good)] {
        for policy in [off(), app(), email()] {
            let result = world.mfa.begin_login(PrimaryVerified::assertion(row_of(user)), &policy).await;
            assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::BrokenSeal))), "{result:?}");
        }
        assert_eq!(world.store.inner.record(row_of(user).user()).as_ref(), Some(stored));
    }

    // Another server key is told apart from a broken seal.
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    world.store.inner.put(&alice(), good);
    let builder = Mfa::builder(world.store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
    let result = builder.build().unwrap().begin_login(PrimaryVerified::assertion(row_of("alice")), &off()).await;
    assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::UnknownKey))), "{result:?}");
}
