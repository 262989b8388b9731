//! Commands on one set.

use super::*;

#[test]
fn members_come_and_go() {
    stage().check(&[
        ("sadd w a d d e", ":2"),
        ("smembers w", "<a b c d e>"),
        ("smembers i", "<1 2 3>"),
        ("scard w", ":5"),
        ("sismember w a", ":1"),
        ("sismember w x", ":0"),
        ("sismember i 2", ":1"),
        ("sismember i 02", ":0"),
        ("sismember i x", ":0"),
        ("smismember w a x e", "[:1 :0 :1]"),
        ("srem w a x a", ":1"),
        ("smembers w", "<b c d e>"),
        ("srem w b c d e", ":4"),
        ("exists w", ":0"),
        ("sadd new 1", ":1"),
        ("smembers new", "<1>"),
    ]);
}

#[test]
fn a_missing_set_is_empty() {
    stage().check(&[
        ("smembers no", "<>"),
        ("scard no", ":0"),
        ("sismember no a", ":0"),
        ("smismember no a b", "[:0 :0]"),
        ("srem no a", ":0"),
        ("spop no", "(nil)"),
        ("spop no 2", "<>"),
        ("spop no 0", "<>"),
        ("srandmember no", "(nil)"),
        ("srandmember no 2", "[]"),
        ("srandmember no -2", "[]"),
        ("sscan no 0", "[0 []]"),
        ("sscan no 0 nonsense", "[0 []]"),
        ("smove no w a", ":0"),
        // Where there is nothing to move, nobody looks where to.
        ("smove no text a", ":0"),
        ("exists no", ":0"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let mut stage = stage();
    for line in [
        "sadd text a",
        "srem text a",
        "smove text w a",
        "smove w text a",
        "smove w text not-a-member",
        "sismember text a",
        "smismember text a",
        "scard text",
        "smembers text",
        "sscan text 0",
        "spop text",
        "spop text 0",
        "srandmember text",
        "srandmember text 2",
        "sinter w text",
        "sinter no text",
        "sintercard 2 w text",
        "sunion w text",
        "sdiff w text",
        "sdiff no text",
        "sinterstore new w text",
        "sinterstore text no text",
        "sunionstore new w text",
        "sdiffstore new w text",
    ] {
        stage.check(&[(line, WRONG_TYPE)]);
    }
    stage.check(&[
        ("get text", "value"),
        ("smembers w", "<a b c>"),
        ("exists new", ":0"),
        ("get w", WRONG_TYPE),
    ]);
}

#[test]
fn members_move() {
    stage().check(&[
        ("smove w i a", ":1"),
        ("smembers w", "<b c>"),
        ("smembers i", "<1 2 3 a>"),
        ("smove w i x", ":0"),
        ("smove w w b", ":1"),
        ("smove w w x", ":0"),
        ("sadd i b", ":1"),
        // It is gone from the first though the second had it.
        ("smove w i b", ":1"),
        ("smove w new c", ":1"),
        ("exists w", ":0"),
        ("smembers new", "<c>"),
    ]);
}

#[test]
fn changes_are_told() {
    let mut stage = stage();
    for (line, events, dirty) in [
        ("sadd w a", &[][..], 0),
        ("sadd w a d e", &["sadd w"], 2),
        ("sadd new a", &["new new", "sadd new"], 1),
        ("srem w x", &[], 0),
        ("srem w d e x", &["srem w"], 2),
        ("srem new a", &["srem new", "del new"], 1),
        ("smove w i a", &["srem w", "sadd i"], 2),
        ("smove w i x", &[], 0),
        ("smove i i a", &[], 0),
        ("sadd w a", &["sadd w"], 1),
        ("smove w i a", &["srem w"], 1),
        ("srem w c", &["srem w"], 1),
        ("smove w i b", &["srem w", "del w", "sadd i"], 2),
        ("spop i", &["spop i"], 1),
        ("spop i 0", &[], 0),
        ("spop i 2", &["spop i"], 2),
        ("spop i 20", &["spop i", "del i"], 2),
        ("sadd one 1", &["new one", "sadd one"], 1),
        ("spop one", &["spop one", "del one"], 1),
        ("spop one", &[], 0),
        ("sadd a 1 2", &["new a", "sadd a"], 2),
        ("sadd b 2 3", &["new b", "sadd b"], 2),
        ("sunionstore u a b", &["new u", "sunionstore u"], 1),
        ("sinterstore u a b", &["sinterstore u"], 1),
        ("sdiffstore u a b", &["sdiffstore u"], 1),
        ("sdiffstore u a a", &["del u"], 1),
        ("sdiffstore u a a", &[], 0),
        ("sinterstore text a no", &["del text"], 1),
        ("sunionstore text no", &[], 0),
    ] {
        stage.check_events(line, events, dirty);
    }
}

#[test]
fn what_has_expired_is_not_there() {
    let mut stage = stage();
    for line in ["sadd w2 z", "pexpire w 10", "pexpire w2 10"] {
        stage.run(line);
    }
    stage.now_ms += 20;
    stage.check(&[("sismember w a", ":0"), ("smembers w", "<>")]);
    stage.check_events("srem w a", &["expired w"], 0);
    stage.run("sadd w a");
    stage.check_events(
        "smove w w2 a",
        &["expired w2", "srem w", "del w", "new w2", "sadd w2"],
        2,
    );
    stage.run("pexpire w2 10");
    stage.now_ms += 20;
    stage.check_events("sunionstore u w2", &["expired w2"], 0);
}
