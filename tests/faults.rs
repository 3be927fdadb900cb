//! When a part fails, nobody gets in, nothing that was spent comes back, and the error says which part it was.

#[path = "fault/company.rs"]
mod company;
#[path = "fault/lifecycle.rs"]
mod lifecycle;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MailFault, MemoryStore, Outbox, SeededRandom, StoreFailed};
use factorgate::{
    AddressChange, Authenticated, BrowserName, BrowserToken, Code, Contact, CorruptRecord, DeviceName, Elevated,
    EmailAddress, Enroll, Error, Flow, Login, Mfa, MfaError, OsRandom, PrimaryVerified, Record, Refusal, Registration,
    Removal, RemovalReason, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, Store, Swap,
    Timestamp, Trust, Undelivered, UserId, Version,
};

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

struct Host {
    clock: FixedClock,
    mfa: Mfa<Faulty, Outbox>,
    outbox: Outbox,
    random: SeededRandom,
    store: Faulty,
}

type Failure = MfaError<Faulty, Outbox>;

impl Host {
    fn new(fault: Fault) -> Self {
        let (clock, outbox, random) = (FixedClock::at(1_900_000_000), Outbox::new(), SeededRandom::new(7));
        let store = Faulty::new(fault);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let mfa = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .random(random.clone())
            .build()
            .unwrap();
        Self { clock, mfa, outbox, random, store }
    }

    async fn begin(&self, policy: &Policy) -> Result<Login, Failure> {
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact(), policy).await
    }

    fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn mailed(&self) -> Code {
        Code::parse(&self.outbox.last_code().unwrap()).unwrap()
    }

    async fn register(&self) -> Secret {
        let Login::Enroll(enroll) = self.begin(&app()).await.unwrap() else { panic!() };
        let secret = secret_of(&enroll);
        let code = self.code(&secret);
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &app()).await;
        assert!(matches!(login.unwrap(), Login::Authenticated(_)));
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    /// A user with a device, who has just logged in by a code of it.
    async fn logged_in(fault: Fault) -> (Self, Secret, Authenticated) {
        let host = Self::new(fault);
        let secret = host.register().await;
        let Login::Challenge(asked) = host.begin(&trusting()).await.unwrap() else { panic!() };
        let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &trusting()).await;
        host.clock.advance(Duration::from_secs(30));
        let Login::Authenticated(passed) = login.unwrap() else { panic!() };
        (host, secret, passed)
    }

    async fn trust(&self, passed: &Authenticated) -> Result<BrowserToken, Failure> {
        match self.mfa.trust_browser(passed, &BrowserName::new("Firefox").unwrap(), &trusting()).await? {
            Trust::Trusted { token, .. } => Ok(token),
            refused => panic!("{refused:?}"),
        }
    }

    async fn begin_from(&self, token: &BrowserToken) -> Result<Login, Failure> {
        let primary = PrimaryVerified::assertion(alice());
        self.mfa.begin_login_from(primary, contact(), &trusting(), Some(token)).await
    }

    async fn step_up(&self, claims: &SessionClaims, secret: &Secret) -> Result<Elevated, Failure> {
        let begun = self.mfa.begin_step_up(claims, contact(), &off(), Duration::ZERO).await?;
        let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
        match self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await? {
            StepUp::Fresh(elevated) => Ok(elevated),
            other => panic!("{other:?}"),
        }
    }

    async fn log_in_by_mail(&self) -> Result<Login, Failure> {
        let Login::Challenge(asked) = self.begin(&email()).await? else { panic!() };
        self.mfa.verify_email_code(asked.flow(), &self.mailed(), &email()).await
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn email() -> Policy {
    Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap()
}

fn off() -> Policy {
    Policy::off(FirstRegistration::AfterPassword)
}

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}

fn assert_store_failed<T: std::fmt::Debug>(result: Result<T, Failure>) {
    let error = result.expect_err("a failing store lets nobody in");
    assert!(matches!(error, Error::Store(StoreFailed)), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), StoreFailed.to_string());
}

#[tokio::test]
async fn a08_n21_every_store_call_of_every_flow_fails_once_and_nobody_gets_in() {
    for fault in [Fault::Before, Fault::After] {
        // A login by mail, by app, with a registration, and a registration from the profile.
        for flow in 0..4 {
            let mut failures = 0;
            for call in 0.. {
                let host = Host::new(fault);
                let secret = if flow == 1 { Some(host.register().await) } else { None };
                host.store.fail_at(call);
                let run = async {
                    match flow {
                        0 => host.log_in_by_mail().await.map(|login| matches!(login, Login::Authenticated(_))),
                        1 => {
                            let Login::Challenge(asked) = host.begin(&app()).await? else { panic!() };
                            let code = host.code(secret.as_ref().unwrap());
                            let login = host.mfa.verify_app_code(asked.flow(), &code, &app()).await?;
                            Ok(matches!(login, Login::Authenticated(_)))
                        }
                        2 => {
                            let Login::Enroll(enroll) = host.begin(&app()).await? else { panic!() };
                            let (code, name) = (host.code(&secret_of(&enroll)), DeviceName::default());
                            let login = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await?;
                            Ok(matches!(login, Login::Authenticated(_)))
                        }
                        _ => {
                            let session = SignedIn::assertion(alice());
                            let begun = host.mfa.begin_registration(&session, contact(), &off()).await?;
                            let Registration::Enroll(enroll) = begun else { panic!() };
                            let (code, name) = (host.code(&secret_of(&enroll)), DeviceName::default());
                            let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &off()).await?;
                            Ok(matches!(done, Registration::Registered(_)))
                        }
                    }
                };
                match run.await {
                    Ok(passed) => {
                        assert!(passed, "flow {flow} without a fault");
                        break;
                    }
                    Err(error) => assert_store_failed::<()>(Err(error)),
                }
                failures += 1;
                // When the fault is over, a clean login works.
                host.store.fail_at(u64::MAX);
                host.clock.advance(Duration::from_secs(60));
                match host.begin(&email()).await.unwrap() {
                    Login::Challenge(asked) if host.mfa.devices(&alice()).await.unwrap().is_empty() => {
                        let login = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &email()).await.unwrap();
                        assert!(matches!(login, Login::Authenticated(_)), "flow {flow}, call {call}, {fault:?}");
                    }
                    // The device was registered by the write whose answer was lost.
                    Login::Challenge(_) => assert!(flow == 1 || fault == Fault::After),
                    other => panic!("{other:?}"),
                }
            }
            // A load and a swap for each of the two operations.
            assert_eq!(failures, 4, "flow {flow}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a08_a_code_is_spent_by_the_write_whose_answer_was_lost() {
    let host = Host::new(Fault::After);
    let secret = host.register().await;
    let (Login::Challenge(first), Login::Challenge(second)) =
        (host.begin(&app()).await.unwrap(), host.begin(&app()).await.unwrap())
    else {
        panic!()
    };
    host.store.fail_at(1);
    assert_store_failed(host.mfa.verify_app_code(first.flow(), &host.code(&secret), &app()).await);
    for flow in [first.flow(), second.flow()] {
        let login = host.mfa.verify_app_code(flow, &host.code(&secret), &app()).await.unwrap();
        assert!(!matches!(login, Login::Authenticated(_)), "{login:?}");
    }
}

#[tokio::test]
async fn a08_a_code_is_good_once_if_the_write_was_not_made() {
    let host = Host::new(Fault::Before);
    let secret = host.register().await;
    let Login::Challenge(asked) = host.begin(&app()).await.unwrap() else { panic!() };
    host.store.fail_at(1);
    assert_store_failed(host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await);
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)));
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(login, Login::Denied(_)));
}

#[tokio::test]
async fn b17_a_guess_is_counted_by_the_write_whose_answer_was_lost() {
    let host = Host::new(Fault::After);
    let secret = host.register().await;
    let Login::Challenge(asked) = host.begin(&app()).await.unwrap() else { panic!() };
    for _ in 0..5 {
        host.store.fail_at(1);
        assert_store_failed(host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await);
    }
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(login, Login::Denied(_)), "five guesses lock, seen or not: {login:?}");
}

#[tokio::test]
async fn a_mail_that_is_not_sent_lets_nobody_in_and_can_be_asked_for_again_at_once() {
    for (fault, arrives) in [(MailFault::Refused, false), (MailFault::Unknown, true)] {
        let host = Host::new(Fault::Before);
        host.outbox.set_fault(Some(fault));
        let error = host.begin(&email()).await.unwrap_err();
        let Error::Mailer(undelivered) = &error else { panic!("{error:?}") };
        assert_eq!(matches!(undelivered, Undelivered::Unknown(_)), arrives);
        assert!(error.source().unwrap().source().is_some(), "the mailer's own error is kept");
        assert_eq!(host.outbox.last_code().is_some(), arrives);

        host.outbox.set_fault(None);
        let Login::Challenge(asked) = host.begin(&email()).await.unwrap() else { panic!() };
        assert_eq!(asked.refusal(), None, "there is no pause");
        let login = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &email()).await.unwrap();
        assert!(matches!(login, Login::Authenticated(_)));
    }
}

#[tokio::test]
async fn b13_undelivered_mails_stay_counted_in_their_hour() {
    let host = Host::new(Fault::Before);
    host.outbox.set_fault(Some(MailFault::Refused));
    for _ in 0..10 {
        assert!(matches!(host.begin(&email()).await, Err(Error::Mailer(_))));
    }
    let Login::Challenge(asked) = host.begin(&email()).await.unwrap() else { panic!() };
    let retry_at = host.clock.time().saturating_add(Duration::from_secs(3600));
    assert_eq!(asked.refusal(), Some(Refusal::TooSoon { retry_at }));
}

#[tokio::test]
async fn a_notice_that_is_not_sent_leaves_the_device_and_lets_nobody_in() {
    let host = Host::new(Fault::Before);
    let Login::Enroll(enroll) = host.begin(&app()).await.unwrap() else { panic!() };
    let (secret, name) = (secret_of(&enroll), DeviceName::default());
    host.outbox.set_fault(Some(MailFault::Refused));
    let result = host.mfa.confirm_app_enrollment(enroll.flow(), &host.code(&secret), &name, &app()).await;
    assert!(matches!(result, Err(Error::Mailer(_))), "{result:?}");
    host.outbox.set_fault(None);
    host.clock.advance(Duration::from_secs(30));
    let Login::Challenge(asked) = host.begin(&app()).await.unwrap() else { panic!() };
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)));
}

#[tokio::test]
async fn without_the_time_or_randomness_nothing_is_decided() {
    let host = Host::new(Fault::Before);
    let secret = host.register().await;
    let Login::Challenge(asked) = host.begin(&app()).await.unwrap() else { panic!() };
    let before = host.store.inner.record(&alice());

    host.clock.set_broken(true);
    assert!(matches!(host.begin(&off()).await, Err(Error::Clock)));
    assert!(matches!(host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await, Err(Error::Clock)));
    host.clock.set_broken(false);

    host.random.set_broken(true);
    let result = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await;
    assert!(matches!(&result, Err(error @ Error::Randomness(_)) if error.source().is_some()), "{result:?}");
    host.random.set_broken(false);

    assert_eq!(host.store.inner.record(&alice()), before, "and nothing was written");
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)));
}

#[tokio::test]
async fn a_record_that_cannot_be_opened_is_an_error_and_stays_as_it_is() {
    let host = Host::new(Fault::Before);
    host.register().await;
    let good = host.store.inner.record(&alice()).unwrap();
    let mut bytes = good.sealed().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let changed = Record::new(good.version(), bytes);
    let bob = UserId::new("bob").unwrap();
    host.store.inner.put(&alice(), changed.clone());
    host.store.inner.put(&bob, good.clone());
    for (user, stored) in [(alice(), &changed), (bob, &good)] {
        for policy in [off(), app(), email()] {
            let result = host.mfa.begin_login(PrimaryVerified::assertion(user.clone()), contact(), &policy).await;
            assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::BrokenSeal))), "{result:?}");
        }
        assert_eq!(host.store.inner.record(&user).as_ref(), Some(stored));
    }

    // Another server key is told apart from a broken seal.
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    host.store.inner.put(&alice(), good);
    let builder = Mfa::builder(host.store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
    let result = builder.build().unwrap().begin_login(PrimaryVerified::assertion(alice()), contact(), &off()).await;
    assert!(matches!(result, Err(Error::Corrupt(CorruptRecord::UnknownKey))), "{result:?}");
}

#[tokio::test]
async fn a08_every_store_call_of_trust_and_of_a_step_up_fails_once_and_nothing_is_gained() {
    for fault in [Fault::Before, Fault::After] {
        let fails = async |operation: &str, call| {
            let (host, secret, passed) = Host::logged_in(fault).await;
            let token = host.trust(&passed).await.unwrap();
            let claims = passed.session().rotated();
            let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
            let ready = match operation {
                "remove" | "address" => {
                    let elevated = host.step_up(&claims, &secret).await.unwrap();
                    host.clock.advance(Duration::from_secs(30));
                    Some(elevated)
                }
                _ => None,
            };
            host.store.fail_at(call);
            let result = match operation {
                "trust" => host.trust(&passed).await.map(drop),
                "replace" => host.begin_from(&token).await.map(|login| {
                    assert!(matches!(login, Login::Authenticated(_)));
                }),
                "step up" => host.step_up(&claims, &secret).await.map(drop),
                "remove" => host.mfa.remove_device_with(ready.as_ref().unwrap(), device, contact(), &off()).await.map(
                    |removal| {
                        assert!(matches!(removal, Removal::Removed { .. }));
                    },
                ),
                "address" => host.mfa.permit_address_change(ready.as_ref().unwrap()).await.map(|change| {
                    assert!(matches!(change, AddressChange::Permitted { .. }));
                }),
                "revoke" => host.mfa.revoke_browsers(&alice()).await.map(|events| assert_eq!(events.len(), 1)),
                _ => host.mfa.check_session(&claims).await.map(|session| {
                    assert!(matches!(session, Session::Valid(_)));
                }),
            };
            result.map_err(|error| assert_store_failed::<()>(Err(error))).is_err()
        };
        for (operation, calls) in
            [("trust", 2), ("replace", 2), ("step up", 4), ("remove", 2), ("address", 2), ("revoke", 2), ("check", 1)]
        {
            for call in 0..calls {
                assert!(fails(operation, call).await, "{operation}, call {call}, {fault:?}");
            }
            assert!(!fails(operation, calls).await, "{operation} without a fault");
        }
    }
}

#[tokio::test]
async fn a08_a_browser_that_never_got_its_next_token_loses_the_trust_and_not_the_account() {
    let (host, secret, passed) = Host::logged_in(Fault::After).await;
    let token = host.trust(&passed).await.unwrap();
    host.store.fail_at(1);
    assert_store_failed(host.begin_from(&token).await);
    // At once, it is taken as a second tab would be.
    let Login::Authenticated(again) = host.begin_from(&token).await.unwrap() else { panic!() };
    assert!(again.browser_token().is_none());
    // Later it could be a copy.
    host.clock.advance(Duration::from_secs(10));
    let Login::Challenge(asked) = host.begin_from(&token).await.unwrap() else { panic!() };
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &trusting()).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    assert!(host.trust(&passed).await.is_ok());

    // If the write was not made, the token is as good as before.
    let (host, _, passed) = Host::logged_in(Fault::Before).await;
    let token = host.trust(&passed).await.unwrap();
    host.store.fail_at(1);
    assert_store_failed(host.begin_from(&token).await);
    host.clock.advance(Duration::from_secs(10));
    let Login::Authenticated(again) = host.begin_from(&token).await.unwrap() else { panic!() };
    assert!(again.browser_token().is_some());
}

#[tokio::test]
async fn a08_the_code_of_a_step_up_is_spent_by_the_write_whose_answer_was_lost() {
    let (host, secret, passed) = Host::logged_in(Fault::After).await;
    let claims = passed.session().rotated();
    host.store.fail_at(3);
    assert_store_failed(host.step_up(&claims, &secret).await.map(drop));
    let begun = host.mfa.begin_step_up(&claims, contact(), &off(), Duration::ZERO).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    let refused = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));

    // So is the step-up by the change that it was for.
    host.clock.advance(Duration::from_secs(30));
    let elevated = host.step_up(&claims, &secret).await.unwrap();
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    host.store.fail_at(1);
    assert_store_failed(host.mfa.remove_device_with(&elevated, device, contact(), &off()).await.map(drop));
    let again = host.mfa.remove_device_with(&elevated, device, contact(), &off()).await.unwrap();
    assert!(matches!(again, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }));
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
}
