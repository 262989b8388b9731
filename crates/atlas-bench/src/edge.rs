//! The edge beside nginx and HAProxy: processor time a round trip, rate and latency, memory a connection.

mod report;
mod target;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::{Fleet, Plan};
use crate::process::{Memory, memory};
use crate::{Error, machine};

pub use report::Report;
pub use target::{Setting, Standing, Target};

/// The length of the players' messages.
pub const MESSAGE_BYTES: usize = 64;

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// The edge's program.
    pub atlas: PathBuf,
    /// How many times each target takes its turn.
    pub runs: usize,
    /// Numbers of connections to measure round trips with.
    pub connections: Vec<usize>,
    /// Idle connections to measure memory with; 0: not measured.
    pub idle: usize,
    /// Seconds of round trips that count, for each target, number and run.
    pub seconds: f64,
    /// Worker processes or threads of each target.
    pub workers: usize,
    /// What is measured.
    pub targets: Vec<Target>,
    /// Whether targets and clients are bound to different cores.
    pub pinned: bool,
}

/// Measures everything and returns the figures; progress goes to standard error.
///
/// # Errors
/// If the server cannot be started or this machine lacks `/proc`. A target that fails is left out and named.
pub fn run(options: &Options) -> Result<Report, Error> {
    let folder = std::env::temp_dir().join(format!("atlas-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|source| Error::File {
        action: "create",
        path: folder.clone(),
        source,
    })?;
    let result = measure(options, folder.clone());
    if result.as_ref().is_ok_and(|report| report.notes_failures()) {
        eprintln!("logs of the targets: {}", folder.display());
    } else {
        let _ = fs::remove_dir_all(&folder);
    }
    result
}

fn measure(options: &Options, folder: PathBuf) -> Result<Report, Error> {
    let mut report = Report::new(options);
    let open_files = machine::raise_open_files();
    let cores = machine::cores();
    let (target_cores, other_cores) = if options.pinned && cores.len() > options.workers {
        (
            cores[..options.workers].to_vec(),
            cores[options.workers..].to_vec(),
        )
    } else {
        (Vec::new(), Vec::new())
    };
    if let Some(load) = machine::load_average().filter(|&load| load > cores.len() as f64 / 2.0) {
        report.note(format!("other programs ran when it began (load average {load}): measure again on a quiet machine"));
    }
    report.machine(&cores, &target_cores, &other_cores, open_files);
    let setting = Setting {
        atlas: options.atlas.clone(),
        folder,
        workers: options.workers,
        target_cores,
        other_cores,
        open_files,
    };
    // A proxy holds two descriptors a connection.
    let most = usize::try_from(open_files.saturating_sub(400) / 2).unwrap_or(usize::MAX);
    let mut targets = Vec::new();
    for &target in &options.targets {
        if setting.has(target) {
            targets.push(target);
        } else {
            report.note(format!("{target} is not there and was left out"));
        }
    }
    for run in 0..options.runs {
        // Each run begins with another target: what a machine does over time meets all of them.
        let first = run % targets.len().max(1);
        for &target in targets[first..].iter().chain(&targets[..first]) {
            eprintln!("run {} of {}: {target}", run + 1, options.runs);
            if let Err(error) = take_turn(&setting, target, options, most, &mut report) {
                let cause = std::error::Error::source(&error)
                    .map(|it| format!(": {it}"))
                    .unwrap_or_default();
                report.failed(target, format!("{error}{cause}"));
                eprintln!("  failed: {error}{cause}");
            }
        }
    }
    Ok(report)
}

/// One target's turn in one run: memory with idle connections, then round trips with each number of connections.
fn take_turn(
    setting: &Setting,
    target: Target,
    options: &Options,
    most: usize,
    report: &mut Report,
) -> Result<(), Error> {
    if options.idle > 0 && target != Target::Direct {
        let standing = setting.start(target)?;
        let plan = plan(&standing, target);
        let process = standing.process.unwrap_or_default();
        // One connection first: what a program sets up for its first client is not a connection's cost.
        drop(Fleet::connect(&plan, 1)?);
        settle();
        let empty = memory(process);
        let count = options.idle.min(most);
        let fleet = Fleet::connect(&plan, count)?;
        settle();
        report.idle(target, count, empty, memory(process));
        drop(fleet);
    }
    for &connections in &options.connections {
        let connections = connections.min(most);
        let standing = setting.start(target)?;
        let mut fleet = Fleet::connect(&plan(&standing, target), connections)?;
        let length = Duration::from_secs_f64(options.seconds);
        let measured = fleet.measure(length.div_f64(4.0), length, standing.process)?;
        report.round_trips(target, connections, &measured);
    }
    Ok(())
}

/// What the players send: 64 bytes in every case, the demo game's move.
fn plan(standing: &Standing, target: Target) -> Plan {
    let x = target.position_x();
    let message = format!(
        r#"{{"client":"move","n":1,"x":{x},"y":0,"z":1,"pad":"{:x<12}"}}"#,
        ""
    );
    debug_assert_eq!(message.len(), MESSAGE_BYTES, "{message}");
    Plan {
        address: standing.address,
        // Players of their own: one who is there twice is closed.
        first: Some(|number| format!(r#"{{"client":"join","player_id":"p-{number}"}}"#)),
        message,
        patience: Duration::from_secs(60),
    }
}

/// Programs free and trim a little after the last connection came or went.
fn settle() {
    std::thread::sleep(Duration::from_millis(1500));
}

/// Memory for one connection, in bytes.
fn per_connection(empty: u64, full: u64, count: usize) -> f64 {
    (full as f64 - empty as f64) / count.max(1) as f64
}

/// The three ways of counting, of one idle measurement.
fn each_connection(empty: Memory, full: Memory, count: usize) -> [f64; 3] {
    [
        per_connection(empty.resident, full.resident, count),
        per_connection(empty.proportional, full.proportional, count),
        per_connection(empty.private_dirty, full.private_dirty, count),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_divided_among_the_connections_that_were_opened() {
        let empty = Memory {
            resident: 5_000,
            proportional: 4_000,
            private_dirty: 3_000,
        };
        let full = Memory {
            resident: 15_000,
            proportional: 9_000,
            private_dirty: 3_000,
        };
        assert_eq!(each_connection(empty, full, 10), [1_000.0, 500.0, 0.0]);
    }
}
