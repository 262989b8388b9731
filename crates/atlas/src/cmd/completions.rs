//! `atlas completions`: what a shell needs to complete `atlas`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;
use crate::terminal;

/// Print what a shell needs to complete `atlas`
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas completions bash > ~/.local/share/bash-completion/completions/atlas\n  atlas completions zsh > ~/.zfunc/_atlas\n  atlas completions fish > ~/.config/fish/completions/atlas.fish"
)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(options: Options) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "atlas", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
