//! `atlas store`: the store alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use atlas_runtime::config::Flag;
use clap::Args;

use crate::cli::Serving;
use crate::config::{self, Role};
use crate::context::Context;
use crate::error::Error;
use crate::wiring;

/// Keep keys, durably, for every client of Redis
///
/// What is answered is in the log before: with --fsync every (the default) no power cut loses it. SIGTERM and SIGINT
/// drain: what is under way is answered, and the log is closed; a second one stops at once.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas store\n  atlas store --data-dir /var/lib/atlas --listen 127.0.0.1:6379 --fsync interval\n  redis-cli -p 6379 set greeting hello"
)]
pub(crate) struct Options {
    /// The folder for everything that is kept; log and snapshots are in `store` in it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Where clients connect, as ADDRESS:PORT; port 0 finds a free one
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    listen: Option<SocketAddr>,

    /// When what was written is made durable: every, interval, none
    #[arg(long, value_name = "MODE", value_parser = ["every", "interval", "none"])]
    fsync: Option<String>,

    /// Where the admin API and the console listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    admin_listen: Option<SocketAddr>,

    #[command(flatten)]
    serving: Serving,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let mut flags = Vec::new();
    let mut flag = |name, key, value: Option<String>| {
        flags.extend(value.map(|value| Flag::new(name, key, value)));
    };
    let folder = options.data_dir.map(|folder| folder.display().to_string());
    flag("--data-dir", "node.data-dir", folder);
    let address = |address: SocketAddr| address.to_string();
    flag("--listen", "store.listen", options.listen.map(address));
    flag("--fsync", "store.fsync", options.fsync);
    flag(
        "--admin-listen",
        "admin.listen",
        options.admin_listen.map(address),
    );
    let source = || config::load(context, flags.clone());
    super::block_on(
        Some(1),
        wiring::serve(context, &source, &[Role::Store], options.serving),
    )
}
