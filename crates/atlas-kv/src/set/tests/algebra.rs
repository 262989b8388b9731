//! What sets have in common, in all, or alone.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn operations_on_little() {
    let mut stage = Stage::new();
    stage.check(&[
        ("sadd a 1 2 3 x", ":4"),
        ("sadd b 3 2 5", ":3"),
        ("sadd c 2 x y", ":3"),
        ("sinter a", "<1 2 3 x>"),
        ("sinter a b", "<2 3>"),
        ("sinter b a c", "<2>"),
        ("sinter a a", "<1 2 3 x>"),
        ("sinter a no", "<>"),
        ("sunion b", "<2 3 5>"),
        ("sunion no b", "<2 3 5>"),
        ("sunion no", "<>"),
        ("sdiff a b", "<1 x>"),
        ("sdiff a b c", "<1>"),
        ("sdiff a no", "<1 2 3 x>"),
        ("sdiff no a", "<>"),
        ("sdiff a b a", "<>"),
        ("sdiff a", "<1 2 3 x>"),
        ("sintercard 2 a b", ":2"),
        ("sintercard 2 a b limit 1", ":1"),
        ("sintercard 2 a b LIMIT 0", ":2"),
        ("sintercard 2 a b limit 9 limit 1", ":1"),
        ("sintercard 2 a no", ":0"),
        ("sintercard 0 a", "-ERR numkeys should be greater than 0"),
        ("sintercard -1 a", "-ERR numkeys should be greater than 0"),
        ("sintercard x a", "-ERR numkeys should be greater than 0"),
        (
            "sintercard 3 a b",
            "-ERR Number of keys can't be greater than number of args",
        ),
        (
            "sintercard 9223372036854775807 a b",
            "-ERR Number of keys can't be greater than number of args",
        ),
        ("sintercard 1 a b", "-ERR syntax error"),
        ("sintercard 1 a limit", "-ERR syntax error"),
        ("sintercard 1 a limit -1", "-ERR LIMIT can't be negative"),
        ("sintercard 1 a limit x", "-ERR LIMIT can't be negative"),
    ]);
    assert_eq!(sorted(&stage.run("sunion a c")), ["1", "2", "3", "x", "y"]);
}

#[test]
fn results_are_kept() {
    let mut stage = stage();
    stage.check(&[
        ("sadd a 1 2 3", ":3"),
        ("sadd b 2 3 4", ":3"),
        ("sinterstore d a b", ":2"),
        ("smembers d", "<2 3>"),
        ("sunionstore d a b", ":4"),
        ("smembers d", "<1 2 3 4>"),
        ("sdiffstore d a b", ":1"),
        ("smembers d", "<1>"),
        // A source may be the destination.
        ("sunionstore a a b", ":4"),
        ("smembers a", "<1 2 3 4>"),
        ("sdiffstore a a b", ":1"),
        ("smembers a", "<1>"),
        // Whatever lay there goes.
        ("sunionstore text a b", ":4"),
        ("type text", "+set"),
        ("pexpire text 100", ":1"),
        ("sunionstore text a", ":1"),
        ("pttl text", ":-1"),
        // Nothing is no set.
        ("sinterstore text a no", ":0"),
        ("exists text", ":0"),
        ("sinterstore no a b", ":0"),
        ("exists no", ":0"),
    ]);
    stage.check_snapshot();
}

#[test]
fn the_encoding_of_a_result_is_that_of_a_new_set() {
    let mut stage = Stage::with(intset_max(4));
    for line in [
        "sadd words x 1 2",
        "sadd few 1 2 3",
        "sadd many 1 2 3 4 5 6",
    ] {
        stage.run(line);
    }
    for (line, expected) in [
        ("sinterstore d words few", "intset"),
        ("sinterstore d words", "hashtable"),
        ("sinterstore d many", "hashtable"),
        ("sinterstore d many few", "intset"),
        ("sunionstore d words few", "hashtable"),
        ("sunionstore d few", "intset"),
        ("sunionstore d few many", "hashtable"),
        ("sdiffstore d many few", "intset"),
        ("sdiffstore d words few", "hashtable"),
        // Taken away from a copy of all of it.
        ("sadd one 1", "none"),
        ("sadd two 2", "none"),
        ("sdiffstore d many one two one", "hashtable"),
        ("sdiffstore d few one two one", "intset"),
    ] {
        stage.run("del d");
        stage.run(line);
        assert_eq!(encoding(&stage, "d"), expected, "{line}");
    }
}

/// A set of many members named very often would be walked through as often.
#[test]
fn a_set_named_often_is_looked_at_once() {
    let mut stage = Stage::new();
    for base in 0..20 {
        let members = (0..1000).map(|member| format!("m{}", base * 1000 + member));
        stage.run_bytes(
            ["sadd".to_owned(), "large".into()]
                .into_iter()
                .chain(members),
        );
    }
    stage.run("sadd other m1 x");
    let begun = std::time::Instant::now();
    for (name, count) in [("sinter", 20_000), ("sunion", 20_000), ("sdiff", 0)] {
        let often = std::iter::repeat_n("large", 20_000);
        let answer = stage.run_bytes(std::iter::once(name).chain(often));
        assert_eq!(sorted(&answer).len(), count, "{name}");
    }
    let often = std::iter::repeat_n("large", 20_000);
    let answer = stage.run_bytes(["sdiff", "other"].into_iter().chain(often));
    assert_eq!(shown(&answer), "<x>");
    // Walking through it each time takes minutes.
    assert!(begun.elapsed().as_secs() < 30);
}

/// Sets of words and numbers, small and large, as a model sees them.
fn sets() -> impl Strategy<Value = Vec<BTreeSet<String>>> {
    let number = || (0..60_u8).prop_map(|number| number.to_string());
    let word = || (0..60_u8).prop_map(|number| format!("w{number}"));
    let numbers = prop::collection::btree_set(number(), 0..40);
    let mixed = prop::collection::btree_set(prop_oneof![number(), word()], 0..80);
    prop::collection::vec(prop_oneof![numbers, mixed], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn operations_act_as_on_sets(sets in sets(), again in any::<prop::sample::Index>()) {
        let mut stage = Stage::with(intset_max(20));
        let mut keys = Vec::new();
        for (number, set) in sets.iter().enumerate() {
            let key = format!("s{number}");
            if !set.is_empty() {
                let words = ["sadd".to_owned(), key.clone()].into_iter();
                stage.run_bytes(words.chain(set.iter().cloned()));
            }
            keys.push(key);
        }
        let again = again.index(keys.len());
        keys.push(keys[again].clone());
        let mut sets: Vec<&BTreeSet<String>> = sets.iter().collect();
        sets.push(sets[again]);
        let line = keys.join(" ");
        let models = [
            ("sinter", sets.iter().skip(1).fold(sets[0].clone(), |left, right| &left & right)),
            ("sunion", sets.iter().skip(1).fold(sets[0].clone(), |left, right| &left | right)),
            ("sdiff", sets.iter().skip(1).fold(sets[0].clone(), |left, right| &left - right)),
        ];
        for (name, expected) in models {
            let expected: Vec<String> = expected.into_iter().collect();
            prop_assert_eq!(&sorted(&stage.run(&format!("{name} {line}"))), &expected, "{}", name);
            let count = Answer::Integer(expected.len() as i64);
            prop_assert_eq!(stage.run(&format!("{name}store d {line}")), count.clone());
            prop_assert_eq!(&sorted(&stage.run("smembers d")), &expected, "{}", name);
            for member in &expected {
                prop_assert_eq!(stage.run(&format!("sismember d {member}")), Answer::Integer(1));
            }
            if name == "sinter" {
                prop_assert_eq!(stage.run(&format!("sintercard {} {line}", keys.len())), count);
            }
        }
        // Onto one of the sources.
        let before: BTreeSet<String> = sets[0] | sets[again];
        stage.run(&format!("sunionstore {} s0 {}", keys[again], keys[again]));
        let after = sorted(&stage.run(&format!("smembers {}", keys[again])));
        prop_assert_eq!(after, before.into_iter().collect::<Vec<_>>());
        stage.check_snapshot();
    }
}
