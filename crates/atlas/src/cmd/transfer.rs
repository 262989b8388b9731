//! `atlas transfer`: moves one player to another game server.

use std::process::ExitCode;

use atlas_edge::{SessionView, TransferView};
use clap::Args;
use serde_json::json;

use super::find;
use crate::admin_client::{AdminClient, Remote};
use crate::context::Context;
use crate::error::{Error, FAILED};
use crate::terminal::{self, Paint, visible};

/// Move one player to another game server, the connection stays open
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas transfer 6f1c2a90 east\n  atlas transfer p-12 east --json"
)]
pub(crate) struct Options {
    /// The session: its id, the start of its id, or the player's name
    #[arg(value_name = "SESSION")]
    session: String,

    /// The server to move it to, of the same world
    #[arg(value_name = "SERVER")]
    server: String,

    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let moved: TransferView = super::block_on(Some(1), async {
        let session = find::session(&node, &options.session).await?;
        let path = format!("/v1/sessions/{}/transfer", session.id);
        let moved = node.post(&path, &json!({"server": options.server})).await;
        moved.map_err(|error| with_hint(error, &session))
    })?;
    if options.remote.json {
        terminal::print_json(&moved)?;
    } else {
        terminal::print(&sentence(&moved))?;
    }
    Ok(if moved.outcome == "done" {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// The server is not there, or the session has just gone: where to look.
fn with_hint(error: Error, session: &SessionView) -> Error {
    match error {
        Error::Answer {
            url,
            status: 404,
            detail,
            hint: None,
        } => Error::Answer {
            url,
            status: 404,
            detail,
            hint: Some(format!(
                "`atlas servers` lists the servers of world {}",
                visible(&session.world)
            )),
        },
        other => other,
    }
}

fn sentence(moved: &TransferView) -> String {
    let paint = Paint::stdout();
    let who = visible(moved.player.as_deref().unwrap_or(&moved.session));
    match moved.outcome.as_str() {
        "done" => format!(
            "{}: {who} moved from {} to {}; input was held for {:.1} ms\n",
            paint.green("done"),
            moved.from,
            moved.to,
            moved.held_ms
        ),
        "refused" => format!(
            "{}: {who} was not moved: {}\n",
            paint.yellow("refused"),
            moved.why
        ),
        outcome => format!(
            "{}: {who} was to move from {} to {}: {}\n",
            paint.yellow(outcome),
            moved.from,
            moved.to,
            moved.why
        ),
    }
}
