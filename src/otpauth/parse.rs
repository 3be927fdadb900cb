//! Reading Key URIs that other systems wrote.

use alloc::vec::Vec;

use super::part::Part;
use super::{AccountName, InvalidKeyUri, InvalidName, Issuer, KeyParameters, KeyUri, ParsedKeyUri, Tolerated};
use crate::otp::{Algorithm, Digits, Hotp, Totp};
use crate::secret::{Secret, TrailingBits};

/// Which of the two sets of rules applies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Lenient,
    Strict,
}

pub(super) fn parse(uri: &str, profile: Profile) -> Result<ParsedKeyUri, InvalidKeyUri> {
    if uri.len() > KeyUri::MAX_LEN {
        return Err(InvalidKeyUri::TooLong);
    }
    let mut reader = Reader::new(profile);
    const SCHEME: &str = "otpauth://";
    let rest = match uri.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => {
            reader.tolerate_if(scheme != SCHEME, Tolerated::SchemeOrType);
            Part { text: rest, position: SCHEME.len() }
        }
        _ => return Err(InvalidKeyUri::Scheme),
    };
    if let Some((_, fragment)) = rest.split_at('#') {
        return Err(InvalidKeyUri::Fragment { position: fragment.position - 1 });
    }
    let (rest, query) = rest.split_at('?').unwrap_or((rest, rest.end()));
    let (kind, label) = rest.split_at('/').unwrap_or((rest, rest.end()));
    let counts = reader.counts(kind)?;
    reader.check(label, "")?;
    reader.check(query, "/?")?;

    let (label_issuer, account) = match label.split_at_colon() {
        Some((issuer, account, escaped)) => {
            reader.tolerate_if(escaped, Tolerated::EscapedColon);
            (reader.issuer(issuer, &issuer.decode()?)?, account)
        }
        None => (None, label),
    };
    let account = reader.account(account)?;

    let query = Query::read(query, &mut reader)?;
    let issuer = match query.issuer {
        Some(part) => reader.issuer_parameter(part, label_issuer.as_ref())?,
        None => None,
    };
    let secret = reader.secret(query.secret.ok_or(InvalidKeyUri::NoSecret)?)?;
    let algorithm = query.algorithm.map(|part| reader.algorithm(part)).transpose()?.unwrap_or_default();
    let digits = query.digits.map(|part| reader.digits(part)).transpose()?.unwrap_or_default();
    let parameters = if counts {
        reader.ignore(query.period, Tolerated::Period)?;
        let part = query.counter.ok_or(InvalidKeyUri::NoCounter)?;
        let counter = reader.number(part).ok_or(InvalidKeyUri::Counter { position: part.position })?;
        KeyParameters::Hotp { hotp: Hotp::new(algorithm, digits), counter }
    } else {
        reader.ignore(query.counter, Tolerated::Counter)?;
        KeyParameters::Totp(reader.totp(algorithm, digits, query.period)?)
    };
    reader.compare_issuers(issuer.as_ref(), label_issuer.as_ref());
    let tolerated = reader.into_tolerated();
    let has_image = query.has_image;
    Ok(ParsedKeyUri { account, issuer, label_issuer, parameters, secret, tolerated, has_image, uri_len: uri.len() })
}

/// Applies the rules, and notes what it tolerates.
pub(super) struct Reader {
    profile: Profile,
    tolerated: Vec<Tolerated>,
}

impl Reader {
    pub(super) fn new(profile: Profile) -> Self {
        Self { profile, tolerated: Vec::new() }
    }

    pub(super) fn into_tolerated(mut self) -> Vec<Tolerated> {
        self.tolerated.sort_unstable();
        self.tolerated
    }

    pub(super) fn tolerate_if(&mut self, condition: bool, what: Tolerated) {
        if condition && !self.tolerated.contains(&what) {
            self.tolerated.push(what);
        }
    }

    fn ignore(&mut self, part: Option<Part<'_>>, what: Tolerated) -> Result<(), InvalidKeyUri> {
        if let Some(part) = part {
            part.decode()?;
            self.tolerate_if(true, what);
        }
        Ok(())
    }

    fn is_lenient(&self) -> bool {
        self.profile == Profile::Lenient
    }

    /// Whether the type is that of counter-based codes.
    fn counts(&mut self, kind: Part<'_>) -> Result<bool, InvalidKeyUri> {
        if let Some((user_info, _)) = kind.split_at('@') {
            return Err(InvalidKeyUri::UserInfo { position: user_info.position });
        }
        if let Some((_, port)) = kind.split_at(':') {
            return Err(InvalidKeyUri::Port { position: port.position - 1 });
        }
        self.tolerate_if(kind.text != "totp" && kind.text != "hotp", Tolerated::SchemeOrType);
        match kind.text {
            kind if kind.eq_ignore_ascii_case("hotp") => Ok(true),
            kind if kind.eq_ignore_ascii_case("totp") => Ok(false),
            _ => Err(InvalidKeyUri::Type { position: kind.position }),
        }
    }

    /// Refuses what may not stand in a path segment, or be `more` (RFC 3986 sections 3.3 and 3.4). Leniently, what
    /// cannot be mistaken for a delimiter may.
    fn check(&mut self, part: Part<'_>, more: &str) -> Result<(), InvalidKeyUri> {
        let is_allowed = |byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'@' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            _ => more.as_bytes().contains(&byte),
        };
        for (offset, byte) in part.text.bytes().enumerate() {
            if !is_allowed(byte) {
                if !self.is_lenient() || byte == b'/' || byte.is_ascii_control() {
                    return Err(InvalidKeyUri::Character { position: part.position + offset });
                }
                self.tolerate_if(true, Tolerated::Unencoded);
            }
        }
        Ok(())
    }

    fn account(&mut self, part: Part<'_>) -> Result<AccountName, InvalidKeyUri> {
        self.account_name(&part.decode()?).map_err(|source| InvalidKeyUri::Account { position: part.position, source })
    }

    pub(super) fn account_name(&mut self, text: &str) -> Result<AccountName, InvalidName> {
        let account = AccountName::new(text)?;
        self.tolerate_if(account.as_str() != text, Tolerated::NameSpace);
        Ok(account)
    }

    fn issuer(&mut self, part: Part<'_>, text: &str) -> Result<Option<Issuer>, InvalidKeyUri> {
        self.issuer_name(text).map_err(|source| InvalidKeyUri::Issuer { position: part.position, source })
    }

    pub(super) fn issuer_name(&mut self, text: &str) -> Result<Option<Issuer>, InvalidName> {
        match Issuer::new(text) {
            Ok(issuer) => {
                self.tolerate_if(issuer.as_str() != text, Tolerated::NameSpace);
                Ok(Some(issuer))
            }
            Err(InvalidName::Empty) if self.is_lenient() => {
                self.tolerate_if(true, Tolerated::EmptyIssuer);
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    pub(super) fn compare_issuers(&mut self, parameter: Option<&Issuer>, label: Option<&Issuer>) {
        self.tolerate_if(parameter.zip(label).is_some_and(|(one, other)| one != other), Tolerated::IssuerMismatch);
    }

    /// Leniently, a `+` is a space, as in a form, unless the issuer before the account has the plus as well.
    fn issuer_parameter(&mut self, part: Part<'_>, label: Option<&Issuer>) -> Result<Option<Issuer>, InvalidKeyUri> {
        let text = part.decode()?;
        let has_plus = part.text.contains('+');
        self.tolerate_if(has_plus, Tolerated::Plus);
        if !has_plus || !self.is_lenient() || label.is_some_and(|label| label.as_str() == text.trim()) {
            return self.issuer(part, &text);
        }
        let spaced = part.text.replace('+', " ");
        let text = Part { text: &spaced, ..part }.decode()?;
        self.issuer(part, &text)
    }

    fn secret(&mut self, part: Part<'_>) -> Result<Secret, InvalidKeyUri> {
        let text = part.decode()?;
        let (min_len, trailing_bits) = match self.profile {
            Profile::Lenient => (Secret::LEGACY_MIN_LEN, TrailingBits::Drop),
            Profile::Strict => (Secret::MIN_LEN, TrailingBits::Refuse),
        };
        // The separators are for people; in a Key URI, readers disagree about them.
        if !self.is_lenient()
            && let Some(offset) = text.find([' ', '-'])
        {
            return Err(InvalidKeyUri::Character { position: part.position_of(offset) });
        }
        let (secret, spelling) = Secret::read_base32(&text, min_len, trailing_bits).map_err(|source| {
            let position = source.position().map_or(part.position, |offset| part.position_of(offset));
            InvalidKeyUri::Secret { position, source }
        })?;
        self.tolerate_if(spelling.lower_case, Tolerated::LowerCase);
        self.tolerate_if(spelling.padding, Tolerated::Padding);
        self.tolerate_if(spelling.separators, Tolerated::SecretSeparators);
        self.tolerate_if(spelling.trailing_bits, Tolerated::TrailingBits);
        self.tolerate_if(secret.is_short(), Tolerated::ShortSecret);
        Ok(secret)
    }

    fn algorithm(&mut self, part: Part<'_>) -> Result<Algorithm, InvalidKeyUri> {
        let text = part.decode()?;
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            let (family, bits) = algorithm.name().split_at(3);
            let Some((given, rest)) = text.split_at_checked(3) else { break };
            if given.eq_ignore_ascii_case(family) && rest.strip_prefix('-').unwrap_or(rest) == bits {
                self.tolerate_if(part.text != algorithm.name(), Tolerated::AlgorithmSpelling);
                return Ok(algorithm);
            }
        }
        Err(InvalidKeyUri::Algorithm { position: part.position })
    }

    fn digits(&mut self, part: Part<'_>) -> Result<Digits, InvalidKeyUri> {
        self.number(part)
            .and_then(|number| Digits::new(u8::try_from(number).ok()?).ok())
            .ok_or(InvalidKeyUri::Digits { position: part.position })
    }

    fn totp(&mut self, algorithm: Algorithm, digits: Digits, period: Option<Part<'_>>) -> Result<Totp, InvalidKeyUri> {
        let builder = Totp::builder().algorithm(algorithm).digits(digits);
        let (position, period) = match period {
            Some(part) => (part.position, self.number(part).unwrap_or(0)),
            None => (0, Totp::DEFAULT_PERIOD_SECS),
        };
        builder.period_secs(period).build().map_err(|_| InvalidKeyUri::Period { position })
    }

    fn number(&mut self, part: Part<'_>) -> Option<u64> {
        self.tolerate_if(part.text.len() > 1 && part.text.starts_with('0'), Tolerated::LeadingZero);
        part.number()
    }
}

/// The known parameters, each at most once.
#[derive(Default)]
struct Query<'a> {
    algorithm: Option<Part<'a>>,
    counter: Option<Part<'a>>,
    digits: Option<Part<'a>>,
    issuer: Option<Part<'a>>,
    period: Option<Part<'a>>,
    secret: Option<Part<'a>>,
    has_image: bool,
}

impl<'a> Query<'a> {
    fn read(query: Part<'a>, reader: &mut Reader) -> Result<Self, InvalidKeyUri> {
        let mut known = Self::default();
        for (parameter, name, value) in query.parameters() {
            // Decoded, so that an escaped letter hides no second `secret`.
            let decoded = name.decode()?;
            let is = |known: &str| decoded.eq_ignore_ascii_case(known);
            let slots = [
                ("algorithm", &mut known.algorithm),
                ("counter", &mut known.counter),
                ("digits", &mut known.digits),
                ("issuer", &mut known.issuer),
                ("period", &mut known.period),
                ("secret", &mut known.secret),
            ];
            match slots.into_iter().find(|(known, _)| is(known)) {
                Some((known, slot)) => {
                    reader.tolerate_if(name.text != known, Tolerated::ParameterName);
                    if slot.replace(value).is_some() {
                        return Err(InvalidKeyUri::Duplicate { position: parameter.position });
                    }
                }
                // A reader that does not know it shows other codes.
                None if is("steam") || is("encoder") && !value.text.is_empty() => {
                    return Err(InvalidKeyUri::Encoder { position: parameter.position });
                }
                None if parameter.text.is_empty() => {}
                None => {
                    value.decode()?;
                    known.has_image |= is("image");
                    reader.tolerate_if(true, Tolerated::UnknownParameter);
                }
            }
        }
        Ok(known)
    }
}
