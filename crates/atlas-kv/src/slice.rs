//! A snapshot in the making, while commands go on.
//!
//! All state lies in pages. Each page knows the epoch in which it was last written to a snapshot, or born. A new snapshot
//! begins a new epoch: from then on whoever is about to change a page of an older epoch has it emitted first, as it was
//! when the snapshot began. A walk through everything emits the rest, some pages at a time. Pages born during the
//! snapshot are of its epoch and so never emitted. Together that is the state of one instant, without a copy of it.

use crate::codec::{LoadError, Reader, put_integer};

/// A piece of a snapshot: its kind says who can read the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the payload is; see `docs/formats/state.md`.
    pub kind: u16,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Names a collection inside snapshots, whatever its key is by then. Never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectId(u64);

impl ObjectId {
    /// The collection's type, as snapshots write it.
    pub(crate) fn tag(self) -> u8 {
        self.0 as u8
    }

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        put_integer(out, self.0);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        reader.integer("an object's name").map(Self)
    }
}

/// Whose page it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// Entries of a part of a database.
    Part {
        /// The database's number when the snapshot began.
        database: u32,
        /// The part.
        part: u32,
    },
    /// Elements of a collection.
    Object(ObjectId),
}

/// Block kinds.
pub(crate) mod kind {
    /// The clock, the settings.
    pub(crate) const HEAD: u16 = 1;
    /// A page of entries.
    pub(crate) const ENTRIES: u16 = 2;
    /// A page of a collection.
    pub(crate) const OBJECT: u16 = 3;
    /// The users, where they are not those that a store begins with.
    pub(crate) const USERS: u16 = 4;
    /// A script.
    pub(crate) const SCRIPT: u16 = 5;
    /// A library of functions.
    pub(crate) const LIBRARY: u16 = 6;
}

/// The state of the snapshot in the making: the epoch, and the blocks that wait to be taken.
#[derive(Debug)]
pub(crate) struct Slice {
    epoch: u32,
    active: bool,
    blocks: Vec<Block>,
    bytes: usize,
    next_object: u64,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Self {
            epoch: 1,
            active: false,
            blocks: Vec::new(),
            bytes: 0,
            next_object: 1,
        }
    }

    /// The epoch that a page is born in.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// A fresh name for a collection of the type `tag`.
    pub(crate) fn object(&mut self, tag: u8) -> ObjectId {
        let number = self.next_object;
        self.next_object += 1;
        ObjectId(number << 8 | u64::from(tag))
    }

    /// Hears of a name that was read from a snapshot: it is never given again.
    pub(crate) fn named(&mut self, object: ObjectId) {
        self.next_object = self.next_object.max((object.0 >> 8) + 1);
    }

    pub(crate) fn begin(&mut self) {
        self.epoch += 1;
        self.active = true;
    }

    pub(crate) fn end(&mut self) {
        self.active = false;
    }

    /// Takes a page's payload.
    pub(crate) fn emit(&mut self, kind: u16, payload: Vec<u8>) {
        self.bytes += payload.len();
        self.blocks.push(Block { kind, payload });
    }

    /// The bytes that wait to be taken.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn take(&mut self) -> Vec<Block> {
        self.bytes = 0;
        std::mem::take(&mut self.blocks)
    }
}
