//! Codes of a few decimal digits: what a user types, and what it is compared with.

use alloc::string::String;
use core::fmt;

use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroize as _;

use crate::secret::SecretText;

/// A code of 6 to 10 decimal digits: what a user typed, or what an app or the library made.
///
/// It is wiped on drop and hidden in `Debug`. It has no `Clone`, which would make copies that nobody wipes,
/// and no `PartialEq`, which would leave at the first difference.
///
/// ```
/// use factorgate::otp::Code;
///
/// let code = Code::parse("005 924")?;
/// assert_eq!(code.digits().get(), 6);
/// assert_eq!(code.expose_secret().expose_secret(), "005924");
/// assert_eq!(format!("{code:?}"), "Code(6 digits)");
/// # Ok::<_, factorgate::otp::InvalidCode>(())
/// ```
pub struct Code {
    value: u64,
    digits: Digits,
}

impl Code {
    /// The longest text that is read at all, in bytes. What is longer is refused unread.
    pub const MAX_TEXT_LEN: usize = 32;

    /// Reads a code of [`Digits::MIN`] to [`Digits::MAX`] digits as people type it.
    ///
    /// The digits are ASCII digits. Spaces (U+0020) may stand anywhere, and one hyphen between two digits.
    /// Everything else is refused: signs, line ends, digits of other scripts, full-width digits. So two texts
    /// are the same code only if their digits are the same, and no second spelling of a used code is left.
    ///
    /// # Errors
    ///
    /// [`InvalidCode`] says what is wrong and where, never what stood there.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let (value, count) = read_digits(text)?;
        let digits = Digits::new(count).map_err(|_| InvalidCode::TooFewDigits)?;
        Ok(Self { value, digits })
    }

    /// Reads a code as [`Code::parse`] does, of `digits` digits and no other number.
    ///
    /// # Errors
    ///
    /// [`InvalidCode`] says what is wrong and where, never what stood there.
    ///
    /// ```
    /// use factorgate::otp::{Code, Digits, InvalidCode};
    ///
    /// assert!(Code::parse_exact("005924", Digits::SIX).is_ok());
    /// assert_eq!(Code::parse_exact("005924", Digits::EIGHT).err(), Some(InvalidCode::TooFewDigits));
    /// ```
    pub fn parse_exact(text: &str, digits: Digits) -> Result<Self, InvalidCode> {
        let (value, count) = read_digits(text)?;
        match count.cmp(&digits.get()) {
            core::cmp::Ordering::Less => Err(InvalidCode::TooFewDigits),
            core::cmp::Ordering::Equal => Ok(Self { value, digits }),
            core::cmp::Ordering::Greater => Err(InvalidCode::TooManyDigits),
        }
    }

    /// How many digits it has, leading zeros included.
    #[must_use]
    pub fn digits(&self) -> Digits {
        self.digits
    }

    /// The digits as text, leading zeros included.
    #[must_use]
    pub fn expose_secret(&self) -> SecretText {
        // Division by ten as a multiplication, which is exact for every u64: a hardware division takes a time
        // that depends on its operands.
        const TENTH: u128 = (1 << 67) / 10 + 1;
        let mut ascii = [b'0'; Digits::MAX as usize];
        let mut rest = self.value;
        for place in ascii.iter_mut().rev() {
            let tenth = (u128::from(rest).wrapping_mul(TENTH) >> 67) as u64;
            *place = b'0'.wrapping_add(rest.wrapping_sub(tenth.wrapping_mul(10)) as u8);
            rest = tenth;
        }
        let mut text = String::with_capacity(ascii.len());
        text.extend(ascii.iter().skip(ascii.len() - usize::from(self.digits.get())).map(|&byte| char::from(byte)));
        ascii.zeroize();
        SecretText::new(text)
    }

    /// The code of `digits` digits that the number `value` below [`Digits::count_of_codes`] is.
    pub(crate) fn from_value(value: u64, digits: Digits) -> Self {
        Self { value, digits }
    }

    /// The code as a number; two codes of different length can have the same.
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// Whether it is the code of `digits` digits that the number `value` is, in a time that depends on no number.
    pub(crate) fn ct_is(&self, value: u64, digits: Digits) -> Choice {
        self.value.ct_eq(&value) & self.digits.0.ct_eq(&digits.0)
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} digits)", self.digits)
    }
}

/// The number that the digits of `text` are, and how many there are: at most [`Digits::MAX`].
fn read_digits(text: &str) -> Result<(u64, u8), InvalidCode> {
    if text.len() > Code::MAX_TEXT_LEN {
        return Err(InvalidCode::TooLong);
    }
    let (mut value, mut count) = (0_u64, 0_u8);
    // The hyphen, and how many digits stood before it.
    let mut hyphen = None;
    for (position, c) in text.char_indices() {
        match c {
            ' ' => {}
            '-' if count == 0 || hyphen.is_some() => return Err(InvalidCode::Hyphen { position }),
            '-' => hyphen = Some((position, count)),
            '0'..='9' if count == Digits::MAX => return Err(InvalidCode::TooManyDigits),
            '0'..='9' => {
                // At most ten digits: below 10^10.
                value = value.wrapping_mul(10).wrapping_add(u64::from(c as u8 & 0x0f));
                count += 1;
            }
            _ => return Err(InvalidCode::Character { position }),
        }
    }
    match hyphen {
        Some((position, before)) if before == count => Err(InvalidCode::Hyphen { position }),
        _ => Ok((value, count)),
    }
}

/// Why a text is no [`Code`]. Positions are byte offsets into the text as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCode {
    /// A character that is neither an ASCII digit nor a separator.
    #[error("the code has a character at position {position} that is none of 0-9")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// A hyphen that is not the only one, or not between two digits.
    #[error("the code has a hyphen at position {position} that separates no digits, or a second one")]
    Hyphen {
        /// Where it stands.
        position: usize,
    },
    /// Fewer digits than a code has.
    #[error("the code has too few digits")]
    TooFewDigits,
    /// More than [`Code::MAX_TEXT_LEN`] bytes; none of them was read.
    #[error("the code is longer than 32 bytes")]
    TooLong,
    /// More digits than a code has.
    #[error("the code has too many digits")]
    TooManyDigits,
}

/// How many digits a code has: 6 to 10 (RFC 4226 section 5.3 asks for at least 6).
///
/// Six is what every authenticator app shows. A time-based code of ten digits is a 31-bit number with zeros
/// before it, and so hardly harder to guess than one of nine.
///
/// ```
/// use factorgate::otp::Digits;
///
/// assert_eq!(Digits::new(6)?, Digits::SIX);
/// assert!(Digits::new(5).is_err() && Digits::new(11).is_err());
/// # Ok::<_, factorgate::otp::InvalidDigits>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits(u8);

impl Digits {
    /// The least number of digits.
    pub const MIN: u8 = 6;
    /// The greatest number of digits.
    pub const MAX: u8 = 10;
    /// Six digits, the default: the only length that every app supports.
    pub const SIX: Self = Self(6);
    /// Seven digits.
    pub const SEVEN: Self = Self(7);
    /// Eight digits.
    pub const EIGHT: Self = Self(8);
    /// Nine digits.
    pub const NINE: Self = Self(9);
    /// Ten digits.
    pub const TEN: Self = Self(10);

    /// Takes a number from [`Digits::MIN`] to [`Digits::MAX`].
    ///
    /// # Errors
    ///
    /// [`InvalidDigits`] outside of it.
    pub const fn new(digits: u8) -> Result<Self, InvalidDigits> {
        match digits {
            Self::MIN..=Self::MAX => Ok(Self(digits)),
            _ => Err(InvalidDigits),
        }
    }

    /// The number of digits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many codes of this length there are: 10 to the power of it.
    #[must_use]
    pub const fn count_of_codes(self) -> u64 {
        10_u64.pow(self.0 as u32)
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self::SIX
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of digits outside of [`Digits::MIN`] to [`Digits::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has 6 to 10 digits")]
pub struct InvalidDigits;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_the_same_digits_and_as_many() {
        let code = Code::parse("005924").unwrap();
        let same = |other: &str| {
            let other = Code::parse(other).unwrap();
            bool::from(code.ct_is(other.value, other.digits))
        };
        assert!(same("005-924"));
        assert!(!same("005925") && !same("0005924") && !same("805924"));
        assert!(!bool::from(code.ct_is(5924, Digits::TEN)));
        assert!(bool::from(code.ct_is(5924, Digits::SIX)));
    }
}
