//! Commands that wait, and those who waited being served.

use crate::ArgumentBuffer;
use crate::command;
use crate::reply::Answer;
use crate::testing::Stage;

fn bulk(text: &str) -> Answer {
    Answer::bulk(text)
}

fn bulks(words: &str) -> Answer {
    Answer::bulks(words.split_ascii_whitespace())
}

fn error(line: &str) -> Answer {
    Answer::Error(line.into())
}

fn words(line: &str) -> ArgumentBuffer {
    ArgumentBuffer::of(line.split_ascii_whitespace())
}

#[test]
fn what_is_there_is_taken_at_once() {
    let mut stage = Stage::new();
    stage.run("rpush l a b c d e f g");
    for (line, expected) in [
        ("blpop x l 0", bulks("l a")),
        ("brpop x l 1.5", bulks("l g")),
        ("blmove l m left right 0", bulk("b")),
        ("brpoplpush l m 0", bulk("f")),
        (
            "blmpop 0 2 x l right count 2",
            Answer::Array(vec![bulk("l"), bulks("e d")]),
        ),
        (
            "blmpop 0 1 l left",
            Answer::Array(vec![bulk("l"), bulks("c")]),
        ),
        ("lrange m 0 -1", bulks("f b")),
        ("exists l", Answer::Integer(0)),
    ] {
        assert_eq!(stage.run(line), expected, "{line}");
    }
}

#[test]
fn where_nobody_can_wait_the_answer_is_nothing() {
    let mut stage = Stage::new();
    for (line, expected) in [
        ("blpop l m 0", Answer::NullArray),
        ("brpop l 0", Answer::NullArray),
        ("blmpop 0 1 l left", Answer::NullArray),
        ("blmove l m left left 0", Answer::Null),
        ("brpoplpush l m 0", Answer::Null),
    ] {
        assert_eq!(stage.run(line), expected, "{line}");
    }
}

#[test]
fn a_wrong_timeout_is_told_whatever_is_there() {
    let mut stage = Stage::new();
    let float = "ERR timeout is not a float or out of range";
    let negative = "ERR timeout is negative";
    let range = "ERR timeout is out of range";
    for key in ["nothing", "l"] {
        stage.run("rpush l a");
        for (line, expected) in [
            ("blpop KEY x", float),
            ("brpop KEY -1", negative),
            ("blpop KEY 0x7FFFFFFFFFFFFF", range),
            ("blmove KEY m left left x", float),
            ("blmove KEY m left up x", "ERR syntax error"),
            ("brpoplpush KEY m -0.1", negative),
            ("blmpop x 1 KEY left", float),
            ("blmpop -1 1 KEY left", negative),
            (
                "blmpop -1 0 KEY left",
                "ERR numkeys should be greater than 0",
            ),
            ("blmpop x 1 KEY up", "ERR syntax error"),
            (
                "blmpop 0 1 KEY left count 0",
                "ERR count should be greater than 0",
            ),
        ] {
            let line = line.replace("KEY", key);
            assert_eq!(stage.run(&line), error(expected), "{line}");
            // Nobody is made to wait for it.
            let buffer = words(&line);
            let arguments = buffer.arguments();
            let command = command::resolve(&arguments).unwrap();
            let moment = crate::Moment {
                database: 0,
                now_ms: 0,
                seed: 0,
            };
            let view = stage.keyspace.view(moment, false);
            assert!(command.would_write.unwrap()(&view, &arguments), "{line}");
        }
    }
}

#[test]
fn timeouts_and_keys_are_found() {
    for (line, timeout_ms, keys) in [
        ("blpop a b c 1.5", 1500, vec![1, 2, 3]),
        ("brpop a 0", 0, vec![1]),
        ("blmove a b left right 2", 2000, vec![1, 2]),
        ("brpoplpush a b 0.001", 1, vec![1, 2]),
        ("blmpop 3 2 a b left count 2", 3000, vec![3, 4]),
    ] {
        let buffer = words(line);
        let arguments = buffer.arguments();
        let command = command::resolve(&arguments).unwrap();
        let read = (command.blocking.as_ref().unwrap().timeout_ms)(&arguments);
        assert_eq!(read, Ok(Some(timeout_ms)), "{line}");
        let mut found = Vec::new();
        command.keys.find(&arguments, &mut found);
        assert_eq!(found, keys, "{line}");
    }
}

/// Runs a command with clients that wait, numbered from 1; its answer and theirs.
fn serve(stage: &mut Stage, line: &str, waiting: &[&str]) -> (Answer, Vec<(u64, Answer)>) {
    let waiting: Vec<(u64, &str)> = (1..).zip(waiting.iter().copied()).collect();
    stage.apply(&words(line), &waiting)
}

#[test]
fn those_who_wait_are_served_in_order() {
    let mut stage = Stage::new();
    let (answer, served) = serve(
        &mut stage,
        "rpush l a b c",
        &["blpop x l 0", "brpop l 0", "blpop l 0", "blpop l 0"],
    );
    assert_eq!(answer, Answer::Integer(3));
    assert_eq!(
        served,
        [(1, bulks("l a")), (2, bulks("l c")), (3, bulks("l b"))]
    );
    assert_eq!(stage.effects.served, [1, 2, 3]);
    assert_eq!(
        stage.events(),
        ["new l", "rpush l", "lpop l", "rpop l", "lpop l", "del l"]
    );
    let (_, served) = serve(
        &mut stage,
        "lpush l a b c d e",
        &[
            "blmpop 0 2 x l left count 1",
            "blmpop 0 2 x l right count 10",
            "blmpop 0 1 l left",
        ],
    );
    let named = |words| Answer::Array(vec![bulk("l"), bulks(words)]);
    assert_eq!(served, [(1, named("e")), (2, named("a b c d"))]);
}

#[test]
fn what_is_moved_for_one_serves_the_next() {
    let mut stage = Stage::new();
    let (_, served) = serve(
        &mut stage,
        "rpush one foo",
        &[
            "blmove one two right left 0",
            "blmove two three left right 0",
        ],
    );
    assert_eq!(served, [(1, bulk("foo")), (2, bulk("foo"))]);
    assert_eq!(stage.run("lrange three 0 -1"), bulks("foo"));
    assert_eq!(stage.run("exists one two"), Answer::Integer(0));
    // Round and round, and onto itself.
    let (_, served) = serve(
        &mut stage,
        "rpush one bar",
        &["brpoplpush one two 0", "brpoplpush two one 0"],
    );
    assert_eq!(served.len(), 2);
    assert_eq!(stage.run("lrange one 0 -1"), bulks("bar"));
    stage.run("del one");
    let (_, served) = serve(&mut stage, "rpush one bar", &["brpoplpush one one 0"]);
    assert_eq!(served, [(1, bulk("bar"))]);
    assert_eq!(stage.run("lrange one 0 -1"), bulks("bar"));
}

#[test]
fn other_types_wake_nobody_but_at_the_destination() {
    let mut stage = Stage::new();
    let (_, served) = serve(
        &mut stage,
        "set l x",
        &[
            "blpop l 0",
            "blmpop 0 1 l left",
            "brpoplpush l m 0",
            "blmove l m left left 0",
        ],
    );
    assert_eq!(served, []);
    assert_eq!(stage.run("get l"), bulk("x"));
    // A key of another type before that of a list is passed over.
    let (_, served) = serve(
        &mut stage,
        "rpush m a b",
        &["blpop l m 0", "blmpop 0 2 l m left"],
    );
    let named = Answer::Array(vec![bulk("m"), bulks("b")]);
    assert_eq!(served, [(1, bulks("m a")), (2, named)]);
    let wrong = error("WRONGTYPE Operation against a key holding the wrong kind of value");
    let (_, served) = serve(
        &mut stage,
        "rpush m a",
        &["brpoplpush m l 0", "brpoplpush m n 0"],
    );
    assert_eq!(served, [(1, wrong), (2, bulk("a"))]);
    assert_eq!(stage.run("lrange n 0 -1"), bulks("a"));
}

#[test]
fn a_key_that_has_expired_serves_nobody() {
    let mut stage = Stage::new();
    stage.run("rpush l a");
    stage.run("pexpire l 100");
    stage.now_ms += 200;
    let (_, served) = serve(&mut stage, "set other x", &["blpop l 0"]);
    assert_eq!(served, []);
    assert_eq!(stage.run("exists l"), Answer::Integer(0));
}
