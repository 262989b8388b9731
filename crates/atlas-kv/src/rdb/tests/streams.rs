//! Streams that Redis wrote.

use super::*;
use crate::testing::shown;

/// Four entries of which one was deleted, two groups, two consumers with deliveries; of Redis 7.0.15, whole.
const WHOLE: &str = "13011000000000000000010000000000000001405d5d0000001f00030101010201856669656c6406856f7468657206000102\
     010001000182763103dfff02050103010101000182763203dffe02050102010201000182763303dffd02050100010801dfff\
     020101817802f2701101040601ff03090001010201040201670900040300000000000000010000000000000001c18be7ffa1\
     0100000100000000000000030000000000000001c18be7ffa10100000100000000000000090000000000000000ce8be7ffa1\
     0100000102c00cce8be7ffa1010000010000000000000009000000000000000005616c696365c18be7ffa101000002000000\
     00000000010000000000000001000000000000000300000000000000010168030081ffffffffffffffff00000a00398601e5\
     ee4b940a";
/// Of Redis 5: two entries left, four deleted, a group with four deliveries and one without; without its footer.
const OF_REDIS_5: &str = "0f011000000000000000010000000000000000c3404a40571657000000230002010401010184646174610500010301002001\
     0381610204200a0001400a0062600a0002400a0063600a4022018164200a4039200a0065600a0005400a0066200a00ff0206\
     0002026731050004000000000000000100000000000000003ef783437a01000001000000000000000200000000000000003e\
     f783437a01000001000000000000000400000000000000003ef783437a01000001000000000000000500000000000000003e\
     f783437a0100000101036331313ef783437a0100000400000000000000010000000000000000000000000000000200000000\
     00000000000000000000000400000000000000000000000000000005000000000000000002673200000000";
/// Behind these, a consumer's seen time, Redis 7.2 writes when it was active.
const SEEN: [&str; 2] = ["c00cce8be7ffa1010000", "05616c696365c18be7ffa1010000"];

fn body() -> Vec<u8> {
    let payload = bytes(WHOLE);
    payload[..payload.len() - FOOTER_BYTES].to_vec()
}

/// The same as Redis 7.2 writes it.
fn body_of_redis_7_2() -> Vec<u8> {
    let mut hex: String = WHOLE.split_whitespace().collect();
    hex.truncate(hex.len() - 2 * FOOTER_BYTES);
    for seen in SEEN {
        assert!(hex.contains(seen));
        hex = hex.replace(seen, &format!("{seen}0500000000000000"));
    }
    let mut body = bytes(&hex);
    body[0] = kind::STREAM_3;
    body
}

fn restored(body: &[u8]) -> Stage {
    let mut stage = Stage::new();
    let payload = seal(body, 11);
    let command: [&[u8]; 4] = [b"restore", b"key", b"0", &payload];
    let answer = stage.run_bytes(command);
    assert_eq!(answer, Answer::Simple("OK".into()));
    stage
}

#[test]
fn streams_of_redis_are_read() {
    assert!(is_sealed(&bytes(WHOLE)));
    for body in [body(), body_of_redis_7_2()] {
        let mut stage = restored(&body);
        stage.check(&[
            (
                "xrange key - +",
                "[[1-1 [field v1 other -1]] [3-1 [field v3 other -3]] [9-0 [x 70000]]]",
            ),
            (
                "xinfo groups key",
                "[{name=g consumers=:2 pending=:3 last-delivered-id=9-0 entries-read=:4 lag=:0} \
                 {name=h consumers=:0 pending=:0 last-delivered-id=3-0 entries-read=(nil) lag=(nil)}]",
            ),
            ("xpending key g", "[:3 1-1 9-0 [[12 1] [alice 2]]]"),
            (
                "xadd key 9-0 a 1",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
        ]);
        // The block counts the deleted one still.
        stage.check_snapshot();
    }
    let mut stage = restored(&body_of_redis_7_2());
    let told = shown(&stage.run("xinfo stream key full"));
    assert!(told.contains("active-time=:5"), "{told}");
}

#[test]
fn a_stream_of_redis_5_is_read() {
    let mut stage = restored(&bytes(OF_REDIS_5));
    stage.check(&[
        ("xrange key - +", "[[5-0 [data e]] [6-0 [data f]]]"),
        (
            "xinfo groups key",
            "[{name=g1 consumers=:1 pending=:4 last-delivered-id=5-0 entries-read=:1 lag=:1} \
             {name=g2 consumers=:0 pending=:0 last-delivered-id=0-0 entries-read=:0 lag=:2}]",
        ),
    ]);
    stage.check_snapshot();
}

#[test]
fn streams_that_cannot_be_are_refused() {
    let whole: String = WHOLE.split_whitespace().collect();
    let mut stage = Stage::new();
    for (what, from, to) in [
        (
            "more entries than told",
            "405d5d0000001f000301",
            "405d5d0000001f000201",
        ),
        (
            "fewer entries than told",
            "405d5d0000001f000301",
            "405d5d0000001f000401",
        ),
        ("more deleted than told", "1f0003010101", "1f0003010001"),
        (
            "ids in no order",
            "02050102010201000182",
            "02050102010001000182",
        ),
        ("too few pieces", "03dfff020501030101", "03dfff020401030101"),
        (
            "another length",
            "ff030900010102010402",
            "ff040900010102010402",
        ),
        (
            "a last id before the last entry",
            "ff030900010102010402",
            "ff030800010102010402",
        ),
        ("a consumer twice", "05616c696365c1", "c00cc1"),
        (
            "a delivery that the group does not know",
            "0561 6c696365c18be7ffa1010000020000000000000001",
            "0561 6c696365c18be7ffa1010000020000000000000007",
        ),
        (
            "a delivery of two consumers",
            "010000000000000009000000000000000005616c",
            "010000000000000003000000000000000105616c",
        ),
    ] {
        let (from, to) = (from.replace(' ', ""), to.replace(' ', ""));
        assert!(whole.contains(&from), "{what}");
        let payload = bytes(&whole.replace(&from, &to));
        let payload = seal(&payload[..payload.len() - FOOTER_BYTES], 10);
        let command: [&[u8]; 4] = [b"restore", b"key", b"0", &payload];
        let answer = stage.run_bytes(command);
        assert_eq!(
            answer,
            Answer::Error("ERR Bad data format".into()),
            "{what}"
        );
    }
}

#[test]
fn damaged_streams_are_refused_or_harmless() {
    let bodies = [body(), body_of_redis_7_2(), bytes(OF_REDIS_5)];
    let asked = [
        "xrange key - +",
        "xinfo groups key",
        "xpending key g",
        "dump key",
    ];
    damage(&bodies, &asked, 3_000, 3);
}
