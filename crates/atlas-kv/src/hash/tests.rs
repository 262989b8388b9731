//! Commands on hashes: tables of answers, and a model.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use crate::Settings;
use crate::reply::Answer;
use crate::testing::{Stage, shown};
use crate::value::Collection;

/// A stage with a string under `text` and a hash under `h`.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.run("set text value");
    stage.run("hset h a 1 b 2 c 3");
    stage
}

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn fields_are_set_and_read() {
    stage().check(&[
        ("hset h a 9 d 4 d 5", ":1"),
        ("hgetall h", "{a=9 b=2 c=3 d=5}"),
        ("hkeys h", "[a b c d]"),
        ("hvals h", "[9 2 3 5]"),
        ("hlen h", ":4"),
        ("hget h a", "9"),
        ("hget h x", "(nil)"),
        ("hmget h a x c a", "[9 (nil) 3 9]"),
        ("hexists h a", ":1"),
        ("hexists h x", ":0"),
        ("hset h long twelve-bytes", ":1"),
        ("hstrlen h long", ":12"),
        ("hstrlen h x", ":0"),
        ("hmset h a 1 e 6", "+OK"),
        ("hget h e", "6"),
        ("hsetnx h e 7", ":0"),
        ("hget h e", "6"),
        ("hsetnx h f 7", ":1"),
        ("hget h f", "7"),
        ("hsetnx new f 7", ":1"),
        ("hgetall new", "{f=7}"),
        (
            "hset h odd",
            "-ERR wrong number of arguments for 'hset' command",
        ),
        (
            "hset h a 1 odd",
            "-ERR wrong number of arguments for 'hset' command",
        ),
        (
            "hmset h a 1 odd",
            "-ERR wrong number of arguments for 'hmset' command",
        ),
    ]);
}

#[test]
fn a_missing_hash_is_empty() {
    stage().check(&[
        ("hget no a", "(nil)"),
        ("hmget no a b", "[(nil) (nil)]"),
        ("hgetall no", "{}"),
        ("hkeys no", "[]"),
        ("hvals no", "[]"),
        ("hlen no", ":0"),
        ("hexists no a", ":0"),
        ("hstrlen no a", ":0"),
        ("hdel no a", ":0"),
        ("hrandfield no", "(nil)"),
        ("hrandfield no 3", "[]"),
        ("hrandfield no -3 withvalues", "[]"),
        ("hscan no 0", "[0 []]"),
        // What follows is not even looked at.
        ("hscan no 0 nonsense", "[0 []]"),
        ("exists no", ":0"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let mut stage = stage();
    for line in [
        "hset text a 1",
        "hmset text a 1",
        "hsetnx text a 1",
        "hincrby text a 1",
        "hincrbyfloat text a 1",
        "hdel text a",
        "hget text a",
        "hmget text a",
        "hexists text a",
        "hlen text",
        "hstrlen text a",
        "hgetall text",
        "hkeys text",
        "hvals text",
        "hrandfield text",
        "hrandfield text 2",
        "hscan text 0",
    ] {
        stage.check(&[(line, WRONG_TYPE)]);
    }
    stage.check(&[("get text", "value"), ("get h", WRONG_TYPE)]);
}

#[test]
fn the_last_field_takes_the_key_along() {
    let mut stage = stage();
    stage.check(&[
        ("hdel h a x", ":1"),
        ("hgetall h", "{b=2 c=3}"),
        ("hdel h b b c c", ":2"),
        ("exists h", ":0"),
        ("hset h a 1", ":1"),
        ("hgetall h", "{a=1}"),
    ]);
    stage.check_snapshot();
}

#[test]
fn numbers_in_fields_are_added_to() {
    stage().check(&[
        ("hincrby h a 4", ":5"),
        ("hincrby h a -10", ":-5"),
        ("hget h a", "-5"),
        ("hincrby h n 7", ":7"),
        ("hincrby new n -7", ":-7"),
        ("hset h text nine max 9223372036854775807", ":2"),
        ("hincrby h text 1", "-ERR hash value is not an integer"),
        (
            "hincrby h max 1",
            "-ERR increment or decrement would overflow",
        ),
        ("hincrby h max -1", ":9223372036854775806"),
        (
            "hincrby h min -9223372036854775808",
            ":-9223372036854775808",
        ),
        (
            "hincrby h min -1",
            "-ERR increment or decrement would overflow",
        ),
        (
            "hincrby h a x",
            "-ERR value is not an integer or out of range",
        ),
        (
            "hincrby no a 1.5",
            "-ERR value is not an integer or out of range",
        ),
        ("exists no", ":0"),
        ("hset h padded 007 spaced 1.0", ":2"),
        ("hincrby h padded 1", "-ERR hash value is not an integer"),
        ("hincrby h spaced 1", "-ERR hash value is not an integer"),
    ]);
}

#[test]
fn floats_in_fields_are_added_to() {
    stage().check(&[
        ("hincrbyfloat h a 2.5", "3.5"),
        ("hincrbyfloat h a -3.5", "0"),
        ("hget h a", "0"),
        ("hincrbyfloat h f 3.1", "3.1"),
        ("hincrbyfloat new f 1e3", "1000"),
        ("hset h text nine inf inf", ":2"),
        ("hincrbyfloat h text 1", "-ERR hash value is not a float"),
        (
            "hincrbyfloat h inf 1",
            "-ERR increment would produce NaN or Infinity",
        ),
        ("hincrbyfloat h a inf", "-ERR value is NaN or Infinity"),
        ("hincrbyfloat h a -inf", "-ERR value is NaN or Infinity"),
        ("hincrbyfloat h a nan", "-ERR value is not a valid float"),
        ("hincrbyfloat no a x", "-ERR value is not a valid float"),
        ("exists no", ":0"),
    ]);
}

#[test]
fn shapes_in_resp3() {
    let mut stage = stage();
    stage.resp3 = true;
    stage.check(&[
        ("hgetall h", "{a=1 b=2 c=3}"),
        ("hgetall no", "{}"),
        ("hkeys h", "[a b c]"),
        ("hrandfield h 5 withvalues", "[[a 1] [b 2] [c 3]]"),
        ("hrandfield h 5", "[a b c]"),
        ("hrandfield no 5 withvalues", "[]"),
        ("hscan h 0", "[0 [a 1 b 2 c 3]]"),
    ]);
    stage.resp3 = false;
    stage.check(&[("hrandfield h 5 withvalues", "[a 1 b 2 c 3]")]);
}

#[test]
fn random_fields_are_picked() {
    let mut stage = stage();
    stage.check(&[
        ("hrandfield h 0", "[]"),
        ("hrandfield h 0 withvalues", "[]"),
        ("hrandfield h 3", "[a b c]"),
        ("hrandfield h x", "-ERR value is not an integer or out of range"),
        ("hrandfield h 1 values", "-ERR syntax error"),
        ("hrandfield h 1 withvalues more", "-ERR syntax error"),
        ("hrandfield h -9223372036854770000 withvalues", "-ERR value is out of range"),
        ("hrandfield h 9223372036854770000 withvalues", "-ERR value is out of range"),
        (
            "hrandfield h -9223372036854775808 withvalues",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        // More repetition than an answer may have.
        ("hrandfield h -9223372036854775807", "-ERR value is out of range"),
    ]);
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        seen.insert(shown(&stage.run("hrandfield h")));
        let Answer::Array(two) = stage.run("hrandfield h 2") else {
            panic!("no array");
        };
        assert!(two.len() == 2 && two[0] != two[1], "{two:?}");
    }
    assert_eq!(seen.len(), 3);
    let Answer::Array(many) = stage.run("hrandfield h -100 withvalues") else {
        panic!("no array");
    };
    assert_eq!(many.len(), 200);
    for pair in many.chunks(2) {
        let value = &pair[1];
        stage.seed += 1;
        assert_eq!(stage.run(&format!("hget h {}", shown(&pair[0]))), *value);
    }
    // The same seed picks the same.
    stage.seed = 77;
    let first = stage.run("hrandfield h -5");
    stage.seed = 77;
    assert_eq!(stage.run("hrandfield h -5"), first);
}

#[test]
fn changes_are_told() {
    let mut stage = stage();
    for (line, events, dirty) in [
        ("hset h a 1 b 2", &["hset h"][..], 2),
        ("hmset h a 1", &["hset h"], 1),
        ("hset new a 1", &["new new", "hset new"], 1),
        ("hsetnx h a 1", &[], 0),
        ("hsetnx h z 1", &["hset h"], 1),
        ("hincrby h a 1", &["hincrby h"], 1),
        ("hincrby h a x", &[], 0),
        ("hincrbyfloat h a 1.5", &["hincrbyfloat h"], 1),
        ("hdel h none", &[], 0),
        ("hdel h a b", &["hdel h"], 2),
        ("hdel h c z", &["hdel h", "del h"], 2),
    ] {
        stage.check_events(line, events, dirty);
    }
}

#[test]
fn encodings_are_named_as_in_redis() {
    let encoding = |stage: &Stage| {
        let moment = crate::Moment {
            database: 0,
            now_ms: 0,
            seed: 0,
        };
        let view = stage.keyspace.view(moment, false);
        let entry = view.peek(b"h").unwrap();
        entry.value().encoding()
    };
    let mut stage = stage();
    assert_eq!(encoding(&stage), "listpack");
    for number in 0..125 {
        stage.run(&format!("hset h field-{number} value"));
    }
    assert_eq!(encoding(&stage), "listpack");
    stage.run("hset h one-more value");
    assert_eq!(encoding(&stage), "hashtable");
    stage.run("hdel h one-more");
    assert_eq!(encoding(&stage), "hashtable", "it does not turn back");
    for line in [
        format!("hset h a {}", "x".repeat(65)),
        format!("hset h {} 1", "x".repeat(65)),
        // A value counts even if the next one takes its place.
        format!("hset h a {} a 1", "x".repeat(65)),
    ] {
        let mut stage = self::stage();
        stage.run(&line);
        assert_eq!(encoding(&stage), "hashtable", "{line}");
        stage.check_snapshot();
    }
}

#[test]
fn small_hashes_take_little() {
    let mut stage = Stage::new();
    for number in 0..10 {
        stage.run(&format!("hset h field-{number} value-{number}"));
    }
    let moment = crate::Moment {
        database: 0,
        now_ms: 0,
        seed: 0,
    };
    let view = stage.keyspace.view(moment, false);
    let hash = view.hash(b"h").unwrap().unwrap();
    // 17 bytes a field and its value, their lengths included, and the structure.
    assert!(hash.memory_bytes() < 350, "{}", hash.memory_bytes());
}

/// A value that is too long for the packed form of a small hash must not be copied into it first.
#[test]
fn long_values_are_kept_apart() {
    let mut stage = stage();
    let long = "x".repeat(100_000);
    stage.run_bytes(["hset", "h", "long", &long]);
    stage.check(&[
        ("hstrlen h long", ":100000"),
        ("hget h a", "1"),
        ("hlen h", ":4"),
    ]);
    stage.run_bytes(["hset", "new", "long", &long]);
    stage.check(&[
        ("hstrlen new long", ":100000"),
        ("hdel new long", ":1"),
        ("exists new", ":0"),
    ]);
    stage.check_snapshot();
}

#[test]
fn small_hashes_are_scanned_at_once_and_large_ones_in_steps() {
    let mut stage = stage();
    stage.check(&[
        ("hscan h 0 count 1", "[0 [a 1 b 2 c 3]]"),
        ("hscan h 2", "[0 [a 1 b 2 c 3]]"),
        ("hscan h 0 match [ab]", "[0 [a 1 b 2]]"),
        ("hscan h 0 match *", "[0 [a 1 b 2 c 3]]"),
        ("hscan h x", "-ERR invalid cursor"),
        ("hscan h 0 type hash", "-ERR syntax error"),
        ("hscan h 0 count 0", "-ERR syntax error"),
    ]);
    let settings = Settings {
        hash_listpack_entries_max: 0,
        ..Settings::default()
    };
    let mut stage = Stage::with(settings);
    stage.run("hset h a 1 b 2 c 3");
    stage.check(&[
        ("hscan h 0 count 2", "[1 [b 2 c 3]]"),
        ("hscan h 1 count 2", "[0 [a 1]]"),
        ("hscan h 0 match a count 2", "[1 []]"),
    ]);
}

/// One command on a hash, with what a model answers.
fn command() -> impl Strategy<Value = Vec<String>> {
    let field = || (0..90_u8).prop_map(|number| format!("f{number}"));
    let value = || {
        prop_oneof![
            any::<i16>().prop_map(|number| number.to_string()),
            "[a-z]{0,30}",
        ]
    };
    let line = |name: &'static str| {
        move |rest: Vec<String>| [vec![name.to_owned(), "h".into()], rest].concat()
    };
    prop_oneof![
        4 => prop::collection::vec((field(), value()), 1..30).prop_map(move |pairs| {
            let words = pairs.into_iter().flat_map(|(field, value)| [field, value]).collect();
            line("hset")(words)
        }),
        1 => (field(), value()).prop_map(move |(field, value)| line("hsetnx")(vec![field, value])),
        4 => prop::collection::vec(field(), 1..20).prop_map(line("hdel")),
        2 => (field(), any::<i8>()).prop_map(move |(field, by)| line("hincrby")(vec![field, by.to_string()])),
        1 => prop::collection::vec(field(), 1..6).prop_map(line("hmget")),
    ]
}

fn model(hash: &mut HashMap<String, String>, words: &[String]) -> Answer {
    let rest = &words[2..];
    match words[0].as_str() {
        "hset" => {
            let added = rest
                .chunks(2)
                .map(|pair| i64::from(hash.insert(pair[0].clone(), pair[1].clone()).is_none()));
            Answer::Integer(added.sum())
        }
        "hsetnx" => {
            let is_new = !hash.contains_key(&rest[0]);
            if is_new {
                hash.insert(rest[0].clone(), rest[1].clone());
            }
            Answer::Integer(i64::from(is_new))
        }
        "hdel" => Answer::Integer(
            rest.iter()
                .map(|field| i64::from(hash.remove(field).is_some()))
                .sum(),
        ),
        "hincrby" => {
            let before = hash.get(&rest[0]).map_or("0", String::as_str);
            match before.parse::<i64>() {
                Ok(before) => {
                    let value = before + rest[1].parse::<i64>().unwrap();
                    hash.insert(rest[0].clone(), value.to_string());
                    Answer::Integer(value)
                }
                Err(_) => Answer::Error("ERR hash value is not an integer".into()),
            }
        }
        _ => Answer::Array(
            rest.iter()
                .map(|field| hash.get(field).map_or(Answer::Null, Answer::bulk))
                .collect(),
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hash_acts_as_a_map(commands in prop::collection::vec(command(), 0..100)) {
        let mut stage = Stage::new();
        let mut expected = HashMap::new();
        for words in commands {
            let answer = stage.run_bytes(&words);
            prop_assert_eq!(answer, model(&mut expected, &words), "{:?}", words);
        }
        prop_assert_eq!(stage.run("hlen h"), Answer::Integer(expected.len() as i64));
        stage.resp3 = true;
        let Answer::Map(pairs) = stage.run("hgetall h") else {
            panic!("no map");
        };
        let found: HashMap<String, String> = pairs
            .iter()
            .map(|(field, value)| (shown(field), shown(value)))
            .collect();
        prop_assert_eq!(found, expected);
        stage.check_snapshot();
    }
}
