//! `atlas store restore`: a new data directory from what was kept of another.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_store::files::{self, Made, Point};
use clap::{ArgGroup, Args};
use serde_json::json;

use crate::config;
use crate::context::Context;
use crate::error::Error;
use crate::moment;
use crate::terminal::{self, Align, Paint, Table, count};

/// Make a data directory from what was kept of another
///
/// It is never written over one that is there. The new store is a node and a cluster of its own, so that nobody takes it
/// for the one that it comes from. It needs as much memory as a store with these keys.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("source").required(true).args(["from", "from_json"])),
    after_help = "Examples:\n  atlas store restore --from /backup/atlas --list\n  atlas store restore --from /backup/atlas --at 2026-11-21T20:15:00Z --into /srv/copy\n  atlas store dump /var/lib/atlas | atlas store restore --from-json --into /srv/copy\n  atlas store restore --from-json log.jsonl --into /srv/copy && atlas store --data-dir /srv/copy"
)]
pub(super) struct Options {
    /// The folder that `atlas store backup` wrote; also a copy of a data directory of a store that did not run
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,

    /// Read the JSON lines of `atlas store dump` from this file, or from the standard input
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    from_json: Option<PathBuf>,

    /// The state after the last record of this time, such as 2026-11-21T20:15:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = moment::parse, requires = "from")]
    at: Option<u64>,

    /// The state after the record with this index
    #[arg(long, value_name = "INDEX", requires = "from", conflicts_with = "at")]
    index: Option<u64>,

    /// Only say which moments the backup has
    #[arg(long, requires = "from", conflicts_with_all = ["at", "index", "into"])]
    list: bool,

    /// The data directory to make; the store's files come into its folder `store`
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    into: Option<PathBuf>,

    /// Print data for programs instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let (from, into) = match (&options.from, &options.into) {
        (Some(from), None) => return list(from, options.json),
        (from, into) => (from, into.clone().unwrap_or_default()),
    };
    let databases = config::load_unchecked(context, Vec::new())?
        .config
        .store
        .databases;
    let made = match from {
        Some(from) => {
            let point = match (options.at, options.index) {
                (Some(time_ms), _) => Point::Time(time_ms),
                (_, Some(index)) => Point::Index(index),
                (None, None) => Point::Last,
            };
            files::restore(from, point, &into, databases)?
        }
        None => {
            let mut input = opened(options.from_json.as_deref())?;
            files::restore_lines(&mut *input, &into, databases)?
        }
    };
    tell(&made, &into, options.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Says which moments a backup has.
fn list(from: &Path, json: bool) -> Result<ExitCode, Error> {
    let runs = files::runs(from)?;
    if runs.is_empty() {
        return Err(atlas_store::Error::NoStore {
            path: from.to_owned(),
        }
        .into());
    }
    if json {
        terminal::print_json(&runs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new([
        ("RUN", Align::Left),
        ("FROM", Align::Left),
        ("TO", Align::Left),
        ("INDICES", Align::Left),
        ("NODE", Align::Right),
    ]);
    for run in &runs {
        table.row([
            run.folder.display().to_string(),
            moment::text(run.first_ms),
            moment::text(run.taken_ms),
            format!("{} to {}", run.first_index, run.last_index),
            run.node.to_string(),
        ]);
    }
    terminal::print(&table.render(Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn opened(file: Option<&Path>) -> Result<Box<dyn BufRead>, Error> {
    const BUFFER_BYTES: usize = 1 << 20;
    match file {
        Some(file) if file.as_os_str() != "-" => {
            let opened = File::open(file).map_err(|source| Error::Read {
                path: file.to_owned(),
                source,
            })?;
            Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, opened)))
        }
        _ => Ok(Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            io::stdin(),
        ))),
    }
}

fn tell(made: &Made, into: &Path, json: bool) -> Result<(), Error> {
    if json {
        return terminal::print_json(&json!({
            "folder": made.folder, "index": made.index, "now_ms": made.now_ms, "keys": made.keys,
        }));
    }
    terminal::print(&format!(
        "{}: {} keys, the state after record {} of {}\nstart it with `atlas store --data-dir {}`\n",
        made.folder.display(),
        count(made.keys),
        count(made.index),
        moment::text(made.now_ms),
        into.display()
    ))
}
