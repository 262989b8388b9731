//! `RENAME`, `COPY`, `MOVE`.

use super::{changes, check, check_events};
use crate::testing::Stage;

#[test]
fn a_value_gets_another_name() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rename a b", "-ERR no such key"),
            ("rename a a", "-ERR no such key"),
            ("set a 1", "+OK"),
            ("rename a a", "+OK"),
            ("renamenx a a", ":0"),
            ("rename a b", "+OK"),
            ("get a", "(nil)"),
            ("get b", "1"),
            ("hset h f v", ":1"),
            ("renamenx h b", ":0"),
            ("rename h b", "+OK"),
            ("hget b f", "v"),
            ("renamenx b h", ":1"),
            ("dbsize", ":1"),
            ("renamenx b h", "-ERR no such key"),
        ],
    );
}

#[test]
fn a_new_name_keeps_the_expiry() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a 1", "+OK"),
            ("pexpire a 500", ":1"),
            ("set b 1", "+OK"),
            ("rename a b", "+OK"),
            ("pttl b", ":500"),
            ("set c 1", "+OK"),
            ("rename c b", "+OK"),
            ("pttl b", ":-1"),
        ],
    );
}

#[test]
fn a_new_name_is_told() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    check_events(
        &mut stage,
        "rename a b",
        &["new b", "rename_from a", "rename_to b"],
    );
    assert_eq!(changes(&stage), ["0 a", "0 b"]);
    assert_eq!(stage.effects.dirty, 1);
    stage.run("set a 1");
    check_events(
        &mut stage,
        "rename a b",
        &["new b", "rename_from a", "rename_to b"],
    );
    check_events(&mut stage, "rename b b", &[]);
}

#[test]
fn a_value_is_copied() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("copy a b", ":0"),
            ("hset a f v", ":1"),
            ("pexpire a 500", ":1"),
            ("copy a b", ":1"),
            ("hset a f w", ":0"),
            ("hget b f", "v"),
            ("pttl b", ":500"),
            ("copy a b", ":0"),
            ("copy a b replace", ":1"),
            ("hget b f", "w"),
            (
                "copy a a",
                "-ERR source and destination objects are the same",
            ),
            (
                "copy a a db 0",
                "-ERR source and destination objects are the same",
            ),
            ("copy a a db 1", ":1"),
            ("copy a a db 1", ":0"),
            ("copy a a db 1 replace", ":1"),
            ("copy a b db 99", "-ERR DB index is out of range"),
            (
                "copy a b db x",
                "-ERR value is not an integer or out of range",
            ),
            (
                "copy a b db 3000000000",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            ("copy a b db", "-ERR syntax error"),
            ("copy a b foo", "-ERR syntax error"),
        ],
    );
    stage.database = 1;
    check(&mut stage, &[("hget a f", "w"), ("pttl a", ":500")]);
}

#[test]
fn a_copy_is_told() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    check_events(&mut stage, "copy a b db 2", &["new b", "copy_to b"]);
    assert_eq!(changes(&stage), ["2 b"]);
    assert_eq!(stage.effects.events[1].database, 2);
    assert_eq!(stage.effects.dirty, 1);
}

#[test]
fn a_key_moves_to_another_database() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("move a 1", ":0"),
            ("set a 1", "+OK"),
            ("pexpire a 500", ":1"),
            (
                "move a 0",
                "-ERR source and destination objects are the same",
            ),
            ("move a 16", "-ERR DB index is out of range"),
            ("move a -1", "-ERR DB index is out of range"),
            ("move a x", "-ERR value is not an integer or out of range"),
            ("move a 1", ":1"),
            ("exists a", ":0"),
            ("set a 2", "+OK"),
            ("move a 1", ":0"),
        ],
    );
    stage.database = 1;
    check(&mut stage, &[("get a", "1"), ("pttl a", ":500")]);
    stage.database = 0;
    stage.run("set b 1");
    check_events(
        &mut stage,
        "move b 3",
        &["new b", "move_from b", "move_to b"],
    );
    assert_eq!(changes(&stage), ["0 b", "3 b"]);
    let databases: Vec<u32> = stage.effects.events.iter().map(|e| e.database).collect();
    assert_eq!(databases, [3, 0, 3]);
}

#[test]
fn what_has_expired_is_neither_source_nor_in_the_way() {
    let mut stage = Stage::new();
    for key in ["a", "b", "c", "d"] {
        stage.run(&format!("set {key} {key}"));
    }
    stage.run("pexpire a 10");
    stage.run("pexpire c 10");
    stage.now_ms += 10;
    check(
        &mut stage,
        &[
            ("rename a b", "-ERR no such key"),
            ("renamenx b c", ":1"),
            ("get c", "b"),
            ("copy a x", ":0"),
            ("move a 1", ":0"),
            ("dbsize", ":2"),
        ],
    );
}

#[test]
fn a_string_that_was_changed_in_place_is_told_so_wherever_it_goes() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a short", "+OK"),
            ("append a er", ":7"),
            ("object encoding a", "raw"),
            ("copy a b", ":1"),
            ("object encoding b", "raw"),
            ("rename b c", "+OK"),
            ("object encoding c", "raw"),
            ("move c 1", ":1"),
            ("set d short", "+OK"),
            ("rename d e", "+OK"),
            ("object encoding e", "embstr"),
            ("copy a e replace", ":1"),
            ("object encoding e", "raw"),
            ("get e", "shorter"),
        ],
    );
}
