//! The Redis project's own tests (its Tcl suite, version 7.0) against a running store, a fresh one for each file.
//!
//! What Redis itself passes in the same way is the measure: `redis_suite/files.txt` has the counts, and
//! `--redis` takes them anew with a `redis-server`. `redis_suite/skipped.txt` names the tests that are left out, each
//! with its reason.

mod install;
mod outcome;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;
use crate::process;
use crate::running::{Running, file, free_port};
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

/// Runs the files and prints a row for each.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let suite = install::suite(workspace)?;
    let atlas = match (&arguments.atlas, arguments.redis) {
        (Some(atlas), _) => Some(atlas.clone()),
        (None, true) => None,
        (None, false) => Some(built(workspace)?),
    };
    let rows = play(workspace, &suite, atlas.as_deref(), arguments)?;
    let below: Vec<&str> = rows
        .iter()
        .filter(|row| !row.is_enough())
        .map(|row| row.file.as_str())
        .collect();
    if below.is_empty() || arguments.redis {
        Ok(())
    } else {
        Err(Error::check(format!(
            "below {SHARE_PERCENT} % of what Redis passes: {}",
            below.join(", ")
        )))
    }
}

fn built(workspace: &Workspace) -> Result<PathBuf, Error> {
    // The suite feeds tens of thousands of random values: minutes without optimisation.
    process::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "atlas"]),
    )?;
    Ok(workspace.target.join("release/atlas"))
}

/// One file's result.
struct Row {
    file: String,
    /// What Redis passes, less what is left out.
    expected: usize,
    skipped: usize,
    outcome: Outcome,
}

impl Row {
    fn is_enough(&self) -> bool {
        self.outcome.is_whole && self.outcome.passed * 100 >= self.expected * SHARE_PERCENT
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
        let server = Server::start(atlas, &folder)?;
        let outcome = one(suite, &folder, &name, server.port, &left_out)?;
        drop(server);
        let row = Row {
            expected: redis.saturating_sub(left_out.len()),
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
            row.outcome.passed as f64 * 100.0 / row.expected.max(1) as f64,
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

/// The server under test.
struct Server {
    port: u16,
    _running: Running,
}

impl Server {
    fn start(atlas: Option<&Path>, folder: &Path) -> Result<Self, Error> {
        match atlas {
            Some(atlas) => Self::store(atlas, folder),
            None => Self::redis(folder),
        }
    }

    fn store(atlas: &Path, folder: &Path) -> Result<Self, Error> {
        let ready = folder.join("ready.json");
        let mut command = Command::new(atlas);
        command
            .args([
                "store",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--ready-file",
            ])
            .arg(&ready)
            .env("ATLAS_NODE__DATA_DIR", folder.join("data"))
            // The suite asks what a command answers, not what a disk does.
            .env("ATLAS_STORE__FSYNC", "none")
            .env_remove("ATLAS_CONFIG");
        let mut running = Running::spawn(command, folder, "store")?;
        let port = running.until("the store", || {
            let text = fs::read_to_string(&ready).ok()?;
            let value: Value = serde_json::from_str(&text).ok()?;
            value["listeners"]["store"]
                .as_str()?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        })?;
        Ok(Self {
            port,
            _running: running,
        })
    }

    fn redis(folder: &Path) -> Result<Self, Error> {
        let port = free_port()?;
        let text = port.to_string();
        let flags = [("--port", text.as_str()), ("--save", "")];
        let running = Running::listening(
            Path::new("redis-server"),
            &flags,
            folder,
            "redis-server",
            port,
        )?;
        Ok(Self {
            port,
            _running: running,
        })
    }
}

/// A line of `files.txt`.
fn expectation(line: &str) -> Option<(&str, usize)> {
    let (name, count) = line.split_once(' ')?;
    Some((name, count.trim().parse().ok()?))
}

/// The lines of `skipped.txt`: a file and its tests, each test with a reason behind a bar.
fn skips() -> Result<Vec<Skip<'static>>, Error> {
    let mut skips = Vec::new();
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
        skips.push(Skip { file, test });
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
