//! One-time passwords against a plain model of them, on inputs that nobody chose.

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Digits, Hotp, Secret, TimeStep, Totp, Verdict, Window};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256), Just(Algorithm::Sha512)]
}

fn digits() -> impl Strategy<Value = Digits> {
    (Digits::MIN..=Digits::MAX).prop_map(|digits| Digits::new(digits).unwrap())
}

fn secret() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), Secret::MIN_LEN..=200)
}

/// Anywhere, and near the ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..100_u64, (u64::MAX - 100)..=u64::MAX]
}

fn text(code: &Code) -> String {
    code.expose_secret().expose_secret().to_owned()
}

proptest! {
    #![proptest_config(config())]

    /// T15, T16.
    #[test]
    fn verdict_is_that_of_the_model(
        (bytes, algorithm, digits) in (secret(), algorithm(), digits()),
        (period, t0, at) in (1..=86_400_u64, prop_oneof![Just(0), number()], number()),
        (past, future) in (0..=Window::MAX, 0..=Window::MAX),
        (delta, after) in (-12..=12_i64, proptest::option::of(-12..=12_i64)),
    ) {
        let secret = Secret::from_bytes(&bytes).unwrap();
        let totp = Totp::builder()
            .algorithm(algorithm).digits(digits).period_secs(period).t0(Timestamp::from_secs(t0)).build().unwrap();
        let at = Timestamp::from_secs(at);
        let hotp = Hotp::new(algorithm, digits);
        let now = totp.step_at(at).map(TimeStep::get);
        let code = hotp.generate(&secret, now.unwrap_or(0).saturating_add_signed(delta));
        let after = after.map(|delta| now.unwrap_or(0).saturating_add_signed(delta));

        let right: Vec<u64> = now
            .map(|now| now.saturating_sub(past.into())..=now.saturating_add(future.into()))
            .into_iter()
            .flatten()
            .filter(|&step| text(&hotp.generate(&secret, step)) == text(&code))
            .collect();
        let fresh = right.iter().filter(|&&step| after.is_none_or(|after| step > after)).max();
        let expected = match (fresh, right.is_empty()) {
            (Some(&step), _) => Verdict::Accepted(TimeStep::new(step)),
            (None, false) => Verdict::Replayed,
            (None, true) => Verdict::Wrong,
        };

        let (window, after) = (Window::new(past, future).unwrap(), after.map(TimeStep::new));
        prop_assert_eq!(totp.check(&secret, &code, at, window, after), expected);
        prop_assert_eq!(
            totp.verify(&secret, &code, at, window, after).map_or(Verdict::Wrong, Verdict::Accepted),
            if expected == Verdict::Replayed { Verdict::Wrong } else { expected }
        );
    }

    /// H08.
    #[test]
    fn codes_have_the_requested_digits(
        bytes in secret(), algorithm in algorithm(), digits in digits(), counter in number()
    ) {
        let code = Hotp::new(algorithm, digits).generate(&Secret::from_bytes(&bytes).unwrap(), counter);
        prop_assert_eq!(text(&code).len(), usize::from(digits.get()));
        prop_assert_eq!(code.digits(), digits);
        prop_assert_eq!(text(&Code::parse_exact(&text(&code), digits).unwrap()), text(&code));
    }

    /// H13.
    #[test]
    fn look_ahead_is_that_of_the_model(
        bytes in secret(), counter in number(), ahead in 0..=30_u64, look_ahead in 0..=20_u8
    ) {
        let (hotp, secret) = (Hotp::default(), Secret::from_bytes(&bytes).unwrap());
        let code = hotp.generate(&secret, counter.saturating_add(ahead));
        let last = counter.saturating_add(look_ahead.into());
        let expected = (counter..=last).rev().find(|&at| text(&hotp.generate(&secret, at)) == text(&code));
        prop_assert_eq!(hotp.verify(&secret, &code, counter, look_ahead), expected);
    }

    /// W05.
    #[test]
    fn separators_change_nothing(
        digits in "[0-9]{6,10}", gaps in proptest::collection::vec(0..=1_usize, 11), hyphen in proptest::option::of(1..6_usize)
    ) {
        let mut typed = " ".repeat(gaps[0]);
        for (i, digit) in digits.chars().enumerate() {
            if hyphen == Some(i) {
                typed.push('-');
            }
            typed.push(digit);
            typed.push_str(&" ".repeat(gaps[i + 1]));
        }
        prop_assert_eq!(text(&Code::parse(&typed).unwrap()), digits);
    }

    /// G1, G2, G5.
    #[test]
    fn any_typed_text_is_read_or_refused(typed in prop_oneof![any::<String>(), "[0-9 -]{0,16}", "[0-9+_.x٠-٩]{5,9}"]) {
        let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
        match Code::parse(&typed) {
            Ok(code) => {
                prop_assert!(typed.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-'));
                prop_assert_eq!(text(&code), digits);
            }
            Err(why) => prop_assert!(digits.is_empty() || !why.to_string().contains(&digits) || digits.len() < 6),
        }
    }
}
