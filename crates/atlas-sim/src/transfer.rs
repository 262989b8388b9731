//! The session's machine under faults: transfers, failovers, drains and ends of many sessions among servers that keep
//! the fencing rules of the link protocol, links that break and hang, and a directory that refuses, loses, delays and
//! leaves unanswered.
//!
//! A run has two halves. First faults come, at rates that the seed draws. Then everything is healed for good (the
//! liveness phase), and every session must settle, every client still there must get a fresh message answered, and
//! the accounts of input, epochs, transfers and places must balance. The invariants, one file each in `invariants/`,
//! are checked after every event.

use std::ops::Range;

use crate::trace::Trace;

mod ambush;
mod around;
mod coverage;
mod invariants;
mod link;
mod machine;
mod plain_servers;
mod plan;
mod player;
mod queue;
mod rival;
mod server;
mod servers;
mod shell;
mod store;
mod weather;
mod wires;
mod world;

pub use coverage::{Coverage, Pair};

/// How large the runs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// At most so many sessions a run.
    pub sessions_max: u64,
    /// At most so many servers a run, at least 2.
    pub servers_max: u64,
    /// Faults come for at most so long, in virtual milliseconds; at least 5,000.
    pub span_ms_max: u64,
    planted: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions_max: 50,
            servers_max: 6,
            span_ms_max: 30_000,
            planted: None,
        }
    }
}

/// The bugs that can be planted, by name.
pub const PLANTED: &[&str] = &[
    "early-input",
    "early-output",
    "unknown-is-lost",
    "reuse-epoch",
    "no-lease-wait",
    "silent-loss",
    "forget-retained",
    "drop-held-on-abort",
    "no-abort",
    "keep-place",
    "stay-paused",
    "foreign-is-own",
    "pass-any-epoch",
    "plain-early-output",
    "plain-no-hold",
    "plain-no-wait",
    "plain-forget-join",
    "plain-joins-early",
    "plain-deliver-twice",
    "plain-drop-held",
    "plain-kick-is-loss",
    "plain-keep-place",
    "plain-unknown-is-won",
];

/// Why a bug cannot be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotPlant {
    /// The crate was built without its feature `planted-bugs`.
    NotBuilt,
    /// None of [`PLANTED`].
    Unknown,
}

impl std::fmt::Display for CannotPlant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("atlas-sim was built without its feature planted-bugs"),
            Self::Unknown => write!(f, "no such planted bug; there are {}", PLANTED.join(", ")),
        }
    }
}

impl std::error::Error for CannotPlant {}

impl Options {
    /// The same with the bug of this name in the machine; a sweep must find it.
    ///
    /// # Errors
    /// [`CannotPlant`] if the name is not in [`PLANTED`] or the feature `planted-bugs` is off.
    pub fn planted(self, name: &str) -> Result<Self, CannotPlant> {
        let planted = PLANTED
            .iter()
            .find(|it| **it == name)
            .ok_or(CannotPlant::Unknown)?;
        if cfg!(feature = "planted-bugs") {
            Ok(Self {
                planted: Some(planted),
                ..self
            })
        } else {
            Err(CannotPlant::NotBuilt)
        }
    }

    /// The command that replays a seed under these options.
    #[must_use]
    pub fn replay(&self, seed: u64) -> String {
        let default = Self::default();
        let mut command = format!("cargo xtask sim transfer --seed {seed}");
        if self.sessions_max != default.sessions_max {
            command += &format!(" --sessions {}", self.sessions_max);
        }
        if self.servers_max != default.servers_max {
            command += &format!(" --servers {}", self.servers_max);
        }
        if self.span_ms_max != default.span_ms_max {
            command += &format!(" --span-ms {}", self.span_ms_max);
        }
        if let Some(name) = self.planted {
            command += &format!(" --planted {name}");
        }
        command
    }

    #[cfg(feature = "planted-bugs")]
    fn bug(&self) -> Option<machine::Bug> {
        use atlas_world::{Planted, PlantedPlain};
        use machine::Bug::{Cooperative, Plain};
        Some(match self.planted? {
            "early-input" => Cooperative(Planted::EarlyInput),
            "early-output" => Cooperative(Planted::EarlyOutput),
            "unknown-is-lost" => Cooperative(Planted::UnknownIsLost),
            "reuse-epoch" => Cooperative(Planted::ReuseEpoch),
            "no-lease-wait" => Cooperative(Planted::NoLeaseWait),
            "silent-loss" => Cooperative(Planted::SilentLoss),
            "forget-retained" => Cooperative(Planted::ForgetRetained),
            "drop-held-on-abort" => Cooperative(Planted::DropHeldOnAbort),
            "no-abort" => Cooperative(Planted::NoAbort),
            "keep-place" => Cooperative(Planted::KeepPlace),
            "stay-paused" => Cooperative(Planted::StayPaused),
            "foreign-is-own" => Cooperative(Planted::ForeignIsOwn),
            "pass-any-epoch" => Cooperative(Planted::PassAnyEpoch),
            "plain-early-output" => Plain(PlantedPlain::EarlyOutput),
            "plain-no-hold" => Plain(PlantedPlain::NoHold),
            "plain-no-wait" => Plain(PlantedPlain::NoWait),
            "plain-forget-join" => Plain(PlantedPlain::ForgetJoin),
            "plain-joins-early" => Plain(PlantedPlain::JoinsEarly),
            "plain-deliver-twice" => Plain(PlantedPlain::DeliverTwice),
            "plain-drop-held" => Plain(PlantedPlain::DropHeld),
            "plain-kick-is-loss" => Plain(PlantedPlain::KickIsLoss),
            "plain-keep-place" => Plain(PlantedPlain::KeepPlace),
            _ => Plain(PlantedPlain::UnknownIsWon),
        })
    }
}

/// How one seed's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A hash over every event and command; equal for equal seeds, options and code.
    pub trace_hash: u64,
    /// How many things happened.
    pub events: u64,
    /// How many transfers and failovers began.
    pub transfers: u64,
    /// How many sessions there were.
    pub sessions: usize,
    /// Which faults struck in which phase.
    pub coverage: Coverage,
    /// The first broken invariant, as text that ends with the command that replays it.
    pub violation: Option<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    world::World::new(seed, options, Trace::new(None)).run(seed, options)
}

/// Runs one seed and hands each event and command to `sink` as a line.
pub fn run_traced(seed: u64, options: &Options, sink: &mut dyn FnMut(&str)) -> Outcome {
    world::World::new(seed, options, Trace::new(Some(sink))).run(seed, options)
}

/// What a sweep over many seeds has found so far.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// Seeds run.
    pub seeds: u64,
    /// Things that happened in all of them.
    pub events: u64,
    /// Transfers and failovers begun in all of them.
    pub transfers: u64,
    /// Which faults struck in which phase, in all of them.
    pub coverage: Coverage,
    /// Seeds whose run broke an invariant, with the text; at most [`FAILURES_MAX`].
    pub failures: Vec<(u64, String)>,
}

/// A sweep stops after so many failing seeds: more say nothing new.
pub const FAILURES_MAX: usize = 10;

/// Runs every seed of `seeds` on this thread, until [`FAILURES_MAX`] failed; `progress` is called after each.
pub fn sweep(seeds: Range<u64>, options: &Options, progress: &mut dyn FnMut(&Sweep)) -> Sweep {
    let mut sweep = Sweep::default();
    for seed in seeds {
        let outcome = run(seed, options);
        sweep.seeds += 1;
        sweep.events += outcome.events;
        sweep.transfers += outcome.transfers;
        sweep.coverage.add(&outcome.coverage);
        sweep
            .failures
            .extend(outcome.violation.map(|text| (seed, text)));
        progress(&sweep);
        if sweep.failures.len() >= FAILURES_MAX {
            break;
        }
    }
    sweep
}
