//! The portal's cookies. All are `__Host-` cookies: no neighbor of the host can set them, and no script reads them.
//!
//! They are `Secure` on the loopback interface too, which Chromium and Firefox accept there as they do over TLS.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::error::Failure;

/// The session, or before sign-in what the forms are bound to.
pub(crate) const SESSION: &str = "__Host-session";
/// The login that has not been finished.
pub(crate) const LOGIN: &str = "__Host-login";
/// The completion of a session that has not been finished.
pub(crate) const COMPLETION: &str = "__Host-completion";
/// The registration of a smartphone that has not been finished.
pub(crate) const REGISTRATION: &str = "__Host-registration";
/// What is registered in it, where that is no smartphone.
pub(crate) const KIND: &str = "__Host-kind";
/// The step-up that has not been finished, and what it is for.
pub(crate) const STEP_UP: &str = "__Host-step-up";
pub(crate) const INTENT: &str = "__Host-intent";
/// The wish to trust this browser, until the sign-in is finished.
pub(crate) const TRUST: &str = "__Host-trust";
/// What the next page is to say.
pub(crate) const NOTICE: &str = "__Host-notice";

/// The cookie by which a browser is known, and perhaps trusted, for one user: two users of one browser keep a cookie each. Its
/// value names the user as well, by the same number.
///
/// Nothing bounds how many users sign in at one browser but the browser, which drops the cookies that were used least recently.
pub(crate) fn browser_of(user: i64) -> String {
    format!("__Host-browser-{user}")
}

/// The cookie's value, if the browser sent exactly one of this name.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        // A cookie of another application may hold any byte: it hides none of ours.
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// Sets a cookie; without `max_age`, in seconds, until the browser closes. A response sets each name once (RFC 6265 section
/// 4.1.1): the last value replaces the one before.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str, max_age: Option<u64>) -> Result<(), Failure> {
    let age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    let line = HeaderValue::try_from(line).map_err(Failure::internal)?;
    if is_set(headers, name) {
        let sets_another = |line: &&HeaderValue| !line.as_bytes().starts_with(format!("{name}=").as_bytes());
        let others: Vec<_> = headers.get_all(header::SET_COOKIE).iter().filter(sets_another).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for line in others {
            headers.append(header::SET_COOKIE, line);
        }
    }
    headers.append(header::SET_COOKIE, line);
    Ok(())
}

/// Whether a response already sets the cookie.
pub(crate) fn is_set(headers: &HeaderMap, name: &str) -> bool {
    let mut lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| line.split_once('=').is_some_and(|(key, _)| key == name))
}

/// The value that a response gives to a cookie.
pub(crate) fn value_set<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Takes a cookie back.
pub(crate) fn clear(headers: &mut HeaderMap, name: &str) -> Result<(), Failure> {
    set(headers, name, "", Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = sent(&["a=1; __Host-session=xyz", "b=2"]);
        assert_eq!(read(&headers, SESSION), Some("xyz"));
        assert_eq!(read(&headers, "session"), None);
    }

    #[test]
    fn foreign_cookie_of_any_bytes_hides_none_of_ours() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_bytes(b"a=\xff; __Host-session=xyz; b=\xc3\xa9").unwrap());
        assert_eq!(
            (read(&headers, SESSION), read(&headers, "a"), read(&headers, "b")),
            (Some("xyz"), None, Some("\u{e9}"))
        );
    }

    #[test]
    fn two_of_one_name_are_none() {
        assert_eq!(read(&sent(&["__Host-session=a; __Host-session=b"]), SESSION), None);
        assert_eq!(read(&sent(&["__Host-session=a", "__Host-session=b"]), SESSION), None);
    }

    #[test]
    fn each_user_has_a_browser_cookie_of_its_own() {
        let headers = sent(&["__Host-browser-1=a; __Host-browser-11=b"]);
        assert_eq!([1, 11, 2].map(|user| read(&headers, &browser_of(user))), [Some("a"), Some("b"), None]);
    }

    #[test]
    fn a_response_sets_a_cookie_once() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("__Host-a", "1"), ("__Host-ab", "2"), ("__Host-a", "3")] {
            set(&mut headers, name, value, None).unwrap();
        }
        let lines: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(lines, [format!("__Host-ab=2; {attributes}"), format!("__Host-a=3; {attributes}")]);
    }

    #[test]
    fn a_value_cannot_break_out_of_the_header() {
        let mut headers = HeaderMap::new();
        assert!(set(&mut headers, NOTICE, "a\r\nSet-Cookie: x=y", None).is_err());
        set(&mut headers, NOTICE, "saved", Some(60)).unwrap();
        assert_eq!(
            headers[header::SET_COOKIE],
            "__Host-notice=saved; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
    }
}
