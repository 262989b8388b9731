//! How sets are written and read.

use crate::codec::{LoadError, Reader};
use crate::digest::Digest;
use crate::indexed::Indexed;
use crate::packed::Pairs;
use crate::set::integers::{self, Integers};
use crate::set::{Members, Set, Texts};
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

/// Sets up to this many members and bytes are written with their entry.
const SMALL_MEMBERS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

/// Marks of an encoding in snapshots.
const INTSET: u8 = 1;
const INTEGERS: u8 = 2;
const PACKED: u8 = 4;

impl Collection for Set {
    const TAG: u8 = 2;

    fn len(&self) -> usize {
        match &self.members {
            Members::Integers(integers) => integers.len(),
            Members::Packed(pairs) => pairs.len(),
            Members::Texts(texts) => texts.members.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        if self.is_intset {
            "intset"
        } else {
            "hashtable"
        }
    }

    fn memory_bytes(&self) -> usize {
        let members = match &self.members {
            Members::Integers(integers) => integers.memory_bytes(),
            Members::Packed(pairs) => pairs.memory_bytes(),
            Members::Texts(texts) => texts.members.memory_bytes() + texts.apart_bytes,
        };
        size_of::<Self>() + members
    }

    fn is_small(&self) -> bool {
        match &self.members {
            Members::Packed(_) => true,
            Members::Integers(integers) => integers.len() <= SMALL_MEMBERS_MAX,
            Members::Texts(texts) => {
                texts.members.len() <= SMALL_MEMBERS_MAX && texts.apart_bytes <= SMALL_BYTES_MAX
            }
        }
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        match &mut self.members {
            Members::Integers(integers) => integers.encode_inline(out, epoch),
            Members::Packed(pairs) => pairs.encode(out),
            Members::Texts(texts) => texts.members.encode_inline(out, epoch),
        }
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let head = reader.byte("a set's encoding")?;
        let members = match head & (INTEGERS | PACKED) {
            INTEGERS => Members::Integers(Integers::decode(reader)?),
            PACKED => Members::Packed(Pairs::decode(reader)?),
            _ => {
                let mut texts = Texts {
                    members: Indexed::decode_inline(reader)?,
                    apart_bytes: 0,
                };
                if !texts.finish_loading() {
                    return Err(reader.impossible("a member twice"));
                }
                Members::Texts(texts)
            }
        };
        Ok(Self {
            object,
            members,
            is_intset: head & INTSET != 0,
        })
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        let kept = match self.members {
            Members::Integers(_) => INTEGERS,
            Members::Packed(_) => PACKED,
            Members::Texts(_) => 0,
        };
        out.push(kept | if self.is_intset { INTSET } else { 0 });
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let head = reader.byte("a set's encoding")?;
        self.is_intset = head & INTSET != 0;
        let is_as_read = match self.members {
            Members::Integers(_) => head & (INTEGERS | PACKED) == INTEGERS,
            Members::Texts(_) => head & (INTEGERS | PACKED) == 0,
            Members::Packed(_) => false,
        };
        if is_as_read {
            Ok(())
        } else {
            Err(reader.impossible("a set's members of another encoding"))
        }
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            members: Members::Integers(Integers::default()),
            is_intset: true,
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        match &mut self.members {
            // Always written with its entry.
            Members::Packed(_) => None,
            Members::Integers(integers) => {
                if integers.has_unwritten(slice) && slice.bytes() >= budget_bytes {
                    return Some(page);
                }
                integers.emit(self.object, slice);
                None
            }
            Members::Texts(texts) => {
                let owner = Owner::Object(self.object);
                texts.members.emit(page, owner, slice, budget_bytes)
            }
        }
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        match &self.members {
            Members::Integers(integers) => integers.has_unwritten(slice),
            Members::Packed(_) => false,
            Members::Texts(texts) => texts.members.has_unwritten(slice),
        }
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let is_integers = integers::is_next(reader)?;
        match &mut self.members {
            Members::Integers(held) if held.len() == 0 => {
                if is_integers {
                    *held = Integers::load(reader)?;
                    return Ok(());
                }
                let mut texts = Texts::default();
                texts.members.load_page(reader)?;
                self.members = Members::Texts(texts);
                Ok(())
            }
            Members::Texts(texts) if !is_integers => texts.members.load_page(reader),
            _ => Err(reader.impossible("a set's members of two encodings")),
        }
    }

    fn finish_loading(&mut self) -> bool {
        match &mut self.members {
            Members::Integers(_) | Members::Packed(_) => true,
            Members::Texts(texts) => texts.finish_loading(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.len() as u64);
        for member in self.iter() {
            member.with_bytes(|member| digest.bytes(member));
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let epoch = slice.epoch();
        let members = match &self.members {
            Members::Integers(integers) => {
                Members::Integers(Integers::of(integers.iter().collect(), epoch))
            }
            Members::Packed(pairs) => Members::Packed(pairs.clone()),
            Members::Texts(texts) => {
                Members::Texts(Texts::of(texts.members.iter().cloned(), epoch))
            }
        };
        Self {
            object: slice.object(Self::TAG),
            members,
            is_intset: self.is_intset,
        }
    }
}
