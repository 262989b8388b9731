//! `atlas` without a command: the roles that the configuration file has sections for.

use std::process::ExitCode;

use crate::cli::Serving;
use crate::config::{self, Role};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Paint};
use crate::wiring;

pub(crate) fn run(context: &Context, serving: Serving) -> Result<ExitCode, Error> {
    let source = || config::load(context, Vec::new());
    let loaded = source()?;
    let roles = Role::of(&loaded);
    match (&loaded.file, roles.is_empty()) {
        (None, true) => welcome(context),
        (Some(file), true) => Err(Error::NoRole { file: file.clone() }),
        (_, false) => super::block_on(Some(1), wiring::serve(context, &source, &roles, serving)),
    }
}

/// What somebody sees who has just got the binary.
fn welcome(context: &Context) -> Result<ExitCode, Error> {
    let paint = Paint::stdout();
    let program = &context.program;
    let width = program.chars().count() + 36;
    let line = |command: &str, what: &str| {
        let command = format!("{program} {command}");
        format!("  {command:<width$}{}\n", paint.dim(what))
    };
    let mut text = format!(
        "{} runs multiplayer worlds: one address for the players, as many game servers behind it as\nthe world needs. There is no configuration file here, so nothing was started.\n\n",
        paint.bold("Atlas")
    );
    text += "See it work:\n";
    text += &line(
        "up --demo",
        "a world with servers and players, and a console",
    );
    text += "\nPut it in front of your own game servers:\n";
    text += &line(
        "config example edge > atlas.toml",
        "a commented configuration to edit",
    );
    text += &line("config check", "says where what is wrong");
    text += &line("", "runs what atlas.toml has sections for");
    text += "\nLook further:\n";
    text += &line("doctor", "looks for what would keep it from working");
    text += &line("--help", "every command");
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
