//! An export of Google Authenticator: the text as it is scanned, and whatever the payload in it holds.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use factorgate::otpauth::Migration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Migration::parse(text);
    }
    let payload: String = STANDARD.encode(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    if let Ok(read) = Migration::parse(&format!("otpauth-migration://offline?data={payload}")) {
        for entry in read.entries() {
            assert!(!entry.secret().expose_secret().is_empty());
        }
    }
});
