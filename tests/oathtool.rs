//! The codes of `oathtool`, an implementation by others, on inputs that nobody chose.

use std::process::Command;

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Digits, Hotp, Secret, Totp};
use proptest::prelude::*;

/// How many codes in a row are compared.
const RUN: u64 = 20;

fn oathtool(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("oathtool").args(arguments).output();
    let output = output.unwrap_or_else(|why| panic!("oathtool does not start ({why}); install the package oathtool"));
    assert!(output.status.success(), "oathtool: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn settings() -> impl Strategy<Value = (Vec<u8>, Algorithm, Digits)> {
    let algorithm = prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256), Just(Algorithm::Sha512)];
    // Around the lengths of the blocks, too. It knows no more than eight digits.
    let key = prop_oneof![16..=40_usize, 60..=70_usize, 120..=136_usize]
        .prop_flat_map(|len| proptest::collection::vec(any::<u8>(), len));
    (key, algorithm, (6..=8_u8).prop_map(|digits| Digits::new(digits).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn time_based_codes_are_those_of_oathtool(
        (key, algorithm, digits) in settings(),
        period in prop_oneof![Just(30), 1..=86_400_u64],
        // It takes dates of the common calendar.
        at in 0..=32_503_680_000_u64,
    ) {
        let totp = Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build().unwrap();
        let secret = Secret::from_bytes(&key).unwrap();
        let theirs = oathtool(&[
            &format!("--totp={}", algorithm.to_string().to_lowercase()),
            &format!("--digits={}", digits.get()),
            &format!("--time-step-size={period}s"),
            &format!("--now=@{at}"),
            &format!("--window={}", RUN - 1),
            &hex(&key),
        ]);
        let ours: Vec<String> = (0..RUN)
            .map(|step| totp.generate(&secret, Timestamp::from_secs(at + step * period)).unwrap())
            .map(|code| code.expose_secret().expose_secret().to_owned())
            .collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn counter_based_codes_are_those_of_oathtool(
        (key, _, digits) in settings(),
        // It takes counters up to 2^63.
        counter in prop_oneof![0..1000_u64, 0..i64::MAX as u64 - RUN],
    ) {
        let (hotp, secret) = (Hotp::new(Algorithm::Sha1, digits), Secret::from_bytes(&key).unwrap());
        let theirs = oathtool(&[
            "--hotp",
            &format!("--digits={}", digits.get()),
            &format!("--counter={counter}"),
            &format!("--window={}", RUN - 1),
            &hex(&key),
        ]);
        let ours: Vec<String> = (counter..counter + RUN)
            .map(|counter| hotp.generate(&secret, counter).expose_secret().expose_secret().to_owned())
            .collect();
        prop_assert_eq!(ours, theirs);
    }
}
