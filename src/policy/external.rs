//! External factors: the host verifies them, such as a passkey.

use core::fmt;

use crate::time::Timestamp;

/// How an external factor compares with an authenticator app.
///
/// ```
/// use factorgate::policy::{ExternalFactor, Strength};
///
/// assert_eq!(ExternalFactor::possession("sms")?.strength(), Strength::Possession);
/// assert!(Strength::Possession < ExternalFactor::phishing_resistant("passkey")?.strength());
/// # Ok::<_, factorgate::policy::InvalidFactorName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Strength {
    /// Something that the user has, and no stronger than an app: a hardware token's code, a push message, a code
    /// by SMS. An app answers wherever it does; it never stands in for the user's own app.
    Possession,
    /// A key that signs for one site only, so that a false site gets nothing of use: a passkey, a smart card
    /// (NIST SP 800-63B-4 section 3.2.5). It is the stronger answer: no app stands in for it.
    PhishingResistant,
}

/// An external factor, which the host verifies: its name, and how it compares with the app.
///
/// A host declares each factor once and uses the same value everywhere. Two factors of one name and different
/// strength are two factors.
///
/// ```
/// use factorgate::policy::{Channel, ExternalFactor, FirstRegistration, Policy, Standing, Step};
///
/// let passkey = ExternalFactor::phishing_resistant("passkey")?;
/// let policy = Policy::any_of([Channel::App, Channel::External(passkey)], FirstRegistration::WithTicket)?;
///
/// let mut user = Standing::new();
/// user.external.insert(passkey);
/// assert_eq!(policy.evaluate(&user).paths()[0].steps(), [Step::External(passkey)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "FactorData", try_from = "FactorData"))]
pub struct ExternalFactor {
    strength: Strength,
    /// ASCII, and zeros after it.
    name: [u8; Self::MAX_NAME_LEN],
}

impl ExternalFactor {
    /// The longest name, in bytes.
    pub const MAX_NAME_LEN: usize = 24;
    /// The most external factors that a user can have registered.
    #[cfg(feature = "std")]
    pub(crate) const MAX_PER_USER: usize = 5;

    /// A factor whose strength is [`Strength::Possession`].
    ///
    /// # Errors
    ///
    /// [`InvalidFactorName`] if the name is not 1 to [`ExternalFactor::MAX_NAME_LEN`] lower-case ASCII letters,
    /// digits, hyphens and underscores.
    pub fn possession(name: &str) -> Result<Self, InvalidFactorName> {
        Self::new(Strength::Possession, name)
    }

    /// A factor whose strength is [`Strength::PhishingResistant`].
    ///
    /// # Errors
    ///
    /// [`InvalidFactorName`], as for [`ExternalFactor::possession`].
    pub fn phishing_resistant(name: &str) -> Result<Self, InvalidFactorName> {
        Self::new(Strength::PhishingResistant, name)
    }

    /// What the host and the administrator call it.
    #[must_use]
    pub fn name(&self) -> &str {
        let len = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        // The name is ASCII, so that any part of it is text.
        self.name.get(..len).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Its place beside the app.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.strength
    }

    pub(super) fn new(strength: Strength, text: &str) -> Result<Self, InvalidFactorName> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if text.is_empty() || text.len() > Self::MAX_NAME_LEN || !text.bytes().all(allowed) {
            return Err(InvalidFactorName);
        }
        let mut name = [0; Self::MAX_NAME_LEN];
        for (to, from) in name.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Ok(Self { strength, name })
    }
}

impl fmt::Debug for ExternalFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalFactor({:?}, {:?})", self.name(), self.strength)
    }
}

impl fmt::Display for ExternalFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FactorData {
    name: alloc::string::String,
    strength: Strength,
}

#[cfg(feature = "serde")]
impl From<ExternalFactor> for FactorData {
    fn from(factor: ExternalFactor) -> Self {
        Self { name: factor.name().into(), strength: factor.strength() }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<FactorData> for ExternalFactor {
    type Error = InvalidFactorName;

    fn try_from(data: FactorData) -> Result<Self, InvalidFactorName> {
        Self::new(data.strength, &data.name)
    }
}

/// A name that no external factor can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the name of a factor is 1 to 24 lower-case letters, digits, hyphens and underscores")]
pub struct InvalidFactorName;

/// How the host has checked a factor: the values of `amr` (RFC 8176 section 2) that can speak for a second factor.
///
/// `pwd`, `kba`, `geo`, `rba`, `wia`, `mca` and `mfa` are not among them: the first is the first factor, the next
/// are no factor (NIST SP 800-63B-4 section 2), and the last are said of a whole login and not of one factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AuthenticationMethod {
    /// `face`: facial recognition.
    Face,
    /// `fpt`: a fingerprint.
    Fingerprint,
    /// `hwk`: proof of possession of a key in hardware.
    HardwareKey,
    /// `iris`: an iris scan.
    Iris,
    /// `otp`: a one-time password (RFC 4226, RFC 6238).
    OneTimePassword,
    /// `pin`: a PIN that unlocks the factor.
    Pin,
    /// `pop`: proof of possession of a key, wherever it is kept.
    ProofOfPossession,
    /// `retina`: a retina scan.
    Retina,
    /// `sc`: a smart card.
    SmartCard,
    /// `sms`: a text message to a registered number.
    Sms,
    /// `swk`: proof of possession of a key in software.
    SoftwareKey,
    /// `tel`: a call to a registered number.
    Telephone,
    /// `user`: the user was there and consented.
    UserPresence,
    /// `vbm`: a voice print.
    Voice,
}

impl AuthenticationMethod {
    pub(crate) const COUNT: usize = 14;

    const ALL: [Self; Self::COUNT] = [
        Self::Face,
        Self::Fingerprint,
        Self::HardwareKey,
        Self::Iris,
        Self::OneTimePassword,
        Self::Pin,
        Self::ProofOfPossession,
        Self::Retina,
        Self::SmartCard,
        Self::Sms,
        Self::SoftwareKey,
        Self::Telephone,
        Self::UserPresence,
        Self::Voice,
    ];

    /// The value of `amr`. Values are case-sensitive.
    ///
    /// ```
    /// use factorgate::policy::AuthenticationMethod;
    ///
    /// assert_eq!(AuthenticationMethod::HardwareKey.amr(), "hwk");
    /// ```
    #[must_use]
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Fingerprint => "fpt",
            Self::HardwareKey => "hwk",
            Self::Iris => "iris",
            Self::OneTimePassword => "otp",
            Self::Pin => "pin",
            Self::ProofOfPossession => "pop",
            Self::Retina => "retina",
            Self::SmartCard => "sc",
            Self::Sms => "sms",
            Self::SoftwareKey => "swk",
            Self::Telephone => "tel",
            Self::UserPresence => "user",
            Self::Voice => "vbm",
        }
    }

    /// The method whose value of `amr` it is.
    #[cfg(feature = "std")]
    pub(crate) fn from_amr(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.amr() == value)
    }

    /// The user has shown that they hold a key.
    const fn proves_key(self) -> bool {
        matches!(self, Self::HardwareKey | Self::ProofOfPossession | Self::SmartCard | Self::SoftwareKey)
    }

    /// The user has copied something from one place to another, and so may have copied it to a false site.
    const fn can_be_phished(self) -> bool {
        matches!(self, Self::OneTimePassword | Self::Sms | Self::Telephone)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The host's word that it has checked a factor in this login, and how.
///
/// What counts: for any factor the proof of something that the user has, that is a key, a one-time password, a
/// message or a call; a PIN or a fingerprint unlocks a factor and is none alone. For a factor that is
/// phishing-resistant the proof of a key, and nothing beside it that could have been phished
/// (NIST SP 800-63B-4 section 3.2.5). It answers the step of its own factor and no other.
///
/// ```
/// use factorgate::Timestamp;
/// use factorgate::policy::{AuthenticationMethod as Method, ExternalEvidence, ExternalFactor, Step};
///
/// let passkey = ExternalFactor::phishing_resistant("passkey")?;
/// let now = Timestamp::from_secs(1_900_000_000);
/// let checked = ExternalEvidence::assertion(passkey, [Method::HardwareKey, Method::UserPresence], now)?;
/// assert!(checked.answers(Step::External(passkey)));
/// assert!(checked.amr().eq(["hwk", "user"]));
///
/// assert!(ExternalEvidence::assertion(passkey, [Method::OneTimePassword], now).is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExternalEvidence {
    factor: ExternalFactor,
    methods: u16,
    at: Timestamp,
}

impl ExternalEvidence {
    /// Believes the host that it has checked `factor` by `methods` at the time `at`. Search for this in review.
    ///
    /// # Errors
    ///
    /// [`InsufficientEvidence`] if the methods are less than the strength of the factor promises.
    pub fn assertion(
        factor: ExternalFactor,
        methods: impl IntoIterator<Item = AuthenticationMethod>,
        at: Timestamp,
    ) -> Result<Self, InsufficientEvidence> {
        let methods = methods.into_iter().fold(0, |methods, method| methods | method.bit());
        let evidence = Self { factor, methods, at };
        let has = |kind: fn(AuthenticationMethod) -> bool| evidence.methods().any(kind);
        let (key, phished) = (has(AuthenticationMethod::proves_key), has(AuthenticationMethod::can_be_phished));
        let enough = match factor.strength() {
            Strength::Possession => key || phished,
            Strength::PhishingResistant => key && !phished,
        };
        if enough { Ok(evidence) } else { Err(InsufficientEvidence) }
    }

    /// The factor that was checked.
    #[must_use]
    pub fn factor(&self) -> ExternalFactor {
        self.factor
    }

    /// When it was checked.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// How it was checked.
    pub fn methods(&self) -> impl Iterator<Item = AuthenticationMethod> {
        let methods = self.methods;
        AuthenticationMethod::ALL.into_iter().filter(move |method| methods & method.bit() != 0)
    }

    /// The values for `amr` (RFC 8176), in alphabetical order of the methods.
    pub fn amr(&self) -> impl Iterator<Item = &'static str> {
        self.methods().map(AuthenticationMethod::amr)
    }
}

impl fmt::Debug for ExternalEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalEvidence({}", self.factor)?;
        for amr in self.amr() {
            write!(f, ", {amr}")?;
        }
        write!(f, " at {})", self.at.as_secs())
    }
}

/// The methods are less than the strength of the factor promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the methods by which the factor was checked do not prove what its strength promises")]
pub struct InsufficientEvidence;
