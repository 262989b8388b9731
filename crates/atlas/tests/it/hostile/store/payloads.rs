//! Values that `RESTORE` is handed: changed at random, under checksums that are right.

use atlas_resp::reply::Value;

use super::stage::{Stage, text};
use crate::hostile::memory::GROWTH_BYTES_MAX;

/// How many are tried; `ATLAS_HOSTILE_PAYLOADS=100000` is the whole row.
const PAYLOADS: u64 = 3000;

/// Commands that make a value under `key`, of every type and of every encoding that Redis has for it.
fn values() -> Vec<Vec<String>> {
    let numbered = |command: &[&str], count: usize, item: fn(usize) -> Vec<String>| {
        let mut words: Vec<String> = command.iter().map(ToString::to_string).collect();
        words.extend((0..count).flat_map(item));
        words
    };
    let name = |at: usize| vec![format!("member {at}")];
    let pair = |at: usize| vec![format!("field {at}"), at.to_string()];
    let scored = |at: usize| vec![format!("{at}.5"), format!("member {at}")];
    let number = |at: usize| vec![(at * 70_000).to_string()];
    vec![
        vec!["set".into(), "key".into(), "value".into()],
        vec!["set".into(), "key".into(), "17".into()],
        vec!["set".into(), "key".into(), "again and ".repeat(400)],
        numbered(&["rpush", "key"], 5, name),
        numbered(&["rpush", "key"], 700, name),
        numbered(&["sadd", "key"], 5, name),
        numbered(&["sadd", "key"], 300, name),
        numbered(&["sadd", "key"], 40, number),
        numbered(&["hset", "key"], 5, pair),
        numbered(&["hset", "key"], 300, pair),
        numbered(&["zadd", "key"], 5, scored),
        numbered(&["zadd", "key"], 300, scored),
    ]
}

/// The checksum at the end of a payload: CRC-64 of Jones, reflected.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| {
            (sum >> 1)
                ^ if sum & 1 == 1 {
                    0x95ac_9329_ac4b_c9b5
                } else {
                    0
                }
        })
    })
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// A payload changed in some places, under its right checksum.
    fn mutated(&mut self, payload: &[u8]) -> Vec<u8> {
        // Version and checksum stand at the end.
        let mut body = payload[..payload.len() - 10].to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(body.len());
            match self.below(6) {
                0 => body[at] ^= 1 << self.below(8),
                1 => body[at] = self.below(256) as u8,
                2 => body[at] = [0, 0xff, 0x7f, 0x80, 0x81, 0xc3][self.below(6)],
                3 => body.truncate(at.max(1)),
                4 => body.insert(at, self.below(256) as u8),
                _ => drop(body.remove(at)),
            }
            if body.is_empty() {
                body.push(0);
            }
        }
        // Sometimes another type.
        if self.below(8) == 0 {
            body[0] = self.below(24) as u8;
        }
        body.extend_from_slice(&payload[payload.len() - 10..payload.len() - 8]);
        body.extend_from_slice(&checksum(&body).to_le_bytes());
        body
    }
}

#[tokio::test]
async fn payloads_that_were_changed_under_a_right_checksum_are_refused_or_harmless() {
    let count = std::env::var("ATLAS_HOSTILE_PAYLOADS");
    let count = count.map_or(PAYLOADS, |count| count.parse().unwrap());
    let stage = Stage::new("fsync = \"none\"").await;
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut client = stage.client();
    for words in values() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        client.run(&["del", "key"]);
        client.run(&words);
        client.send_command(&[b"dump", b"key"]);
        let Value::Bulk(payload) = client.receive() else {
            panic!("{words:?} is not dumped");
        };
        assert!(payload.ends_with(&checksum(&payload[..payload.len() - 8]).to_le_bytes()));
        payloads.push(payload);
    }
    // Redis writes more forms than we do.
    if let Some(redis) = atlas_testkit::redis::Redis::start(&[]) {
        for words in values() {
            let mut bytes = Vec::new();
            atlas_resp::command(&mut bytes, ["del", "key"]);
            atlas_resp::command(&mut bytes, &words);
            atlas_resp::command(&mut bytes, ["dump", "key"]);
            let answer = redis.answer(&bytes);
            let mut decoder = atlas_resp::reply::Decoder::new(atlas_resp::reply::Limits::default());
            let mut rest = &answer[..];
            let mut last = Value::Null;
            for _ in 0..3 {
                let (consumed, value) = decoder.decode(rest).unwrap();
                (rest, last) = (&rest[consumed..], value.unwrap());
            }
            let Value::Bulk(payload) = last else {
                panic!("{last:?} is no payload");
            };
            payloads.push(payload);
        }
    }
    let mut accepted = 0;
    stage.bears(GROWTH_BYTES_MAX, || {
        let mut draw = Draw(17);
        for _ in 0..count {
            let payload = &payloads[draw.below(payloads.len())];
            let payload = draw.mutated(payload);
            client.send_command(&[b"restore", b"key", b"0", &payload, b"replace"]);
            if text(&client.receive()) != "OK" {
                continue;
            }
            accepted += 1;
            // Whatever it is now, it is used and changed, and goes out and in again.
            for command in [
                &["dump", "key"][..],
                &["debug", "digest-value", "key"],
                &["object", "encoding", "key"],
                &["getrange", "key", "0", "10"],
                &["append", "key", "x"],
                &["lrange", "key", "0", "-1"],
                &["lset", "key", "0", "y"],
                &["linsert", "key", "before", "y", "z"],
                &["rpop", "key"],
                &["smembers", "key"],
                &["sadd", "key", "x"],
                &["spop", "key"],
                &["hgetall", "key"],
                &["hset", "key", "x", "y"],
                &["hdel", "key", "x"],
                &["zrange", "key", "0", "-1", "withscores"],
                &["zadd", "key", "1", "x"],
                &["zpopmin", "key"],
                &["copy", "key", "other", "replace"],
            ] {
                client.run(command);
            }
            client.send_command(&[b"dump", b"key"]);
            if let Value::Bulk(payload) = client.receive() {
                let restored =
                    client.run_bytes(&[b"restore", b"third", b"0", &payload, b"replace"]);
                assert_eq!(restored, "OK", "{}", payload.escape_ascii());
                let digest = |key: &str| ["debug", "digest-value", key].map(str::to_owned);
                let [own, other] = [digest("key"), digest("third")]
                    .map(|words| client.run(&[&words[0], &words[1], &words[2]]));
                assert_eq!(own, other, "{}", payload.escape_ascii());
            }
        }
    });
    println!("{count} payloads, {accepted} accepted");
    assert!(
        accepted > count / 50,
        "only {accepted} of {count} were accepted"
    );
    assert!(accepted < count, "every one was accepted");
}
