//! `atlas doctor`: looks at what the configuration describes, and says what is wrong and what to do.

mod checks;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, FAILED};
use crate::terminal::{self, Paint, visible};

/// Look for what keeps this node from working, and say what to do
///
/// It reads the configuration and looks at ports, limits, folders and game servers; it starts and changes nothing. Exits
/// with 1 if something has to be mended.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas doctor\n  atlas doctor --config /etc/atlas/atlas.toml --json"
)]
pub(crate) struct Options {
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// What a look at one thing found.
#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    /// What was looked at.
    what: String,
    /// What was found.
    found: String,
    /// What to do; empty if nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    /// It works, but not as somebody might expect.
    Note,
    /// It keeps the node from working.
    Wrong,
}

impl Finding {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Good,
            what: what.into(),
            found: found.into(),
            remedy: String::new(),
        }
    }

    fn note(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            what: what.into(),
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    fn wrong(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Wrong,
            what: what.into(),
            found: found.into(),
            remedy: remedy.into(),
        }
    }
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let findings = super::block_on(Some(1), async { Ok(checks::all(context).await) })?;
    let wrong = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Wrong)
        .count();
    if options.json {
        terminal::print_json(&serde_json::json!({ "good": wrong == 0, "findings": findings }))?;
    } else {
        terminal::print(&words(&findings, wrong, Paint::stdout()))?;
    }
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn words(findings: &[Finding], wrong: usize, paint: Paint) -> String {
    let mut text = String::new();
    let width = findings
        .iter()
        .map(|finding| finding.what.chars().count())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Good => paint.green("good "),
            Verdict::Note => paint.yellow("note "),
            Verdict::Wrong => paint.red("wrong"),
        };
        text += &format!(
            "{verdict}  {:<width$}  {}\n",
            finding.what,
            visible_lines(&finding.found, width + 9)
        );
        if !finding.remedy.is_empty() {
            text += &format!(
                "{}{}\n",
                " ".repeat(width + 9),
                paint.cyan(&visible_lines(&finding.remedy, width + 9))
            );
        }
    }
    text += &match wrong {
        0 => "\nnothing is wrong\n".to_owned(),
        1 => "\n1 thing is to be mended\n".to_owned(),
        _ => format!("\n{wrong} things are to be mended\n"),
    };
    text
}

/// Further lines stand below the first.
fn visible_lines(text: &str, indent: usize) -> String {
    let lines: Vec<_> = text.lines().map(visible).collect();
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
