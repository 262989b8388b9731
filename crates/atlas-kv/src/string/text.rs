//! A string's bytes, however it is kept.

use std::ops::Deref;

use crate::Error;
use crate::context::{Context, Sought};
use crate::number::Decimal;
use crate::value::ValueRef;
use crate::view::View;

/// The bytes of a string: where they lie, or the decimal form of an integer.
#[derive(Debug)]
pub(crate) enum Text<'a> {
    /// As they lie.
    Here(&'a [u8]),
    /// Of an integer.
    Decimal(Decimal),
}

impl<'a> Text<'a> {
    /// The bytes of a value, if it is a string.
    pub(crate) fn of(value: ValueRef<'a>) -> Result<Self, Error> {
        match value {
            ValueRef::String(bytes) => Ok(Self::Here(bytes)),
            ValueRef::Integer(integer) => Ok(Self::Decimal(Decimal::new(integer))),
            ValueRef::Object(_) => Err(Error::WrongType),
        }
    }
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Decimal(decimal) => decimal.as_bytes(),
        }
    }
}

impl<'a> View<'a> {
    /// The string at a key.
    pub(crate) fn string(&self, key: &[u8]) -> Result<Option<Text<'a>>, Error> {
        self.entry(key)
            .map(|entry| Text::of(entry.value()))
            .transpose()
    }
}

impl Context<'_> {
    /// The string that [`Self::seek`] found.
    pub(crate) fn string_at(&self, sought: Sought) -> Result<Option<Text<'_>>, Error> {
        self.value_at(sought).map(Text::of).transpose()
    }

    /// The string at a key, before a change. A key whose time has come is removed.
    pub(crate) fn string(&mut self, key: &[u8]) -> Result<Option<Text<'_>>, Error> {
        self.entry(key)
            .map(|entry| Text::of(entry.value()))
            .transpose()
    }
}
