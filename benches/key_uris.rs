//! Key URIs, secrets and QR codes.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::{AccountName, Issuer, KeyUri};

fn key_uris(c: &mut Criterion) {
    let secret = Secret::from_bytes(b"12345678901234567890").expect("20 bytes");
    let (issuer, account) = (Issuer::new("ACME Co"), AccountName::new("alice@example.com"));
    let (issuer, account) = (issuer.expect("valid"), account.expect("valid"));
    let write = || KeyUri::totp(&issuer, &account, black_box(&secret), &Totp::default()).expect("T0 is the epoch");
    let uri = write();
    let base32 = uri.secret_base32();

    c.bench_function("write a Key URI", |b| b.iter(write));
    c.bench_function("read a Key URI", |b| b.iter(|| KeyUri::parse(black_box(uri.expose_secret()))));
    c.bench_function("read base32", |b| b.iter(|| Secret::from_base32(black_box(base32.expose_secret()))));
    c.bench_function("QR code", |b| b.iter(|| uri.qr()));
    let qr = uri.qr().expect("short enough");
    c.bench_function("SVG", |b| b.iter(|| qr.to_svg()));
}

criterion_group!(benches, key_uris);
criterion_main!(benches);
