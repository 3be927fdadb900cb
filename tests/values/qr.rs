//! Pictures of QR codes: their size, their text, and what they must not hold.

use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::{AccountName, Issuer, KeyUri, QrCode};

fn qr() -> QrCode {
    let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
    let (issuer, account) = (Issuer::new("ACME Co").unwrap(), AccountName::new("alice@example.com").unwrap());
    KeyUri::totp(&issuer, &account, &secret, &Totp::default()).unwrap().qr().unwrap()
}

#[test]
fn a_usual_uri_is_a_small_picture() {
    let svg = qr().to_svg();
    assert!(svg.len() <= 4096, "{} bytes", svg.len());
    assert_eq!((svg.matches("<path").count(), svg.matches("<rect").count()), (1, 1));
    assert!(svg.contains("role=\"img\"") && svg.contains("<title>QR code for an authenticator app</title>"));
    for forbidden in ["style", "script", "href", "secret", "GEZD", "otpauth"] {
        assert!(!svg.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_data_uri_holds_the_picture() {
    let qr = qr();
    let uri = qr.to_svg_data_uri();
    let (kind, encoded) = uri.expose_secret().split_once(',').unwrap();
    assert_eq!(kind, "data:image/svg+xml");
    assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/=%".contains(&byte)));
    let mut parts = encoded.split('%');
    let mut svg = String::from(parts.next().unwrap());
    for part in parts {
        svg.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        svg.push_str(&part[2..]);
    }
    assert_eq!(svg, qr.to_svg());
    assert_eq!(format!("{uri:?}"), "SecretText(..)");
}

#[test]
fn outside_of_the_symbol_all_is_light() {
    let qr = qr();
    assert!(qr.is_dark(0, 0) && !qr.is_dark(qr.width(), 0) && !qr.is_dark(0, qr.width()));
    assert!(!qr.is_dark(usize::MAX, 0) && !qr.is_dark(usize::MAX, usize::MAX));
}

#[test]
fn the_text_has_the_modules_in_it() {
    let qr = qr();
    let lines: Vec<Vec<char>> = qr.to_unicode().lines().map(|line| line.chars().collect()).collect();
    assert_eq!(lines.len(), (qr.width() + 8).div_ceil(2));
    for y in 0..qr.width() + 8 {
        assert_eq!(lines[y / 2].len(), qr.width() + 8);
        for (x, &block) in lines[y / 2].iter().enumerate() {
            let drawn = if y % 2 == 0 { "▀█" } else { "▄█" }.contains(block);
            assert_eq!(drawn, x >= 4 && y >= 4 && qr.is_dark(x - 4, y - 4), "{x} {y}");
        }
    }
}
