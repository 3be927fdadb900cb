//! What a browser sends back for an open flow or as a trusted one, and what a host stores with a session: refused, or the
//! same when it is written again, in cookie octets and within the documented length.
#![no_main]

use factorgate::browser::BrowserToken;
use factorgate::session::{Completion, Registration, StepUp};
use factorgate::{Flow, FlowRef, Login, SessionClaims};
use libfuzzer_sys::fuzz_target;

fn is_cookie_value(text: &str, max: usize) -> bool {
    text.len() <= max && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn flow<F: Flow>(text: &str) -> bool {
    let Ok(flow) = FlowRef::<F>::from_cookie(text) else { return false };
    assert_eq!(flow.to_cookie(), text);
    assert!(is_cookie_value(text, FlowRef::<F>::MAX_COOKIE_LEN));
    true
}

fuzz_target!(|text: &str| {
    // The kind of a flow is no part of the text: the digest in the record tells the kinds apart.
    let is_flow = flow::<Login>(text);
    for other in [flow::<Completion>(text), flow::<Registration>(text), flow::<StepUp>(text)] {
        assert_eq!(other, is_flow);
    }
    if let Ok(browser) = BrowserToken::from_cookie(text) {
        assert!(!is_flow, "a token is read as one of another kind");
        assert_eq!(browser.to_cookie(), text);
        assert!(is_cookie_value(text, BrowserToken::MAX_COOKIE_LEN));
        assert_eq!(browser.expires_at(), None);
    }
    if let Ok(claims) = SessionClaims::from_text(text) {
        assert_eq!(claims.to_text(), text);
        assert_eq!(text.parse(), Ok(claims));
    }
});
