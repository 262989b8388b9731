//! What several tests need.

use std::sync::Arc;

use atlas_wal::{
    Arguments, Batch, Disk, Error, Identity, Kind, Log, LogId, MemoryDisk, Options, OwnedRecord,
    Record, Recovery, SnapshotHeader, SnapshotWriter, Verified,
};

pub(crate) const IDENTITY: Identity = Identity {
    cluster: 0x00c1_0517,
    node: 1,
};

/// Small segments, so that a test sees several.
pub(crate) fn options() -> Options {
    Options {
        identity: Some(IDENTITY),
        segment_bytes: 16 * 1024,
        ..Options::default()
    }
}

pub(crate) fn open(disk: &MemoryDisk) -> Result<(Log, Recovery), Error> {
    Log::open(Arc::new(disk.clone()), options())
}

/// A command that nobody else writes: `unique` is in it twice.
pub(crate) fn command(group: u64, term: u64, index: u64, unique: u64, bytes: usize) -> OwnedRecord {
    let value = vec![unique as u8; bytes];
    let text = [b"SETkey".as_slice(), &value].concat();
    Record {
        group,
        term,
        leader: 1,
        index,
        kind: Kind::Command,
        client: 7,
        seed: unique,
        now_ms: 1_767_225_600_000,
        arguments: Arguments {
            bytes: &text,
            ranges: &[0..3, 3..6, 6..6 + bytes as u32],
        },
        ..Record::default()
    }
    .to_owned()
}

/// A record without arguments.
pub(crate) fn plain(group: u64, kind: Kind, id: LogId, unique: u64) -> OwnedRecord {
    Record {
        group,
        term: id.term,
        leader: id.leader,
        index: id.index,
        kind,
        seed: unique,
        ..Record::default()
    }
    .to_owned()
}

pub(crate) fn batch<'a>(records: impl IntoIterator<Item = &'a OwnedRecord>) -> Batch {
    let mut batch = Batch::new();
    for record in records {
        record.with(|record| batch.push(record)).unwrap();
    }
    batch
}

/// Every record in the files.
pub(crate) fn all(log: &Log) -> Result<Vec<OwnedRecord>, Error> {
    let mut records = log.all_records();
    let mut all = Vec::new();
    while let Some(entry) = records.next_record()? {
        all.push(entry.record.to_owned());
    }
    Ok(all)
}

/// The records of a group that count.
pub(crate) fn of_group(log: &Log, group: u64, from: u64) -> Result<Vec<OwnedRecord>, Error> {
    let mut records = log.records(group, from)?;
    let mut all = Vec::new();
    while let Some(entry) = records.next_record()? {
        all.push(entry.record.to_owned());
    }
    Ok(all)
}

pub(crate) fn snapshot_header(group: u64, id: LogId) -> SnapshotHeader {
    SnapshotHeader {
        cluster: IDENTITY.cluster,
        node: IDENTITY.node,
        group,
        id,
        now_ms: 1_767_225_600_000,
        apply_level: 1,
    }
}

/// A snapshot with these blocks.
pub(crate) fn snapshot(
    disk: Arc<dyn Disk>,
    group: u64,
    id: LogId,
    blocks: &[&[u8]],
) -> Result<Verified, Error> {
    let mut writer = SnapshotWriter::create(disk, snapshot_header(group, id))?;
    for (kind, block) in blocks.iter().enumerate() {
        writer.block(kind as u16, block)?;
    }
    writer.finish()
}

pub(crate) fn id(term: u64, index: u64) -> LogId {
    LogId {
        term,
        leader: 1,
        index,
    }
}
