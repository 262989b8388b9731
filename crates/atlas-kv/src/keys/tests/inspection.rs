//! `OBJECT`, `MEMORY USAGE`, `DEBUG`.

use super::{check, shown};
use crate::settings::{Access, Settings};
use crate::testing::Stage;

#[test]
fn values_tell_how_they_are_kept() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("object encoding a", "(nil)"),
            ("object refcount a", "(nil)"),
            ("object idletime a", "(nil)"),
            ("object freq a", "(nil)"),
            ("set a 12", "+OK"),
            ("object encoding a", "int"),
            ("set a 012", "+OK"),
            ("object encoding a", "embstr"),
            ("object refcount a", ":1"),
            (
                "object",
                "-ERR wrong number of arguments for 'object' command",
            ),
            (
                "object encoding",
                "-ERR wrong number of arguments for 'object|encoding' command",
            ),
            (
                "object nothing a",
                "-ERR unknown subcommand 'nothing'. Try OBJECT HELP.",
            ),
        ],
    );
    assert!(shown(&stage.run("object help")).contains("IDLETIME"));
}

#[test]
fn uses_are_noted() {
    let mut stage = Stage::new();
    stage.run("set a 1");
    stage.now_ms += 10_000;
    check(&mut stage, &[("object idletime a", ":10")]);
    // Neither of these is a use.
    for line in [
        "exists a",
        "type a",
        "ttl a",
        "object encoding a",
        "memory usage a",
        "debug object a",
        "scan 0",
    ] {
        stage.run(line);
        check(&mut stage, &[("object idletime a", ":10")]);
    }
    for line in ["get a", "touch a", "dump a", "expire a 1000"] {
        stage.run(line);
        check(&mut stage, &[("object idletime a", ":0")]);
        stage.now_ms += 5_000;
        check(&mut stage, &[("object idletime a", ":5")]);
    }
    let answer = shown(&stage.run("object freq a"));
    assert!(
        answer.starts_with("-ERR An LFU maxmemory policy is not selected"),
        "{answer}"
    );
}

#[test]
fn frequencies_are_counted() {
    let mut stage = Stage::with(Settings {
        access: Access::Frequency,
        ..Settings::default()
    });
    stage.run("set a 1");
    check(&mut stage, &[("object freq a", ":5")]);
    stage.run("get a");
    check(&mut stage, &[("object freq a", ":6")]);
    stage.now_ms += 120_000;
    check(&mut stage, &[("object freq a", ":4")]);
    // Uses count ever less.
    let mut counts = Vec::new();
    for uses in [100, 1_000, 10_000] {
        for _ in 0..uses {
            stage.run("get a");
        }
        let answer = shown(&stage.run("object freq a"));
        counts.push(answer.strip_prefix(':').unwrap().parse::<u8>().unwrap());
    }
    assert!((6..=15).contains(&counts[0]), "{counts:?}");
    assert!((13..=25).contains(&counts[1]), "{counts:?}");
    assert!((35..=70).contains(&counts[2]), "{counts:?}");
    stage.now_ms += 1_000_000_000;
    check(&mut stage, &[("object freq a", ":0")]);
    let answer = shown(&stage.run("object idletime a"));
    assert!(
        answer.starts_with("-ERR An LFU maxmemory policy is selected"),
        "{answer}"
    );
}

#[test]
fn keys_tell_their_memory() {
    let mut stage = Stage::new();
    stage.run_bytes(["set", "a", &"x".repeat(100_000)]);
    check(
        &mut stage,
        &[
            ("memory usage b", "(nil)"),
            ("memory usage b samples", "-ERR syntax error"),
            ("memory usage b samples -1", "-ERR syntax error"),
            (
                "memory usage b samples x",
                "-ERR value is not an integer or out of range",
            ),
            ("memory usage b something 1", "-ERR syntax error"),
            ("memory usage b samples 0", "(nil)"),
        ],
    );
    let answer = shown(&stage.run("memory usage a samples 5"));
    let bytes: usize = answer.strip_prefix(':').unwrap().parse().unwrap();
    assert!((100_000..101_000).contains(&bytes), "{bytes}");
}

#[test]
fn digests_tell_states_apart() {
    let mut stage = Stage::new();
    let nothing = "0".repeat(40);
    assert_eq!(shown(&stage.run("debug digest")), format!("+{nothing}"));
    stage.run("hset a f v g w");
    let one = stage.run("debug digest");
    stage.run("set b 1");
    let both = stage.run("debug digest");
    assert_ne!(one, both);
    // The order of keys does not matter.
    stage.run("copy a c");
    stage.run("del a");
    stage.run("rename c a");
    assert_eq!(stage.run("debug digest"), both);
    stage.run("expire a 100");
    assert_ne!(stage.run("debug digest"), both);
    stage.run("persist a");
    stage.run("copy a c");
    let answer = shown(&stage.run("debug digest-value a c none"));
    let digests: Vec<&str> = answer.trim_matches(['[', ']']).split(' ').collect();
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    assert_eq!(digests[2], format!("+{nothing}"));
    let answer = shown(&stage.run("debug object a"));
    assert!(
        answer.contains(" encoding:listpack serializedlength:9 "),
        "{answer}"
    );
    check(&mut stage, &[("debug object x", "-ERR no such key")]);
}
