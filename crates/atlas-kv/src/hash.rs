//! Hashes: fields with values.

mod commands;

use hashbrown::HashTable;

use crate::codec::{LoadError, Reader, put_bytes};
use crate::digest::Digest;
use crate::hashing::hash;
use crate::paged::{Item, Paged};
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;

/// Up to this many fields are searched one by one.
const UNINDEXED_MAX: usize = 16;
/// Hashes up to this many fields and bytes are written with their entry.
const SMALL_FIELDS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

/// A field and its value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
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
    fields: Paged<Field>,
    /// Positions by name; none while there are few.
    index: Option<HashTable<u32>>,
    /// Bytes of all names and values.
    bytes: usize,
    /// True as long as Redis would have kept a list pack; it never turns back.
    listpack: bool,
}

impl Hash {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let position = self.position(name)?;
        self.fields.get(position).map(|field| &*field.value)
    }

    /// The fields, oldest first as far as removals have not moved them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Field> {
        self.fields.iter()
    }

    /// The field at a position below [`Collection::len`].
    pub(crate) fn at(&self, position: usize) -> Option<&Field> {
        self.fields.get(position)
    }

    /// Sets a field; true if it is new.
    pub(crate) fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        settings: &Settings,
        slice: &mut Slice,
    ) -> bool {
        let longest = settings.hash_listpack_value_bytes_max;
        self.listpack &= name.len() as u64 <= longest && value.len() as u64 <= longest;
        let owner = Owner::Object(self.object);
        if let Some(position) = self.position(name) {
            if let Some(field) = self.fields.get_mut(position, owner, slice) {
                self.bytes = self.bytes - field.value.len() + value.len();
                field.value = value.into();
            }
            return false;
        }
        let field = Field {
            name: name.into(),
            value: value.into(),
        };
        self.bytes += name.len() + value.len();
        let position = self.fields.push(field, owner, slice);
        if let Some(index) = &mut self.index {
            let fields = &self.fields;
            index.insert_unique(hash(name), position as u32, |&other| hash_at(fields, other));
        } else if self.fields.len() > UNINDEXED_MAX {
            self.derive_index();
        }
        self.listpack &= self.fields.len() as u64 <= settings.hash_listpack_entries_max;
        true
    }

    /// Removes a field; true if it was there.
    pub(crate) fn remove(&mut self, name: &[u8], slice: &mut Slice) -> bool {
        let Some(position) = self.position(name) else {
            return false;
        };
        let last = self.fields.len() - 1;
        if let Some(index) = &mut self.index {
            if let Ok(entry) = index.find_entry(hash(name), |&other| other as usize == position) {
                entry.remove();
            }
            if position != last
                && let Some(moved) = index.find_mut(hash_at(&self.fields, last as u32), |&other| {
                    other as usize == last
                })
            {
                *moved = position as u32;
            }
        }
        let owner = Owner::Object(self.object);
        if let Some(field) = self.fields.swap_remove(position, owner, slice) {
            self.bytes -= field.name.len() + field.value.len();
        }
        true
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        match &self.index {
            None => self.fields.iter().position(|field| *field.name == *name),
            Some(index) => index
                .find(hash(name), |&position| {
                    self.fields
                        .get(position as usize)
                        .is_some_and(|field| *field.name == *name)
                })
                .map(|&position| position as usize),
        }
    }

    fn derive_index(&mut self) {
        let mut index = HashTable::with_capacity(self.fields.len());
        for (position, field) in self.fields.iter().enumerate() {
            index.insert_unique(hash(&field.name), position as u32, |&other| {
                hash_at(&self.fields, other)
            });
        }
        self.index = Some(index);
    }
}

fn hash_at(fields: &Paged<Field>, position: u32) -> u64 {
    fields
        .get(position as usize)
        .map_or(0, |field| hash(&field.name))
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
        let index = self
            .index
            .as_ref()
            .map_or(0, |index| index.capacity() * 8 / 7 * 5);
        size_of::<Self>() + self.fields.memory_bytes() + self.bytes + index
    }

    fn is_small(&self) -> bool {
        self.fields.len() <= SMALL_FIELDS_MAX && self.bytes <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        self.fields.encode_inline(out, epoch);
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut hash = Self::unloaded(object);
        hash.decode_head(reader)?;
        hash.fields = Paged::decode_inline(reader)?;
        hash.finish_loading();
        Ok(hash)
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
            fields: Paged::default(),
            index: None,
            bytes: 0,
            listpack: true,
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        let owner = Owner::Object(self.object);
        self.fields.emit_from(page, owner, slice, budget_bytes)
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        self.fields.has_unwritten(slice)
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.fields.load_page(reader)
    }

    fn finish_loading(&mut self) -> bool {
        self.bytes = self
            .fields
            .iter()
            .map(|field| field.name.len() + field.value.len())
            .sum();
        if self.fields.len() > UNINDEXED_MAX {
            self.derive_index();
        }
        self.fields.is_whole()
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.fields.len() as u64);
        for field in self.fields.iter() {
            digest.bytes(&field.name);
            digest.bytes(&field.value);
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let mut copy = Self::new(slice);
        let owner = Owner::Object(copy.object);
        for field in self.fields.iter() {
            copy.fields.push(field.clone(), owner, slice);
        }
        copy.finish_loading();
        copy.listpack = self.listpack;
        copy
    }
}
