//! A Key URI of another system: refused with a place in the text, or read, and then the same when it is written and
//! read. What is read strictly is read leniently, and as the same but for a plus sign in a name, which the lenient
//! reader takes for a space.
#![no_main]

use factorgate::otpauth::{KeyParameters, KeyUri, ParsedKeyUri, Tolerated};
use libfuzzer_sys::fuzz_target;

fn same(one: &ParsedKeyUri, other: &ParsedKeyUri) {
    assert_eq!((one.issuer(), one.account()), (other.issuer(), other.account()));
    same_codes(one, other);
}

fn same_codes(one: &ParsedKeyUri, other: &ParsedKeyUri) {
    assert_eq!(one.parameters(), other.parameters());
    assert_eq!(one.secret().expose_secret(), other.secret().expose_secret());
}

fuzz_target!(|text: &str| {
    let (strict, lenient) = (KeyUri::parse(text), KeyUri::parse_lenient(text));
    if let Ok(strict) = &strict {
        let lenient = lenient.as_ref().unwrap();
        match strict.tolerated().contains(&Tolerated::Plus) {
            true => same_codes(strict, lenient),
            false => same(strict, lenient),
        }
    }
    let Ok(read) = lenient else { return };
    // Whatever apps make of it.
    let _ = (read.compatibility(), read.tolerated());
    let Some(issuer) = read.issuer() else { return };
    let uri = match read.parameters() {
        KeyParameters::Hotp { hotp, counter } => KeyUri::hotp(issuer, read.account(), read.secret(), &hotp, counter),
        KeyParameters::Totp(totp) => KeyUri::totp(issuer, read.account(), read.secret(), &totp).unwrap(),
        other => panic!("{other:?}"),
    };
    same(&KeyUri::parse_lenient(uri.expose_secret()).unwrap(), &read);
    if !read.secret().is_short() {
        assert!(KeyUri::parse(uri.expose_secret()).unwrap().tolerated().is_empty());
    }
});
