//! `KEYS` and `SCAN`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{check, shown};
use crate::reply::Answer;
use crate::testing::Stage;

/// The strings of an array, sorted.
fn sorted(answer: &Answer) -> Vec<String> {
    let Answer::Array(elements) = answer else {
        panic!("{answer:?}");
    };
    let mut names: Vec<String> = elements.iter().map(shown).collect();
    names.sort();
    names
}

/// Calls `SCAN` with these options; the next cursor, and what was answered.
fn call(stage: &mut Stage, cursor: &str, options: &str) -> (String, Vec<String>) {
    match stage.run(&format!("scan {cursor} {options}")) {
        Answer::Array(pair) => (shown(&pair[0]), sorted(&pair[1])),
        other => panic!("{other:?}"),
    }
}

/// All that a whole walk answers, in its order.
fn walk(stage: &mut Stage, options: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let (next, names) = call(stage, &cursor, options);
        found.extend(names);
        if next == "0" {
            return found;
        }
        cursor = next;
    }
}

#[test]
fn keys_that_match_are_answered() {
    let mut stage = Stage::new();
    for key in ["one", "two", "three", "four", "on*"] {
        stage.run(&format!("set {key} 1"));
    }
    for (pattern, expected) in [
        ("*", "four on* one three two"),
        ("*o*", "four on* one two"),
        ("t*", "three two"),
        ("o?e", "one"),
        ("one", "one"),
        ("on\\*", "on*"),
        ("[ot]*", "on* one three two"),
        ("zero", ""),
        ("f*x", ""),
    ] {
        let names = sorted(&stage.run(&format!("keys {pattern}")));
        assert_eq!(names.join(" "), expected, "{pattern}");
    }
    stage.run("pexpire one 10");
    stage.now_ms += 10;
    assert_eq!(sorted(&stage.run("keys o*")), ["on*"]);
    check(&mut stage, &[("keys one", "[]")]);
    stage.database = 1;
    check(&mut stage, &[("keys *", "[]")]);
}

#[test]
fn an_empty_key_is_scanned_but_matches_no_star() {
    let mut stage = Stage::new();
    stage.run_bytes(["set", "", "1"]);
    stage.run("set a 1");
    assert_eq!(sorted(&stage.run_bytes(["keys", "*"])), ["", "a"]);
    assert_eq!(sorted(&stage.run_bytes(["keys", "?"])), ["a"]);
    assert_eq!(sorted(&stage.run_bytes(["keys", ""])), [""]);
    assert_eq!(walk(&mut stage, "").len(), 2);
}

#[test]
fn a_hostile_pattern_is_bounded() {
    let mut stage = Stage::new();
    let text = "a".repeat(60_000);
    stage.run_bytes(["set", text.as_str(), "1"]);
    let pattern = format!("{}b", "a*".repeat(30_000));
    stage.run_bytes(["keys", pattern.as_str()]);
    let piece = format!("*{}b", "a".repeat(30_000));
    let answer = stage.run_bytes(["scan", "0", "match", piece.as_str()]);
    assert_eq!(
        shown(&answer),
        "-ERR the pattern takes too many steps to compare"
    );
}

#[test]
fn options_leave_keys_out() {
    let mut stage = Stage::new();
    for number in 0..100 {
        stage.run(&format!("set key-{number} 1"));
        stage.run(&format!("hset hash-{number} f v"));
    }
    assert_eq!(walk(&mut stage, "").len(), 200);
    assert_eq!(walk(&mut stage, "count 1").len(), 200);
    assert_eq!(walk(&mut stage, "type HASH").len(), 100);
    assert_eq!(walk(&mut stage, "type nothing").len(), 0);
    assert_eq!(walk(&mut stage, "match key-1*").len(), 11);
    assert_eq!(walk(&mut stage, "type hash match *-1* count 7").len(), 11);
    assert_eq!(call(&mut stage, "0", "count 1000").0, "0");
    let (next, some) = call(&mut stage, "0", "count 20");
    assert_ne!(next, "0");
    assert_eq!(some.len(), 20);
    check(
        &mut stage,
        &[
            ("scan", "-ERR wrong number of arguments for 'scan' command"),
            ("scan x", "-ERR invalid cursor"),
            ("scan 0 count", "-ERR syntax error"),
            ("scan 0 count 0", "-ERR syntax error"),
            (
                "scan 0 count x",
                "-ERR value is not an integer or out of range",
            ),
            ("scan 0 nothing 1", "-ERR syntax error"),
        ],
    );
    // Cursors that nobody gave do no harm.
    for cursor in ["18446744073709551615", "4294967295", "99999999999"] {
        call(&mut stage, cursor, "count 1000000000000");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16),
    Remove(u16),
    Rename(u16, u16),
    Copy(u16),
    Scan(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u16>().prop_map(Step::Add),
        (0..400_u16).prop_map(Step::Remove),
        (200..400_u16, 0..200_u16).prop_map(|(from, to)| Step::Rename(from, to)),
        (0..200_u16).prop_map(Step::Copy),
        (1..40_u8).prop_map(Step::Scan),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_key_that_stays_is_answered(steps in prop::collection::vec(step(), 1..150)) {
        let mut stage = Stage::new();
        // A tag puts all keys into one part, where they move about most.
        let name = |number: u16| match number % 2 {
            0 => format!("{{tag}}{number}"),
            _ => number.to_string(),
        };
        for number in 0..400 {
            stage.run(&format!("set {} 1", name(number)));
        }
        let mut stays: BTreeSet<String> = (0..400).map(name).collect();
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_owned();
        let mut is_done = false;
        for step in steps {
            match step {
                Step::Add(number) => {
                    stage.run(&format!("set {} 1", name(number)));
                }
                Step::Remove(number) => {
                    stage.run(&format!("del {}", name(number)));
                    stays.remove(&name(number));
                }
                Step::Rename(from, to) => {
                    // What is renamed onto is there before and after.
                    let is_renamed = shown(&stage.run(&format!("rename {} {}", name(from), name(to))));
                    if is_renamed == "+OK" {
                        stays.remove(&name(from));
                    }
                }
                Step::Copy(to) => {
                    stage.run(&format!("copy {} {} replace", name(399), name(to)));
                }
                Step::Scan(count) if !is_done => {
                    let (next, names) = call(&mut stage, &cursor, &format!("count {count}"));
                    found.extend(names);
                    is_done = next == "0";
                    cursor = next;
                }
                Step::Scan(_) => {}
            }
        }
        while !is_done {
            let (next, names) = call(&mut stage, &cursor, "");
            found.extend(names);
            is_done = next == "0";
            cursor = next;
        }
        let missed: Vec<_> = stays.difference(&found).collect();
        prop_assert!(missed.is_empty(), "{:?}", missed);
    }
}
