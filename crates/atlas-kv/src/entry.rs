//! A key with what it holds.

use std::cell::Cell;

use crate::codec::{LoadError, Reader, put_bytes, put_signed};
use crate::number;
use crate::paged::Item;
use crate::slice::ObjectId;
use crate::value::{Object, Value, ValueRef};

/// Strings up to this many bytes lie behind their key, in the key's own allocation.
const BESIDE_BYTES_MAX: usize = 1024;

/// Tags of values in an entry's bytes.
mod tag {
    pub(super) const STRING: u8 = 0;
    pub(super) const INTEGER: u8 = 1;
    pub(super) const SMALL: u8 = 2;
    pub(super) const LARGE: u8 = 3;
}

/// A key with its value, when it expires, and when or how often it was used.
///
/// A million of these is what a store's memory goes to, so a short string shares one allocation with its key.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key, and behind it the value if it is [`Held::Beside`].
    bytes: Box<[u8]>,
    key_bytes: u32,
    /// The last use or the frequency of uses; belongs to this node, not to the state.
    access: Cell<u32>,
    /// Milliseconds since 1970; 0 is never.
    expire_ms: i64,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The rest of the entry's bytes.
    Beside,
    /// A string that is the decimal form of this integer.
    Integer(i64),
    /// A longer string, or one that grows.
    #[expect(
        clippy::box_collection,
        reason = "the entry stays small: most strings lie beside their key"
    )]
    Apart(Box<Vec<u8>>),
    /// A collection.
    Object(Box<Object>),
}

impl Entry {
    pub(crate) fn new(key: &[u8], value: Value) -> Self {
        let mut entry = Self {
            bytes: key.into(),
            key_bytes: u32::try_from(key.len()).unwrap_or(u32::MAX),
            access: Cell::new(0),
            expire_ms: 0,
            held: Held::Beside,
        };
        entry.set(value);
        entry
    }

    /// An entry that holds a string as it came.
    pub(crate) fn of_string(key: &[u8], value: &[u8]) -> Self {
        let mut entry = Self {
            bytes: Box::default(),
            key_bytes: u32::try_from(key.len()).unwrap_or(u32::MAX),
            access: Cell::new(0),
            expire_ms: 0,
            held: Held::Beside,
        };
        if let Some(integer) = number::integer(value) {
            entry.bytes = key.into();
            entry.held = Held::Integer(integer);
        } else if value.len() <= BESIDE_BYTES_MAX {
            entry.bytes = joined(key, value);
        } else {
            entry.bytes = key.into();
            entry.held = Held::Apart(Box::new(value.to_vec()));
        }
        entry
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes
            .get(..self.key_bytes as usize)
            .unwrap_or_default()
    }

    pub(crate) fn value(&self) -> ValueRef<'_> {
        match &self.held {
            Held::Beside => ValueRef::String(
                self.bytes
                    .get(self.key_bytes as usize..)
                    .unwrap_or_default(),
            ),
            Held::Integer(integer) => ValueRef::Integer(*integer),
            Held::Apart(bytes) => ValueRef::String(bytes),
            Held::Object(object) => ValueRef::Object(object),
        }
    }

    /// The collection, to be changed.
    pub(crate) fn object_mut(&mut self) -> Option<&mut Object> {
        match &mut self.held {
            Held::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The string, to be changed in place, if it is one; numbers become text.
    pub(crate) fn string_mut(&mut self) -> Option<&mut Vec<u8>> {
        let text = match &self.held {
            Held::Object(_) => return None,
            Held::Apart(_) => None,
            Held::Integer(integer) => Some(number::Decimal::new(*integer).as_bytes().to_vec()),
            Held::Beside => {
                let text = self.bytes.get(self.key_bytes as usize..);
                let text = text.unwrap_or_default().to_vec();
                self.bytes = self.key().into();
                Some(text)
            }
        };
        if let Some(text) = text {
            self.held = Held::Apart(Box::new(text));
        }
        match &mut self.held {
            Held::Apart(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Replaces the value and returns a collection that lay there.
    pub(crate) fn set(&mut self, value: Value) -> Option<Box<Object>> {
        match value {
            Value::String(bytes) if bytes.len() <= BESIDE_BYTES_MAX => {
                let old = std::mem::replace(&mut self.held, Held::Beside);
                self.bytes = joined(self.key(), &bytes);
                old.into_object()
            }
            Value::String(bytes) => self.hold(Held::Apart(Box::new(bytes))),
            Value::Integer(integer) => self.hold(Held::Integer(integer)),
            Value::Object(object) => self.hold(Held::Object(object)),
        }
    }

    /// Replaces the value by a string as it came.
    pub(crate) fn set_string(&mut self, value: &[u8]) -> Option<Box<Object>> {
        if let Some(integer) = number::integer(value) {
            return self.hold(Held::Integer(integer));
        }
        if value.len() > BESIDE_BYTES_MAX {
            return self.hold(Held::Apart(Box::new(value.to_vec())));
        }
        let old = std::mem::replace(&mut self.held, Held::Beside);
        let key_bytes = self.key_bytes as usize;
        if self.bytes.len() == key_bytes + value.len() {
            // Same length: the allocation stays.
            self.bytes[key_bytes..].copy_from_slice(value);
        } else {
            self.bytes = joined(self.key(), value);
        }
        old.into_object()
    }

    /// Takes the value out of an entry that is being removed.
    pub(crate) fn into_value(self) -> Value {
        match self.held {
            Held::Beside => {
                let value = self.bytes.get(self.key_bytes as usize..);
                Value::String(value.unwrap_or_default().to_vec())
            }
            Held::Integer(integer) => Value::Integer(integer),
            Held::Apart(bytes) => Value::String(*bytes),
            Held::Object(object) => Value::Object(object),
        }
    }

    /// When the entry expires, in milliseconds since 1970.
    pub(crate) fn expire_ms(&self) -> Option<i64> {
        (self.expire_ms != 0).then_some(self.expire_ms)
    }

    pub(crate) fn set_expire_ms(&mut self, expire_ms: Option<i64>) {
        // Zero stands for never; what expired in 1970 may as well have done so a millisecond later.
        self.expire_ms =
            expire_ms.map_or(0, |expire_ms| if expire_ms == 0 { 1 } else { expire_ms });
    }

    pub(crate) fn is_expired(&self, now_ms: i64) -> bool {
        self.expire_ms != 0 && self.expire_ms <= now_ms
    }

    pub(crate) fn access(&self) -> u32 {
        self.access.get()
    }

    pub(crate) fn set_access(&self, access: u32) {
        self.access.set(access);
    }

    /// About how many bytes the entry takes, its value included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let held = match &self.held {
            Held::Beside | Held::Integer(_) => 0,
            Held::Apart(bytes) => size_of::<Vec<u8>>() + bytes.capacity(),
            Held::Object(object) => object.memory_bytes(),
        };
        size_of::<Self>() + self.bytes.len() + held
    }

    /// Reads what [`Item::encode`] wrote; `referred` becomes the name and head of a collection whose pages come in blocks
    /// of their own.
    pub(crate) fn load(
        reader: &mut Reader<'_>,
        referred: &mut Option<(ObjectId, Vec<u8>)>,
    ) -> Result<Self, LoadError> {
        let key = reader.bytes("a key")?;
        let expire_ms = reader.signed("an expiry")?;
        let mut entry = match reader.byte("a value's tag")? {
            tag::STRING => {
                let value = reader.bytes("a string")?;
                Self::new(key, Value::String(value.to_vec()))
            }
            tag::INTEGER => Self::new(key, Value::Integer(reader.signed("a number")?)),
            tag::SMALL => {
                let object = ObjectId::decode(reader)?;
                let object = Object::decode_small(reader, object)?;
                Self::new(key, Value::Object(Box::new(object)))
            }
            tag::LARGE => {
                let object = ObjectId::decode(reader)?;
                let head = reader.bytes("a collection's head")?;
                *referred = Some((object, head.to_vec()));
                Self::new(key, Value::Integer(0))
            }
            _ => return Err(reader.impossible("a value of no known kind")),
        };
        entry.expire_ms = expire_ms;
        Ok(entry)
    }

    fn hold(&mut self, held: Held) -> Option<Box<Object>> {
        if matches!(self.held, Held::Beside) && self.bytes.len() > self.key_bytes as usize {
            self.bytes = self.key().into();
        }
        std::mem::replace(&mut self.held, held).into_object()
    }
}

impl Held {
    fn into_object(self) -> Option<Box<Object>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl Item for Entry {
    fn encode(&mut self, out: &mut Vec<u8>, epoch: u32) {
        put_bytes(out, self.key());
        put_signed(out, self.expire_ms);
        match &mut self.held {
            Held::Beside => {
                out.push(tag::STRING);
                let value = self.bytes.get(self.key_bytes as usize..);
                put_bytes(out, value.unwrap_or_default());
            }
            Held::Apart(bytes) => {
                out.push(tag::STRING);
                put_bytes(out, bytes);
            }
            Held::Integer(integer) => {
                out.push(tag::INTEGER);
                put_signed(out, *integer);
            }
            Held::Object(object) if object.is_small() => {
                out.push(tag::SMALL);
                object.object().encode(out);
                object.encode_small(out, epoch);
            }
            Held::Object(object) => {
                out.push(tag::LARGE);
                object.object().encode(out);
                let mut head = Vec::new();
                object.encode_head(&mut head);
                put_bytes(out, &head);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let mut referred = None;
        let entry = Self::load(reader, &mut referred)?;
        match referred {
            None => Ok(entry),
            Some(_) => Err(reader.impossible("a reference where none can be")),
        }
    }
}

fn joined(key: &[u8], value: &[u8]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(key.len() + value.len());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes.into_boxed_slice()
}
