//! Expiries.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{changes, check, check_events, shown};
use crate::testing::Stage;

#[test]
fn a_key_lives_as_long_as_it_is_told() {
    let mut stage = Stage::new();
    stage.now_ms = 1_000_000;
    check(
        &mut stage,
        &[
            ("expire a 10", ":0"),
            ("ttl a", ":-2"),
            ("pttl a", ":-2"),
            ("expiretime a", ":-2"),
            ("persist a", ":0"),
            ("set a 1", "+OK"),
            ("ttl a", ":-1"),
            ("pexpiretime a", ":-1"),
            ("persist a", ":0"),
            ("expire a 10", ":1"),
            ("ttl a", ":10"),
            ("pttl a", ":10000"),
            ("expiretime a", ":1010"),
            ("pexpiretime a", ":1010000"),
            ("persist a", ":1"),
            ("ttl a", ":-1"),
            ("pexpire a 1500", ":1"),
            ("ttl a", ":2"),
            ("pexpire a 1499", ":1"),
            ("ttl a", ":1"),
            ("expireat a 2000", ":1"),
            ("ttl a", ":1000"),
            ("pexpireat a 2000500", ":1"),
            ("expiretime a", ":2001"),
            ("set a 1", "+OK"),
            ("ttl a", ":-1"),
        ],
    );
}

#[test]
fn the_past_removes_a_key() {
    let mut stage = Stage::new();
    for line in [
        "expire a 0",
        "expire a -1",
        "pexpire a -9223372036854775808",
        "expireat a 0",
        "pexpireat a 1",
    ] {
        stage.run("set a 1");
        check_events(&mut stage, line, &["del a"]);
        assert_eq!(changes(&stage), ["0 a"]);
        assert_eq!(stage.effects.dirty, 1);
        assert_eq!(stage.effects.expired, 0);
        check(&mut stage, &[("dbsize", ":0")]);
    }
    stage.run("set a 1");
    check_events(&mut stage, "expire a 1", &["expire a"]);
    check_events(&mut stage, "persist a", &["persist a"]);
}

#[test]
fn conditions_look_at_the_expiry_that_is_there() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a 1", "+OK"),
            ("expire a 100 xx", ":0"),
            ("expire a 100 gt", ":0"),
            ("expire a 100 xx gt", ":0"),
            ("expire a 100 lt xx", ":0"),
            ("expire a 100 lt", ":1"),
            ("expire a 100 lt", ":0"),
            ("expire a 100 gt", ":0"),
            ("expire a 200 nx", ":0"),
            ("expire a 200 GT", ":1"),
            ("expire a 200 lt", ":0"),
            ("expire a 150 xx lt", ":1"),
            ("expire a 300 xx", ":1"),
            ("ttl a", ":300"),
            ("persist a", ":1"),
            ("expire a 50 nx", ":1"),
            ("ttl a", ":50"),
            ("expire a -1 gt", ":0"),
            ("expire a -1 lt", ":1"),
            ("exists a", ":0"),
        ],
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    let both = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    check(
        &mut stage,
        &[
            (
                "expire a",
                "-ERR wrong number of arguments for 'expire' command",
            ),
            (
                "expire a ten",
                "-ERR value is not an integer or out of range",
            ),
            (
                "expire a 1.5",
                "-ERR value is not an integer or out of range",
            ),
            ("expire a ten ab", "-ERR Unsupported option ab"),
            ("expire a 1 nx xx", both),
            ("expire a 1 lt nx", both),
            ("expire a 1 nx gt", both),
            (
                "expire a 1 lt gt",
                "-ERR GT and LT options at the same time are not compatible",
            ),
            (
                "expire a 9223372036854775807",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "expire a 9223372036854775",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "pexpire a 9223372036854775807",
                "-ERR invalid expire time in 'pexpire' command",
            ),
            ("expireat a -9223372036854775", ":1"),
            (
                "expireat a 9223372036854776",
                "-ERR invalid expire time in 'expireat' command",
            ),
            ("pexpireat a 9223372036854775807", ":0"),
        ],
    );
}

#[test]
fn a_key_far_in_the_future_has_time() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a 1", "+OK"),
            ("pexpireat a 9223372036854775807", ":1"),
            ("pexpiretime a", ":9223372036854775807"),
            ("expiretime a", ":9223372036854776"),
            ("get a", "1"),
        ],
    );
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8),
    Expire(u8, i64),
    Persist(u8),
    Remove(u8),
    Rename(u8, u8),
    Wait(i64),
    Sweep(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..8_u8;
    prop_oneof![
        key().prop_map(Step::Set),
        (key(), 1..2_000_i64).prop_map(|(key, left_ms)| Step::Expire(key, left_ms)),
        key().prop_map(Step::Persist),
        key().prop_map(Step::Remove),
        (key(), key()).prop_map(|(from, to)| Step::Rename(from, to)),
        (0..700_i64).prop_map(Step::Wait),
        (1..4_usize).prop_map(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_key_expires_when_due_and_none_before(steps in prop::collection::vec(step(), 1..80)) {
        let mut stage = Stage::new();
        // What must be there, and until when.
        let mut model: BTreeMap<u8, Option<i64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(key) => {
                    stage.run(&format!("set {key} 1"));
                    model.insert(key, None);
                }
                Step::Expire(key, left_ms) => {
                    let answer = shown(&stage.run(&format!("pexpire {key} {left_ms}")));
                    prop_assert_eq!(answer == ":1", model.contains_key(&key));
                    model.entry(key).and_modify(|at| *at = Some(stage.now_ms + left_ms));
                }
                Step::Persist(key) => {
                    let answer = shown(&stage.run(&format!("persist {key}")));
                    prop_assert_eq!(answer == ":1", model.get(&key).is_some_and(Option::is_some));
                    model.entry(key).and_modify(|at| *at = None);
                }
                Step::Remove(key) => {
                    let answer = shown(&stage.run(&format!("del {key}")));
                    prop_assert_eq!(answer == ":1", model.remove(&key).is_some());
                }
                Step::Rename(from, to) => {
                    let answer = shown(&stage.run(&format!("rename {from} {to}")));
                    prop_assert_eq!(answer == "+OK", model.contains_key(&from));
                    if let Some(at) = model.remove(&from) {
                        model.insert(to, at);
                    }
                }
                Step::Wait(milliseconds) => {
                    stage.now_ms += milliseconds;
                    model.retain(|_, at| at.is_none_or(|at| at > stage.now_ms));
                }
                Step::Sweep(count_max) => {
                    let keys = stage.keyspace.due(0, stage.now_ms, count_max);
                    prop_assert!(keys.len() <= count_max);
                    for key in &keys {
                        let number: u8 = std::str::from_utf8(key).unwrap().parse().unwrap();
                        prop_assert!(!model.contains_key(&number), "{} is not due", number);
                    }
                    let mut effects = crate::Effects::default();
                    let keys = keys.iter().map(Vec::as_slice);
                    stage.keyspace.expire(0, stage.now_ms, keys, &mut effects);
                }
            }
            for key in 0..8_u8 {
                let left = shown(&stage.run(&format!("pttl {key}")));
                let expected = match model.get(&key) {
                    None => -2,
                    Some(None) => -1,
                    Some(&Some(at)) => at - stage.now_ms,
                };
                prop_assert_eq!(left, format!(":{expected}"));
            }
        }
        // Everything due is found by sweeping, and only that.
        let mut effects = crate::Effects::default();
        loop {
            let keys = stage.keyspace.due(0, stage.now_ms, 3);
            if keys.is_empty() {
                break;
            }
            let keys = keys.iter().map(Vec::as_slice);
            stage.keyspace.expire(0, stage.now_ms, keys, &mut effects);
        }
        prop_assert_eq!(stage.keyspace.key_counts(0).0, model.len());
        let volatile = model.values().filter(|at| at.is_some()).count();
        prop_assert_eq!(stage.keyspace.key_counts(0).1, volatile);
    }
}
