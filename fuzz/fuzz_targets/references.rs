//! What a browser sends back for an open flow or as one that is trusted, and what a host keeps with a session:
//! refused, or the same when it is written again.
#![no_main]

use factorgate::{BrowserToken, LoginRef, RegistrationRef, SessionClaims, StepUpRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(flow) = LoginRef::from_cookie(text) {
        assert_eq!(flow.to_cookie().expose_secret(), text);
    }
    if let Ok(flow) = RegistrationRef::from_cookie(text) {
        assert_eq!(flow.to_cookie().expose_secret(), text);
    }
    if let Ok(flow) = StepUpRef::from_cookie(text) {
        assert_eq!(flow.to_cookie().expose_secret(), text);
    }
    if let Ok(browser) = BrowserToken::from_cookie(text) {
        assert_eq!(browser.to_cookie().expose_secret(), text);
    }
    if let Ok(claims) = SessionClaims::from_text(text) {
        assert_eq!(claims.to_text(), text);
    }
});
