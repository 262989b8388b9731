//! How sets are kept: encodings, places, snapshots; and that they act as sets whatever happens.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::value::Collection;

#[test]
fn encodings_are_named_as_in_redis() {
    let mut stage = Stage::new();
    for (line, expected) in [
        ("sadd s 1 -2 9223372036854775807", "intset"),
        ("sadd s 9223372036854775808", "hashtable"),
        // It does not turn back.
        ("srem s 9223372036854775808", "hashtable"),
    ] {
        stage.run(line);
        assert_eq!(encoding(&stage, "s"), expected, "{line}");
    }
    for member in ["01", "1.0", "+1", "x", "-0"] {
        let mut stage = Stage::new();
        stage.run(&format!("sadd s {member}"));
        assert_eq!(encoding(&stage, "s"), "hashtable", "{member}");
    }
    let mut stage = Stage::new();
    for number in 0..512 {
        stage.run(&format!("sadd s {number}"));
    }
    assert_eq!(encoding(&stage, "s"), "intset");
    stage.run("sadd s 511");
    assert_eq!(encoding(&stage, "s"), "intset");
    stage.check_snapshot();
    stage.run("sadd s 512");
    assert_eq!(encoding(&stage, "s"), "hashtable");
    stage.check_snapshot();
    // What is left of many is made anew.
    stage.run("spop s 510");
    assert_eq!(encoding(&stage, "s"), "intset");
    stage.check_snapshot();
    let mut stage = Stage::with(intset_max(0));
    stage.run("sadd s 1");
    assert_eq!(encoding(&stage, "s"), "hashtable");
}

/// Where more integers may be called an integer set than are kept as one, the name is the setting's.
#[test]
fn many_integers_are_an_integer_set_by_name() {
    let mut stage = Stage::with(intset_max(2000));
    for number in 0..2000 {
        stage.run(&format!("sadd s {number}"));
    }
    assert_eq!(encoding(&stage, "s"), "intset");
    stage.check_snapshot();
    stage.run("sunionstore d s");
    assert_eq!(encoding(&stage, "d"), "intset");
    stage.run("sadd d x");
    assert_eq!(encoding(&stage, "d"), "hashtable");
    stage.run("sadd s 2000");
    assert_eq!(encoding(&stage, "s"), "hashtable");
}

#[test]
fn few_words_take_little() {
    let mut stage = Stage::new();
    for number in 0..20 {
        stage.run(&format!("sadd s word-{number}"));
    }
    let moment = Moment {
        database: 0,
        now_ms: 0,
        seed: 0,
    };
    let view = stage.keyspace.view(moment, false);
    let bytes = view.set(b"s").unwrap().unwrap().memory_bytes();
    assert!(bytes < 350, "{bytes}");
}

#[test]
fn few_integers_take_little() {
    let bytes = |members: &str| {
        let mut stage = Stage::new();
        for member in 0..500 {
            stage.run(&format!("sadd s {members}{member}"));
        }
        let moment = Moment {
            database: 0,
            now_ms: 0,
            seed: 0,
        };
        let view = stage.keyspace.view(moment, false);
        view.set(b"s").unwrap().unwrap().memory_bytes()
    };
    assert!(bytes("10000") < 6000, "{}", bytes("10000"));
    assert!(bytes("1000x") < 20_000, "{}", bytes("1000x"));
}

#[test]
fn a_result_keeps_the_places_of_what_it_replaces() {
    let mut stage = Stage::with(intset_max(0));
    stage.run("sadd s e a d b c");
    spread(&mut stage, "s");
    let many: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    stage.run(&format!("sadd t x c y b z a {} d v e", many.join(" ")));
    stage.check(&[("sunionstore s t", ":109")]);
    let Answer::Set(members) = stage.run("smembers s") else {
        panic!("no set");
    };
    let first: Vec<String> = members[..5].iter().map(shown).collect();
    assert_eq!(first, ["e", "a", "d", "b", "c"]);
    assert_eq!(
        sorted(&Answer::Set(members)),
        sorted(&stage.run("smembers t"))
    );
    for member in ["e", "x", "m0", "m99"] {
        stage.check(&[
            (&format!("sismember s {member}"), ":1"),
            (&format!("srem s {member}"), ":1"),
            (&format!("sismember s {member}"), ":0"),
        ]);
    }
    stage.check_snapshot();
}

/// One command on the set `s`, of integers mostly or of anything.
fn command() -> impl Strategy<Value = Vec<String>> {
    let member = || {
        prop_oneof![
            9 => (0..90_i64).prop_map(|number| number.to_string()),
            1 => any::<i64>().prop_map(|number| number.to_string()),
            1 => "[a-c]{1,30}",
        ]
    };
    let members = || prop::collection::vec(member(), 1..30);
    prop_oneof![
        5 => members().prop_map(|members| [vec!["sadd".into(), "s".into()], members].concat()),
        4 => members().prop_map(|members| [vec!["srem".into(), "s".into()], members].concat()),
        1 => members().prop_map(|members| [vec!["smismember".into(), "s".into()], members].concat()),
        1 => (0..40_u8).prop_map(|count| vec!["spop".into(), "s".into(), count.to_string()]),
        1 => Just(vec!["spop".into(), "s".into()]),
        1 => Just(vec!["scard".into(), "s".into()]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_set_acts_as_a_set(
        commands in prop::collection::vec(command(), 0..100),
        intset_entries_max in prop_oneof![Just(0), Just(8), Just(512)],
    ) {
        let mut stage = Stage::with(intset_max(intset_entries_max));
        let mut model = BTreeSet::new();
        for words in commands {
            let answer = stage.run_bytes(&words);
            let rest = &words[2..];
            let expected = match words[0].as_str() {
                "sadd" => {
                    let added = rest.iter().filter(|member| model.insert((*member).clone()));
                    Answer::Integer(added.count() as i64)
                }
                "srem" => {
                    let removed = rest.iter().filter(|member| model.remove(*member));
                    Answer::Integer(removed.count() as i64)
                }
                "smismember" => Answer::Array(
                    rest.iter()
                        .map(|member| Answer::Integer(i64::from(model.contains(member))))
                        .collect(),
                ),
                "spop" => {
                    let popped = match &answer {
                        Answer::Null => Vec::new(),
                        Answer::Bulk(_) => vec![shown(&answer)],
                        many => sorted(many),
                    };
                    let asked = rest.first().map_or(1, |count| count.parse().unwrap());
                    prop_assert_eq!(popped.len(), model.len().min(asked));
                    for member in popped {
                        prop_assert!(model.remove(&member), "{} popped", member);
                    }
                    answer.clone()
                }
                _ => Answer::Integer(model.len() as i64),
            };
            prop_assert_eq!(answer, expected, "{:?}", words);
        }
        let all = sorted(&stage.run("smembers s"));
        prop_assert_eq!(all, model.iter().cloned().collect::<Vec<_>>());
        stage.run("copy s t");
        prop_assert_eq!(stage.run("smembers t"), stage.run("smembers s"));
        stage.check_snapshot();
    }
}
