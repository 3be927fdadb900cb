//! The engine over the memory store, and the policy evaluator: what the library costs beside the database.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Standing};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{Action, Contact, EmailAddress, Mfa, Outcome, PrimaryVerified, UserId, UserRow};

fn policy() -> Policy {
    Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode).expect("two channels")
}

fn evaluate(c: &mut Criterion) {
    let policy = policy();
    let mut user = Standing::new();
    user.device = DeviceStanding::Confirmed { recovery_codes: true };
    c.bench_function("evaluate a policy", |b| b.iter(|| policy.evaluate(black_box(&user))));
    c.bench_function("explain a policy", |b| b.iter(|| policy.explain(black_box(&user))));
}

fn engine(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (policy, issuer) = (policy(), Issuer::new("ACME Co").expect("valid"));
    let email = EmailAddress::new("alice@example.com").expect("valid");
    let row = || {
        let user = UserId::new("alice").expect("valid");
        UserRow::new(user, "password 1", Contact::verified(email.clone()))
    };
    let begin = || {
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).expect("randomness"));
        let mfa = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, issuer.clone()).build().expect("the default");
        match runtime.block_on(mfa.begin_login(PrimaryVerified::assertion(row()), &policy)) {
            Ok(Outcome::Challenge(challenge)) => (mfa, challenge),
            other => panic!("{other:?}"),
        }
    };
    c.bench_function("begin a login, with all that it needs", |b| b.iter(begin));
    c.bench_function("judge a wrong code", |b| {
        b.iter_batched(
            begin,
            |(mfa, challenge)| {
                let wrong = Action::EmailCode { code: black_box("00000001").into() };
                runtime.block_on(mfa.submit(challenge.flow(), &policy, wrong)).expect("all work")
            },
            BatchSize::SmallInput,
        );
    });
    let (mfa, off) = (begin().0, Policy::off(FirstRegistration::AfterPassword));
    let Ok(Outcome::Done(passed)) = runtime.block_on(mfa.begin_login(PrimaryVerified::assertion(row()), &off)) else {
        panic!("nothing is owed")
    };
    let claims = passed.into_session(&row()).expect("the same row");
    c.bench_function("check a session", |b| {
        b.iter(|| runtime.block_on(mfa.check_session(black_box(&claims), &row(), &off)).expect("all work"));
    });
}

criterion_group!(benches, evaluate, engine);
criterion_main!(benches);
