//! A code that is typed: its digits are those of the text, and nothing else is read.
#![no_main]

use factorgate::otp::Code;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if let Ok(code) = Code::parse(text) {
        assert!(text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-'));
        assert_eq!(code.expose_secret().expose_secret(), digits);
        assert!(Code::parse_exact(text, code.digits()).is_ok());
    } else {
        // The digits alone are a code, if there are as many as a code has.
        assert_eq!(Code::parse(&digits).is_ok(), (6..=10).contains(&digits.len()));
    }
});
