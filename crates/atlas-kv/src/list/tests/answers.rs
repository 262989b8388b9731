//! What each command answers, tells and refuses.

use crate::reply::Answer;
use crate::testing::Stage;

fn int(value: i64) -> Answer {
    Answer::Integer(value)
}

fn bulk(text: &str) -> Answer {
    Answer::bulk(text)
}

fn bulks(words: &str) -> Answer {
    Answer::bulks(words.split_ascii_whitespace())
}

fn error(line: &str) -> Answer {
    Answer::Error(line.into())
}

fn wrong_type() -> Answer {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

fn check(stage: &mut Stage, cases: &[(&str, Answer)]) {
    for (line, expected) in cases {
        assert_eq!(&stage.run(line), expected, "{line}");
    }
}

#[test]
fn elements_are_pushed_and_popped_at_both_ends() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("lpush l a b c", int(3)),
            ("rpush l 1 2", int(5)),
            ("lrange l 0 -1", bulks("c b a 1 2")),
            ("type l", Answer::Simple("list".into())),
            ("llen l", int(5)),
            ("lpop l", bulk("c")),
            ("rpop l", bulk("2")),
            ("lpop l 0", bulks("")),
            ("lpop l 2", bulks("b a")),
            ("rpush l 3 4", int(3)),
            ("rpop l 2", bulks("4 3")),
            ("rpop l 123", bulks("1")),
            ("exists l", int(0)),
            ("llen l", int(0)),
            ("lpop l", Answer::Null),
            ("rpop l 0", Answer::NullArray),
            ("rpop l 1", Answer::NullArray),
            ("lpushx l a", int(0)),
            ("rpushx l a", int(0)),
            ("exists l", int(0)),
            ("rpush l x", int(1)),
            ("rpushx l y z", int(3)),
            ("lpushx l w v", int(5)),
            ("lrange l 0 -1", bulks("v w x y z")),
            (
                "lpop l 1 1",
                error("ERR wrong number of arguments for 'lpop' command"),
            ),
            (
                "rpop l 1 1",
                error("ERR wrong number of arguments for 'rpop' command"),
            ),
            (
                "lpop l -1",
                error("ERR value is out of range, must be positive"),
            ),
            (
                "lpop nothing x",
                error("ERR value is out of range, must be positive"),
            ),
            (
                "lpush l",
                error("ERR wrong number of arguments for 'lpush' command"),
            ),
        ],
    );
    assert_eq!(stage.run_bytes(["rpush", "l", ""]), int(6));
    assert_eq!(stage.run("rpop l"), bulk(""));
}

#[test]
fn places_are_counted_from_either_end() {
    let mut stage = Stage::new();
    let least = i64::MIN;
    let most = i64::MAX;
    check(
        &mut stage,
        &[
            ("rpush l a b c d e", int(5)),
            ("lindex l 0", bulk("a")),
            ("lindex l -1", bulk("e")),
            ("lindex l -5", bulk("a")),
            ("lindex l 5", Answer::Null),
            ("lindex l -6", Answer::Null),
            ("lindex nothing x", Answer::Null),
            (
                "lindex l x",
                error("ERR value is not an integer or out of range"),
            ),
            (&format!("lindex l {least}"), Answer::Null),
            (&format!("lindex l {most}"), Answer::Null),
            ("lrange l 1 -2", bulks("b c d")),
            ("lrange l -3 -1", bulks("c d e")),
            ("lrange l 2 2", bulks("c")),
            ("lrange l 3 1", bulks("")),
            ("lrange l 0 -5", bulks("a")),
            ("lrange l 0 -6", bulks("")),
            ("lrange l 5 9", bulks("")),
            (&format!("lrange l {least} {most}"), bulks("a b c d e")),
            (&format!("lrange l {most} {least}"), bulks("")),
            ("lrange nothing 0 -1", bulks("")),
            (
                "lrange nothing 0 x",
                error("ERR value is not an integer or out of range"),
            ),
            ("lset l 1 B", Answer::Simple("OK".into())),
            ("lset l -1 E", Answer::Simple("OK".into())),
            ("lset l 5 x", error("ERR index out of range")),
            ("lset l -6 x", error("ERR index out of range")),
            (
                &format!("lset l {least} x"),
                error("ERR index out of range"),
            ),
            (
                "lset l x x",
                error("ERR value is not an integer or out of range"),
            ),
            ("lset nothing x x", error("ERR no such key")),
            ("lrange l 0 -1", bulks("a B c d E")),
        ],
    );
}

#[test]
fn elements_are_inserted_and_removed_in_the_middle() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush l a b a c a", int(5)),
            ("linsert l before a x", int(6)),
            ("linsert l AFTER c y", int(7)),
            ("linsert l after nothing z", int(-1)),
            ("linsert nothing after a z", int(0)),
            ("linsert l beside a z", error("ERR syntax error")),
            ("lrange l 0 -1", bulks("x a b a c y a")),
            ("lrem l 1 a", int(1)),
            ("lrem l -1 a", int(1)),
            ("lrange l 0 -1", bulks("x b a c y")),
            ("lrem l 0 nothing", int(0)),
            ("lrem nothing 0 a", int(0)),
            (
                "lrem nothing x a",
                error("ERR value is not an integer or out of range"),
            ),
            ("ltrim l 1 -2", Answer::Simple("OK".into())),
            ("lrange l 0 -1", bulks("b a c")),
            ("ltrim l 0 100", Answer::Simple("OK".into())),
            ("ltrim l -100 -1", Answer::Simple("OK".into())),
            ("lrange l 0 -1", bulks("b a c")),
            ("ltrim l 2 1", Answer::Simple("OK".into())),
            ("exists l", int(0)),
            ("ltrim l 0 0", Answer::Simple("OK".into())),
            (
                "ltrim l 0 x",
                error("ERR value is not an integer or out of range"),
            ),
            ("rpush l a a a", int(3)),
            ("lrem l -9223372036854775808 a", int(3)),
            ("exists l", int(0)),
        ],
    );
}

#[test]
fn places_of_an_element_are_found() {
    let mut stage = Stage::new();
    let range = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    let ints = |places: &[i64]| Answer::Array(places.iter().map(|&place| int(place)).collect());
    check(
        &mut stage,
        &[
            ("rpush l a b c 1 2 3 c c", int(8)),
            ("lpos l a", int(0)),
            ("lpos l c", int(2)),
            ("lpos l c rank 1", int(2)),
            ("lpos l c rank 2", int(6)),
            ("lpos l c rank 4", Answer::Null),
            ("lpos l c rank -1", int(7)),
            ("lpos l c rank -2", int(6)),
            ("lpos l c count 0", ints(&[2, 6, 7])),
            ("lpos l c count 1", ints(&[2])),
            ("lpos l c count 2 rank 2", ints(&[6, 7])),
            ("lpos l c count 0 rank -2", ints(&[6, 2])),
            ("lpos l nothing", Answer::Null),
            ("lpos l nothing count 0", ints(&[])),
            ("lpos nothing a", Answer::Null),
            ("lpos nothing a count 0 rank 1", ints(&[])),
            ("lpos l c maxlen 1", Answer::Null),
            ("lpos l c count 0 maxlen 3", ints(&[2])),
            ("lpos l c count 0 maxlen 3 rank -1", ints(&[7, 6])),
            ("lpos l c count 0 maxlen 7 rank 2", ints(&[6])),
            (
                "lpos l c RANK x",
                error("ERR value is not an integer or out of range"),
            ),
            ("lpos l c rank -9223372036854775808", error(range)),
            (
                "lpos l c rank 0",
                error(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
                     start from the end of the list",
                ),
            ),
            ("lpos l c count -1", error("ERR COUNT can't be negative")),
            ("lpos l c count x", error("ERR COUNT can't be negative")),
            ("lpos l c maxlen -1", error("ERR MAXLEN can't be negative")),
            ("lpos l c rank", error("ERR syntax error")),
            ("lpos l c first 1", error("ERR syntax error")),
        ],
    );
}

#[test]
fn elements_are_moved() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush l a b c d", int(4)),
            ("lmove l m left right", bulk("a")),
            ("lmove l m right left", bulk("d")),
            ("rpoplpush l m", bulk("c")),
            ("lrange m 0 -1", bulks("c d a")),
            ("lmove m m left right", bulk("c")),
            ("lrange m 0 -1", bulks("d a c")),
            ("rpoplpush m m", bulk("c")),
            ("lmove m m left left", bulk("c")),
            ("lrange m 0 -1", bulks("c d a")),
            ("rpoplpush l l", bulk("b")),
            ("rpoplpush l m", bulk("b")),
            ("exists l", int(0)),
            ("rpoplpush l m", Answer::Null),
            ("lmove l m left left", Answer::Null),
            ("lmove l m up left", error("ERR syntax error")),
            ("lmove l m left down", error("ERR syntax error")),
            ("set s x", Answer::Simple("OK".into())),
            // The source is looked at first.
            ("rpoplpush l s", Answer::Null),
            ("rpoplpush m s", wrong_type()),
            ("rpoplpush s m", wrong_type()),
            ("rpoplpush s l", wrong_type()),
            ("exists l", int(0)),
            ("lrange m 0 -1", bulks("b c d a")),
        ],
    );
}

#[test]
fn elements_are_taken_from_the_first_of_several_lists() {
    let mut stage = Stage::new();
    let named = |key: &str, words: &str| Answer::Array(vec![bulk(key), bulks(words)]);
    let syntax = || error("ERR syntax error");
    let keys = || error("ERR numkeys should be greater than 0");
    let count = || error("ERR count should be greater than 0");
    check(
        &mut stage,
        &[
            ("rpush l a b c d e f", int(6)),
            ("rpush m 1 2 3", int(3)),
            ("lmpop 2 l m left", named("l", "a")),
            ("lmpop 2 l m RIGHT COUNT 2", named("l", "f e")),
            ("lmpop 2 x l left count 10", named("l", "b c d")),
            ("lmpop 2 l m right count 10", named("m", "3 2 1")),
            ("lmpop 2 l m left", Answer::NullArray),
            (
                "lmpop 1 l",
                error("ERR wrong number of arguments for 'lmpop' command"),
            ),
            ("lmpop 0 l left", keys()),
            ("lmpop -1 l left", keys()),
            ("lmpop x l left", keys()),
            ("lmpop 1 l up", syntax()),
            ("lmpop 2 l left", syntax()),
            ("lmpop 9223372036854775807 l left", syntax()),
            ("lmpop 1 l left right", syntax()),
            ("lmpop 1 l left count", syntax()),
            ("lmpop 1 l left count 1 count 2", syntax()),
            ("lmpop 1 l left count 0", count()),
            ("lmpop 1 l left count -1", count()),
            ("lmpop 1 l left count x", count()),
            ("set s x", Answer::Simple("OK".into())),
            ("lmpop 2 l s left", wrong_type()),
        ],
    );
}

#[test]
fn other_types_are_refused_and_stay() {
    let mut stage = Stage::new();
    stage.run("set s x");
    for line in [
        "lpush s a",
        "rpush s a",
        "lpushx s a",
        "rpushx s a",
        "lpop s",
        "rpop s",
        "lpop s 0",
        "llen s",
        "lrange s 0 -1",
        "lindex s 0",
        "lset s 0 a",
        "linsert s before a b",
        "lrem s 0 a",
        "ltrim s 0 -1",
        "lpos s a",
        "lmove s l left left",
        "rpoplpush s l",
        "lmpop 1 s left",
        "blpop s 0",
        "brpop l s 0",
        "blmove s l left left 0",
        "brpoplpush s l 0",
        "blmpop 0 2 l s left",
    ] {
        assert_eq!(stage.run(line), wrong_type(), "{line}");
    }
    assert_eq!(stage.run("get s"), bulk("x"));
    stage.run("rpush l a");
    assert_eq!(stage.run("get l"), wrong_type());
    assert_eq!(stage.run("hget l a"), wrong_type());
}

#[test]
fn events_and_changes_are_told_in_redis_order() {
    let mut stage = Stage::new();
    let cases: [(&str, &[&str], u64); 27] = [
        ("rpush l a b c d e f", &["new l", "rpush l"], 6),
        ("lpush l x", &["lpush l"], 1),
        ("lpushx l y", &["lpush l"], 1),
        ("rpushx nothing y", &[], 0),
        ("lset l 0 z", &["lset l"], 1),
        ("lset l 100 z", &[], 0),
        ("linsert l after z y", &["linsert l"], 1),
        ("linsert l after nothing y", &[], 0),
        ("lrem l 0 nothing", &[], 0),
        ("lrem l 0 y", &["lrem l"], 1),
        ("ltrim l 0 -1", &["ltrim l"], 0),
        ("ltrim l 1 -2", &["ltrim l"], 2),
        ("lpop l", &["lpop l"], 1),
        ("rpop l 3", &["rpop l"], 3),
        ("lpop l 0", &[], 0),
        ("lmove l m left right", &["new m", "rpush m", "lpop l"], 1),
        ("rpoplpush l m", &["lpush m", "rpop l", "del l"], 1),
        ("rpoplpush m m", &["lpush m", "rpop m"], 1),
        ("lmpop 1 m left count 9", &["lpop m", "del m"], 2),
        ("rpush l a", &["new l", "rpush l"], 1),
        ("blpop m l 0", &["lpop l", "del l"], 1),
        ("rpush l a", &["new l", "rpush l"], 1),
        ("ltrim l 1 0", &["ltrim l", "del l"], 1),
        ("rpush l a a", &["new l", "rpush l"], 2),
        ("lrem l 0 a", &["lrem l", "del l"], 2),
        ("rpush l a", &["new l", "rpush l"], 1),
        (
            "brpoplpush l m 0",
            &["new m", "lpush m", "rpop l", "del l"],
            1,
        ),
    ];
    for (line, events, dirty) in cases {
        stage.run(line);
        assert_eq!(stage.events(), events, "{line}");
        assert_eq!(stage.effects.dirty, dirty, "{line}");
        let is_change = !events.is_empty();
        assert_eq!(!stage.effects.changes.is_empty(), is_change, "{line}");
    }
}

#[test]
fn lists_are_called_quicklist_and_dumped() {
    let mut stage = Stage::new();
    stage.run("rpush l a 1");
    assert_eq!(stage.run("object encoding l"), bulk("quicklist"));
    for number in 0..2000 {
        stage.run(&format!("rpush l element-{number}"));
    }
    let Answer::Bulk(payload) = stage.run("dump l") else {
        panic!("no payload");
    };
    let restore: [&[u8]; 4] = [b"restore", b"m", b"0", &payload];
    assert_eq!(stage.run_bytes(restore), Answer::Simple("OK".into()));
    assert_eq!(stage.run("lrange m 0 -1"), stage.run("lrange l 0 -1"));
    assert_eq!(stage.run("object encoding m"), bulk("quicklist"));
    assert_eq!(stage.run("llen m"), int(2002));
}
