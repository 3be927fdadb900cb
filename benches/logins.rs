//! The engine over the memory store, and the policy evaluator: what the library costs beside the database.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Standing};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{Code, Contact, EmailAddress, Login, Mfa, OsRandom, PrimaryVerified, ServerKey, ServerKeys, UserId};

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
    let (user, wrong) = (UserId::new("alice").expect("valid"), Code::parse("000001").expect("six digits"));
    let begin = || {
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).expect("randomness"));
        let mfa = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, issuer.clone()).build().expect("the default");
        let primary = PrimaryVerified::assertion(user.clone());
        match runtime.block_on(mfa.begin_login(primary, Contact::verified(email.clone()), &policy)) {
            Ok(Login::Challenge(challenge)) => (mfa, challenge),
            other => panic!("{other:?}"),
        }
    };
    c.bench_function("begin a login, with all that it needs", |b| b.iter(begin));
    c.bench_function("judge a wrong code", |b| {
        b.iter_batched(
            begin,
            |(mfa, challenge)| {
                runtime.block_on(mfa.verify_email_code(challenge.flow(), black_box(&wrong), &policy)).expect("all work")
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, evaluate, engine);
criterion_main!(benches);
