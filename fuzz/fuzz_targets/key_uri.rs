//! A Key URI of another system: refused, or read, and then the same when it is written and read.
#![no_main]

use factorgate::otpauth::{KeyParameters, KeyUri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = KeyUri::parse(text) else { return };
    let Some(issuer) = read.issuer() else { return };
    let uri = match read.parameters() {
        KeyParameters::Hotp { hotp, counter } => KeyUri::hotp(issuer, read.account(), read.secret(), &hotp, counter),
        KeyParameters::Totp(totp) => KeyUri::totp(issuer, read.account(), read.secret(), &totp).unwrap(),
        other => panic!("{other:?}"),
    };
    let again = KeyUri::parse(uri.expose_secret()).unwrap();
    assert_eq!((again.issuer(), again.account()), (Some(issuer), read.account()));
    assert_eq!(again.parameters(), read.parameters());
    assert_eq!(again.secret().expose_secret(), read.secret().expose_secret());
});
