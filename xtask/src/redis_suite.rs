//! The Redis project's own tests (its Tcl suite, version 7.0) against a running store, a fresh one for each file.
//!
//! What Redis itself passes in the same way is the measure: `redis_suite/files.txt` has the counts, and
//! `--redis` takes them anew with a `redis-server`. `redis_suite/skipped.txt` names the tests that are left out, each
//! with its reason. The gate plays all files; the table of results in the book must be what it finds.

mod install;
mod outcome;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::error::Error;
use crate::process;
use crate::running::file;
use crate::store_server::{StoreServer, built};
use crate::workspace::Workspace;
use outcome::Outcome;

/// What `cargo xtask redis-suite` understands.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only these files, as the suite names them (`unit/expire`); all that the store is held to if none is said
    files: Vec<String>,
    /// Use this `atlas` instead of building one
    #[arg(long, value_name = "FILE")]
    atlas: Option<PathBuf>,
    /// Run Redis's own server instead of the store, and skip nothing
    #[arg(long)]
    redis: bool,
    /// Print each failed test with what the suite says of it
    #[arg(long)]
    verbose: bool,
    /// Write the table of results into the book; only of all files
    #[arg(long, conflicts_with_all = ["files", "redis"])]
    write: bool,
}

/// The files with the number of tests that Redis 7.0 passes in each.
const FILES: &str = include_str!("redis_suite/files.txt");
/// The tests that are left out.
const SKIPPED: &str = include_str!("redis_suite/skipped.txt");
/// The share of what Redis passes that the store must pass, in percent.
const SHARE_PERCENT: usize = 98;
/// Tests that need what an outside server cannot be asked for, or minutes.
const TAGS: &str = "-needs:debug -needs:repl -needs:save -needs:config-maxmemory -external:skip -large-memory -slow";
/// How long one file may take.
const FILE: Duration = Duration::from_secs(300);

/// A test that is left out.
struct Skip<'a> {
    file: &'a str,
    test: &'a str,
}

/// How the reason of a test begins that needs a part which is not here yet.
const LATER: &str = "later: ";
/// Tests that may be left out for any other reason.
const OTHERS_MAX: usize = 25;

/// Runs the files and prints a row for each.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let suite = install::suite(workspace)?;
    let atlas = match (&arguments.atlas, arguments.redis) {
        (Some(atlas), _) => Some(atlas.clone()),
        (None, true) => None,
        (None, false) => Some(built(workspace)?),
    };
    let rows = play(workspace, &suite, atlas.as_deref(), arguments)?;
    if arguments.redis {
        return Ok(());
    }
    enough(&rows)?;
    if arguments.write {
        table::write(workspace, &rows)
    } else if arguments.files.is_empty() {
        table::check(workspace, &rows)
    } else {
        Ok(())
    }
}

/// Plays every file for the gate; a machine that cannot have the suite skips it.
pub(crate) fn gate(workspace: &Workspace) -> Result<Counts, Error> {
    let suite = match install::suite(workspace) {
        Ok(suite) => suite,
        Err(error) => {
            println!("skipped: the Redis project's tests: {error}");
            return Ok(Counts {
                skipped: 1,
                ..Counts::default()
            });
        }
    };
    println!("the Redis project's tests against the store");
    let atlas = built(workspace)?;
    let rows = play(workspace, &suite, Some(&atlas), &Arguments::default())?;
    let mut counts = Counts::default();
    for row in &rows {
        counts.passed += row.outcome.passed as u64;
        counts.skipped += row.skipped as u64;
    }
    for verdict in [enough(&rows), table::check(workspace, &rows)] {
        if let Err(error) = verdict {
            println!("error: {error}");
            counts.failed += 1;
        }
    }
    Ok(counts)
}

/// An error that names the files of which too little passes.
fn enough(rows: &[Row]) -> Result<(), Error> {
    let below: Vec<&str> = rows
        .iter()
        .filter(|row| !row.is_enough())
        .map(|row| row.file.as_str())
        .collect();
    if below.is_empty() {
        return Ok(());
    }
    Err(Error::check(format!(
        "below {SHARE_PERCENT} % of what Redis passes, or something left out that is not there: {}",
        below.join(", ")
    )))
}

/// One file's result.
struct Row {
    file: String,
    /// What Redis passes.
    redis: usize,
    skipped: usize,
    outcome: Outcome,
}

impl Row {
    /// What Redis passes, less what is left out.
    fn expected(&self) -> usize {
        self.redis.saturating_sub(self.skipped)
    }

    fn is_enough(&self) -> bool {
        // A line of `skipped.txt` that names no test would lower the measure for nothing.
        self.outcome.is_whole
            && self.outcome.skipped == self.skipped
            && self.outcome.passed * 100 >= self.expected() * SHARE_PERCENT
    }
}

fn play(
    workspace: &Workspace,
    suite: &Path,
    atlas: Option<&Path>,
    arguments: &Arguments,
) -> Result<Vec<Row>, Error> {
    let skips = skips()?;
    let known: Vec<(&str, usize)> = FILES.lines().filter_map(expectation).collect();
    let chosen: Vec<(String, usize)> = if arguments.files.is_empty() {
        known
            .iter()
            .map(|(file, count)| ((*file).to_owned(), *count))
            .collect()
    } else {
        arguments
            .files
            .iter()
            .map(|wanted| {
                let count = known.iter().find(|(file, _)| file == wanted);
                (wanted.clone(), count.map_or(0, |(_, count)| *count))
            })
            .collect()
    };
    let folder = workspace.target.join("redis-suite-runs");
    let _ = fs::remove_dir_all(&folder);
    println!(
        "{:<20} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}",
        "file", "redis", "skipped", "passed", "failed", "share", "seconds"
    );
    let mut rows = Vec::new();
    for (name, redis) in chosen {
        let folder = folder.join(name.replace('/', "_"));
        fs::create_dir_all(&folder).map_err(file("create", &folder))?;
        let began = Instant::now();
        let left_out: Vec<&str> = skips
            .iter()
            .filter(|skip| skip.file == name && !arguments.redis)
            .map(|skip| skip.test)
            .collect();
        let server = StoreServer::start(atlas, &folder)?;
        let outcome = one(suite, &folder, &name, server.port, &left_out)?;
        drop(server);
        let row = Row {
            redis,
            skipped: left_out.len(),
            file: name,
            outcome,
        };
        println!(
            "{:<20} {:>7} {:>7} {:>7} {:>7} {:>6.1}% {:>8.1}{}",
            row.file,
            redis,
            row.skipped,
            row.outcome.passed,
            row.outcome.failed.len(),
            row.outcome.passed as f64 * 100.0 / row.expected().max(1) as f64,
            began.elapsed().as_secs_f64(),
            if row.outcome.is_whole {
                ""
            } else {
                "  stopped early"
            }
        );
        for failed in &row.outcome.failed {
            if arguments.verbose {
                println!("{failed}");
            } else {
                println!("    {}", failed.lines().next().unwrap_or_default());
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Runs one file of the suite against the server at `port`.
fn one(
    suite: &Path,
    folder: &Path,
    name: &str,
    port: u16,
    left_out: &[&str],
) -> Result<Outcome, Error> {
    let skips = folder.join("skips.txt");
    fs::write(&skips, left_out.join("\n")).map_err(file("write", &skips))?;
    let port = port.to_string();
    let mut command = Command::new("timeout");
    command
        .arg(FILE.as_secs().to_string())
        .arg("tclsh8.6")
        .current_dir(suite)
        .args([
            "tests/test_helper.tcl",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--singledb",
        ])
        .args([
            "--clients",
            "1",
            "--single",
            name,
            "--tags",
            TAGS,
            "--durable",
            "--skipfile",
        ])
        .arg(&skips);
    // Its exit code says less than its lines do.
    let output = process::output(&mut command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = folder.join("suite.txt");
    fs::write(&log, &text).map_err(file("write", &log))?;
    Ok(outcome::read(&text))
}

/// A line of `files.txt`.
fn expectation(line: &str) -> Option<(&str, usize)> {
    let (name, count) = line.split_once(' ')?;
    Some((name, count.trim().parse().ok()?))
}

/// The lines of `skipped.txt`: a file and its tests, each test with a reason behind a bar.
fn skips() -> Result<Vec<Skip<'static>>, Error> {
    let (mut skips, mut others) = (Vec::new(), 0);
    for line in SKIPPED.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<&str> = line.splitn(3, " | ").collect();
        let [file, test, reason] = parts[..] else {
            return Err(Error::check(format!(
                "redis_suite/skipped.txt: no reason behind a bar in {line:?}"
            )));
        };
        if reason.trim().is_empty() {
            return Err(Error::check(format!(
                "redis_suite/skipped.txt: an empty reason in {line:?}"
            )));
        }
        others += usize::from(!reason.starts_with(LATER));
        skips.push(Skip { file, test });
    }
    if others > OTHERS_MAX {
        return Err(Error::check(format!(
            "redis_suite/skipped.txt: {others} tests that wait for no later part, {OTHERS_MAX} at most"
        )));
    }
    Ok(skips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_skip_names_a_file_and_a_reason() {
        let files: Vec<&str> = FILES
            .lines()
            .filter_map(expectation)
            .map(|(file, _)| file)
            .collect();
        assert!(!files.is_empty());
        for skip in skips().unwrap() {
            assert!(files.contains(&skip.file), "{}", skip.file);
            assert!(!skip.test.is_empty());
        }
    }
}
