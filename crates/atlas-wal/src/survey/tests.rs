//! Logs that no log writes: built by hand from whole frames with right checksums.

use std::sync::Arc;

use crate::frame::FrameKind;
use crate::segment::{HEADER_BYTES, SegmentHeader};
use crate::{
    Batch, Error, ForgedSegment, Identity, Kind, Log, MemoryDisk, Options, Record, layout,
};

const FILE_BYTES: u64 = 16 * 1024;

struct Builder(ForgedSegment);

impl Builder {
    fn new(change: impl FnOnce(&mut SegmentHeader)) -> Self {
        let mut header = SegmentHeader {
            cluster: 1,
            node: 1,
            number: 1,
            file_id: 77,
            apply_level: 1,
            alignment_log2: 3,
            bytes: FILE_BYTES,
        };
        change(&mut header);
        Self(ForgedSegment::new(header))
    }

    fn frame(mut self, kind: FrameKind, payload: &[u8], records: u32, durable: u64) -> Self {
        self.0.frame(kind as u8, payload, records, durable);
        self
    }

    fn opening(mut self) -> Self {
        self.0.opening();
        self
    }

    fn records(self, records: &[Record<'_>]) -> Self {
        let mut batch = Batch::new();
        for record in records {
            batch.push(record).unwrap();
        }
        self.frame(FrameKind::Records, &batch.bytes, records.len() as u32, 0)
    }

    fn open(self) -> Result<crate::Recovery, Error> {
        let bytes = self.0.finish();
        let disk = MemoryDisk::new(1);
        let name = layout::segment(1);
        disk.put(&name, bytes.clone());
        let identity = Some(Identity {
            cluster: 1,
            node: 1,
        });
        let options = Options {
            identity,
            ..Options::default()
        };
        let opened = Log::open(Arc::new(disk.clone()), options).map(|(_, recovery)| recovery);
        if opened.is_err() {
            assert_eq!(disk.content(&name), Some(bytes), "nothing is touched");
            assert_eq!(disk.names(), [name]);
        }
        opened
    }
}

fn blank(index: u64) -> Record<'static> {
    Record {
        term: 1,
        index,
        ..Record::default()
    }
}

fn refused_at(opened: Result<crate::Recovery, Error>, frames: u64, says: &str) {
    let error = opened.unwrap_err();
    let text = error.to_string();
    match error {
        Error::Corrupt { offset, .. } => assert_eq!(offset, HEADER_BYTES + frames, "{text}"),
        _ => panic!("{text}"),
    }
    assert!(text.contains(says), "{text}");
}

#[test]
fn what_is_right_is_read() {
    let recovery = Builder::new(|_| {})
        .opening()
        .records(&[blank(1), blank(2)])
        .open()
        .unwrap();
    assert_eq!(recovery.records, 2);
}

/// One index twice is legal only after a truncate.
#[test]
fn an_index_that_comes_twice_is_refused() {
    for wrong in [0, 1, 2, 4] {
        let opened = Builder::new(|_| {})
            .opening()
            .records(&[blank(1), blank(2)])
            .records(&[blank(wrong)])
            .open();
        refused_at(opened, 80 + 72, "does not follow");
    }
    let truncate = Record {
        kind: Kind::Truncate,
        ..blank(2)
    };
    let recovery = Builder::new(|_| {})
        .opening()
        .records(&[blank(1), blank(2)])
        .records(&[truncate, blank(2)])
        .open()
        .unwrap();
    assert_eq!(recovery.records, 4);
}

/// Zeros are no record, also where a checksum of them would be right.
#[test]
fn a_record_without_length_is_refused() {
    let opened = Builder::new(|_| {})
        .opening()
        .frame(FrameKind::Records, &[0; 8], 1, 0)
        .open();
    refused_at(opened, 80, "no length");
    let opened = Builder::new(|_| {})
        .opening()
        .frame(FrameKind::Records, &[9, 0, 0, 0, 1], 1, 0)
        .open();
    refused_at(opened, 80, "ends within a record");
    let opened = Builder::new(|_| {})
        .opening()
        .frame(FrameKind::Records, &[], 1, 0)
        .open();
    refused_at(opened, 80, "more or fewer records");
}

#[test]
fn a_newer_format_is_named_and_left_alone() {
    let mut newer = Builder::new(|_| {}).opening();
    newer.0.bytes_mut()[8..12].copy_from_slice(&2u32.to_le_bytes());
    newer.0.reseal_header();
    let error = newer.open().unwrap_err();
    assert!(
        matches!(
            error,
            Error::NewerFormat {
                version: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn another_cluster_and_another_number_are_refused() {
    let error = Builder::new(|header| header.cluster = 2)
        .opening()
        .open()
        .unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    let error = Builder::new(|header| header.number = 2)
        .opening()
        .open()
        .unwrap_err();
    assert!(matches!(error, Error::Corrupt { offset: 0, .. }), "{error}");
}

/// A frame that does not continue the one before it is a stale one: whole, of this file, at its place.
#[test]
fn a_frame_of_another_history_is_cut() {
    let mut builder = Builder::new(|_| {}).opening();
    builder.0.break_chain();
    let recovery = builder.records(&[blank(1)]).open().unwrap();
    assert_eq!((recovery.records, recovery.torn.len()), (0, 1));
}

/// The claim of a torn frame counts: its header is whole.
#[test]
fn a_later_claim_makes_a_hole_a_loss() {
    let hole = |durable: u64| {
        let mut builder = Builder::new(|_| {}).opening().records(&[blank(1)]);
        let at = builder.0.offset();
        builder = builder.records(&[blank(2)]);
        let end = builder.0.offset();
        builder = builder.frame(FrameKind::Closing, &[], 0, durable);
        builder.0.bytes_mut()[at as usize + 50] ^= 1;
        (builder.open(), at - HEADER_BYTES, end)
    };
    let (opened, at, end) = hole(0);
    assert_eq!(opened.unwrap().torn[0].offset, HEADER_BYTES + at);
    let (opened, at, _) = hole(end);
    refused_at(opened, at, "was durable");
}
