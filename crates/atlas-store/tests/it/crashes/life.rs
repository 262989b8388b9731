//! One seed: some lives of a store on one disk.

use std::sync::Arc;
use std::time::Duration;

use atlas_base::{ByteSize, TimeSpan};
use atlas_store::{Error, Fsync, Planted, StoreConfig};
use atlas_testkit::history::{Client, History, Load, Promise, Random, Verdict};
use atlas_wal::{Call, Crash, Fault, FaultyDisk, How, MemoryDisk};

use crate::support::Running;

/// All that clients do in a life is done by then, however busy the machine is.
pub(super) const LONG: Duration = Duration::from_secs(300);

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats {
    pub(super) lives: u64,
    pub(super) cuts: u64,
    pub(super) kills: u64,
    pub(super) stops: u64,
    pub(super) faults: u64,
    pub(super) full: u64,
    pub(super) snapshots: u64,
    pub(super) answered: u64,
    pub(super) refused: u64,
    /// What was answered and is gone, in modes that may.
    pub(super) lost: u64,
    pub(super) unanswered_kept: u64,
}

impl Stats {
    pub(super) fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.cuts += other.cuts;
        self.kills += other.kills;
        self.stops += other.stops;
        self.faults += other.faults;
        self.full += other.full;
        self.snapshots += other.snapshots;
        self.answered += other.answered;
        self.refused += other.refused;
        self.lost += other.lost;
        self.unanswered_kept += other.unanswered_kept;
    }

    pub(super) fn looked(&mut self, verdict: &Verdict) {
        self.answered += verdict.answered;
        self.refused += verdict.refused;
        self.lost += verdict.lost;
        self.unanswered_kept += verdict.unanswered_kept;
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The power is cut.
    Cut,
    /// The process is killed.
    Kill,
    /// It is told to stop.
    Stop,
}

pub(super) struct Life {
    random: Random,
    /// In percent of lives.
    faults: u64,
    full: u64,
    config: StoreConfig,
    memory: MemoryDisk,
    history: History,
    planted: Option<Planted>,
    is_traced: bool,
    stats: Stats,
}

impl Life {
    pub(super) fn new(seed: u64, planted: Option<Planted>, is_traced: bool) -> Self {
        let mut random = Random::new(seed ^ 0xa71a5);
        let fsync = match random.below(6) {
            0 => Fsync::Interval,
            1 => Fsync::None,
            _ => Fsync::Every,
        };
        let config = StoreConfig {
            fsync,
            fsync_interval: TimeSpan::from_millis(1 + random.below(20)),
            log_segment_bytes: ByteSize(8192 << random.below(3)),
            ..StoreConfig::default()
        };
        let writers = 1 + random.below(4) as usize;
        Self {
            faults: [0, 30, 70][random.below(3) as usize],
            full: [0, 0, 40][random.below(3) as usize],
            config,
            memory: MemoryDisk::new(random.next()),
            history: History::new(random.next(), writers),
            random,
            planted,
            is_traced,
            stats: Stats::default(),
        }
    }

    fn trace(&self, text: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{}", text());
        }
    }

    pub(super) fn go(mut self) -> Result<Stats, String> {
        let lives = 2 + self.random.below(4);
        self.trace(|| format!("{:?}", self.config));
        let mut promise = Promise::Everything;
        for _ in 0..lives {
            promise = self.live(promise)?;
        }
        // In the end the disk is well: what is there is still there, writes are taken, and after a clean stop all is.
        (self.faults, self.full) = (0, 0);
        let store = self.start(&FaultyDisk::new(Arc::new(self.memory.clone()), Vec::new()))?;
        self.verify(&store, promise)?;
        let load = Load {
            actions_max: 10,
            batch_max: 4,
            readers: 1,
            consumers: 1,
            is_read_durable: self.is_log_first(),
        };
        let in_time = self.history.live(store.listen, &load, |progress| {
            progress.wait(u64::MAX, LONG, || false)
        })?;
        if !in_time {
            return Err("a store whose disk is well does not answer".into());
        }
        store.stop();
        let store = self.start(&FaultyDisk::new(Arc::new(self.memory.clone()), Vec::new()))?;
        let verdict = self.verify(&store, Promise::Everything)?;
        if verdict.refused > 0 || verdict.answered == 0 {
            return Err(format!(
                "a store whose disk is well refuses writes: {verdict:?}"
            ));
        }
        store.stop();
        Ok(self.stats)
    }

    fn is_log_first(&self) -> bool {
        self.config.fsync == Fsync::Every
    }

    fn start(&self, disk: &FaultyDisk) -> Result<Running, String> {
        self.try_start(disk).map_err(|error| told(&error))
    }

    fn try_start(&self, disk: &FaultyDisk) -> Result<Running, Error> {
        Running::on(Arc::new(disk.clone()), self.config.clone(), self.planted)
    }

    fn verify(&mut self, store: &Running, promise: Promise) -> Result<Verdict, String> {
        let verdict = self.history.verify(store.listen, promise)?;
        self.trace(|| format!("found by {promise:?}: {verdict:?}"));
        self.stats.looked(&verdict);
        Ok(verdict)
    }

    /// One life; what is promised for the next.
    fn live(&mut self, promise: Promise) -> Result<Promise, String> {
        self.stats.lives += 1;
        let disk = FaultyDisk::new(Arc::new(self.memory.clone()), Vec::new());
        if self.random.percent(self.faults) {
            self.plan(&disk);
        }
        let mut store = match self.try_start(&disk) {
            Ok(store) => store,
            Err(error) if disk.met().is_empty() => return Err(told(&error)),
            Err(error) => {
                self.trace(|| format!("not started: {}", told(&error)));
                self.stats.faults += 1;
                let promise = match self.after(&disk, false) {
                    Promise::Everything => promise,
                    Promise::Beginning => Promise::Beginning,
                };
                return Ok(self.ended(&disk, promise));
            }
        };
        store.is_doomed = true;
        self.verify(&store, promise)?;
        let is_full = self.random.percent(self.full);
        if is_full {
            self.stats.full += 1;
            let room = self.random.below(40_000);
            self.memory
                .set_capacity(Some(self.memory.used_bytes() + room));
        }
        let load = Load {
            actions_max: 3 + self.random.below(60),
            batch_max: 1 + self.random.below(12),
            readers: self.random.below(3) as usize,
            consumers: self.random.below(3) as usize,
            is_read_durable: self.is_log_first(),
        };
        let end = match self.random.below(10) {
            0..=5 => End::Cut,
            6 | 7 => End::Kill,
            _ => End::Stop,
        };
        let enough = self.random.below(load.actions_max * 2);
        let how = self.draw_crash();
        let memory = self.memory.clone();
        self.trace(|| format!("{load:?}, after {enough} {end:?} {how:?}, full {is_full}"));
        let (in_time, cut) = self.history.live(store.listen, &load, |progress| {
            let in_time = progress.wait(enough, LONG, || disk.is_dead());
            // What dies in one of its calls is dead already.
            let cut = match end {
                _ if disk.is_dead() => None,
                End::Cut => Some(memory.crash(how)),
                End::Kill => Some(memory.restart()),
                End::Stop => None,
            };
            // Nothing is written any more: whoever waits for an answer has it soon.
            (
                in_time && progress.wait(u64::MAX, LONG, || cut.is_some() || disk.is_dead()),
                cut,
            )
        })?;
        if !in_time {
            return Err("clients were not answered in time".into());
        }
        if !disk.is_dead() {
            let info =
                Client::connect(store.listen).and_then(|mut client| client.ask("info persistence"));
            let has_snapshot = info.is_some_and(|info| !info.contains("snapshot_index:0\r"));
            self.stats.snapshots += u64::from(has_snapshot);
        }
        if end == End::Stop && self.random.percent(40) {
            // It dies on the way.
            let call = [Call::Write, Call::Sync][self.random.below(2) as usize];
            disk.add(Fault {
                call,
                nth: disk.counts().of(call) + 1 + self.random.below(2),
                how: How::Death,
            });
        }
        store.stop();
        self.memory.set_capacity(None);
        self.trace(|| format!("met {:?}", disk.met()));
        self.stats.faults += disk.met().len() as u64;
        let mut next = self.after(&disk, end == End::Cut && cut.is_some());
        match cut {
            Some(memory) => {
                self.memory = memory;
                self.memory.set_capacity(None);
                match end {
                    End::Cut => self.stats.cuts += 1,
                    _ => self.stats.kills += 1,
                }
            }
            None if disk.is_dead() => next = self.ended(&disk, next),
            None => {
                self.stats.stops += 1;
                self.memory = self.memory.restart();
            }
        }
        Ok(next)
    }

    /// What a mode promises after such a life.
    fn after(&self, disk: &FaultyDisk, is_cut: bool) -> Promise {
        // A sync that failed has lost what it should have written, as a power cut does.
        let has_failed = disk.met().iter().any(|fault| fault.call == Call::Sync);
        if self.is_log_first() || !(is_cut || has_failed) {
            Promise::Everything
        } else {
            Promise::Beginning
        }
    }

    /// A process has died of its disk: with the power or alone.
    fn ended(&mut self, disk: &FaultyDisk, promise: Promise) -> Promise {
        if disk.is_dead() && self.random.percent(70) {
            self.stats.cuts += 1;
            let how = self.draw_crash();
            self.memory = self.memory.crash(how);
            return if self.is_log_first() {
                promise
            } else {
                Promise::Beginning
            };
        }
        self.stats.kills += 1;
        self.memory = self.memory.restart();
        promise
    }

    fn draw_crash(&mut self) -> Crash {
        match self.random.below(3) {
            0 => Crash::Drop,
            _ => Crash::Tear(self.random.next()),
        }
    }

    fn plan(&mut self, disk: &FaultyDisk) {
        let calls = [
            (Call::Write, 60),
            (Call::Write, 60),
            (Call::Sync, 40),
            (Call::Sync, 40),
            (Call::SyncDirectory, 8),
            (Call::Rename, 6),
            (Call::Remove, 6),
            (Call::Create, 6),
            (Call::Read, 80),
            (Call::Open, 20),
        ];
        for _ in 0..=self.random.below(3) {
            let (call, bound) = calls[self.random.below(calls.len() as u64) as usize];
            let hows = [How::Error, How::Full, How::Short, How::Death];
            let fault = Fault {
                call,
                nth: 1 + self.random.below(bound),
                how: hows[self.random.below(4) as usize],
            };
            self.trace(|| format!("planned: {fault:?}"));
            disk.add(fault);
            if call == Call::Write && fault.how == How::Short && self.random.percent(70) {
                // Half of it is written, and then there is no room.
                disk.add(Fault {
                    nth: fault.nth + 1,
                    how: How::Full,
                    ..fault
                });
            }
        }
    }
}

/// An error with its causes.
pub(super) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
