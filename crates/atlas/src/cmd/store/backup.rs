//! `atlas store backup`: a copy of a store's files, beside the running store.

use std::path::PathBuf;
use std::process::ExitCode;

use atlas_store::files;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::moment;
use crate::terminal::{self, count};

/// Copy a store's files, beside the running store
///
/// Needs nothing of the store but to read its files, does not stop it, and reads the copy back. A later backup to the same
/// folder adds what is new: every moment between the two can be restored, as long as the store still has the log of it (a
/// snapshot lets go of the log before it). Otherwise it begins a new run in the folder.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas store backup /var/lib/atlas --to /backup/atlas\n  atlas store restore --from /backup/atlas --list\n  atlas store restore --from /backup/atlas --into /srv/copy"
)]
pub(super) struct Options {
    /// The data directory, or its folder `store`; without it, what the configuration names
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// The folder of the backup; it is made if it is not there
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,

    /// Print data for programs instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let folder = super::located(context, options.folder.as_deref())?;
    let made = files::backup(&folder, &options.to)?;
    let run = &made.run;
    if options.json {
        terminal::print_json(&json!({
            "folder": run.folder, "is_new": made.is_new, "files": made.files, "bytes": made.bytes,
            "first_index": run.first_index, "first_ms": run.first_ms, "last_index": run.last_index,
            "taken_ms": run.taken_ms,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let how = if made.is_new { "a new run" } else { "goes on" };
    terminal::print(&format!(
        "{} ({how}): {} files copied, {} bytes, and read back\neverything up to record {} of {}; restorable: {} to {}\n",
        run.folder.display(),
        count(made.files),
        count(made.bytes),
        count(run.last_index),
        moment::text(run.taken_ms),
        moment::text(run.first_ms),
        moment::text(run.taken_ms),
    ))?;
    Ok(ExitCode::SUCCESS)
}
