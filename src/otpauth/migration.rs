//! Reading what Google Authenticator exports (`otpauth-migration://`).

use alloc::vec;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use micropb::{PbDecoder, WIRE_TYPE_LEN, WIRE_TYPE_VARINT};
use zeroize::Zeroizing;

use super::parse::{Profile, Reader};
use super::part::Part;
use super::{InvalidName, KeyParameters, ParsedKeyUri, Tolerated};
use crate::otp::{Algorithm, Digits, Hotp, Totp};
use crate::secret::{InvalidSecret, Secret};

/// What one QR code of an export by Google Authenticator holds: up to ten entries or so, of one batch of codes.
///
/// It is for taking over what users have registered elsewhere, and is read only. Each entry is read by the rules of
/// [`KeyUri::parse_lenient`](super::KeyUri::parse_lenient), as far as they apply, and lists what was tolerated.
///
/// The format has no document. What is known of it: a message of Protocol Buffers in base64, in which an entry has a
/// secret, a name, an issuer, an algorithm, 6 or 8 digits, a type and a counter; its period is always 30 seconds.
///
/// The message is wiped when it was read; the text that was given is the caller's to wipe.
///
/// ```
/// use factorgate::otpauth::Migration;
///
/// let exported = "otpauth-migration://offline?data=\
///                 Ci4KFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEgpBQ01FOmFsaWNlGgRBQ01FIAEoATACEAEYAQ%3D%3D";
/// let migration = Migration::parse(exported)?;
/// assert_eq!((migration.batch_index(), migration.batch_size()), (0, 1));
/// for entry in migration.into_entries() {
///     assert_eq!(entry.account().as_str(), "alice");
///     assert_eq!(entry.secret().expose_secret(), b"12345678901234567890");
///     assert!(entry.tolerated().is_empty());
/// }
/// # Ok::<_, factorgate::otpauth::InvalidMigration>(())
/// ```
#[derive(Debug)]
pub struct Migration {
    entries: Vec<ParsedKeyUri>,
    batch_id: i32,
    batch_index: u32,
    batch_size: u32,
}

impl Migration {
    /// The longest text that is read, in bytes: what the largest QR code holds.
    pub const MAX_LEN: usize = 4296;

    /// Reads the text of one QR code.
    ///
    /// * At most [`Migration::MAX_LEN`] bytes; scheme and host in either case; the parameter `data` once, others are
    ///   ignored; no user information, port, path or fragment.
    /// * `data` is base64 of the standard alphabet (RFC 4648 section 4), with padding or without, percent-encoded or not.
    /// * An entry has a secret of 1 to [`Secret::MAX_LEN`] bytes, and an account name; its name is split at the first
    ///   colon, and a second one is refused.
    /// * An algorithm or a number of digits that is not said is SHA-1 or six, and is listed as tolerated; MD5 and whatever
    ///   else is not known is refused, and so is a type that is not said.
    /// * A field of an entry that stands twice is refused; one that is not known is ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidMigration`] names what is wrong, and in which entry. Nothing is imported then.
    pub fn parse(uri: &str) -> Result<Self, InvalidMigration> {
        let payload = read_payload(uri)?;
        let mut migration = Self { entries: Vec::new(), batch_id: 0, batch_index: 0, batch_size: 1 };
        for field in Fields::of(&payload) {
            let field = field.map_err(|_| InvalidMigration::Encoding)?;
            match (field.number, field.value) {
                (1, Value::Bytes(entry)) => {
                    let index = migration.entries.len();
                    let entry = Entry::read(entry).and_then(Entry::check);
                    migration.entries.push(entry.map_err(|source| InvalidMigration::Entry { index, source })?);
                }
                // The version (field 2) has never changed what the others mean.
                (3, Value::Number(size)) => migration.batch_size = batch_number(size)?.max(1),
                (4, Value::Number(index)) => migration.batch_index = batch_number(index)?,
                // A negative number of 32 bits is written with its sign extended.
                (5, Value::Number(id)) => {
                    migration.batch_id = i32::try_from(id.cast_signed()).map_err(|_| InvalidMigration::Batch)?;
                }
                (1 | 3..=5, _) => return Err(InvalidMigration::Encoding),
                _ => {}
            }
        }
        match migration {
            Self { batch_index, batch_size, .. } if batch_index >= batch_size => Err(InvalidMigration::Batch),
            Self { ref entries, .. } if entries.is_empty() => Err(InvalidMigration::NoEntry),
            migration => Ok(migration),
        }
    }

    /// The entries, in the order in which they were exported.
    #[must_use]
    pub fn entries(&self) -> &[ParsedKeyUri] {
        &self.entries
    }

    /// The entries, to be kept.
    #[must_use]
    pub fn into_entries(self) -> Vec<ParsedKeyUri> {
        self.entries
    }

    /// What the QR codes of one export have in common.
    #[must_use]
    pub fn batch_id(&self) -> i32 {
        self.batch_id
    }

    /// Which of the QR codes of the export this is, from 0.
    #[must_use]
    pub fn batch_index(&self) -> u32 {
        self.batch_index
    }

    /// How many QR codes the export has.
    #[must_use]
    pub fn batch_size(&self) -> u32 {
        self.batch_size
    }
}

/// Why a text is no [`Migration`]. Positions are byte offsets into the text. Nothing of what stood there is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMigration {
    /// The data are no base64.
    #[error("the data of the migration are no base64 at position {position}")]
    Base64 {
        /// Where they are wrong; where they end if something is missing.
        position: usize,
    },
    /// The numbers that tell this QR code from the others of the export do not fit together.
    #[error("the numbers of the batch of the migration are invalid")]
    Batch,
    /// The parameter `data` stands twice.
    #[error("the migration repeats its data at position {position}")]
    Duplicate {
        /// Where the second one begins.
        position: usize,
    },
    /// The data are no message of Protocol Buffers, or not the one that is expected.
    #[error("the data of the migration are broken")]
    Encoding,
    /// An entry is not valid.
    #[error("entry {index} of the migration is invalid")]
    Entry {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        source: InvalidMigrationEntry,
    },
    /// A percent sign that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the migration has a broken escape at position {position}")]
    Escape {
        /// Where it stands.
        position: usize,
    },
    /// There is no parameter `data`.
    #[error("the migration has no data")]
    NoData,
    /// There is no entry in it.
    #[error("the migration has no entry")]
    NoEntry,
    /// It does not begin with `otpauth-migration://offline?`.
    #[error("a migration begins with otpauth-migration://offline?")]
    Scheme,
    /// It is longer than [`Migration::MAX_LEN`]; none of it was read.
    #[error("the migration is longer than 4296 bytes")]
    TooLong,
}

/// Why an entry of a [`Migration`] is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMigrationEntry {
    /// The account name is not valid.
    #[error("the account is invalid")]
    Account(#[source] InvalidName),
    /// The algorithm is none that is known, MD5 among them.
    #[error("the algorithm is none of SHA1, SHA256 and SHA512")]
    Algorithm,
    /// The counter is negative.
    #[error("the counter is negative")]
    Counter,
    /// The number of digits is none that is known.
    #[error("the digits are neither 6 nor 8")]
    Digits,
    /// A field stands twice.
    #[error("field {number} is repeated")]
    Duplicate {
        /// The number of the field.
        number: u32,
    },
    /// It is no message of Protocol Buffers, or not the one that is expected, or a name is no UTF-8.
    #[error("its encoding is broken")]
    Encoding,
    /// The issuer is not valid.
    #[error("the issuer is invalid")]
    Issuer(#[source] InvalidName),
    /// The secret is not valid.
    #[error("the secret is invalid")]
    Secret(#[source] InvalidSecret),
    /// The type is not said, or is none that is known.
    #[error("the type is neither HOTP nor TOTP")]
    Type,
}

/// The message, out of the URI.
fn read_payload(uri: &str) -> Result<Zeroizing<Vec<u8>>, InvalidMigration> {
    if uri.len() > Migration::MAX_LEN {
        return Err(InvalidMigration::TooLong);
    }
    const BEGIN: &str = "otpauth-migration://offline?";
    let query = match uri.split_at_checked(BEGIN.len()) {
        Some((begin, text)) if begin.eq_ignore_ascii_case(BEGIN) => Part { text, position: BEGIN.len() },
        _ => return Err(InvalidMigration::Scheme),
    };
    let mut data = None;
    for (parameter, name, value) in query.parameters() {
        if *name.decode().map_err(broken_escape)? == *"data" && data.replace(value).is_some() {
            return Err(InvalidMigration::Duplicate { position: parameter.position });
        }
    }
    let data = data.ok_or(InvalidMigration::NoData)?;
    let text = data.decode().map_err(broken_escape)?;
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // Never longer than the text: nothing is copied to a larger place and left behind.
    let mut payload = Zeroizing::new(vec![0; text.len()]);
    let decoded = GeneralPurpose::new(&STANDARD, CONFIG).decode_slice(text.as_bytes(), &mut payload);
    let len = decoded.map_err(|why| InvalidMigration::Base64 {
        position: match why {
            base64::DecodeSliceError::DecodeError(
                base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol { offset, .. },
            ) => data.position_of(offset),
            _ => data.end().position,
        },
    })?;
    payload.truncate(len);
    Ok(payload)
}

/// A part is decoded or has a broken escape.
fn broken_escape(why: super::InvalidKeyUri) -> InvalidMigration {
    match why {
        super::InvalidKeyUri::Escape { position } => InvalidMigration::Escape { position },
        _ => InvalidMigration::Scheme,
    }
}

fn batch_number(number: u64) -> Result<u32, InvalidMigration> {
    u32::try_from(number).map_err(|_| InvalidMigration::Batch)
}

/// An entry as it stands in the message.
#[derive(Default)]
struct Entry<'a> {
    secret: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    issuer: Option<&'a [u8]>,
    algorithm: Option<u64>,
    digits: Option<u64>,
    kind: Option<u64>,
    counter: Option<u64>,
}

impl<'a> Entry<'a> {
    fn read(message: &'a [u8]) -> Result<Self, InvalidMigrationEntry> {
        let mut entry = Self::default();
        for field in Fields::of(message) {
            let Field { number, value } = field.map_err(|_| InvalidMigrationEntry::Encoding)?;
            // In Protocol Buffers the last one would count; which of two secrets is meant is not guessed.
            let repeated = match (number, value) {
                (1, Value::Bytes(bytes)) => entry.secret.replace(bytes).is_some(),
                (2, Value::Bytes(bytes)) => entry.name.replace(bytes).is_some(),
                (3, Value::Bytes(bytes)) => entry.issuer.replace(bytes).is_some(),
                (4, Value::Number(value)) => entry.algorithm.replace(value).is_some(),
                (5, Value::Number(value)) => entry.digits.replace(value).is_some(),
                (6, Value::Number(value)) => entry.kind.replace(value).is_some(),
                (7, Value::Number(value)) => entry.counter.replace(value).is_some(),
                (1..=7, _) => return Err(InvalidMigrationEntry::Encoding),
                _ => false,
            };
            if repeated {
                return Err(InvalidMigrationEntry::Duplicate { number });
            }
        }
        Ok(entry)
    }

    fn check(self) -> Result<ParsedKeyUri, InvalidMigrationEntry> {
        let mut reader = Reader::new(Profile::Lenient);
        let text = |bytes: Option<&'a [u8]>| {
            core::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| InvalidMigrationEntry::Encoding)
        };
        let (name, issuer) = (text(self.name)?, text(self.issuer)?);
        let (label_issuer, account) = match name.split_once(':') {
            Some((issuer, account)) => (reader.issuer_name(issuer).map_err(InvalidMigrationEntry::Issuer)?, account),
            None => (None, name),
        };
        let account = reader.account_name(account).map_err(InvalidMigrationEntry::Account)?;
        // A text that is empty is one that is not there.
        let issuer = match issuer {
            "" => None,
            issuer => reader.issuer_name(issuer).map_err(InvalidMigrationEntry::Issuer)?,
        };
        reader.compare_issuers(issuer.as_ref(), label_issuer.as_ref());

        let secret =
            Secret::from_legacy_bytes(self.secret.unwrap_or_default()).map_err(InvalidMigrationEntry::Secret)?;
        reader.tolerate_if(secret.is_short(), Tolerated::ShortSecret);
        let algorithm = match self.algorithm.unwrap_or(0) {
            0 => {
                reader.tolerate_if(true, Tolerated::UnspecifiedAlgorithm);
                Algorithm::Sha1
            }
            1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            // 4 is MD5.
            _ => return Err(InvalidMigrationEntry::Algorithm),
        };
        let digits = match self.digits.unwrap_or(0) {
            0 => {
                reader.tolerate_if(true, Tolerated::UnspecifiedDigits);
                Digits::SIX
            }
            1 => Digits::SIX,
            2 => Digits::EIGHT,
            _ => return Err(InvalidMigrationEntry::Digits),
        };
        // A number that is zero is not written.
        let counter = self.counter.unwrap_or(0);
        let parameters = match self.kind {
            Some(1) if counter > i64::MAX.cast_unsigned() => return Err(InvalidMigrationEntry::Counter),
            Some(1) => KeyParameters::Hotp { hotp: Hotp::new(algorithm, digits), counter },
            Some(2) => {
                reader.tolerate_if(counter != 0, Tolerated::Counter);
                let totp = Totp::builder().algorithm(algorithm).digits(digits).build();
                KeyParameters::Totp(totp.map_err(|_| InvalidMigrationEntry::Type)?)
            }
            _ => return Err(InvalidMigrationEntry::Type),
        };
        let tolerated = reader.into_tolerated();
        Ok(ParsedKeyUri { account, issuer, label_issuer, parameters, secret, tolerated, has_image: false, uri_len: 0 })
    }
}

/// A field of a message. Its bytes are those of the message and no copy.
struct Field<'a> {
    number: u32,
    value: Value<'a>,
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    Other,
}

/// The fields of a message, one after the other, up to the first that is broken.
struct Fields<'a>(PbDecoder<&'a [u8]>);

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Self(PbDecoder::new(message))
    }

    fn read(&mut self) -> Result<Field<'a>, Broken> {
        let tag = self.0.decode_tag().map_err(|_| Broken)?;
        let value = match tag.wire_type() {
            WIRE_TYPE_VARINT => Value::Number(self.0.decode_varint64().map_err(|_| Broken)?),
            WIRE_TYPE_LEN => {
                let len = self.0.decode_varint32().map_err(|_| Broken)? as usize;
                let bytes = self.0.as_reader().get(..len).ok_or(Broken)?;
                self.0.skip_bytes(len).map_err(|_| Broken)?;
                Value::Bytes(bytes)
            }
            other => {
                self.0.skip_wire_value(other).map_err(|_| Broken)?;
                Value::Other
            }
        };
        match tag.field_num() {
            0 => Err(Broken),
            number => Ok(Field { number, value }),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.as_reader().is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = PbDecoder::new(&[]);
        }
        Some(field)
    }
}

/// What the decoder says of a broken message is of no use to anybody.
struct Broken;
