//! A key with what it holds.

use std::cell::Cell;
use std::ops::Range;

use crate::codec::{LoadError, Reader, put_bytes, put_signed};
use crate::number::{self, Decimal};
use crate::paged::Item;
use crate::slice::{ObjectId, Slice};
use crate::string::LongString;
use crate::value::{Object, Value, ValueRef};

/// Strings up to this many bytes lie behind their key, in the key's own allocation. A page of entries takes 64 of them
/// along.
const BESIDE_BYTES_MAX: usize = 4096;

/// Tags of values in an entry's bytes.
mod tag {
    pub(super) const STRING: u8 = 0;
    pub(super) const INTEGER: u8 = 1;
    pub(super) const SMALL: u8 = 2;
    pub(super) const LARGE: u8 = 3;
    pub(super) const RAW: u8 = 4;
}

/// What lies behind the key, above the key's length.
mod mark {
    /// The eight bytes of an integer.
    pub(super) const INTEGER: u32 = 1 << 31;
    /// A string that was changed in place: `OBJECT ENCODING` calls it `raw` however short it is.
    pub(super) const RAW: u32 = 1 << 30;
    pub(super) const KEY_BYTES: u32 = RAW - 1;
}

/// A key with its value, when it expires, and when or how often it was used.
///
/// A million of these is what a store's memory goes to, so a short string shares one allocation with its key.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key, and behind it the value unless it is an object.
    bytes: Box<[u8]>,
    /// The key's length and a mark.
    key: u32,
    /// The last use or the frequency of uses; belongs to this node, not to the state.
    access: Cell<u32>,
    /// Milliseconds since 1970; 0 is never.
    expire_ms: i64,
    object: Option<Box<Object>>,
}

impl Entry {
    pub(crate) fn new(key: &[u8], value: Value, slice: &mut Slice) -> Self {
        match value {
            Value::Integer(integer) => Self::holding(key, &integer.to_le_bytes(), mark::INTEGER),
            Value::String(bytes) if bytes.len() <= BESIDE_BYTES_MAX => {
                Self::holding(key, &bytes, 0)
            }
            value => {
                let mut entry = Self::holding(key, &[], 0);
                entry.object = into_object(value, slice);
                entry
            }
        }
    }

    /// An entry that holds a string as it came.
    pub(crate) fn of_string(key: &[u8], value: &[u8], slice: &mut Slice) -> Self {
        if let Some(integer) = number::integer(value) {
            Self::new(key, Value::Integer(integer), slice)
        } else if value.len() <= BESIDE_BYTES_MAX {
            Self::holding(key, value, 0)
        } else {
            Self::new(key, Value::String(value.to_vec()), slice)
        }
    }

    /// Reads a little of what it points to; the number means nothing.
    #[inline]
    pub(crate) fn touch(&self) -> usize {
        let first = self.bytes.first().copied().unwrap_or_default();
        let last = self.bytes.last().copied().unwrap_or_default();
        usize::from(first) + usize::from(last)
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_bytes()).unwrap_or_default()
    }

    pub(crate) fn value(&self) -> ValueRef<'_> {
        match self.object.as_deref() {
            None => {}
            Some(Object::LongString(string)) => return ValueRef::String(string.as_bytes()),
            Some(object) => return ValueRef::Object(object),
        }
        let held = self.bytes.get(self.key_bytes()..).unwrap_or_default();
        match held.first_chunk() {
            Some(integer) if self.key & mark::INTEGER != 0 => {
                ValueRef::Integer(i64::from_le_bytes(*integer))
            }
            _ => ValueRef::String(held),
        }
    }

    /// What `OBJECT ENCODING` calls the value.
    pub(crate) fn encoding(&self) -> &'static str {
        if self.key & mark::RAW != 0 {
            "raw"
        } else {
            self.value().encoding()
        }
    }

    /// The collection or long string, to be changed.
    pub(crate) fn object_mut(&mut self) -> Option<&mut Object> {
        self.object.as_deref_mut()
    }

    /// Hands a part of the string to `change`, made longer with zeros as far as that takes; how long it is then. None,
    /// and no change, if the entry holds a collection. Numbers become text.
    pub(crate) fn edit_string(
        &mut self,
        part: Range<usize>,
        slice: &mut Slice,
        change: impl FnOnce(&mut [u8]),
    ) -> Option<usize> {
        if let Some(object) = self.object.as_deref_mut() {
            return match object {
                Object::LongString(string) => Some(string.edit(part, slice, change)),
                _ => None,
            };
        }
        if let ValueRef::Integer(integer) = self.value() {
            self.hold(Decimal::new(integer).as_bytes(), 0);
        }
        let key_bytes = self.key_bytes();
        if part.end > BESIDE_BYTES_MAX.max(self.bytes.len() - key_bytes) {
            let held = self.bytes.get(key_bytes..).unwrap_or_default();
            let mut string = LongString::new(held.to_vec(), slice);
            let len = string.edit(part, slice, change);
            self.give_up_bytes();
            self.object = Some(Box::new(Object::LongString(string)));
            return Some(len);
        }
        if part.end > self.bytes.len() - key_bytes {
            let mut bytes = std::mem::take(&mut self.bytes).into_vec();
            bytes.reserve_exact(key_bytes + part.end - bytes.len());
            bytes.resize(key_bytes + part.end, 0);
            self.bytes = bytes.into_boxed_slice();
        }
        self.key |= mark::RAW;
        let held = self.bytes.get_mut(key_bytes..)?;
        if let Some(part) = held.get_mut(part) {
            change(part);
        }
        Some(held.len())
    }

    /// Hands all of the string to `change`, which may make it longer or shorter: it is what lies from the position on that
    /// comes with the bytes. None, and no change, if the entry holds a collection. Numbers become text.
    pub(crate) fn edit_whole_string(
        &mut self,
        slice: &mut Slice,
        change: impl FnOnce(&mut Vec<u8>, usize),
    ) -> Option<()> {
        if let Some(object) = self.object.as_deref_mut() {
            return match object {
                Object::LongString(string) => {
                    string.edit_whole(slice, |bytes| change(bytes, 0));
                    Some(())
                }
                _ => None,
            };
        }
        if let ValueRef::Integer(integer) = self.value() {
            self.hold(Decimal::new(integer).as_bytes(), 0);
        }
        let key_bytes = self.key_bytes();
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        change(&mut bytes, key_bytes);
        if bytes.len() - key_bytes > BESIDE_BYTES_MAX {
            let string = LongString::new(bytes.split_off(key_bytes), slice);
            self.object = Some(Box::new(Object::LongString(string)));
        } else {
            self.key |= mark::RAW;
        }
        self.bytes = bytes.into_boxed_slice();
        Some(())
    }

    /// Replaces the value and returns a collection or long string that lay there.
    pub(crate) fn set(&mut self, value: Value, slice: &mut Slice) -> Option<Box<Object>> {
        let old = self.object.take();
        match value {
            Value::Integer(integer) => self.hold(&integer.to_le_bytes(), mark::INTEGER),
            Value::String(bytes) if bytes.len() <= BESIDE_BYTES_MAX => self.hold(&bytes, 0),
            value => {
                self.give_up_bytes();
                self.object = into_object(value, slice);
            }
        }
        old
    }

    /// Replaces the value by a string as it came.
    pub(crate) fn set_string(&mut self, value: &[u8], slice: &mut Slice) -> Option<Box<Object>> {
        if let Some(integer) = number::integer(value) {
            self.set(Value::Integer(integer), slice)
        } else if value.len() <= BESIDE_BYTES_MAX {
            let old = self.object.take();
            self.hold(value, 0);
            old
        } else {
            self.set(Value::String(value.to_vec()), slice)
        }
    }

    /// Takes the value out of an entry that is being removed.
    pub(crate) fn into_value(self) -> Value {
        let value = match self.value() {
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::String(bytes) if self.object.is_none() => Value::String(bytes.to_vec()),
            _ => Value::Integer(0),
        };
        self.object.map_or(value, Value::Object)
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
        let object = self.object.as_deref();
        size_of::<Self>() + self.bytes.len() + object.map_or(0, Object::memory_bytes)
    }

    /// Reads what [`Item::encode`] wrote; `referred` becomes the name and head of a collection whose pages come in blocks
    /// of their own.
    pub(crate) fn load(
        reader: &mut Reader<'_>,
        referred: &mut Option<(ObjectId, Vec<u8>)>,
    ) -> Result<Self, LoadError> {
        let key = reader.bytes("a key")?;
        let expire_ms = reader.signed("an expiry")?;
        let mut object = None;
        let mut entry = match reader.byte("a value's tag")? {
            tag::STRING => Self::holding(key, reader.bytes("a string")?, 0),
            tag::RAW => Self::holding(key, reader.bytes("a string")?, mark::RAW),
            tag::INTEGER => {
                let integer = reader.signed("a number")?;
                Self::holding(key, &integer.to_le_bytes(), mark::INTEGER)
            }
            tag::SMALL => {
                let name = ObjectId::decode(reader)?;
                object = Some(Box::new(Object::decode_small(reader, name)?));
                Self::holding(key, &[], 0)
            }
            tag::LARGE => {
                let name = ObjectId::decode(reader)?;
                let head = reader.bytes("a collection's head")?;
                *referred = Some((name, head.to_vec()));
                Self::holding(key, &[], 0)
            }
            _ => return Err(reader.impossible("a value of no known kind")),
        };
        entry.expire_ms = expire_ms;
        entry.object = object;
        Ok(entry)
    }

    /// Puts a collection or long string that was read apart into its place.
    pub(crate) fn settle(&mut self, object: Object) {
        self.object = Some(Box::new(object));
    }

    /// Takes a collection or long string away, to leave nothing that anybody could see.
    pub(crate) fn take_object(&mut self) -> Option<Box<Object>> {
        self.object.take()
    }

    fn holding(key: &[u8], held: &[u8], mark: u32) -> Self {
        Self {
            bytes: joined(key, held),
            // No argument is so long that this would cut it.
            key: key.len() as u32 & mark::KEY_BYTES | mark,
            access: Cell::new(0),
            expire_ms: 0,
            object: None,
        }
    }

    fn key_bytes(&self) -> usize {
        (self.key & mark::KEY_BYTES) as usize
    }

    /// Holds bytes behind the key; whatever object was there is gone already.
    fn hold(&mut self, held: &[u8], mark: u32) {
        let key_bytes = self.key_bytes();
        self.key = key_bytes as u32 | mark;
        match self.bytes.get_mut(key_bytes..) {
            // Same length: the allocation stays.
            Some(place) if place.len() == held.len() => place.copy_from_slice(held),
            _ => self.bytes = joined(self.key(), held),
        }
    }

    /// Holds nothing behind the key.
    fn give_up_bytes(&mut self) {
        self.hold(&[], 0);
    }
}

/// What does not lie beside its key.
fn into_object(value: Value, slice: &mut Slice) -> Option<Box<Object>> {
    match value {
        Value::Object(object) => Some(object),
        Value::String(bytes) => Some(Box::new(Object::LongString(LongString::new(bytes, slice)))),
        Value::Integer(_) => None,
    }
}

impl Item for Entry {
    fn encode(&mut self, out: &mut Vec<u8>, epoch: u32) {
        put_bytes(out, self.key());
        put_signed(out, self.expire_ms);
        match self.object.as_deref_mut() {
            None => match self.value() {
                ValueRef::Integer(integer) => {
                    out.push(tag::INTEGER);
                    put_signed(out, integer);
                }
                ValueRef::String(bytes) => {
                    let is_raw = self.key & mark::RAW != 0;
                    out.push(if is_raw { tag::RAW } else { tag::STRING });
                    put_bytes(out, bytes);
                }
                ValueRef::Object(_) => {}
            },
            Some(object) if object.is_small() => {
                out.push(tag::SMALL);
                object.object().encode(out);
                object.encode_small(out, epoch);
            }
            Some(object) => {
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
