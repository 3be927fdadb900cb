//! A secret that is typed: refused with a place in the text, or read, and then the same when it is written and read.
#![no_main]

use factorgate::otp::{InvalidSecret, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Secret::from_base32(text) {
        Ok(secret) => {
            let written = secret.to_base32();
            let letters = |text: &str| {
                let kept = text.chars().filter(|c| !" -=".contains(*c));
                kept.map(|c| c.to_ascii_uppercase()).collect::<String>()
            };
            assert_eq!(letters(text), written.expose_secret());
            let again = Secret::from_base32(written.expose_secret()).unwrap();
            assert_eq!(again.expose_secret(), secret.expose_secret());
        }
        Err(InvalidSecret::Character { position }) => assert!(text.is_char_boundary(position) && position < text.len()),
        Err(_) => {}
    }
});
