//! What has to hold over time, in its long forms: the tests of `crates/atlas/tests/endurance` with the optimised binary.

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask chaos` understands.
#[derive(clap::Args)]
pub(crate) struct Chaos {
    /// How long servers are killed, stalled and drained
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many players
    #[arg(long, default_value_t = 500)]
    clients: u32,
    /// Which faults are drawn, and which ways the players go
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ten seconds with forty players
    #[arg(long)]
    short: bool,
}

/// What `cargo xtask soak` understands.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// `reload`: reloads under players who talk; `crossing`: players who cross borders all the time
    #[arg(value_parser = ["reload", "crossing"])]
    what: String,
    /// How long; 300 for `reload`, 60 for `crossing` if not said
    #[arg(long)]
    seconds: Option<u64>,
    /// How many players; 1,000 for `reload`, 500 for `crossing` if not said
    #[arg(long)]
    clients: Option<u32>,
    /// Which ways the players go
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Twenty seconds
    #[arg(long)]
    short: bool,
}

/// Runs players among failing servers.
pub(crate) fn chaos(workspace: &Workspace, arguments: &Chaos) -> Result<(), Error> {
    let (seconds, clients) = if arguments.short {
        (10, 40)
    } else {
        (arguments.seconds, arguments.clients)
    };
    run(workspace, "chaos", seconds, clients, arguments.seed)
}

/// Runs players for long.
pub(crate) fn soak(workspace: &Workspace, arguments: &Soak) -> Result<(), Error> {
    let (seconds, clients) = match arguments.what.as_str() {
        "reload" => (300, 1000),
        _ => (60, 500),
    };
    let seconds = if arguments.short { 20 } else { seconds };
    run(
        workspace,
        &arguments.what,
        arguments.seconds.unwrap_or(seconds),
        arguments.clients.unwrap_or(clients),
        arguments.seed,
    )
}

fn run(
    workspace: &Workspace,
    module: &str,
    seconds: u64,
    clients: u32,
    seed: u64,
) -> Result<(), Error> {
    process::run(
        workspace
            .cargo()
            .args(["test", "--release", "--package", "atlas"])
            .args(["--test", "endurance", "--"])
            .arg(format!("{module}::"))
            .arg("--nocapture")
            .env("ATLAS_ENDURANCE_SECONDS", seconds.to_string())
            .env("ATLAS_ENDURANCE_CLIENTS", clients.to_string())
            .env("ATLAS_ENDURANCE_SEED", seed.to_string()),
    )
}
