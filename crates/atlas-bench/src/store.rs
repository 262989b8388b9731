//! The store beside Redis: processor time a command, rates with and without syncs, reads beside writes, memory,
//! snapshots, starts, jobs by BullMQ.

mod bullmq;
pub mod clients;
mod report;
mod rows;
mod session;
mod target;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, machine};

pub use report::Report;
pub use rows::Row;
pub use target::{Setting, Standing, Sync, Target};

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's program.
    pub atlas: PathBuf,
    /// How many times each target takes its turn.
    pub runs: usize,
    /// Seconds that count of each measurement of rates.
    pub seconds: f64,
    /// Which rows.
    pub rows: Vec<Row>,
    /// What is measured.
    pub targets: Vec<Target>,
    /// Whether targets and clients are bound to different cores.
    pub pinned: bool,
    /// Keys that the clients choose from.
    pub keys: u64,
    /// Thousandths of the sizes that the rows about memory, snapshots and starts name: 1000 for figures.
    pub scale: u64,
    /// Where data and logs are kept meanwhile; a folder of its own is made in it.
    pub folder: PathBuf,
    /// Where BullMQ is installed, or will be.
    pub bullmq: PathBuf,
}

impl Options {
    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn scaled(&self, count: u64) -> u64 {
        (count * self.scale / 1000).max(100)
    }
}

/// Measures everything and returns the figures; progress goes to standard error.
///
/// # Errors
/// If this machine lacks what every measurement needs. A row that fails for a target is left out and named.
pub fn run(options: &Options) -> Result<Report, Error> {
    let folder = options
        .folder
        .join(format!("atlas-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|source| Error::File {
        action: "create",
        path: folder.clone(),
        source,
    })?;
    let result = measure(options, folder.clone());
    if result.as_ref().is_ok_and(Report::notes_failures) {
        eprintln!("logs of the targets: {}", folder.display());
    } else {
        let _ = fs::remove_dir_all(&folder);
    }
    result
}

fn measure(options: &Options, folder: PathBuf) -> Result<Report, Error> {
    machine::raise_open_files();
    let cores = machine::cores();
    let (target_cores, other_cores) = if options.pinned && cores.len() > 1 {
        (cores[..1].to_vec(), cores[1..].to_vec())
    } else {
        (Vec::new(), Vec::new())
    };
    let mut report = Report::new(options, &target_cores, &other_cores);
    if let Some(load) = machine::load_average().filter(|&load| load > cores.len() as f64 / 2.0) {
        report.note(format!("other programs ran when it began (load average {load}): measure again on a quiet machine"));
    }
    let setting = Setting {
        atlas: options.atlas.clone(),
        folder,
        target_cores,
        other_cores,
    };
    let mut targets = Vec::new();
    for &target in &options.targets {
        if setting.has(target) {
            targets.push(target);
        } else {
            report.note(format!("{target} is not there and was left out"));
        }
    }
    for run in 0..options.runs {
        for &row in &options.rows {
            // Each run begins with the other target: what a machine does over time meets both.
            let first = run % targets.len().max(1);
            for &target in targets[first..].iter().chain(&targets[..first]) {
                eprintln!("run {} of {}: {row}: {target}", run + 1, options.runs);
                if let Err(error) = row.measure(&setting, target, options, &mut report) {
                    let cause = std::error::Error::source(&error)
                        .map(|it| format!(": {it}"))
                        .unwrap_or_default();
                    report.failed(format!("{row}: {target}: {error}{cause}"));
                    eprintln!("  failed: {error}{cause}");
                }
            }
        }
    }
    Ok(report)
}
