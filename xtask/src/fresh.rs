//! The README's two commands, as somebody types them who has just cloned: empty home, empty target folder.

use crate::error::Error;
use crate::workspace::Workspace;

/// What `cargo xtask fresh` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the second command, `cargo xtask test`, too
    #[arg(long)]
    test: bool,
}

/// Runs the commands in a clean clone.
pub(crate) fn run(_workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let _ = arguments.test;
    Err(Error::check("not built yet"))
}
