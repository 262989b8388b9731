//! What the keyspace and its snapshots ask of a sorted set.

use crate::codec::{LoadError, Reader};
use crate::digest::Digest;
use crate::indexed::Indexed;
use crate::paged::Paged;
use crate::slice::{ObjectId, Owner, Slice};
use crate::sorted_set::{Order, SortedSet};
use crate::value::Collection;

/// Sorted sets up to this many members and bytes are written with their entry.
const SMALL_ROWS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

impl Collection for SortedSet {
    const TAG: u8 = 3;

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn encoding(&self) -> &'static str {
        if self.listpack {
            "listpack"
        } else {
            "skiplist"
        }
    }

    fn memory_bytes(&self) -> usize {
        let order = match &self.order {
            Order::List(list) => list.capacity(),
            Order::Tree(tree) => tree.memory_bytes(),
        };
        size_of::<Self>() + self.rows.memory_bytes() + self.apart_bytes + order
    }

    fn is_small(&self) -> bool {
        self.rows.len() <= SMALL_ROWS_MAX && self.bytes <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        self.rows.encode_inline(out, epoch);
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut set = Self::unloaded(object);
        set.decode_head(reader)?;
        set.rows = Indexed::decode_inline(reader)?;
        if !set.finish_loading() {
            return Err(reader.impossible("a member twice"));
        }
        Ok(set)
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.listpack));
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.listpack = reader.byte("a sorted set's encoding")? != 0;
        Ok(())
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            rows: Indexed::default(),
            order: Order::List(Vec::new()),
            bytes: 0,
            apart_bytes: 0,
            listpack: true,
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        let owner = Owner::Object(self.object);
        self.rows.emit(page, owner, slice, budget_bytes)
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        self.rows.has_unwritten(slice)
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.rows.load_page(reader)
    }

    fn finish_loading(&mut self) -> bool {
        let is_whole = self.rows.finish_loading();
        if is_whole {
            self.derive();
        }
        is_whole
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.rows.len() as u64);
        for row in self.rows.iter() {
            digest.bytes(&row.member);
            digest.integer(row.score.to_bits());
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let mut copy = Self::new(slice);
        let rows = Paged::of(self.rows.iter().cloned(), slice.epoch());
        copy.rows = Indexed::of(rows);
        copy.derive();
        copy.listpack = self.listpack;
        copy
    }
}
