//! HMAC (RFC 2104) of a counter, on the compression functions of the hash crates.
//!
//! A counter fills less than a block, and so does a hash: once the key is set up, each code takes two
//! compressions, and nothing need be buffered between them. It also means that the padded key has one place,
//! in a frame that is wiped; the general interface leaves copies of it. The `hmac` crate is what the tests compare
//! with.

use sha1::Digest;
use sha2::block_api::{compress256, compress512};

/// A hash function, block by block.
pub(super) trait BlockHash {
    type Block: AsMut<[u8]> + Copy;
    type Digest: Digest;
    type State: Copy;

    const INITIAL: Self::State;
    const ZEROS: Self::Block;

    fn compress(state: &mut Self::State, block: &Self::Block);
    /// Writes the hash to the front of `block`.
    fn write(state: &Self::State, block: &mut Self::Block);
    /// What dynamic truncation reads of the hash: its first 20 bytes, and the word with its last byte.
    fn ends(state: &Self::State) -> ([u32; 5], u32);
}

/// HMAC with the key set up, from which each counter starts.
pub(super) struct Keyed<H: BlockHash> {
    inner: H::State,
    outer: H::State,
    /// The blocks of the two messages, with their padding: a counter, and the inner hash.
    counter: H::Block,
    hash: H::Block,
}

impl<H: BlockHash> Keyed<H> {
    #[inline(always)]
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = H::ZEROS;
        let len = block.as_mut().len();
        if key.len() > len {
            copy(H::Digest::digest(key).as_slice(), block.as_mut());
        } else {
            copy(key, block.as_mut());
        }
        let [mut inner, mut outer] = [H::INITIAL; 2];
        block.as_mut().iter_mut().for_each(|byte| *byte ^= 0x36);
        H::compress(&mut inner, &block);
        block.as_mut().iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        H::compress(&mut outer, &block);
        Self { inner, outer, counter: padded::<H>(size_of::<u64>()), hash: padded::<H>(H::Digest::output_size()) }
    }

    /// The two ends of the HMAC of `counter`.
    #[inline(always)]
    pub(super) fn ends(&mut self, counter: u64) -> ([u32; 5], u32) {
        H::ends(&self.tag(counter))
    }

    #[inline(always)]
    fn tag(&mut self, counter: u64) -> H::State {
        copy(&counter.to_be_bytes(), self.counter.as_mut());
        let (mut inner, mut outer) = (self.inner, self.outer);
        H::compress(&mut inner, &self.counter);
        H::write(&inner, &mut self.hash);
        H::compress(&mut outer, &self.hash);
        outer
    }
}

/// The last block of a message that is one block and `len` bytes long, the bytes left out (FIPS 180-4 section 5.1).
fn padded<H: BlockHash>(len: usize) -> H::Block {
    let mut block = H::ZEROS;
    let bytes = block.as_mut();
    let bits = (bytes.len() + len) * 8;
    if let Some(end) = bytes.get_mut(len) {
        *end = 0x80;
    }
    // No more than 1,536 bits.
    if let Some(end) = bytes.last_chunk_mut() {
        *end = (bits as u16).to_be_bytes();
    }
    block
}

#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// FIPS 180-4 section 6.1.
pub(super) struct Sha1;

impl BlockHash for Sha1 {
    type Block = [u8; 64];
    type Digest = sha1::Sha1;
    type State = [u32; 5];

    const INITIAL: Self::State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    const ZEROS: Self::Block = [0; 64];

    #[inline(always)]
    fn compress(state: &mut Self::State, block: &Self::Block) {
        sha1::block_api::compress(state, core::slice::from_ref(block));
    }

    #[inline(always)]
    fn write(state: &Self::State, block: &mut Self::Block) {
        block.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    }

    #[inline(always)]
    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [.., last] = *state;
        (*state, last)
    }
}

/// FIPS 180-4 section 6.2.
pub(super) struct Sha256;

impl BlockHash for Sha256 {
    type Block = [u8; 64];
    type Digest = sha2::Sha256;
    type State = [u32; 8];

    const INITIAL: Self::State =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    const ZEROS: Self::Block = [0; 64];

    #[inline(always)]
    fn compress(state: &mut Self::State, block: &Self::Block) {
        compress256(state, core::slice::from_ref(block));
    }

    #[inline(always)]
    fn write(state: &Self::State, block: &mut Self::Block) {
        block.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    }

    #[inline(always)]
    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [a, b, c, d, e, _, _, last] = *state;
        ([a, b, c, d, e], last)
    }
}

/// FIPS 180-4 section 6.4.
pub(super) struct Sha512;

impl BlockHash for Sha512 {
    type Block = [u8; 128];
    type Digest = sha2::Sha512;
    type State = [u64; 8];

    const INITIAL: Self::State = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    const ZEROS: Self::Block = [0; 128];

    #[inline(always)]
    fn compress(state: &mut Self::State, block: &Self::Block) {
        compress512(state, core::slice::from_ref(block));
    }

    #[inline(always)]
    fn write(state: &Self::State, block: &mut Self::Block) {
        block.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    }

    #[inline(always)]
    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [a, b, c, .., last] = *state;
        ([(a >> 32) as u32, a as u32, (b >> 32) as u32, b as u32, (c >> 32) as u32], last as u32)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    fn tag<H: BlockHash>(key: &[u8], counter: u64) -> Vec<u8> {
        let mut block = H::ZEROS;
        H::write(&Keyed::<H>::new(key).tag(counter), &mut block);
        block.as_mut()[..H::Digest::output_size()].to_vec()
    }

    fn expected<M: Mac + KeyInit>(key: &[u8], counter: u64) -> Vec<u8> {
        <M as KeyInit>::new_from_slice(key)
            .unwrap()
            .chain_update(counter.to_be_bytes())
            .finalize()
            .into_bytes()
            .to_vec()
    }

    #[test]
    fn h05_h07_it_is_the_hmac_of_the_crate_for_every_length_of_the_key() {
        for len in 0..=300 {
            let key: Vec<u8> = (0..len).map(|i: usize| (i * 151 + len * 7) as u8).collect();
            for counter in [0, 1, u64::from(u32::MAX) + len as u64, u64::MAX] {
                assert_eq!(tag::<Sha1>(&key, counter), expected::<Hmac<sha1::Sha1>>(&key, counter), "{len}");
                assert_eq!(tag::<Sha256>(&key, counter), expected::<Hmac<sha2::Sha256>>(&key, counter), "{len}");
                assert_eq!(tag::<Sha512>(&key, counter), expected::<Hmac<sha2::Sha512>>(&key, counter), "{len}");
            }
        }
    }

    #[test]
    fn one_key_is_good_for_many_counters() {
        let mut keyed = Keyed::<Sha256>::new(b"12345678901234567890");
        let first = keyed.tag(7);
        keyed.tag(8);
        assert_eq!(keyed.tag(7), first);
    }

    #[test]
    fn the_ends_are_those_of_the_hash() {
        fn check<H: BlockHash>(key: &[u8]) {
            let bytes = tag::<H>(key, 3);
            let (head, last) = Keyed::<H>::new(key).ends(3);
            let head: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(head, bytes[..20]);
            assert_eq!(last as u8, *bytes.last().unwrap());
        }
        check::<Sha1>(b"12345678901234567890");
        check::<Sha256>(b"12345678901234567890");
        check::<Sha512>(b"12345678901234567890");
    }
}
