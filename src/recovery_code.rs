//! Recovery codes: what a user keeps on paper for the day on which the device is lost.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::random::{RandomUnavailable, SecureRandom};
use crate::secret::SecretText;

/// A code that stands in for a lost device, once: 80 random bits (NIST SP 800-63B-4 section 4.2.1.1 asks for 64),
/// in the alphabet of Douglas Crockford's base32, as `XXXX-XXXX-XXXX-XXXX`.
///
/// Only a keyed digest of it is stored.
///
/// ```
/// use factorgate::recovery::RecoveryCode;
///
/// // Either case, with or without hyphens and spaces; letters that look like digits are those digits.
/// let typed = RecoveryCode::parse("7k2m oI9x qwer tyvz")?;
/// assert_eq!(typed.expose_secret().expose_secret(), "7K2M-019X-QWER-TYVZ");
/// assert_eq!(format!("{typed:?}"), "RecoveryCode(..)");
/// # Ok::<_, factorgate::recovery::InvalidRecoveryCode>(())
/// ```
pub struct RecoveryCode(Box<Zeroizing<[u8; Self::LEN]>>);

impl RecoveryCode {
    /// The longest text that is read, in bytes.
    pub const MAX_TEXT_LEN: usize = 64;
    /// 80 bits.
    const LEN: usize = 10;
    /// Five bits each.
    const SYMBOLS: usize = 16;

    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        let mut code = Self::zeroed();
        random.fill(code.0.as_mut_slice())?;
        Ok(code)
    }

    /// Reads a code as people type it: either case, spaces and hyphens anywhere. `I` and `L` are read as 1, and `O`
    /// as 0, as the alphabet says; it has no `U`.
    ///
    /// # Errors
    ///
    /// [`InvalidRecoveryCode`] says what is wrong and where, never what stood there. Nothing is spent.
    pub fn parse(text: &str) -> Result<Self, InvalidRecoveryCode> {
        if text.len() > Self::MAX_TEXT_LEN {
            return Err(InvalidRecoveryCode::TooLong);
        }
        let (mut code, mut count) = (Self::zeroed(), 0);
        for (position, c) in text.char_indices() {
            if matches!(c, ' ' | '-') {
                continue;
            }
            let symbol = value(c).ok_or(InvalidRecoveryCode::Character { position })?;
            count += 1;
            if count > Self::SYMBOLS {
                return Err(InvalidRecoveryCode::TooManyCharacters);
            }
            code.push(symbol);
        }
        match count {
            Self::SYMBOLS => Ok(code),
            _ => Err(InvalidRecoveryCode::TooFewCharacters),
        }
    }

    /// The code as it is shown and printed: upper case, in four groups of four.
    #[must_use]
    pub fn expose_secret(&self) -> SecretText {
        let bits = Zeroizing::new(self.0.iter().fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte)));
        let mut text = String::with_capacity(Self::SYMBOLS + 3);
        for place in 0..Self::SYMBOLS {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(symbol((*bits >> (5 * (Self::SYMBOLS - 1 - place))) as u8 & 31));
        }
        SecretText::new(text)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; Self::LEN])))
    }

    /// Moves the code five bits up and puts `symbol` below them.
    fn push(&mut self, symbol: u8) {
        let mut carry = u16::from(symbol);
        for byte in self.0.iter_mut().rev() {
            let wide = u16::from(*byte) << 5 | carry;
            *byte = wide as u8;
            carry = wide >> 8;
        }
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// What a character stands for.
fn value(c: char) -> Option<u8> {
    let c = u8::try_from(c).ok()?.to_ascii_uppercase();
    Some(match c {
        b'0'..=b'9' => c - b'0',
        b'O' => 0,
        b'I' | b'L' => 1,
        b'A'..=b'H' => c - b'A' + 10,
        b'J'..=b'K' => c - b'J' + 18,
        b'M'..=b'N' => c - b'M' + 20,
        b'P'..=b'T' => c - b'P' + 22,
        b'V'..=b'Z' => c - b'V' + 27,
        _ => return None,
    })
}

/// The character for a value below 32, without a branch on it or an index by it: the letters follow the digits, and
/// from each letter that is left out on they lie one further.
fn symbol(value: u8) -> char {
    let further = |from: u8| u8::from(value >= from);
    let letters = 7 * further(10);
    char::from(b'0' + value + letters + further(18) + further(20) + further(22) + further(27))
}

/// The recovery codes of a user, all of them new: they are shown once, to be printed or written down.
///
/// ```
/// # fn page(new: &factorgate::recovery::NewRecoveryCodes) {
/// for code in new.expose_secrets() {
///     println!("{}", code.expose_secret()); // 0123-4567-89AB-CDEF
/// }
/// # }
/// ```
pub struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// How many there are.
    pub const COUNT: usize = 10;

    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        (0..Self::COUNT).map(|_| RecoveryCode::generate(random)).collect::<Result<_, _>>().map(Self)
    }

    /// The codes, in the order in which they are shown. Any of them can be used first.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RecoveryCode> {
        self.0.iter()
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryCodes({})", self.0.len())
    }
}

/// How many recovery codes are left, and whether the user has to be warned. Exhaustive on purpose: a host that shows
/// the number meets the warning.
///
/// ```
/// use factorgate::recovery::RecoveryCodesLeft;
///
/// fn advice(left: RecoveryCodesLeft) -> String {
///     match left {
///         RecoveryCodesLeft::Enough(left) => format!("{left} recovery codes left"),
///         RecoveryCodesLeft::Few(left) => format!("Only {left} recovery codes left. Make new ones."),
///         RecoveryCodesLeft::None => "No recovery codes left. Make new ones now.".to_owned(),
///     }
/// }
/// # assert!(advice(RecoveryCodesLeft::None).contains("now"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(into = "u32"))]
pub enum RecoveryCodesLeft {
    /// So many.
    Enough(u32),
    /// So few, [`RecoveryCodesLeft::FEW`] at most: lead the user to new ones.
    Few(u32),
    /// None: who loses the device now needs an administrator.
    None,
}

impl RecoveryCodesLeft {
    /// From here down there are few.
    pub const FEW: u32 = 3;

    pub(crate) fn new(left: u32) -> Self {
        match left {
            0 => Self::None,
            1..=Self::FEW => Self::Few(left),
            _ => Self::Enough(left),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        match self {
            Self::Enough(left) | Self::Few(left) => left,
            Self::None => 0,
        }
    }
}

impl From<RecoveryCodesLeft> for u32 {
    fn from(left: RecoveryCodesLeft) -> Self {
        left.get()
    }
}

/// Why a text is no [`RecoveryCode`]. Positions are byte offsets into the text as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecoveryCode {
    /// A character outside of the alphabet.
    #[error("the recovery code has a character at position {position} that is no digit and no letter of its alphabet")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// Fewer characters than a code has.
    #[error("the recovery code has fewer than 16 characters")]
    TooFewCharacters,
    /// More than [`RecoveryCode::MAX_TEXT_LEN`] bytes; none of them was read.
    #[error("the recovery code is longer than 64 bytes")]
    TooLong,
    /// More characters than a code has.
    #[error("the recovery code has more than 16 characters")]
    TooManyCharacters,
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::ToString as _;

    use super::*;
    use crate::random::OsRandom;

    const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    fn text(code: &RecoveryCode) -> String {
        code.expose_secret().expose_secret().to_owned()
    }

    #[test]
    fn the_alphabet_is_crockfords() {
        for (at, c) in (0..).zip(ALPHABET.chars()) {
            assert_eq!((symbol(at), value(c), value(c.to_ascii_lowercase())), (c, Some(at), Some(at)));
        }
        for (c, like) in [('I', '1'), ('i', '1'), ('L', '1'), ('l', '1'), ('O', '0'), ('o', '0')] {
            assert_eq!(value(c), value(like));
        }
        let taken = (0..=255).map(char::from).filter(|c| value(*c).is_some()).count();
        assert_eq!(taken, 10 + 2 * 22 + 6);
    }

    #[test]
    fn n30_ten_codes_of_80_bits_none_of_them_twice() {
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        let texts: alloc::collections::BTreeSet<String> = codes.iter().map(text).collect();
        assert_eq!(texts.len(), RecoveryCodes::COUNT);
        for code in codes.iter() {
            assert_eq!(code.bytes().len() * 8, 80);
            assert_eq!(RecoveryCode::parse(&text(code)).unwrap().bytes(), code.bytes());
        }
    }

    #[test]
    fn a_warning_comes_with_three() {
        use RecoveryCodesLeft::*;
        assert_eq!([4, 3, 1, 0].map(RecoveryCodesLeft::new), [Enough(4), Few(3), Few(1), None]);
        assert_eq!([4, 3, 1, 0].map(|left| RecoveryCodesLeft::new(left).get()), [4, 3, 1, 0]);
    }

    #[test]
    fn debug_and_errors_show_nothing() {
        let codes = RecoveryCodes::generate(&OsRandom).unwrap();
        assert_eq!(format!("{codes:?} {:?}", codes.iter().next().unwrap()), "RecoveryCodes(10) RecoveryCode(..)");
        let why = RecoveryCode::parse("U").unwrap_err();
        assert!(why.to_string().contains("at position 0") && !why.to_string().contains('U'), "{why}");
    }
}
