//! Notices of changes, to the address of the account.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::minutes;
use crate::policy::ExternalFactor;
use crate::user::EmailAddress;

/// What has happened, and where it is sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoticeMail<'a> {
    /// Where it is sent.
    pub to: &'a EmailAddress,
    /// What has happened.
    pub notice: Notice,
    /// The name of the device that was added or removed, or of the trusted browser, as the user chose it.
    pub name: Option<&'a str>,
    /// The name of the device in whose place another one was added.
    pub replaced: Option<&'a str>,
    /// The name of the product, as the issuer of the engine.
    pub product: &'a str,
}

/// What the user is told of by a way of its own (NIST SP 800-63B-4 section 4.6; OWASP ASVS 5.0, 6.3.5 and 6.3.7).
///
/// ```
/// # fn page(mail: &factorgate::mail::NoticeMail<'_>) -> String {
/// use factorgate::mail::Notice;
///
/// match mail.notice {
///     Notice::DeviceAdded => format!("Neues Gerät: {}", mail.name.unwrap_or_default()),
///     Notice::RecoveryCodeUsed { left } => format!("Noch {left} Wiederherstellungscodes"),
///     other => other.name().to_owned(),
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The address on record is about to be changed. It goes to the old one.
    AddressChangePermitted,
    /// A token of a trusted browser was presented that a use had replaced before: the trust in the browser has ended.
    BrowserTokenReused,
    /// A browser was trusted.
    BrowserTrusted,
    /// A device was registered.
    DeviceAdded,
    /// A device was removed.
    DeviceRemoved,
    /// A device was registered, and another one removed, at once.
    DeviceReplaced,
    /// An external factor was registered.
    FactorAdded {
        /// Which.
        factor: ExternalFactor,
    },
    /// An external factor was removed.
    FactorRemoved {
        /// Which.
        factor: ExternalFactor,
    },
    /// An administrator has removed every device, every other factor, and the recovery codes.
    FactorsReset,
    /// Too many wrong codes were entered after the first factor, in a login, a registration or a step-up (RFC 4226
    /// section 7.2).
    Locked {
        /// For how long nothing is looked at.
        lasts: Duration,
    },
    /// Too many wrong codes were entered after the password: nobody can sign in from a new browser for a long time.
    NewBrowsersBlocked,
    /// A recovery code was used in place of a device.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// New recovery codes are active, and the previous ones no longer work.
    RecoveryCodesRenewed,
    /// New browsers can sign in again, after a password change or by an administrator.
    Unblocked,
}

impl Notice {
    /// Returns the stable name of the notice, such as `device_added`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddressChangePermitted => "address_change_permitted",
            Self::BrowserTokenReused => "browser_token_reused",
            Self::BrowserTrusted => "browser_trusted",
            Self::DeviceAdded => "device_added",
            Self::DeviceRemoved => "device_removed",
            Self::DeviceReplaced => "device_replaced",
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::FactorsReset => "factors_reset",
            Self::Locked { .. } => "locked",
            Self::NewBrowsersBlocked => "new_browsers_blocked",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::Unblocked => "unblocked",
        }
    }
}

impl NoticeMail<'_> {
    pub(super) fn subject(&self) -> String {
        let product = self.product;
        match self.notice {
            Notice::AddressChangePermitted => format!("The e-mail address of your {product} account is being changed"),
            Notice::BrowserTokenReused => format!("A trusted browser of your {product} account may have been copied"),
            Notice::BrowserTrusted => format!("A browser is trusted by your {product} account"),
            Notice::DeviceAdded => format!("A device was added to your {product} account"),
            Notice::DeviceRemoved => format!("A device was removed from your {product} account"),
            Notice::DeviceReplaced => format!("A device of your {product} account was replaced"),
            Notice::FactorAdded { .. } => format!("A factor was added to your {product} account"),
            Notice::FactorRemoved { .. } => format!("A factor was removed from your {product} account"),
            Notice::FactorsReset => format!("The sign-in of your {product} account was reset"),
            Notice::Locked { .. } => format!("Too many wrong codes for your {product} account"),
            Notice::RecoveryCodeUsed { .. } => format!("A recovery code of your {product} account was used"),
            Notice::NewBrowsersBlocked => format!("New browsers are blocked from your {product} account"),
            Notice::RecoveryCodesRenewed => format!("Your {product} account has new recovery codes"),
            Notice::Unblocked => format!("New browsers can sign in to your {product} account again"),
        }
    }

    /// What has happened, and what to do.
    pub(super) fn sentences(&self) -> [String; 2] {
        let product = self.product;
        let (name, replaced) = (self.name.unwrap_or_default(), self.replaced.unwrap_or_default());
        let what = match self.notice {
            Notice::AddressChangePermitted => format!(
                "The e-mail address of your {product} account is being changed. Mails about the account will go to the \
                 new address from now on."
            ),
            Notice::BrowserTokenReused => format!(
                "The sign-in of the trusted browser “{name}” was used a second time at {product}. Somebody may have a \
                 copy of it, or the browser was closed too early. It is no longer trusted, and a code was asked for."
            ),
            Notice::BrowserTrusted => format!(
                "The browser “{name}” was made a trusted one of your {product} account. No code is asked for in it until \
                 the trust ends."
            ),
            Notice::DeviceAdded => {
                format!("The device “{name}” was added to your {product} account. Its codes are asked for from now on.")
            }
            Notice::DeviceRemoved => {
                format!("The device “{name}” was removed from your {product} account. Its codes no longer work.")
            }
            Notice::DeviceReplaced => format!(
                "The device “{name}” has taken the place of “{replaced}” in your {product} account. Codes of \
                 “{replaced}” no longer work."
            ),
            Notice::FactorAdded { factor } => {
                format!("“{factor}” was added to your {product} account. It is asked for from now on.")
            }
            Notice::FactorRemoved { factor } => {
                format!("“{factor}” was removed from your {product} account. It no longer works.")
            }
            Notice::FactorsReset => format!(
                "An administrator has removed every device, every other factor and all recovery codes from your \
                 {product} account. Register a device again with the ticket that you are given."
            ),
            Notice::Locked { lasts } => format!(
                "Someone who knows your password entered wrong codes for your {product} account. In browsers that you have \
                 not signed in with before, no code is accepted for {}, not even a right one.",
                minutes(lasts),
            ),
            Notice::NewBrowsersBlocked => format!(
                "Someone who knows your password entered wrong codes for your {product} account. New browsers are blocked \
                 until you change it. You can still sign in with a browser that you have signed in with before, or with a \
                 recovery code."
            ),
            Notice::RecoveryCodeUsed { left } => format!(
                "A recovery code was used to sign in to your {product} account. {} left. Register a device again, and \
                 then make new recovery codes.",
                match left {
                    0 => "None is".into(),
                    1 => "One is".into(),
                    left => format!("{left} are"),
                }
            ),
            Notice::RecoveryCodesRenewed => {
                format!("New recovery codes were made for your {product} account. The old ones no longer work.")
            }
            Notice::Unblocked => {
                format!(
                    "New browsers can sign in to your {product} account again: its password was changed, or an \
                         administrator has unblocked them."
                )
            }
        };
        let who = format!("the administrators of {product}");
        [what, format!("If this was not you, change your password and call {who} at once.")]
    }
}
