//! Sorted sets: members with scores, in the order of scores and, where these are equal, of members.

mod add;
mod algebra;
mod collection;
mod commands;
mod pick;
mod pop;
mod range;
mod read;
mod remove;
mod tree;

use std::cmp::Ordering;

use crate::bytes::Bytes;
use crate::codec::{LoadError, Reader, put_bytes, put_double};
use crate::indexed::{Absent, Indexed, Named};
use crate::paged::{Item, Paged};
use crate::settings::Settings;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Collection;
use tree::{Key, Search, Tree};

pub(crate) use commands::COMMANDS;

/// Up to this many members are ordered in a list; once there is a tree, it stays until few are left.
const LISTED_MAX: usize = 64;
const LISTED_AGAIN_MAX: usize = 16;

/// A member and its score, which is never NaN.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) member: Bytes,
    pub(crate) score: f64,
}

impl Item for Row {
    fn encode(&mut self, out: &mut Vec<u8>, _: u32) {
        put_bytes(out, &self.member);
        put_double(out, self.score);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let member = Bytes::decode(reader)?;
        let score = reader.double("a score")?;
        if score.is_nan() {
            return Err(reader.impossible("a score that is not a number"));
        }
        Ok(Self { member, score })
    }
}

impl Named for Row {
    fn name(&self) -> &[u8] {
        &self.member
    }
}

/// Rows in the order of their history, where each lies, and their order by score and member.
///
/// Only rows are part of snapshots; the rest is derived from them.
#[derive(Debug)]
pub(crate) struct SortedSet {
    object: ObjectId,
    rows: Indexed<Row>,
    order: Order,
    /// Bytes of all members.
    bytes: usize,
    /// Those of them that lie elsewhere.
    apart_bytes: usize,
    /// True as long as Redis would have kept a list pack; it never turns back.
    listpack: bool,
}

/// Positions by score and member.
#[derive(Debug)]
enum Order {
    List(Vec<u8>),
    Tree(Tree),
}

/// How Redis would have made a sorted set of rows. Either way it is called `listpack` if it is small enough; but if it was
/// called so from the beginning, the first rows have been kept as a list pack keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// All rows, then a list pack of them.
    Whole,
    /// A list pack that takes row after row.
    Gradually,
}

impl SortedSet {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    /// A sorted set of rows whose members differ, which no snapshot in the making knows; `epoch` is the present one.
    ///
    /// The members that the sorted set has too whose place it is about to take come first and in its order: a scan that
    /// began there then misses none of them.
    pub(crate) fn of_rows(
        object: ObjectId,
        epoch: u32,
        rows: Vec<Row>,
        made: Made,
        replaced: Option<&Self>,
        settings: &Settings,
    ) -> Self {
        let mut set = Self::unloaded(object);
        let entries_max = settings.sorted_set_listpack_entries_max;
        let bytes_max = settings.sorted_set_listpack_value_bytes_max;
        if made == Made::Whole {
            set.listpack = rows.len() as u64 <= entries_max
                && rows.iter().all(|row| row.member.len() as u64 <= bytes_max);
        }
        let rows = rows.into_iter().zip(0..).map(|(mut row, position)| {
            set.listpack &= row.member.len() as u64 <= bytes_max && position < entries_max;
            row.score = set.kept(row.score);
            row
        });
        set.rows = Indexed::of(Paged::of(rows, epoch));
        // A list pack is scanned at once: nothing can be missed.
        if let Some(replaced) = replaced.filter(|replaced| !replaced.listpack) {
            set.rows.lead_with(replaced.iter().map(|row| &*row.member));
        }
        set.derive();
        set
    }

    /// A new one that is not called `listpack`, until [`Self::pack`] looks whether it should be.
    pub(crate) fn unpacked(slice: &mut Slice) -> Self {
        let mut set = Self::new(slice);
        set.listpack = false;
        set
    }

    /// Makes a list pack of what is small enough, as Redis does where it has made a whole sorted set.
    pub(crate) fn pack(&mut self, settings: &Settings, slice: &mut Slice) {
        let bytes_max = settings.sorted_set_listpack_value_bytes_max;
        self.listpack = self.rows.len() as u64 <= settings.sorted_set_listpack_entries_max
            && self.iter().all(|row| row.member.len() as u64 <= bytes_max);
        if !self.listpack {
            return;
        }
        for position in 0..self.rows.len() {
            match self.rows.get(position).map(|row| row.score) {
                Some(score) if score.to_bits() != self.kept(score).to_bits() => {
                    self.set_score(position, score, slice);
                }
                _ => {}
            }
        }
    }

    /// The row at a position below [`Collection::len`], in the order of history.
    pub(crate) fn at(&self, position: usize) -> Option<&Row> {
        self.rows.get(position)
    }

    /// The rows, oldest first as far as removals have not moved them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter()
    }

    /// True as long as Redis would have kept a list pack.
    pub(crate) fn is_listpack(&self) -> bool {
        self.listpack
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        let position = self.look(member).ok()?;
        self.rows.get(position).map(|row| row.score)
    }

    /// How many rows are before a member, and its score.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let position = self.look(member).ok()?;
        let score = self.rows.get(position)?.score;
        Some((self.rank_where(&before(&self.rows, score, member)), score))
    }

    /// How many rows have a score below `score`, or, if `is_inclusive`, up to it.
    pub(crate) fn rank_of_score(&self, score: f64, is_inclusive: bool) -> usize {
        self.rank_where(&Key {
            score,
            is_tie_before: |_| is_inclusive,
        })
    }

    /// How many rows have a member below `member`, or, if `is_inclusive`, up to it; of use where all scores are equal.
    pub(crate) fn rank_of_member(&self, member: &[u8], is_inclusive: bool) -> usize {
        self.rank_where(&|_: f64, position: u32| {
            let other = member_at(&self.rows, position);
            other < member || is_inclusive && other == member
        })
    }

    /// The position of the row at a rank.
    pub(crate) fn position_at(&self, rank: usize) -> Option<usize> {
        match &self.order {
            Order::List(list) => list.get(rank).map(|&position| usize::from(position)),
            Order::Tree(tree) => tree.at(rank).map(|position| position as usize),
        }
    }

    /// Shows the rows from rank `skip` on, `count` of them or as many as there are; from the last row down if
    /// `is_reverse`.
    pub(crate) fn each(
        &self,
        skip: usize,
        count: usize,
        is_reverse: bool,
        mut show: impl FnMut(&Row),
    ) {
        let mut show = |position: u32| {
            if let Some(row) = self.rows.get(position as usize) {
                show(row);
            }
        };
        match (&self.order, is_reverse) {
            (Order::List(list), false) => {
                let shown = list.iter().skip(skip).take(count);
                shown.for_each(|&position| show(u32::from(position)));
            }
            (Order::List(list), true) => {
                let shown = list.iter().rev().skip(skip).take(count);
                shown.for_each(|&position| show(u32::from(position)));
            }
            (Order::Tree(tree), false) => tree.each(skip, count, show),
            (Order::Tree(tree), true) => tree.each_back(skip, count, show),
        }
    }

    /// The position of a member.
    pub(crate) fn look(&self, member: &[u8]) -> Result<usize, Absent> {
        self.rows.look(member)
    }

    /// Adds a member that [`Self::look`] has not found.
    pub(crate) fn insert(
        &mut self,
        absent: Absent,
        member: &[u8],
        score: f64,
        settings: &Settings,
        slice: &mut Slice,
    ) {
        self.listpack &= member.len() as u64 <= settings.sorted_set_listpack_value_bytes_max
            && (self.rows.len() as u64) < settings.sorted_set_listpack_entries_max;
        let score = self.kept(score);
        let row = Row {
            member: member.into(),
            score,
        };
        self.bytes += member.len();
        self.apart_bytes += row.member.apart_bytes();
        let position = self.rows.len();
        self.rows
            .insert(row, absent, Owner::Object(self.object), slice);
        self.order_insert(position, score);
    }

    /// Gives the row at a position another score.
    pub(crate) fn set_score(&mut self, position: usize, score: f64, slice: &mut Slice) {
        let Some(old) = self.rows.get(position).map(|row| row.score) else {
            return;
        };
        let score = self.kept(score);
        let keeps_place = match &mut self.order {
            Order::List(_) => false,
            Order::Tree(tree) => {
                let rows = &self.rows;
                let member = member_at(rows, position as u32);
                let is_between = |lower: (f64, u32), upper: (f64, u32)| {
                    (lower.0 < score || lower.0 == score && member_at(rows, lower.1) < member)
                        && (score < upper.0
                            || score == upper.0 && member < member_at(rows, upper.1))
                };
                let search = before(rows, old, member);
                tree.rescore(position as u32, score, &search, &is_between)
            }
        };
        if !keeps_place {
            self.order_remove(position, old);
        }
        let owner = Owner::Object(self.object);
        if let Some(row) = self.rows.get_mut(position, owner, slice) {
            row.score = score;
        }
        if !keeps_place {
            self.order_insert(position, score);
        }
    }

    /// Removes the row at a position.
    pub(crate) fn remove(&mut self, position: usize, slice: &mut Slice) -> Option<Row> {
        let last = self.rows.len().checked_sub(1)?;
        let score = self.rows.get(position)?.score;
        self.order_remove(position, score);
        if position != last {
            self.order_moved(last, position);
        }
        let owner = Owner::Object(self.object);
        let row = self.rows.remove(position, owner, slice)?;
        self.bytes -= row.member.len();
        self.apart_bytes -= row.member.apart_bytes();
        if let Order::Tree(tree) = &self.order
            && tree.len() <= LISTED_AGAIN_MAX
        {
            let mut list = Vec::with_capacity(tree.len());
            tree.each(0, tree.len(), |position| list.push(position as u8));
            self.order = Order::List(list);
        }
        Some(row)
    }

    /// The score as it is kept: a list pack writes whole numbers as integers, and so loses the sign of nought.
    fn kept(&self, score: f64) -> f64 {
        if self.listpack { score + 0.0 } else { score }
    }

    fn rank_where(&self, search: &impl Search) -> usize {
        match &self.order {
            Order::Tree(tree) => tree.rank(search),
            Order::List(list) => list_place(list, &self.rows, search),
        }
    }

    fn order_insert(&mut self, position: usize, score: f64) {
        let rows = &self.rows;
        let search = before(rows, score, member_at(rows, position as u32));
        match &mut self.order {
            Order::Tree(tree) => tree.insert(score, position as u32, &search),
            Order::List(list) if list.len() < LISTED_MAX => {
                let at = list_place(list, rows, &search);
                list.insert(at, position as u8);
            }
            Order::List(list) => {
                let listed = list.iter().map(|&position| {
                    let row = rows.get(usize::from(position));
                    (row.map_or(0.0, |row| row.score), u32::from(position))
                });
                let mut tree = Tree::of_sorted(listed);
                tree.insert(score, position as u32, &search);
                self.order = Order::Tree(tree);
            }
        }
    }

    fn order_remove(&mut self, position: usize, score: f64) {
        let rows = &self.rows;
        let search = before(rows, score, member_at(rows, position as u32));
        match &mut self.order {
            Order::Tree(tree) => {
                let is_removed = tree.remove(position as u32, &search);
                debug_assert!(is_removed, "the tree does not know a row");
            }
            Order::List(list) => {
                let at = list_place(list, rows, &search);
                debug_assert_eq!(list.get(at).copied(), Some(position as u8));
                list.remove(at);
            }
        }
    }

    /// Says that the row at `from` is about to lie at `to`.
    fn order_moved(&mut self, from: usize, to: usize) {
        let rows = &self.rows;
        let Some(row) = rows.get(from) else { return };
        let search = before(rows, row.score, &row.member);
        match &mut self.order {
            Order::Tree(tree) => tree.moved(from as u32, to as u32, &search),
            Order::List(list) => {
                let at = list_place(list, rows, &search);
                list[at] = to as u8;
            }
        }
    }

    /// Derives from the rows what is not part of them.
    fn derive(&mut self) {
        self.bytes = self.rows.iter().map(|row| row.member.len()).sum();
        let apart = self.rows.iter().map(|row| row.member.apart_bytes());
        self.apart_bytes = apart.sum();
        let mut sorted: Vec<(f64, &[u8], u32)> = self
            .rows
            .iter()
            .zip(0..)
            .map(|(row, position)| (row.score, &*row.member, position))
            .collect();
        sorted.sort_unstable_by(|left, right| by_score((left.0, left.1), (right.0, right.1)));
        self.order = if sorted.len() <= LISTED_MAX {
            Order::List(sorted.iter().map(|row| row.2 as u8).collect())
        } else {
            Order::Tree(Tree::of_sorted(sorted.iter().map(|row| (row.0, row.2))))
        };
    }
}

/// Searches a score and member.
fn before(rows: &Indexed<Row>, score: f64, member: &[u8]) -> impl Search {
    Key {
        score,
        is_tie_before: move |position| member_at(rows, position) < member,
    }
}

/// The order of sorted sets. Zeros of either sign are equal; no score is NaN.
fn by_score(left: (f64, &[u8]), right: (f64, &[u8])) -> Ordering {
    let scores = left.0.partial_cmp(&right.0);
    scores
        .unwrap_or(Ordering::Equal)
        .then_with(|| left.1.cmp(right.1))
}

fn list_place(list: &[u8], rows: &Indexed<Row>, search: &impl Search) -> usize {
    list.partition_point(|&position| {
        rows.get(usize::from(position))
            .is_some_and(|row| search.is_before(row.score, u32::from(position)))
    })
}

fn member_at(rows: &Indexed<Row>, position: u32) -> &[u8] {
    rows.get(position as usize).map_or(&[], |row| &*row.member)
}

#[cfg(test)]
mod tests;
