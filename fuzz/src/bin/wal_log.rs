//! A log of anybody's bytes: it opens or is refused with nothing changed; what opens is read, goes on and opens again.
//!
//! Frames have right checksums, so that what is in them is looked at; then single bytes are changed, where it is asked
//! for.

#![cfg_attr(fuzzing, no_main)]

use std::sync::Arc;

use atlas_wal::{
    Batch, Disk, Error, ForgedSegment, Identity, Log, MemoryDisk, Options, Record, Scratch,
    SegmentHeader, check,
};

const NAME: &str = "00000000000000000001.log";
const NEXT: &str = "00000000000000000002.log";

// A list of instructions: what, how many bytes follow, those bytes.
atlas_fuzz::target!(|data| {
    let disk = MemoryDisk::new(1);
    let mut segment = ForgedSegment::new(header(1));
    let mut flips = Vec::new();
    segment.opening();
    let mut rest = data;
    while let [what, length, after @ ..] = rest {
        let (bytes, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        match what % 8 {
            // Records as they are, with lengths in front and counted.
            0..=3 => {
                let mut payload = Vec::new();
                let mut records = 0;
                for record in bytes.split(|&byte| byte == 0xfe) {
                    payload.extend_from_slice(&(record.len() as u32).to_le_bytes());
                    payload.extend_from_slice(record);
                    records += 1;
                }
                let durable = segment.offset().min(u64::from(*what) * 64);
                segment.frame(2, &payload, records, durable);
            }
            // Any frame.
            4 | 5 => segment.frame(what / 8, bytes, u32::from(*what / 16), segment.offset()),
            6 => segment.break_chain(),
            _ => flips.extend(bytes.chunks_exact(3).map(<[u8]>::to_vec)),
        }
        if segment.offset() > 64 * 1024 {
            return;
        }
    }
    let mut content = segment.finish();
    for flip in flips {
        let at = usize::from(u16::from_le_bytes([flip[0], flip[1]])) % content.len();
        content[at] ^= flip[2];
    }
    disk.put(NAME, content);
    if data.len() % 2 == 1 {
        disk.put(NEXT, ForgedSegment::new(header(2)).finish());
    }
    let before = contents(&disk);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = check(&shared).expect("a disk in memory is read");
    assert!(!report.to_string().is_empty());
    assert_eq!(contents(&disk), before);
    match Log::open(Arc::clone(&shared), options()) {
        Ok((log, _)) => {
            assert!(report.problems.is_empty(), "{report}");
            goes_on(log, &disk);
        }
        Err(error) => {
            assert_eq!(contents(&disk), before, "{error}");
            assert!(!report.problems.is_empty(), "{error}");
            assert!(
                matches!(
                    error,
                    Error::Corrupt { .. }
                        | Error::MissingSegment { .. }
                        | Error::NewerFormat { .. }
                ),
                "{error}"
            );
        }
    }
});

fn header(number: u64) -> SegmentHeader {
    SegmentHeader {
        cluster: 1,
        node: 1,
        number,
        file_id: 77 + u128::from(number),
        apply_level: 1,
        alignment_log2: 3,
        bytes: 12 * 1024,
    }
}

fn options() -> Options {
    Options {
        identity: Some(Identity {
            cluster: 1,
            node: 1,
        }),
        segment_bytes: 12 * 1024,
        ..Options::default()
    }
}

fn contents(disk: &MemoryDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let names = disk.names().into_iter();
    names
        .map(|name| (name.clone(), disk.content(&name)))
        .collect()
}

/// What opened is read, takes one more record, and is the same when it is opened again.
fn goes_on(mut log: Log, disk: &MemoryDisk) {
    let before = everything(&log);
    let last = log.group(5).map_or(0, |group| group.last.index);
    if last + 1 < u64::MAX {
        let mut batch = Batch::new();
        let record = Record {
            group: 5,
            index: last + 1,
            ..Record::default()
        };
        batch.push(&record).expect("it is small");
        log.append(&[&batch]).expect("it follows");
        assert_eq!(everything(&log).len(), before.len() + 1);
    }
    let before = everything(&log);
    log.close().expect("the disk is well");
    let (log, recovery) =
        Log::open(Arc::new(disk.restart()), options()).expect("it was closed a moment ago");
    assert!(recovery.clean);
    assert_eq!(everything(&log), before);
}

/// Every record in the files; and each group's records that count can be read.
fn everything(log: &Log) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut records = log.all_records();
    while let Some(entry) = records.next_record().expect("it was read a moment ago") {
        let mut bytes = Vec::new();
        entry.record.encode(&mut bytes).expect("it was decoded");
        let mut scratch = Scratch::default();
        assert_eq!(Record::decode(&bytes, &mut scratch), Ok(entry.record));
        all.push(bytes);
    }
    for (number, group) in log.groups() {
        let mut records = log
            .records(number, group.first_index())
            .expect("the first is there");
        let mut next = group.first_index();
        while let Some(entry) = records.next_record().expect("it was read a moment ago") {
            assert_eq!(entry.record.index, next);
            next += 1;
        }
        assert_eq!(next, group.last.index + 1);
    }
    all
}
