//! Reading a directory that a log is being written in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atlas_wal::snapshot::SnapshotReader;
use atlas_wal::{Disk, Error, FileDisk, Frozen, Log, View, check};

use crate::support::*;

fn frozen(disk: &FileDisk) -> Arc<dyn Disk> {
    Arc::new(Frozen::of(disk).unwrap())
}

/// What is appended while the files are read used to look like damage: a frame that was not there when its place was
/// read, behind it one that says it is durable.
#[test]
fn a_log_that_is_being_written_is_whole_at_every_moment() {
    const SNAPSHOT_EVERY: u64 = 500;
    let place = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(place.path());
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, on) = (Arc::clone(&stop), disk.clone());
    let writer = std::thread::spawn(move || {
        let mut index = 0;
        while !stopped.load(Ordering::Relaxed) {
            index += 1;
            let record = command(0, 1, index, index, 100 + index as usize % 900);
            log.append(&[&batch([&record])]).unwrap();
            if index % 3 == 0 {
                log.sync().unwrap();
            }
            if index % SNAPSHOT_EVERY == 0 {
                let on: Arc<dyn Disk> = Arc::new(on.clone());
                let verified = snapshot(Arc::clone(&on), 0, id(1, index), &[b"image"]).unwrap();
                atlas_wal::snapshot::remove(&*on, 0, 1).unwrap();
                log.purge(&verified, id(1, index)).unwrap();
            }
        }
        index
    });
    let (mut seen, mut purges, mut looks) = (0, 0, 0);
    while looks < 150 || purges < 2 {
        looks += 1;
        assert!(looks < 100_000, "{seen} records and {purges} purges seen");
        let held = frozen(&disk);
        let report = check(&held).unwrap();
        assert!(!report.is_damaged(), "look {looks}:\n{report}");
        let Ok(view) = View::open(Arc::clone(&held)) else {
            continue;
        };
        assert!(view.problem().is_none());
        let Some(group) = view.group(0) else { continue };
        assert!(group.last.index >= seen, "it never goes back");
        purges += u64::from(group.first_index() > seen + 1 || group.purged.index > seen);
        seen = group.last.index;
        let mut records = view.records(0, group.first_index()).unwrap();
        let mut next = group.first_index();
        while let Some(entry) = records.next_record().unwrap() {
            assert_eq!(entry.record.index, next);
            assert_eq!(entry.record.seed, next);
            next += 1;
        }
        assert_eq!(next, seen + 1);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() >= seen);
}

#[test]
fn what_is_frozen_is_only_read_and_stays() {
    let place = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(place.path());
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options()).unwrap();
    log.append(&[&batch([&command(0, 1, 1, 1, 10)])]).unwrap();
    let verified = snapshot(Arc::new(disk.clone()), 0, id(1, 1), &[b"image"]).unwrap();
    let held = frozen(&disk);
    log.append(&[&batch([&command(0, 1, 2, 2, 10)])]).unwrap();
    log.close().unwrap();
    for name in disk.list().unwrap() {
        disk.remove(&name).unwrap();
    }
    let report = check(&held).unwrap();
    assert!(
        report.is_whole() && report.torn().next().is_none(),
        "{report}"
    );
    assert_eq!(report.groups[0].last_index, 1);
    assert_eq!(report.identity, Some(IDENTITY));
    let reader = SnapshotReader::open(Arc::clone(&held), verified.name()).unwrap();
    assert_eq!(reader.verify().unwrap(), verified);
    assert!(held.create("x").is_err() && held.lock().is_err());
    assert!(held.rename(verified.name(), "x").is_err());
    assert!(held.remove(verified.name()).is_err());
    let file = held.open_to_read(verified.name()).unwrap();
    assert!(file.write_at(b"x", 0).is_err());
}

#[test]
fn a_view_says_what_is_wrong_and_reads_what_comes_before_it() {
    let place = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(place.path());
    let open = || View::open(frozen(&disk));
    assert!(matches!(open(), Err(Error::NoLog { .. })));
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options()).unwrap();
    for index in 1..=60 {
        log.append(&[&batch([&command(0, 1, index, index, 700)])])
            .unwrap();
    }
    log.close().unwrap();
    let second = place.path().join("00000000000000000002.log");
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[9_000] ^= 1;
    std::fs::write(&second, &bytes).unwrap();
    let view = open().unwrap();
    let problem = view.problem().unwrap();
    assert_eq!(problem.place().unwrap().0, second);
    let last = view.group(0).unwrap().last.index;
    assert!((20..50).contains(&last), "{last}");
    let mut records = view.records(0, 1).unwrap();
    for index in 1..=last {
        assert_eq!(records.next_record().unwrap().unwrap().record.index, index);
    }
    assert!(records.next_record().unwrap().is_none());
    assert!(view.into_problem().is_some());
}
