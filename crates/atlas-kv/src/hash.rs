//! Hashes: fields with values.

mod commands;
mod reading;

use crate::Error;
use crate::bytes::Bytes;
use crate::codec::{LoadError, Reader, put_bytes};
use crate::digest::Digest;
use crate::indexed::{Indexed, Named};
use crate::paged::{Item, Paged};
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;

/// Hashes up to this many fields and bytes are written with their entry.
const SMALL_FIELDS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

/// A field and its value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
}

impl Field {
    fn apart_bytes(&self) -> usize {
        self.name.apart_bytes() + self.value.apart_bytes()
    }
}

impl Named for Field {
    fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Item for Field {
    fn encode(&mut self, out: &mut Vec<u8>, _: u32) {
        put_bytes(out, &self.name);
        put_bytes(out, &self.value);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        Ok(Self {
            name: reader.bytes("a field")?.into(),
            value: reader.bytes("a field's value")?.into(),
        })
    }
}

/// Fields in the order of their history, and where each lies.
#[derive(Debug)]
pub(crate) struct Hash {
    object: ObjectId,
    fields: Indexed<Field>,
    /// Bytes of names and values that lie outside the fields.
    apart_bytes: usize,
    /// True as long as Redis would have kept a list pack; it never turns back.
    listpack: bool,
}

impl Hash {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.find(name).map(|field| &*field.value)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.fields.contains(name)
    }

    /// The fields, oldest first as far as removals have not moved them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Field> {
        self.fields.iter()
    }

    /// The field at a position below [`Collection::len`].
    pub(crate) fn at(&self, position: usize) -> Option<&Field> {
        self.fields.get(position)
    }

    /// True if Redis would answer all of it to the first call of a scan.
    pub(crate) fn is_listpack(&self) -> bool {
        self.listpack
    }

    /// Sets a field; true if it is new.
    pub(crate) fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        settings: &Settings,
        slice: &mut Slice,
    ) -> bool {
        // What is put does not depend on what was there, and so cannot be refused.
        self.change(name, settings, slice, |_| Ok(value.into()))
            .unwrap_or_default()
    }

    /// Sets a field to what `change` makes of its value, or of none; true if it is new. Found with one look.
    ///
    /// # Errors
    /// Those of `change`: then the field is as it was.
    pub(crate) fn change(
        &mut self,
        name: &[u8],
        settings: &Settings,
        slice: &mut Slice,
        change: impl FnOnce(Option<&[u8]>) -> Result<Bytes, Error>,
    ) -> Result<bool, Error> {
        let looked = self.fields.look(name);
        let before = looked.ok().and_then(|position| self.fields.get(position));
        let value = change(before.map(|field| &*field.value))?;
        let longest = settings.hash_listpack_value_bytes_max;
        self.listpack &= name.len() as u64 <= longest && value.len() as u64 <= longest;
        let owner = Owner::Object(self.object);
        match looked {
            Ok(position) => {
                if let Some(field) = self.fields.get_mut(position, owner, slice) {
                    self.apart_bytes += value.apart_bytes();
                    self.apart_bytes -= field.value.apart_bytes();
                    field.value = value;
                }
            }
            Err(absent) => {
                let name = name.into();
                let field = Field { name, value };
                self.apart_bytes += field.apart_bytes();
                self.fields.insert(field, absent, owner, slice);
            }
        }
        self.listpack &= self.fields.len() as u64 <= settings.hash_listpack_entries_max;
        Ok(looked.is_err())
    }

    /// Removes a field; true if it was there.
    pub(crate) fn remove(&mut self, name: &[u8], slice: &mut Slice) -> bool {
        let Ok(position) = self.fields.look(name) else {
            return false;
        };
        let owner = Owner::Object(self.object);
        if let Some(field) = self.fields.remove(position, owner, slice) {
            self.apart_bytes -= field.apart_bytes();
        }
        true
    }
}

impl Collection for Hash {
    const TAG: u8 = 4;

    fn len(&self) -> usize {
        self.fields.len()
    }

    fn encoding(&self) -> &'static str {
        if self.listpack {
            "listpack"
        } else {
            "hashtable"
        }
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.fields.memory_bytes() + self.apart_bytes
    }

    fn is_small(&self) -> bool {
        self.fields.len() <= SMALL_FIELDS_MAX && self.apart_bytes <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        self.fields.encode_inline(out, epoch);
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut hash = Self::unloaded(object);
        hash.decode_head(reader)?;
        hash.fields = Indexed::decode_inline(reader)?;
        if hash.finish_loading() {
            Ok(hash)
        } else {
            Err(reader.impossible("a field twice"))
        }
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.listpack));
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.listpack = reader.byte("a hash's encoding")? != 0;
        Ok(())
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            fields: Indexed::default(),
            apart_bytes: 0,
            listpack: true,
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        let owner = Owner::Object(self.object);
        self.fields.emit(page, owner, slice, budget_bytes)
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        self.fields.has_unwritten(slice)
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.fields.load_page(reader)
    }

    fn finish_loading(&mut self) -> bool {
        self.apart_bytes = self.fields.iter().map(Field::apart_bytes).sum();
        self.fields.finish_loading()
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.fields.len() as u64);
        for field in self.fields.iter() {
            digest.bytes(&field.name);
            digest.bytes(&field.value);
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        Self {
            object: slice.object(Self::TAG),
            fields: Indexed::of(Paged::of(self.fields.iter().cloned(), slice.epoch())),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests;
