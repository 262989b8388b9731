//! `atlas reference`: the generated pages of the documentation, as Markdown.

use std::fmt::Write as _;
use std::process::ExitCode;

use atlas_runtime::MetricsConfig;
use atlas_runtime::metrics::Registry;
use clap::{Arg, Args, Command, CommandFactory, ValueEnum};

use crate::cli::Cli;
use crate::error::Error;
use crate::terminal;
use crate::wiring;

mod http;
mod store_commands;

/// Print a page of the reference as Markdown
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  atlas reference metrics")]
pub(crate) struct Options {
    /// The page
    #[arg(value_name = "PAGE", value_enum)]
    page: Page,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Page {
    /// The commands and their flags
    Commands,
    /// The keys of the configuration
    Config,
    /// The routes of the listeners
    Http,
    /// The metrics
    Metrics,
    /// The commands of the store
    StoreCommands,
}

pub(crate) fn run(options: Options) -> Result<ExitCode, Error> {
    match options.page {
        Page::Commands => terminal::print(&commands())?,
        Page::Config => super::config::reference()?,
        Page::Http => terminal::print(&http::page())?,
        Page::Metrics => terminal::print(&metrics()?)?,
        Page::StoreCommands => terminal::print(&store_commands::page())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn commands() -> String {
    let mut text = String::from(
        "# Commands\n\nEvery command takes `--config FILE` and `--log LEVEL`. Data goes to the standard output, everything else to the\nstandard error stream. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 could not reach the running node.\n",
    );
    let mut root = Cli::command();
    root.build();
    command(&mut text, &root, "atlas");
    text
}

/// A command's section, then those of the commands below it.
fn command(text: &mut String, command: &Command, path: &str) {
    let shown = |styled: Option<&clap::builder::StyledStr>| styled.map(ToString::to_string);
    let _ = writeln!(text, "\n## `{path}`\n");
    let about = shown(command.get_long_about())
        .or_else(|| shown(command.get_about()))
        .unwrap_or_default();
    let _ = writeln!(text, "{}\n", sentences(&about));
    let _ = writeln!(text, "```text\n{}\n```", usage(command, path));
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| {
            !argument.is_hide_set()
                && !["help", "version", "config", "log"].contains(&argument.get_id().as_str())
        })
        .collect();
    if !arguments.is_empty() {
        let _ = writeln!(text, "\n| argument | meaning | default |\n|---|---|---|");
    }
    for argument in arguments {
        let help = shown(argument.get_long_help())
            .or_else(|| shown(argument.get_help()))
            .unwrap_or_default();
        let values: Vec<_> = argument
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({help})", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let takes_value = argument.get_action().takes_values();
        let values = if takes_value && !values.is_empty() {
            format!("; one of {}", values.join(", "))
        } else {
            String::new()
        };
        let defaults = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()));
        let defaults: Vec<_> = if takes_value {
            defaults.collect()
        } else {
            Vec::new()
        };
        let cell = |text: &str| {
            text.replace("\n\n", ". ")
                .replace('\n', " ")
                .replace('|', "\\|")
        };
        let _ = writeln!(
            text,
            "| `{}` | {}{} | {} |",
            written(argument),
            cell(&help),
            cell(&values),
            defaults.join(", ")
        );
    }
    if let Some(examples) = shown(command.get_after_help()) {
        let _ = writeln!(text, "\n```text\n{}\n```", examples.trim());
    }
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        self::command(text, below, &format!("{path} {}", below.get_name()));
    }
}

/// Help texts have no final stops; a page has.
fn sentences(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let paragraph = paragraph.trim();
        if paragraph.ends_with(['.', ':']) {
            paragraph.to_owned()
        } else {
            format!("{paragraph}.")
        }
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn usage(command: &Command, path: &str) -> String {
    let text = command.clone().render_usage().to_string();
    let text = text.trim_start_matches("Usage:").trim();
    // The usage names the command as clap knows it; the page names the whole path.
    let after = text
        .strip_prefix(path)
        .unwrap_or(text.split_once(' ').map_or("", |(_, after)| after));
    format!("{path} {}", after.trim()).trim().to_owned()
}

/// How an argument is typed: `--listen ADDRESS`, `SESSION`.
fn written(argument: &Arg) -> String {
    let values: Vec<_> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    match argument.get_long() {
        Some(long) if argument.get_action().takes_values() => {
            format!("--{long} {}", values.join(" "))
        }
        Some(long) => format!("--{long}"),
        None => values.join(" "),
    }
}

fn metrics() -> Result<String, Error> {
    let registry = Registry::new(&MetricsConfig::default());
    wiring::declare_all(&registry)?;
    let mut text = String::from(
        "# Metrics\n\n`GET /metrics` on the admin listener shows them as Prometheus reads them. A metric's other names appear beside its own with\n`metrics.aliases = true`.\n\n| metric | kind | labels | meaning | other names |\n|---|---|---|---|---|\n",
    );
    let list = |names: &[String]| {
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for metric in registry.declared() {
        let help = metric.help.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {help} | {} |",
            metric.name,
            metric.kind,
            list(&metric.labels),
            list(&metric.aliases)
        );
    }
    Ok(text)
}
