//! How fast requests are decoded and replies written: `cargo run --release -p atlas-resp --example codec_speed`.
//!
//! Each row is the best of several passes over a buffer that fits the second cache, so that it tells what the code
//! costs and not what the memory does.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use atlas_resp::reply::{self, Value};
use atlas_resp::request::{Decoder, Limits, Progress};
use atlas_resp::{Encoder, Protocol, command};

const COMMANDS: usize = 4_000;
const PASSES: usize = 2_000;

fn main() {
    println!("{:<44} {:>10} {:>10}", "", "ns each", "GB/s");
    decoding("SET key:000042 and 3 bytes", |index| {
        vec![b"SET".to_vec(), key(index), b"xxx".to_vec()]
    });
    decoding("GET key:000042", |index| vec![b"GET".to_vec(), key(index)]);
    decoding("SET key:000042 and 64 bytes", |index| {
        vec![b"SET".to_vec(), key(index), vec![b'x'; 64]]
    });
    decoding("MSET of 10 pairs", |index| {
        std::iter::once(b"MSET".to_vec())
            .chain((0..10).flat_map(|_| [key(index), b"xxx".to_vec()]))
            .collect()
    });
    let inline: Vec<u8> = (0..COMMANDS)
        .flat_map(|index| [b"SET ", &key(index)[..], b" xxx\r\n"].concat())
        .collect();
    decoding_bytes("SET key:000042 xxx, inline", inline);

    encoding("+OK", |encoder, _| encoder.ok());
    encoding(":integer", |encoder, index| encoder.integer(index as i64));
    let bytes = [b'x'; 3];
    encoding("$3", |encoder, _| encoder.bulk(bytes));
    let bytes = [b'x'; 64];
    encoding("$64", |encoder, _| encoder.bulk(bytes));
    encoding("double of RESP2", |encoder, index| {
        encoder.double(index as f64 + 0.1);
    });
    encoding("double of RESP2, whole", |encoder, index| {
        encoder.double(index as f64);
    });
    replies();
}

fn key(index: usize) -> Vec<u8> {
    format!("key:{:06}", index % 1_000_000).into_bytes()
}

fn decoding(what: &str, make: impl Fn(usize) -> Vec<Vec<u8>>) {
    let mut buffer = Vec::new();
    for index in 0..COMMANDS {
        command(&mut buffer, make(index));
    }
    decoding_bytes(what, buffer);
}

fn decoding_bytes(what: &str, mut buffer: Vec<u8>) {
    let limits = Limits::default();
    let mut arguments = Vec::new();
    let best = best(|| {
        let mut decoder = Decoder::default();
        let mut commands = 0;
        while let Ok(Progress::Command) = decoder.decode(&mut buffer, &limits, &mut arguments) {
            black_box(&arguments);
            commands += 1;
        }
        assert_eq!(commands, COMMANDS);
    });
    print(&format!("decode {what}"), best, buffer.len());
}

fn encoding(what: &str, write: impl Fn(&mut Encoder<'_>, usize)) {
    let mut out = Vec::new();
    let mut length = 0;
    let best = best(|| {
        out.clear();
        let mut encoder = Encoder::new(&mut out, Protocol::Resp2);
        for index in 0..COMMANDS {
            write(&mut encoder, black_box(index));
        }
        length = black_box(&out).len();
    });
    print(&format!("encode {what}"), best, length);
}

fn replies() {
    let mut bytes = Vec::new();
    for _ in 0..COMMANDS {
        Value::Bulk(vec![b'x'; 16]).encode(&mut Encoder::new(&mut bytes, Protocol::Resp3));
    }
    let best = best(|| {
        let mut decoder = reply::Decoder::new(reply::Limits::default());
        let mut at = 0;
        while let Ok((used, Some(value))) = decoder.decode(&bytes[at..]) {
            black_box(value);
            at += used;
        }
        assert_eq!(at, bytes.len());
    });
    print("decode a reply $16", best, bytes.len());
}

fn best(mut pass: impl FnMut()) -> Duration {
    (0..PASSES)
        .map(|_| {
            let began = Instant::now();
            pass();
            began.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn print(what: &str, best: Duration, bytes: usize) {
    let each = best.as_nanos() as f64 / COMMANDS as f64;
    let gigabytes = bytes as f64 / best.as_nanos() as f64;
    println!("{what:<44} {each:>10.1} {gigabytes:>10.2}");
}
