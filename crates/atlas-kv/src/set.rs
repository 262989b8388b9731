//! Sets: members without values.
//!
//! Few integers are kept as numbers, few other members in one run of bytes; more are a dense array with an index.

mod algebra;
mod collection;
mod commands;
mod integers;
mod picking;

use crate::Reply;
use crate::bytes::Bytes;
use crate::either::Either;
use crate::indexed::{Indexed, Named};
use crate::number::{Decimal, integer};
use crate::packed::Pairs;
use crate::paged::Paged;
use crate::set::integers::Integers;
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;

/// Up to this many integers are kept as numbers in their order: that takes a third of the memory, and more would make
/// inserting slow, whatever a set of them is called.
const INTEGERS_MAX: usize = 512;
/// Up to this many other members and bytes lie in one run, which is walked through.
const PACKED_MEMBERS_MAX: usize = 64;
const PACKED_BYTES_MAX: usize = 1024;
impl Named for Bytes {
    fn name(&self) -> &[u8] {
        self
    }
}

/// Members in the order of their history, or integers in theirs.
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
    /// Members as names without values.
    Packed(Pairs),
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
            _ => Members::of(members.iter().copied(), epoch),
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
        // What has no places is scanned at once: nothing can be missed.
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
            Members::Packed(pairs) => pairs.find(member).is_some(),
            Members::Texts(texts) => texts.members.contains(member),
        }
    }

    /// Where a member lies.
    pub(crate) fn position(&self, member: Member<'_>) -> Option<usize> {
        match &self.members {
            Members::Integers(integers) => integers.position(member.integer()?).ok(),
            Members::Packed(pairs) => {
                member.with_bytes(|member| pairs.iter().position(|(other, _)| other == member))
            }
            Members::Texts(texts) => member.with_bytes(|member| texts.members.look(member).ok()),
        }
    }

    /// The member at a position below [`Collection::len`].
    pub(crate) fn at(&self, position: usize) -> Option<Member<'_>> {
        match &self.members {
            Members::Integers(integers) => integers.get(position).map(Member::Integer),
            Members::Packed(pairs) => {
                let place = pairs.place_at(position)?;
                Some(Member::Text(pairs.name(place)))
            }
            Members::Texts(texts) => texts
                .members
                .get(position)
                .map(|member| Member::Text(member)),
        }
    }

    /// The members: integers lowest first, others oldest first as far as removals from many have not moved them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.members.iter()
    }

    /// True if it has no places that last: a scan answers all of it to its first call.
    pub(crate) fn is_scanned_at_once(&self) -> bool {
        !matches!(self.members, Members::Texts(_))
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
            self.members = Members::of(integers.iter().map(Member::Integer), slice.epoch());
        }
        let is_intset = self.is_intset
            && (self.len() as u64) < settings.set_intset_entries_max
            && integer(member).is_some();
        if let Members::Packed(pairs) = &mut self.members {
            if pairs.find(member).is_some() {
                return false;
            }
            if pairs.len() < PACKED_MEMBERS_MAX
                && pairs.bytes_len() + member.len() <= PACKED_BYTES_MAX
            {
                pairs.push(member, &[]);
                self.is_intset = is_intset;
                return true;
            }
            // A snapshot in the making has the packed form already: it was written with the entry before this change.
            let texts = pairs.iter().map(|(member, _)| member.into());
            self.members = Members::Texts(Texts::of(texts, slice.epoch()));
        }
        let Members::Texts(texts) = &mut self.members else {
            return false;
        };
        let Err(absent) = texts.members.look(member) else {
            return false;
        };
        self.is_intset = is_intset;
        let member = Bytes::from(member);
        texts.apart_bytes += member.apart_bytes();
        let owner = Owner::Object(self.object);
        texts.members.insert(member, absent, owner, slice);
        true
    }

    /// Removes a member; true if it was there.
    pub(crate) fn remove(&mut self, member: &[u8], slice: &mut Slice) -> bool {
        let position = match &mut self.members {
            Members::Integers(integers) => {
                integer(member).and_then(|integer| integers.position(integer).ok())
            }
            Members::Packed(pairs) => {
                let place = pairs.find(member);
                if let Some(place) = place {
                    pairs.remove(place);
                }
                return place.is_some();
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
            Members::Packed(pairs) => {
                let place = pairs.place_at(position)?;
                let removed = Bytes::from(pairs.name(place));
                pairs.remove(place);
                Some(removed)
            }
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
        let is_few = self.len() as u64 <= settings.set_intset_entries_max;
        if matches!(self.members, Members::Integers(_)) || !is_few {
            return;
        }
        let integers: Option<Vec<i64>> = self.iter().map(Member::integer).collect();
        let Some(integers) = integers else { return };
        self.is_intset = true;
        if integers.len() > INTEGERS_MAX {
            return;
        }
        if let Members::Texts(texts) = &mut self.members {
            let owner = Owner::Object(self.object);
            texts.members.emit(0, owner, slice, usize::MAX);
        }
        self.members = Members::Integers(Integers::of(integers, slice.epoch()));
    }
}

impl Members {
    /// Different members, packed if they are few and short.
    fn of<'m>(members: impl Iterator<Item = Member<'m>> + Clone, epoch: u32) -> Self {
        let (mut count, mut bytes) = (0, 0);
        for member in members.clone() {
            count += 1;
            bytes += member.with_bytes(<[u8]>::len);
            if count > PACKED_MEMBERS_MAX || bytes > PACKED_BYTES_MAX {
                let texts = members.map(|member| member.with_bytes(|member| member.into()));
                return Self::Texts(Texts::of(texts, epoch));
            }
        }
        let mut pairs = Pairs::default();
        for member in members {
            member.with_bytes(|member| pairs.push(member, &[]));
        }
        Self::Packed(pairs)
    }

    fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        match self {
            Self::Integers(integers) => Either::Left(integers.iter().map(Member::Integer)),
            Self::Packed(pairs) => {
                let members = pairs.iter().map(|(member, _)| Member::Text(member));
                Either::Right(Either::Left(members))
            }
            Self::Texts(texts) => {
                let members = texts.members.iter().map(|text| Member::Text(text));
                Either::Right(Either::Right(members))
            }
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

#[cfg(test)]
mod tests;
