//! How far each group has come, and where its records are.

use std::collections::{BTreeMap, VecDeque};

use crate::batch::BatchEntry;
use crate::frame::Standing;
use crate::record::{Kind, OwnedRecord, Record, Scratch};

/// A run of records is found again by reading at most about this much.
const RUN_BYTES: u64 = 64 * 1024;

/// A place in the log: which segment, and how far into its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// The offset in its file, in bytes.
    pub offset: u64,
}

/// Which record of a group: its index, and the term and leader that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogId {
    /// The term.
    pub term: u64,
    /// The leader's node id.
    pub leader: u64,
    /// The index; 0 is "none yet".
    pub index: u64,
}

/// A record that says that another is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The index of the record of kind `skip`.
    pub at: u64,
    /// The index of the one that it leaves out.
    pub index: u64,
}

/// One group's part of the log.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Up to here a snapshot covers the records; they may be gone.
    pub purged: LogId,
    /// The last record that counts, or `purged`.
    pub last: LogId,
    /// The newest record of kind `vote`.
    pub vote: Option<OwnedRecord>,
    /// The newest record of kind `committed`.
    pub committed: Option<OwnedRecord>,
    /// Records that are not applied, known from the start although they come later.
    pub skips: Vec<Skip>,
    /// Where a term or a leader begins.
    terms: Vec<LogId>,
    runs: VecDeque<Run>,
    /// The next record begins a new run.
    broken: bool,
}

/// Records that follow one another, found by reading on from a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The frame that has the first; `None` if the segment that had them is gone.
    pub(crate) at: Option<Position>,
    /// How many records of that frame come before it.
    pub(crate) ordinal: u32,
}

impl Group {
    /// The first index that can be read; one more than the last if there is none.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.purged.index + 1
    }

    /// The term and leader of the record at `index`, if it counts.
    #[must_use]
    pub fn id_of(&self, index: u64) -> Option<LogId> {
        if index == self.purged.index {
            return Some(self.purged);
        }
        if index < self.purged.index || index > self.last.index {
            return None;
        }
        let after = self.terms.partition_point(|begin| begin.index <= index);
        let begin = self.terms.get(after.checked_sub(1)?)?;
        Some(LogId { index, ..*begin })
    }

    /// The runs that have what is left from `index` on.
    pub(crate) fn runs_from(&self, index: u64) -> impl Iterator<Item = Run> + '_ {
        let index = index.max(self.first_index());
        let skip = self.runs.partition_point(|run| run.last < index);
        self.runs.iter().skip(skip).copied()
    }

    /// The first segment that is still needed, if one is.
    fn needed_segment(&self) -> Option<u64> {
        self.runs_from(0)
            .next()
            .map(|run| run.at.map_or(0, |at| at.segment))
    }

    fn append(&mut self, id: LogId, at: Position, ordinal: u32) {
        match self.runs.back_mut() {
            Some(run)
                if !self.broken
                    && run.at.is_some_and(|begin| {
                        begin.segment == at.segment && at.offset - begin.offset < RUN_BYTES
                    }) =>
            {
                run.last = id.index;
            }
            _ => self.runs.push_back(Run {
                first: id.index,
                last: id.index,
                at: Some(at),
                ordinal,
            }),
        }
        self.broken = false;
        self.last = id;
        if self
            .terms
            .last()
            .is_none_or(|begin| (begin.term, begin.leader) != (id.term, id.leader))
        {
            self.terms.push(id);
        }
    }

    fn truncate(&mut self, index: u64) {
        self.last = self.id_of(index - 1).unwrap_or(LogId {
            index: index - 1,
            ..LogId::default()
        });
        while self.runs.back().is_some_and(|run| run.first >= index) {
            self.runs.pop_back();
        }
        if let Some(run) = self.runs.back_mut() {
            run.last = run.last.min(index - 1);
        }
        self.terms.retain(|begin| begin.index < index);
        self.skips.retain(|skip| skip.at < index);
        self.broken = true;
    }

    fn purge(&mut self, id: LogId) {
        self.purged = id;
        if id.index >= self.last.index {
            self.last = id;
            self.runs.clear();
            self.terms.clear();
            self.skips.clear();
            self.broken = true;
            return;
        }
        while self.runs.front().is_some_and(|run| run.last <= id.index) {
            self.runs.pop_front();
        }
        let kept = self
            .terms
            .partition_point(|begin| begin.index <= id.index + 1);
        self.terms.drain(..kept.saturating_sub(1));
        self.skips.retain(|skip| skip.index > id.index);
    }
}

/// Whether a record may come after what a group has, given as (purged, last), and what it has then.
fn follow(state: (u64, u64), kind: Kind, index: u64) -> Result<(u64, u64), String> {
    let (purged, last) = state;
    if index == u64::MAX {
        return Err("no index is so large".into());
    }
    match kind {
        Kind::Truncate if index > purged && index <= last + 1 => Ok((purged, index - 1)),
        Kind::Truncate => Err(format!(
            "a truncate can name {} to {}",
            purged + 1,
            last + 1
        )),
        Kind::Purge if index >= purged.max(1) => Ok((index, last.max(index))),
        Kind::Purge => Err(format!("a purge can name {} or more", purged.max(1))),
        Kind::Vote | Kind::Committed => Ok(state),
        _ if index == last + 1 => Ok((purged, index)),
        _ => Err(format!("the next is {}", last + 1)),
    }
}

/// All groups of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<u64, Group>,
}

impl Groups {
    pub(crate) fn get(&self, group: u64) -> Option<&Group> {
        self.groups.get(&group)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Group)> {
        self.groups.iter().map(|(&number, group)| (number, group))
    }

    /// Whether these records may come next, one after the other; else which may not, and what could.
    pub(crate) fn check<'a>(
        &self,
        entries: impl Iterator<Item = &'a BatchEntry>,
    ) -> Result<(), (u64, u64, String)> {
        // Few groups in one frame: a list is faster than a map.
        let mut states: Vec<(u64, (u64, u64))> = Vec::new();
        for entry in entries {
            let at = match states.iter().position(|&(group, _)| group == entry.group) {
                Some(at) => at,
                None => {
                    let state = self
                        .get(entry.group)
                        .map_or((0, 0), |group| (group.purged.index, group.last.index));
                    states.push((entry.group, state));
                    states.len() - 1
                }
            };
            states[at].1 = follow(states[at].1, entry.kind, entry.id.index)
                .map_err(|expected| (entry.group, entry.id.index, expected))?;
        }
        Ok(())
    }

    /// As [`Groups::check`], for one record.
    pub(crate) fn may_follow(&self, entry: &BatchEntry) -> bool {
        let state = self
            .get(entry.group)
            .map_or((0, 0), |group| (group.purged.index, group.last.index));
        follow(state, entry.kind, entry.id.index).is_ok()
    }

    /// Takes in a record that was checked. `bytes` are the record's, without its length; `at` is its frame and
    /// `ordinal` its place in it.
    pub(crate) fn apply(&mut self, entry: &BatchEntry, bytes: &[u8], at: Position, ordinal: u32) {
        let group = self.groups.entry(entry.group).or_default();
        match entry.kind {
            Kind::Truncate => group.truncate(entry.id.index),
            Kind::Purge => group.purge(entry.id),
            Kind::Vote | Kind::Committed => {
                let mut scratch = Scratch::default();
                let record = Record::decode(bytes, &mut scratch)
                    .expect("it was encoded or decoded a moment ago");
                let owned = Some(record.to_owned());
                if entry.kind == Kind::Vote {
                    group.vote = owned;
                } else {
                    group.committed = owned;
                }
            }
            _ => {
                group.append(entry.id, at, ordinal);
                if let Some(index) = entry.skipped {
                    group.skips.push(Skip {
                        at: entry.id.index,
                        index,
                    });
                }
            }
        }
    }

    /// How far each has come, for an opening frame.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.iter()
            .map(|(number, group)| Standing {
                group: number,
                last: group.last,
                purged: group.purged,
            })
            .collect()
    }

    /// Begins where an opening frame says that the segments before it ended. What they had and no snapshot covers is
    /// missing, unless what follows truncates or purges it.
    pub(crate) fn begin(&mut self, standings: &[Standing]) {
        for standing in standings {
            let mut group = Group {
                purged: standing.purged,
                last: standing.last,
                broken: true,
                ..Group::default()
            };
            if standing.last.index > standing.purged.index {
                group.runs.push_back(Run {
                    first: standing.purged.index + 1,
                    last: standing.last.index,
                    at: None,
                    ordinal: 0,
                });
                group.terms.push(standing.last);
            }
            self.groups.insert(standing.group, group);
        }
    }

    /// Whether an opening frame says what the segments before it came to. A truncate that reaches back into segments
    /// that are gone leaves a last record whose term only the opening frame knows.
    pub(crate) fn agree(&mut self, standings: &[Standing]) -> bool {
        self.groups.len() == standings.len()
            && self
                .groups
                .iter_mut()
                .zip(standings)
                .all(|((&number, group), standing)| {
                    let is_missing = group.runs.back().is_some_and(|run| run.at.is_none());
                    if is_missing && group.last.index == standing.last.index {
                        group.last = standing.last;
                    }
                    number == standing.group
                        && group.last == standing.last
                        && group.purged == standing.purged
                })
    }

    /// A group whose records are missing, and the first of them.
    pub(crate) fn missing(&self) -> Option<(u64, u64)> {
        self.iter().find_map(|(number, group)| {
            let run = group.runs_from(0).next()?;
            run.at.is_none().then_some((number, run.first))
        })
    }

    /// The first segment that any of them still needs; `otherwise` if none does.
    pub(crate) fn needed_segment(&self, otherwise: u64) -> u64 {
        self.iter()
            .filter_map(|(_, group)| group.needed_segment())
            .min()
            .unwrap_or(otherwise)
    }
}
