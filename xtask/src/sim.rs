//! The seeded simulation from the command line: builds `atlas-sim`'s program, optimised but with its assertions, and
//! calls it.

use std::process::Command;

use crate::counts::Counts;
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// Seeds that the gate runs: always the same, so that a red gate is red again.
const SHORT_SEEDS: u64 = 20_000;

/// What `cargo xtask sim` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is simulated
    #[arg(value_parser = ["transfer"])]
    what: String,
    /// How many seeds are run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replay this one seed and print its trace
    #[arg(long)]
    seed: Option<u64>,
    /// Most sessions of a run
    #[arg(long)]
    sessions: Option<u64>,
    /// Most servers of a run
    #[arg(long)]
    servers: Option<u64>,
    /// Faults come for at most so many virtual milliseconds
    #[arg(long)]
    span_ms: Option<u64>,
    /// Threads; as many as there are cores unless told
    #[arg(long)]
    threads: Option<u64>,
    /// Plant this bug; fails if no seed finds it
    #[arg(long)]
    planted: Option<String>,
}

/// Runs the simulation as asked.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    debug_assert_eq!(arguments.what, "transfer", "the one simulation there is");
    let mut command = program(workspace)?;
    command
        .arg("--from")
        .arg(arguments.from.to_string())
        .arg("--seeds")
        .arg(arguments.seeds.to_string());
    let optional = [
        ("--seed", arguments.seed.map(|number| number.to_string())),
        (
            "--sessions",
            arguments.sessions.map(|number| number.to_string()),
        ),
        (
            "--servers",
            arguments.servers.map(|number| number.to_string()),
        ),
        (
            "--span-ms",
            arguments.span_ms.map(|number| number.to_string()),
        ),
        (
            "--threads",
            arguments.threads.map(|number| number.to_string()),
        ),
        ("--planted", arguments.planted.clone()),
    ];
    for (flag, value) in optional {
        if let Some(value) = value {
            command.arg(flag).arg(value);
        }
    }
    process::run(&mut command)
}

/// The short form that the gate runs; each of its verdicts counts as a test.
pub(crate) fn short(workspace: &Workspace) -> Result<Counts, Error> {
    println!("simulation: {SHORT_SEEDS} seeds of the transfer, and every planted bug");
    let mut command = program(workspace)?;
    let output = process::output(command.args(["--short", "--seeds", &SHORT_SEEDS.to_string()]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!(
        "{text}{}",
        if output.status.success() {
            "".into()
        } else {
            String::from_utf8_lossy(&output.stderr)
        }
    );
    let counts = text.lines().last().and_then(counted);
    counts.ok_or_else(|| Error::Failed {
        command: process::line(&command),
        status: output.status.to_string(),
    })
}

/// Reads `N passed, N failed`.
fn counted(line: &str) -> Option<Counts> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some(Counts {
        passed: passed.parse().ok()?,
        failed: failed.strip_suffix(" failed")?.parse().ok()?,
        skipped: 0,
    })
}

fn program(workspace: &Workspace) -> Result<Command, Error> {
    process::run(workspace.cargo().args([
        "build",
        "--quiet",
        "--profile",
        "sim",
        "--package",
        "atlas-sim",
        "--example",
        "simulate",
    ]))?;
    let mut command = Command::new(workspace.target.join("sim/examples/simulate"));
    command.current_dir(&workspace.root);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_counted() {
        assert_eq!(
            counted("10 passed, 1 failed"),
            Some(Counts {
                passed: 10,
                failed: 1,
                skipped: 0
            })
        );
        assert_eq!(counted("something else"), None);
    }
}
