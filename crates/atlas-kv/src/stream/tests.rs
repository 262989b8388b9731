//! Streams as Redis has them, beside a simple model of them, and their clients that wait.

mod model;
mod waiting;

use crate::Settings;
use crate::testing::Stage;

#[test]
fn answers_are_those_of_redis() {
    Stage::new().check_golden(include_str!("redis-7.0.txt"));
}

#[test]
fn ids_come_from_the_records_time_and_never_run_back() {
    let mut stage = Stage::new();
    stage.now_ms = 5_000_000;
    stage.check(&[
        ("xadd s * a 1", "5000000-0"),
        ("xadd s * a 2", "5000000-1"),
        ("xadd s 5000000-* a 3", "5000000-2"),
    ]);
    // The state's clock does not run back; a stream whose last id is ahead of it goes on from there.
    stage.now_ms = 4_000_000;
    stage.check(&[
        ("xadd s * a 4", "5000000-3"),
        (
            "xadd s 6000000-18446744073709551615 a 5",
            "6000000-18446744073709551615",
        ),
        ("xadd s * a 6", "6000001-0"),
    ]);
}

#[test]
fn what_is_told_of_consumers_is_that_of_redis_7_2() {
    let mut stage = Stage::new();
    stage.now_ms = 1_000_000;
    stage.check(&[
        ("xgroup create s g 0 mkstream", "+OK"),
        ("xgroup createconsumer s g a", ":1"),
        ("xadd s 1 f v", "1-0"),
    ]);
    stage.now_ms += 500;
    stage.run("xreadgroup group g b streams s >");
    stage.now_ms += 250;
    stage.check(&[
        (
            "xinfo consumers s g",
            "[{name=a pending=:0 idle=:750 inactive=:-1} {name=b pending=:1 idle=:250 inactive=:250}]",
        ),
        (
            "xpending s g - + 10",
            "[[1-0 b :250 :1]]",
        ),
        ("xpending s g idle 251 - + 10", "[]"),
        ("xpending s g idle 250 - + 10 b", "[[1-0 b :250 :1]]"),
    ]);
    // Asking again is seen; what is delivered again is counted.
    stage.run("xreadgroup group g b streams s 0");
    stage.now_ms += 50;
    stage.check(&[
        (
            "xinfo consumers s g",
            "[{name=a pending=:0 idle=:800 inactive=:-1} {name=b pending=:1 idle=:50 inactive=:300}]",
        ),
        ("xpending s g - + 10", "[[1-0 b :50 :2]]"),
        ("xautoclaim s g a 100 0", "[0-0 [] []]"),
        ("xautoclaim s g a 50 0", "[0-0 [[1-0 [f v]]] []]"),
        ("xpending s g - + 10", "[[1-0 a :0 :3]]"),
        ("xclaim s g b 0 1-0 idle 7", "[[1-0 [f v]]]"),
        ("xpending s g - + 10", "[[1-0 b :7 :4]]"),
        (
            "xinfo stream s full",
            "{length=:1 radix-tree-keys=:1 radix-tree-nodes=:2 last-generated-id=1-0 \
             max-deleted-entry-id=0-0 entries-added=:1 recorded-first-entry-id=1-0 entries=[[1-0 [f v]]] \
             groups=[{name=g last-delivered-id=1-0 entries-read=:1 lag=:0 pel-count=:1 \
             pending=[[1-0 b :1000793 :4]] consumers=[{name=a seen-time=:1000800 active-time=:1000800 \
             pel-count=:0 pending=[]} {name=b seen-time=:1000800 active-time=:1000800 pel-count=:1 \
             pending=[[1-0 :1000793 :4]]}]}]}",
        ),
    ]);
}

#[test]
fn answers_to_resp3_clients_are_maps() {
    let mut stage = Stage::new();
    stage.resp3 = true;
    stage.check(&[
        ("xadd s 1 f v", "1-0"),
        ("xadd t 2 f v", "2-0"),
        ("xread streams s t 0 0", "{s=[[1-0 [f v]]] t=[[2-0 [f v]]]}"),
        ("xgroup create s g 0", "+OK"),
        ("xreadgroup group g c streams s >", "{s=[[1-0 [f v]]]}"),
        ("xreadgroup group g c streams s >", "(nil array)"),
    ]);
    stage.resp3 = false;
    stage.check(&[(
        "xread streams s t 0 0",
        "[[s [[1-0 [f v]]]] [t [[2-0 [f v]]]]]",
    )]);
}

#[test]
fn only_whole_blocks_go_if_it_need_not_be_exact() {
    let mut stage = Stage::with(Settings {
        stream_node_entries_max: 10,
        ..Settings::default()
    });
    for id in 1..=95 {
        stage.run(&format!("xadd s {id} field value"));
    }
    stage.check(&[
        ("xtrim s maxlen ~ 87", ":0"),
        ("xtrim s maxlen ~ 72", ":20"),
        ("xtrim s maxlen ~ 0 limit 19", ":10"),
        ("xtrim s minid ~ 45", ":10"),
        ("xtrim s minid ~ 45", ":0"),
        ("xtrim s maxlen 50", ":5"),
        ("xrange s - + count 1", "[[46-0 [field value]]]"),
        // The rest of a block that was cut into goes as it is.
        ("xtrim s maxlen ~ 44", ":5"),
        ("xlen s", ":45"),
        ("xadd s maxlen ~ 20 limit 10 200 field value", "200-0"),
        ("xlen s", ":36"),
        ("xtrim s minid ~ 1000 limit 0", ":36"),
        ("xlen s", ":0"),
        ("exists s", ":1"),
    ]);
    stage.check_snapshot();
}

#[test]
fn blocks_end_by_entries_and_by_bytes() {
    let blocks = |settings: Settings, value: usize| {
        let mut stage = Stage::with(settings);
        for id in 1..=100 {
            stage.run(&format!("xadd s {id} field {}", "v".repeat(value)));
        }
        stage.check_snapshot();
        match stage.run("xinfo stream s") {
            crate::Answer::Array(fields) | crate::Answer::Set(fields) => panic!("{fields:?}"),
            crate::Answer::Map(pairs) => crate::testing::shown(&pairs[1].1),
            other => panic!("{other:?}"),
        }
    };
    let settings = |entries, bytes| Settings {
        stream_node_entries_max: entries,
        stream_node_bytes_max: bytes,
        ..Settings::default()
    };
    assert_eq!(blocks(settings(100, 4096), 10), ":1");
    assert_eq!(blocks(settings(10, 4096), 10), ":10");
    assert_eq!(blocks(settings(100, 4096), 1000), ":25");
    assert_eq!(blocks(settings(0, 0), 10), ":1");
    // Where an entry begins is told in two bytes, whatever the setting.
    assert_eq!(blocks(settings(0, 0), 10_000), ":15");
    assert_eq!(blocks(settings(0, 0), 100_000), ":100");
}

#[test]
fn dumps_are_restored_with_groups_and_deliveries() {
    let mut stage = Stage::with(Settings {
        stream_node_entries_max: 3,
        ..Settings::default()
    });
    for line in [
        "xadd s 1-5 a 1 b two",
        "xadd s 1-6 a 3 b -4000",
        "xadd s 2-1 c 70000",
        "xadd s 9-9 a 5 b 6",
        "xdel s 1-6",
        "xgroup create s g 0",
        "xgroup create s unknown 1-5",
        "xreadgroup group g one count 1 streams s >",
        "xreadgroup group g 17 streams s >",
        "xack s g 9-9",
        "xsetid s 20-0",
    ] {
        stage.run(line);
    }
    let crate::Answer::Bulk(payload) = stage.run("dump s") else {
        panic!("no payload");
    };
    stage.run_bytes([b"restore", &b"copy"[..], b"0", &payload]);
    for line in ["xinfo stream KEY full", "xinfo groups KEY", "dump KEY"] {
        let [one, other] = ["s", "copy"].map(|key| stage.run(&line.replace("KEY", key)));
        if line.starts_with("dump") {
            // Deleted entries are gone.
            assert_eq!(one, other);
        } else {
            let shown = [one, other].map(|answer| {
                // 7.0's format does not tell when a consumer was active.
                let shown = crate::testing::shown(&answer);
                shown.replace("active-time=:-1", "active-time=:1000000")
            });
            assert_eq!(shown[0], shown[1], "{line}");
        }
    }
    stage.check_snapshot();
}
