//! Emptying servers, kicking players, and the regions, as a person sees them.

use std::time::{Duration, Instant};

use atlas_base::TimeSpan;
use atlas_edge::{ServerConfig, WorldConfig};
use atlas_testkit::{Client, Deadline, GameServer, Http, Reply, eventually, eventually_async};
use atlas_wire::link::{ControlToServer, Draining, Wait};
use serde_json::{Value, json};

use crate::game::Game;
use crate::support::{Running, admin, edge, server, soon, world};

const WEST: &str = "/v1/servers/main/west/drain";

fn read(reply: Reply) -> (u16, Value) {
    (reply.status, reply.json().unwrap())
}

async fn post(admin: &Http, path: &str, body: Value) -> (u16, Value) {
    read(admin.post(path, &body, soon()).await.unwrap())
}

async fn ended(admin: &Http) -> Value {
    eventually_async(soon(), "the drain's end", async || {
        let report = admin.get_json(WEST, soon()).await.unwrap();
        (report["state"] == "drained").then_some(report)
    })
    .await
    .unwrap()
}

/// Two cooperative servers, and whoever comes goes to the first.
async fn two() -> (Game, Game, WorldConfig) {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]);
    (west, east, world)
}

/// A player at the west.
async fn player(edge: &Running) -> Client {
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    client
}

/// The sessions in the order in which they were joined to a server.
fn sessions(game: &Game) -> Vec<String> {
    (0..game.server.opened())
        .filter_map(|link| game.server.request_header(link, "atlas-session"))
        .collect()
}

#[tokio::test]
async fn players_are_moved_idle_ones_first_and_the_server_comes_back_when_asked() {
    let (west, east, mut world) = two().await;
    world.drain.window = TimeSpan::from_millis(300);
    let edge = edge(world);
    let admin = admin(&edge).await;
    west.linked().await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(player(&edge).await);
    }
    // The last who came speaks first, so it is the one that has said nothing for longest.
    for client in clients.iter_mut().rev() {
        let now = Instant::now();
        eventually(soon(), "the clock to go on", || {
            now.elapsed() > Duration::from_millis(3)
        })
        .await
        .unwrap();
        client.send_text("hi").await.unwrap();
        client.receive_text(soon()).await.unwrap();
    }
    let (status, begun) = post(&admin, WEST, json!({"deadline": "30s"})).await;
    assert_eq!(status, 202);
    assert_eq!(
        (&begun["state"], &begun["left"]),
        (&json!("draining"), &json!(6))
    );
    assert_eq!(edge.handle.servers()[0].state, "draining");
    let report = ended(&admin).await;
    for (field, value) in [
        ("moved", 6),
        ("dropped", 0),
        ("gone", 0),
        ("resumed", 0),
        ("left", 0),
    ] {
        assert_eq!(report[field], value, "{field} of {report}");
    }
    assert_eq!(edge.handle.servers()[0].state, "drained");
    let expected: Vec<String> = sessions(&west).into_iter().rev().collect();
    assert_eq!(sessions(&east), expected, "idle ones first");
    assert!(
        matches!(west.heard()[..], [ControlToServer::Drain(ref drain)] if (29_000..=30_000).contains(&drain.deadline_ms)),
        "{:?}",
        west.heard()
    );
    for client in &mut clients {
        client.send_text("still here").await.unwrap();
        assert_eq!(
            client.receive_text(soon()).await.unwrap(),
            "east:still here"
        );
    }
    assert_eq!(
        edge.metric("atlas_edge_drained_sessions_total{outcome=\"moved\",world=\"main\"}"),
        6
    );
    assert_eq!(
        edge.metric("atlas_edge_transfers_total{outcome=\"done\",reason=\"drain\",world=\"main\"}"),
        6
    );
    // Drained means drained: nobody new, however much it weighs.
    let mut late = Client::to(edge.address).connect(soon()).await.unwrap();
    late.send_text("hi").await.unwrap();
    assert_eq!(late.receive_text(soon()).await.unwrap(), "east:hi");
    // Once more is no news.
    assert_eq!(post(&admin, WEST, json!({})).await.1["state"], "drained");
    let (status, report) = read(admin.request("DELETE", WEST, None, soon()).await.unwrap());
    assert_eq!((status, &report["state"]), (200, &json!("cancelled")));
    assert_eq!(edge.handle.servers()[0].state, "active");
}

#[tokio::test]
async fn whoever_cannot_be_moved_is_closed_at_the_deadline_and_told_when_to_come_back() {
    let (old, alone) = (GameServer::echo().await.unwrap(), Game::start("west").await);
    // One server that cannot move anybody, one that could but has nobody to move them to.
    for (server, obstacle) in [
        (server("west", &old.url()), Value::Null),
        (alone.config(), json!("no other server takes it")),
    ] {
        let edge = edge(world([server]));
        let admin = admin(&edge).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
            client.send_text("hi").await.unwrap();
            client.receive_text(soon()).await.unwrap();
            clients.push(client);
        }
        let order = json!({"deadline": "400ms", "window": "200ms"});
        assert_eq!(post(&admin, WEST, order).await.0, 202);
        let gone = clients.pop().unwrap();
        eventually_async(soon(), "the first look", async || {
            let report = admin.get_json(WEST, soon()).await.unwrap();
            (report["left"] == 3 && (obstacle.is_null() || report["obstacle"] == obstacle))
                .then_some(())
        })
        .await
        .unwrap();
        gone.close(1000, "bye", soon()).await.unwrap();
        for mut client in clients {
            let (code, reason) = client.receive_close(soon()).await.unwrap();
            let ms = reason
                .strip_prefix("the server is being emptied; come back in ")
                .and_then(|rest| rest.strip_suffix(" ms"));
            let ms: u64 = ms.expect(&reason).parse().unwrap();
            assert!(code == 1012 && ms < 200, "{code} {reason}");
            client.close(1000, "", soon()).await.ok();
        }
        let report = ended(&admin).await;
        for (field, value) in [("moved", 0), ("dropped", 2), ("gone", 1), ("left", 0)] {
            assert_eq!(report[field], value, "{field} of {report}");
        }
        assert_eq!(
            edge.metric("atlas_edge_clients_closed_total{code=\"1012\",reason=\"drain\"}"),
            2
        );
    }
}

#[tokio::test]
async fn a_server_gets_the_time_that_it_asks_for_until_it_says_otherwise() {
    let (west, east, mut world) = two().await;
    world.drain.window = TimeSpan::from_secs(0);
    let edge = edge(world);
    let admin = admin(&edge).await;
    west.linked().await;
    let mut client = player(&edge).await;
    west.on_drain([Wait {
        ms: 3_600_000,
        reason: "a match is on".to_owned(),
    }
    .into()]);
    post(&admin, WEST, json!({})).await;
    let waits = eventually_async(soon(), "the server's answer", async || {
        let report = admin.get_json(WEST, soon()).await.unwrap();
        report["waits"]
            .is_object()
            .then_some(report["waits"].clone())
    })
    .await
    .unwrap();
    assert_eq!(waits["reason"], "a match is on");
    let granted = waits["for_ms"].as_u64().unwrap();
    assert!(
        (50_000..=60_000).contains(&granted),
        "no longer than there is: {granted}"
    );
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    west.say(Draining {});
    assert_eq!(ended(&admin).await["moved"], 1);
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "east:hi");
    assert_eq!(sessions(&east).len(), 1);
}

#[tokio::test]
async fn a_server_that_asks_for_too_much_time_is_emptied_before_the_deadline() {
    let (west, _east, world) = two().await;
    let edge = edge(world);
    let admin = admin(&edge).await;
    west.linked().await;
    let _client = player(&edge).await;
    west.on_drain([Wait {
        ms: 3_600_000,
        reason: "for ever".to_owned(),
    }
    .into()]);
    post(&admin, WEST, json!({"deadline": "2s", "window": "1500ms"})).await;
    let report = ended(&admin).await;
    assert_eq!(
        (&report["moved"], &report["dropped"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_drain_that_is_cancelled_leaves_everybody_where_they_are() {
    let (west, east, world) = two().await;
    let edge = edge(world);
    let admin = admin(&edge).await;
    west.linked().await;
    let mut client = player(&edge).await;
    west.on_drain([Wait {
        ms: 3_600_000,
        reason: "a match is on".to_owned(),
    }
    .into()]);
    post(&admin, WEST, json!({})).await;
    eventually(soon(), "the server to be told", || west.heard().len() == 1)
        .await
        .unwrap();
    let (status, report) = post(&admin, WEST, json!({"cancel": true})).await;
    assert_eq!((status, &report["state"]), (200, &json!("cancelled")));
    // What the server says now means nothing any more.
    west.say(Draining {});
    player(&edge).await;
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    assert_eq!(sessions(&east).len(), 0);
    // And it can be drained again.
    west.on_drain([Draining {}.into()]);
    assert_eq!(
        post(&admin, WEST, json!({"window": "0s"})).await.1["state"],
        "draining"
    );
    assert_eq!(ended(&admin).await["left"], 0);
}

#[tokio::test]
async fn players_are_kicked_with_the_code_and_reason_given() {
    let west = Game::start("west").await;
    let old = GameServer::echo().await.unwrap();
    for config in [west.config(), server("west", &old.url())] {
        let edge = edge(world([config]));
        let admin = admin(&edge).await;
        for (order, code, reason) in [
            (
                json!({"code": 4001, "reason": "cheating"}),
                4001,
                "cheating",
            ),
            (json!({}), 4000, "kicked"),
        ] {
            let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
            client.send_text("hi").await.unwrap();
            client.receive_text(soon()).await.unwrap();
            let sessions = admin.get_json("/v1/sessions", soon()).await.unwrap();
            let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
            let path = format!("/v1/sessions/{session}/kick");
            let (status, kicked) = post(&admin, &path, order).await;
            assert_eq!(status, 200);
            assert_eq!(
                kicked,
                json!({"session": session, "code": code, "reason": reason})
            );
            assert_eq!(
                client.receive_close(soon()).await.unwrap(),
                (code, reason.to_owned())
            );
            client.close(1000, "", soon()).await.ok();
            eventually_async(Deadline::seconds(10), "the session's end", async || {
                (post(&admin, &path, json!({})).await.0 == 404).then_some(())
            })
            .await
            .unwrap();
        }
    }
}

#[tokio::test]
async fn wrong_orders_are_answered_with_what_would_be_right() {
    let edge = edge(world([server("west", "ws://127.0.0.1:9")]));
    let admin = admin(&edge).await;
    let kick = "/v1/sessions/67e55044-10b1-426f-9247-bb680e5fe0c8/kick";
    for (method, path, body, status, words) in [
        (
            "POST",
            "/v1/servers/main/north/drain",
            None,
            404,
            "no server named north",
        ),
        (
            "POST",
            "/v1/servers/side/west/drain",
            None,
            404,
            "world side",
        ),
        ("GET", WEST, None, 404, "not being drained"),
        ("DELETE", WEST, None, 404, "not being drained"),
        ("POST", WEST, Some(json!({"deadline": 5})), 422, "deadline"),
        (
            "POST",
            WEST,
            Some(json!({"dead-line": "5s"})),
            422,
            "dead-line",
        ),
        (
            "POST",
            kick,
            Some(json!({"code": 1006})),
            422,
            "3000 to 4999",
        ),
        ("POST", kick, None, 404, "no session"),
        ("POST", "/v1/sessions/me/kick", None, 400, "`me`"),
    ] {
        let reply = admin
            .request(method, path, body.as_ref(), soon())
            .await
            .unwrap();
        let (found, problem) = read(reply);
        assert_eq!(found, status, "{method} {path}: {problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{method} {path}: {problem}");
    }
}

#[tokio::test]
async fn regions_are_listed_with_their_servers() {
    let west = Game::start("west").await;
    let edge = edge(world([
        west.config_with_region(-1000.0, 0.0),
        server("old", "ws://127.0.0.1:9"),
    ]));
    let admin = admin(&edge).await;
    assert_eq!(
        admin.get_json("/v1/regions", soon()).await.unwrap(),
        json!({"items": [{
            "name": "west", "world": "main", "server": "west", "state": "active", "sessions": 0,
            "min": [-1000.0, -1000.0, -1000.0], "max": [0.0, 1000.0, 1000.0],
        }]})
    );
}
