//! The fields of an event: one item of CBOR each, and one value in a log.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use minicbor::encode::Write;
use minicbor::{Decoder, Encoder, data::Type};

use crate::browser::BrowserId;
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

        impl Field for $name {
            fn encode_field<W: Write>(&self, e: &mut Encoder<W>) -> Out<W> {
                e.u8(match self {
                    $(Self::$variant => $code,)*
                })?
                .ok()
            }

            fn decode_field(d: &mut Decoder<'_>) -> Option<Self> {
                Some(match d.u8().ok()? {
                    $($code => Self::$variant,)*
                    _ => return None,
                })
            }

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
    }
}

/// A kind of code or factor.
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

impl Field for Factor {
    fn encode_field<W: Write>(&self, e: &mut Encoder<W>) -> Out<W> {
        e.u8(match self {
            Self::App => 0,
            Self::Email => 1,
            Self::Enrollment => 2,
            Self::Recovery => 3,
            Self::RecoveryConfirmation => 4,
            Self::Ticket => 5,
            Self::External(factor) => return factor.encode(e),
        })?
        .ok()
    }

    fn decode_field(d: &mut Decoder<'_>) -> Option<Self> {
        if d.datatype().ok()? == Type::Array {
            return ExternalFactor::decode(d).map(Self::External);
        }
        Some(match d.u8().ok()? {
            0 => Self::App,
            1 => Self::Email,
            2 => Self::Enrollment,
            3 => Self::Recovery,
            4 => Self::RecoveryConfirmation,
            5 => Self::Ticket,
            _ => return None,
        })
    }

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

pub(super) type Out<W> = Result<(), minicbor::encode::Error<<W as Write>::Error>>;

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

/// A field of an event: one item of CBOR, and one value in a log.
pub(super) trait Field: Sized {
    fn encode_field<W: Write>(&self, e: &mut Encoder<W>) -> Out<W>;
    fn decode_field(d: &mut Decoder<'_>) -> Option<Self>;
    fn shown(&self) -> Shown;
    #[cfg(test)]
    fn sample() -> Self;
}

macro_rules! fields {
    ($($type:ty: $encode:expr, $decode:expr, $shown:expr, $sample:expr;)*) => {$(
        impl Field for $type {
            fn encode_field<W: Write>(&self, e: &mut Encoder<W>) -> Out<W> {
                let encode: fn(&Self, &mut Encoder<W>) -> Out<W> = $encode;
                encode(self, e)
            }

            fn decode_field(d: &mut Decoder<'_>) -> Option<Self> {
                let decode: fn(&mut Decoder<'_>) -> Option<Self> = $decode;
                decode(d)
            }

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
    bool: |value, e| e.bool(*value)?.ok(), |d| d.bool().ok(), |value| Shown::Flag(*value), true;
    u32: |value, e| e.u32(*value)?.ok(), |d| d.u32().ok(), |value| Shown::Number((*value).into()), u32::MAX;
    BrowserId: |id, e| e.u64(id.get())?.ok(), |d| d.u64().ok().map(BrowserId::new), |id| Shown::Text(id.to_string()),
        BrowserId::new(7);
    DeviceId: |id, e| e.u64(id.get())?.ok(), |d| d.u64().ok().map(DeviceId::new), |id| Shown::Text(id.to_string()),
        DeviceId::new(8);
    DenyReason: |reason, e| e.u8(*reason as u8)?.ok(), |d| DenyReason::from_number(d.u8().ok()?),
        |reason| Shown::Text(reason.name().to_string()), DenyReason::NoUsableEmail;
    EmailAddress: |address, e| e.str(address.as_str())?.ok(), |d| EmailAddress::new(d.str().ok()?).ok(),
        |address| Shown::Text(address.masked()), EmailAddress::new("alice@example.com").unwrap();
    ExternalFactor: |factor, e| factor.encode(e), ExternalFactor::decode, |factor| Shown::Text(factor.name().to_string()),
        ExternalFactor::phishing_resistant("passkey").unwrap();
    Step: |step, e| step.encode(e), Step::decode, |step| Shown::Text(step.name()), Step::External(Field::sample());
    Timestamp: |at, e| e.u64(at.as_secs())?.ok(), |d| d.u64().ok().map(Timestamp::from_secs),
        |at| Shown::Number(at.as_secs()), Timestamp::from_secs(9);
    UserId: |user, e| e.str(user.as_str())?.ok(), |d| UserId::new(d.str().ok()?).ok(),
        |user| Shown::Text(user.to_string()), UserId::new("root").unwrap();
}

impl Field for Option<UserId> {
    fn encode_field<W: Write>(&self, e: &mut Encoder<W>) -> Out<W> {
        match self {
            Some(user) => user.encode_field(e),
            None => e.null()?.ok(),
        }
    }

    fn decode_field(d: &mut Decoder<'_>) -> Option<Self> {
        match d.datatype().ok()? {
            Type::Null => d.null().ok().map(|()| None),
            _ => UserId::decode_field(d).map(Some),
        }
    }

    fn shown(&self) -> Shown {
        self.as_ref().map_or(Shown::Nothing, Field::shown)
    }

    #[cfg(test)]
    fn sample() -> Self {
        None
    }
}
