//! A store's log as JSON lines.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use atlas_wal::Disk;
use atlas_wal::snapshot::{self, SnapshotReader, Verified};

use super::line::{DUMP, END, Line, SNAPSHOT, Text, VERSION};
use super::{GROUP, open_view};
use crate::error::Error;
use crate::snapshot::APPLY_LEVEL;

/// Which records are printed; without bounds all that a store would start from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// The first index. What comes before it is left out, so that nothing can be restored from it.
    pub from: Option<u64>,
    /// The last index.
    pub to: Option<u64>,
}

/// Prints the log in `folder` as JSON lines: a head, the snapshot that stands for what the log has not any more, the
/// records, an end. Changes nothing, and may be used beside a running store.
///
/// # Errors
/// What is wrong with the files: all records before it have been written then, and the end is missing. [`Error::Output`].
pub fn dump(folder: &Path, range: Range, output: &mut dyn Write) -> Result<(), Error> {
    let (disk, view) = open_view(folder)?;
    let group = view.group(GROUP).cloned().unwrap_or_default();
    let to = range.to.unwrap_or(u64::MAX);
    let first_index = group.first_index();
    let image = match range.from {
        None if first_index > 1 => Some(image(&disk, first_index, to)?),
        _ => None,
    };
    let identity = view.identity();
    let mut lines = Lines { output, count: 0 };
    lines.put(&Line {
        kind: DUMP.to_owned(),
        version: Some(VERSION),
        apply_level: Some(APPLY_LEVEL),
        cluster: Some(format!("{:032x}", identity.cluster)),
        node: Some(identity.node),
        ..Line::default()
    })?;
    let mut last = 0;
    if let Some(image) = &image {
        last = image.header().id.index;
        let mut reader = SnapshotReader::open(Arc::clone(&disk), image.name())?;
        let now_ms = image.header().now_ms;
        while let Some(block) = reader.next_block()? {
            lines.put(&Line {
                kind: SNAPSHOT.to_owned(),
                index: Some(last),
                now_ms: Some(now_ms),
                block: Some(block.kind),
                payload: Some(Text::from(block.payload)),
                ..Line::default()
            })?;
        }
    }
    let from = range.from.unwrap_or(last + 1);
    // A snapshot may be ahead of a log whose end was lost.
    if from <= group.last.index + 1 || range.from.is_some() {
        let mut records = view.records(GROUP, from)?;
        loop {
            let entry = match records.next_record() {
                Ok(Some(entry)) if entry.record.index <= to => entry,
                Ok(_) => break,
                Err(error) => return Err(view.into_problem().unwrap_or(error).into()),
            };
            let index = entry.record.index;
            let is_skipped = group.skips.iter().any(|skip| skip.index == index);
            last = index;
            lines.put(&Line::of(&entry.record, identity.node, is_skipped))?;
        }
    }
    if let Some(problem) = view.into_problem()
        && last < to
    {
        lines.output.flush().map_err(Error::Output)?;
        return Err(problem.into());
    }
    let lines_count = lines.count + 1;
    lines.put(&Line {
        kind: END.to_owned(),
        index: Some(last),
        lines: Some(lines_count),
        ..Line::default()
    })?;
    lines.output.flush().map_err(Error::Output)
}

/// The newest whole snapshot that reaches the log and does not go beyond `to`.
fn image(disk: &Arc<dyn Disk>, first_index: u64, to: u64) -> Result<Verified, Error> {
    for found in snapshot::list(&**disk, GROUP)? {
        if found.index <= to && found.index + 1 >= first_index {
            let reader = SnapshotReader::open(Arc::clone(disk), &found.name);
            if let Ok(verified) = reader.and_then(SnapshotReader::verify) {
                return Ok(verified);
            }
        }
    }
    // It says what is wrong with those that there are.
    match snapshot::choose(disk, GROUP, first_index)?.snapshot {
        Some(newest) => Err(Error::OutsideBackup {
            path: disk.directory().to_owned(),
            what: format!("index {to}"),
            has: format!("index {} and what follows", newest.header().id.index),
        }),
        None => Err(Error::NoStore {
            path: disk.directory().to_owned(),
        }),
    }
}

struct Lines<'a> {
    output: &'a mut dyn Write,
    count: u64,
}

impl Lines<'_> {
    fn put(&mut self, line: &Line) -> Result<(), Error> {
        self.count += 1;
        let output = &mut *self.output;
        serde_json::to_writer(&mut *output, line).map_err(|error| Error::Output(error.into()))?;
        output.write_all(b"\n").map_err(Error::Output)
    }
}
