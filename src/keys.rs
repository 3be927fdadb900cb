//! The server's keys: what seals the records, and what the digests of codes and tokens are keyed with.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::mac::hmac_sha256;
use crate::random::{RandomUnavailable, SecureRandom};
use crate::secret::SecretText;

type Bytes32 = Box<Zeroizing<[u8; 32]>>;

/// A key of the server, 256 bits, to be kept where the database is not (OWASP ASVS 5.0, 13.3.1).
///
/// ```
/// use factorgate::{env::OsRandom, keys::ServerKey};
///
/// // Once, at installation; keep the text with the other secrets of the server.
/// let text = ServerKey::generate(&OsRandom)?.to_hex();
/// // At every start.
/// let key = ServerKey::from_hex(text.expose_secret())?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct ServerKey(Bytes32);

impl ServerKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if `random` is.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        let mut key = zeroed();
        random.fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// Reads 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidServerKey`] if it is anything else, or one digit repeated: a placeholder, not a key.
    pub fn from_hex(text: &str) -> Result<Self, InvalidServerKey> {
        let digits = text.trim().as_bytes();
        if digits.len() != 64 {
            return Err(InvalidServerKey::Length);
        }
        let mut key = zeroed();
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = char::from(digit).to_digit(16).ok_or(InvalidServerKey::Character)?;
                *byte = *byte << 4 | value as u8;
            }
        }
        if key.windows(2).all(|pair| pair.first() == pair.last()) {
            return Err(InvalidServerKey::Placeholder);
        }
        Ok(Self(key))
    }

    /// Returns the name of the key, which reveals nothing about it.
    /// [`Maintenance::key_usage`](crate::maintenance::Maintenance::key_usage) uses it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let name = self.derive("id");
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(name.iter()) {
            *to = *from;
        }
        KeyId(id)
    }

    /// The key as 64 hexadecimal digits, for the server's configuration.
    #[must_use]
    pub fn to_hex(&self) -> SecretText {
        let mut text = String::with_capacity(64);
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        SecretText::new(text)
    }

    fn derive(&self, label: &str) -> Bytes32 {
        let mut key = zeroed();
        hmac_sha256(&self.0, &[b"factorgate/v1", label.as_bytes()], &mut key);
        key
    }
}

fn zeroed() -> Bytes32 {
    Box::new(Zeroizing::new([0; 32]))
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(..)")
    }
}

/// Why a text is no [`ServerKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerKey {
    /// It holds a character that is no hexadecimal digit.
    #[error("the server key holds a character that is no hexadecimal digit")]
    Character,
    /// It is not 64 digits long.
    #[error("the server key is not 64 hexadecimal digits long; `openssl rand -hex 32` makes one")]
    Length,
    /// All its bytes are the same.
    #[error("the server key is a placeholder; `openssl rand -hex 32` makes a real one")]
    Placeholder,
}

/// The key in use, and retired ones whose records and codes are still read.
///
/// To change the key, pass the old one to [`ServerKeys::with_retired`]. Each record is encrypted under the new key at its next
/// write. E-mail codes under the old key stay valid until they expire, and recovery codes as long as the key is retired, not
/// dropped.
///
/// [`Maintenance::reencrypt_all`](crate::maintenance::Maintenance::reencrypt_all) encrypts the records that nobody writes, and
/// counts the users for whom a retired key is still needed. If you drop a key earlier, the records that it encrypted cannot be
/// opened, the codes and tokens that it made digests of are refused, and the sessions whose row it made a digest of end.
///
/// ```
/// # fn keys(new: &str, old: &str) -> Result<(), factorgate::keys::InvalidServerKey> {
/// use factorgate::keys::{ServerKey, ServerKeys};
///
/// let keys = ServerKeys::new(ServerKey::from_hex(new)?).with_retired(ServerKey::from_hex(old)?);
/// println!("records are encrypted under {}", keys.current_id());
/// # Ok(())
/// # }
/// ```
pub struct ServerKeys {
    current: Arc<KeySet>,
    retired: Vec<Arc<KeySet>>,
}

impl ServerKeys {
    /// `current` alone.
    #[must_use]
    pub fn new(current: ServerKey) -> Self {
        Self { current: Arc::new(KeySet::new(&current)), retired: Vec::new() }
    }

    /// Reads what `old` sealed, too. Nothing new is sealed with it.
    #[must_use]
    pub fn with_retired(mut self, old: ServerKey) -> Self {
        self.retired.push(Arc::new(KeySet::new(&old)));
        self
    }

    /// The name of the key in use.
    #[must_use]
    pub fn current_id(&self) -> KeyId {
        self.current.id
    }

    pub(crate) fn current(&self) -> &KeySet {
        &self.current
    }

    pub(crate) fn by_id(&self, id: KeyId) -> Option<&Arc<KeySet>> {
        core::iter::once(&self.current).chain(&self.retired).find(|keys| keys.id == id)
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeys")
            .field("current", &self.current.id)
            .field("retired", &self.retired.iter().map(|keys| keys.id).collect::<Vec<_>>())
            .finish()
    }
}

/// Names a [`ServerKey`] without telling anything about it. `Display` shows 16 hexadecimal digits.
///
/// ```
/// use factorgate::keys::ServerKey;
///
/// let key = ServerKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// assert_eq!(key.id().to_string(), "99b754836ddc878d");
/// # Ok::<_, factorgate::keys::InvalidServerKey>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The keys derived from one server key, one for each purpose. They are shared, never copied.
pub(crate) struct KeySet {
    pub(crate) id: KeyId,
    pub(crate) seal: Bytes32,
    pub(crate) digest: Bytes32,
}

impl KeySet {
    fn new(key: &ServerKey) -> Self {
        Self { id: key.id(), seal: key.derive("seal"), digest: key.derive("digest") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn every_purpose_and_every_server_has_its_own_key() {
        let a = KeySet::new(&ServerKey::from_hex(KEY).unwrap());
        let b = KeySet::new(&ServerKey::from_hex(&KEY.replace("1f", "20")).unwrap());
        assert_ne!(a.seal, a.digest);
        assert_ne!(a.seal, b.seal);
        assert_ne!(a.id, b.id);
        assert_ne!(a.id.0, a.seal[..8]);
    }

    #[test]
    fn retired_keys_are_found_and_debug_shows_none() {
        let old = ServerKey::from_hex(&KEY.replace("1f", "20")).unwrap();
        let old_id = KeySet::new(&old).id;
        let keys = ServerKeys::new(ServerKey::from_hex(KEY).unwrap()).with_retired(old);
        assert!(keys.by_id(old_id).is_some());
        assert!(keys.by_id(KeyId([0; 8])).is_none());
        assert!(!format!("{keys:?}").contains(&format!("{:?}", &keys.current.seal[..4])));
    }
}
