//! `atlas kick`: closes one player's connection.

use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::find;
use crate::admin_client::{AdminClient, Remote};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Paint, visible};

/// Close one player's connection, with a code and a reason that the client sees
///
/// A player who is just being moved is closed when the move has ended.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas kick p-12\n  atlas kick 6f1c2a90 --code 4001 --reason cheating"
)]
pub(crate) struct Options {
    /// The session: its id, the start of its id, or the player's name
    #[arg(value_name = "SESSION")]
    session: String,

    /// The WebSocket close code
    #[arg(long, value_name = "CODE", default_value_t = 4000)]
    code: u16,

    /// Why, in words for the player's client; at most 123 bytes of it are sent
    #[arg(long, value_name = "TEXT", default_value = "kicked")]
    reason: String,

    #[command(flatten)]
    remote: Remote,
}

/// What the node answers.
#[derive(Deserialize, Serialize)]
struct Kicked {
    session: String,
    code: u16,
    reason: String,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let (session, kicked): (_, Kicked) = super::block_on(Some(1), async {
        let session = find::session(&node, &options.session).await?;
        let path = format!("/v1/sessions/{}/kick", session.id);
        let kick = json!({"code": options.code, "reason": options.reason});
        let kicked = node.post(&path, &kick).await?;
        Ok((session, kicked))
    })?;
    if options.remote.json {
        terminal::print_json(&kicked)?;
    } else {
        terminal::print(&format!(
            "{}: {} was closed with {}: {}\n",
            Paint::stdout().green("done"),
            visible(session.player.as_deref().unwrap_or(&session.id)),
            kicked.code,
            visible(&kicked.reason),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
