//! Looking at a directory without touching it: what `atlas store check` prints.

use std::fmt;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::Error;
use crate::layout;
use crate::options::{Bugs, Identity};
use crate::snapshot::SnapshotReader;
use crate::survey::{self, IndexRange};

/// What a directory has, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// Each segment and snapshot.
    pub files: Vec<FileReport>,
    /// What of each group could be kept: its records up to the first problem.
    pub groups: Vec<GroupReport>,
    /// What is wrong, the first first. The log does not open as long as there is something; damaged snapshots are in
    /// `files`, because an older one may do.
    pub problems: Vec<Error>,
    /// Files that a process that was killed left behind; opening the log removes them.
    pub unfinished: Vec<String>,
    /// Whose log it is; `None` if no segment says so.
    pub identity: Option<Identity>,
    /// The newest rules by which any record is applied.
    pub apply_level: u32,
}

/// What one file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the directory.
    pub name: String,
    /// Whole frames, or blocks of a snapshot.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// The indices of those records, or the index that a snapshot reaches, by group.
    pub indices: Vec<IndexRange>,
    /// Behind the last whole frame or block.
    pub end: u64,
    /// What the file is: as a word, for people.
    pub state: &'static str,
    /// What is wrong with it, or what opening the log would cut off.
    pub remark: Option<String>,
}

/// What one group has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// The group.
    pub group: u64,
    /// The first index in the log.
    pub first_index: u64,
    /// The last index that could be kept.
    pub last_index: u64,
    /// Its snapshots that are whole, by index, the newest first.
    pub snapshots: Vec<u64>,
    /// Whether a whole snapshot reaches the log's first index, or none is needed.
    pub startable: bool,
}

impl Report {
    /// Whether the log opens and each group can start.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.groups.iter().all(|group| group.startable)
    }

    /// Whether something that had been durable is not as it was: also a damaged snapshot that no start needs.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.is_whole() || self.files.iter().any(|file| file.state == DAMAGED)
    }

    /// Segments that end with bytes that nobody was told are durable. Opening the log cuts those off.
    pub fn torn(&self) -> impl Iterator<Item = &FileReport> {
        let is_torn = |file: &&FileReport| {
            file.remark.is_some() && !matches!(file.state, DAMAGED | LEFT_OVER)
        };
        self.files
            .iter()
            .filter(|_| self.problems.is_empty())
            .filter(is_torn)
    }
}

/// The state of a snapshot that is not whole.
const DAMAGED: &str = "damaged";
/// The state of a segment before a hole.
const LEFT_OVER: &str = "left over";

/// Reads every file of the log and every snapshot. Takes no lock and changes nothing. While a store writes the directory
/// hand in a [`crate::Frozen`] one: otherwise what comes meanwhile looks like damage.
///
/// # Errors
/// [`Error::Io`] if the directory cannot be listed. Everything else is in the report.
pub fn check(disk: &Arc<dyn Disk>) -> Result<Report, Error> {
    let survey = survey::survey(&**disk, Bugs::default())?;
    let mut report = Report {
        unfinished: survey.unfinished.clone(),
        ..Report::default()
    };
    for scanned in &survey.segments {
        let theirs = Identity {
            cluster: scanned.header.cluster,
            node: scanned.header.node,
        };
        report.apply_level = report.apply_level.max(scanned.header.apply_level);
        let ours = *report.identity.get_or_insert(theirs);
        if ours != theirs {
            report.problems.push(Error::Foreign {
                file: disk.directory().join(scanned.name()),
                theirs: theirs.to_string(),
                ours: ours.to_string(),
            });
        }
        let behind = scanned.used_end.saturating_sub(scanned.end);
        report.files.push(FileReport {
            name: scanned.name(),
            frames: scanned.frames,
            records: scanned.records,
            indices: scanned.indices.clone(),
            end: scanned.end,
            state: match (scanned.begun, scanned.sealed, scanned.closed) {
                (false, ..) => "written ahead",
                (_, true, _) => "full",
                (_, _, true) => "closed",
                _ => "open",
            },
            remark: (behind > 0).then(|| {
                format!(
                    "{behind} bytes behind offset {}: {}",
                    scanned.end,
                    scanned.damage.unwrap_or("something behind a hole")
                )
            }),
        });
    }
    for &number in &survey.leftovers {
        report.files.push(FileReport {
            name: layout::segment(number),
            frames: 0,
            records: 0,
            indices: Vec::new(),
            end: 0,
            state: LEFT_OVER,
            remark: Some("a purge was cut off before it was removed".into()),
        });
    }
    let mut whole: Vec<(u64, u64)> = Vec::new();
    for name in &survey.snapshots {
        let read = SnapshotReader::open(Arc::clone(disk), name).and_then(SnapshotReader::verify);
        let mut indices = Vec::new();
        let (blocks, bytes, remark) = match &read {
            Ok(verified) => {
                let header = verified.header();
                let (group, index) = (header.group, header.id.index);
                whole.push((group, index));
                indices.push(IndexRange {
                    group,
                    first: index,
                    last: index,
                });
                report.apply_level = report.apply_level.max(header.apply_level);
                (verified.blocks(), verified.bytes(), None)
            }
            Err(error) => (0, 0, Some(error.to_string())),
        };
        report.files.push(FileReport {
            name: name.clone(),
            frames: blocks,
            records: 0,
            indices,
            end: bytes,
            state: if read.is_ok() { "snapshot" } else { DAMAGED },
            remark,
        });
    }
    for (number, group) in survey.groups.iter() {
        let mut snapshots: Vec<u64> = whole
            .iter()
            .filter(|&&(of, _)| of == number)
            .map(|&(_, index)| index)
            .collect();
        snapshots.sort_unstable_by_key(|&index| std::cmp::Reverse(index));
        let first_index = group.first_index();
        report.groups.push(GroupReport {
            group: number,
            first_index,
            last_index: group.last.index,
            startable: first_index <= 1
                || snapshots
                    .first()
                    .is_some_and(|&index| index + 1 >= first_index),
            snapshots,
        });
    }
    // What a snapshot holds can be kept even if nothing of the log can.
    for &(number, index) in &whole {
        if survey.groups.get(number).is_none() {
            report.groups.push(GroupReport {
                group: number,
                first_index: index + 1,
                last_index: index,
                snapshots: vec![index],
                startable: true,
            });
        }
    }
    report.problems.extend(survey.problems);
    Ok(report)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(
                f,
                "{}: {}, {} frames, {} records, up to offset {}",
                file.name, file.state, file.frames, file.records, file.end
            )?;
            match &file.remark {
                Some(remark) => writeln!(f, "; {remark}")?,
                None => writeln!(f)?,
            }
        }
        for name in &self.unfinished {
            writeln!(f, "{name}: unfinished, will be removed")?;
        }
        for group in &self.groups {
            write!(
                f,
                "group {}: records {} to {}",
                group.group, group.first_index, group.last_index
            )?;
            match group.snapshots.first() {
                Some(index) => write!(f, ", snapshot at {index}")?,
                None => write!(f, ", no snapshot")?,
            }
            if group.startable {
                writeln!(f)?;
            } else {
                writeln!(f, ", which does not reach the log")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        if self.is_whole() {
            writeln!(f, "whole")
        } else {
            writeln!(f, "not whole; nothing was changed")
        }
    }
}
