//! What a browser sends back for an open flow: refused, or the same when it is written again.
#![no_main]

use factorgate::{LoginRef, RegistrationRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(flow) = LoginRef::from_cookie(text) {
        assert_eq!(flow.to_cookie().expose_secret(), text);
    }
    if let Ok(flow) = RegistrationRef::from_cookie(text) {
        assert_eq!(flow.to_cookie().expose_secret(), text);
    }
});
