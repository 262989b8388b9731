//! Reading a log that is not opened: nothing is locked, mended or changed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::Error;
use crate::groups::Group;
use crate::options::{Bugs, Identity};
use crate::read::{Records, Stretch};
use crate::segment::SegmentHeader;
use crate::survey::{self, Survey};

/// A log's records up to its end, or up to the first thing that is wrong with it.
///
/// Make it of a [`crate::Frozen`] directory if another process may be writing.
pub struct View {
    disk: Arc<dyn Disk>,
    survey: Survey,
    header: SegmentHeader,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("directory", &self.disk.directory())
            .field("problems", &self.survey.problems)
            .finish_non_exhaustive()
    }
}

impl View {
    /// Reads the log in `disk`. What is wrong with it is in [`View::problem`].
    ///
    /// # Errors
    /// [`Error::NoLog`], [`Error::SnapshotWithoutLog`]; [`Error::Io`] if it cannot be listed; what is wrong with the
    /// first segment, if that cannot be read at all.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let mut survey = survey::survey(&*disk, Bugs::default())?;
        let Some(first) = survey.segments.first() else {
            if !survey.problems.is_empty() {
                return Err(survey.problems.remove(0));
            }
            let directory = disk.directory().into();
            return Err(match survey.snapshots.first() {
                Some(snapshot) => Error::SnapshotWithoutLog {
                    directory,
                    snapshot: snapshot.clone(),
                },
                None => Error::NoLog { directory },
            });
        };
        Ok(Self {
            header: first.header,
            disk,
            survey,
        })
    }

    /// The first thing that is wrong, if anything is: the records before it can be read.
    #[must_use]
    pub fn problem(&self) -> Option<&Error> {
        self.survey.problems.first()
    }

    /// As [`View::problem`], to be handed on.
    #[must_use]
    pub fn into_problem(mut self) -> Option<Error> {
        (!self.survey.problems.is_empty()).then(|| self.survey.problems.remove(0))
    }

    /// The view, if nothing is wrong with the log.
    ///
    /// # Errors
    /// The first thing that is.
    pub fn into_whole(mut self) -> Result<Self, Error> {
        if self.survey.problems.is_empty() {
            Ok(self)
        } else {
            Err(self.survey.problems.remove(0))
        }
    }

    /// Whose log it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        Identity {
            cluster: self.header.cluster,
            node: self.header.node,
        }
    }

    /// The newest rules by which any of its records are applied.
    #[must_use]
    pub fn apply_level(&self) -> u32 {
        let levels = self.survey.segments.iter();
        levels
            .map(|scanned| scanned.header.apply_level)
            .max()
            .unwrap_or_default()
    }

    /// What the log knows of `group`, if it ever had a record.
    #[must_use]
    pub fn group(&self, group: u64) -> Option<&Group> {
        self.survey.groups.get(group)
    }

    /// The segment that would be written next, by number: those before it never change any more.
    #[must_use]
    pub fn tail(&self) -> u64 {
        let tail = self.survey.tail.and_then(|at| self.survey.segments.get(at));
        tail.map_or(self.header.number, |scanned| scanned.header.number)
    }

    /// Reads the records of `group` that count, from index `from` on.
    ///
    /// # Errors
    /// [`Error::Outside`] if `from` was purged, or lies more than one behind the last.
    pub fn records(&self, group: u64, from: u64) -> Result<Records, Error> {
        let empty = Group::default();
        let known = (group, self.group(group).unwrap_or(&empty));
        let (disk, bugs) = (Arc::clone(&self.disk), Bugs::default());
        Records::of_group(disk, self.stretches(), known, from, bugs)
    }

    /// Reads every record that is still in the files, in the order in which they were written, also those that a
    /// later `truncate` or `purge` leaves out.
    #[must_use]
    pub fn all_records(&self) -> Records {
        Records::of_all(Arc::clone(&self.disk), self.stretches(), Bugs::default())
    }

    /// The segments up to the first that something is wrong with.
    fn stretches(&self) -> VecDeque<Stretch> {
        let mut stretches = VecDeque::new();
        for scanned in &self.survey.segments {
            stretches.push_back(Stretch {
                header: scanned.header,
                end: scanned.end,
            });
            if !scanned.sealed {
                break;
            }
        }
        stretches
    }
}
