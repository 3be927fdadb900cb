//! Key URIs as they are written.

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Digits, Hotp, Secret, Totp};
use factorgate::otpauth::{AccountName, Issuer, KeyUri, UnsupportedT0};

fn secret() -> Secret {
    Secret::from_bytes(b"12345678901234567890").unwrap()
}

fn totp(issuer: &str, account: &str, totp: &Totp) -> String {
    let (issuer, account) = (Issuer::new(issuer).unwrap(), AccountName::new(account).unwrap());
    KeyUri::totp(&issuer, &account, &secret(), totp).unwrap().expose_secret().into()
}

#[test]
fn u02_u05_u06_u07_u08_what_every_app_reads() {
    assert_eq!(
        totp("Example", "alice@example.com", &Totp::default()),
        "otpauth://totp/Example:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example"
    );
    let unusual = Totp::builder().algorithm(Algorithm::Sha512).digits(Digits::EIGHT).period_secs(60).build().unwrap();
    assert!(totp("Example", "alice", &unusual).ends_with("&issuer=Example&algorithm=SHA512&digits=8&period=60"));
    let (issuer, account) = (Issuer::new("Example").unwrap(), AccountName::new("alice").unwrap());
    assert_eq!(
        KeyUri::hotp(&issuer, &account, &secret(), &Hotp::default(), 0).expose_secret(),
        "otpauth://hotp/Example:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example&counter=0"
    );
}

#[test]
fn u09_d22_names_inject_nothing() {
    let uri = totp("A&B C+D", "x?secret=AAAA&digits=8#/é\"<%3A", &Totp::default());
    assert_eq!(
        uri,
        "otpauth://totp/A%26B%20C%2BD:x%3Fsecret%3DAAAA%26digits%3D8%23%2F%C3%A9%22%3C%253A\
         ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%26B%20C%2BD"
    );
    let uri = totp("Foo&secret=AAAA&digits=8", "bob", &Totp::default());
    assert_eq!(uri.matches("secret=").count(), 1);
    assert!(KeyUri::parse(&uri).is_ok_and(|read| read.issuer().unwrap().as_str() == "Foo&secret=AAAA&digits=8"));
}

#[test]
fn another_t0_cannot_be_expressed() {
    let (issuer, account) = (Issuer::new("Example").unwrap(), AccountName::new("alice").unwrap());
    let later = Totp::builder().t0(Timestamp::from_secs(1)).build().unwrap();
    assert_eq!(KeyUri::totp(&issuer, &account, &secret(), &later).err(), Some(UnsupportedT0));
}

#[test]
fn the_longest_uri_is_within_bounds() {
    // Each byte of a control-free name is at worst three characters, each long name is in UTF-8.
    let (issuer, account) = ("é".repeat(Issuer::MAX_LEN / 2), "é".repeat(AccountName::MAX_LEN / 2));
    let (issuer, account) = (Issuer::new(&issuer).unwrap(), AccountName::new(&account).unwrap());
    let secret = Secret::from_bytes(&[0xff; Secret::MAX_LEN]).unwrap();
    let hotp = Hotp::new(Algorithm::Sha512, Digits::TEN);
    let uri = KeyUri::hotp(&issuer, &account, &secret, &hotp, u64::MAX);
    assert!(uri.expose_secret().len() <= KeyUri::MAX_LEN, "{}", uri.expose_secret().len());
    assert!(KeyUri::parse(uri.expose_secret()).is_ok());
    assert!(uri.qr().is_ok());
}

#[test]
fn u11_debug_shows_nothing() {
    let (issuer, account) = (Issuer::new("Example").unwrap(), AccountName::new("alice").unwrap());
    let uri = KeyUri::totp(&issuer, &account, &secret(), &Totp::default()).unwrap();
    assert_eq!(format!("{uri:?} {:?}", uri.secret_base32()), "KeyUri(..) SecretText(..)");
    let read = KeyUri::parse(uri.expose_secret()).unwrap();
    assert!(!format!("{read:?}").contains("GEZD"));
}
