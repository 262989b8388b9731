//! `atlas up`: every role in one process, or a demo that shows what Atlas does.

use std::path::PathBuf;
use std::process::ExitCode;

use atlas_runtime::config::Flag;
use clap::Args;

use crate::cli::Serving;
use crate::config::{self, Role};
use crate::context::Context;
use crate::error::Error;
use crate::wiring;

/// Run every role in one process, or a demo world with servers and players
///
/// With --demo, four game servers that own the quarters of a square world are started as processes of their own, and
/// players walk across the borders through real WebSockets. Everything ends with this process, and nothing is kept
/// unless a data folder is named.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas up --demo\n  atlas up --demo --players 200\n  atlas up --config atlas.toml --data-dir /var/lib/atlas"
)]
pub(crate) struct Options {
    /// Add a world of four game servers and of players who walk about in it
    #[arg(long)]
    demo: bool,

    /// How many players walk about in the demo
    #[arg(long, value_name = "N", default_value_t = 60, requires = "demo", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    players: u32,

    /// The folder for everything that is kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    #[command(flatten)]
    serving: Serving,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let data_dir = options.data_dir.iter();
    let flags = data_dir
        .map(|folder| Flag::new("--data-dir", "node.data-dir", folder.display().to_string()));
    let flags: Vec<_> = flags.collect();
    let source = || config::load(context, flags.clone());
    if options.demo {
        return super::block_on(
            None,
            wiring::demo::serve(context, source()?, options.players, options.serving),
        );
    }
    super::block_on(
        Some(1),
        wiring::up(context, &source, &Role::ALL, options.serving),
    )
}
