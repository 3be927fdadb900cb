//! HMAC-SHA-256 over fields, under keys that leave no copy behind.

use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::secret::wipe_stack;

/// HMAC-SHA-256 (RFC 2104) over `fields`. Each is preceded by its length, so that no two lists of fields
/// give the same message.
pub(crate) fn hmac_sha256(key: &[u8; 32], fields: &[&[u8]], out: &mut [u8; 32]) {
    #[cfg(test)]
    tests::COUNT.with(|count| count.set(count.get() + 1));
    compute(key, fields, out);
    wipe_stack();
}

/// The length of a stored digest.
pub(crate) const TAG_LEN: usize = 16;

/// The first half of HMAC-SHA-256 (RFC 2104 section 5): without the key there is nothing to search, and 128 bits are more
/// than anybody can guess.
pub(crate) fn tag(key: &[u8; 32], fields: &[&[u8]]) -> [u8; TAG_LEN] {
    let mut whole = [0; 32];
    hmac_sha256(key, fields, &mut whole);
    let mut half = [0; TAG_LEN];
    for (to, from) in half.iter_mut().zip(whole) {
        *to = from;
    }
    half
}

#[inline(never)]
fn compute(key: &[u8; 32], fields: &[&[u8]], out: &mut [u8; 32]) {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new((&block).into());
    for field in fields {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    out.copy_from_slice(&mac.finalize().into_bytes());
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    std::thread_local! {
        /// How many were computed by this thread.
        pub(crate) static COUNT: core::cell::Cell<u32> = const { core::cell::Cell::new(0) };
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let tag = |fields: &[&[u8]]| {
            let mut out = [0; 32];
            hmac_sha256(&[7; 32], fields, &mut out);
            out
        };
        assert_eq!(tag(&[b"ab", b"c"]), tag(&[b"ab", b"c"]));
        assert_ne!(tag(&[b"ab", b"c"]), tag(&[b"a", b"bc"]));
        assert_ne!(tag(&[b"ab", b""]), tag(&[b"ab"]));
    }
}
