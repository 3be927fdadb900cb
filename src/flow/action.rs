//! What the user submits.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

use crate::device::DeviceId;

/// One request of the user in an open flow. Its variants follow [`Step`](crate::policy::Step).
///
/// With the feature `serde` it is read from a request as it is: `{"action": "app_code", "code": "123 456"}`. A factor that
/// the host verifies is not among the variants, so that no client can claim one: see
/// [`Mfa::assert_external`](crate::Mfa::assert_external).
///
/// ```
/// # async fn step<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, flow: &factorgate::FlowRef<factorgate::Login>, policy: &factorgate::policy::Policy,
/// # ) -> Result<(), factorgate::MfaError<S, M>> {
/// use factorgate::Action;
///
/// let outcome = mfa.submit(flow, policy, Action::EmailCode { code: "8941 6521".into() }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(tag = "action", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Action {
    /// Verifies a code of an authenticator app.
    AppCode {
        /// The code as typed.
        code: Typed,
        /// The device whose code it is, if the user chose one. Without it the code is compared with every device, and a
        /// wrong one costs one attempt for each of them.
        #[cfg_attr(feature = "serde", serde(default))]
        device: Option<DeviceId>,
    },
    /// Ends the flow.
    Cancel,
    /// Confirms the registration of an app with its first code.
    ConfirmApp {
        /// The code as typed.
        code: Typed,
        /// The name of the device. Default: "Smartphone". A name that no device can have is
        /// [`Refusal::InvalidName`](crate::Refusal::InvalidName).
        #[cfg_attr(feature = "serde", serde(default))]
        name: Option<String>,
    },
    /// Verifies an e-mail code: for [`Step::EmailCode`](crate::policy::Step::EmailCode) and
    /// [`Step::VerifyEmail`](crate::policy::Step::VerifyEmail).
    EmailCode {
        /// The code as typed.
        code: Typed,
    },
    /// Verifies a recovery code, of this library or an imported one.
    RecoveryCode {
        /// The code as typed.
        code: Typed,
    },
    /// Shows a new secret for an app, or again the one that was shown in this flow.
    RegisterApp {
        /// The device that the new one replaces once it is confirmed.
        #[cfg_attr(feature = "serde", serde(default))]
        replace: Option<DeviceId>,
    },
    /// Sends an e-mail code, or a new one in its place.
    SendEmailCode,
    /// Redeems an administrator's ticket.
    Ticket {
        /// The ticket as typed.
        code: Typed,
    },
}

/// What the user typed into a form: kept as text, hidden in `Debug`, wiped on drop.
///
/// The engine parses it. Text that no code can have is [`Refusal::Malformed`](crate::Refusal::Malformed) and costs no
/// attempt.
///
/// ```
/// use factorgate::login::Typed;
///
/// let typed = Typed::from("123 456");
/// assert_eq!(format!("{typed:?}"), "Typed(7 bytes)");
/// ```
pub struct Typed(Zeroizing<String>);

impl Typed {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({} bytes)", self.0.len())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Typed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
