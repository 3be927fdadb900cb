//! What authenticator apps make of a Key URI.

use alloc::vec::Vec;

use super::{KeyParameters, ParsedKeyUri};
use crate::otp::{Algorithm, Digits, Totp};
use crate::secret::Secret;

/// Something about a Key URI that not every authenticator app copes with.
///
/// What is known of the apps comes from their makers' documents, their sources, where these are open, and reports of
/// their users; an app that is named may have changed since. What no app should be given is refused where it would be
/// made and has no warning: a colon in a name, an empty account name, a T0.
///
/// ```
/// use factorgate::otp::{Algorithm, Totp};
/// use factorgate::otpauth::{AccountName, CompatibilityLevel, CompatibilityWarning, Issuer, KeyUri};
/// use factorgate::{env::OsRandom, otp::Secret};
///
/// let totp = Totp::builder().algorithm(Algorithm::Sha256).build()?;
/// let (issuer, account) = (Issuer::new("ACME Co")?, AccountName::new("alice@example.com")?);
/// let secret = totp.algorithm().generate_secret(&OsRandom)?;
/// let warnings = KeyUri::totp(&issuer, &account, &secret, &totp)?.compatibility();
///
/// let worst = warnings.first().ok_or("none")?;
/// assert_eq!(*worst, CompatibilityWarning::AlgorithmNotSha1);
/// assert_eq!(worst.level(), CompatibilityLevel::Break);
/// assert!(worst.apps().contains(&"Microsoft Authenticator"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CompatibilityWarning {
    /// The account name has more than 40 characters.
    #[error("the account name is cut when it is shown")]
    AccountCut,
    /// The algorithm is SHA-256 or SHA-512.
    #[error("apps that know SHA-1 alone show wrong codes, or refuse")]
    AlgorithmNotSha1,
    /// The codes have 8 digits.
    #[error("apps that know 6 digits alone show codes that are too short")]
    EightDigits,
    /// The code is counter-based.
    #[error("apps without counter-based codes refuse, or show wrong codes")]
    Hotp,
    /// The counter is 2^31 or more.
    #[error("apps with counters of 32 bits refuse")]
    HotpCounterOver31Bits,
    /// It names a picture to show. Only a parsed Key URI can.
    #[error("only few apps show the picture, and they ask its server for it")]
    ImageParam,
    /// The issuer has more than 30 characters.
    #[error("the issuer is cut when it is shown")]
    IssuerCut,
    /// There is no issuer. Only a parsed Key URI can be without one.
    #[error("the entry has no name, or that of the account in its place")]
    IssuerMissing,
    /// The issuer and the account, and the period if it is not 30 seconds, make more than 64 bytes.
    #[error("security keys have no room for the name")]
    LabelTooLong,
    /// A name holds a plus sign.
    #[error("apps take the plus sign for a space")]
    NamePlus,
    /// A name holds one of `&`, `#`, `%`, `+` and `?`.
    #[error("apps that resolve escapes before they split cut or change the name")]
    NameWholeUriDecode,
    /// A name holds a character outside of ASCII.
    #[error("each letter outside of ASCII takes 6 to 12 characters of the QR code")]
    NonAscii,
    /// The period is 10, 60 or 90 seconds.
    #[error("apps that know 30 seconds alone show wrong codes")]
    PeriodNotThirty,
    /// The period is none of 10, 30, 60 and 90 seconds.
    #[error("apps refuse the period, and those that know 30 seconds alone show wrong codes")]
    PeriodUnusual,
    /// The secret has fewer than 20 bytes, and at least 16.
    #[error("the secret is shorter than is advised")]
    SecretNot20Bytes,
    /// The secret has more than 64 bytes.
    #[error("readers refuse or hash so long a secret, and the QR code is large")]
    SecretOver64Bytes,
    /// The secret has fewer than 16 bytes (RFC 4226 section 4, R6).
    #[error("readers refuse so short a secret, or warn of it")]
    SecretShort,
    /// The length of the secret is no multiple of 5 bytes: it is padded by some who write it down again.
    #[error("a copy that is written with padding is refused")]
    SecretTrailingBits,
    /// The codes have another number of digits than 6 and 8.
    #[error("apps offer 6 and 8 digits alone")]
    UnusualDigits,
    /// It is longer than 412 bytes, so that its QR code can be larger than version 15.
    #[error("the QR code can be too large to be scanned well")]
    UriLong,
}

/// How serious a [`CompatibilityWarning`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompatibilityLevel {
    /// It looks different, or costs room.
    Note,
    /// Some app does not cope with it.
    Warn,
    /// An app that many people use shows wrong codes or refuses.
    Break,
}

impl CompatibilityWarning {
    /// How serious it is.
    #[must_use]
    pub const fn level(self) -> CompatibilityLevel {
        match self {
            Self::AlgorithmNotSha1
            | Self::EightDigits
            | Self::Hotp
            | Self::PeriodNotThirty
            | Self::PeriodUnusual
            | Self::SecretShort
            | Self::UnusualDigits => CompatibilityLevel::Break,
            Self::HotpCounterOver31Bits
            | Self::IssuerMissing
            | Self::LabelTooLong
            | Self::NamePlus
            | Self::NameWholeUriDecode
            | Self::SecretOver64Bytes
            | Self::UriLong => CompatibilityLevel::Warn,
            Self::AccountCut
            | Self::ImageParam
            | Self::IssuerCut
            | Self::NonAscii
            | Self::SecretNot20Bytes
            | Self::SecretTrailingBits => CompatibilityLevel::Note,
        }
    }

    /// The apps and readers that are known not to cope with it; none if it is about the QR code.
    #[must_use]
    pub const fn apps(self) -> &'static [&'static str] {
        match self {
            Self::AccountCut => &["2FAS (Android)", "Stratum"],
            Self::AlgorithmNotSha1 => {
                &["Microsoft Authenticator", "Duo Mobile", "Authy", "Google Authenticator (Android, older)"]
            }
            Self::EightDigits => &["Google Authenticator (Android, older)", "Authy"],
            Self::Hotp => {
                &["Microsoft Authenticator", "Apple Passwords", "Bitwarden", "KeePassXC", "Proton Authenticator"]
            }
            Self::HotpCounterOver31Bits => &["Google Authenticator (Android, older)", "2FAS (Android)"],
            Self::ImageParam => &["FreeOTP", "FreeOTP+"],
            Self::IssuerCut => &["2FAS (Android)", "Stratum"],
            Self::IssuerMissing => &["Stratum"],
            Self::LabelTooLong => &["Yubico Authenticator"],
            Self::NamePlus => &["2FAS (Android)", "2FAS (iOS)"],
            Self::NameWholeUriDecode => &["2FAS (Android)", "2FAS (iOS)", "Stratum"],
            Self::NonAscii | Self::UriLong => &[],
            Self::PeriodNotThirty => &["Microsoft Authenticator", "Google Authenticator (Android, older)"],
            Self::PeriodUnusual => &[
                "Microsoft Authenticator",
                "Google Authenticator (Android, older)",
                "2FAS (iOS)",
                "FreeOTP",
                "Proton Authenticator",
            ],
            Self::SecretNot20Bytes => &["Apple Passwords"],
            Self::SecretOver64Bytes => &["otplib", "Yubico Authenticator"],
            Self::SecretShort => &["pyotp", "otplib", "FreeOTP"],
            Self::SecretTrailingBits => &["Google Authenticator (iOS)"],
            Self::UnusualDigits => &["Google Authenticator", "Yubico Authenticator"],
        }
    }
}

impl ParsedKeyUri {
    /// What authenticator apps make of it that the user should not be surprised by. Most serious first.
    #[must_use]
    pub fn compatibility(&self) -> Vec<CompatibilityWarning> {
        assess(self)
    }
}

/// All that is to be said of `uri`, the most serious first.
fn assess(uri: &ParsedKeyUri) -> Vec<CompatibilityWarning> {
    use CompatibilityWarning::*;
    let (issuer, account) = (uri.issuer().map_or("", |issuer| issuer.as_str()), uri.account().as_str());
    let in_names = |what: &dyn Fn(char) -> bool| issuer.contains(what) || account.contains(what);
    let (algorithm, digits, period, counter) = match uri.parameters() {
        KeyParameters::Hotp { hotp, counter } => (hotp.algorithm(), hotp.digits(), None, Some(counter)),
        KeyParameters::Totp(totp) => (totp.algorithm(), totp.digits(), Some(totp.period_secs()), None),
    };
    // `[period/]issuer:name`, as a security key keeps it.
    let period_len = match period {
        Some(period) if period != Totp::DEFAULT_PERIOD_SECS => period.ilog10() as usize + 2,
        _ => 0,
    };
    let secret_len = uri.secret().expose_secret().len();
    let mut warnings: Vec<_> = [
        (algorithm != Algorithm::Sha1, AlgorithmNotSha1),
        (digits == Digits::EIGHT, EightDigits),
        (digits != Digits::SIX && digits != Digits::EIGHT, UnusualDigits),
        (matches!(period, Some(10 | 60 | 90)), PeriodNotThirty),
        (period.is_some_and(|period| !matches!(period, 10 | 30 | 60 | 90)), PeriodUnusual),
        (counter.is_some(), Hotp),
        (counter.is_some_and(|counter| counter > i32::MAX as u64), HotpCounterOver31Bits),
        (uri.secret().is_short(), SecretShort),
        ((Secret::MIN_LEN..Secret::DEFAULT_LEN).contains(&secret_len), SecretNot20Bytes),
        (secret_len > 64, SecretOver64Bytes),
        (!secret_len.is_multiple_of(5), SecretTrailingBits),
        (in_names(&|c| "&#%+?".contains(c)), NameWholeUriDecode),
        (in_names(&|c| c == '+'), NamePlus),
        (issuer.is_empty(), IssuerMissing),
        (period_len + issuer.len() + 1 + account.len() > 64, LabelTooLong),
        (issuer.chars().count() > 30, IssuerCut),
        (account.chars().count() > 40, AccountCut),
        (in_names(&|c| !c.is_ascii()), NonAscii),
        (uri.has_image, ImageParam),
        (uri.uri_len > VERSION_15_LEN, UriLong),
    ]
    .into_iter()
    .filter_map(|(holds, warning)| holds.then_some(warning))
    .collect();
    warnings.sort_by_key(|warning| core::cmp::Reverse(warning.level()));
    warnings
}

/// What a QR code of version 15 at level M holds, in bytes (ISO/IEC 18004:2015 table 7).
const VERSION_15_LEN: usize = 412;
