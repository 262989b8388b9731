//! Sets: members without values.

mod algebra;
mod commands;
mod integers;
mod picking;

use crate::Reply;
use crate::bytes::Bytes;
use crate::codec::{LoadError, Reader};
use crate::digest::Digest;
use crate::indexed::{Indexed, Named};
use crate::number::{Decimal, integer};
use crate::paged::Paged;
use crate::set::integers::Integers;
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;

/// Up to this many integers are kept as numbers in their order: that takes a third of the memory, and more would make
/// inserting slow, whatever a set of them is called.
const INTEGERS_MAX: usize = 512;
/// Sets up to this many members and bytes are written with their entry.
const SMALL_MEMBERS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 4096;

/// Marks of an encoding in snapshots.
const INTSET: u8 = 1;
const INTEGERS: u8 = 2;

impl Named for Bytes {
    fn name(&self) -> &[u8] {
        self
    }
}

/// Members in the order of their history, or few integers in theirs.
#[derive(Debug)]
pub(crate) struct Set {
    object: ObjectId,
    members: Members,
    /// True as long as Redis would have kept an integer set; what it is kept as here is another matter.
    is_intset: bool,
}

#[derive(Debug)]
enum Members {
    Integers(Integers),
    Texts(Texts),
}

#[derive(Debug, Default)]
struct Texts {
    members: Indexed<Bytes>,
    /// Bytes of members that lie outside the array.
    apart_bytes: usize,
}

/// A member as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member<'a> {
    /// Stands for its decimal form.
    Integer(i64),
    /// Any bytes, perhaps an integer's decimal form.
    Text(&'a [u8]),
}

impl Member<'_> {
    pub(crate) fn with_bytes<T>(self, then: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Integer(integer) => then(Decimal::new(integer).as_bytes()),
            Self::Text(text) => then(text),
        }
    }

    pub(crate) fn answer(self, reply: &mut dyn Reply) {
        self.with_bytes(|bytes| reply.bulk(bytes));
    }

    /// The integer whose decimal form it is.
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            Self::Text(text) => integer(text),
        }
    }
}

impl Set {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    /// A set of different members, which no snapshot in the making knows; `epoch` is the present one.
    /// `may_be_intset` is false where Redis would have had more in it on the way.
    pub(crate) fn of(
        object: ObjectId,
        epoch: u32,
        members: &[Member<'_>],
        may_be_intset: bool,
        settings: &Settings,
    ) -> Self {
        let integers =
            || -> Option<Vec<i64>> { members.iter().map(|member| member.integer()).collect() };
        let is_few = members.len() as u64 <= settings.set_intset_entries_max;
        let integers = if may_be_intset && is_few {
            integers()
        } else {
            None
        };
        let is_intset = integers.is_some();
        let members = match integers {
            Some(integers) if integers.len() <= INTEGERS_MAX => {
                Members::Integers(Integers::of(integers, epoch))
            }
            _ => Members::Texts(Texts::of(
                members
                    .iter()
                    .map(|member| member.with_bytes(|member| Bytes::from(member))),
                epoch,
            )),
        };
        Self {
            object,
            members,
            is_intset,
        }
    }

    /// Puts the members that `other` has too before the rest, in its order: a scan that began with `other`, whose place
    /// this set is about to take, then misses none of them. Only for a set that was just made.
    pub(crate) fn keep_places(&mut self, other: &Self) {
        // Few integers are scanned at once: nothing can be missed.
        if let (Members::Texts(held), Members::Texts(other)) = (&mut self.members, &other.members) {
            held.members
                .lead_with(other.members.iter().map(Bytes::as_slice));
        }
    }

    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        match &self.members {
            Members::Integers(integers) => {
                integer(member).is_some_and(|integer| integers.position(integer).is_ok())
            }
            Members::Texts(texts) => texts.members.contains(member),
        }
    }

    /// Where a member lies.
    pub(crate) fn position(&self, member: Member<'_>) -> Option<usize> {
        match &self.members {
            Members::Integers(integers) => integers.position(member.integer()?).ok(),
            Members::Texts(texts) => member.with_bytes(|member| texts.members.look(member).ok()),
        }
    }

    /// The member at a position below [`Collection::len`].
    pub(crate) fn at(&self, position: usize) -> Option<Member<'_>> {
        match &self.members {
            Members::Integers(integers) => integers.get(position).map(Member::Integer),
            Members::Texts(texts) => texts
                .members
                .get(position)
                .map(|member| Member::Text(member)),
        }
    }

    /// The members: integers lowest first, others oldest first as far as removals have not moved them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        let (integers, texts) = match &self.members {
            Members::Integers(integers) => (Some(integers), None),
            Members::Texts(texts) => (None, Some(texts)),
        };
        let integers = integers.into_iter().flat_map(Integers::iter);
        let texts = texts.into_iter().flat_map(|texts| texts.members.iter());
        integers
            .map(Member::Integer)
            .chain(texts.map(|text| Member::Text(text)))
    }

    /// True if it has no places that last: a scan answers all of it to its first call.
    pub(crate) fn is_scanned_at_once(&self) -> bool {
        matches!(self.members, Members::Integers(_))
    }

    /// Adds a member; true if it is new.
    pub(crate) fn add(&mut self, member: &[u8], settings: &Settings, slice: &mut Slice) -> bool {
        if let Members::Integers(integers) = &mut self.members {
            let found = integer(member).map(|integer| (integer, integers.position(integer)));
            let length = integers.len() + 1;
            match found {
                Some((_, Ok(_))) => return false,
                Some((integer, Err(position))) => {
                    self.is_intset = length as u64 <= settings.set_intset_entries_max;
                    if self.is_intset && length <= INTEGERS_MAX {
                        integers.insert(position, integer, self.object, slice);
                        return true;
                    }
                }
                None => self.is_intset = false,
            }
            integers.emit(self.object, slice);
            let texts = integers
                .iter()
                .map(|integer| Bytes::from(Decimal::new(integer).as_bytes()));
            self.members = Members::Texts(Texts::of(texts, slice.epoch()));
        }
        let Members::Texts(texts) = &mut self.members else {
            return false;
        };
        let Err(absent) = texts.members.look(member) else {
            return false;
        };
        let length = texts.members.len() as u64 + 1;
        self.is_intset = self.is_intset
            && length <= settings.set_intset_entries_max
            && integer(member).is_some();
        let member = Bytes::from(member);
        texts.apart_bytes += member.apart_bytes();
        let owner = Owner::Object(self.object);
        texts.members.insert(member, absent, owner, slice);
        true
    }

    /// Removes a member; true if it was there.
    pub(crate) fn remove(&mut self, member: &[u8], slice: &mut Slice) -> bool {
        let position = match &self.members {
            Members::Integers(integers) => {
                integer(member).and_then(|integer| integers.position(integer).ok())
            }
            Members::Texts(texts) => texts.members.look(member).ok(),
        };
        position.is_some_and(|position| self.remove_at(position, slice).is_some())
    }

    /// Takes the member at a position out.
    pub(crate) fn remove_at(&mut self, position: usize, slice: &mut Slice) -> Option<Bytes> {
        match &mut self.members {
            Members::Integers(integers) => integers
                .remove(position, self.object, slice)
                .map(|integer| Bytes::from(Decimal::new(integer).as_bytes())),
            Members::Texts(texts) => {
                let owner = Owner::Object(self.object);
                let removed = texts.members.remove(position, owner, slice)?;
                texts.apart_bytes -= removed.apart_bytes();
                Some(removed)
            }
        }
    }

    /// Makes it an integer set again where a set made of its members would be one, as Redis does where it makes a new
    /// set of what is left.
    pub(crate) fn remake(&mut self, settings: &Settings, slice: &mut Slice) {
        let Members::Texts(texts) = &mut self.members else {
            return;
        };
        if texts.members.len() as u64 > settings.set_intset_entries_max {
            return;
        }
        let integers: Option<Vec<i64>> =
            texts.members.iter().map(|member| integer(member)).collect();
        let Some(integers) = integers else { return };
        self.is_intset = true;
        if integers.len() <= INTEGERS_MAX {
            let owner = Owner::Object(self.object);
            texts.members.emit(0, owner, slice, usize::MAX);
            self.members = Members::Integers(Integers::of(integers, slice.epoch()));
        }
    }
}

impl Texts {
    fn of(members: impl Iterator<Item = Bytes>, epoch: u32) -> Self {
        let mut apart_bytes = 0;
        let members = members.inspect(|member| apart_bytes += member.apart_bytes());
        let members = Indexed::of(Paged::of(members, epoch));
        Self {
            members,
            apart_bytes,
        }
    }

    fn finish_loading(&mut self) -> bool {
        self.apart_bytes = self.members.iter().map(Bytes::apart_bytes).sum();
        self.members.finish_loading()
    }
}

impl Collection for Set {
    const TAG: u8 = 2;

    fn len(&self) -> usize {
        match &self.members {
            Members::Integers(integers) => integers.len(),
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
            Members::Texts(texts) => texts.members.memory_bytes() + texts.apart_bytes,
        };
        size_of::<Self>() + members
    }

    fn is_small(&self) -> bool {
        let apart_bytes = match &self.members {
            Members::Integers(_) => 0,
            Members::Texts(texts) => texts.apart_bytes,
        };
        self.len() <= SMALL_MEMBERS_MAX && apart_bytes <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        match &mut self.members {
            Members::Integers(integers) => integers.encode_inline(out, epoch),
            Members::Texts(texts) => texts.members.encode_inline(out, epoch),
        }
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut set = Self::unloaded(object);
        set.decode_head(reader)?;
        match &mut set.members {
            Members::Integers(integers) => *integers = Integers::decode(reader)?,
            Members::Texts(texts) => texts.members = Indexed::decode_inline(reader)?,
        }
        if set.finish_loading() {
            Ok(set)
        } else {
            Err(reader.impossible("a member twice"))
        }
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        let kept = match self.members {
            Members::Integers(_) => INTEGERS,
            Members::Texts(_) => 0,
        };
        out.push(kept | if self.is_intset { INTSET } else { 0 });
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let head = reader.byte("a set's encoding")?;
        self.is_intset = head & INTSET != 0;
        let is_integers = head & INTEGERS != 0;
        // Behind pages the head must say what they were; before them it says what they will be.
        match &self.members {
            Members::Integers(held) if !is_integers && held.len() == 0 => {
                self.members = Members::Texts(Texts::default());
            }
            Members::Integers(_) if !is_integers => {
                return Err(reader.impossible("a set's members of another encoding"));
            }
            Members::Texts(_) if is_integers => {
                return Err(reader.impossible("a set's members of another encoding"));
            }
            _ => {}
        }
        Ok(())
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
            Members::Integers(_) => true,
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

#[cfg(test)]
mod tests;
