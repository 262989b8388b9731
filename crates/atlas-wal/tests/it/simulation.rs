//! A log's life under power cuts, deaths, failing disks and damage, drawn by seeds.
//!
//! Each seed draws how often what happens, then what happens. After every power cut and every restart the log must
//! open, must have everything that `sync` promised, and nothing that was not written; what was damaged on purpose must
//! be refused. A seed that fails prints the command that replays it.
//!
//! `cargo test -p atlas-wal --profile sim --test it simulation::many -- --ignored` runs many (`ATLAS_WAL_SEEDS`, 10,000
//! unless told).

mod damage;
pub(crate) mod model;
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind};

use atlas_wal::Planted;

use run::{Run, Stats};

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn outcome(seed: u64, planted: Option<Planted>, traced: bool) -> Result<Stats, String> {
    catch_unwind(AssertUnwindSafe(|| Run::new(seed, planted, traced).go()))
        .unwrap_or_else(|_| Err("it panicked".into()))
}

fn must_hold(seeds: std::ops::Range<u64>) -> Stats {
    let mut all = Stats::default();
    for seed in seeds {
        match outcome(seed, None, false) {
            Ok(stats) => all.add(&stats),
            Err(problem) => panic!(
                "seed {seed}: {problem}\nreplay: ATLAS_WAL_SEED={seed} cargo test -p atlas-wal --test it \
                 simulation::replay -- --ignored --nocapture"
            ),
        }
    }
    all
}

#[test]
fn nothing_promised_is_lost_and_nothing_is_invented() {
    let stats = must_hold(0..300);
    // A simulation in which nothing happens proves nothing.
    assert!(stats.cuts > 300, "{stats:?}");
    assert!(stats.torn > 50, "{stats:?}");
    assert!(stats.refused_writes > 50, "{stats:?}");
    assert!(stats.full > 20, "{stats:?}");
    assert!(stats.damaged > 50, "{stats:?}");
    assert!(stats.purged > 20, "{stats:?}");
    assert!(stats.rotations > 300, "{stats:?}");
    assert!(stats.clean > 50, "{stats:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let first = outcome(seed, None, true).unwrap();
        assert_eq!(first, outcome(seed, None, true).unwrap());
    }
}

#[test]
#[ignore = "long: ATLAS_WAL_SEEDS seeds"]
fn many() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
    };
    let from = number("ATLAS_WAL_FROM", 0);
    let seeds = number("ATLAS_WAL_SEEDS", 10_000);
    let stats = must_hold(from..from + seeds);
    println!("{seeds} seeds: {stats:?}");
}

#[test]
#[ignore = "replays the seed in ATLAS_WAL_SEED"]
fn replay() {
    let seed = std::env::var("ATLAS_WAL_SEED").map_or(0, |text| text.parse().unwrap());
    let planted = std::env::var("ATLAS_WAL_PLANTED").ok().map(|name| {
        PLANTED
            .into_iter()
            .find(|bug| format!("{bug:?}") == name)
            .unwrap()
    });
    println!("{:?}", outcome(seed, planted, true));
}

const PLANTED: [Planted; 13] = [
    Planted::AnswerBeforeSync,
    Planted::RenameWithoutDirectorySync,
    Planted::TruncationOnCorruption,
    Planted::ChecksumIgnoresPlace,
    Planted::DurableThroughTooHigh,
    Planted::ClosingFrameBeforeSync,
    Planted::SecondSyncBelieved,
    Planted::RecoveryTrustsCache,
    Planted::RotationWithoutSync,
    Planted::PurgeBeforeSync,
    Planted::SnapshotRenamedBeforeSync,
    Planted::FailedWriteKept,
    Planted::MissingSegmentsIgnored,
];

/// If these were not found the simulation would not be worth its time.
#[test]
fn every_planted_bug_is_found_within_1000_seeds() {
    for bug in PLANTED {
        let found = (0..1_000).find_map(|seed| {
            let problem = outcome(seed, Some(bug), false).err()?;
            Some((seed, problem))
        });
        match found {
            Some((seed, problem)) => println!("{bug:?}: seed {seed}: {problem}"),
            None => panic!("{bug:?} was not found"),
        }
    }
}
