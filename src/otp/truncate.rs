//! From an HMAC to a number of a few digits (RFC 4226 section 5.3), without a branch, an index or a division.

use subtle::{Choice, ConditionallySelectable as _};

use crate::code::Digits;

/// Dynamic truncation (RFC 4226 section 5.3): the 31 bits at the offset that the last four bits give.
///
/// The offset is secret, so that nothing is indexed by it: the words are moved on by two, and by one, or not, and
/// then shifted. No hash function here has fewer than 20 bytes, and no more of them are read.
#[inline(always)]
pub(super) fn truncate([mut a, mut b, mut c, d, e]: [u32; 5], last: u32) -> u32 {
    let (two, one) = (Choice::from((last >> 3 & 1) as u8), Choice::from((last >> 2 & 1) as u8));
    a.conditional_assign(&c, two);
    b.conditional_assign(&d, two);
    c.conditional_assign(&e, two);
    a.conditional_assign(&b, one);
    b.conditional_assign(&c, one);
    // Each shift is by less than 32 bits, for which a processor takes the same time whatever the number.
    let bits = (last & 3) * 8;
    (a << bits | b >> 1 >> (31 - bits)) & 0x7fff_ffff
}

/// `number mod 10^digits` for numbers below 2^31, as multiplications and a shift. The compiler would do the same for
/// `%` at most optimization levels, and emit a division, whose time depends on its operands, at the others.
#[derive(Clone, Copy)]
pub(super) struct LastDigits {
    power: u64,
    multiplier: u64,
    shift: u32,
}

impl LastDigits {
    #[inline(always)]
    pub(super) fn new(digits: Digits) -> Self {
        const POWERS: [LastDigits; 4] = [
            LastDigits::modulo(1_000_000),
            LastDigits::modulo(10_000_000),
            LastDigits::modulo(100_000_000),
            LastDigits::modulo(1_000_000_000),
        ];
        // 10^10 is greater than every number of 31 bits: all of it is left.
        const ALL: LastDigits = LastDigits { power: 0, multiplier: 0, shift: 0 };
        POWERS.get(usize::from(digits.get() - Digits::MIN)).copied().unwrap_or(ALL)
    }

    const fn modulo(power: u64) -> Self {
        // T. Granlund, P. Montgomery, "Division by invariant integers using multiplication" (1994), theorem 4.2:
        // with 2^shift <= multiplier * power <= 2^shift + 2^(shift - 31), the quotient of each number below
        // 2^31 is exact. The product is below 2^63.
        let shift = 31 + u64::BITS - power.leading_zeros();
        let multiplier = (1 << shift) / power + 1;
        assert!(multiplier < 1 << 32 && multiplier * power <= (1 << shift) + (1 << (shift - 31)));
        Self { power, multiplier, shift }
    }

    #[inline(always)]
    pub(super) fn of(self, number: u32) -> u64 {
        let number = u64::from(number);
        let quotient = number.wrapping_mul(self.multiplier).wrapping_shr(self.shift);
        number.wrapping_sub(quotient.wrapping_mul(self.power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; 20] {
        let mut bytes = [0; 20];
        for (byte, hex) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(hex).unwrap(), 16).unwrap();
        }
        bytes
    }

    fn truncated(head: [u8; 20], last: u8) -> u32 {
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(head.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        truncate(words, 0xabcd_ef00 | u32::from(last))
    }

    #[test]
    fn h07_rfc4226_section_5_4_example() {
        let tag = bytes("1f8698690e02ca16618550ef7f19da8e945b555a");
        assert_eq!(truncated(tag, tag[19]), 0x50ef_7f19);
        assert_eq!(LastDigits::new(Digits::SIX).of(0x50ef_7f19), 872_921);
    }

    #[test]
    fn h07_h21_rfc4226_appendix_d_intermediate_values() {
        // The rows of the table: the HMAC, its truncation in hexadecimal and decimal, the code.
        let table = [
            ("cc93cf18508d94934c64b65d8ba7667fb7cde4b0", 0x4c93_cf18, 1_284_755_224, 755_224),
            ("75a48a19d4cbe100644e8ac1397eea747a2d33ab", 0x4139_7eea, 1_094_287_082, 287_082),
            ("0bacb7fa082fef30782211938bc1c5e70416ff44", 0x082f_ef30, 137_359_152, 359_152),
            ("66c28227d03a2d5529262ff016a1e6ef76557ece", 0x66ef_7655, 1_726_969_429, 969_429),
            ("a904c900a64b35909874b33e61c5938a8e15ed1c", 0x61c5_938a, 1_640_338_314, 338_314),
            ("a37e783d7b7233c083d4f62926c7a25f238d0316", 0x33c0_83d4, 868_254_676, 254_676),
            ("bc9cd28561042c83f219324d3c607256c03272ae", 0x7256_c032, 1_918_287_922, 287_922),
            ("a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", 0x04e5_b397, 82_162_583, 162_583),
            ("1b3c89f65e6c9e883012052823443f048b4332db", 0x2823_443f, 673_399_871, 399_871),
            ("1637409809a679dc698207310c8c7fc07290d9e5", 0x2679_dc69, 645_520_489, 520_489),
        ];
        for (hmac, hexadecimal, decimal, otp) in table {
            let tag = bytes(hmac);
            assert_eq!((truncated(tag, tag[19]), hexadecimal), (hexadecimal, decimal), "{hmac}");
            assert_eq!(LastDigits::new(Digits::SIX).of(decimal), otp);
        }
    }

    #[test]
    fn truncation_is_that_of_the_rfc_for_every_offset() {
        for seed in 0..=255_u8 {
            let mut head = [0; 20];
            for (i, byte) in (0_u8..).zip(&mut head) {
                *byte = i.wrapping_mul(167).wrapping_add(seed.wrapping_mul(59)) ^ seed;
            }
            let offset = usize::from(seed & 0x0f);
            let plain = u32::from_be_bytes(head[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
            assert_eq!(truncated(head, seed), plain, "offset {offset}");
        }
    }

    #[test]
    fn h07_the_reduction_is_exact_for_every_number_of_31_bits() {
        // The quotient by multiplication never falls as the number rises. So if it is right on both sides of
        // each multiple of the divisor, it is right everywhere.
        for digits in (6..=10).map(|d| Digits::new(d).unwrap()) {
            let power = digits.count_of_codes();
            let edges = (0..=u64::from(u32::MAX >> 1) / power).flat_map(|k| [k * power, (k + 1) * power - 1]);
            for number in edges.chain([0, 1]).map(|n| n.min(u64::from(u32::MAX >> 1)) as u32) {
                assert_eq!(LastDigits::new(digits).of(number), u64::from(number) % power, "{number} mod 10^{digits}");
            }
        }
    }
}
