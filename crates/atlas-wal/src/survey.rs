//! Reading a whole directory and deciding what is right, what is a torn tail, and what is damage. Changes nothing.
//!
//! [`crate::Log::open`] acts on a survey, [`crate::check()`] prints it: they cannot differ in what they hold for true.

mod segment;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::disk::Disk;
use crate::error::{self, Error};
use crate::frame::Opening;
use crate::groups::Groups;
use crate::layout::{self, Name};
use crate::options::Bugs;

pub use segment::IndexRange;
pub(crate) use segment::Scanned;

/// What a directory has.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The log's segments without a hole between them, in order, as far as their headers could be read.
    pub(crate) segments: Vec<Scanned>,
    /// Segments before a hole: a purge that was cut off leaves them behind.
    pub(crate) leftovers: Vec<u64>,
    /// Files that were being made.
    pub(crate) unfinished: Vec<String>,
    /// Snapshots by name.
    pub(crate) snapshots: Vec<String>,
    /// What is wrong, the first first. If something is, nothing may be changed.
    pub(crate) problems: Vec<Error>,
    /// How far the groups are, up to the first problem.
    pub(crate) groups: Groups,
    /// Which of `segments` is the one to go on writing; `None` if none was begun.
    pub(crate) tail: Option<usize>,
}

/// Sorts the names in a directory.
pub(crate) fn list(disk: &dyn Disk) -> Result<(Survey, Vec<u64>), Error> {
    let names = disk
        .list()
        .map_err(|source| error::io("list", disk.directory().into(), 0, source))?;
    let mut survey = Survey::default();
    let mut numbers = Vec::new();
    for name in names {
        match Name::read(&name) {
            Name::Segment(number) => numbers.push(number),
            Name::Snapshot { .. } => survey.snapshots.push(name),
            Name::Unfinished => survey.unfinished.push(name),
            Name::Other => {}
        }
    }
    numbers.sort_unstable();
    survey.snapshots.sort_unstable();
    survey.unfinished.sort_unstable();
    Ok((survey, numbers))
}

/// Reads all of it.
pub(crate) fn survey(disk: &dyn Disk, bugs: Bugs) -> Result<Survey, Error> {
    let (mut survey, numbers) = list(disk)?;
    let begin = (1..numbers.len())
        .rev()
        .find(|&at| numbers[at - 1] + 1 != numbers[at])
        .unwrap_or(0);
    survey.leftovers = numbers[..begin].to_vec();
    let run = &numbers[begin..];
    let mut reader = segment::Reader::new(disk, bugs);
    for (place, &number) in run.iter().enumerate() {
        let before = survey.segments.last();
        let continues = |opening: &Opening, groups: &mut Groups| match before {
            _ if opening.previous_number != number - 1 => {
                Err("it continues another segment than the one before it")
            }
            None => {
                groups.begin(&opening.groups);
                Ok(())
            }
            Some(before) => {
                let same =
                    before.end == opening.previous_end && before.last_sum == opening.previous_sum;
                if !same && !bugs.checksum_ignores_place {
                    Err("it continues another end than that of the segment before it")
                } else if !groups.agree(&opening.groups) {
                    Err("the segments before it end with other records than it says")
                } else {
                    Ok(())
                }
            }
        };
        // Behind a hole there is nothing to compare with.
        let tracked = survey.problems.is_empty() && before.is_none_or(|before| before.sealed);
        let (scanned, problem) =
            reader.scan(number, &mut survey.groups, tracked, place == 0, continues);
        let file = disk.directory().join(layout::segment(number));
        if let Some(scanned) = scanned {
            // A segment that was begun proves that the one before it was whole and durable.
            if scanned.begun
                && let Some(before) = survey.segments.last()
                && before.header.number == number - 1
                && !before.sealed
                && !(bugs.truncation_on_corruption && before.begun)
            {
                let proof = lost(disk, before, "the segment after it was begun");
                let earlier = survey
                    .problems
                    .iter()
                    .position(|problem| file_of(problem) == Some(&file));
                match earlier {
                    Some(at) => survey.problems.insert(at, proof),
                    None => survey.problems.push(proof),
                }
            }
            survey.segments.push(scanned);
        }
        survey.problems.extend(problem);
    }
    survey.find_tail(disk, run, bugs);
    Ok(survey)
}

impl Survey {
    fn find_tail(&mut self, disk: &dyn Disk, run: &[u64], bugs: Bugs) {
        self.tail = self.segments.iter().rposition(|scanned| scanned.begun);
        if !self.problems.is_empty() {
            return;
        }
        let missing = |number: u64, what: String| Error::MissingSegment {
            file: disk.directory().join(layout::segment(number)),
            what,
        };
        let Some(tail) = self.tail else {
            match run {
                // A log that was just being made, or none.
                [] | [1] => {}
                [first, ..] if *first > 1 => self.problems.push(missing(
                    first - 1,
                    format!("segment {first} was written ahead of its end"),
                )),
                _ => self.problems.push(lost(
                    disk,
                    &self.segments[0],
                    "a later segment was written ahead",
                )),
            }
            return;
        };
        let last = &self.segments[tail];
        if self.segments.len() > tail + 2 {
            let unbegun = &self.segments[tail + 1];
            self.problems
                .push(lost(disk, unbegun, "a later segment was written ahead"));
        } else if last.sealed && self.segments.len() == tail + 1 {
            self.problems.push(missing(
                last.header.number + 1,
                format!(
                    "segment {} ends with the word that the log goes on there",
                    last.header.number
                ),
            ));
        } else if run[0] > 1
            && self.groups.iter().all(|(_, group)| group.purged.index == 0)
            && !bugs.missing_segments_ignored
        {
            self.problems.push(missing(
                run[0] - 1,
                "the log begins behind it, and nothing was ever purged".into(),
            ));
        } else if let Some((group, index)) = self.groups.missing()
            && !bugs.missing_segments_ignored
        {
            self.problems.push(missing(
                run[0] - 1,
                format!("group {group} needs its records from index {index} on, no snapshot was said to cover them"),
            ));
        }
    }
}

/// What is behind the end of `scanned` was durable and is not there.
fn lost(disk: &dyn Disk, scanned: &Scanned, proof: &str) -> Error {
    let found = scanned.damage.unwrap_or("the log ends here");
    Error::Corrupt {
        file: disk.directory().join(scanned.name()),
        offset: scanned.end,
        what: format!("{found}, and {proof}"),
    }
}

fn file_of(problem: &Error) -> Option<&PathBuf> {
    match problem {
        Error::Corrupt { file, .. } | Error::Io { file, .. } => Some(file),
        _ => None,
    }
}
