//! Hashes: fields with values.
//!
//! A small hash is one run of bytes; a larger one a dense array with an index.

mod commands;
mod reading;

use crate::Error;
use crate::bytes::Bytes;
use crate::codec::{LoadError, Reader, put_bytes};
use crate::digest::Digest;
use crate::either::Either;
use crate::indexed::{Indexed, Named};
use crate::packed::Pairs;
use crate::paged::{Item, Paged};
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;

/// Up to this many fields and bytes lie in one run, which is walked through.
const PACKED_FIELDS_MAX: usize = 64;
const PACKED_BYTES_MAX: usize = 2048;
/// Hashes up to this many fields and bytes are written with their entry.
const SMALL_FIELDS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

/// Marks of an encoding in snapshots.
const LISTPACK: u8 = 1;
const PACKED: u8 = 2;

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

/// Fields in the order of their history.
#[derive(Debug)]
pub(crate) struct Hash {
    object: ObjectId,
    fields: Fields,
    /// True as long as Redis would have kept a list pack; it never turns back.
    is_listpack: bool,
}

#[derive(Debug)]
enum Fields {
    /// Few and short ones, as long as it is a list pack.
    Packed(Pairs),
    Indexed {
        fields: Indexed<Field>,
        /// Bytes of names and values that lie outside the fields.
        apart_bytes: usize,
    },
}

impl Hash {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self {
            object: slice.object(Self::TAG),
            fields: Fields::Packed(Pairs::default()),
            is_listpack: true,
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match &self.fields {
            Fields::Packed(pairs) => pairs.find(name).map(|place| pairs.value(place)),
            Fields::Indexed { fields, .. } => fields.find(name).map(|field| &*field.value),
        }
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        match &self.fields {
            Fields::Packed(pairs) => pairs.find(name).is_some(),
            Fields::Indexed { fields, .. } => fields.contains(name),
        }
    }

    /// Fields and their values, oldest first as far as removals from many have not moved them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        match &self.fields {
            Fields::Packed(pairs) => Either::Left(pairs.iter()),
            Fields::Indexed { fields, .. } => {
                Either::Right(fields.iter().map(|field| (&*field.name, &*field.value)))
            }
        }
    }

    /// The field at a position below [`Collection::len`], and its value.
    pub(crate) fn at(&self, position: usize) -> Option<(&[u8], &[u8])> {
        match &self.fields {
            Fields::Packed(pairs) => pairs.iter().nth(position),
            Fields::Indexed { fields, .. } => fields
                .get(position)
                .map(|field| (&*field.name, &*field.value)),
        }
    }

    /// True if Redis would answer all of it to the first call of a scan.
    pub(crate) fn is_listpack(&self) -> bool {
        self.is_listpack
    }

    /// Sets a field; true if it is new.
    pub(crate) fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        settings: &Settings,
        slice: &mut Slice,
    ) -> bool {
        if name.len() + value.len() > PACKED_BYTES_MAX {
            // Not even on the way is it copied into a run that cannot hold it.
            self.unpack(slice);
        }
        // What is put does not depend on what was there, and so cannot be refused.
        self.change(name, settings, slice, |_| Ok(value))
            .unwrap_or_default()
    }

    /// Sets a field to what `change` makes of its value, or of none; true if it is new. Found with one look.
    ///
    /// # Errors
    /// Those of `change`: then the field is as it was.
    pub(crate) fn change<V: AsRef<[u8]>>(
        &mut self,
        name: &[u8],
        settings: &Settings,
        slice: &mut Slice,
        change: impl FnOnce(Option<&[u8]>) -> Result<V, Error>,
    ) -> Result<bool, Error> {
        let longest = settings.hash_listpack_value_bytes_max;
        let is_short = |text: &[u8]| text.len() as u64 <= longest;
        let is_new = match &mut self.fields {
            Fields::Packed(pairs) => {
                let place = pairs.find(name);
                let value = change(place.map(|place| pairs.value(place)))?;
                let value = value.as_ref();
                match place {
                    Some(place) => pairs.replace(place, value),
                    None => pairs.push(name, value),
                }
                self.is_listpack &= is_short(name) && is_short(value);
                place.is_none()
            }
            Fields::Indexed {
                fields,
                apart_bytes,
            } => {
                let looked = fields.look(name);
                let before = looked.ok().and_then(|position| fields.get(position));
                let value = change(before.map(|field| &*field.value))?;
                let value = Bytes::from(value.as_ref());
                self.is_listpack &= is_short(name) && is_short(&value);
                let owner = Owner::Object(self.object);
                match looked {
                    Ok(position) => {
                        if let Some(field) = fields.get_mut(position, owner, slice) {
                            *apart_bytes += value.apart_bytes();
                            *apart_bytes -= field.value.apart_bytes();
                            field.value = value;
                        }
                    }
                    Err(absent) => {
                        let name = name.into();
                        let field = Field { name, value };
                        *apart_bytes += field.apart_bytes();
                        fields.insert(field, absent, owner, slice);
                    }
                }
                looked.is_err()
            }
        };
        self.is_listpack &= self.len() as u64 <= settings.hash_listpack_entries_max;
        if !self.is_listpack || self.is_packed_large() {
            self.unpack(slice);
        }
        Ok(is_new)
    }

    /// Removes a field; true if it was there.
    pub(crate) fn remove(&mut self, name: &[u8], slice: &mut Slice) -> bool {
        match &mut self.fields {
            Fields::Packed(pairs) => {
                let place = pairs.find(name);
                if let Some(place) = place {
                    pairs.remove(place);
                }
                place.is_some()
            }
            Fields::Indexed {
                fields,
                apart_bytes,
            } => {
                let Ok(position) = fields.look(name) else {
                    return false;
                };
                let owner = Owner::Object(self.object);
                if let Some(field) = fields.remove(position, owner, slice) {
                    *apart_bytes -= field.apart_bytes();
                }
                true
            }
        }
    }

    /// True once walking through the fields would take long.
    fn is_packed_large(&self) -> bool {
        match &self.fields {
            Fields::Packed(pairs) => {
                pairs.len() > PACKED_FIELDS_MAX || pairs.bytes_len() > PACKED_BYTES_MAX
            }
            Fields::Indexed { .. } => false,
        }
    }

    /// Gives every field a place of its own.
    fn unpack(&mut self, slice: &Slice) {
        if let Fields::Packed(pairs) = &self.fields {
            // A snapshot in the making has the packed form already: it was written with the entry before this change.
            let fields = pairs.iter().map(|(name, value)| Field {
                name: name.into(),
                value: value.into(),
            });
            self.fields = Fields::indexed(Indexed::of(Paged::of(fields, slice.epoch())));
        }
    }
}

impl Fields {
    fn indexed(fields: Indexed<Field>) -> Self {
        let apart_bytes = fields.iter().map(Field::apart_bytes).sum();
        Self::Indexed {
            fields,
            apart_bytes,
        }
    }
}

impl Collection for Hash {
    const TAG: u8 = 4;

    fn len(&self) -> usize {
        match &self.fields {
            Fields::Packed(pairs) => pairs.len(),
            Fields::Indexed { fields, .. } => fields.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        if self.is_listpack {
            "listpack"
        } else {
            "hashtable"
        }
    }

    fn memory_bytes(&self) -> usize {
        let fields = match &self.fields {
            Fields::Packed(pairs) => pairs.memory_bytes(),
            Fields::Indexed {
                fields,
                apart_bytes,
            } => fields.memory_bytes() + apart_bytes,
        };
        size_of::<Self>() + fields
    }

    fn is_small(&self) -> bool {
        match &self.fields {
            Fields::Packed(_) => true,
            Fields::Indexed {
                fields,
                apart_bytes,
            } => fields.len() <= SMALL_FIELDS_MAX && *apart_bytes <= SMALL_BYTES_MAX,
        }
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        match &mut self.fields {
            Fields::Packed(pairs) => pairs.encode(out),
            Fields::Indexed { fields, .. } => fields.encode_inline(out, epoch),
        }
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut hash = Self::unloaded(object);
        let head = reader.byte("a hash's encoding")?;
        hash.is_listpack = head & LISTPACK != 0;
        if head & PACKED != 0 {
            hash.fields = Fields::Packed(Pairs::decode(reader)?);
            return Ok(hash);
        }
        hash.fields = Fields::indexed(Indexed::decode_inline(reader)?);
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
        let packed = match self.fields {
            Fields::Packed(_) => PACKED,
            Fields::Indexed { .. } => 0,
        };
        out.push(packed | if self.is_listpack { LISTPACK } else { 0 });
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let head = reader.byte("a hash's encoding")?;
        if head & PACKED != 0 {
            return Err(reader.impossible("a packed hash apart from its entry"));
        }
        self.is_listpack = head & LISTPACK != 0;
        Ok(())
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            fields: Fields::indexed(Indexed::default()),
            is_listpack: true,
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        let owner = Owner::Object(self.object);
        match &mut self.fields {
            // Always written with its entry.
            Fields::Packed(_) => None,
            Fields::Indexed { fields, .. } => fields.emit(page, owner, slice, budget_bytes),
        }
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        match &self.fields {
            Fields::Packed(_) => false,
            Fields::Indexed { fields, .. } => fields.has_unwritten(slice),
        }
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        match &mut self.fields {
            Fields::Packed(_) => Err(reader.impossible("a page of a packed hash")),
            Fields::Indexed { fields, .. } => fields.load_page(reader),
        }
    }

    fn finish_loading(&mut self) -> bool {
        match &mut self.fields {
            Fields::Packed(_) => true,
            Fields::Indexed {
                fields,
                apart_bytes,
            } => {
                *apart_bytes = fields.iter().map(Field::apart_bytes).sum();
                fields.finish_loading()
            }
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.len() as u64);
        for (name, value) in self.iter() {
            digest.bytes(name);
            digest.bytes(value);
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let fields = match &self.fields {
            Fields::Packed(pairs) => Fields::Packed(pairs.clone()),
            Fields::Indexed { fields, .. } => {
                let fields = Paged::of(fields.iter().cloned(), slice.epoch());
                Fields::indexed(Indexed::of(fields))
            }
        };
        Self {
            object: slice.object(Self::TAG),
            fields,
            is_listpack: self.is_listpack,
        }
    }
}

#[cfg(test)]
mod tests;
