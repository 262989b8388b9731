//! `atlas transfer`: moves one player to another game server.

use std::process::ExitCode;

use atlas_edge::{SessionView, SessionsPage, TransferView};
use clap::Args;
use serde_json::json;

use crate::admin_client::{AdminClient, Remote, escaped};
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
        let session = find(&node, &options.session).await?;
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

/// The one session that is meant.
async fn find(node: &AdminClient, wanted: &str) -> Result<SessionView, Error> {
    let page: SessionsPage = node
        .get(&format!(
            "/v1/sessions?limit=1000&search={}",
            escaped(wanted)
        ))
        .await?;
    pick(page.items, wanted)
}

/// Whole ids first, then players, then starts of ids: whoever types a player's name means the player.
fn pick(sessions: Vec<SessionView>, wanted: &str) -> Result<SessionView, Error> {
    let fits: [&dyn Fn(&SessionView) -> bool; 3] = [
        &|session| session.id == wanted,
        &|session| session.player.as_deref() == Some(wanted),
        &|session| session.id.starts_with(wanted),
    ];
    for fits in fits {
        let mut found = sessions.iter().filter(|session| fits(session));
        if let Some(first) = found.next() {
            return match found.count() {
                0 => Ok(first.clone()),
                others => Err(Error::ManySessions {
                    wanted: wanted.to_owned(),
                    count: others + 1,
                }),
            };
        }
    }
    Err(Error::NoSession {
        wanted: wanted.to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, player: Option<&str>) -> SessionView {
        serde_json::from_value(json!({
            "id": id, "world": "main", "player": player, "server": "west", "epoch": 1, "phase": "settled",
            "link": "cooperative", "client": "127.0.0.1:5", "path": "/", "position": null, "age_ms": 1,
            "transfers": 0, "messages_in": 0, "messages_out": 0,
        }))
        .unwrap()
    }

    #[test]
    fn a_session_is_named_by_id_player_or_start() {
        let all = || {
            vec![
                session("aa11", Some("p-1")),
                session("aa22", Some("aa11")),
                session("bb33", Some("p-1")),
            ]
        };
        let id = |wanted: &str| pick(all(), wanted).map(|session| session.id);
        assert_eq!(
            id("aa11").unwrap(),
            "aa11",
            "a whole id beats a player of that name"
        );
        assert_eq!(id("bb").unwrap(), "bb33");
        assert!(matches!(
            id("aa"),
            Err(Error::ManySessions { count: 2, .. })
        ));
        assert!(matches!(
            id("p-1"),
            Err(Error::ManySessions { count: 2, .. })
        ));
        assert!(matches!(id("zz"), Err(Error::NoSession { .. })));
    }
}
