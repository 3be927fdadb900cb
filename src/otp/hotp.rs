//! HOTP (RFC 4226), and the one place where a key meets a counter.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::Algorithm;
use crate::code::{Code, Digits};
use crate::secret::{Secret, wipe_stack};

/// Codes that count (RFC 4226): each is good for one value of a counter that the device and the server keep.
///
/// The server keeps the counter of the *next* code that it expects, as a `u64`.
///
/// ```
/// use factorgate::otp::Hotp;
/// use factorgate::{OsRandom, Secret};
///
/// let (hotp, secret, mut next) = (Hotp::default(), Secret::generate(&OsRandom)?, 7_u64);
///
/// // The user pressed the button twice in vain: the device is two ahead.
/// let code = hotp.generate(&secret, 9);
/// let matched = hotp.verify(&secret, &code, next, 5).ok_or("wrong code")?;
/// next = matched.checked_add(1).ok_or("this device has no codes left")?;
/// assert_eq!(hotp.verify(&secret, &code, next, 5), None); // used once
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hotp {
    algorithm: Algorithm,
    digits: Digits,
}

impl Hotp {
    /// The widest look-ahead of [`Hotp::resync`].
    pub const MAX_RESYNC_LOOK_AHEAD: u16 = 1000;

    /// Codes of `digits` digits by HMAC with `algorithm`.
    #[must_use]
    pub const fn new(algorithm: Algorithm, digits: Digits) -> Self {
        Self { algorithm, digits }
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The number of digits.
    #[must_use]
    pub const fn digits(&self) -> Digits {
        self.digits
    }

    /// The code for `counter` (RFC 4226 section 5.3).
    #[must_use]
    pub fn generate(&self, secret: &Secret, counter: u64) -> Code {
        let value = self.value_at(secret, counter);
        wipe_stack();
        Code::from_value(value, self.digits)
    }

    /// The counter for which `code` is right, from `counter` to `counter + look_ahead` (RFC 4226 section 7.4).
    ///
    /// On `Some(matched)` the host stores `matched + 1` in one atomic step, only if the stored counter is not
    /// already greater: then neither this code nor one that was skipped is accepted again. `matched` can be
    /// `u64::MAX`: add with `checked_add`. On `None` the counter stays as it is. If the code is right for
    /// several counters, the greatest is given, or the code would be good a second time.
    ///
    /// Keep `look_ahead` small, for each step of it is one more code that a guess can hit; [`Hotp::resync`] is
    /// for a device that is further ahead.
    #[must_use = "only `Some` is a right code, and its counter must be stored"]
    pub fn verify(&self, secret: &Secret, code: &Code, counter: u64, look_ahead: u8) -> Option<u64> {
        let last = counter.saturating_add(u64::from(look_ahead));
        let found = Search { hotp: *self, secret, code, first: counter, last, after: None }.run();
        bool::from(found.fresh).then_some(found.counter)
    }

    /// Finds a device again that has run far ahead, by two codes in a row (RFC 4226 section 7.4).
    ///
    /// `first` may be right for `counter` to `counter + look_ahead`, which is held to
    /// [`Hotp::MAX_RESYNC_LOOK_AHEAD`], and `second` must be right for the counter after it. The result is the
    /// counter of `second`, to be treated as that of [`Hotp::verify`]. Each call counts as a guess, too.
    #[must_use = "only `Some` is a right pair of codes, and its counter must be stored"]
    pub fn resync(&self, secret: &Secret, first: &Code, second: &Code, counter: u64, look_ahead: u16) -> Option<u64> {
        let span = u64::from(look_ahead.min(Self::MAX_RESYNC_LOOK_AHEAD)) + 1;
        let (hit, matched) = self.find_pair(secret, [first, second], counter, counter.saturating_add(span));
        wipe_stack();
        bool::from(hit).then_some(matched)
    }

    #[inline(never)]
    fn value_at(&self, secret: &Secret, counter: u64) -> u64 {
        Keyed::new(self, secret).code(counter).value()
    }

    /// Branch-free: whether there are two neighbors in `first..=last` with these codes, and the second of them.
    #[inline(never)]
    pub(super) fn find_pair(&self, secret: &Secret, codes: [&Code; 2], first: u64, last: u64) -> (Choice, u64) {
        let keyed = Keyed::new(self, secret);
        let (mut hit, mut matched) = (Choice::from(0), 0);
        let mut previous = Choice::from(0);
        for counter in first..=last {
            let code = keyed.code(counter);
            let pair = previous & code.ct_eq(codes[1]);
            hit |= pair;
            matched.conditional_assign(&counter, pair);
            previous = code.ct_eq(codes[0]);
        }
        (hit, matched)
    }
}

/// A search for `code` among the codes for `first..=last`, of which those up to `after` are used up.
pub(super) struct Search<'a> {
    pub(super) hotp: Hotp,
    pub(super) secret: &'a Secret,
    pub(super) code: &'a Code,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) after: Option<u64>,
}

pub(super) struct Found {
    /// The code is right for a counter that is not used up.
    pub(super) fresh: Choice,
    /// The greatest of these counters; of no meaning if there is none.
    pub(super) counter: u64,
    /// The code is right for a counter that is used up.
    pub(super) spent: Choice,
}

impl Search<'_> {
    pub(super) fn run(&self) -> Found {
        let found = self.search();
        wipe_stack();
        found
    }

    /// Branch-free: all counters are computed and compared, whatever matches. Only the counters are public.
    #[inline(never)]
    fn search(&self) -> Found {
        let keyed = Keyed::new(&self.hotp, self.secret);
        let mut found = Found { fresh: Choice::from(0), counter: 0, spent: Choice::from(0) };
        for counter in self.first..=self.last {
            let hit = keyed.code(counter).ct_eq(self.code);
            let usable = Choice::from(u8::from(self.after.is_none_or(|after| counter > after)));
            found.fresh |= hit & usable;
            found.spent |= hit & !usable;
            found.counter.conditional_assign(&counter, hit & usable);
        }
        found
    }
}

/// HMAC with the key set up, from which each counter starts.
struct Keyed {
    mac: KeyedMac,
    digits: Digits,
}

enum KeyedMac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    fn new(hotp: &Hotp, secret: &Secret) -> Self {
        let key = secret.expose_secret();
        let mac = match hotp.algorithm {
            Algorithm::Sha1 => KeyedMac::Sha1(keyed(key)),
            Algorithm::Sha256 => KeyedMac::Sha256(keyed(key)),
            Algorithm::Sha512 => KeyedMac::Sha512(keyed(key)),
        };
        Self { mac, digits: hotp.digits }
    }

    fn code(&self, counter: u64) -> Code {
        let truncated = match &self.mac {
            KeyedMac::Sha1(mac) => truncate(&tag(mac, counter)),
            KeyedMac::Sha256(mac) => truncate(&tag(mac, counter)),
            KeyedMac::Sha512(mac) => truncate(&tag(mac, counter)),
        };
        Code::from_value(last_digits(truncated, self.digits), self.digits)
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    // HMAC takes a key of any length (RFC 2104 section 2): its implementation has no other way out than `Ok`.
    M::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn tag<M: Mac + Clone>(keyed: &M, counter: u64) -> hmac::digest::Output<M> {
    keyed.clone().chain_update(counter.to_be_bytes()).finalize().into_bytes()
}

/// Dynamic truncation (RFC 4226 section 5.3): the 31 bits at the offset that the last four bits give.
///
/// The offset is secret, so each of the sixteen places is read and one is selected.
fn truncate(tag: &[u8]) -> u32 {
    // No hash function here has fewer than 20 bytes.
    let Some(last) = tag.last() else { return 0 };
    let end = (last & 0x0f).wrapping_add(3);
    let (mut window, mut truncated) = (0_u32, 0_u32);
    for (position, byte) in (0_u8..19).zip(tag) {
        window = window << 8 | u32::from(*byte);
        truncated.conditional_assign(&window, position.ct_eq(&end));
    }
    truncated & 0x7fff_ffff
}

/// `number mod 10^digits`, for a `number` below 2^31.
fn last_digits(number: u32, digits: Digits) -> u64 {
    const POWERS: [Divisor; 4] =
        [Divisor::new(1_000_000), Divisor::new(10_000_000), Divisor::new(100_000_000), Divisor::new(1_000_000_000)];
    let number = u64::from(number);
    match POWERS.get(usize::from(digits.get() - Digits::MIN)) {
        Some(power) => number.wrapping_sub(power.quotient(number).wrapping_mul(power.value)),
        // 10^10 is greater than every number of 31 bits.
        None => number,
    }
}

/// Division of numbers below 2^31 by a constant, as a multiplication and a shift. The compiler would do the
/// same for `%` at most optimization levels, and emit a division, whose time depends on its operands, at the
/// others.
struct Divisor {
    value: u64,
    multiplier: u64,
    shift: u32,
}

impl Divisor {
    const fn new(value: u64) -> Self {
        // T. Granlund, P. Montgomery, "Division by invariant integers using multiplication" (1994), theorem 4.2:
        // with 2^shift <= multiplier * value <= 2^shift + 2^(shift - 31), the quotient of each number below
        // 2^31 is exact. The product is below 2^63.
        let shift = 31 + u64::BITS - value.leading_zeros();
        let multiplier = (1 << shift) / value + 1;
        assert!(multiplier < 1 << 32 && multiplier * value <= (1 << shift) + (1 << (shift - 31)));
        Self { value, multiplier, shift }
    }

    fn quotient(&self, number: u64) -> u64 {
        number.wrapping_mul(self.multiplier).wrapping_shr(self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc_secret() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn code(text: &str) -> Code {
        Code::parse(text).unwrap()
    }

    #[test]
    fn h07_h21_rfc4226_appendix_d_intermediate_values() {
        // The rows of the table: the HMAC, its truncation in hexadecimal and decimal, the code.
        let table = [
            ("cc93cf18508d94934c64b65d8ba7667fb7cde4b0", 0x4c93_cf18, 1_284_755_224, "755224"),
            ("75a48a19d4cbe100644e8ac1397eea747a2d33ab", 0x4139_7eea, 1_094_287_082, "287082"),
            ("0bacb7fa082fef30782211938bc1c5e70416ff44", 0x082f_ef30, 137_359_152, "359152"),
            ("66c28227d03a2d5529262ff016a1e6ef76557ece", 0x66ef_7655, 1_726_969_429, "969429"),
            ("a904c900a64b35909874b33e61c5938a8e15ed1c", 0x61c5_938a, 1_640_338_314, "338314"),
            ("a37e783d7b7233c083d4f62926c7a25f238d0316", 0x33c0_83d4, 868_254_676, "254676"),
            ("bc9cd28561042c83f219324d3c607256c03272ae", 0x7256_c032, 1_918_287_922, "287922"),
            ("a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", 0x04e5_b397, 82_162_583, "162583"),
            ("1b3c89f65e6c9e883012052823443f048b4332db", 0x2823_443f, 673_399_871, "399871"),
            ("1637409809a679dc698207310c8c7fc07290d9e5", 0x2679_dc69, 645_520_489, "520489"),
        ];
        for (counter, (hmac, hexadecimal, decimal, otp)) in (0..).zip(table) {
            let tag = tag(&keyed::<Hmac<Sha1>>(rfc_secret().expose_secret()), counter);
            let hex: alloc::string::String = tag.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
            assert_eq!(hex, hmac, "counter {counter}");
            assert_eq!((truncate(&tag), truncate(&tag)), (hexadecimal, decimal));
            assert_eq!(Hotp::default().generate(&rfc_secret(), counter).expose_secret().expose_secret(), otp);
        }
    }

    #[test]
    fn h07_rfc4226_section_5_4_example() {
        let mut tag = [0; 20];
        for (byte, hex) in tag.iter_mut().zip("1f8698690e02ca16618550ef7f19da8e945b555a".as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(hex).unwrap(), 16).unwrap();
        }
        assert_eq!(truncate(&tag), 0x50ef_7f19);
        assert_eq!(last_digits(truncate(&tag), Digits::SIX), 872_921);
    }

    #[test]
    fn truncation_is_that_of_the_rfc_for_every_offset_and_length() {
        for len in [20, 32, 64] {
            for seed in 0..=255_u8 {
                let mut tag: alloc::vec::Vec<u8> =
                    (0..len).map(|i: u8| i.wrapping_mul(167).wrapping_add(seed.wrapping_mul(59)) ^ seed).collect();
                *tag.last_mut().unwrap() = seed;
                let offset = usize::from(seed & 0x0f);
                let plain = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
                assert_eq!(truncate(&tag), plain, "offset {offset} of {len} bytes");
            }
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
                assert_eq!(last_digits(number, digits), u64::from(number) % power, "{number} mod 10^{digits}");
            }
        }
    }

    #[test]
    fn n05_ten_digits_are_the_31_bits_with_zeros_before_them() {
        let code = Hotp::new(Algorithm::Sha1, Digits::TEN).generate(&rfc_secret(), 2);
        assert_eq!(code.expose_secret().expose_secret(), "0137359152");
        let code = Hotp::new(Algorithm::Sha1, Digits::NINE).generate(&rfc_secret(), 0);
        assert_eq!(code.expose_secret().expose_secret(), "284755224");
    }

    #[test]
    fn h04_h13_h18_look_ahead() {
        let (hotp, secret) = (Hotp::default(), rfc_secret());
        // 399871 is the code for 8.
        assert_eq!(hotp.verify(&secret, &code("399871"), 8, 0), Some(8));
        assert_eq!(hotp.verify(&secret, &code("399871"), 3, 5), Some(8));
        assert_eq!(hotp.verify(&secret, &code("399871"), 3, 4), None);
        assert_eq!(hotp.verify(&secret, &code("399871"), 9, 255), None);
        // As many digits as the configuration says, and no others with the same value.
        assert_eq!(hotp.verify(&secret, &code("0399871"), 8, 0), None);
        assert_eq!(Hotp::new(Algorithm::Sha1, Digits::EIGHT).verify(&secret, &code("73399871"), 8, 0), Some(8));
    }

    #[test]
    fn the_greatest_counter_is_recorded_when_a_code_is_right_twice() {
        // 911617 is the code for both 910737 and 910738.
        assert_eq!(Hotp::default().verify(&rfc_secret(), &code("911617"), 910_737, 0), Some(910_737));
        assert_eq!(Hotp::default().verify(&rfc_secret(), &code("911617"), 910_730, 9), Some(910_738));
    }

    #[test]
    fn h04_h19_resync_takes_two_codes_in_a_row() {
        let (hotp, secret) = (Hotp::default(), rfc_secret());
        let at = |counter| hotp.generate(&secret, counter);
        assert_eq!(hotp.resync(&secret, &at(50), &at(51), 0, 50), Some(51));
        assert_eq!(hotp.resync(&secret, &at(50), &at(51), 0, 49), None);
        assert_eq!(hotp.resync(&secret, &at(0), &at(1), 0, 0), Some(1));
        assert_eq!(hotp.resync(&secret, &at(51), &at(50), 0, 1000), None);
        assert_eq!(hotp.resync(&secret, &at(50), &at(52), 0, 1000), None);
        assert_eq!(hotp.resync(&secret, &at(50), &at(50), 0, 1000), None);
        assert_eq!(hotp.resync(&secret, &at(49), &at(50), 50, 1000), None);
        // The look-ahead is held to its maximum.
        assert_eq!(hotp.resync(&secret, &at(1000), &at(1001), 0, u16::MAX), Some(1001));
        assert_eq!(hotp.resync(&secret, &at(1001), &at(1002), 0, u16::MAX), None);
    }

    #[test]
    fn n04_counters_end_without_wrapping() {
        let (hotp, secret) = (Hotp::default(), rfc_secret());
        let at = |counter| hotp.generate(&secret, counter);
        assert_eq!(at(u64::MAX).expose_secret().expose_secret(), "094451");
        assert_eq!(hotp.verify(&secret, &at(u64::MAX), u64::MAX, 255), Some(u64::MAX));
        assert_eq!(hotp.verify(&secret, &at(0), u64::MAX, 255), None);
        assert_eq!(hotp.resync(&secret, &at(u64::MAX - 1), &at(u64::MAX), u64::MAX - 5, 1000), Some(u64::MAX));
        assert_eq!(hotp.resync(&secret, &at(u64::MAX), &at(0), u64::MAX - 5, 1000), None);
    }
}
