//! Bearer tokens as text: base64url, made of cookie octets alone (RFC 6265 section 4.1.1).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::user::UserId;

/// The longest text of a token, in bytes.
pub(crate) const MAX_COOKIE_LEN: usize = 240;

/// What a token is for. It is the first byte of the text, so that no token reads as one of another kind.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Flow = 1,
    Browser = 2,
}

/// Writes a token and whose it is.
pub(crate) fn write(kind: Kind, token: &[u8], user: &UserId) -> String {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + token.len() + user.as_str().len()));
    bytes.push(kind as u8);
    bytes.extend_from_slice(token);
    bytes.extend_from_slice(user.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(&*bytes)
}

/// Reads what [`write`] wrote of `N` bytes, and nothing else.
pub(crate) fn read<const N: usize>(kind: Kind, text: &str) -> Option<(UserId, Box<Zeroizing<[u8; N]>>)> {
    if text.len() > MAX_COOKIE_LEN {
        return None;
    }
    // It has one spelling: the engine refuses padding and bits that are left over.
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    let (&first, rest) = bytes.split_first()?;
    let (token, user) = rest.split_first_chunk::<N>()?;
    if first != kind as u8 {
        return None;
    }
    let mut copy = Box::new(Zeroizing::new([0; N]));
    copy.copy_from_slice(token);
    Some((UserId::new(core::str::from_utf8(user).ok()?).ok()?, copy))
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;

    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    /// A user id of any text fits into a cookie, and the longest token stays within the documented length.
    #[test]
    fn token_is_made_of_cookie_octets_and_is_bounded() {
        for id in ["bob; Domain=example.com", "José", "a\"b,c\\d", &"é".repeat(64), &"x".repeat(UserId::MAX_LEN)] {
            let text = write(Kind::Browser, &[0xff; 48], &user(id));
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert!(text.len() <= MAX_COOKIE_LEN, "{}", text.len());
            let (read, token) = read::<48>(Kind::Browser, &text).unwrap();
            assert_eq!((read.as_str(), token.as_slice()), (id, &[0xff; 48][..]));
        }
    }

    #[test]
    fn forged_token_is_refused() {
        let good = write(Kind::Flow, &[0xa7; 32], &user("alice"));
        assert!(read::<32>(Kind::Flow, &good).is_some());
        assert!(read::<32>(Kind::Browser, &good).is_none(), "another kind");
        assert!(read::<48>(Kind::Browser, &write(Kind::Flow, &[7; 48], &user("a"))).is_none(), "another kind");
        let nobody = URL_SAFE_NO_PAD.encode([&[1][..], &[7; 32]].concat());
        let control = URL_SAFE_NO_PAD.encode([&[1][..], &[7; 32], b"a\n"].concat());
        let not_utf8 = URL_SAFE_NO_PAD.encode([&[1][..], &[7; 32], &[0xff]].concat());
        let long = "A".repeat(MAX_COOKIE_LEN + 1);
        let padded = format!("{good}=");
        let other_bits = match good.strip_suffix('U') {
            Some(rest) => format!("{rest}V"),
            None => good[1..].to_owned(),
        };
        for bad in ["", "A", ".", "a b", "ä", &good[1..], &padded, &nobody, &control, &not_utf8, &long, &other_bits] {
            assert!(read::<32>(Kind::Flow, bad).is_none(), "{bad}");
        }
    }
}
