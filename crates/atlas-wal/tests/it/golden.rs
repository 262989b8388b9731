//! The frozen bytes in `docs/formats/golden`: what is written equals them, and what they say is read.
//!
//! A file has one line for each 16 bytes that are not all zeros, offset first, and in the end the length. A new golden
//! file is written with `ATLAS_GOLDEN=write`; one that exists is never changed.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use atlas_wal::{
    Arguments, Kind, Log, MemoryDisk, Options, OwnedRecord, Record, Scratch, SnapshotReader,
};

use crate::support::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/formats/golden")
        .join(name)
}

fn to_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).enumerate() {
        if chunk.iter().any(|&byte| byte != 0) {
            write!(text, "{:06x}:", row * 16).unwrap();
            for byte in chunk {
                write!(text, " {byte:02x}").unwrap();
            }
            text.push('\n');
        }
    }
    writeln!(text, "length: {}", bytes.len()).unwrap();
    text
}

fn from_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let (offset, rest) = line.split_once(':').unwrap();
        if offset == "length" {
            bytes.resize(rest.trim().parse().unwrap(), 0);
            return bytes;
        }
        bytes.resize(usize::from_str_radix(offset, 16).unwrap(), 0);
        bytes.extend(
            rest.split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).unwrap()),
        );
    }
    panic!("a golden file ends with its length");
}

/// The bytes of the golden file, which must be `bytes`.
fn check(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var("ATLAS_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, to_text(bytes)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let golden = from_text(&text);
    assert!(
        golden == bytes,
        "{name} is\n{text}and was written as\n{}",
        to_text(bytes)
    );
    golden
}

/// One record of each kind, with every field that the kind has.
fn records() -> Vec<OwnedRecord> {
    let target = 2u64.to_le_bytes();
    let plain = |kind: Kind, id: atlas_wal::LogId| Record {
        group: 3,
        term: id.term,
        leader: id.leader,
        index: id.index,
        kind,
        ..Record::default()
    };
    let command = Record {
        database: 5,
        user: b"alice",
        client: 300,
        request_id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        fuel: 1_000_000,
        flags: 6,
        now_ms: 1_767_225_600_000,
        seed: 0x1122_3344_5566_7788,
        serve: &[(200, 1), (7, 2)],
        arguments: Arguments {
            bytes: b"RPUSH\r\nlist\r\nvalue",
            ranges: &[0..5, 7..11, 13..18],
        },
        ..plain(Kind::Command, id(1, 2))
    };
    vec![
        Record {
            arguments: Arguments {
                bytes: b"members",
                ranges: &[0..7],
            },
            ..plain(Kind::Membership, id(1, 1))
        }
        .to_owned(),
        command.to_owned(),
        Record {
            database: 5,
            now_ms: 1_767_225_600_001,
            arguments: Arguments {
                bytes: b"ab",
                ranges: &[0..1, 1..2],
            },
            ..plain(Kind::Expire, id(1, 3))
        }
        .to_owned(),
        Record {
            arguments: Arguments {
                bytes: b"key",
                ranges: &[0..3],
            },
            ..plain(Kind::Evict, id(1, 4))
        }
        .to_owned(),
        Record {
            serve: &[(9, 0)],
            arguments: Arguments {
                bytes: b"k",
                ranges: &[0..1],
            },
            ..plain(Kind::Serve, id(1, 5))
        }
        .to_owned(),
        Record {
            arguments: Arguments {
                bytes: &target,
                ranges: &[0..8],
            },
            ..plain(Kind::Skip, id(1, 6))
        }
        .to_owned(),
        plain(Kind::Blank, id(2, 7)).to_owned(),
        plain(Kind::Vote, id(3, 0)).to_owned(),
        plain(Kind::Committed, id(2, 6)).to_owned(),
        plain(Kind::Truncate, id(3, 7)).to_owned(),
        plain(Kind::Purge, id(1, 2)).to_owned(),
    ]
}

#[test]
fn each_kind_of_record() {
    let records = records();
    assert_eq!(records.len(), Kind::ALL.len());
    for owned in records {
        let mut bytes = Vec::new();
        owned.with(|record| record.encode(&mut bytes)).unwrap();
        let name = format!("log/record-{}.hex", owned.plain().kind);
        let golden = check(&name, &bytes);
        let mut scratch = Scratch::default();
        assert_eq!(
            Record::decode(&golden, &mut scratch).unwrap().to_owned(),
            owned
        );
    }
}

fn written(disk: &MemoryDisk, alignment: u64) {
    let options = Options {
        segment_bytes: 8192,
        frame_alignment_bytes: alignment,
        ..options()
    };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options).unwrap();
    let records = records();
    log.append(&[&batch(&records[..7])]).unwrap();
    log.sync().unwrap();
    log.append(&[&batch(&records[7..10])]).unwrap();
    let large = command(4, 1, 1, 1, 2_900);
    log.append(&[&batch([&large])]).unwrap();
    let more = command(4, 1, 2, 2, 800);
    log.append(&[&batch([&more])]).unwrap();
    log.close().unwrap();
}

/// Two segments: full and sealed, and begun, with votes said again, and closed.
#[test]
fn segments() {
    let disk = MemoryDisk::new(7);
    written(&disk, 8);
    let names = ["00000000000000000001.log", "00000000000000000002.log"];
    let goldens = names.map(|name| check(&format!("log/{name}.hex"), &disk.content(name).unwrap()));
    // Another disk reads them.
    let disk = MemoryDisk::new(8);
    for (name, golden) in names.iter().zip(goldens) {
        disk.put(name, golden);
    }
    let (log, recovery) = open(&disk).unwrap();
    assert!(recovery.clean && recovery.torn.is_empty());
    let mut expected = records();
    expected.pop();
    expected.push(command(4, 1, 1, 1, 2_900));
    expected.push(command(4, 1, 2, 2, 800));
    assert_eq!(all(&log).unwrap(), expected);
    assert_eq!(log.group(3).unwrap().last, id(1, 6));
    assert_eq!(log.group(3).unwrap().vote.as_ref().unwrap().plain().term, 3);
}

#[test]
fn a_snapshot() {
    let disk = MemoryDisk::new(7);
    let shared: Arc<dyn atlas_wal::Disk> = Arc::new(disk.clone());
    let verified = snapshot(shared, 3, id(2, 7), &[b"first", b"", b"the third block"]).unwrap();
    let name = verified.name();
    let golden = check(
        &format!("snapshot/{name}.hex"),
        &disk.content(name).unwrap(),
    );
    let disk = MemoryDisk::new(8);
    disk.put(name, golden);
    let read = SnapshotReader::open(Arc::new(disk), name)
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(read, verified);
}
