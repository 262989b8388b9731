//! How fast commands are applied: `cargo run --release -p atlas-kv --example apply_speed [WORD]` (only rows with the word).
//!
//! No protocol, no log, no socket: a record in, an answer's bytes out. Keys are drawn from a hundred thousand, so that they
//! do not all lie in the cache.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::time::{Duration, Instant};

use atlas_kv::{
    Answers, ArgumentBuffer, Effects, Interest, Keyspace, Moment, Reply, Settings, command,
};

const KEYS: usize = 100_000;
const COMMANDS: usize = 400_000;

/// What each row does: what to do before, and the lines of which `#` is a drawn number, `@` a counted one.
const ROWS: &[(&str, &[&str], &str)] = &[
    ("SET", &[], "set key:# xxx"),
    ("GET", &["set key:@ xxx"], "get key:#"),
    ("INCR", &[], "incr key:#"),
    ("EXISTS", &["set key:@ xxx"], "exists key:#"),
    ("TTL", &["set key:@ xxx"], "ttl key:#"),
    ("EXPIRE", &["set key:@ xxx"], "expire key:# 1000"),
    ("RANDOMKEY", &["set key:@ xxx"], "randomkey"),
    ("SCAN", &["set key:@ xxx"], "scan 0"),
    ("HSET", &[], "hset hash field:# xxx"),
    ("SADD", &[], "sadd set member:#"),
    ("ZADD", &[], "zadd sorted # member:#"),
    (
        "ZINCRBY",
        &["zadd sorted @ member:@"],
        "zincrby sorted 1000 member:#",
    ),
    (
        "ZSCORE",
        &["zadd sorted @ member:@"],
        "zscore sorted member:#",
    ),
    (
        "ZRANK",
        &["zadd sorted @ member:@"],
        "zrank sorted member:#",
    ),
    (
        "ZREVRANGE, 100 rows",
        &["zadd sorted @ member:@"],
        "zrevrange sorted 0 99 withscores",
    ),
    (
        "ZRANGEBYSCORE, 10 rows",
        &["zadd sorted @ member:@"],
        "zrangebyscore sorted # +inf limit 0 10",
    ),
    (
        "ZPOPMIN",
        &["zadd sorted @ member:@", "zadd sorted @ other:@"],
        "zpopmin sorted",
    ),
    ("LPUSH, one list", &[], "lpush list xxx"),
    ("RPUSH, one list", &[], "rpush list xxx"),
    ("LPUSH, many lists", &[], "lpush list:# xxx"),
    (
        "LPOP, one list",
        &[
            "rpush list xxx",
            "rpush list xxx",
            "rpush list xxx",
            "rpush list xxx",
        ],
        "lpop list",
    ),
    (
        "RPOP, one list",
        &[
            "rpush list xxx",
            "rpush list xxx",
            "rpush list xxx",
            "rpush list xxx",
        ],
        "rpop list",
    ),
    (
        "RPOPLPUSH, same list",
        &["rpush list element:@"],
        "rpoplpush list list",
    ),
    (
        "LRANGE, 100 elements",
        &["rpush list xxx"],
        "lrange list 0 99",
    ),
    (
        "LRANGE, 600 elements",
        &["rpush list xxx"],
        "lrange list 0 599",
    ),
    (
        "LINDEX of 100,000",
        &["rpush list element:@"],
        "lindex list #",
    ),
    (
        "LSET of 100,000",
        &["rpush list element:@"],
        "lset list # xxxxxxxxxxxxx",
    ),
    ("LLEN", &["rpush list xxx"], "llen list"),
];

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    println!("{:<28} {:>8}", "", "ns each");
    for (name, before, line) in ROWS {
        if name.contains(&word) {
            row(name, before, line);
        }
    }
}

fn row(name: &str, before: &[&str], line: &str) {
    let mut best = Duration::MAX;
    let buffers: Vec<ArgumentBuffer> = (0..COMMANDS).map(|count| words(line, count)).collect();
    for _ in 0..3 {
        let mut keyspace = Keyspace::new(1, Settings::default());
        let mut sink = Sink(Vec::new());
        for line in before {
            for count in 0..KEYS {
                run(&mut keyspace, &words(line, count), &mut sink);
            }
        }
        let start = Instant::now();
        for buffer in &buffers {
            run(&mut keyspace, buffer, &mut sink);
        }
        best = best.min(start.elapsed());
    }
    println!(
        "{name:<28} {:>8.0}",
        best.as_secs_f64() * 1e9 / COMMANDS as f64
    );
}

fn words(line: &str, count: usize) -> ArgumentBuffer {
    let drawn = (count as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let drawn = (drawn % KEYS as u64).to_string();
    let line = line.replace('#', &drawn).replace('@', &count.to_string());
    ArgumentBuffer::of(line.split(' '))
}

fn run(keyspace: &mut Keyspace, buffer: &ArgumentBuffer, sink: &mut Sink) {
    let moment = Moment {
        database: 0,
        now_ms: 1_700_000_000_000,
        seed: 1,
    };
    let arguments = buffer.arguments();
    sink.0.clear();
    let mut effects = Effects::new(Interest::empty());
    match command::resolve(&arguments) {
        Ok(found) if !found.is_write() => {
            keyspace
                .read(found, moment, &arguments, sink)
                .expect("a read is not refused");
        }
        _ => keyspace.apply(moment, &arguments, &[], sink, &mut effects),
    }
}

/// Takes the bytes of answers.
struct Sink(Vec<u8>);

impl Answers for Sink {
    fn client(&mut self) -> &mut dyn Reply {
        self
    }
    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        self
    }
}

impl Reply for Sink {
    fn simple(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
    fn error(&mut self, line: &str) {
        panic!("{line}");
    }
    fn integer(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.0
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
    fn null(&mut self) {}
    fn null_array(&mut self) {}
    fn double(&mut self, _: f64) {}
    fn boolean(&mut self, _: bool) {}
    fn verbatim(&mut self, _: &str, _: &[u8]) {}
    fn big_number(&mut self, _: &[u8]) {}
    fn array(&mut self, _: usize) {}
    fn map(&mut self, _: usize) {}
    fn set(&mut self, _: usize) {}
    fn push(&mut self, _: usize) {}
    fn is_resp3(&self) -> bool {
        false
    }
}
