//! `atlas store import`: a new data directory from a file of Redis's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_kv::Imported;
use atlas_store::files::{self, Made};
use clap::Args;
use serde_json::json;

use super::restore::opened;
use crate::config;
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, count};

/// Make a data directory from a file of Redis's or Valkey's (dump.rdb)
///
/// Files of Redis 2.6 to 7.2 are read, with every type, its databases and expiries. What modules made, and libraries of
/// functions, are left out and counted. It needs as much memory as a store with these keys.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  redis-cli -h old --rdb dump.rdb && atlas store import dump.rdb --into /srv/store\n  redis-cli -h old --rdb - | atlas store import - --into /srv/store\n  atlas store --data-dir /srv/store"
)]
pub(super) struct Options {
    /// The file; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The data directory to make; the store's files come into its folder `store`
    #[arg(long, value_name = "DIR")]
    into: PathBuf,

    /// Print data for programs instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let databases = config::load_unchecked(context, Vec::new())?
        .config
        .store
        .databases;
    let mut input = opened(Some(&options.file))?;
    let name = match options.file.as_os_str() {
        name if name == "-" => Path::new("the standard input"),
        _ => &options.file,
    };
    let (made, imported) = files::import(&mut *input, name, &options.into, databases)?;
    tell(&made, &imported, options)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(made: &Made, imported: &Imported, options: &Options) -> Result<(), Error> {
    if options.json {
        let modules: serde_json::Map<_, _> = imported
            .of_modules
            .iter()
            .map(|(module, keys)| (module.clone(), json!(keys)))
            .collect();
        return terminal::print_json(&json!({
            "folder": made.folder,
            "keys": made.keys,
            "expired": imported.expired,
            "libraries_left_out": imported.libraries,
            "keys_of_modules_left_out": modules,
            "redis_version": imported.redis_version,
        }));
    }
    let by = imported.redis_version.as_deref().map(printable);
    let mut text = format!(
        "{}: {} keys{}\n",
        made.folder.display(),
        count(made.keys),
        by.map_or_else(String::new, |by| format!(", written by Redis {by}"))
    );
    if imported.expired > 0 {
        text += &format!(
            "left out, as their time had come: {} keys\n",
            count(imported.expired)
        );
    }
    for (module, keys) in &imported.of_modules {
        text += &format!(
            "left out, as only a module of Redis's reads them: {} keys of {module}\n",
            count(*keys)
        );
    }
    if imported.libraries > 0 {
        text += &format!(
            "left out: {} libraries of functions; load them with FUNCTION LOAD\n",
            count(imported.libraries)
        );
    }
    text += &format!(
        "start it with `atlas store --data-dir {}`\n",
        options.into.display()
    );
    terminal::print(&text)
}

/// A version as a file has it may be anything.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(32)
        .collect()
}
