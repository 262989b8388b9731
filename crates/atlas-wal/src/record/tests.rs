//! A record's bytes: round trips, one form each, nothing that a stranger's bytes could make go wrong.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn bytes_of(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    bytes
}

fn u64s() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..300u64, any::<u64>()]
}

fn owned() -> impl Strategy<Value = OwnedRecord> {
    let numbers = (
        u64s(),
        u64s(),
        u64s(),
        u64s(),
        u64s(),
        u64s(),
        u64s(),
        u64s(),
    );
    let small = (
        0..Kind::ALL.len(),
        any::<u32>(),
        any::<u32>(),
        any::<u128>(),
        any::<u8>(),
    );
    let lists = (
        vec(any::<u8>(), 0..20),
        vec((u64s(), any::<u32>()), 0..4),
        vec(vec(any::<u8>(), 0..200), 0..6),
    );
    (numbers, small, lists).prop_map(|(numbers, small, (user, serve, arguments))| {
        let (group, term, leader, index, client, fuel, now_ms, seed) = numbers;
        let (kind, database, flags, request_id, zeros) = small;
        let keep = |bit: u8| zeros & (1 << bit) != 0;
        OwnedRecord {
            record: Record {
                group,
                term,
                leader,
                index,
                kind: Kind::ALL[kind],
                database: if keep(0) { database } else { 0 },
                flags: if keep(1) { flags } else { 0 },
                request_id: if keep(2) { request_id } else { 0 },
                client,
                fuel,
                now_ms,
                seed,
                ..Record::default()
            },
            user,
            serve,
            arguments,
        }
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(owned in owned()) {
        let bytes = owned.with(bytes_of);
        let mut scratch = Scratch::default();
        let decoded = Record::decode(&bytes, &mut scratch).unwrap();
        prop_assert_eq!(decoded.to_owned(), owned);
        prop_assert_eq!(bytes_of(&decoded), bytes.clone());
        for cut in 0..bytes.len() {
            let mut scratch = Scratch::default();
            prop_assert!(Record::decode(&bytes[..cut], &mut scratch).is_err());
        }
    }

    /// What is accepted has one form: a record that is read and written again has the bytes that it had.
    #[test]
    fn strangers_bytes_are_refused_or_the_one_form(
        bytes in vec(any::<u8>(), 0..60),
        kind in 1u8..12,
        low in any::<u8>(),
    ) {
        let mut bytes = bytes;
        if bytes.len() > 2 {
            bytes[0] = kind;
            bytes[1] = low;
            bytes[2] &= 3;
        }
        let mut scratch = Scratch::default();
        if let Ok(record) = Record::decode(&bytes, &mut scratch) {
            prop_assert_eq!(bytes_of(&record), bytes);
        }
    }
}

#[test]
fn a_small_set_is_small() {
    let ranges: [Range<u32>; 3] = [4..7, 13..16, 22..25];
    let record = Record {
        term: 1,
        leader: 1,
        index: 1_000_000,
        kind: Kind::Command,
        now_ms: 1_767_225_600_000,
        client: 7,
        arguments: Arguments {
            bytes: b"$3\r\nSET\r\n$3\r\nfoo\r\n$3\r\nbar\r\n",
            ranges: &ranges,
        },
        ..Record::default()
    };
    let bytes = bytes_of(&record);
    assert_eq!(
        record.arguments.iter().collect::<Vec<_>>(),
        [b"SET", b"foo", b"bar"]
    );
    assert_eq!(bytes.len(), 28, "{bytes:x?}");
}

#[test]
fn counts_are_not_believed_beyond_the_bytes() {
    // A command with no field, then so many arguments.
    let mut bytes = vec![1, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let mut scratch = Scratch::default();
    assert!(Record::decode(&bytes, &mut scratch).is_err());
    assert!(scratch.ranges.capacity() == 0);
}

#[test]
fn ranges_outside_the_bytes_are_refused() {
    for (start, end) in [(0, 4), (3, 2), (u32::MAX - 1, u32::MAX)] {
        let record = Record {
            arguments: Arguments {
                bytes: b"abc",
                ranges: &[Range { start, end }],
            },
            ..Record::default()
        };
        let mut bytes = vec![9];
        assert!(record.encode(&mut bytes).is_err());
        assert_eq!(bytes, [9]);
    }
}

#[test]
fn kinds_keep_their_numbers() {
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, place + 1);
        assert_eq!(Kind::from_number(kind as u8), Some(kind));
    }
    assert_eq!(Kind::from_number(0), None);
    assert_eq!(Kind::from_number(12), None);
}

#[test]
fn a_skip_names_whom_it_leaves_out() {
    let target = 77u64.to_le_bytes();
    let record = Record {
        kind: Kind::Skip,
        arguments: Arguments {
            bytes: &target,
            ranges: std::slice::from_ref(&(0..8)),
        },
        ..Record::default()
    };
    assert_eq!(record.skipped_index(), Some(77));
    let other = Record {
        kind: Kind::Command,
        ..record
    };
    assert_eq!(other.skipped_index(), None);
}
