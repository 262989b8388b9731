//! `atlas pack`: modpacks whose source lies in a folder.

mod check;
mod list;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_pack::packwiz::{Pack, Side};
use clap::{Args, Subcommand};

use crate::error::Error;

/// Work on modpacks in the format of packwiz
///
/// A pack is a folder with a pack.toml, an index and metafiles, as packwiz writes them; nothing has to be changed for Atlas.
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  atlas pack check\n  atlas pack check versions/fabric/1.21.1\n  atlas pack list --side server"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Options),
    List(list::Options),
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    match &options.command {
        Command::Check(options) => check::run(options),
        Command::List(options) => list::run(options),
    }
}

/// The pack's folder as it was named, or the one that the command runs in.
fn folder(named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// A pack's name with what it is for: `Adrenaline 1.2.0, Minecraft 1.21.1, Fabric 0.17.2`.
fn title(pack: &Pack) -> String {
    let mut text = pack.name.clone();
    if let Some(version) = pack.version.as_ref().filter(|version| !version.is_empty()) {
        text += &format!(" {version}");
    }
    if let Some(minecraft) = pack.minecraft() {
        text += &format!(", Minecraft {}", minecraft.value);
    }
    for (loader, version) in pack.loaders() {
        text += &format!(", {loader} {}", version.value);
    }
    text
}

fn side(text: &str) -> Result<Side, String> {
    match text {
        "client" => Ok(Side::Client),
        "server" => Ok(Side::Server),
        _ => Err("write client or server".to_owned()),
    }
}
