//! One-time passwords: verification by algorithm and window, generation, and what a user types.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Hotp, Secret, Totp, Window};

const NOW: Timestamp = Timestamp::from_secs(1_111_111_109);
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

fn secret() -> Secret {
    Secret::from_bytes(b"12345678901234567890").expect("20 bytes")
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    let (secret, wrong) = (secret(), Code::parse("000001").expect("six digits"));
    for algorithm in ALGORITHMS {
        let totp = Totp::builder().algorithm(algorithm).build().expect("the default period");
        for steps in [0, 1, 10] {
            let window = Window::new(steps, steps).expect("at most 10");
            group.bench_function(BenchmarkId::new(algorithm.to_string(), format!("±{steps}")), |b| {
                b.iter(|| totp.check(black_box(&secret), black_box(&wrong), black_box(NOW), window, None));
            });
        }
    }
    group.finish();
}

fn generate(c: &mut Criterion) {
    let mut group = c.benchmark_group("generate");
    let secret = secret();
    for algorithm in ALGORITHMS {
        let totp = Totp::builder().algorithm(algorithm).build().expect("the default period");
        group.bench_function(algorithm.to_string(), |b| b.iter(|| totp.generate(black_box(&secret), black_box(NOW))));
    }
    group.finish();
}

fn far(c: &mut Criterion) {
    let (secret, hotp) = (secret(), Hotp::default());
    let pair = [900, 901].map(|counter| hotp.generate(&secret, counter));
    c.bench_function("resync over 1000 counters", |b| {
        b.iter(|| hotp.resync(black_box(&secret), black_box(&pair[0]), black_box(&pair[1]), 0, 1000));
    });
    c.bench_function("diagnose a clock", |b| b.iter(|| Totp::default().diagnose(&secret, black_box(&pair[0]), NOW)));
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse a code");
    for (name, text) in [("six digits", "081804"), ("grouped", " 081 804 "), ("refused", "08180x")] {
        group.bench_function(name, |b| b.iter(|| Code::parse(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, verify, generate, far, parse);
criterion_main!(benches);
