//! What can be typed: the commands, the flags that all of them take, and how a run ends.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cmd;
use crate::context::Context;
use crate::terminal::{Paint, say};

/// Run multiplayer worlds: one address for players, as many game servers behind it as needed
///
/// The edge joins each player to a game server and hands them from one server to the next while their connection stays
/// open. Without a command, `atlas` runs the roles that its configuration file has sections for.
#[derive(Debug, Parser)]
#[command(
    name = "atlas",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Examples:\n  atlas up --demo                      a world with servers and players, and a console to watch it\n  atlas config example edge            a configuration to start from\n  atlas edge --config atlas.toml       an edge in front of your own game servers\n\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 could not reach the running node"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(flatten)]
    pub(crate) serving: Serving,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The flags of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Read the configuration from this file
    ///
    /// Without it: the file that $ATLAS_CONFIG names, else ./atlas.toml, else /etc/atlas/atlas.toml; without any of
    /// them, the defaults
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options",
        display_order = 900
    )]
    pub(crate) config: Option<PathBuf>,

    /// Log this much: error, warn, info, debug, trace, off, or by part such as atlas_edge=debug,info
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        help_heading = "Global options",
        display_order = 901
    )]
    pub(crate) log: Option<String>,
}

/// The flags of commands that serve.
#[derive(Args, Debug)]
pub(crate) struct Serving {
    /// Write this file once everything listens: process id, addresses and the console's link, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(cmd::up::Options),
    Edge(cmd::edge::Options),
    Store(cmd::store::Options),
    Pack(cmd::pack::Options),
    Config(cmd::config::Options),
    Servers(cmd::servers::Options),
    Sessions(cmd::sessions::Options),
    Transfer(cmd::transfer::Options),
    Drain(cmd::drain::Options),
    Kick(cmd::kick::Options),
    Tap(cmd::tap::Options),
    Reload(cmd::reload::Options),
    Load(cmd::load::Options),
    DemoServer(cmd::demo_server::Options),
    Doctor(cmd::doctor::Options),
    Completions(cmd::completions::Options),
    #[command(hide = true)]
    Reference(cmd::reference::Options),
}

/// Reads the command line, runs the command and says how it ended.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::new(cli.global);
    let ended = match cli.command {
        None => cmd::roles::run(&context, cli.serving),
        Some(Command::Up(options)) => cmd::up::run(&context, options),
        Some(Command::Edge(options)) => cmd::edge::run(&context, options),
        Some(Command::Store(options)) => cmd::store::run(&context, options),
        Some(Command::Pack(options)) => cmd::pack::run(&options),
        Some(Command::Config(options)) => cmd::config::run(&context, options),
        Some(Command::Servers(options)) => cmd::servers::run(&context, options),
        Some(Command::Sessions(options)) => cmd::sessions::run(&context, options),
        Some(Command::Transfer(options)) => cmd::transfer::run(&context, options),
        Some(Command::Drain(options)) => cmd::drain::run(&context, options),
        Some(Command::Kick(options)) => cmd::kick::run(&context, options),
        Some(Command::Tap(options)) => cmd::tap::run(&context, options),
        Some(Command::Reload(options)) => cmd::reload::run(&context, options),
        Some(Command::Load(options)) => cmd::load::run(&context, options),
        Some(Command::DemoServer(options)) => cmd::demo_server::run(&context, options),
        Some(Command::Doctor(options)) => cmd::doctor::run(&context, options),
        Some(Command::Completions(options)) => cmd::completions::run(options),
        Some(Command::Reference(options)) => cmd::reference::run(options),
    };
    match ended {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            say(error.report(Paint::stderr()).trim_end());
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
