//! Verifies a code as often as it is told to, for a tool that counts instructions.

use std::hint::black_box;

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Secret, TimeStep, Totp, Window};

const STEP: u64 = 37_037_036;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [algorithm, case, times] = arguments.as_slice() else { panic!("algorithm, case and number of times") };
    let algorithm = match algorithm.as_str() {
        "SHA1" => Algorithm::Sha1,
        "SHA256" => Algorithm::Sha256,
        "SHA512" => Algorithm::Sha512,
        other => panic!("{other}"),
    };
    let totp = Totp::builder().algorithm(algorithm).build().unwrap();
    let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
    let at = |step: u64| Timestamp::from_secs(step * 30);
    let code = |step: u64| totp.generate(&secret, at(step)).unwrap();
    let window = |steps| Window::new(steps, steps).unwrap();
    let after = matches!(case.as_str(), "replayed" | "wrong-after-another").then_some(TimeStep::new(STEP + 5));
    let (code, width) = match case.as_str() {
        "first" => (code(STEP - 1), 1),
        "middle" | "replayed" => (code(STEP), 1),
        "last" => (code(STEP + 1), 1),
        "wrong" | "wrong-after-another" => (Code::parse("000001").unwrap(), 1),
        "control-wider" => (Code::parse("000001").unwrap(), 2),
        "control-early-exit" => (code(STEP - 1), 0),
        "control-late-exit" => (code(STEP + 1), 0),
        other => panic!("{other}"),
    };
    for _ in 0..times.parse().unwrap() {
        if width > 0 {
            let _ = black_box(totp.check(black_box(&secret), &code, at(STEP), window(width), after));
        } else {
            // As most libraries do it: one step after the other, until one matches.
            let found = (STEP - 1..=STEP + 1)
                .find(|&step| totp.verify(black_box(&secret), &code, at(step), window(0), None).is_some());
            black_box(found);
        }
    }
}
