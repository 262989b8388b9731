//! A state from a backup, as it was at a moment.

use std::path::Path;
use std::sync::Arc;

use atlas_kv::{Effects, Keyspace, Settings};
use atlas_wal::snapshot::{self, SnapshotReader};
use atlas_wal::{Disk, Kind, View};

use super::backup::{Run, runs};
use super::fresh::{Made, make, target};
use super::{GROUP, frozen, newer};
use crate::bugs::Bugs;
use crate::error::Error;
use crate::recovery::{load, replay_one};
use crate::scripts;
use crate::snapshot::APPLY_LEVEL;

/// A moment of a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// The last that the backup has.
    Last,
    /// After the record with this index.
    Index(u64),
    /// After the last record of this time, milliseconds since 1970.
    Time(u64),
}

/// Makes a store in the data directory `into` from a backup, as it was at a moment. `databases` is how many databases it
/// has, unless a snapshot says so.
///
/// # Errors
/// [`Error::OutsideBackup`] says which moments there are; [`Error::Exists`]: a store is never written over;
/// [`Error::Panicked`], [`Error::Record`]; what is wrong with the backup's files. Nothing is left behind.
pub fn restore(from: &Path, point: Point, into: &Path, databases: u32) -> Result<Made, Error> {
    target(into)?;
    let runs = runs(from)?;
    if runs.is_empty() {
        return Err(Error::NoStore {
            path: from.to_owned(),
        });
    }
    let run = choose(&runs, point).ok_or_else(|| outside(from, point, &runs))?;
    let (disk, _) = frozen(&run.folder)?;
    let view = View::open(Arc::clone(&disk))?;
    if view.apply_level() > APPLY_LEVEL {
        return Err(newer(&run.folder, view.apply_level()).into());
    }
    let (keyspace, last) = at(&disk, view, point, databases)?;
    if let Point::Index(index) = point
        && index != last
    {
        return Err(outside(from, point, &runs));
    }
    make(into, keyspace, last)
}

fn choose(runs: &[Run], point: Point) -> Option<&Run> {
    let mut newest_first = runs.iter().rev();
    match point {
        Point::Last => runs.last(),
        Point::Index(index) => {
            newest_first.find(|run| (run.first_index..=run.last_index).contains(&index))
        }
        Point::Time(time_ms) => {
            newest_first.find(|run| (run.first_ms..=run.taken_ms).contains(&time_ms))
        }
    }
}

fn outside(backup: &Path, point: Point, runs: &[Run]) -> Error {
    let what = match point {
        Point::Last => "a last record".to_owned(),
        Point::Index(index) => format!("index {index}"),
        Point::Time(time_ms) => format!("the time {time_ms} (milliseconds since 1970)"),
    };
    let has = runs.iter().map(|run| match point {
        Point::Time(_) => format!("{} to {}", run.first_ms, run.taken_ms),
        Point::Last | Point::Index(_) => format!("{} to {}", run.first_index, run.last_index),
    });
    Error::OutsideBackup {
        path: backup.to_owned(),
        what,
        has: has.collect::<Vec<_>>().join(", and "),
    }
}

/// The state at a moment, and the last record that it has the effect of.
fn at(
    disk: &Arc<dyn Disk>,
    view: View,
    point: Point,
    databases: u32,
) -> Result<(Keyspace, u64), Error> {
    let is_past = |index: u64, now_ms: u64| match point {
        Point::Last => false,
        Point::Index(last) => index > last,
        Point::Time(last_ms) => now_ms > last_ms,
    };
    let (mut keyspace, mut last) = begin(disk, is_past, databases)?;
    let left_out = LeftOut::of(&view)?;
    let mut records = view.all_records();
    let mut effects = Effects::default();
    let mut number = 0;
    let problem = loop {
        let entry = match records.next_record() {
            Ok(Some(entry)) => entry,
            // What is wrong lies behind this.
            Ok(None) => break view.into_problem(),
            Err(error) => break Some(view.into_problem().unwrap_or(error)),
        };
        number += 1;
        let record = entry.record;
        if record.group != GROUP
            || !record.kind.takes_index()
            || record.index <= last
            || left_out.is_truncated(number, record.index)
        {
            continue;
        }
        if is_past(record.index, record.now_ms) {
            break None;
        }
        if record.index != last + 1 {
            return Err(Error::OutsideBackup {
                path: disk.directory().to_owned(),
                what: format!("index {}", last + 1),
                has: format!("index {} next", record.index),
            });
        }
        last = record.index;
        if left_out.skips.contains(&last) {
            continue;
        }
        effects.clear();
        replay_one(&record, &mut keyspace, &mut effects, Bugs::default())?;
    };
    match problem {
        Some(problem) => Err(problem.into()),
        None => Ok((keyspace, last)),
    }
}

/// The newest whole snapshot that is not past the moment, or nothing.
fn begin(
    disk: &Arc<dyn Disk>,
    is_past: impl Fn(u64, u64) -> bool,
    databases: u32,
) -> Result<(Keyspace, u64), Error> {
    for image in snapshot::list(&**disk, GROUP)? {
        // One that is damaged has another beside it, or the records that it stands for are missed below.
        let Ok(reader) = SnapshotReader::open(Arc::clone(disk), &image.name) else {
            continue;
        };
        if is_past(image.index, reader.header().now_ms) {
            continue;
        }
        let Ok(verified) = reader.verify() else {
            continue;
        };
        return Ok((load(disk, &verified)?, image.index));
    }
    Ok((scripts::keyspace(databases, Settings::default()), 0))
}

/// Records that are there and have no effect.
#[derive(Debug, Default)]
struct LeftOut {
    skips: Vec<u64>,
    /// How many records came before each `truncate`, and from which index on those do not count.
    truncated: Vec<(u64, u64)>,
}

impl LeftOut {
    fn of(view: &View) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut records = view.all_records();
        let mut number = 0;
        loop {
            let entry = match records.next_record() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(found),
                // Told when the records are applied, unless the moment lies before it.
                Err(_) if view.problem().is_some() => return Ok(found),
                Err(error) => return Err(error.into()),
            };
            number += 1;
            let record = entry.record;
            if record.group != GROUP {
                continue;
            }
            if record.kind == Kind::Truncate {
                found.truncated.push((number, record.index));
            }
            found.skips.extend(record.skipped_index());
        }
    }

    fn is_truncated(&self, number: u64, index: u64) -> bool {
        let later = self.truncated.iter().rev();
        later
            .take_while(|(at, _)| *at > number)
            .any(|(_, from)| index >= *from)
    }
}
