//! `atlas store check`: whether a store's files are whole.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use atlas_store::files::{self, Checked, InUse};
use atlas_wal::{FileReport, GroupReport};
use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Error, FAILED};
use crate::terminal::{self, Align, Paint, Table, count};

/// Say whether a store's files are whole
///
/// Reads every byte of the log and of the snapshots and changes nothing. It works beside a running store: it then looks at
/// the files as they were at one moment. Exit codes: 0 whole (a line tells of a torn end, which the next start cuts off), 1
/// damaged, 2 there is no store.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas store check\n  atlas store check /var/lib/atlas\n  atlas store check /backup/run-00001 --json"
)]
pub(super) struct Options {
    /// The data directory, or its folder `store`; without it, what the configuration names
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Print data for programs instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let folder = super::located(context, options.folder.as_deref())?;
    let checked = files::check(&folder)?;
    if options.json {
        terminal::print_json(&data(&checked))?;
    } else {
        terminal::print(&text(&checked, Paint::stdout()))?;
    }
    Ok(if checked.report.is_damaged() {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The outcome in a word.
pub(super) fn outcome(checked: &Checked) -> &'static str {
    if checked.report.is_damaged() {
        "damaged"
    } else if checked.report.torn().next().is_some() {
        "torn"
    } else {
        "whole"
    }
}

fn text(checked: &Checked, paint: Paint) -> String {
    let report = &checked.report;
    let mut text = format!("{}", checked.folder.display());
    if let Some(identity) = report.identity {
        let _ = write!(text, ": the log of {identity}");
    }
    text.push_str("\n\n");
    let mut table = Table::new([
        ("FILE", Align::Left),
        ("STATE", Align::Left),
        ("RECORDS", Align::Right),
        ("INDICES", Align::Left),
        ("BYTES", Align::Right),
    ]);
    for file in &report.files {
        table.row([
            file.name.clone(),
            file.state.to_owned(),
            count(file.records),
            indices(file),
            count(file.end),
        ]);
    }
    text += &table.render(paint);
    text.push('\n');
    for name in &report.unfinished {
        let _ = writeln!(text, "unfinished: {name}; the next start removes it");
    }
    if let InUse::By(process) = checked.in_use {
        let process = process.map_or("another process".to_owned(), |id| format!("process {id}"));
        let _ = writeln!(
            text,
            "in use by {process}: this is what the files held at one moment"
        );
    }
    for group in &report.groups {
        text += &kept(group, report.is_whole());
    }
    for file in report.torn() {
        let _ = writeln!(
            text,
            "{} {}: {}; nobody was told that they are durable, the next start cuts them off",
            paint.yellow("torn:"),
            file.name,
            file.remark.as_deref().unwrap_or_default()
        );
    }
    for problem in &report.problems {
        let _ = writeln!(text, "{} {problem}", paint.red("damaged:"));
    }
    for file in report.files.iter().filter(|file| file.state == "damaged") {
        let _ = writeln!(
            text,
            "{} {}",
            paint.red("damaged:"),
            file.remark.as_deref().unwrap_or(&file.name)
        );
    }
    text += &verdict(checked, paint);
    text
}

fn verdict(checked: &Checked, paint: Paint) -> String {
    let report = &checked.report;
    if !report.is_damaged() {
        return format!("{}\n", paint.green("whole"));
    }
    let what = if report.is_whole() {
        "a store starts from these files all the same, without the damaged snapshot"
    } else {
        "no store starts from these files; `atlas store restore` makes new ones from a backup, `atlas store dump` prints what lies before the damage"
    };
    format!("{}; {what}\n", paint.red("not whole, nothing was changed"))
}

fn indices(file: &FileReport) -> String {
    let ranges = file.indices.iter().map(|range| {
        let of = match range.group {
            0 => String::new(),
            group => format!(" of group {group}"),
        };
        if range.first == range.last {
            format!("{}{of}", range.first)
        } else {
            format!("{} to {}{of}", range.first, range.last)
        }
    });
    let ranges: Vec<_> = ranges.collect();
    if ranges.is_empty() {
        "-".to_owned()
    } else {
        ranges.join(", ")
    }
}

fn kept(group: &GroupReport, is_whole: bool) -> String {
    let mut text = match group.group {
        0 => String::new(),
        number => format!("group {number}: "),
    };
    text += if is_whole { "has" } else { "could be kept:" };
    let snapshot = group.snapshots.first();
    if let Some(index) = snapshot {
        let _ = write!(text, " a snapshot of everything up to index {index}");
    }
    let records = group.first_index <= group.last_index;
    if records {
        let and = if snapshot.is_some() { ", and" } else { "" };
        let _ = write!(
            text,
            "{and} the records {} to {}",
            group.first_index, group.last_index
        );
    }
    if snapshot.is_none() && !records {
        text += " nothing";
    }
    if !group.startable {
        let _ = write!(
            text,
            "; what came before index {} is missing",
            group.first_index
        );
    }
    text.push('\n');
    text
}

fn data(checked: &Checked) -> Value {
    let report = &checked.report;
    let range = |range: &atlas_wal::IndexRange| json!({ "group": range.group, "first": range.first, "last": range.last });
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| {
            json!({
                "name": file.name, "state": file.state, "frames": file.frames, "records": file.records,
                "indices": file.indices.iter().map(range).collect::<Vec<_>>(), "bytes": file.end,
                "remark": file.remark,
            })
        })
        .collect();
    let groups: Vec<Value> = report
        .groups
        .iter()
        .map(|group| {
            json!({
                "group": group.group, "first_index": group.first_index, "last_index": group.last_index,
                "snapshots": group.snapshots, "startable": group.startable,
            })
        })
        .collect();
    let torn: Vec<Value> = report
        .torn()
        .map(|file| json!({ "file": file.name, "offset": file.end, "message": file.remark }))
        .collect();
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| {
            let (file, offset) = problem.place().unzip();
            let name = file.and_then(|file| file.file_name());
            json!({
                "file": name.map(|name| name.to_string_lossy()), "offset": offset, "message": problem.to_string(),
            })
        })
        .collect();
    let (in_use, process) = match checked.in_use {
        InUse::No => (false, None),
        InUse::By(process) => (true, process),
    };
    json!({
        "folder": checked.folder, "outcome": outcome(checked), "in_use": in_use, "process": process,
        "cluster": report.identity.map(|identity| format!("{:032x}", identity.cluster)),
        "node": report.identity.map(|identity| identity.node), "apply_level": report.apply_level,
        "files": files, "groups": groups, "torn": torn, "problems": problems, "unfinished": report.unfinished,
    })
}
