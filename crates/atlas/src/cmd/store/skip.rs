//! `atlas store skip`: past a record that cannot be applied.

use std::path::PathBuf;
use std::process::ExitCode;

use atlas_store::files;
use clap::Args;

use crate::context::Context;
use crate::error::Error;
use crate::terminal::{print, say};

/// Leave a record out, for good
///
/// For a record that a start stops at because applying it panics: the error names its index. The store must not run. The
/// record stays in the log and is not applied any more; what depended on it is applied to what is there without it. It
/// prints the record as a line of JSON.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  atlas store skip 4711 /var/lib/atlas")]
pub(super) struct Options {
    /// The record's index
    #[arg(value_name = "INDEX")]
    index: u64,

    /// The data directory, or its folder `store`; without it, what the configuration names
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let folder = super::located(context, options.folder.as_deref())?;
    let record = files::skip(&folder, options.index)?;
    print(&format!("{record}\n"))?;
    say(&format!(
        "record {} is left out from now on; the store starts without its effect",
        options.index
    ));
    Ok(ExitCode::SUCCESS)
}
