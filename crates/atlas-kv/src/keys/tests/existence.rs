//! `DEL`, `EXISTS` and their neighbours.

use super::{changes, check, check_events};
use crate::testing::Stage;

#[test]
fn keys_are_removed_and_counted() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("set a 1", "+OK"),
            ("set b 2", "+OK"),
            ("hset h f v", ":1"),
            ("exists a b c a", ":3"),
            ("touch a c h", ":2"),
            ("type a", "+string"),
            ("type h", "+hash"),
            ("type c", "+none"),
            ("dbsize", ":3"),
            ("del a c a", ":1"),
            ("del a", ":0"),
            ("unlink b h", ":2"),
            ("dbsize", ":0"),
            ("randomkey", "(nil)"),
            ("del", "-ERR wrong number of arguments for 'del' command"),
        ],
    );
}

#[test]
fn removals_are_told() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    stage.run("set b 1");
    check_events(&mut stage, "del a c b", &["del a", "del b"]);
    assert_eq!(changes(&stage), ["0 a", "0 b"]);
    assert_eq!(stage.effects.dirty, 2);
    check_events(&mut stage, "unlink a", &[]);
    assert_eq!(stage.effects.dirty, 0);
}

#[test]
fn a_key_that_has_expired_is_not_removed_by_hand() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    stage.run("pexpire a 10");
    stage.now_ms += 10;
    check(&mut stage, &[("exists a", ":0"), ("type a", "+none")]);
    // Nobody has looked at it in a command that writes.
    check(&mut stage, &[("dbsize", ":1"), ("randomkey", "(nil)")]);
    check_events(&mut stage, "del a", &["expired a"]);
    check(&mut stage, &[("dbsize", ":0")]);
}

#[test]
fn a_large_collection_is_freed_elsewhere() {
    let mut stage = Stage::new();
    for number in 0..1000 {
        stage.run(&format!("hset h field-{number} value"));
    }
    stage.run("set small 1");
    stage.run("del small");
    assert!(stage.effects.garbage.is_empty());
    stage.run("del h");
    assert!(!stage.effects.garbage.is_empty());
}

#[test]
fn every_key_is_picked_at_some_time() {
    let mut stage = Stage::new();
    for number in 0..20 {
        stage.run(&format!("set key-{number} 1"));
    }
    let mut picked = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        picked.insert(super::shown(&stage.run("randomkey")));
    }
    assert_eq!(picked.len(), 20);
}

#[test]
fn the_one_key_that_stays_is_picked_among_expired_ones() {
    let mut stage = Stage::new();
    for number in 0..1000 {
        stage.run(&format!("set key-{number} 1"));
        stage.run(&format!("pexpire key-{number} 10"));
    }
    stage.run("set stays 1");
    stage.now_ms += 10;
    for _ in 0..10 {
        check(&mut stage, &[("randomkey", "stays")]);
    }
}

#[test]
fn asking_counts_and_is_no_use() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    stage.now_ms += 5_000;
    for (line, counts) in [
        ("exists a b", (1, 1)),
        ("type a", (2, 1)),
        ("ttl b", (2, 2)),
        ("pexpiretime a", (3, 2)),
        // How a key is kept is nobody's reading it.
        ("object encoding b", (3, 2)),
        ("memory usage a", (3, 2)),
        ("scan 0", (3, 2)),
    ] {
        stage.run(line);
        assert_eq!(stage.keyspace.lookups(), counts, "{line}");
    }
    check(&mut stage, &[("object idletime a", ":5")]);
}
