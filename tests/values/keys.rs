//! Server keys as text.

use factorgate::keys::{InvalidServerKey, ServerKey};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn hex_round_trips() {
    assert_eq!(ServerKey::from_hex(&format!(" {}\n", KEY.to_uppercase())).unwrap().to_hex().expose_secret(), KEY);
}

#[test]
fn what_is_no_key_is_refused() {
    for (text, why) in [
        ("", InvalidServerKey::Length),
        (&KEY[1..], InvalidServerKey::Length),
        (&KEY.replace('f', "g"), InvalidServerKey::Character),
        (&KEY.replace("00", "ä"), InvalidServerKey::Character),
        (&"ab".repeat(32), InvalidServerKey::Placeholder),
    ] {
        assert_eq!(ServerKey::from_hex(text).err(), Some(why), "{text}");
    }
}
