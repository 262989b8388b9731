//! `atlas pack check`: what is wrong with a pack, by file and line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_pack::{Finding, Origin, Severity, Source};
use clap::Args;
use serde_json::{Value, json};

use crate::error::{Error, FAILED};
use crate::terminal::{self, Paint, visible};

/// Findings of one rule that are shown; --json has all of them.
const SHOWN_OF_A_RULE: usize = 10;

/// Say what is wrong with a pack, with file and line
///
/// Reads pack.toml, the index, every metafile and every file, computes their hashes, and changes nothing. What is inside
/// files that are fetched from elsewhere is not looked at, and that is said. Exit codes: 0 nothing is wrong (there may be
/// warnings), 1 there are errors, 2 there is no pack.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas pack check\n  atlas pack check versions/fabric/1.21.1\n  atlas pack check --json | jq '.findings[].rule'"
)]
pub(super) struct Options {
    /// The folder that holds pack.toml; without it, the one that you are in
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Print data for programs instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let folder = super::folder(options.folder.as_deref());
    let source = atlas_builder::read(&folder)?;
    if options.json {
        terminal::print_json(&data(&folder, &source))?;
    } else {
        terminal::print(&text(&folder, &source, Paint::stdout()))?;
    }
    Ok(match source.count(Severity::Error) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

fn remote(source: &Source) -> usize {
    let is_remote = |origin: &Origin| matches!(origin, Origin::Remote { .. });
    let items = source.items.iter();
    items.filter(|item| is_remote(&item.origin)).count()
}

fn text(folder: &Path, source: &Source, paint: Paint) -> String {
    let mut text = String::new();
    if let Some(pack) = &source.pack {
        let all = counted(source.items.len(), "file");
        let title = visible(&super::title(pack));
        let _ = writeln!(
            text,
            "{}: {all}, {} fetched from elsewhere",
            paint.bold(&title),
            remote(source)
        );
    }
    let mut hinted = BTreeSet::new();
    let mut shown = BTreeMap::<&str, usize>::new();
    for finding in &source.findings {
        let count = shown.entry(finding.rule).or_default();
        *count += 1;
        if *count <= SHOWN_OF_A_RULE {
            text += &line(folder, finding, paint);
            // What to do is said once, however many files it is to be done for.
            if let Some(hint) = finding.hint.as_deref().filter(|hint| hinted.insert(*hint)) {
                let _ = writeln!(text, "  {} {}", paint.cyan("hint:"), visible(hint));
            }
        }
    }
    for (rule, count) in shown {
        if count > SHOWN_OF_A_RULE {
            let more = count - SHOWN_OF_A_RULE;
            let _ = writeln!(text, "… and {more} more of {rule}; --json prints all");
        }
    }
    if let Some(skipped) = skipped(source) {
        let _ = writeln!(text, "{} {skipped}", paint.dim("skipped:"));
    }
    text += &verdict(source, paint);
    text
}

/// A finding as compilers write theirs, so that editors find the place.
fn line(folder: &Path, finding: &Finding, paint: Paint) -> String {
    let path = match folder.as_os_str() == "." {
        true => PathBuf::from(&finding.file),
        false => folder.join(&finding.file),
    };
    let place = finding.place.map_or_else(String::new, |place| {
        format!(":{}:{}", place.line, place.column)
    });
    let severity = format!("{}:", finding.severity);
    let severity = match finding.severity {
        Severity::Error => paint.red(&severity),
        Severity::Warning => paint.yellow(&severity),
        Severity::Note => paint.cyan(&severity),
    };
    let path = visible(&path.display().to_string());
    let message = visible(&finding.message);
    let rule = paint.dim(&format!("[{}]", finding.rule));
    format!("{path}{place}: {severity} {message} {rule}\n")
}

/// What could not be judged.
fn skipped(source: &Source) -> Option<String> {
    match remote(source) {
        0 => None,
        1 => Some("what the file that is fetched needs and holds, for it is not here".to_owned()),
        count => Some(format!(
            "what the {count} files that are fetched need and hold, for they are not here"
        )),
    }
}

fn verdict(source: &Source, paint: Paint) -> String {
    let errors = source.count(Severity::Error);
    let warnings = source.count(Severity::Warning);
    let words = match (errors, warnings) {
        (0, 0) => paint.green("nothing is wrong"),
        (0, _) => paint.yellow(&counted(warnings, "warning")),
        (_, 0) => paint.red(&counted(errors, "error")),
        _ => paint.red(&format!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        )),
    };
    format!("{words}\n")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", terminal::count(count as u64))
}

fn data(folder: &Path, source: &Source) -> Value {
    let findings: Vec<Value> = source
        .findings
        .iter()
        .map(|finding| {
            json!({
                "severity": finding.severity.to_string(), "rule": finding.rule, "file": finding.file,
                "line": finding.place.map(|place| place.line), "column": finding.place.map(|place| place.column),
                "message": finding.message, "hint": finding.hint,
            })
        })
        .collect();
    let pack = source.pack.as_ref();
    let versions: serde_json::Map<String, Value> = pack
        .into_iter()
        .flat_map(|pack| &pack.versions)
        .map(|(key, version)| (key.clone(), version.value.clone().into()))
        .collect();
    json!({
        "folder": folder, "name": pack.map(|pack| &pack.name), "version": pack.and_then(|pack| pack.version.as_ref()),
        "versions": versions, "files": source.items.len(), "remote": remote(source),
        "errors": source.count(Severity::Error), "warnings": source.count(Severity::Warning),
        "findings": findings, "skipped": skipped(source).into_iter().collect::<Vec<_>>(),
    })
}
