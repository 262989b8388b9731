//! What it costs: `cargo test -p atlas-wal --release --test it measure -- --ignored --nocapture --test-threads 1`, with
//! `ATLAS_WAL_DIRECTORY` on the disk that is meant.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atlas_wal::{Arguments, Batch, FileDisk, Identity, Kind, Log, Options, Record, Scratch};

fn set(index: u64) -> Record<'static> {
    Record {
        term: 1,
        leader: 1,
        index,
        kind: Kind::Command,
        client: 17,
        now_ms: 1_767_225_600_000,
        arguments: Arguments {
            bytes: b"$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$32\r\n0123456789abcdef0123456789abcdef\r\n",
            ranges: &[4..7, 14..30, 37..69],
        },
        ..Record::default()
    }
}

/// Nanoseconds that this thread has had a core: others who compute beside it do not count.
fn on_core() -> u128 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn each(name: &str, count: u64, work: impl FnOnce(u64)) {
    let began = on_core();
    work(count);
    let took = on_core() - began;
    println!("{name}: {:.1} ns", took as f64 / count as f64);
}

#[test]
#[ignore = "measures"]
fn a_record() {
    let mut batch = Batch::new();
    each("encode a SET into a batch", 20_000_000, |count| {
        for index in 0..count {
            if batch.len() == 1_000 {
                black_box(&batch);
                batch.clear();
            }
            batch.push(black_box(&set(index))).unwrap();
        }
    });
    let mut bytes = Vec::new();
    set(1_000_000).encode(&mut bytes).unwrap();
    println!("a SET of 16 and 32 bytes takes {} bytes", bytes.len() + 4);
    let mut scratch = Scratch::default();
    each("decode it", 20_000_000, |count| {
        for _ in 0..count {
            black_box(Record::decode(black_box(&bytes), &mut scratch).unwrap());
        }
    });
}

#[test]
#[ignore = "measures"]
fn append_and_sync() {
    let place = match std::env::var("ATLAS_WAL_DIRECTORY") {
        Ok(directory) => tempfile::tempdir_in(directory).unwrap(),
        Err(_) => tempfile::tempdir().unwrap(),
    };
    for records in [1, 10, 100, 1_000] {
        let directory = place.path().join(records.to_string());
        let disk = FileDisk::create_directory(&directory).unwrap();
        let identity = Some(Identity {
            cluster: 1,
            node: 1,
        });
        let options = Options {
            identity,
            ..Options::default()
        };
        let began = Instant::now();
        let (mut log, _) = Log::open(Arc::new(disk.clone()), options).unwrap();
        let opened = began.elapsed();
        let mut batch = Batch::new();
        let (mut index, mut times, mut appends) = (0, Vec::new(), Duration::ZERO);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            batch.clear();
            for _ in 0..records {
                index += 1;
                batch.push(&set(index)).unwrap();
            }
            let frame = Instant::now();
            log.append(&[&batch]).unwrap();
            appends += frame.elapsed();
            log.sync().unwrap();
            times.push(frame.elapsed());
            if let Some(preparation) = log.preparation().unwrap() {
                log.install(preparation.run()).unwrap();
            }
        }
        let took = began.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 1_000].as_micros();
        println!(
            "{records} records a frame: {:.0} frames/s, {:.0} records/s; append {:.1} µs; append+sync p50 {} µs, p99 {} \
             µs; new log in {} ms",
            times.len() as f64 / took,
            index as f64 / took,
            appends.as_micros() as f64 / times.len() as f64,
            at(500),
            at(990),
            opened.as_millis(),
        );
        log.close().unwrap();
        let identity = Options {
            identity,
            ..Options::default()
        };
        let (began, core) = (Instant::now(), on_core());
        let (_, recovery) = Log::open(Arc::new(disk), identity).unwrap();
        println!(
            "  opened again in {} ms ({} ms of a core): {} segments, {} frames, {} records",
            began.elapsed().as_millis(),
            (on_core() - core) / 1_000_000,
            recovery.segments,
            recovery.frames,
            recovery.records
        );
    }
}
