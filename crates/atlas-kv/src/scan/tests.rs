//! Cursors and options; that a scan misses nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ArgumentBuffer;

#[test]
fn cursors_are_read_as_by_strtoul() {
    let cases: [(&[u8], Option<u64>); 15] = [
        (b"0", Some(0)),
        (b"", Some(0)),
        (b"17", Some(17)),
        (b"+17", Some(17)),
        (b"007", Some(7)),
        (b"-1", Some(u64::MAX)),
        (b"5\0x", Some(5)),
        (b"18446744073709551615", Some(u64::MAX)),
        (b"18446744073709551616", None),
        (b" 1", None),
        (b"1 ", None),
        (b"x", None),
        (b"-", None),
        (b"--1", None),
        (b"0x10", None),
    ];
    for (text, expected) in cases {
        assert_eq!(cursor(text).ok(), expected, "{text:?}");
    }
    assert_eq!(cursor(b"x").unwrap_err().to_string(), "ERR invalid cursor");
}

#[test]
fn options_are_checked() {
    let parse = |line: &str, has_type| {
        let buffer = ArgumentBuffer::of(line.split(' '));
        let parsed = Options::parse(&buffer.arguments(), 0, has_type);
        parsed
            .map(|options| {
                (
                    options.count,
                    options.pattern.map(<[u8]>::to_vec),
                    options.type_name.map(<[u8]>::to_vec),
                )
            })
            .map_err(|error| error.to_string())
    };
    let text = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(parse("COUNT 5", false), Ok((5, None, None)));
    assert_eq!(parse("match a* count 5", false), Ok((5, text("a*"), None)));
    assert_eq!(parse("match a* MATCH *", false), Ok((10, None, None)));
    assert_eq!(parse("type hash", true), Ok((10, None, text("hash"))));
    let syntax = Err("ERR syntax error".to_owned());
    assert_eq!(parse("type hash", false), syntax);
    assert_eq!(parse("count 0", false), syntax);
    assert_eq!(parse("count -1", false), syntax);
    assert_eq!(parse("count", false), syntax);
    assert_eq!(parse("other 1", false), syntax);
    assert_eq!(
        parse("count x", false),
        Err("ERR value is not an integer or out of range".to_owned())
    );
}

#[test]
fn a_call_visits_no_more_than_asked() {
    assert_eq!(positions(0, 0, 10), 0..0);
    assert_eq!(positions(0, 5, 10), 0..5);
    assert_eq!(positions(0, 25, 10), 15..25);
    assert_eq!(positions(15, 25, 10), 5..15);
    assert_eq!(positions(15, 7, usize::MAX), 0..7);
    assert_eq!(positions(u64::MAX, 3, 1), 2..3);
    let lengths = [3, 0, 0, 2];
    let pieces = |cursor, count| pieces(cursor, 4, count, |part| lengths[part]);
    assert_eq!(pieces(0, 100), (vec![(3, 0..2), (0, 0..3)], 0));
    let (visited, next) = pieces(0, 1);
    assert_eq!(visited, [(3, 1..2)]);
    let (visited, next) = pieces(next, 2);
    assert_eq!(visited, [(3, 0..1), (0, 2..3)]);
    assert_eq!(pieces(next, 2), (vec![(0, 0..2)], 0));
    // Cursors that nobody gave.
    for cursor in [u64::MAX, 4 << 32, 3 << 32] {
        let (visited, _) = pieces(cursor, 100);
        assert!(visited.len() <= 2);
    }
}

#[derive(Clone, Debug)]
enum Meanwhile {
    Add(u16),
    Remove(u16),
}

fn meanwhile() -> impl Strategy<Value = Vec<Meanwhile>> {
    let change = prop_oneof![
        (0..200_u16).prop_map(Meanwhile::Add),
        (0..200_u16).prop_map(Meanwhile::Remove),
        (0..200_u16).prop_map(Meanwhile::Remove),
    ];
    prop::collection::vec(change, 0..10)
}

fn change(array: &mut Vec<u16>, meanwhile: &Meanwhile) {
    match *meanwhile {
        Meanwhile::Add(element) if !array.contains(&element) => array.push(element),
        Meanwhile::Add(_) => {}
        Meanwhile::Remove(element) => {
            if let Some(position) = array.iter().position(|&other| other == element) {
                array.swap_remove(position);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_stays_is_visited(
        begin in prop::collection::btree_set(0..200_u16, 0..100),
        rounds in prop::collection::vec((1..30_usize, meanwhile()), 200),
    ) {
        let mut array: Vec<u16> = begin.iter().copied().collect();
        let mut constant = begin;
        let mut visited = BTreeSet::new();
        let mut cursor = 0;
        for (count, changes) in rounds {
            let range = positions(cursor, array.len(), count);
            prop_assert!(range.len() <= count);
            visited.extend(&array[range.clone()]);
            cursor = range.start as u64;
            if cursor == 0 {
                break;
            }
            for made in &changes {
                change(&mut array, made);
                constant.retain(|element| array.contains(element));
            }
        }
        prop_assert_eq!(cursor, 0, "the scan did not end");
        let missed: Vec<_> = constant.difference(&visited).collect();
        prop_assert!(missed.is_empty(), "missed {:?}", missed);
    }

    #[test]
    fn what_stays_in_parts_is_visited(
        begin in prop::collection::btree_set(0..200_u16, 0..100),
        rounds in prop::collection::vec((1..30_usize, meanwhile()), 200),
    ) {
        // Elements keep their part, as keys do.
        const PARTS: usize = 7;
        let part_of = |element: u16| usize::from(element) % PARTS;
        let mut parts = vec![Vec::new(); PARTS];
        for &element in &begin {
            parts[part_of(element)].push(element);
        }
        let mut constant = begin;
        let mut visited = BTreeSet::new();
        let mut cursor = 0;
        for (count, changes) in rounds {
            let (found, next) = pieces(cursor, PARTS, count, |part| parts[part].len());
            prop_assert!(found.iter().map(|(_, range)| range.len()).sum::<usize>() <= count);
            for (part, range) in found {
                visited.extend(&parts[part][range]);
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
            for made in &changes {
                let (Meanwhile::Add(element) | Meanwhile::Remove(element)) = *made;
                change(&mut parts[part_of(element)], made);
                constant.retain(|element| parts[part_of(*element)].contains(element));
            }
        }
        prop_assert_eq!(cursor, 0, "the scan did not end");
        let missed: Vec<_> = constant.difference(&visited).collect();
        prop_assert!(missed.is_empty(), "missed {:?}", missed);
    }
}
