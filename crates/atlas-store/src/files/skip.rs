//! Getting past a record that cannot be applied.

use std::path::Path;
use std::sync::Arc;

use atlas_wal::{Batch, Disk, FileDisk, Kind, Log, Options, Record, snapshot};

use super::GROUP;
use super::line::Line;
use crate::error::Error;
use crate::snapshot::APPLY_LEVEL;

/// Writes a record of kind `skip`: from now on record `index` is not applied. Returns that record as a line of JSON. No
/// store may have the folder.
///
/// # Errors
/// [`Error::Skip`] if there is nothing to skip at `index`; what a start would refuse too.
pub fn skip(folder: &Path, index: u64) -> Result<String, Error> {
    let cannot = |why: String| Error::Skip { index, why };
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(folder));
    let options = Options {
        apply_level: APPLY_LEVEL,
        ..Options::default()
    };
    let (mut log, _) = Log::open(Arc::clone(&disk), options)?;
    let group = log.group(GROUP).cloned().unwrap_or_default();
    let choice = snapshot::choose(&disk, GROUP, group.first_index())?;
    let image = choice.snapshot.map_or(0, |image| image.header().id.index);
    if index <= image {
        let why = format!("the snapshot at index {image} already has its effect");
        return Err(cannot(why));
    }
    if index < group.first_index() || index > group.last.index {
        let (first, last) = (group.first_index(), group.last.index);
        return Err(cannot(format!("the log has the records {first} to {last}")));
    }
    if group.skips.iter().any(|skip| skip.index == index) {
        return Err(cannot("it is skipped already".to_owned()));
    }
    let node = log.identity().node;
    let mut records = log.records(GROUP, index)?;
    let Some(entry) = records.next_record()? else {
        return Err(cannot("it is not in the log".to_owned()));
    };
    if !matches!(
        entry.record.kind,
        Kind::Command | Kind::Expire | Kind::Evict | Kind::Serve
    ) {
        let kind = entry.record.kind.name();
        return Err(cannot(format!("it is of kind `{kind}` and does nothing")));
    }
    let line = serde_json::to_string(&Line::of(&entry.record, node, true))
        .map_err(|error| Error::Output(error.into()))?;
    let mut batch = Batch::new();
    batch.push(&Record {
        term: group.last.term.max(1),
        leader: node,
        index: group.last.index + 1,
        kind: Kind::Skip,
        arguments: atlas_wal::Arguments {
            bytes: &index.to_le_bytes(),
            ranges: std::slice::from_ref(&(0..8)),
        },
        ..Record::default()
    })?;
    log.append(&[&batch])?;
    log.sync()?;
    log.close()?;
    Ok(line)
}
