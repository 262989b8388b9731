mod model;

use std::collections::BTreeMap;

use super::*;
use crate::ArgumentBuffer;
use crate::reply::Answer;
use crate::testing::{Stage, shown};

#[test]
fn answers_are_those_of_redis() {
    Stage::new().check_golden(include_str!("redis-7.0.txt"));
}

#[test]
fn in_resp2_rows_are_flat() {
    let mut stage = Stage::new();
    stage.run("zadd z 1 a 2 b 3 c");
    stage.check(&[
        ("zrange z 0 1 withscores", "[a Double(1.0) b Double(2.0)]"),
        (
            "zrandmember z 9 withscores",
            "[a Double(1.0) b Double(2.0) c Double(3.0)]",
        ),
        (
            "zunion 1 z withscores",
            "[a Double(1.0) b Double(2.0) c Double(3.0)]",
        ),
        ("zpopmin z 1", "[a Double(1.0)]"),
        ("zmpop 1 z min", "[z [[b Double(2.0)]]]"),
        ("bzpopmin z 0", "[z c Double(3.0)]"),
        ("zpopmin z", "[]"),
        ("zmpop 1 z min", "(nil array)"),
        // Where nobody can wait, inside a transaction.
        ("bzpopmin z 0", "(nil array)"),
        ("bzmpop 0 1 z min", "(nil array)"),
        ("zrandmember z", "(nil)"),
    ]);
}

/// What Redis 7.2 brought.
#[test]
fn a_rank_comes_with_its_score() {
    let mut stage = Stage::new();
    stage.run("zadd z 1.5 a 2 b");
    stage.check(&[
        ("zrank z b withscore", "[:1 Double(2.0)]"),
        ("zrevrank z a WITHSCORE", "[:1 Double(1.5)]"),
        ("zrank z none withscore", "(nil array)"),
        ("zrank none a withscore", "(nil array)"),
        ("zrank z b withscores", "-ERR syntax error"),
        ("zrank z b withscore x", "-ERR syntax error"),
    ]);
}

#[test]
fn encodings_follow_the_settings() {
    let mut stage = Stage::with(Settings {
        sorted_set_listpack_entries_max: 3,
        sorted_set_listpack_value_bytes_max: 4,
        ..Settings::default()
    });
    stage.run("zadd z 1 a 2 b 3 c");
    stage.check(&[
        ("object encoding z", "listpack"),
        ("zadd z 4 d", ":1"),
        ("object encoding z", "skiplist"),
        ("zrem z d", ":1"),
        ("object encoding z", "skiplist"),
        ("zrangestore to z 0 -1", ":3"),
        ("object encoding to", "listpack"),
        ("zunionstore to 1 z", ":3"),
        ("object encoding to", "listpack"),
        ("zadd z 1 long! 2 d", ":2"),
        ("zrangestore to z 0 0", ":1"),
        ("zrangestore to z 0 3", ":4"),
        ("object encoding to", "skiplist"),
        ("zrangestore to z 1 1", ":1"),
        ("object encoding to", "skiplist"),
    ]);
    assert_eq!(shown(&stage.run("zrange to 0 -1")), "[long!]");
}

/// A list pack writes whole numbers as integers, so that the sign of nought is lost; other encodings keep it.
#[test]
fn a_negative_nought_is_kept_where_redis_keeps_it() {
    let mut stage = Stage::with(Settings {
        sorted_set_listpack_entries_max: 1,
        ..Settings::default()
    });
    stage.check(&[
        ("zadd z -0 a", ":1"),
        ("zscore z a", "Double(0.0)"),
        ("zadd z -0 b", ":1"),
        ("zscore z b", "Double(-0.0)"),
        // They are equal: members decide the order, and neither becomes the other.
        ("zadd z ch 0 b", ":0"),
        ("zrange z 0 -1 withscores", "[a Double(0.0) b Double(-0.0)]"),
        ("zcount z 0 0", ":2"),
        ("zrangestore to z 1 1", ":1"),
        ("zscore to b", "Double(0.0)"),
    ]);
    let Answer::Bulk(payload) = stage.run("dump z") else {
        panic!("no payload");
    };
    let restore: [&[u8]; 4] = [b"restore", b"back", b"0", &payload];
    assert_eq!(stage.run_bytes(restore), Answer::Simple("OK".into()));
    stage.check(&[
        ("zscore back b", "Double(-0.0)"),
        ("object encoding back", "skiplist"),
        ("zrem z a", ":1"),
    ]);
    let Answer::Bulk(payload) = stage.run("dump z") else {
        panic!("no payload");
    };
    let restore: [&[u8]; 5] = [b"restore", b"back", b"0", &payload, b"replace"];
    assert_eq!(stage.run_bytes(restore), Answer::Simple("OK".into()));
    stage.check(&[
        ("zscore back b", "Double(0.0)"),
        ("object encoding back", "listpack"),
    ]);
}

#[test]
fn who_waits_is_served_in_order() {
    let mut stage = Stage::new();
    let waiting = [
        (1, "bzpopmin other z 0"),
        (2, "bzmpop 0 2 other z max count 2"),
        (3, "bzpopmax z 0"),
        (4, "bzpopmin z 0"),
    ];
    let add = ArgumentBuffer::of(["zadd", "z", "1", "a", "2", "b", "3", "c", "4", "d"]);
    let (answer, served) = stage.apply(&add, &waiting);
    assert_eq!(answer, Answer::Integer(4));
    let served: Vec<(u64, String)> = served
        .iter()
        .map(|(wait, answer)| (*wait, shown(answer)))
        .collect();
    assert_eq!(
        served,
        [
            (1, "[z a Double(1.0)]".to_owned()),
            (2, "[z [[d Double(4.0)] [c Double(3.0)]]]".to_owned()),
            (3, "[z b Double(2.0)]".to_owned()),
        ]
    );
    assert_eq!(
        stage.events(),
        [
            "new z",
            "zadd z",
            "zpopmin z",
            "zpopmax z",
            "zpopmax z",
            "del z"
        ]
    );
}

#[test]
fn who_waits_does_not_hear_of_other_types() {
    let mut stage = Stage::new();
    let waiting = [(1, "bzpopmin s z 0"), (2, "bzmpop 0 1 s min")];
    let set = ArgumentBuffer::of(["set", "s", "v"]);
    assert_eq!(stage.apply(&set, &waiting).1, []);
    let add = ArgumentBuffer::of(["zadd", "z", "1", "a"]);
    let served = stage.apply(&add, &waiting).1;
    assert_eq!(served.len(), 1);
    assert_eq!(shown(&served[0].1), "[z a Double(1.0)]");
    // Who comes now does.
    assert_eq!(
        shown(&stage.run("bzpopmin s z 0")),
        "-WRONGTYPE Operation against a key holding the wrong kind of value"
    );
}

#[test]
fn what_changes_nothing_is_known_before() {
    let mut stage = Stage::new();
    stage.run("zadd z 5 a 6 b");
    let would_write = |stage: &mut Stage, line: &str| {
        let before = stage.keyspace.state_hash();
        let command = crate::command::find(line.split(' ').next().unwrap().as_bytes()).unwrap();
        let buffer = ArgumentBuffer::of(line.split(' '));
        let moment = crate::Moment {
            database: 0,
            now_ms: stage.now_ms,
            seed: 1,
        };
        let would_write =
            command.would_write.unwrap()(&stage.keyspace.view(moment, false), &buffer.arguments());
        stage.run(line);
        assert_eq!(
            stage.keyspace.state_hash() == before,
            !would_write,
            "{line}"
        );
        would_write
    };
    for line in [
        "zadd z nx 7 a",
        "zadd z xx 7 c",
        "zadd none xx 7 c",
        "zadd z gt 5 a 6 b",
        "zadd z lt 5 a",
        "zrem z c d",
        "zrem none c",
        "zremrangebyrank z 2 9",
        "zremrangebyscore z (6 9",
        "zremrangebylex z [x [y",
        "zpopmin none",
        "zmpop 2 none nothing min",
        "bzpopmin none nothing 0",
        "bzmpop 0 1 none min",
    ] {
        assert!(!would_write(&mut stage, line), "{line}");
    }
    for line in [
        "zadd z nx 7 c",
        "zadd z gt 8 a",
        "zrem z x c",
        "zremrangebyscore z 8 8",
        "bzpopmin none z 0",
        "zadd z nx 7 c",
        "bzmpop 0 2 none z min",
    ] {
        assert!(would_write(&mut stage, line), "{line}");
    }
}

/// A key whose time has come is removed by whoever looks at it while writing: that is a change.
#[test]
fn expired_sorted_sets_are_not_there() {
    let mut stage = Stage::new();
    for line in [
        "zadd z xx 1 a",
        "zrem z a",
        "zpopmin z",
        "zmpop 1 z min",
        "bzpopmin z 0",
        "zremrangebyrank z 0 -1",
    ] {
        stage.run("zadd z 1 a");
        stage.run("pexpire z 100");
        stage.now_ms += 100;
        assert_eq!(shown(&stage.run("zcard z")), ":0");
        stage.run(line);
        assert_eq!(stage.effects.expired, 1, "{line}");
        assert_eq!(stage.keyspace.key_counts(0), (0, 0), "{line}");
    }
    for line in [
        "zunionstore to 2 z z",
        "zinterstore to 2 none z",
        "zdiffstore to 1 z",
        "zrangestore to z 0 -1",
    ] {
        stage.run("zadd z 1 a");
        stage.run("pexpire z 100");
        stage.now_ms += 100;
        stage.check_events(line, &["expired z"], 0);
        assert_eq!(shown(&stage.run("zcard z")), ":0");
    }
}

#[test]
fn a_walk_answers_every_member() {
    let mut stage = Stage::new();
    for number in 0..500 {
        stage.run(&format!("zadd z {} m{number}", number % 7));
    }
    let mut seen = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        // Members come and go meanwhile.
        stage.run("zpopmin z");
        stage.run(&format!("zadd z 1 new{}", seen.len()));
        if seen.len() % 2 == 0 {
            stage.run("zinterstore z 2 z z aggregate min");
        }
        let Answer::Array(answer) = stage.run(&format!("zscan z {cursor} count 7")) else {
            panic!("no answer");
        };
        let Answer::Array(rows) = &answer[1] else {
            panic!("no rows");
        };
        for row in rows.chunks(2) {
            seen.insert(shown(&row[0]), shown(&row[1]));
        }
        cursor = shown(&answer[0]);
        if cursor == "0" {
            break;
        }
    }
    let Answer::Array(rows) = stage.run("zrange z 0 -1") else {
        panic!("no rows");
    };
    let stayed = rows.iter().map(shown).filter(|row| row.starts_with('m'));
    let missing: Vec<String> = stayed.filter(|row| !seen.contains_key(row)).collect();
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(seen["m499"], "2");
}

#[test]
fn random_members_are_distinct_unless_asked_otherwise() {
    let mut stage = Stage::new();
    for number in 0..100 {
        stage.run(&format!("zadd z {number} m{number}"));
    }
    for (count, length) in [("10", 10), ("60", 60), ("1000", 100)] {
        let Answer::Array(mut rows) = stage.run(&format!("zrandmember z {count}")) else {
            panic!("no rows");
        };
        rows.sort_by_key(shown);
        rows.dedup();
        assert_eq!(rows.len(), length);
    }
    let Answer::Array(rows) = stage.run("zrandmember z -1000") else {
        panic!("no rows");
    };
    assert_eq!(rows.len(), 1000);
    assert_eq!(
        shown(&stage.run("zrandmember z -9223372036854775807")),
        "-ERR value is out of range"
    );
}
