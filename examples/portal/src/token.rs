//! Random ids: of a session, and of a browser that is not signed in yet.

use factorgate::env::{OsRandom, RandomUnavailable, SecureRandom as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// 256 random bits, which a browser holds in a cookie. Of a session the server keeps only [`Token::digest`].
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn mint() -> Result<Self, RandomUnavailable> {
        let mut bytes = [0; 32];
        OsRandom.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads what [`Token::to_text`] wrote, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase())?;
                *byte = *byte << 4 | value as u8;
            }
        }
        Some(Self(bytes))
    }

    pub(crate) fn to_text(&self) -> String {
        hex(&self.0)
    }

    /// What the sessions table knows the session by.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.derive(b"session")
    }

    /// What every form of this browser carries. It is bound to the cookie, and does not give it away.
    pub(crate) fn csrf(&self) -> String {
        hex(&self.derive(b"form"))
    }

    /// Whether a form was made for this browser.
    pub(crate) fn is_csrf(&self, sent: &str) -> bool {
        self.csrf().as_bytes().ct_eq(sent.as_bytes()).into()
    }

    fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        // The token is random and of one length: a plain hash of it has no preimage to guess.
        Sha256::new().chain_update(self.0).chain_update(purpose).finalize().into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reads_back() {
        let token = Token::mint().unwrap();
        let text = token.to_text();
        assert_eq!(Token::parse(&text).unwrap().digest(), token.digest());
        assert!(Token::parse(&text.replace(|c: char| c.is_ascii_digit(), "A")).is_none());
        assert!(Token::parse(&text[1..]).is_none());
    }

    #[test]
    fn two_tokens_share_nothing() {
        let (one, two) = (Token::mint().unwrap(), Token::mint().unwrap());
        assert_ne!(one.to_text(), two.to_text());
        assert!(one.is_csrf(&one.csrf()) && !one.is_csrf(&two.csrf()) && !one.is_csrf(""));
    }

    #[test]
    fn what_is_shown_or_stored_is_not_the_token() {
        let token = Token::mint().unwrap();
        assert_ne!(token.csrf(), token.to_text());
        assert_ne!(hex(&token.digest()), token.to_text());
        assert_ne!(hex(&token.digest()), token.csrf());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
