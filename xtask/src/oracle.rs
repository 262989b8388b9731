//! The store beside redis-server, in the long form: the test `crates/atlas/tests/oracle`.

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask oracle` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many commands are sent
    #[arg(long, default_value_t = 1_000_000)]
    commands: u64,
    /// The seed of the first history; drawn if not said
    #[arg(long)]
    seed: Option<u64>,
}

/// Plays random pipelines to both servers and compares.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let drawn = || u64::from(std::process::id()) << 20;
    process::run(
        workspace
            .cargo()
            .args(["test", "--package", "atlas", "--test", "oracle", "--"])
            .arg("--nocapture")
            .env("ATLAS_ORACLE_COMMANDS", arguments.commands.to_string())
            .env(
                "ATLAS_ORACLE_SEED",
                arguments.seed.unwrap_or_else(drawn).to_string(),
            ),
    )
}
