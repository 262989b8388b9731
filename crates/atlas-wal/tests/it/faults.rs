//! Each of the first 300 calls of each kind fails once, in each way: nothing promised is lost, what failed is told, and
//! no second sync is believed.

use std::sync::Arc;

use atlas_wal::{
    Call, Crash, Disk, Error, Fault, FaultyDisk, How, Kind, Log, MemoryDisk, Options, snapshot,
};

use crate::simulation::model::Model;
use crate::support::*;

/// What became of a step.
enum Step {
    Done,
    /// Refused and taken back: the same step may be tried again.
    Again,
    /// The process is at its end.
    Over,
}

struct Life {
    disk: FaultyDisk,
    model: Model,
    log: Option<Log>,
    unique: u64,
    purges: u64,
}

fn small_options() -> Options {
    Options {
        segment_bytes: 8 * 1024,
        ..options()
    }
}

impl Life {
    fn failed(&mut self, error: &Error) -> Step {
        assert_eq!(self.disk.met().len(), 1, "without a fault: {error}");
        let Some(log) = &mut self.log else {
            return Step::Over;
        };
        if self.disk.is_dead() {
            return Step::Over;
        }
        if error.refuses_writes() {
            // No second sync is believed, and no write is taken.
            assert!(log.sync().is_err(), "after {error}");
            let next = command(0, 1, 1 << 40, 0, 1);
            assert!(log.append(&[&batch([&next])]).is_err(), "after {error}");
            assert!(log.refusal().is_some());
            // Reads go on.
            assert!(all(log).is_ok(), "after {error}");
            return Step::Over;
        }
        Step::Again
    }

    fn open(&mut self) -> Step {
        let shared: Arc<dyn Disk> = Arc::new(self.disk.clone());
        match Log::open(shared, small_options()) {
            Ok((log, _)) => {
                self.log = Some(log);
                Step::Done
            }
            Err(error) => {
                assert_eq!(self.disk.met().len(), 1, "without a fault: {error}");
                match error {
                    Error::Io { .. } | Error::Full { .. } | Error::SyncFailed { .. } => Step::Over,
                    error => panic!("{error}"),
                }
            }
        }
    }

    fn append(&mut self) -> Step {
        let Some(log) = &mut self.log else {
            return Step::Over;
        };
        self.unique += 1;
        let group = self.unique % 2;
        let last = log.group(group).map_or(0, |group| group.last.index);
        let bytes = (self.unique * 37 % 200) as usize;
        let records = vec![
            command(group, 1, last + 1, self.unique, bytes),
            plain(group, Kind::Committed, id(1, last), self.unique),
        ];
        match log.append(&[&batch(&records)]) {
            Ok(_) => {
                self.model.frames.push(records);
                Step::Done
            }
            Err(error) => {
                if matches!(error, Error::SyncFailed { .. }) {
                    self.model.frames.push(records);
                }
                self.failed(&error)
            }
        }
    }

    fn sync(&mut self) -> Step {
        let Some(log) = &mut self.log else {
            return Step::Over;
        };
        match log.sync() {
            Ok(_) => {
                self.model.promised = self.model.frames.len();
                Step::Done
            }
            Err(error) => self.failed(&error),
        }
    }

    fn purge(&mut self) -> Step {
        self.purges += 1;
        let group = self.purges % 2;
        let Some(log) = &mut self.log else {
            return Step::Over;
        };
        let Some(last) = log.group(group).map(|known| known.last) else {
            return Step::Done;
        };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let content = last.index.to_le_bytes();
        self.model
            .snapshots
            .insert((group, last.index), content.to_vec());
        let verified = match snapshot(Arc::clone(&disk), group, last, &[&content]) {
            Ok(verified) => verified,
            Err(error) => {
                assert_eq!(self.disk.met().len(), 1, "without a fault: {error}");
                return if self.disk.is_dead() {
                    Step::Over
                } else {
                    Step::Again
                };
            }
        };
        let before = log.group(group).map(|known| known.purged);
        let result = log.purge(&verified, last);
        let written = log.group(group).map(|known| known.purged) != before;
        if written || matches!(result, Err(Error::SyncFailed { .. })) {
            let record = plain(group, Kind::Purge, last, 0);
            self.model.frames.push(vec![record]);
        }
        if let Err(error) = result {
            return match self.failed(&error) {
                // The record is there; the segments go with the next purge.
                Step::Again if written => Step::Done,
                other => other,
            };
        }
        self.model.promised = self.model.frames.len();
        match snapshot::remove(&*disk, group, 1) {
            Ok(_) => Step::Done,
            Err(_) if self.disk.is_dead() => Step::Over,
            Err(_) => Step::Done,
        }
    }

    fn prepare(&mut self) -> Step {
        let Some(log) = &mut self.log else {
            return Step::Over;
        };
        match log.preparation() {
            Ok(None) => Step::Done,
            Ok(Some(preparation)) => match log.install(preparation.run()) {
                Ok(()) => Step::Done,
                Err(error) => self.failed(&error),
            },
            Err(error) => self.failed(&error),
        }
    }

    fn close(&mut self) -> Step {
        let Some(log) = self.log.take() else {
            return Step::Over;
        };
        match log.close() {
            Ok(()) => {
                self.model.promised = self.model.frames.len();
                Step::Done
            }
            Err(error) => {
                assert_eq!(self.disk.met().len(), 1, "without a fault: {error}");
                Step::Over
            }
        }
    }

    /// The whole life: some hundred calls of the kinds that matter.
    fn live(&mut self, rounds: u64) {
        for round in 0..rounds {
            let mut steps: Vec<fn(&mut Self) -> Step> = vec![Self::open];
            for at in 0..48 {
                steps.push(Self::append);
                if at % 2 == 0 {
                    steps.push(Self::sync);
                }
                if at % 8 == 0 {
                    steps.push(Self::prepare);
                }
                if at % 16 == 15 {
                    steps.push(Self::purge);
                }
            }
            // The last process is killed.
            if round + 1 < rounds {
                steps.push(Self::close);
            }
            for step in steps {
                let mut outcome = step(self);
                if matches!(outcome, Step::Again) {
                    // It failed once; the second time it must not.
                    outcome = step(self);
                    assert!(!matches!(outcome, Step::Again));
                }
                if matches!(outcome, Step::Over) {
                    self.log = None;
                    return;
                }
            }
        }
        self.log = None;
    }
}

fn one(fault: Fault, how: Crash, rounds: u64) -> bool {
    let memory = MemoryDisk::new(9);
    let mut life = Life {
        disk: FaultyDisk::new(Arc::new(memory.clone()), vec![fault]),
        model: Model::default(),
        log: None,
        unique: 0,
        purges: 0,
    };
    life.live(rounds);
    let met = !life.disk.met().is_empty();
    let memory = memory.crash(how);
    let shared: Arc<dyn Disk> = Arc::new(memory);
    let opened = Log::open(Arc::clone(&shared), small_options());
    let (mut log, _) = opened.unwrap_or_else(|error| panic!("{fault:?}, {how:?}: {error}"));
    life.model
        .recovered(&log, &shared)
        .unwrap_or_else(|problem| panic!("{fault:?}, {how:?}: {problem}"));
    let last = log.group(0).map_or(0, |group| group.last.index);
    log.append(&[&batch([&command(0, 1, last + 1, 1, 1)])])
        .unwrap();
    log.close().unwrap();
    met
}

/// Every `step`-th of the first 300 calls, as far as a life of so many processes has them; says how far that was.
fn each(call: Call, step: usize, rounds: u64) -> u64 {
    let mut reached = u64::MAX;
    for how in [How::Error, How::Full, How::Short, How::Death] {
        let mut last = 0;
        for nth in (1..=300).step_by(step) {
            let crash = if nth % 3 == 0 {
                Crash::Drop
            } else {
                Crash::Tear(nth)
            };
            if !one(Fault { call, nth, how }, crash, rounds) {
                assert!(nth > 1, "{call:?} never comes");
                break;
            }
            last = nth;
        }
        reached = reached.min(last);
    }
    reached
}

#[test]
fn each_write_may_fail() {
    each(Call::Write, 7, 3);
}

#[test]
fn each_sync_may_fail() {
    each(Call::Sync, 3, 3);
}

#[test]
fn each_change_of_a_name_may_fail() {
    for call in [
        Call::SyncDirectory,
        Call::Rename,
        Call::Remove,
        Call::Create,
    ] {
        each(call, 1, 3);
    }
}

#[test]
fn each_look_may_fail() {
    each(Call::Read, 3, 3);
    each(Call::Open, 3, 3);
    each(Call::List, 1, 3);
}

#[test]
#[ignore = "long: every one of the first 300 calls of every kind"]
fn each_call_may_fail() {
    for call in Call::ALL {
        let rounds = match call {
            Call::Write | Call::Sync => 12,
            _ => 60,
        };
        let reached = each(call, 1, rounds);
        println!("{call:?}: the first {reached}");
        let rare = matches!(call, Call::Remove | Call::List);
        assert!(reached == 300 || rare, "{call:?}: {reached}");
    }
}
