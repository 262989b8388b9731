//! `SWAPDB`, `FLUSHDB`, `FLUSHALL`.

use super::{changes, check};
use crate::testing::Stage;

#[test]
fn databases_are_swapped() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a 0", "+OK"),
            ("swapdb 0 1", "+OK"),
            ("get a", "(nil)"),
            ("swapdb 0 1", "+OK"),
            ("get a", "0"),
            ("swapdb x 1", "-ERR invalid first DB index"),
            ("swapdb 0 4294967296", "-ERR invalid second DB index"),
            ("swapdb 0 16", "-ERR DB index is out of range"),
            ("swapdb -1 0", "-ERR DB index is out of range"),
        ],
    );
    stage.run("swapdb 0 1");
    assert_eq!(changes(&stage), ["0", "1"]);
    assert_eq!(stage.effects.dirty, 1);
    stage.run("swapdb 3 3");
    assert!(changes(&stage).is_empty());
}

#[test]
fn databases_are_emptied() {
    let mut stage = Stage::new();
    for database in [0, 1, 2] {
        stage.database = database;
        stage.run("set a 1");
        stage.run("set b 1");
    }
    check(
        &mut stage,
        &[
            ("flushdb sometime", "-ERR syntax error"),
            ("flushdb async now", "-ERR syntax error"),
            ("flushdb async", "+OK"),
            ("dbsize", ":0"),
        ],
    );
    stage.database = 1;
    check(&mut stage, &[("dbsize", ":2"), ("flushdb sync", "+OK")]);
    assert_eq!(changes(&stage), ["1"]);
    assert_eq!(stage.effects.dirty, 2);
    assert!(!stage.effects.garbage.is_empty());
    stage.database = 0;
    check(&mut stage, &[("dbsize", ":2"), ("flushall", "+OK")]);
    check(&mut stage, &[("dbsize", ":0"), ("flushall sync", "+OK")]);
    // What comes after is found as ever, and expires.
    check(
        &mut stage,
        &[("set a 1", "+OK"), ("pexpire a 10", ":1"), ("dbsize", ":1")],
    );
    assert_eq!(stage.keyspace.due(0, stage.now_ms + 10, 10).len(), 1);
}

#[test]
fn snapshots_see_databases_as_they_were() {
    let mut stage = Stage::new();
    for number in 0..300 {
        stage.run(&format!("hset h field-{number} {number}"));
        stage.run(&format!("set key-{number} {number}"));
    }
    stage.run("copy h h db 2");
    for line in ["flushall", "swapdb 0 2", "move h 3", "rename h key-1"] {
        let expected = stage.keyspace.state_hash();
        assert!(stage.keyspace.snapshot_begin());
        stage.run(line);
        stage.run("set more 1");
        let mut loading = crate::Loading::new();
        let mut is_done = false;
        while !is_done {
            is_done = stage.keyspace.snapshot_step(500);
            for block in stage.keyspace.snapshot_take() {
                loading.block(block.kind, &block.payload).unwrap();
            }
        }
        assert_eq!(loading.finish().unwrap().state_hash(), expected, "{line}");
        stage.check_snapshot();
        for number in 0..300 {
            stage.run(&format!("hset h field-{number} {number}"));
        }
    }
}
