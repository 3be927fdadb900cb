//! Shared secrets and windows: their bounds, and how they are shown.

use factorgate::otp::{InvalidSecret, InvalidWindow, Secret, Window};

const RFC_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn h05_lengths() {
    assert_eq!(Secret::from_bytes(&[1; 15]).err(), Some(InvalidSecret::TooShort));
    assert!(Secret::from_bytes(&[1; 16]).is_ok());
    assert_eq!(Secret::from_bytes(&[1; 513]).err(), Some(InvalidSecret::TooLong));
}

#[test]
fn groups_of_four() {
    let text = Secret::from_base32(RFC_KEY).unwrap().to_base32().grouped();
    assert_eq!(text.expose_secret(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
}

#[test]
fn debug_shows_nothing() {
    let secret = Secret::from_base32(RFC_KEY).unwrap();
    assert_eq!(format!("{secret:?} {:?}", secret.to_base32()), "Secret(20 bytes) SecretText(..)");
}

#[test]
fn w03_windows_are_bounded() {
    assert_eq!(Window::new(11, 0), Err(InvalidWindow));
    assert_eq!(Window::new(0, 255), Err(InvalidWindow));
    let window = Window::new(10, 3).unwrap();
    assert_eq!((window.past(), window.future()), (10, 3));
}
