//! One seed.

use std::sync::Arc;

use atlas_wal::{
    Batch, Call, Crash, Disk, Error, Fault, FaultyDisk, How, Kind, Log, MemoryDisk, Options,
    OwnedRecord, Planted, Recovery, SnapshotWriter, snapshot,
};

use super::Random;
use super::damage;
use super::model::Model;
use crate::support::{batch, command, id, options, plain, snapshot_header};

/// How often what happened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) cuts: u64,
    pub(crate) restarts: u64,
    pub(crate) torn: u64,
    pub(crate) clean: u64,
    pub(crate) refused_writes: u64,
    pub(crate) full: u64,
    pub(crate) damaged: u64,
    pub(crate) purged: u64,
    pub(crate) rotations: u64,
    pub(crate) records: u64,
    trace: Vec<String>,
}

impl Stats {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.torn += other.torn;
        self.clean += other.clean;
        self.refused_writes += other.refused_writes;
        self.full += other.full;
        self.damaged += other.damaged;
        self.purged += other.purged;
        self.rotations += other.rotations;
        self.records += other.records;
    }
}

/// Rates of this seed, in percent of steps: some seeds have no fault, some have many.
#[derive(Debug)]
struct Weather {
    faults: u64,
    cuts: u64,
    restarts: u64,
    syncs: u64,
    large: u64,
}

pub(crate) struct Run {
    random: Random,
    weather: Weather,
    options: Options,
    memory: MemoryDisk,
    disk: FaultyDisk,
    log: Option<Log>,
    model: Model,
    unique: u64,
    planted: Option<Planted>,
    traced: bool,
    stats: Stats,
}

impl Run {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, traced: bool) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let weather = Weather {
            faults: [0, 2, 10, 25][random.below(4) as usize],
            cuts: [1, 5, 12][random.below(3) as usize],
            restarts: [0, 4, 8][random.below(3) as usize],
            syncs: [10, 30, 60][random.below(3) as usize],
            large: [0, 5, 20][random.below(3) as usize],
        };
        let options = Options {
            segment_bytes: 8192 + 4096 * random.below(3),
            frame_alignment_bytes: [8, 8, 8, 512][random.below(4) as usize],
            planted,
            ..options()
        };
        let memory = MemoryDisk::new(random.next());
        Self {
            disk: FaultyDisk::new(Arc::new(memory.clone()), Vec::new()),
            random,
            weather,
            options,
            memory,
            log: None,
            model: Model::default(),
            unique: 0,
            planted,
            traced,
            stats: Stats::default(),
        }
    }

    fn trace(&mut self, text: impl FnOnce() -> String) {
        if self.traced {
            let text = text();
            if std::env::var_os("ATLAS_WAL_SEED").is_some() {
                println!("{text}");
            }
            self.stats.trace.push(text);
        }
    }

    pub(crate) fn go(mut self) -> Result<Stats, String> {
        self.reopen()?;
        let steps = 20 + self.random.below(80);
        for _ in 0..steps {
            self.step()?;
        }
        // In the end the disk is well again: the log must open, take a record, and stop cleanly.
        self.weather.faults = 0;
        self.cut();
        self.reopen()?;
        self.append()?;
        self.sync()?;
        self.close()?;
        let recovery = self.reopen()?;
        if !recovery.clean {
            return Err("a clean stop is not known as one".into());
        }
        Ok(self.stats)
    }

    fn step(&mut self) -> Result<(), String> {
        if self.random.percent(self.weather.faults) {
            self.plan_fault();
        }
        if self.disk.is_dead() {
            if self.random.percent(70) {
                self.cut();
            } else {
                self.restart();
            }
            self.reopen()?;
            return Ok(());
        }
        if self.random.percent(self.weather.cuts) {
            self.cut();
            self.reopen()?;
        } else if self.random.percent(self.weather.restarts) {
            self.restart();
            self.reopen()?;
        } else if self.random.percent(self.weather.syncs) {
            self.sync()?;
        } else if self.random.percent(4) {
            self.prepare()?;
        } else if self.random.percent(4) {
            self.snapshot_and_purge()?;
        } else if self.random.percent(4) {
            self.close()?;
            if self.random.percent(60) {
                self.damage()?;
            }
            if self.random.percent(50) {
                self.cut();
            } else {
                self.restart();
            }
            self.reopen()?;
        } else {
            self.append()?;
        }
        Ok(())
    }

    fn plan_fault(&mut self) {
        let call = [
            Call::Write,
            Call::Write,
            Call::Sync,
            Call::Sync,
            Call::SyncDirectory,
            Call::Rename,
            Call::Remove,
            Call::Create,
            Call::Read,
        ][self.random.below(9) as usize];
        let nth = self.disk.counts().of(call) + 1 + self.random.below(2);
        let how = [How::Error, How::Full, How::Short, How::Death][self.random.below(4) as usize];
        self.trace(|| format!("planned: {call:?} {nth} {how:?}"));
        self.disk.add(Fault { call, nth, how });
        if call == Call::Write && how == How::Short && self.random.percent(70) {
            let how = How::Full;
            self.disk.add(Fault {
                call,
                nth: nth + 1,
                how,
            });
        }
    }

    fn next_disk(&mut self, memory: MemoryDisk) {
        self.log = None;
        self.disk = FaultyDisk::new(Arc::new(memory.clone()), Vec::new());
        self.memory = memory;
    }

    fn cut(&mut self) {
        let how = if self.random.percent(30) {
            Crash::Drop
        } else {
            Crash::Tear(self.random.next())
        };
        self.trace(|| format!("power cut: {how:?}"));
        self.stats.cuts += 1;
        self.log = None;
        let memory = self.memory.crash(how);
        self.next_disk(memory);
    }

    fn restart(&mut self) {
        self.trace(|| "restart".into());
        self.stats.restarts += 1;
        self.log = None;
        let memory = self.memory.restart();
        self.next_disk(memory);
    }

    /// Opens the log, on a disk that may fail; each failure is a process that ended.
    fn reopen(&mut self) -> Result<Recovery, String> {
        for attempt in 0.. {
            if attempt < 3 && self.random.percent(self.weather.faults) {
                self.plan_fault();
            }
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            match Log::open(disk, self.options.clone()) {
                Ok((log, recovery)) => {
                    self.trace(|| format!("opened: {recovery:?}"));
                    self.stats.torn += recovery.torn.len() as u64;
                    self.stats.clean += u64::from(recovery.clean);
                    let met = self.disk.met().len();
                    let well: Arc<dyn Disk> = Arc::new(self.memory.clone());
                    match self.model.recovered(&log, &well) {
                        Ok(()) => {}
                        // A read that was planned to fail shows nothing.
                        Err(_) if self.disk.met().len() > met => {
                            drop(log);
                            self.restart();
                            continue;
                        }
                        Err(problem) => return Err(problem),
                    }
                    self.log = Some(log);
                    return Ok(recovery);
                }
                Err(error) => {
                    self.trace(|| format!("not opened: {error}"));
                    let excused = matches!(
                        error,
                        Error::Io { .. } | Error::Full { .. } | Error::SyncFailed { .. }
                    ) && !self.disk.met().is_empty();
                    if !excused {
                        return Err(format!("the log does not open: {error}"));
                    }
                    if self.random.percent(50) {
                        self.cut();
                    } else {
                        self.restart();
                    }
                }
            }
        }
        unreachable!("without a fault it opens or the run ends");
    }

    fn next_records(&mut self) -> Vec<OwnedRecord> {
        let mut groups = self.model.groups(self.model.frames.len());
        let count = 1 + self.random.below(4);
        let mut records = Vec::new();
        for _ in 0..count {
            self.unique += 1;
            let number = self.random.below(3);
            let last = groups.entry(number).or_default().last;
            let safe = self
                .model
                .snapshots
                .range((number, 0)..=(number, u64::MAX))
                .next_back()
                .map_or(0, |(&(_, index), _)| index)
                .max(groups[&number].purged.index);
            let term = last.term.max(1);
            let record = match self.random.below(30) {
                0 => plain(number, Kind::Vote, id(term + 1, 0), self.unique),
                1 => plain(number, Kind::Committed, last, self.unique),
                2 if last.index > safe => {
                    // What a snapshot has is committed, and never truncated.
                    let index = last.index - self.random.below(last.index - safe).min(3);
                    plain(number, Kind::Truncate, id(term + 1, index), self.unique)
                }
                3 => plain(
                    number,
                    Kind::Blank,
                    id(term + 1, last.index + 1),
                    self.unique,
                ),
                _ => {
                    let bytes = if self.random.percent(self.weather.large) {
                        self.random.below(9_000)
                    } else {
                        self.random.below(30) * 8
                    };
                    command(number, term, last.index + 1, self.unique, bytes as usize)
                }
            };
            // Several records of one group follow one another within the batch.
            let group = groups.entry(number).or_default();
            let kind = record.plain().kind;
            if kind.takes_index() {
                group.last = id(record.plain().term, record.plain().index);
            } else if kind == Kind::Truncate {
                group.last = id(term, record.plain().index - 1);
            }
            records.push(record);
        }
        records
    }

    fn append(&mut self) -> Result<(), String> {
        let records = self.next_records();
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let before = log.written().segment;
        let half = records.len() / 2;
        let result = if half > 0 && records.len().is_multiple_of(2) {
            log.append(&[
                &batch(&records[..half]),
                &Batch::new(),
                &batch(&records[half..]),
            ])
        } else {
            log.append(&[&batch(&records)])
        };
        self.stats.rotations += log.written().segment - before;
        self.stats.records += records.len() as u64;
        self.trace(|| format!("append {} records: {result:?}", records.len()));
        match result {
            Ok(_) => self.model.frames.push(records),
            Err(error) => self.failed(error, Some(records))?,
        }
        Ok(())
    }

    /// An append, a sync or a close did not succeed.
    fn failed(&mut self, error: Error, records: Option<Vec<OwnedRecord>>) -> Result<(), String> {
        match error {
            Error::Full { .. } => self.stats.full += 1,
            Error::Io { .. } => {}
            Error::SyncFailed { .. } => {
                self.stats.refused_writes += 1;
                // It may be there or not.
                self.model.frames.extend(records);
                self.must_refuse()?;
            }
            Error::Refusing { .. } => {}
            error => return Err(format!("the log refuses what is right: {error}")),
        }
        if self.disk.met().is_empty() {
            return Err("a call failed without a fault".into());
        }
        Ok(())
    }

    /// After a failure that cannot be believed nothing is promised any more.
    fn must_refuse(&mut self) -> Result<(), String> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let again = log.sync();
        self.trace(|| format!("sync again: {again:?}"));
        if again.is_ok() {
            // It says so; then it must hold.
            self.model.promised = self.model.frames.len();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let result = log.sync();
        self.trace(|| format!("sync: {result:?}"));
        match result {
            Ok(_) => self.model.promised = self.model.frames.len(),
            Err(error) => self.failed(error, None)?,
        }
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), String> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let preparation = log.preparation();
        let result = match preparation {
            Ok(Some(preparation)) => log.install(preparation.run()),
            Ok(None) => return Ok(()),
            Err(error) => Err(error),
        };
        self.trace(|| format!("written ahead: {result:?}"));
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.failed(error, None),
        }
    }

    fn snapshot_and_purge(&mut self) -> Result<(), String> {
        self.sync()?;
        if self.model.promised < self.model.frames.len() {
            return Ok(());
        }
        let groups = self.model.groups(self.model.frames.len());
        let number = self.random.below(3);
        let Some(group) = groups.get(&number).filter(|group| group.last.index > 0) else {
            return Ok(());
        };
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let at = group.last;
        // The same at the same index, as the state would be.
        let length = (at.index * 577 + number * 31) % 2_000;
        let content: Vec<u8> = (0..length).map(|byte| (byte * at.index) as u8).collect();
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let write = || {
            let mut writer =
                SnapshotWriter::create(Arc::clone(&disk), snapshot_header(number, at))?
                    .plant(self.planted);
            for (kind, block) in content.chunks(700).enumerate() {
                writer.block(kind as u16, block)?;
            }
            writer.finish()
        };
        // Also one whose end failed may be there.
        self.model
            .snapshots
            .insert((number, at.index), content.clone());
        let verified = match write() {
            Ok(verified) => verified,
            Err(error) => {
                self.trace(|| format!("snapshot: {error}"));
                return match error {
                    Error::Corrupt { .. } => {
                        Err(format!("a snapshot was read back wrong: {error}"))
                    }
                    _ => self.failed_beside(),
                };
            }
        };
        let back = self.random.below(group.live.len() as u64 + 1).min(3);
        let up_to = match back {
            0 => at,
            back => match log
                .group(number)
                .and_then(|known| known.id_of(at.index - back))
            {
                Some(up_to) if up_to.index > 0 => up_to,
                _ => at,
            },
        };
        let result = log.purge(&verified, up_to);
        let known = log.group(number).map(|known| known.purged);
        self.trace(|| format!("snapshot of {number} at {at:?}, purge up to {up_to:?}: {result:?}"));
        let record = plain(number, Kind::Purge, up_to, 0);
        match result {
            Ok(_) => {
                self.stats.purged += 1;
                self.model.frames.push(vec![record]);
                self.model.promised = self.model.frames.len();
                if self.random.percent(50) {
                    let removed = snapshot::remove(&*disk, number, 1);
                    self.trace(|| format!("older snapshots: {removed:?}"));
                }
                Ok(())
            }
            // The record may be written, and even durable.
            Err(error) => {
                let written = known == Some(up_to) && group.purged != up_to;
                match (&error, written) {
                    (Error::SyncFailed { .. }, _) => self.failed(error, Some(vec![record])),
                    (_, true) => {
                        self.model.frames.push(vec![record]);
                        self.failed(error, None)
                    }
                    _ => self.failed(error, None),
                }
            }
        }
    }

    /// Something beside the log failed.
    fn failed_beside(&self) -> Result<(), String> {
        if self.disk.met().is_empty() {
            return Err("a call failed without a fault".into());
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        if self.random.percent(self.weather.faults) {
            let nth = self.disk.counts().of(Call::Sync) + 1 + self.random.below(2);
            let how = [How::Error, How::Death][self.random.below(2) as usize];
            self.disk.add(Fault {
                call: Call::Sync,
                nth,
                how,
            });
        }
        let Some(log) = self.log.take() else {
            return Ok(());
        };
        let result = log.close();
        self.trace(|| format!("close: {result:?}"));
        match result {
            Ok(()) => self.model.promised = self.model.frames.len(),
            Err(error) => self.failed(error, None)?,
        }
        Ok(())
    }

    /// Damages what a clean stop proved: the log must not open.
    fn damage(&mut self) -> Result<(), String> {
        if self.model.promised < self.model.frames.len() || !self.disk.met().is_empty() {
            return Ok(());
        }
        let purged = !self.model.snapshots.is_empty();
        let Some(damage) = damage::inflict(&self.memory, &mut self.random, purged) else {
            return Ok(());
        };
        self.trace(|| format!("damage: {damage:?}"));
        self.stats.damaged += 1;
        let before = self.memory.names();
        let opened = Log::open(Arc::new(self.memory.clone()), self.options.clone());
        match opened {
            Err(Error::Corrupt { file, .. }) if file.ends_with(&damage.file) => {}
            Err(Error::MissingSegment { .. }) if damage.what == "taken away" => {}
            Err(error) => {
                return Err(format!("{damage:?} was found, but as: {error}"));
            }
            Ok(_) => return Err(format!("{} {} was not found", damage.file, damage.what)),
        }
        if self.memory.names() != before {
            return Err("a refused directory was changed".into());
        }
        damage.mend(&self.memory);
        Ok(())
    }
}
