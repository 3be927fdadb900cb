//! Values as CBOR (RFC 8949), and back. Both directions of a type stand together.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use minicbor::bytes::ByteSlice;
use minicbor::data::Type;
use minicbor::encode::{Error, Write};
use minicbor::{Decoder, Encoder};

use crate::browser::{BrowserId, BrowserName};
use crate::device::{DeviceId, DeviceName};
use crate::keys::KeyId;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

pub(crate) type Out<W> = Result<(), Error<<W as Write>::Error>>;

/// A value that is one item of CBOR. `C` is what the value refers to.
pub(crate) trait Cbor<C = ()>: Sized {
    /// How many of these a list can have.
    const MOST: usize = 0;

    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W>;

    /// Reads what [`Cbor::write`] writes; anything else is `None`.
    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self>;
}

/// Types that are written as an item that `minicbor` knows, in lists of at most `$most`.
macro_rules! items {
    ($($type:ty $([$most:expr])? as $item:ty: $write:expr, $read:expr;)+) => {$(
        impl<C> $crate::cbor::Cbor<C> for $type {
            $(const MOST: usize = $most;)?

            fn write<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &C,
            ) -> $crate::cbor::Out<W> {
                let write: fn(&Self) -> $item = $write;
                e.encode(write(self))?.ok()
            }

            fn read(d: &mut minicbor::Decoder<'_>, _: &C) -> Option<Self> {
                let read: fn($item) -> Option<Self> = $read;
                read(d.decode().ok()?)
            }
        }
    )+};
}

/// Structures that are written as an array of all their fields, in the order given, in lists of at most `$most`.
macro_rules! arrays {
    (for $cx:ty: $($type:ident $([$most:expr])? { $($field:ident),+ $(,)? })+) => {$(
        impl $crate::cbor::Cbor<$cx> for $type {
            $(const MOST: usize = $most;)?

            fn write<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                cx: &$cx,
            ) -> $crate::cbor::Out<W> {
                let Self { $($field),+ } = self;
                e.array([$(stringify!($field)),+].len() as u64)?;
                $($crate::cbor::Cbor::write($field, e, cx)?;)+
                Ok(())
            }

            fn read(d: &mut minicbor::Decoder<'_>, cx: &$cx) -> Option<Self> {
                $crate::cbor::array(d, [$(stringify!($field)),+].len() as u64)?;
                Some(Self { $($field: $crate::cbor::Cbor::read(d, cx)?),+ })
            }
        }
    )+};
}

/// Enums that are written as an array of the variant's number and its fields.
macro_rules! variants {
    ($cx:ident in $type:ident $(where $bound:ty)?, up to $most:expr; $($variant:ident = $number:literal $({ $($field:tt: $name:ident),+ })?;)+) => {
        impl<$cx> $crate::cbor::Cbor<$cx> for $type $(where $bound: $crate::cbor::Cbor<$cx>)? {
            const MOST: usize = $most;

            fn write<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                cx: &$cx,
            ) -> $crate::cbor::Out<W> {
                let _ = cx;
                match self {
                    $(Self::$variant $({ $($field: $name),+ })? => {
                        e.array(1 $(+ [$(stringify!($name)),+].len() as u64)?)?.u8($number)?;
                        $($($crate::cbor::Cbor::write($name, e, cx)?;)+)?
                    })+
                }
                Ok(())
            }

            fn read(d: &mut minicbor::Decoder<'_>, cx: &$cx) -> Option<Self> {
                let _ = cx;
                let fields = d.array().ok()??.checked_sub(1)?;
                let (value, expected) = match d.u8().ok()? {
                    $($number => (
                        Self::$variant $({ $($field: $crate::cbor::Cbor::read(d, cx)?),+ })?,
                        0 $(+ [$(stringify!($name)),+].len() as u64)?,
                    ),)+
                    _ => return None,
                };
                (fields == expected).then_some(value)
            }
        }
    };
}

pub(crate) use {arrays, items, variants};

items! {
    bool as bool: |value| *value, Some;
    u8 as u8: |value| *value, Some;
    u32 as u32: |value| *value, Some;
    u64 as u64: |value| *value, Some;
    BrowserId as u64: |id| id.get(), |id| Some(Self::new(id));
    BrowserName as &str: Self::as_str, |name| Self::new(name).ok();
    DeviceId as u64: |id| id.get(), |id| Some(Self::new(id));
    DeviceName as &str: Self::as_str, |name| Self::new(name).ok();
    // What was imported may be short.
    Secret as &ByteSlice: |secret| secret.expose_secret().into(), |bytes| Self::from_legacy_bytes(bytes).ok();
    // The only names that are kept as text are those of devices and browsers.
    String as &str: |text| text, |text| (text.len() <= DeviceName::MAX_LEN).then(|| text.to_owned());
    Timestamp as u64: |at| at.as_secs(), |secs| Some(Self::from_secs(secs));
    UserId as &str: Self::as_str, |id| Self::new(id).ok();
}

impl Cbor for EmailAddress {
    fn write<W: Write>(&self, e: &mut Encoder<W>, _: &()) -> Out<W> {
        e.str(self.as_str())?.ok()
    }

    fn read(d: &mut Decoder<'_>, _: &()) -> Option<Self> {
        Self::new(d.str().ok()?).ok()
    }
}

impl<C, const N: usize> Cbor<C> for [u8; N] {
    fn write<W: Write>(&self, e: &mut Encoder<W>, _: &C) -> Out<W> {
        e.bytes(self)?.ok()
    }

    fn read(d: &mut Decoder<'_>, _: &C) -> Option<Self> {
        d.bytes().ok()?.try_into().ok()
    }
}

impl<C> Cbor<C> for KeyId {
    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        self.0.write(e, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        Cbor::read(d, cx).map(Self)
    }
}

impl<C, A: Cbor<C>, B: Cbor<C>> Cbor<C> for (A, B) {
    const MOST: usize = B::MOST;

    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        self.0.write(e.array(2)?, cx)?;
        self.1.write(e, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        array(d, 2)?;
        Some((A::read(d, cx)?, B::read(d, cx)?))
    }
}

/// `None` is null.
impl<C, T: Cbor<C>> Cbor<C> for Option<T> {
    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        match self {
            Some(value) => value.write(e, cx),
            None => e.null()?.ok(),
        }
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        match d.datatype().ok()? {
            Type::Null => d.null().ok().map(|()| None),
            _ => T::read(d, cx).map(Some),
        }
    }
}

impl<C, T: Cbor<C>> Cbor<C> for Vec<T> {
    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        list(e, self, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        let len = usize::try_from(d.array().ok()??).ok().filter(|len| *len <= T::MOST)?;
        (0..len).map(|_| T::read(d, cx)).collect()
    }
}

/// Writes what [`Vec`] reads.
pub(crate) fn list<'a, C, T: Cbor<C> + 'a, W: Write>(
    e: &mut Encoder<W>,
    items: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    cx: &C,
) -> Out<W> {
    let items = items.into_iter();
    e.array(items.len() as u64)?;
    items.into_iter().try_for_each(|item| item.write(e, cx))
}

/// Reads the head of an array of `len` items.
pub(crate) fn array(d: &mut Decoder<'_>, len: u64) -> Option<()> {
    (d.array().ok()? == Some(len)).then_some(())
}
