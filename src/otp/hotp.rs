//! HOTP (RFC 4226), and the one place where a key meets a counter.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::Algorithm;
use super::hmac::{BlockHash, Keyed, Sha1, Sha256, Sha512};
use super::truncate::{LastDigits, truncate};
use crate::code::{Code, Digits};
use crate::secret::{Secret, wipe_stack};

/// Counter-based codes (RFC 4226). Each code is valid for one value of a counter that the device and the server keep.
///
/// The server keeps the counter of the *next* code that it expects, as a `u64`.
///
/// ```
/// use factorgate::otp::Hotp;
/// use factorgate::{env::OsRandom, otp::Secret};
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
        let mut found = 0;
        self.each(secret, core::iter::once(counter), |_, value| found = value);
        found
    }

    /// Branch-free: whether there are two neighbors in `first..=last` with these codes, and the second of them.
    #[inline(never)]
    pub(super) fn find_pair(&self, secret: &Secret, codes: [&Code; 2], first: u64, last: u64) -> (Choice, u64) {
        let (mut hit, mut matched) = (Choice::from(0), 0);
        let mut previous = Choice::from(0);
        let [first_code, second_code] = codes;
        self.each(secret, first..=last, |counter, value| {
            let pair = previous & second_code.ct_is(value, self.digits);
            hit |= pair;
            matched.conditional_assign(&counter, pair);
            previous = first_code.ct_is(value, self.digits);
        });
        (hit, matched)
    }

    /// Gives `take` the code of each counter.
    #[inline(always)]
    pub(super) fn each(&self, secret: &Secret, counters: impl Iterator<Item = u64>, take: impl FnMut(u64, u64)) {
        let key = secret.expose_secret();
        match self.algorithm {
            Algorithm::Sha1 => each::<Sha1>(key, self.digits, counters, take),
            Algorithm::Sha256 => each::<Sha256>(key, self.digits, counters, take),
            Algorithm::Sha512 => each::<Sha512>(key, self.digits, counters, take),
        }
    }
}

#[inline(always)]
fn each<H: BlockHash>(key: &[u8], digits: Digits, counters: impl Iterator<Item = u64>, mut take: impl FnMut(u64, u64)) {
    let mut keyed = Keyed::<H>::new(key);
    let last_digits = LastDigits::new(digits);
    for counter in counters {
        let (head, last) = keyed.ends(counter);
        take(counter, last_digits.of(truncate(head, last)));
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
        let same_length = Choice::from(u8::from(self.code.digits() == self.hotp.digits));
        let mut found = Found { fresh: Choice::from(0), counter: 0, spent: Choice::from(0) };
        self.hotp.each(self.secret, self.first..=self.last, |counter, value| {
            let hit = value.ct_eq(&self.code.value());
            if self.after.is_none_or(|after| counter > after) {
                found.fresh |= hit;
                found.counter.conditional_assign(&counter, hit);
            } else {
                found.spent |= hit;
            }
        });
        found.fresh &= same_length;
        found.spent &= same_length;
        found
    }
}
