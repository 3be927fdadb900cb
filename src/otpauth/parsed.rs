//! What a Key URI says.

use alloc::vec::Vec;

use super::{AccountName, Issuer};
use crate::otp::{Hotp, Totp};
use crate::secret::Secret;

/// What a Key URI says, or an entry of an export (feature `migration`), and what was overlooked in it.
#[derive(Debug)]
pub struct ParsedKeyUri {
    pub(super) account: AccountName,
    pub(super) issuer: Option<Issuer>,
    pub(super) label_issuer: Option<Issuer>,
    pub(super) parameters: KeyParameters,
    pub(super) secret: Secret,
    pub(super) tolerated: Vec<Tolerated>,
    pub(super) has_image: bool,
    pub(super) uri_len: usize,
}

impl ParsedKeyUri {
    /// Whose code it is.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// Who asks for the code: the parameter `issuer`, or else the issuer before the account.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref().or(self.label_issuer.as_ref())
    }

    /// The issuer before the account, which some apps show in place of the parameter.
    #[must_use]
    pub fn label_issuer(&self) -> Option<&Issuer> {
        self.label_issuer.as_ref()
    }

    /// Whether the issuer before the account and the parameter are both there and differ, so that apps
    /// disagree about which to show.
    #[must_use]
    pub fn has_two_issuers(&self) -> bool {
        matches!((&self.issuer, &self.label_issuer), (Some(one), Some(other)) if one != other)
    }

    /// What kind of code it is, and its parameters.
    #[must_use]
    pub fn parameters(&self) -> KeyParameters {
        self.parameters
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The secret, to be kept.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.secret
    }

    /// What was overlooked, each once and in the order of [`Tolerated`]; empty for all that [`KeyUri`](super::KeyUri)
    /// writes, unless the secret is short.
    #[must_use]
    pub fn tolerated(&self) -> &[Tolerated] {
        &self.tolerated
    }
}

/// The two kinds of codes that a Key URI can describe.
///
/// ```
/// use factorgate::otpauth::{KeyParameters, KeyUri};
///
/// let uri = KeyUri::parse("otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME")?;
/// match uri.parameters() {
///     KeyParameters::Totp(totp) => assert_eq!(totp.period_secs(), 30),
///     KeyParameters::Hotp { counter, .. } => println!("the next counter is {counter}"),
///     _ => println!("another kind"),
/// }
/// # Ok::<_, factorgate::otpauth::InvalidKeyUri>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyParameters {
    /// A counter-based code.
    Hotp {
        /// Its parameters.
        hotp: Hotp,
        /// The counter of the next code.
        counter: u64,
    },
    /// A time-based code.
    Totp(Totp),
}

/// What is not as a careful writer writes it and was read all the same. Where readers are known to disagree, it is told
/// about what.
///
/// ```
/// use factorgate::otpauth::{KeyUri, Tolerated};
///
/// let uri = KeyUri::parse_lenient("otpauth://totp/alice?secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq")?;
/// assert_eq!(uri.tolerated(), [Tolerated::LowerCase]);
/// # Ok::<_, factorgate::otpauth::InvalidKeyUri>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tolerated {
    /// The algorithm in lower case or with a hyphen. Some readers refuse it.
    AlgorithmSpelling,
    /// A counter beside a time-based code. It was ignored.
    Counter,
    /// An empty issuer, before the account or as a parameter. It was taken as none. (Only leniently.)
    EmptyIssuer,
    /// `%3A` between issuer and account. Some readers do not see the issuer.
    EscapedColon,
    /// The issuer before the account and the parameter differ. Readers disagree about which counts.
    IssuerMismatch,
    /// A number that begins with a zero.
    LeadingZero,
    /// The secret has letters in lower case.
    LowerCase,
    /// White space around a name. It was dropped.
    NameSpace,
    /// The secret is padded. Some readers refuse it.
    Padding,
    /// The name of a parameter in upper case or with an escape. Some readers overlook the parameter.
    ParameterName,
    /// A period beside a counter-based code. It was ignored.
    Period,
    /// A `+` in the parameter `issuer`. Readers disagree whether it is a space.
    Plus,
    /// The scheme or the type in upper case. Some readers refuse it.
    SchemeOrType,
    /// Spaces or hyphens within the secret. They were dropped. (Only leniently.)
    SecretSeparators,
    /// The secret is shorter than [`Secret::MIN_LEN`]. (Only leniently.)
    ShortSecret,
    /// Bits are left over in the last letter of the secret and are not zero. They were dropped, as all readers do that do
    /// not refuse it. (Only leniently.)
    TrailingBits,
    /// A space, or another character that must be encoded, stands as it is. (Only leniently.)
    Unencoded,
    /// A parameter that is not known. It was ignored.
    UnknownParameter,
    /// An entry of a migration says nothing of the algorithm, and SHA-1 was taken.
    UnspecifiedAlgorithm,
    /// An entry of a migration says nothing of the digits, and six were taken.
    UnspecifiedDigits,
}
