//! Every test there is, counted: nextest (or cargo test), documentation tests, the corpora of the fuzz targets, the SDK's
//! own, the Redis project's against the store, the simulator's short form.

use std::fs;

use crate::counts::Counts;
use crate::error::Error;
use crate::workspace::Workspace;
use crate::{fuzz, peers, process, redis_suite, sdk, sim, tools};

/// What `cargo xtask test` understands.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Leave out the simulator
    #[arg(long)]
    no_sim: bool,
    /// Leave out the Redis project's tests
    #[arg(long)]
    no_redis_suite: bool,
}

/// Runs every test and prints the counts as the last line.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let counts = count(workspace, arguments)?;
    println!("\n{counts}");
    counts.verdict()
}

/// Runs every test and sums how they ended.
pub(crate) fn count(workspace: &Workspace, arguments: &Arguments) -> Result<Counts, Error> {
    peers::prepare();
    let mut counts = Counts::default();
    counts += match tools::cargo_nextest(workspace) {
        Some(nextest) => with_nextest(workspace, &nextest)?,
        None => captured(
            workspace,
            &[
                "test",
                "--workspace",
                "--no-fail-fast",
                "--all-targets",
                "--",
                "--show-output",
            ],
        )?,
    };
    counts += captured(
        workspace,
        &["test", "--workspace", "--no-fail-fast", "--doc"],
    )?;
    counts += fuzz::replay(workspace)?;
    counts += sdk::test(workspace)?;
    if !arguments.no_redis_suite {
        counts += redis_suite::gate(workspace)?;
    }
    if !arguments.no_sim {
        counts += sim::short(workspace)?;
    }
    Ok(counts)
}

fn with_nextest(workspace: &Workspace, nextest: &std::path::Path) -> Result<Counts, Error> {
    let report = workspace.target.join("nextest/gate/junit.xml");
    // A report of an earlier run must not be counted if this one never gets to write its own.
    let _ = fs::remove_file(&report);
    let mut command = std::process::Command::new(nextest);
    command
        .current_dir(&workspace.root)
        .args([
            "nextest",
            "run",
            "--workspace",
            "--profile",
            "gate",
            "--no-tests",
            "pass",
        ])
        .env("CARGO_TARGET_DIR", &workspace.target);
    let ran = process::run(&mut command);
    let Ok(text) = fs::read_to_string(&report) else {
        // Without a report the run failed before the first test: its own error says why.
        ran?;
        return Ok(Counts::default());
    };
    for line in text.lines() {
        if let Some(reason) = crate::counts::skip_reason(line) {
            println!("skipped: {reason}");
        }
    }
    let mut counts = Counts::from_junit(&text, ignored(workspace, nextest));
    if ran.is_err() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// How many tests are marked `#[ignore]`: nextest's report leaves them out.
fn ignored(workspace: &Workspace, nextest: &std::path::Path) -> u64 {
    let listed = process::text(
        std::process::Command::new(nextest)
            .current_dir(&workspace.root)
            .args([
                "nextest",
                "list",
                "--workspace",
                "--run-ignored",
                "only",
                "--message-format",
                "json",
            ])
            .env("CARGO_TARGET_DIR", &workspace.target),
    );
    let Ok(text) = listed else { return 0 };
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
        return 0;
    };
    let suites = value["rust-suites"].as_object();
    suites
        .into_iter()
        .flat_map(|suites| suites.values())
        .filter_map(|suite| suite["testcases"].as_object())
        .flat_map(|cases| cases.values())
        .filter(|case| case["ignored"].as_bool() == Some(true))
        .count() as u64
}

/// Runs a `cargo test`, passes its output on and counts from it; a failure to build is an error.
pub(crate) fn captured(workspace: &Workspace, arguments: &[&str]) -> Result<Counts, Error> {
    let mut command = workspace.cargo();
    command.args(arguments);
    let output = process::output(&mut command)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut counts = Counts::from_cargo_test(&stdout);
    if !output.status.success() {
        println!("{stdout}\n{stderr}");
        if counts.failed == 0 {
            return Err(Error::Failed {
                command: process::line(&command),
                status: output.status.to_string(),
            });
        }
    }
    for line in stdout.lines().chain(stderr.lines()) {
        if let Some(reason) = crate::counts::skip_reason(line) {
            println!("skipped: {reason}");
        }
    }
    // Doctests of a crate without any still print a result line of zeros: nothing to add.
    counts.failed = counts.failed.max(u64::from(!output.status.success()));
    Ok(counts)
}
