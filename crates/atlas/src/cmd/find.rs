//! Which session, which server is meant by what somebody typed.

use atlas_edge::{ServerView, SessionView, SessionsPage};
use serde::Deserialize;

use crate::admin_client::{AdminClient, escaped};
use crate::error::Error;

/// The one session that is meant.
pub(super) async fn session(node: &AdminClient, wanted: &str) -> Result<SessionView, Error> {
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

/// The one server that is meant: its name, or `WORLD/SERVER` where several worlds have one of that name.
pub(super) async fn server(node: &AdminClient, wanted: &str) -> Result<ServerView, Error> {
    #[derive(Deserialize)]
    struct Servers {
        items: Vec<ServerView>,
    }
    let servers: Servers = node.get("/v1/servers").await?;
    pick_server(servers.items, wanted)
}

fn pick_server(servers: Vec<ServerView>, wanted: &str) -> Result<ServerView, Error> {
    let whole = |server: &ServerView| format!("{}/{}", server.world, server.id);
    let mut found: Vec<ServerView> = servers
        .into_iter()
        .filter(|server| server.id == wanted || whole(server) == wanted)
        .collect();
    match found.pop() {
        None => Err(Error::NoServer {
            wanted: wanted.to_owned(),
        }),
        Some(last) if found.is_empty() => Ok(last),
        Some(last) => Err(Error::ManyServers {
            wanted: wanted.to_owned(),
            whole: found.iter().chain([&last]).map(whole).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(id: &str, player: Option<&str>) -> SessionView {
        serde_json::from_value(json!({
            "id": id, "world": "main", "player": player, "server": "west", "epoch": 1, "phase": "settled",
            "link": "cooperative", "client": "127.0.0.1:5", "path": "/", "position": null, "age_ms": 1,
            "transfers": 0, "messages_in": 0, "messages_out": 0, "lost_input": 0,
        }))
        .unwrap()
    }

    #[test]
    fn a_session_is_named_by_id_player_or_start() {
        let all = || {
            vec![
                view("aa11", Some("p-1")),
                view("aa22", Some("aa11")),
                view("bb33", Some("p-1")),
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

    #[test]
    fn a_server_is_named_by_its_name_or_with_its_world() {
        let server = |world: &str, id: &str| -> ServerView {
            serde_json::from_value(json!({
                "id": id, "world": world, "address": "ws://127.0.0.1:1", "source": "config", "state": "active", "health": "healthy",
                "link": "plain", "sessions": 0, "capacity": 0, "weight": 1, "region": null, "labels": {},
            }))
            .unwrap()
        };
        let all = || {
            vec![
                server("main", "west"),
                server("arena", "west"),
                server("main", "east"),
            ]
        };
        let found = |wanted: &str| {
            pick_server(all(), wanted).map(|server| format!("{}/{}", server.world, server.id))
        };
        assert_eq!(found("east").unwrap(), "main/east");
        assert_eq!(found("arena/west").unwrap(), "arena/west");
        assert!(
            matches!(found("west"), Err(Error::ManyServers { whole, .. }) if whole == ["main/west", "arena/west"])
        );
        assert!(matches!(found("arena/east"), Err(Error::NoServer { .. })));
    }
}
