use proptest::prelude::*;

use crate::reply::Answer;
use crate::testing::Stage;

#[test]
fn answers_are_those_of_redis() {
    Stage::new().check_golden(include_str!("redis-7.0.txt"));
}

type Combine = fn(u8, u8) -> u8;

/// The bits of a string, one by one.
fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0))
        .collect()
}

/// The positions from `start` to `end` where negative ones count from the end, in `length`.
fn between(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = length as i64;
    let place = |index: i64| {
        if index < 0 {
            (length + index).max(0)
        } else {
            index
        }
    };
    let start = place(start);
    let end = (place(end) + 1).min(length).max(start);
    start as usize..end as usize
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), Just(0xff), any::<u8>()];
    prop_oneof![
        prop::collection::vec(byte, 1..60),
        (any::<bool>(), 1..60_usize)
            .prop_map(|(one, length)| vec![if one { 0xff } else { 0 }; length]),
    ]
}

proptest! {
    #[test]
    fn bits_are_counted_and_found(
        bytes in bytes(),
        start in -600..600_i64,
        end in -600..600_i64,
        one: bool,
    ) {
        let mut stage = Stage::new();
        stage.run_bytes([&b"set"[..], b"k", &bytes]);
        let all = bits(&bytes);
        let count = all.iter().filter(|bit| **bit).count();
        prop_assert_eq!(stage.run("bitcount k"), Answer::Integer(count as i64));
        for (unit, width) in [("bit", 1), ("byte", 8)] {
            let units = between(start, end, all.len() / width);
            let range = units.start * width..units.end * width;
            let part = all.get(range.clone()).unwrap_or_default();
            let count = part.iter().filter(|bit| **bit).count();
            let is_backwards = start < 0 && end < 0 && start > end;
            let counted = if is_backwards { 0 } else { count };
            prop_assert_eq!(
                stage.run(&format!("bitcount k {start} {end} {unit}")),
                Answer::Integer(counted as i64)
            );
            let found = part.iter().position(|bit| *bit == one);
            let found = found.map_or(-1, |position| (range.start + position) as i64);
            prop_assert_eq!(
                stage.run(&format!("bitpos k {} {start} {end} {unit}", u8::from(one))),
                Answer::Integer(found)
            );
        }
    }

    #[test]
    fn strings_are_combined_bit_by_bit(sources in prop::collection::vec(bytes(), 1..5)) {
        let mut stage = Stage::new();
        let names = ["a", "b", "c", "d"];
        for (name, source) in names.iter().zip(&sources) {
            stage.run_bytes([b"set", name.as_bytes(), source]);
        }
        let keys = names[..sources.len()].join(" ");
        let length = sources.iter().map(Vec::len).max().unwrap();
        let operations: [(&str, Combine); 3] = [
            ("and", |left, right| left & right),
            ("or", |left, right| left | right),
            ("xor", |left, right| left ^ right),
        ];
        for (name, operation) in operations {
            stage.run(&format!("bitop {name} to {keys}"));
            let expected: Vec<u8> = (0..length)
                .map(|position| {
                    let bytes = sources.iter().map(|source| source.get(position).copied());
                    bytes.map(Option::unwrap_or_default).reduce(operation).unwrap()
                })
                .collect();
            prop_assert_eq!(stage.run("get to"), Answer::Bulk(expected));
        }
    }

    #[test]
    fn fields_keep_what_they_are_set_to(
        bytes in prop::option::of(bytes()),
        is_signed: bool,
        width in 1..=63_u32,
        offset in 0..300_usize,
        value: i64,
        by: i64,
    ) {
        let mut stage = Stage::new();
        if let Some(bytes) = &bytes {
            stage.run_bytes([&b"set"[..], b"k", bytes]);
        }
        let mut all = bits(bytes.as_deref().unwrap_or_default());
        let end = (offset + width as usize).div_ceil(8) * 8;
        all.resize(all.len().max(end), false);
        let place = offset..offset + width as usize;
        // As 128 bits the meaning of the bits needs no care.
        let meaning = |bits: &[bool]| {
            let held = bits.iter().fold(0_i128, |held, bit| held << 1 | i128::from(*bit));
            if is_signed && bits[0] { held - (1 << width) } else { held }
        };
        let modulo = |value: i128| {
            let cut = value.rem_euclid(1 << width);
            if is_signed && cut >> (width - 1) == 1 { cut - (1 << width) } else { cut }
        };
        let (min, max) = if is_signed {
            (-(1_i128 << (width - 1)), (1_i128 << (width - 1)) - 1)
        } else {
            (0, (1_i128 << width) - 1)
        };
        let field = format!("{}{width} {offset}", if is_signed { "i" } else { "u" });
        let integer = |value: i128| Answer::Integer(i64::try_from(value).unwrap());
        let old = meaning(&all[place.clone()]);
        let set = modulo(i128::from(value));
        let sum = set + i128::from(by);
        let fitting = (min..=max).contains(&sum);
        let failing = format!(
            "bitfield k set {field} {value} get {field} overflow fail incrby {field} {by} get {field}"
        );
        prop_assert_eq!(stage.run(&failing), Answer::Array(vec![
            integer(old),
            integer(set),
            if fitting { integer(sum) } else { Answer::Null },
            integer(if fitting { sum } else { set }),
        ]));
        let saturating = format!("bitfield k set {field} {value} overflow sat incrby {field} {by}");
        prop_assert_eq!(stage.run(&saturating), Answer::Array(vec![
            integer(if fitting { sum } else { set }),
            integer(sum.clamp(min, max)),
        ]));
        let wrapping = format!("bitfield k set {field} {value} incrby {field} {by}");
        prop_assert_eq!(stage.run(&wrapping), Answer::Array(vec![
            integer(sum.clamp(min, max)),
            integer(modulo(sum)),
        ]));
        // Nothing around the field has changed.
        let Answer::Bulk(after) = stage.run("get k") else { panic!() };
        let after = bits(&after);
        prop_assert_eq!(after.len(), all.len());
        for (position, (before, after)) in all.iter().zip(&after).enumerate() {
            prop_assert!(place.contains(&position) || before == after, "bit {}", position);
        }
    }
}
