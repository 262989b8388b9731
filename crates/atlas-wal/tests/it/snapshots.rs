//! Snapshots: written whole or not at all, read back block by block, chosen by what the log needs.

use std::sync::Arc;

use atlas_wal::{
    Call, Crash, Disk, Error, Fault, FaultyDisk, How, MemoryDisk, SnapshotReader, SnapshotWriter,
    snapshot,
};

use crate::support::*;

fn shared(disk: &MemoryDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

#[test]
fn blocks_come_back_as_they_went() {
    let disk = MemoryDisk::new(1);
    let header = snapshot_header(3, id(2, 50));
    let mut writer = SnapshotWriter::create(shared(&disk), header).unwrap();
    let large = vec![9; snapshot::BLOCK_BYTES_MAX];
    writer.block(0, b"").unwrap();
    writer.block(7, &large).unwrap();
    writer.block(snapshot::FORMAT_KINDS - 1, b"end").unwrap();
    for (kind, bytes) in [
        (snapshot::FORMAT_KINDS, 1),
        (u16::MAX, 1),
        (1, large.len() + 1),
    ] {
        let error = writer.block(kind, &vec![0; bytes]).unwrap_err();
        assert!(matches!(error, Error::Block { .. }), "{error}");
    }
    let verified = writer.finish().unwrap();
    assert_eq!((verified.header(), verified.blocks()), (&header, 3));
    let mut reader = SnapshotReader::open(shared(&disk), verified.name()).unwrap();
    assert_eq!(reader.header(), &header);
    let mut read = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        read.push((block.kind, block.payload.to_vec()));
    }
    assert_eq!(read, [(0, vec![]), (7, large), (0xfeff, b"end".to_vec())]);
    assert_eq!(reader.verified(), Some(verified));
}

/// What divergence is found by: equal content, equal hash, whoever wrote it.
#[test]
fn the_content_hash_is_the_contents() {
    let hash = |seed: u64, group: u64, blocks: &[&[u8]]| {
        let disk = MemoryDisk::new(seed);
        snapshot(shared(&disk), group, id(1, 1), blocks)
            .unwrap()
            .content_hash()
    };
    let one = hash(1, 0, &[b"ab", b"c"]);
    assert_eq!(one, hash(2, 1, &[b"ab", b"c"]));
    for other in [
        &[b"a".as_slice(), b"bc"][..],
        &[b"ab", b"c", b""],
        &[b"ab"],
        &[],
    ] {
        assert_ne!(one, hash(1, 0, other));
    }
}

#[test]
fn one_that_is_not_finished_leaves_nothing() {
    let disk = MemoryDisk::new(1);
    let mut writer = SnapshotWriter::create(shared(&disk), snapshot_header(0, id(1, 1))).unwrap();
    writer.block(1, b"half").unwrap();
    drop(writer);
    assert!(disk.names().is_empty());
    disk.set_capacity(Some(1_000));
    let error = snapshot(shared(&disk), 0, id(1, 1), &[&[1; 2_000]]).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert!(disk.names().is_empty());
}

/// The name may only stand for a whole, durable file.
#[test]
fn a_name_is_worth_its_content_at_every_instant() {
    let blocks: [&[u8]; 2] = [&[1; 3_000], &[2; 3_000]];
    for call in [
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::SyncDirectory,
        Call::Read,
    ] {
        for how in [How::Death, How::Error, How::Full] {
            for nth in 1..10 {
                for seed in 0..20 {
                    let disk = MemoryDisk::new(1);
                    let old = snapshot(shared(&disk), 0, id(1, 1), &[b"old"]).unwrap();
                    let faulty = FaultyDisk::new(shared(&disk), vec![Fault { call, nth, how }]);
                    let result = snapshot(Arc::new(faulty), 0, id(1, 9), &blocks);
                    let disk = disk.crash(Crash::Tear(seed));
                    let choice = snapshot::choose(&shared(&disk), 0, 2).unwrap();
                    assert!(
                        choice.damaged.is_empty(),
                        "{call:?} {how:?} {nth} {seed}: {choice:?}"
                    );
                    let chosen = choice.snapshot.unwrap();
                    if result.is_ok() {
                        assert_eq!(chosen.header().id.index, 9);
                    } else {
                        assert!(chosen.header().id.index == 9 || chosen == old);
                    }
                }
            }
        }
    }
}

#[test]
fn the_newest_whole_one_wins_if_it_reaches_the_log() {
    let disk = MemoryDisk::new(1);
    let write =
        |index: u64| snapshot(shared(&disk), 0, id(1, index), &[&index.to_le_bytes()]).unwrap();
    let choose = |first: u64| snapshot::choose(&shared(&disk), 0, first);
    assert!(choose(1).unwrap().snapshot.is_none());
    assert!(matches!(
        choose(2),
        Err(Error::NoSnapshot { first_index: 2, .. })
    ));
    for index in [10, 30, 20] {
        write(index);
    }
    snapshot(shared(&disk), 1, id(1, 99), &[]).unwrap();
    assert_eq!(choose(1).unwrap().snapshot.unwrap().header().id.index, 30);
    assert_eq!(choose(31).unwrap().snapshot.unwrap().header().id.index, 30);
    let error = choose(32).unwrap_err();
    assert!(error.to_string().contains("ends at index 30"), "{error}");

    let newest = snapshot::list(&disk, 0).unwrap()[0].name.clone();
    disk.damage(&newest, |content| content[300] ^= 1);
    let choice = choose(21).unwrap();
    assert_eq!(choice.snapshot.unwrap().header().id.index, 20);
    assert_eq!(choice.damaged[0].0, newest);
    let error = choose(22).unwrap_err();
    assert!(error.to_string().contains(&newest), "{error}");

    assert_eq!(snapshot::remove(&disk, 0, 2).unwrap(), 1);
    let left: Vec<u64> = snapshot::list(&disk, 0)
        .unwrap()
        .iter()
        .map(|found| found.index)
        .collect();
    assert_eq!(left, [30, 20]);
}

#[test]
fn a_renamed_snapshot_is_found_out() {
    let disk = MemoryDisk::new(1);
    let verified = snapshot(shared(&disk), 0, id(1, 5), &[]).unwrap();
    let content = disk.content(verified.name()).unwrap();
    let other = verified.name().replace('5', "6");
    disk.put(&other, content);
    let error = SnapshotReader::open(shared(&disk), &other).unwrap_err();
    assert!(matches!(error, Error::Corrupt { offset: 0, .. }), "{error}");
}
