//! A piece of a URI that knows where it stands.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

use zeroize::{Zeroize as _, Zeroizing};

use super::InvalidKeyUri;

/// A part of a URI, still encoded, and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) position: usize,
}

impl<'a> Part<'a> {
    /// What precedes and what follows the first `separator`.
    pub(super) fn split_at(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let position = self.position + before.len() + separator.len_utf8();
        Some((Self { text: before, ..self }, Self { text: after, position }))
    }

    /// What precedes and what follows the first colon, and whether that is escaped.
    pub(super) fn split_at_colon(self) -> Option<(Self, Self, bool)> {
        let (begin, len) = self.text.match_indices([':', '%']).find_map(|(begin, c)| match c {
            ":" => Some((begin, 1)),
            _ => self.text.get(begin..begin + 3)?.eq_ignore_ascii_case("%3A").then_some((begin, 3)),
        })?;
        let (before, after) = (self.text.get(..begin)?, self.text.get(begin + len..)?);
        let position = self.position + begin + len;
        Some((Self { text: before, ..self }, Self { text: after, position }, len > 1))
    }

    /// The parameters of a query: each whole, its name and its value.
    pub(super) fn parameters(self) -> impl Iterator<Item = (Self, Self, Self)> {
        let mut rest = Some(self);
        core::iter::from_fn(move || {
            let unread = rest?;
            let (parameter, after) = unread.split_at('&').unzip();
            rest = after;
            let parameter = parameter.unwrap_or(unread);
            let (name, value) = parameter.split_at('=').unwrap_or((parameter, parameter.end()));
            Some((parameter, name, value))
        })
    }

    /// The empty part at the end of this one.
    pub(super) fn end(self) -> Self {
        Self { text: "", position: self.position + self.text.len() }
    }

    /// The text with its escapes resolved.
    pub(super) fn decode(self) -> Result<Decoded<'a>, InvalidKeyUri> {
        if !self.text.contains('%') {
            return Ok(Decoded::AsItStands(self.text));
        }
        // Decoded text is never longer: nothing is copied to a larger place and left behind.
        let mut decoded = Vec::with_capacity(self.text.len());
        if let Err(broken) = self.resolve_escapes(&mut decoded) {
            decoded.zeroize();
            return Err(broken);
        }
        match String::from_utf8(decoded) {
            Ok(text) => Ok(Decoded::Resolved(Zeroizing::new(text))),
            Err(broken) => {
                let position = self.position_of(broken.utf8_error().valid_up_to());
                broken.into_bytes().zeroize();
                Err(InvalidKeyUri::Escape { position })
            }
        }
    }

    fn resolve_escapes(self, decoded: &mut Vec<u8>) -> Result<(), InvalidKeyUri> {
        let mut bytes = self.text.bytes().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            decoded.push(match byte {
                b'%' => {
                    let mut nibble = || char::from(bytes.next()?.1).to_digit(16);
                    let (Some(high), Some(low)) = (nibble(), nibble()) else {
                        return Err(InvalidKeyUri::Escape { position: self.position + offset });
                    };
                    (high << 4 | low) as u8
                }
                _ => byte,
            });
        }
        Ok(())
    }

    /// Where the byte stands that becomes byte `offset` of the decoded text.
    pub(super) fn position_of(self, offset: usize) -> usize {
        let mut raw = self.text.bytes().enumerate();
        for _ in 0..offset {
            if let Some((_, b'%')) = raw.next() {
                raw.nth(1);
            }
        }
        self.position + raw.next().map_or(self.text.len(), |(raw, _)| raw)
    }

    /// A number of ASCII digits and nothing else.
    pub(super) fn number(self) -> Option<u64> {
        self.text.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.text.parse().ok())?
    }
}

/// A decoded part, wiped on drop if it was copied.
pub(super) enum Decoded<'a> {
    AsItStands(&'a str),
    Resolved(Zeroizing<String>),
}

impl Deref for Decoded<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsItStands(text) => text,
            Self::Resolved(text) => text,
        }
    }
}
