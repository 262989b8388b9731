//! `atlas store`: the store alone, and what works on its files.

mod backup;
mod check;
mod dump;
mod import;
mod restore;
mod skip;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_runtime::config::Flag;
use atlas_store::files;
use clap::{Args, Subcommand};

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
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  atlas store\n  atlas store --data-dir /var/lib/atlas --listen 127.0.0.1:6379 --fsync interval\n  redis-cli -p 6379 set greeting hello\n  atlas store check /var/lib/atlas"
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

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Options),
    Backup(backup::Options),
    Dump(dump::Options),
    Restore(restore::Options),
    Import(import::Options),
    Skip(skip::Options),
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    match options.command {
        Some(Command::Check(options)) => return check::run(context, &options),
        Some(Command::Backup(options)) => return backup::run(context, &options),
        Some(Command::Dump(options)) => return dump::run(context, &options),
        Some(Command::Restore(options)) => return restore::run(context, &options),
        Some(Command::Import(options)) => return import::run(context, &options),
        Some(Command::Skip(options)) => return skip::run(context, &options),
        None => {}
    }
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

/// The folder of log and snapshots that a command is to work on: in `named`, or where the configuration has it.
fn located(context: &Context, named: Option<&Path>) -> Result<PathBuf, Error> {
    let folder = match named {
        Some(folder) => folder.to_owned(),
        None => {
            let config = config::load_unchecked(context, Vec::new())?.config;
            wiring::store::folder(&config, &config.node.data_dir(&context.variables))
        }
    };
    Ok(files::locate(&folder)?)
}
