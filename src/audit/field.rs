//! The fields of an event.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use crate::browser::BrowserId;
use crate::cbor::{items, variants};
use crate::device::DeviceId;
use crate::policy::{DenyReason, ExternalFactor, Step};
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

macro_rules! causes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        items! {
            $name as u8: |cause| match cause {
                $(Self::$variant => $code,)*
            },
            |code| match code {
                $($code => Some(Self::$variant),)*
                _ => None,
            };
        }

        impl Field for $name {
            fn shown(&self) -> Shown {
                Shown::Text(match self {
                    $(Self::$variant => $text,)*
                }.to_string())
            }

            #[cfg(test)]
            fn sample() -> Self {
                [$(Self::$variant),*][0]
            }
        }
    };
}

causes! {
    /// Why a code was refused.
    CodeFault {
        /// It was right, but too late.
        Expired = 0 "expired",
        /// There was none to compare it with.
        NoneOutstanding = 1 "none_outstanding",
        /// It was right, and used before.
        Replayed = 2 "replayed",
        /// It was right until a newer one was sent.
        Superseded = 3 "superseded",
        /// It was wrong.
        Wrong = 4 "wrong",
    }
}

causes! {
    /// Why the sessions of a user ended.
    SessionsEnd {
        /// The host reported that the row of the user has changed.
        AccountChanged = 0 "account_changed",
        /// An administrator, or the host, ended them.
        Administrator = 1 "administrator",
        /// The host reported a new password.
        PasswordChanged = 2 "password_changed",
        /// The user ended every other session.
        User = 3 "user",
    }
}

causes! {
    /// Why the trust in a browser ended.
    TrustEnd {
        /// The row of the user has changed.
        AccountChanged = 0 "account_changed",
        /// Another browser took its place.
        Displaced = 1 "displaced",
        /// A token was presented that a use had replaced before: somebody has a copy of the cookie, or the browser never
        /// got the answer.
        Reused = 2 "reused",
        /// The user ended the trust.
        Revoked = 3 "revoked",
        /// The policy requires more than when the browser was trusted, or no longer allows trusted browsers.
        StricterPolicy = 4 "stricter_policy",
        /// Too many wrong codes were entered with its token.
        WrongCodes = 5 "wrong_codes",
    }
}

/// A kind of code or factor.
///
/// ```
/// # fn count(event: &factorgate::audit::Event, wrong_app_codes: &mut u64) {
/// use factorgate::audit::{CodeFault, EventKind, Factor};
///
/// if let EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Wrong } = event.kind {
///     *wrong_app_codes += 1;
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Factor {
    /// A code of an authenticator app.
    App,
    /// An e-mail code.
    Email,
    /// The code that confirms a registration.
    Enrollment,
    /// An external factor.
    External(ExternalFactor),
    /// A recovery code.
    Recovery,
    /// The recovery code that confirms new ones.
    RecoveryConfirmation,
    /// An administrator's ticket.
    Ticket,
}

variants! { C in Factor, up to 0;
    App = 0;
    Email = 1;
    Enrollment = 2;
    Recovery = 3;
    RecoveryConfirmation = 4;
    Ticket = 5;
    External = 6 { 0: factor };
}

impl Field for Factor {
    fn shown(&self) -> Shown {
        Shown::Text(match self {
            Self::App => "app".into(),
            Self::Email => "email".into(),
            Self::Enrollment => "enrollment".into(),
            Self::External(factor) => format!("external:{factor}"),
            Self::Recovery => "recovery".into(),
            Self::RecoveryConfirmation => "recovery_confirmation".into(),
            Self::Ticket => "ticket".into(),
        })
    }

    #[cfg(test)]
    fn sample() -> Self {
        Self::External(Field::sample())
    }
}

/// A value of an event, as it is shown.
pub(super) enum Shown {
    Flag(bool),
    Number(u64),
    Text(String),
    Nothing,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            // A name can contain any character but control characters: quote what could end the value.
            Self::Text(value) if value.contains([' ', '"', '=']) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::Nothing => Ok(()),
        }
    }
}

/// A field of an event, as a log shows it.
pub(super) trait Field: Sized {
    fn shown(&self) -> Shown;
    #[cfg(test)]
    fn sample() -> Self;
}

macro_rules! fields {
    ($($type:ty: $shown:expr, $sample:expr;)*) => {$(
        impl Field for $type {
            fn shown(&self) -> Shown {
                let shown: fn(&Self) -> Shown = $shown;
                shown(self)
            }

            #[cfg(test)]
            fn sample() -> Self {
                $sample
            }
        }
    )*};
}

fields! {
    bool: |value| Shown::Flag(*value), true;
    u32: |value| Shown::Number((*value).into()), u32::MAX;
    BrowserId: |id| Shown::Text(id.to_string()), Self::new(7);
    DeviceId: |id| Shown::Text(id.to_string()), Self::new(8);
    DenyReason: |reason| Shown::Text(reason.name().to_string()), Self::NoUsableEmail;
    EmailAddress: |address| Shown::Text(address.masked()), Self::new("alice@example.com").unwrap();
    ExternalFactor: |factor| Shown::Text(factor.name().to_string()), Self::phishing_resistant("passkey").unwrap();
    Option<UserId>: |user| user.as_ref().map_or(Shown::Nothing, Field::shown), None;
    Step: |step| Shown::Text(step.name()), Self::External(Field::sample());
    Timestamp: |at| Shown::Number(at.as_secs()), Self::from_secs(9);
    UserId: |user| Shown::Text(user.to_string()), Self::new("root").unwrap();
}
