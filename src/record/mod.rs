//! An account as a sealed record, and back.
//!
//! ```text
//! magic "fgr" | format   | key id, 8 bytes | nonce, 24 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! A format that was ever released stays readable. This is the first.
//!
//! The plaintext is CBOR (RFC 8949), sealed by XChaCha20-Poly1305. The header, the version and the user are
//! associated data: a record can be neither read nor edited, nor moved to another user or another version. What
//! it cannot show is that somebody who can write the table has put back an older record of the same user.

mod fields;

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use minicbor::Encoder;
use minicbor::encode::Write;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::keys::{KeyId, KeySet, ServerKeys};
use crate::secret::wipe_stack;
use crate::store::{CorruptRecord, Record, Version};
use crate::user::UserId;

const MAGIC: [u8; 3] = *b"fgr";
/// What is written and read.
const FORMAT: u8 = 1;
const NONCE_LEN: usize = 24;
const HEADER_LEN: usize = MAGIC.len() + 1 + 8 + NONCE_LEN;
const TAG_LEN: usize = 16;
pub(crate) type Nonce = [u8; NONCE_LEN];

/// Why an account was not sealed: it would be longer than [`Record::MAX_LEN`], and nobody could read it again.
pub(crate) struct TooLarge;

/// Seals `account` as the `version` of the record of `user`. If it would be too long, the oldest flows make way.
pub(crate) fn seal(
    account: &mut Account,
    user: &UserId,
    version: Version,
    keys: &ServerKeys,
    nonce: &Nonce,
) -> Result<Record, TooLarge> {
    let keys = keys.current();
    let mut len = encoded_len(account);
    while HEADER_LEN + len + TAG_LEN > Record::MAX_LEN && account.flows.len() > 1 {
        account.flows.remove(0);
        len = encoded_len(account);
    }
    if HEADER_LEN + len + TAG_LEN > Record::MAX_LEN {
        return Err(TooLarge);
    }
    // At its final length from the start, so that no piece of the plaintext is left behind.
    let mut sealed = Zeroizing::new(vec![0; HEADER_LEN + len + TAG_LEN]);
    let (header, rest) = sealed.split_at_mut(HEADER_LEN);
    let (body, tag) = rest.split_at_mut(len);
    for (to, from) in header.iter_mut().zip(MAGIC.iter().chain([&FORMAT]).chain(&keys.id.0).chain(nonce)) {
        *to = *from;
    }
    fields::write(account, &mut Encoder::new(&mut *body)).map_err(|_| TooLarge)?;
    let associated = associated_data(header, user, version);
    let made = encrypt(keys, nonce, &associated, body);
    wipe_stack();
    tag.copy_from_slice(&made.ok_or(TooLarge)?);
    // All of it is ciphertext now.
    Ok(Record::new(version, core::mem::take(&mut *sealed)))
}

fn encoded_len(account: &Account) -> usize {
    let mut counter = Counter(0);
    // The counter takes everything.
    let _ = fields::write(account, &mut Encoder::new(&mut counter));
    counter.0
}

struct Counter(usize);

impl Write for Counter {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Opens the record of `user`.
pub(crate) fn open(record: &Record, user: &UserId, keys: &ServerKeys) -> Result<Account, CorruptRecord> {
    let Parts { header, key, nonce, body, tag } = parts(record).ok_or(CorruptRecord::Format)?;
    let keys = keys.by_id(key).ok_or(CorruptRecord::UnknownKey)?;
    let mut plain = Zeroizing::new(body.to_vec());
    let associated = associated_data(header, user, record.version());
    let opened = decrypt(keys, nonce, &associated, &mut plain, tag);
    wipe_stack();
    opened.ok_or(CorruptRecord::BrokenSeal)?;
    fields::read(&plain).ok_or(CorruptRecord::Content)
}

/// The key under which a record is sealed.
pub(crate) fn sealed_by(record: &Record) -> Option<KeyId> {
    parts(record).map(|parts| parts.key)
}

struct Parts<'r> {
    header: &'r [u8],
    key: KeyId,
    nonce: &'r Nonce,
    body: &'r [u8],
    tag: &'r [u8; TAG_LEN],
}

/// `None` if it is no record of a format that is read.
fn parts(record: &Record) -> Option<Parts<'_>> {
    let sealed = record.sealed();
    if sealed.len() > Record::MAX_LEN {
        return None;
    }
    let (header, rest) = sealed.split_at_checked(HEADER_LEN)?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let (magic, named) = header.split_first_chunk::<3>()?;
    let (&format, named) = named.split_first()?;
    let (id, nonce) = named.split_first_chunk::<8>()?;
    let nonce = nonce.try_into().ok()?;
    let is_read = *magic == MAGIC && format == FORMAT;
    is_read.then_some(Parts { header, key: KeyId(*id), nonce, body, tag })
}

/// What a fuzz target needs to get past the seal.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::*;

    /// Returns the plaintext of a record; `None` if it cannot be opened.
    pub fn plain(record: &Record, user: &UserId, keys: &ServerKeys) -> Option<Vec<u8>> {
        written(&open(record, user, keys).ok()?)
    }

    /// Reads the plaintext of a record and writes it again; `None` if it is refused.
    pub fn rewrite(plain: &[u8]) -> Option<Vec<u8>> {
        written(&fields::read(plain)?)
    }

    fn written(account: &Account) -> Option<Vec<u8>> {
        let mut written = Encoder::new(Vec::new());
        fields::write(account, &mut written).ok()?;
        Some(written.into_writer())
    }
}

fn associated_data(header: &[u8], user: &UserId, version: Version) -> Vec<u8> {
    // The header and the version have fixed lengths, so that the parts cannot run into each other.
    [header, &i64::from(version).to_be_bytes(), user.as_str().as_bytes()].concat()
}

#[inline(never)]
fn encrypt(keys: &KeySet, nonce: &Nonce, associated: &[u8], body: &mut [u8]) -> Option<[u8; TAG_LEN]> {
    let cipher = XChaCha20Poly1305::new((&**keys.seal).into());
    cipher.encrypt_inout_detached(&XNonce::from(*nonce), associated, body.into()).ok().map(Into::into)
}

#[inline(never)]
fn decrypt(keys: &KeySet, nonce: &Nonce, associated: &[u8], body: &mut [u8], tag: &[u8; TAG_LEN]) -> Option<()> {
    let cipher = XChaCha20Poly1305::new((&**keys.seal).into());
    cipher.decrypt_inout_detached(&XNonce::from(*nonce), associated, body.into(), &Tag::from(*tag)).ok()
}

#[cfg(test)]
mod tests;
