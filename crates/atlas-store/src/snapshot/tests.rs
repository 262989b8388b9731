//! Blocks that are longer than a file's may be.

use std::sync::Arc;

use atlas_wal::{Disk, FileDisk, SnapshotReader};

use super::*;

#[test]
fn a_long_block_is_written_in_parts_and_put_together() {
    let place = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(place.path()));
    let header = SnapshotHeader {
        cluster: 1,
        node: 1,
        group: 0,
        id: LogId {
            term: 1,
            leader: 1,
            index: 1,
        },
        now_ms: 1,
        apply_level: APPLY_LEVEL,
    };
    let lengths = [
        10,
        BLOCK_BYTES_MAX,
        BLOCK_BYTES_MAX + 1,
        2 * BLOCK_BYTES_MAX + 7,
    ];
    let blocks: Vec<Block> = (1u16..)
        .zip(lengths)
        .map(|(kind, length)| Block {
            kind,
            payload: (0..length).map(|at| (at % 251) as u8).collect(),
        })
        .collect();
    let mut writer = SnapshotWriter::create(Arc::clone(&disk), header).unwrap();
    for block in &blocks {
        write_block(&mut writer, block).unwrap();
    }
    let verified = writer.finish().unwrap();
    let mut reader = SnapshotReader::open(disk, verified.name()).unwrap();
    let (mut kinds, mut whole) = (Vec::new(), Vec::new());
    let mut joining = Joining::default();
    while let Some(block) = reader.next_block().unwrap() {
        kinds.push(block.kind);
        let joined = joining.block(block.kind, block.payload, |kind, payload| {
            whole.push((kind, payload.to_vec()));
            Ok::<(), ()>(())
        });
        joined.unwrap();
    }
    assert_eq!(kinds, [1, 2, 0x4003, 3, 0x4004, 0x4004, 4]);
    let written: Vec<_> = blocks
        .into_iter()
        .map(|block| (block.kind, block.payload))
        .collect();
    assert_eq!(whole, written);
}
