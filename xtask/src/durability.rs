//! What a store must not lose, in its long forms: the tests of `crates/atlas/tests/endurance` with the optimised binary,
//! and those of `crates/atlas-store/tests/it`, optimised, with their assertions.

use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask durability` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `kill`: kill -9 under load; `crashes`: lives on a disk in memory that forgets what was not synced; `calls`: each call
    /// of the disk fails once; `bytes`: each byte changed, each file cut; `planted`: the bugs that have to be found;
    /// `power`: a file system shut down under the store (root, Linux)
    #[arg(value_parser = ["kill", "power", "crashes", "calls", "bytes", "planted"])]
    what: String,
    /// How often the process is killed, in each mode
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// Only this mode
    #[arg(long, value_parser = ["every", "interval", "none"])]
    fsync: Option<String>,
    /// How often the power is cut
    #[arg(long, default_value_t = 30)]
    cuts: u64,
    /// From which seed the moments of kills and the commands are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds of crashes are run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs what was asked for.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let mut command = match arguments.what.as_str() {
        "kill" => kill(workspace, arguments),
        "power" => {
            let mut command = endurance(workspace, "power::", arguments);
            command.env("ATLAS_ENDURANCE_CUTS", arguments.cuts.to_string());
            command
        }
        "crashes" => {
            let mut command = lives(workspace, "crashes::many");
            command
                .env("ATLAS_STORE_SEEDS", arguments.seeds.to_string())
                .env("ATLAS_STORE_FROM", arguments.from.to_string());
            command
        }
        "calls" => lives(workspace, "crashes::each::each_call_may_fail"),
        "bytes" => lives(workspace, "damage::every_byte"),
        _ => lives(workspace, "crashes::rare_planted"),
    };
    process::run(&mut command)
}

fn kill(workspace: &Workspace, arguments: &Arguments) -> Command {
    let test = match arguments.fsync.as_deref() {
        Some("every") => "kill::a_killed_store_that_syncs_each",
        Some("interval") => "kill::a_killed_store_that_syncs_at",
        Some(_) => "kill::a_killed_store_that_leaves",
        None => "kill::",
    };
    let mut command = endurance(workspace, test, arguments);
    command.env("ATLAS_ENDURANCE_CYCLES", arguments.cycles.to_string());
    command
}

fn endurance(workspace: &Workspace, test: &str, arguments: &Arguments) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["test", "--release", "--package", "atlas"])
        .args(["--test", "endurance", "--", test, "--nocapture"])
        .env("ATLAS_ENDURANCE_SEED", arguments.seed.to_string());
    command
}

fn lives(workspace: &Workspace, test: &str) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["test", "--profile", "sim", "--package", "atlas-store"])
        .args(["--test", "it", "--", test, "--ignored", "--nocapture"]);
    command
}
