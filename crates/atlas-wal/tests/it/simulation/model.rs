//! What the log was told and what it promised.

use std::collections::BTreeMap;

use atlas_wal::{Disk, Kind, Log, LogId, OwnedRecord, SnapshotReader, snapshot};
use std::sync::Arc;

use crate::support::{all, of_group};

/// Every frame that was written or may have been, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) frames: Vec<Vec<OwnedRecord>>,
    /// So many of them are promised.
    pub(crate) promised: usize,
    /// What each snapshot must have in it.
    pub(crate) snapshots: BTreeMap<(u64, u64), Vec<u8>>,
}

/// A group as it must be.
#[derive(Debug, Default, Clone)]
pub(crate) struct GroupModel {
    pub(crate) purged: LogId,
    pub(crate) last: LogId,
    pub(crate) live: Vec<OwnedRecord>,
    vote: Option<OwnedRecord>,
    committed: Option<OwnedRecord>,
}

impl GroupModel {
    fn take_in(&mut self, record: &OwnedRecord) {
        let plain = record.plain();
        let id = LogId {
            term: plain.term,
            leader: plain.leader,
            index: plain.index,
        };
        match plain.kind {
            Kind::Vote => self.vote = Some(record.clone()),
            Kind::Committed => self.committed = Some(record.clone()),
            Kind::Truncate => {
                self.live.retain(|kept| kept.plain().index < plain.index);
                self.last = self.live.last().map_or(self.purged, id_of);
            }
            Kind::Purge => {
                self.live.retain(|kept| kept.plain().index > plain.index);
                self.purged = id;
                if self.live.is_empty() {
                    self.last = id;
                }
            }
            _ => {
                self.live.push(record.clone());
                self.last = id;
            }
        }
    }
}

fn id_of(record: &OwnedRecord) -> LogId {
    let plain = record.plain();
    LogId {
        term: plain.term,
        leader: plain.leader,
        index: plain.index,
    }
}

impl Model {
    pub(crate) fn groups(&self, frames: usize) -> BTreeMap<u64, GroupModel> {
        let mut groups: BTreeMap<u64, GroupModel> = BTreeMap::new();
        for record in self.frames[..frames].iter().flatten() {
            groups
                .entry(record.plain().group)
                .or_default()
                .take_in(record);
        }
        groups
    }

    /// Compares the log with what it may be, and takes what it is for what is promised from now on.
    pub(crate) fn recovered(&mut self, log: &Log, disk: &Arc<dyn Disk>) -> Result<(), String> {
        let read =
            all(log).map_err(|error| format!("a log that was opened cannot be read: {error}"))?;
        let mut flat: Vec<&OwnedRecord> = self.frames.iter().flatten().collect();
        let mut frames = self.frames.len();
        // The records are a run of those that were written, up to the end of a frame; a purge takes from the front.
        loop {
            if flat.len() >= read.len()
                && flat[flat.len() - read.len()..].iter().copied().eq(&read)
                && (!read.is_empty() || frames == 0)
            {
                break;
            }
            if frames == self.promised {
                return Err(format!(
                    "{} records were read, which are not what was promised nor what was written: {} frames of {} are \
                     promised; last read {:?}, last promised {:?}",
                    read.len(),
                    self.promised,
                    self.frames.len(),
                    read.last().map(brief),
                    flat.last().map(|record| brief(record)),
                ));
            }
            frames -= 1;
            flat.truncate(flat.len() - self.frames[frames].len());
        }
        self.frames.truncate(frames);
        self.promised = frames;
        self.same_groups(log)?;
        self.startable(log, disk)
    }

    /// Each group must be as it was told, record for record.
    pub(crate) fn same_groups(&self, log: &Log) -> Result<(), String> {
        for (number, expected) in self.groups(self.frames.len()) {
            let Some(group) = log.group(number) else {
                return Err(format!("group {number} is gone"));
            };
            if (group.purged, group.last) != (expected.purged, expected.last) {
                return Err(format!(
                    "group {number} is purged up to {:?} and ends at {:?}, not {:?} and {:?}",
                    group.purged, group.last, expected.purged, expected.last
                ));
            }
            if group.vote != expected.vote || group.committed != expected.committed {
                return Err(format!("group {number} has another vote or commitment"));
            }
            let live = of_group(log, number, group.first_index())
                .map_err(|error| format!("group {number} cannot be read: {error}"))?;
            if live != expected.live {
                return Err(format!("group {number} has other records than it should"));
            }
        }
        Ok(())
    }

    /// Each group whose log begins late must have its snapshot.
    fn startable(&self, log: &Log, disk: &Arc<dyn Disk>) -> Result<(), String> {
        for (number, group) in log.groups() {
            let choice = snapshot::choose(disk, number, group.first_index())
                .map_err(|error| format!("group {number} cannot start: {error}"))?;
            let Some(verified) = choice.snapshot else {
                continue;
            };
            let index = verified.header().id.index;
            let mut reader = SnapshotReader::open(Arc::clone(disk), verified.name())
                .map_err(|error| error.to_string())?;
            let mut content = Vec::new();
            while let Some(block) = reader.next_block().map_err(|error| error.to_string())? {
                content.extend_from_slice(block.payload);
            }
            if self.snapshots.get(&(number, index)) != Some(&content) {
                return Err(format!(
                    "the snapshot of group {number} at {index} has another content"
                ));
            }
        }
        Ok(())
    }
}

fn brief(record: &OwnedRecord) -> (u64, u64, Kind, u64) {
    let plain = record.plain();
    (plain.group, plain.index, plain.kind, plain.seed)
}
