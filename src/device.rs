//! Authenticator apps: their ids, names and facts, never their secrets.

use alloc::boxed::Box;
use core::fmt;

use crate::time::Timestamp;

/// Names one device of one user. It is never given to another device of the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(u64);

impl DeviceId {
    /// The device as a form or an URL names it; an id that names no device is refused where it is used.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number, for a form or an URL.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Text and serde of an id, which is a number: text in a form, an URL or JSON.
macro_rules! id_text {
    ($id:ident) => {
        impl core::str::FromStr for $id {
            type Err = core::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl core::fmt::Display for $id {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = alloc::string::String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use id_text;

id_text!(DeviceId);

/// What a user calls a device.
///
/// ```
/// use factorgate::device::DeviceName;
///
/// assert_eq!(DeviceName::new(" Alice's Pixel ")?.as_str(), "Alice's Pixel");
/// # Ok::<_, factorgate::device::InvalidDeviceName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct DeviceName(Box<str>);

impl DeviceName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Takes a name of 1 to [`DeviceName::MAX_LEN`] bytes, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidDeviceName`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidDeviceName> {
        let name = name.trim();
        if name.is_empty() {
            return Err(InvalidDeviceName::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(InvalidDeviceName::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidDeviceName::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DeviceName {
    fn default() -> Self {
        Self("Smartphone".into())
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`DeviceName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDeviceName {
    /// It holds a control character.
    #[error("the name of a device may hold no control character")]
    ControlCharacter,
    /// It is empty or white space.
    #[error("the name of a device may not be empty")]
    Empty,
    /// It is longer than [`DeviceName::MAX_LEN`].
    #[error("the name of a device may be at most 64 bytes long")]
    TooLong,
}

/// A registered device, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Which device it is.
    pub id: DeviceId,
    /// What its user calls it.
    pub name: DeviceName,
    /// When its registration was confirmed.
    pub added_at: Timestamp,
    /// When a code of it was last accepted at a login.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was disabled by 100 consecutive wrong codes (NIST SP 800-63B-4 section 3.2.2).
    pub disabled: bool,
}
