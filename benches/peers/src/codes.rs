//! Generating and verifying codes.

use std::hint::black_box;

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Secret, Totp, Verdict, Window};

use crate::stopwatch::{Contender, Report, with};

const KEY: &[u8; 20] = b"12345678901234567890";
const NOW: u64 = 1_111_111_109;
const STEP: u64 = NOW / 30;
const WRONG: &str = "000001";

const WRONG_SHA1: &str = "verify ±1 SHA-1, wrong code";
/// The greatest ratios of a verification of ±1 step. The control must exceed them.
///
/// The ratio to a peer depends on the machine: wiping 16 KiB takes an eighth of the peer's time on one, and more than a
/// quarter on another. The ratio to the least that the work takes hardly does, so that limit is the narrow one.
const TO_TOTP_RS: f64 = 1.15;
const TO_FLOOR: f64 = 1.5;
const FLOOR: &str = "the compressions and the wiping";

pub(crate) fn measure(report: &mut Report) {
    // `tests/stack_wipe.rs` shows what the wiping is for. The other libraries do not wipe.
    let verify = ours(Algorithm::Sha1, 1);
    report.case(
        "wiping the stack",
        vec![with("wiping", wipe), with("verify ±1 SHA-1, wiping included", || verify(WRONG))],
    );

    for (name, steps, limit) in [(WRONG_SHA1, 1, TO_TOTP_RS), ("verify ±10 SHA-1, wrong code", 10, 0.7)] {
        let ours = ours(Algorithm::Sha1, steps as u8);
        let mut contenders = vec![with("factorgate", move || ours(WRONG))];
        contenders.push(totp_rs(totp_rs::Algorithm::SHA1, steps).at_most(limit));
        contenders.extend(others(steps));
        // The key takes two, and each of the codes.
        let count = 2 + 2 * (2 * steps + 1);
        contenders.push(with("the compressions in it", move || sha1_compressions(count)));
        contenders.push(with(FLOOR, wiped(move || sha1_compressions(count))).at_most(TO_FLOOR));
        report.case(name, contenders);
    }

    // Twice the compressions of ±1: the limits above must notice that.
    let wider = ours(Algorithm::Sha1, 3);
    report.case(
        "control: ±3 SHA-1, against ±1",
        vec![
            with("factorgate", move || wider(WRONG)),
            totp_rs(totp_rs::Algorithm::SHA1, 1).above(TO_TOTP_RS),
            with(FLOOR, wiped(|| sha1_compressions(8))).above(TO_FLOOR),
        ],
    );

    let sha256 = ours(Algorithm::Sha256, 1);
    report.case(
        "verify ±1 SHA-256, wrong code",
        vec![
            with("factorgate", || sha256(WRONG)),
            totp_rs(totp_rs::Algorithm::SHA256, 1).at_most(TO_TOTP_RS),
            with("the compressions in it", sha256_compressions),
            with(FLOOR, wiped(sha256_compressions)).at_most(TO_FLOOR),
        ],
    );
    let sha512 = ours(Algorithm::Sha512, 1);
    report.case(
        "verify ±1 SHA-512, wrong code",
        vec![
            with("factorgate", || sha512(WRONG)),
            totp_rs(totp_rs::Algorithm::SHA512, 1).at_most(1.0),
            with("the compressions in it", sha512_compressions),
            with(FLOOR, wiped(sha512_compressions)).at_most(1.25),
        ],
    );

    // Whatever the code, and whichever step it is of.
    let [first, middle, last] = [STEP - 1, STEP, STEP + 1].map(|step| {
        let code = Totp::default().generate(&secret(), Timestamp::from_secs(step * 30)).expect("after T0");
        code.expose_secret().expose_secret().to_owned()
    });
    report.case(
        WRONG_SHA1,
        vec![
            with("factorgate", || verify(WRONG)),
            with("right for the first step", || verify(&first)),
            with("right for the middle step", || verify(&middle)),
            with("right for the last step", || verify(&last)),
        ],
    );

    let secret = secret();
    let peer = peer(totp_rs::Algorithm::SHA1, 1);
    report.case(
        "generate a code, SHA-1",
        vec![
            with("factorgate", || Totp::default().generate(black_box(&secret), Timestamp::from_secs(black_box(NOW)))),
            with("totp-rs", || peer.generate(black_box(NOW))),
            with("totp-lite", || totp_lite::totp_custom::<totp_lite::Sha1>(30, 6, black_box(KEY), black_box(NOW))),
            with("the compressions in it", || sha1_compressions(4)),
            with(FLOOR, wiped(|| sha1_compressions(4))).at_most(TO_FLOOR),
        ],
    );
}

fn secret() -> Secret {
    Secret::from_bytes(KEY).expect("20 bytes")
}

fn ours(algorithm: Algorithm, steps: u8) -> impl Fn(&str) -> Verdict {
    let totp = Totp::builder().algorithm(algorithm).build().expect("the default period");
    let window = Window::new(steps, steps).expect("at most 10");
    let secret = secret();
    move |code| {
        let code = Code::parse(black_box(code)).expect("six digits");
        totp.check(black_box(&secret), &code, Timestamp::from_secs(black_box(NOW)), window, None)
    }
}

fn peer(algorithm: totp_rs::Algorithm, steps: u16) -> totp_rs::Totp {
    let builder = totp_rs::Builder::new().with_algorithm(algorithm).with_secret(KEY.as_slice()).with_skew(steps);
    builder.with_account_name("alice").build().expect("valid")
}

fn totp_rs(algorithm: totp_rs::Algorithm, steps: u16) -> Contender<'static> {
    let totp = peer(algorithm, steps);
    with("totp-rs", move || totp.check(black_box(WRONG), black_box(NOW)))
}

/// The other peers, each with a window of `steps` each way where it has one.
fn others(steps: u16) -> impl IntoIterator<Item = Contender<'static>> {
    let steps = u64::from(steps);
    let google = google_authenticator::GoogleAuthenticator::new();
    let libreauth = libreauth::oath::TOTPBuilder::new().key(KEY).tolerance(steps).finalize().expect("valid");
    let otpauth = otpauth::HOTP::from_bytes(KEY);
    [
        with("libreauth", move || libreauth.is_valid(black_box(WRONG))),
        with("otpauth (HOTP)", move || otpauth.verify(black_box(1), STEP - steps, 2 * steps + 1)),
        with("google-authenticator", move || {
            google.verify_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", black_box(WRONG), steps, STEP)
        }),
        with("totp-lite (it only generates)", move || {
            for step in STEP - steps..=STEP + steps {
                black_box(totp_lite::totp_custom::<totp_lite::Sha1>(30, 6, black_box(KEY), step * 30) == WRONG);
            }
        }),
        with("ring (HMAC alone)", move || {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, black_box(KEY));
            for step in STEP - steps..=STEP + steps {
                black_box(ring::hmac::sign(&key, &step.to_be_bytes()));
            }
        }),
    ]
}

fn sha1_compressions(count: u16) -> [u32; 5] {
    let mut state = [1; 5];
    (0..count).for_each(|_| sha1::block_api::compress(&mut state, black_box(&[[0; 64]])));
    state
}

/// 2 for the key, and 6 for three codes.
fn sha256_compressions() -> [u32; 8] {
    let mut state = [1; 8];
    (0..8).for_each(|_| sha2::block_api::compress256(&mut state, black_box(&[[0; 64]])));
    state
}

/// As for SHA-256.
fn sha512_compressions() -> [u64; 8] {
    let mut state = [1; 8];
    (0..8).for_each(|_| sha2::block_api::compress512(&mut state, black_box(&[[0; 128]])));
    state
}

/// Wipes as much of the stack as the library does.
fn wipe() {
    zeroize::zeroize_stack::<{ 16 * 1024 }>();
}

fn wiped<T>(run: impl Fn() -> T) -> impl Fn() -> T {
    move || {
        let done = run();
        wipe();
        done
    }
}
