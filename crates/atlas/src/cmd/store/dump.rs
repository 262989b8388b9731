//! `atlas store dump`: the log as JSON lines.

use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::process::ExitCode;

use atlas_store::files::{self, Range};
use clap::Args;

use crate::context::Context;
use crate::error::Error;

/// Print a store's log as JSON lines
///
/// One line a record, behind the snapshot that stands for what the log has not any more. It changes nothing and works
/// beside a running store. `atlas store restore --from-json` makes a store of the same state from it. If the files are
/// damaged, all records before the damage are printed, and the exit code is 1.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas store dump /var/lib/atlas > log.jsonl\n  atlas store dump /var/lib/atlas --from 100 --to 120\n  atlas store dump | grep '\"key\":\"greeting\"'"
)]
pub(super) struct Options {
    /// The data directory, or its folder `store`; without it, what the configuration names
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Print records from this index on, and no snapshot: nothing can be restored from that alone
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,

    /// Print records up to this index
    #[arg(long, value_name = "INDEX")]
    to: Option<u64>,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<ExitCode, Error> {
    let folder = super::located(context, options.folder.as_deref())?;
    let range = Range {
        from: options.from,
        to: options.to,
    };
    let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    files::dump(&folder, range, &mut output)?;
    Ok(ExitCode::SUCCESS)
}
