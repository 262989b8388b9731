//! What a store must not lose, in its long forms: the tests of `crates/atlas/tests/endurance` with the optimised binary,
//! and those of `crates/atlas-store/tests/it` optimised, with their assertions.

use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask durability` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `kill`: kill -9 under load
    #[arg(value_parser = ["kill"])]
    what: String,
    /// How often the process is killed, in each mode
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// Only this mode
    #[arg(long, value_parser = ["every", "interval", "none"])]
    fsync: Option<String>,
    /// From which seed moments and commands are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs what was asked for.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    process::run(&mut kill(workspace, arguments))
}

fn kill(workspace: &Workspace, arguments: &Arguments) -> Command {
    let test = match arguments.fsync.as_deref() {
        Some("every") => "kill::a_killed_store_that_syncs_each",
        Some("interval") => "kill::a_killed_store_that_syncs_at",
        Some(_) => "kill::a_killed_store_that_leaves",
        None => "kill::",
    };
    let mut command = endurance(workspace, test);
    command
        .env("ATLAS_ENDURANCE_CYCLES", arguments.cycles.to_string())
        .env("ATLAS_ENDURANCE_SEED", arguments.seed.to_string());
    command
}

fn endurance(workspace: &Workspace, test: &str) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["test", "--release", "--package", "atlas"])
        .args(["--test", "endurance", "--", test, "--nocapture"]);
    command
}
