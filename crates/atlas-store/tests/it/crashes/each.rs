//! Each of the first 300 writes, syncs, changes of names and reads fails once, in three ways: the store keeps its
//! promise, says why it refuses writes, goes on reading, and believes no second sync.
//!
//! Some calls of a kind fail in one run, as far apart as a start needs: in the next run others do.

use std::sync::Arc;

use atlas_base::{ByteSize, TimeSpan};
use atlas_store::{Fsync, StoreConfig};
use atlas_testkit::history::{History, Load, Promise, Random};
use atlas_wal::{Call, Crash, Fault, FaultyDisk, How, MemoryDisk};

use super::life::{LONG, Stats, told};
use crate::support::Running;

const FIRST: u64 = 300;

/// How far apart calls of a kind may fail, so that a store comes to do something between two of them.
const fn apart(call: Call) -> u64 {
    match call {
        Call::Read | Call::Open => 100,
        Call::Write | Call::Sync => 30,
        _ => 10,
    }
}

/// A run in which every call of a kind fails whose number is `first` or some times [`apart`] more, up to `last`; how far
/// it came.
fn one(call: Call, first: u64, last: u64, how: How) -> Result<(u64, Stats), String> {
    let numbers = (first..=last).step_by(apart(call) as usize);
    let faults: Vec<Fault> = numbers.map(|nth| Fault { call, nth, how }).collect();
    let planned = faults.len();
    let mut random = Random::new(first);
    let mut memory = MemoryDisk::new(random.next());
    let mut history = History::new(random.next(), 2);
    let mut stats = Stats::default();
    let config = StoreConfig {
        fsync: Fsync::Every,
        fsync_interval: TimeSpan::from_millis(1),
        log_segment_bytes: ByteSize(8192),
        ..StoreConfig::default()
    };
    // Calls are counted on over the lives of the store.
    let (mut done, mut counted, mut faults) = (0, 0, faults);
    for life in 0.. {
        let is_last = done == planned || life == 400;
        let offset = counted;
        let ahead: Vec<Fault> = faults
            .iter()
            .filter(|fault| fault.nth > offset && !is_last)
            .map(|fault| Fault {
                nth: fault.nth - offset,
                ..*fault
            })
            .collect();
        let disk = FaultyDisk::new(Arc::new(memory.clone()), ahead);
        stats.lives += 1;
        match Running::on(Arc::new(disk.clone()), config.clone(), None) {
            Ok(mut store) => {
                store.is_doomed = true;
                stats.looked(&history.verify(store.listen, Promise::Everything)?);
                let load = Load {
                    actions_max: 40,
                    batch_max: 3,
                    readers: 1,
                    consumers: 1,
                    is_read_durable: true,
                };
                let in_time = history.live(store.listen, &load, |progress| {
                    progress.wait(u64::MAX, LONG, || false)
                })?;
                if !in_time {
                    return Err("clients were not answered in time".into());
                }
                // Some are stopped, the others lose their power under way.
                let cut = (life % 3 > 0).then(|| {
                    memory.crash(if life % 3 == 1 {
                        Crash::Drop
                    } else {
                        Crash::Tear(random.next())
                    })
                });
                store.stop();
                memory = cut.unwrap_or_else(|| memory.restart());
            }
            Err(error) if disk.met().is_empty() => return Err(told(&error)),
            Err(_) => memory = memory.crash(Crash::Drop),
        }
        done += disk.met().len();
        stats.faults += disk.met().len() as u64;
        counted += disk.counts().of(call);
        // What was passed over while nothing looked does not come again.
        faults.retain(|fault| fault.nth > counted);
        done = done.max(planned - faults.len());
        if is_last {
            let reached = if faults.is_empty() { last } else { counted };
            return Ok((reached, stats));
        }
    }
    Ok((counted, stats))
}

/// Each `step`-th run, up to the `last` call; how far the runs came, at least.
fn each(call: Call, step: usize, last: u64) -> u64 {
    let mut reached = last;
    let mut sum = Stats::default();
    for how in [How::Error, How::Full, How::Short] {
        for first in (1..=apart(call)).step_by(step) {
            match one(call, first, last, how) {
                Ok((counted, stats)) => {
                    reached = reached.min(counted);
                    sum.add(&stats);
                }
                Err(problem) => {
                    panic!(
                        "{call:?} {first} and each {} more, {how:?}: {problem}",
                        apart(call)
                    )
                }
            }
        }
    }
    println!("{call:?}: the first {reached}; {sum:?}");
    assert!(sum.faults > 0, "{call:?} never failed");
    reached
}

#[test]
fn each_write_may_fail() {
    each(Call::Write, 11, FIRST);
}

#[test]
fn each_sync_may_fail() {
    each(Call::Sync, 11, FIRST);
}

#[test]
fn each_change_of_a_name_may_fail() {
    each(Call::Rename, 5, 50);
    each(Call::SyncDirectory, 5, 50);
}

#[test]
fn each_look_may_fail() {
    each(Call::Read, 40, FIRST);
}

#[test]
#[ignore = "long: every one of the first 300 calls of every kind"]
fn each_call_may_fail() {
    for call in Call::ALL {
        if call == Call::List {
            // A start lists the folder, nothing else does.
            continue;
        }
        assert_eq!(each(call, 1, FIRST), FIRST, "{call:?}");
    }
}
