//! Every byte of a small log and of a snapshot changed, every beginning of them alone: as a store sees it at its start.
//! It says which file, and where; it never serves anything else than what was written.

use std::sync::Arc;

use atlas_base::ByteSize;
use atlas_store::{Error, StoreConfig};
use atlas_wal::MemoryDisk;

use crate::support::{Running, eventually};

fn config() -> StoreConfig {
    StoreConfig {
        log_segment_bytes: ByteSize(8192),
        ..StoreConfig::default()
    }
}

fn start(disk: &MemoryDisk) -> Result<Running, Error> {
    Running::on(Arc::new(disk.clone()), config(), None)
}

struct Small {
    disk: MemoryDisk,
    files: Vec<(String, Vec<u8>)>,
    digest: String,
}

/// A snapshot and the log behind it, after a clean stop.
fn small() -> Small {
    let disk = MemoryDisk::new(7);
    let store = start(&disk).unwrap();
    let mut client = store.client();
    for at in 0..40 {
        client.run(&format!("set before:{at} value"));
        client.run("rpush list some more elements");
    }
    eventually("a snapshot", || client.run("save") == "OK");
    for at in 0..10 {
        client.run(&format!("hset hash {at} value"));
    }
    let digest = client.run("debug digest");
    store.stop();
    let disk = disk.restart();
    let names = disk.names().into_iter();
    let files = names.map(|name| (name.clone(), disk.content(&name).unwrap()));
    let files: Vec<_> = files.collect();
    let count = |end: &str| files.iter().filter(|(name, _)| name.ends_with(end)).count();
    assert_eq!(count(".snapshot"), 1);
    assert!(count(".log") > 0);
    Small {
        disk,
        files,
        digest,
    }
}

/// True if the damage was told, false if it did no harm; a panic if it did.
fn is_told(small: &mut Small, name: &str, content: Vec<u8>, what: &str) -> bool {
    for (name, content) in &small.files {
        small.disk.put(name, content.clone());
    }
    small.disk.put(name, content.clone());
    let is_told = match start(&small.disk) {
        Ok(store) => {
            let digest = store.client().run("debug digest");
            assert_eq!(digest, small.digest, "{what}: something else is served");
            store.stop();
            false
        }
        Err(Error::Log(error)) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            assert!(text.contains(name), "{what}: {text}");
            let is_placed = text.contains("offset") || text.contains("missing");
            assert!(is_placed, "{what}: {text}");
            assert_eq!(
                small.disk.content(name).unwrap(),
                content,
                "{what}: touched"
            );
            true
        }
        Err(error) => panic!("{what}: {error:?}"),
    };
    small.disk = small.disk.restart();
    is_told
}

fn used(content: &[u8]) -> usize {
    let last = content.iter().rposition(|&byte| byte != 0);
    last.map_or(0, |at| at + 1)
}

/// Up to where something proves what a file has. Of a file that was written ahead that is nothing; of the last one that
/// was begun it is the closing frame, which nothing proves in turn.
fn proven(small: &Small, name: &str, content: &[u8]) -> usize {
    const CLOSING_BYTES: usize = 48;
    let is_begun = |content: &[u8]| used(content) > 4096;
    if !name.ends_with(".log") {
        return used(content);
    }
    let last = small
        .files
        .iter()
        .rfind(|(name, content)| name.ends_with(".log") && is_begun(content));
    match last {
        _ if !is_begun(content) => 0,
        Some((last, _)) if last == name => used(content).next_multiple_of(8) - CLOSING_BYTES,
        _ => used(content),
    }
}

fn flipped(step: usize) {
    let mut small = small();
    for (name, content) in small.files.clone() {
        let mut untold = Vec::new();
        for at in (0..used(&content)).step_by(step) {
            let mut damaged = content.clone();
            damaged[at] ^= 1 << (at % 8);
            let what = format!("{name}, byte {at} changed");
            if !is_told(&mut small, &name, damaged, &what) {
                untold.push(at);
            }
        }
        let proven = proven(&small, &name, &content);
        assert!(
            untold.iter().all(|at| *at >= proven),
            "{name}: changes of {untold:?} were not told"
        );
    }
}

fn cut(step: usize) {
    let mut small = small();
    for (name, content) in small.files.clone() {
        let mut untold = Vec::new();
        for length in (0..content.len()).step_by(step) {
            let what = format!("{name} cut to {length} bytes");
            if !is_told(&mut small, &name, content[..length].to_vec(), &what) {
                untold.push(length);
            }
        }
        let proven = proven(&small, &name, &content);
        assert!(
            untold.iter().all(|length| *length >= proven),
            "{name}: cuts at {untold:?} were not told"
        );
    }
}

#[test]
fn a_changed_byte_is_told_and_never_served() {
    flipped(7);
}

#[test]
fn a_cut_file_is_told_and_never_served() {
    cut(61);
}

#[test]
#[ignore = "long: every byte"]
fn every_byte() {
    flipped(1);
    cut(1);
}
