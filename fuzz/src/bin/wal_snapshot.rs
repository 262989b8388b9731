//! A snapshot with any bytes changed, cut or added: no block that was not written is handed out, and only the whole one
//! is said to be whole.

#![cfg_attr(fuzzing, no_main)]

use std::sync::Arc;

use atlas_wal::{
    Disk, Error, LogId, MemoryDisk, SnapshotHeader, SnapshotReader, SnapshotWriter, Verified,
};

const BLOCKS: [&[u8]; 5] = [
    b"first",
    b"",
    &[7; 300],
    b"\0\0\0\0\0\0\0\0",
    b"the last one",
];

// The first byte chooses: a file of these bytes, or a snapshot with changes of three bytes each: where, and which bits.
atlas_fuzz::target!(|data| {
    let Some((&how, rest)) = data.split_first() else {
        return;
    };
    let disk = MemoryDisk::new(1);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let verified = written(&shared);
    let name = verified.name();
    let whole = disk.content(name).expect("it was written");
    let mut content = whole.clone();
    match how % 4 {
        0 => content = rest.to_vec(),
        1 => content.extend_from_slice(rest),
        2 => content.truncate(rest.len() * 2),
        _ => {
            for change in rest.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % content.len();
                content[at] ^= change[2];
            }
        }
    }
    disk.put(name, content.clone());
    let mut place = 0;
    let read = SnapshotReader::open(shared, name).and_then(|mut reader| {
        while let Some(block) = reader.next_block()? {
            assert_eq!(
                (usize::from(block.kind), block.payload),
                (place, BLOCKS[place])
            );
            place += 1;
        }
        Ok(reader.verified())
    });
    match read {
        Ok(again) => {
            assert!(content == whole, "what was changed is said to be whole");
            assert_eq!(again, Some(verified));
        }
        Err(error) => {
            assert!(content != whole, "{error}");
            assert!(
                matches!(error, Error::Corrupt { .. } | Error::NewerFormat { .. }),
                "{error}"
            );
        }
    }
});

fn written(disk: &Arc<dyn Disk>) -> Verified {
    let header = SnapshotHeader {
        cluster: 1,
        node: 1,
        group: 0,
        id: LogId {
            term: 1,
            leader: 1,
            index: 9,
        },
        now_ms: 1,
        apply_level: 1,
    };
    let mut writer = SnapshotWriter::create(Arc::clone(disk), header).expect("the disk is well");
    for (kind, block) in BLOCKS.iter().enumerate() {
        writer.block(kind as u16, block).expect("the disk is well");
    }
    writer.finish().expect("the disk is well")
}
