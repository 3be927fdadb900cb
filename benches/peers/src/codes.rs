//! Generating and verifying codes.

use std::hint::black_box;

use factorgate::otp::{Algorithm, Totp, Verdict, Window};
use factorgate::{Code, Secret, Timestamp};

use crate::stopwatch::{Contender, Report, time_of, with};

const KEY: &[u8; 20] = b"12345678901234567890";
const NOW: u64 = 1_111_111_109;
const STEP: u64 = NOW / 30;
const WRONG: &str = "000001";

pub(crate) fn measure(report: &mut Report) {
    // `tests/stack_wipe.rs` shows what it is for; the peers do not do it.
    let wiping = time_of(zeroize::zeroize_stack::<{ 16 * 1024 }>);
    let whole = ours(Algorithm::Sha1, 1);
    let whole = time_of(|| whole(WRONG));
    println!(
        "wiping the stack takes {wiping:.0} ns of the {whole:.0} of verify ±1 SHA-1, and is left out of what follows"
    );

    for (name, steps, limit) in [("verify ±1 SHA-1, wrong code", 1, 0.85), ("verify ±10 SHA-1, wrong code", 10, 0.65)]
    {
        let ours = ours(Algorithm::Sha1, steps as u8);
        let mut contenders = vec![with("factorgate", move || ours(WRONG))];
        contenders.push(totp_rs(totp_rs::Algorithm::SHA1, steps).at_most(limit));
        contenders.extend(others(steps));
        // The key takes two, and each of the codes.
        let count = 2 + 2 * (2 * steps + 1);
        let compressions = with("the compressions in it", move || sha1_compressions(count));
        contenders.push(if steps == 1 { compressions.at_most(1.45) } else { compressions });
        report.case(name, wiping, contenders);
    }

    let sha256 = ours(Algorithm::Sha256, 1);
    report.case(
        "verify ±1 SHA-256, wrong code",
        wiping,
        vec![
            with("factorgate", || sha256(WRONG)),
            totp_rs(totp_rs::Algorithm::SHA256, 1).at_most(1.0),
            with("the compressions in it", || {
                let mut state = [1; 8];
                (0..8).for_each(|_| sha2::block_api::compress256(&mut state, black_box(&[[0; 64]])));
                state
            }),
        ],
    );
    let sha512 = ours(Algorithm::Sha512, 1);
    report.case(
        "verify ±1 SHA-512, wrong code",
        wiping,
        vec![
            with("factorgate", || sha512(WRONG)),
            totp_rs(totp_rs::Algorithm::SHA512, 1).at_most(1.0),
            with("the compressions in it", || {
                let mut state = [1; 8];
                (0..8).for_each(|_| sha2::block_api::compress512(&mut state, black_box(&[[0; 128]])));
                state
            }),
        ],
    );

    // Whatever the code, and whichever step it is of.
    let [first, middle, last] = [STEP - 1, STEP, STEP + 1].map(|step| {
        let code = Totp::default().generate(&secret(), Timestamp::from_secs(step * 30)).expect("after T0");
        code.expose_secret().expose_secret().to_owned()
    });
    let verify = ours(Algorithm::Sha1, 1);
    report.case(
        "verify ±1 SHA-1, wrong code",
        0.0,
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
        wiping,
        vec![
            with("factorgate", || Totp::default().generate(black_box(&secret), Timestamp::from_secs(black_box(NOW)))),
            with("totp-rs", || peer.generate(black_box(NOW))),
            with("totp-lite", || totp_lite::totp_custom::<totp_lite::Sha1>(30, 6, black_box(KEY), black_box(NOW))),
            with("the compressions in it", || sha1_compressions(4)),
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
