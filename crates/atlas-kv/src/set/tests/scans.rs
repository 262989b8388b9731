//! Scans: by steps, with patterns, and of what changes meanwhile.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn a_set_is_walked_through() {
    let mut stage = stage();
    // Few members are answered at once, whatever the count.
    stage.check(&[
        ("sscan w 0 count 1", "[0 [a b c]]"),
        ("sscan w 1", "[0 [a b c]]"),
    ]);
    spread(&mut stage, "w");
    stage.check(&[
        ("sscan i 0 count 1", "[0 [1 2 3]]"),
        ("sscan i 7", "[0 [1 2 3]]"),
        ("sscan i 0 match [12]", "[0 [1 2]]"),
        ("sscan w 0", "[0 [a b c]]"),
        ("sscan w 0 count 2", "[1 [b c]]"),
        ("sscan w 1 count 2", "[0 [a]]"),
        ("sscan w 0 match a", "[0 [a]]"),
        ("sscan w 0 match x* count 1", "[2 []]"),
        ("sscan w 99999 count 1", "[2 [c]]"),
        ("sscan w x", "-ERR invalid cursor"),
        ("sscan no x", "-ERR invalid cursor"),
        ("sscan w 0 count 0", "-ERR syntax error"),
        (
            "sscan w 0 count x",
            "-ERR value is not an integer or out of range",
        ),
        ("sscan w 0 match", "-ERR syntax error"),
    ]);
}

/// A pattern of 64 KiB that once took exponential time is answered; one that takes too many steps is refused.
#[test]
fn hostile_patterns_end() {
    let mut stage = Stage::new();
    stage.run_bytes([b"sadd".to_vec(), b"s".to_vec(), vec![b'a'; 64 * 1024]]);
    let many_stars = [b"a*".repeat(32 * 1024), b"b".to_vec()].concat();
    let answer = stage.run_bytes([b"sscan", &b"s"[..], b"0", b"match", &many_stars]);
    assert_eq!(shown(&answer), "[0 []]");
    let long_piece = [b"*".to_vec(), vec![b'a'; 32 * 1024], b"b".to_vec()].concat();
    let answer = stage.run_bytes([b"sscan", &b"s"[..], b"0", b"match", &long_piece]);
    assert_eq!(
        shown(&answer),
        "-ERR the pattern takes too many steps to compare"
    );
}

/// What may happen between two calls. Numbers below 100 are members that nothing removes.
fn meanwhile() -> impl Strategy<Value = Vec<String>> {
    let member = || (100..400_u16).prop_map(|number| number.to_string());
    let members = |most| prop::collection::vec(member(), 1..most);
    prop_oneof![
        4 => members(8).prop_map(|members| format!("sadd s {}", members.join(" "))),
        4 => members(40).prop_map(|members| format!("srem s {}", members.join(" "))),
        1 => Just("sunionstore s other s".to_owned()),
        1 => Just("sdiffstore s s other".to_owned()),
        // In another order.
        1 => Just("sinterstore s backwards s".to_owned()),
        1 => members(8).prop_map(|members| format!("sadd other {}", members.join(" "))),
        1 => member().prop_map(|member| format!("smove s other {member}")),
    ]
    .prop_map(|line| line.split(' ').map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_stays_is_answered(
        stay in prop::collection::btree_set(0..100_u16, 0..100),
        go in prop::collection::btree_set(100..400_u16, 0..150),
        intset_entries_max in prop_oneof![Just(0), Just(20), Just(1000)],
        order in any::<u64>(),
        rounds in prop::collection::vec((1..20_u8, prop::collection::vec(meanwhile(), 0..4)), 1..80),
    ) {
        let mut stage = Stage::with(intset_max(intset_entries_max));
        let mut members: Vec<u16> = stay.iter().chain(&go).copied().collect();
        // Members lie in any order.
        members.sort_by_key(|&member| (order ^ u64::from(member)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for member in members {
            stage.run(&format!("sadd s {member}"));
        }
        for member in (0..150).rev() {
            stage.run(&format!("sadd backwards {member}"));
        }
        let mut answered = BTreeSet::new();
        let mut cursor = "0".to_owned();
        let mut rounds = rounds.into_iter();
        loop {
            let (count, changes) = rounds.next().unwrap_or((20, Vec::new()));
            let answer = stage.run(&format!("sscan s {cursor} count {count}"));
            let Answer::Array(parts) = answer else {
                panic!("no array: {answer:?}");
            };
            answered.extend(sorted(&parts[1]));
            cursor = shown(&parts[0]);
            if cursor == "0" {
                break;
            }
            for change in changes {
                stage.run_bytes(change);
            }
        }
        let missed: Vec<&u16> = stay
            .iter()
            .filter(|member| !answered.contains(&member.to_string()))
            .collect();
        prop_assert!(missed.is_empty(), "missed {:?}", missed);
    }
}
