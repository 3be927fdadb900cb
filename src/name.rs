//! Ids, and names that a user chooses: one macro each.

/// A number that names something of one user. Text in a form, a URL and JSON, where a number of 64 bits would lose digits.
macro_rules! id {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(u64);

        impl $id {
            /// Takes the number from a form or a URL. An id that names nothing is refused where it is used.
            #[must_use]
            pub const fn new(id: u64) -> Self {
                Self(id)
            }

            /// Returns the number, for a form or a URL.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

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

/// A name of 1 to 64 bytes without control characters, and why a text is none.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $invalid:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $name(alloc::boxed::Box<str>);

        impl $name {
            /// The longest name, in bytes.
            pub const MAX_LEN: usize = 64;

            /// Takes a name of 1 to 64 bytes, without the white space around it.
            ///
            /// # Errors
            ///
            /// Says which rule the name breaks.
            pub fn new(name: &str) -> Result<Self, $invalid> {
                let name = name.trim();
                if name.is_empty() {
                    return Err($invalid::Empty);
                }
                if name.len() > Self::MAX_LEN {
                    return Err($invalid::TooLong);
                }
                if name.chars().any(char::is_control) {
                    return Err($invalid::ControlCharacter);
                }
                Ok(Self(name.into()))
            }

            /// Returns the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        #[doc = concat!("Why a text is no [`", stringify!($name), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $invalid {
            /// It contains a control character.
            #[error("the name of a {} contains a control character; remove it", $what)]
            ControlCharacter,
            /// It is empty, or white space alone.
            #[error("the name of a {} is empty; enter 1 to 64 bytes", $what)]
            Empty,
            /// It is longer than 64 bytes.
            #[error("the name of a {} is longer than 64 bytes; shorten it", $what)]
            TooLong,
        }
    };
}

pub(crate) use {id, name};
