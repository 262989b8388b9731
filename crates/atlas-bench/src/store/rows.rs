//! The rows of the table: what is done with a target, and which figures come of it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::bullmq;
use super::clients::{Clients, Command, Group, KEY_BYTES, Keys, Measured};
use super::{Options, Report, Setting, Standing, Sync, Target};
use crate::Error;
use crate::process::{cpu_time, memory};

/// Bytes of the values that rates are measured with.
const VALUE_BYTES: usize = 64;
/// The time of a sync where a slower disk is injected.
const SYNC_TIMES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(5),
];

/// One row: a question and its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `SET` and `GET` without syncs.
    Commands,
    /// `SET` with a sync before each answer.
    Durable,
    /// Reads beside durable writes on a slow disk.
    Reads,
    /// Memory a key.
    Memory,
    /// Writes while a snapshot is taken.
    Snapshot,
    /// A start from a snapshot and the log behind it.
    Start,
    /// Jobs by BullMQ.
    Bullmq,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Commands,
        Self::Durable,
        Self::Reads,
        Self::Memory,
        Self::Snapshot,
        Self::Start,
        Self::Bullmq,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Durable => "durable",
            Self::Reads => "reads",
            Self::Memory => "memory",
            Self::Snapshot => "snapshot",
            Self::Start => "start",
            Self::Bullmq => "bullmq",
        }
    }

    /// Measures it once with one target.
    ///
    /// # Errors
    /// If the target cannot be started or does not do what it has to.
    pub(super) fn measure(
        self,
        setting: &Setting,
        target: Target,
        options: &Options,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut turn = Turn {
            setting,
            target,
            options,
            report,
        };
        match self {
            Self::Commands => turn.commands(),
            Self::Durable => turn.durable(),
            Self::Reads => turn.reads(),
            Self::Memory => turn.memory(),
            Self::Snapshot => turn.snapshot(),
            Self::Start => turn.start(),
            Self::Bullmq => turn.bullmq(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Row {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|row| row.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|row| row.name()).collect();
                format!("no such row; there are {}", names.join(", "))
            })
    }
}

/// One target's turn at one row.
struct Turn<'a> {
    setting: &'a Setting,
    target: Target,
    options: &'a Options,
    report: &'a mut Report,
}

impl Turn<'_> {
    fn keys(&self) -> Keys {
        Keys {
            count: self.options.keys,
            value_bytes: VALUE_BYTES,
        }
    }

    fn figure(&mut self, case: &str, figure: &'static str, reach: &'static str, value: f64) {
        self.report.figure(case, figure, reach, self.target, value);
    }

    /// Starts the target and fills it with the keys that the clients choose from.
    fn filled(&self, sync: Sync, sync_time: Duration) -> Result<Standing, Error> {
        if !sync_time.is_zero() {
            // Filled at full speed, then started again with the slow disk.
            let standing = self
                .setting
                .start(self.target, Sync::Never, Duration::ZERO, false)?;
            standing.session()?.fill(0, self.keys(), KEY_BYTES)?;
            standing.stop();
            return self.setting.start(self.target, sync, sync_time, true);
        }
        let standing = self.setting.start(self.target, sync, sync_time, false)?;
        standing.session()?.fill(0, self.keys(), KEY_BYTES)?;
        Ok(standing)
    }

    fn work(&self, standing: &Standing, groups: &[Group]) -> Result<Measured, Error> {
        let mut clients = Clients::connect(standing.address, self.keys(), groups)?;
        let length = self.options.length();
        clients.measure(standing.process, length.div_f64(4.0), |passed| {
            passed >= length
        })
    }

    fn commands(&mut self) -> Result<(), Error> {
        let standing = self.filled(Sync::Never, Duration::ZERO)?;
        for (command, name) in [(Command::Set, "SET"), (Command::Get, "GET")] {
            for pipeline in [1, 16] {
                let measured = self.work(&standing, &[Group::closed(command, 50, pipeline)])?;
                let case = format!("{name}, no fsync, 50 clients, pipeline {pipeline}");
                let reach = if pipeline == 1 { "≤ 1.0" } else { "≤ 0.67" };
                self.figure(&case, "CPU µs", reach, measured.cpu_us());
                self.figure(&case, "a second", "≥ 1.0", measured.rate());
            }
        }
        Ok(())
    }

    fn durable(&mut self) -> Result<(), Error> {
        for sync_time in SYNC_TIMES {
            let standing = self.filled(Sync::Every, sync_time)?;
            let cases = [(50, 1, "≥ 1.0"), (50, 16, "≥ 1.3"), (1000, 1, "≥ 1.5")];
            for (connections, pipeline, reach) in cases {
                let group = Group::closed(Command::Set, connections, pipeline);
                let measured = self.work(&standing, &[group])?;
                let disk = if sync_time.is_zero() {
                    "the disk's own sync".to_owned()
                } else {
                    format!("sync of {} ms", sync_time.as_millis())
                };
                let case = format!("SET, {disk}, {connections} clients, pipeline {pipeline}");
                self.figure(&case, "a second", reach, measured.rate());
                let p99 = measured.groups[0].latency.value_at_quantile(0.99);
                self.figure(&case, "p99 ms", "", p99 as f64 / 1e6);
            }
        }
        Ok(())
    }

    fn reads(&mut self) -> Result<(), Error> {
        let standing = self.filled(Sync::Every, Duration::from_millis(5))?;
        let gets = Group::open(Command::Get, 20, 2000.0);
        let sets = Group::open(Command::Set, 40, 1000.0);
        let alone = self.work(&standing, std::slice::from_ref(&gets))?;
        let beside = self.work(&standing, &[gets, sets])?;
        let p99 =
            |measured: &Measured| measured.groups[0].latency.value_at_quantile(0.99) as f64 / 1e6;
        let case = "2,000 GETs a second, sync of 5 ms";
        self.figure(case, "p99 ms alone", "", p99(&alone));
        self.figure(
            case,
            "p99 ms beside 1,000 SETs a second",
            "≤ 1 ms more",
            p99(&beside),
        );
        Ok(())
    }

    fn memory(&mut self) -> Result<(), Error> {
        let standing = self
            .setting
            .start(self.target, Sync::Never, Duration::ZERO, false)?;
        let mut session = standing.session()?;
        session.ask(&["PING"])?;
        settle();
        let empty = memory(standing.process).resident;
        let keys = Keys {
            count: self.options.scaled(1_000_000),
            value_bytes: 64,
        };
        session.fill(0, keys, 32)?;
        settle();
        let full = memory(standing.process).resident;
        let each = (full as f64 - empty as f64) / keys.count as f64;
        let case = "1,000,000 keys of 32 B with values of 64 B";
        self.figure(case, "B a key (RSS)", "≤ 0.85", each);
        Ok(())
    }

    /// A gigabyte of values of 1,000 bytes.
    fn gigabyte(&self) -> Keys {
        Keys {
            count: self.options.scaled(1_000_000),
            value_bytes: 1000,
        }
    }

    fn snapshot(&mut self) -> Result<(), Error> {
        let standing = self
            .setting
            .start(self.target, Sync::Every, Duration::ZERO, false)?;
        let mut session = standing.session()?;
        let keys = self.gigabyte();
        session.fill(0, keys, KEY_BYTES)?;
        let writes = Group::open(Command::Set, 40, 1000.0);
        let mut clients = Clients::connect(standing.address, keys, &[writes])?;
        let warm_up = Duration::from_secs(1);
        let length = self.options.length();
        let idle = clients.measure(standing.process, warm_up, |passed| passed >= length)?;
        let before = memory(standing.process).proportional;
        session.ask(&["BGSAVE"])?;
        let began = Instant::now();
        let mut most = before;
        let mut lasted = Duration::ZERO;
        let mut failure = None;
        let during = clients.measure(standing.process, Duration::ZERO, |passed| {
            most = most.max(memory(standing.process).proportional);
            lasted = passed;
            match session.info("rdb_bgsave_in_progress") {
                Ok(running) => running == 0 || began.elapsed() > Duration::from_secs(120),
                Err(error) => {
                    failure = Some(error);
                    true
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        let p99 =
            |measured: &Measured| measured.groups[0].latency.value_at_quantile(0.99) as f64 / 1e6;
        let case = "1,000 SETs a second beside a snapshot of 1 GB";
        self.figure(case, "p99 ms without it", "", p99(&idle));
        self.figure(
            case,
            "p99 ms while it is taken",
            "≤ 2 × without",
            p99(&during),
        );
        self.figure(
            case,
            "more memory, %",
            "≤ 10 %",
            (most as f64 / before as f64 - 1.0) * 100.0,
        );
        self.figure(case, "s that it takes", "", lasted.as_secs_f64());
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        let standing = self
            .setting
            .start(self.target, Sync::Never, Duration::ZERO, false)?;
        let mut session = standing.session()?;
        let keys = self.gigabyte();
        session.fill(0, keys, KEY_BYTES)?;
        let (command, field) = match self.target {
            Target::Redis => ("BGREWRITEAOF", "aof_rewrite_in_progress"),
            Target::Atlas => ("BGSAVE", "rdb_bgsave_in_progress"),
        };
        session.ask(&[command])?;
        let began = Instant::now();
        while session.info(field)? != 0 {
            if began.elapsed() > Duration::from_secs(120) {
                return Err(Error::Late {
                    what: "a snapshot".into(),
                    seconds: 120,
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let more = Keys {
            count: keys.count / 5,
            ..keys
        };
        session.fill(keys.count, more, KEY_BYTES)?;
        drop(session);
        standing.stop();
        let standing = self
            .setting
            .start(self.target, Sync::Never, Duration::ZERO, true)?;
        let found = standing.session()?.ask(&["DBSIZE"])?;
        let expected = format!(":{}", keys.count + more.count);
        if found != expected {
            return Err(Error::peer(
                self.target.name(),
                format!("has {found} keys after its start, not {expected}"),
            ));
        }
        let case = "a start from a snapshot of 1 GB and a log of 200 MB";
        self.figure(case, "s", "≤ 1.0", standing.started_in.as_secs_f64());
        Ok(())
    }

    fn bullmq(&mut self) -> Result<(), Error> {
        let jobs = self.options.scaled(20_000);
        let standing = self
            .setting
            .start(self.target, Sync::Every, Duration::ZERO, false)?;
        let cpu_before = cpu_time(standing.process);
        let rates = bullmq::run(&self.options.bullmq, standing.address, jobs)?;
        let cpu = cpu_time(standing.process).saturating_sub(cpu_before);
        let case = "jobs by BullMQ, the disk's own sync, 50 at a time";
        self.figure(case, "added a second", "", rates.added);
        self.figure(case, "worked on a second", "", rates.worked);
        self.figure(case, "added and worked on a second", "≥ 1.2", rates.through);
        // Three times as many: added first, at once, and all together before that to warm up.
        let each = cpu.as_secs_f64() * 1e6 / (3 * jobs) as f64;
        self.figure(case, "CPU µs a job", "≤ 1.0", each);
        Ok(())
    }
}

/// Programs free and trim a little after the last command.
fn settle() {
    std::thread::sleep(Duration::from_millis(1500));
}
