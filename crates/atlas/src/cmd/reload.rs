//! `atlas reload`: lets a running node read its configuration again.

use std::fmt::Write as _;
use std::process::ExitCode;

use atlas_edge::ReloadReport;
use clap::Args;
use serde_json::json;

use crate::admin_client::{AdminClient, Remote};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Paint, visible};

/// Let a running node read its configuration again, no connection is touched
///
/// The node reads the file that it was started with, as it does on SIGHUP. If something is wrong with it, nothing changes,
/// and the exit code is 2.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  atlas reload\n  atlas reload --json")]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let asked = super::block_on(Some(1), node.post("/v1/reload", &json!({})));
    let report: ReloadReport = asked.map_err(|error| match error {
        Error::Answer {
            url,
            status: 422,
            detail,
            ..
        } => Error::NotReloaded {
            url: url.trim_end_matches("/v1/reload").to_owned(),
            detail,
        },
        other => other,
    })?;
    if options.remote.json {
        terminal::print_json(&report)?;
    } else {
        terminal::print(&lines(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(report: &ReloadReport) -> String {
    let paint = Paint::stdout();
    let done = paint.green("done");
    if report.is_empty() {
        return format!("{done}: nothing differs from what is in force\n");
    }
    let mut text = format!("{done}: the configuration was reloaded\n");
    for (what, names) in [
        ("servers added", &report.added),
        ("servers changed", &report.changed),
        ("servers removed", &report.removed),
        ("in force", &report.applied),
        ("waits for a restart", &report.restart),
    ] {
        if !names.is_empty() {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "  {what}: {}", visible(&names.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_changed_is_said() {
        let mut report = ReloadReport::default();
        assert_eq!(
            lines(&report),
            "done: nothing differs from what is in force\n"
        );
        report.added = vec!["main/east".to_owned(), "main/north".to_owned()];
        report.restart = vec!["edge.listen".to_owned()];
        assert_eq!(
            lines(&report),
            "done: the configuration was reloaded\n  servers added: main/east, main/north\n  waits for a restart: edge.listen\n"
        );
    }
}
