//! Servers that register themselves, as Horizon game servers do.

use std::net::SocketAddr;
use std::time::Duration;

use atlas_base::{ByteSize, TimeSpan};
use atlas_edge::{EdgeConfig, RegistrationConfig, ServerView, WorldConfig};
use atlas_testkit::{
    Client, Deadline, GameServer, Http, Received, Reply, eventually, eventually_async,
};
use atlas_wire::dialect::{DialectConfig, Name};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Running, config, edge_with, server, soon, world};

const REGISTER: &str = "/api/v1/servers/register";
const LOGIN: &str =
    r#"{"namespace":"auth","event":"login","data":{"credentials":{"username":"ada"}}}"#;

/// A move as a Horizon client writes it.
fn at(x: f64) -> String {
    format!(
        r#"{{"type":"gorc_event","object_id":"GorcObjectId(9f4c)","channel":0,"event":"move","data":{{"player_id":"6f96","new_position":{{"x":{x},"y":1.0,"z":1.0}},"velocity":{{"x":10.0,"y":1.0,"z":1.0}}}},"player_id":"6f96"}}"#
    )
}

/// A game server that puts its name in front of what it echoes.
async fn game(name: &'static str) -> GameServer {
    let answer = move |_: usize, received: &Received| match received {
        Received::Text(text) => vec![Message::text(format!("{name}:{text}"))],
        _ => Vec::new(),
    };
    GameServer::builder().answer(answer).start().await.unwrap()
}

/// A world of Horizon's that knows no servers yet.
fn horizon_world() -> WorldConfig {
    let mut world = WorldConfig {
        dialect: DialectConfig {
            name: Name::Horizon,
            ..DialectConfig::default()
        },
        ..world([])
    };
    world.transfer.min_interval = TimeSpan::from_millis(1);
    world
}

fn running(world: WorldConfig, registration: RegistrationConfig) -> Running {
    let mut edge = EdgeConfig {
        registration,
        ..EdgeConfig::default()
    };
    edge.limits.messages_per_second = 0;
    edge_with(edge, world)
}

fn impatient() -> RegistrationConfig {
    RegistrationConfig {
        heartbeat: TimeSpan::from_secs(1),
        ..RegistrationConfig::default()
    }
}

/// A registration of the cell `x`, 1000 wide.
fn registration(name: &str, address: SocketAddr, x: i64) -> Value {
    json!({
        "name": name,
        "address": address.to_string(),
        "region_coord": {"x": x, "y": 0, "z": 0},
        "center": {"x": x as f64 * 1000.0, "y": 0.0, "z": 0.0},
        "bounds": 500.0,
        "capacity": 100,
        "version": "0.38.0",
        "metadata": {},
    })
}

async fn post(edge: &Running, body: &Value) -> Reply {
    let http = Http::new(edge.registration);
    http.post(REGISTER, body, soon()).await.unwrap()
}

/// Registers, and gives the id.
async fn register(edge: &Running, body: &Value) -> String {
    let reply = post(edge, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let answer = reply.json().unwrap();
    assert_eq!(answer["success"], true);
    answer["server_id"].as_str().unwrap().to_owned()
}

fn alive(id: &str) -> Value {
    json!({
        "server_id": id,
        "current_connections": 0,
        "load": 0.0,
        "accepting_connections": true,
        "avg_tick_ms": 0.0,
        "memory_bytes": 0,
    })
}

async fn beat(edge: &Running, id: &str, body: &Value) -> Reply {
    let path = format!("/api/v1/servers/{id}/heartbeat");
    let http = Http::new(edge.registration);
    http.put(&path, body, soon()).await.unwrap()
}

async fn delete(edge: &Running, id: &str) -> Reply {
    let path = format!("/api/v1/servers/{id}");
    let http = Http::new(edge.registration);
    http.request("DELETE", &path, None, soon()).await.unwrap()
}

/// Beats until it is dropped.
struct Heart(AbortHandle);

impl Heart {
    fn of(edge: &Running, id: &str) -> Self {
        let http = Http::new(edge.registration);
        let (path, body) = (format!("/api/v1/servers/{id}/heartbeat"), alive(id));
        let beats = tokio::spawn(async move {
            let mut beats = tokio::time::interval(Duration::from_millis(500));
            loop {
                beats.tick().await;
                let _ = http.put(&path, &body, soon()).await;
            }
        });
        Self(beats.abort_handle())
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn shown(edge: &Running, name: &str) -> Option<ServerView> {
    let mut servers = edge.handle.servers().into_iter();
    servers.find(|server| server.id == name)
}

/// A player who has logged in; gives who answered.
async fn player(edge: &Running) -> (Client, String) {
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text(LOGIN).await.unwrap();
    let heard = client.receive_text(soon()).await.unwrap();
    let name = heard.strip_suffix(LOGIN).unwrap().trim_end_matches(':');
    let name = name.to_owned();
    (client, name)
}

/// Asks until the server of that name answers.
async fn reaches(client: &mut Client, words: &str, name: &str) {
    let what = format!("an answer of {name}");
    let deadline = Deadline::seconds(20);
    loop {
        assert!(!deadline.passed(), "{what}");
        client.send_text(words).await.unwrap();
        let pause = Deadline::after(Duration::from_millis(200));
        if let Ok(heard) = client.receive_text(pause).await
            && heard == format!("{name}:{words}")
        {
            return;
        }
    }
}

/// One request as a Horizon game server writes it, and the answer as it reads it: to the end of the connection, the
/// body behind the first empty line.
async fn horizon(edge: &Running, method: &str, path: &str, body: Option<&str>) -> (String, Value) {
    let address = edge.registration;
    let request = match body {
        Some(body) => format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        None => {
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        }
    };
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = soon().limit("the whole answer", exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

fn golden(name: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/formats/golden/registration"
    );
    std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap()
}

#[tokio::test]
async fn a_horizon_server_appears_takes_players_is_drained_and_leaves() {
    let game = game("one").await;
    let edge = running(horizon_world(), RegistrationConfig::default());
    let nobody = Client::to(edge.address).connect(soon()).await.unwrap_err();
    assert!(nobody.to_string().contains("503"), "{nobody}");

    let body = golden("register").replace("127.0.0.1:8081", &game.address().to_string());
    let (status, answer) = horizon(&edge, "POST", REGISTER, Some(body.trim_end())).await;
    assert_eq!(status, "HTTP/1.1 201 Created");
    assert_eq!(answer["heartbeat_interval_secs"], 10);
    assert_eq!(answer["adjacent_servers"], json!([]));
    let id = answer["server_id"].as_str().unwrap();
    let view = shown(&edge, "horizon-1-0--1").unwrap();
    assert_eq!(
        (view.source.as_str(), view.capacity, view.state.as_str()),
        ("registration", 100, "active")
    );
    let region = view.region.unwrap();
    assert_eq!(
        (region.min, region.max),
        ([0.0, -500.0, -1000.0], [1000.0, 500.0, 0.0])
    );
    assert_eq!(view.labels["version"], "0.38.0");

    let (mut client, name) = player(&edge).await;
    assert_eq!(name, "one");
    let path = format!("/api/v1/servers/{id}/heartbeat");
    let body = golden("heartbeat").replace("67e55044-10b1-426f-9247-bb680e5fe0c8", id);
    let (status, answer) = horizon(&edge, "PUT", &path, Some(&body)).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(
        answer,
        json!({"success": true, "message": "heard", "commands": []})
    );

    let (deadline, window) = (Some(Duration::from_secs(40)), Some(Duration::ZERO));
    let drained = edge
        .handle
        .drain("main", "horizon-1-0--1", deadline, window);
    drained.unwrap();
    let (_, answer) = horizon(&edge, "PUT", &path, Some(&body)).await;
    let command = &answer["commands"][0];
    assert_eq!(command["type"], "PrepareShutdown", "{answer}");
    let left = command["deadline_secs"].as_u64().unwrap();
    assert!((30..=40).contains(&left), "{answer}");

    let path = format!("/api/v1/servers/{id}");
    let (status, answer) = horizon(&edge, "DELETE", &path, None).await;
    assert_eq!(
        (status.as_str(), &answer["success"]),
        ("HTTP/1.1 200 OK", &json!(true))
    );
    let (status, answer) = horizon(&edge, "DELETE", &path, None).await;
    assert_eq!(
        (status.as_str(), &answer["success"]),
        ("HTTP/1.1 404 Not Found", &json!(false))
    );
    let (status, _) = horizon(&edge, "PUT", &format!("{path}/heartbeat"), Some(&body)).await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    // Nobody new; whoever is there stays until there is somebody to go to.
    assert!(Client::to(edge.address).connect(soon()).await.is_err());
    client.send_text("still here").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "one:still here");
    let two = self::game("two").await;
    register(&edge, &registration("two", two.address(), 0)).await;
    reaches(&mut client, "hello", "two").await;
    assert_eq!(two.texts()[0], LOGIN, "the join was said again");
    eventually(soon(), "the server to be forgotten", || {
        shown(&edge, "horizon-1-0--1").is_none()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_player_walks_from_one_registered_server_to_the_next() {
    let (west, east) = (game("west").await, game("east").await);
    let edge = running(horizon_world(), RegistrationConfig::default());
    let first = register(&edge, &registration("west", west.address(), 0)).await;
    let reply = post(&edge, &registration("east", east.address(), 1)).await;
    let answer = reply.json().unwrap();
    let beside = &answer["adjacent_servers"][0];
    assert_eq!(
        (&beside["server_id"], &beside["address"]),
        (&json!(first), &json!(west.address().to_string()))
    );

    let (mut client, _) = player(&edge).await;
    for (x, name) in [(0.0, "west"), (900.0, "east"), (100.0, "west")] {
        reaches(&mut client, &at(x), name).await;
    }
    for game in [&west, &east] {
        assert_eq!(game.texts()[0], LOGIN, "the join comes first");
    }
    let moved = "atlas_edge_transfers_total{outcome=\"done\",reason=\"region\",world=\"main\"}";
    assert!(edge.metric(moved) >= 2);
    eventually(soon(), "the player to be at one server only", || {
        west.open() == 1 && east.open() == 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_silent_server_is_suspect_then_gone_and_its_players_are_moved() {
    let (quiet, loud) = (game("quiet").await, game("loud").await);
    let edge = running(horizon_world(), impatient());
    let id = register(&edge, &registration("quiet", quiet.address(), 0)).await;
    let heart = Heart::of(&edge, &id);
    let (mut client, name) = player(&edge).await;
    assert_eq!(name, "quiet");
    let other = register(&edge, &registration("loud", loud.address(), 1)).await;
    let _other = Heart::of(&edge, &other);

    drop(heart);
    let late = Deadline::seconds(20);
    eventually(late, "the server to be suspect", || {
        shown(&edge, "quiet").is_some_and(|server| server.health == "suspect")
    })
    .await
    .unwrap();
    eventually(late, "the server to be gone", || {
        shown(&edge, "quiet").is_none()
    })
    .await
    .unwrap();
    reaches(&mut client, "hello", "loud").await;
    assert_eq!(loud.texts()[0], LOGIN);
    assert_eq!(shown(&edge, "loud").unwrap().health, "healthy");
    assert_eq!(beat(&edge, &id, &alive(&id)).await.status, 404);
    let ended = "atlas_edge_registrations_ended_total{reason=\"silent\",world=\"main\"}";
    assert_eq!(edge.metric(ended), 1);
    assert_eq!(edge.metric("atlas_edge_registered_servers"), 1);
    assert!(edge.metric("atlas_edge_heartbeats_missed_total{world=\"main\"}") >= 6);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_horizons_words() {
    let (one, two) = (game("one").await, game("two").await);
    let edge = running(
        WorldConfig {
            servers: vec![server("fixed", "ws://127.0.0.1:1")],
            ..horizon_world()
        },
        RegistrationConfig {
            body_bytes_max: ByteSize(2000),
            timeout: TimeSpan::from_millis(300),
            ..RegistrationConfig::default()
        },
    );
    register(&edge, &registration("one", one.address(), 0)).await;
    let good = registration("two", two.address(), 0);
    let with = |key: &str, value: Value| {
        let mut body = registration("two", two.address(), 1);
        body[key] = value;
        body
    };
    for (status, body, why) in [
        (409, good, "overlaps the region of server `one`"),
        (409, with("name", json!("one")), "the name of two servers"),
        (409, with("name", json!("fixed")), "the name of two servers"),
        (
            403,
            with("address", json!("192.0.2.1:7000")),
            "edge.registration.allow",
        ),
        (400, with("address", json!("192.0.2.1")), "edge"),
        (400, with("bounds", json!(1.0)), "at least 100"),
        (400, with("bounds", json!("wide")), "cannot be read"),
        (
            400,
            with("metadata", json!({"world": "moon"})),
            "no world `moon`",
        ),
        (
            413,
            with("version", json!("x".repeat(4000))),
            "body-bytes-max",
        ),
    ] {
        // A port of 80 at an address of nobody: outside the networks as well.
        let status = if body["address"] == "192.0.2.1" {
            403
        } else {
            status
        };
        let reply = post(&edge, &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        let answer = reply.json().unwrap();
        assert_eq!(answer["success"], false);
        assert_eq!(
            (&answer["server_id"], &answer["heartbeat_interval_secs"]),
            (&json!(""), &json!(10))
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(
        edge.metric("atlas_edge_registrations_total{outcome=\"conflict\"}"),
        3
    );

    // Pages of browsers: a form's type needs no leave of ours, and a script's request names its page.
    let body = registration("two", two.address(), 1);
    let page = Http::new(edge.registration).with_header("origin", "http://evil.example");
    assert_eq!(
        page.post(REGISTER, &body, soon()).await.unwrap().status,
        403
    );
    let text = body.to_string();
    let form = format!(
        "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    // A body that never comes.
    let slow = format!(
        "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{{"
    );
    for (request, status) in [(form, "415"), (slow, "408")] {
        let exchange = async {
            let mut stream = TcpStream::connect(edge.registration).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = soon().limit("an answer", exchange).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(beat(&edge, id, &alive(id)).await.status, 404);
    assert_eq!(beat(&edge, id, &alive("another")).await.status, 400);
    assert_eq!(
        beat(&edge, "nonsense", &alive("nonsense")).await.status,
        404
    );
    let http = Http::new(edge.registration);
    let nothing = http.get("/api/v1/elsewhere", soon()).await.unwrap();
    assert_eq!(nothing.status, 404);
    assert_eq!(http.get("/health", soon()).await.unwrap().text(), "OK");
    assert!(shown(&edge, "two").is_none());
}

#[tokio::test]
async fn strangers_register_nothing() {
    let game = game("one").await;
    let edge = running(
        horizon_world(),
        RegistrationConfig {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ..RegistrationConfig::default()
        },
    );
    let reply = post(&edge, &registration("one", game.address(), 0)).await;
    assert_eq!(reply.status, 403);
    let message = reply.json().unwrap()["message"].to_string();
    assert!(message.contains("127.0.0.1 lies outside"), "{message}");
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(beat(&edge, id, &alive(id)).await.status, 403);
    assert_eq!(delete(&edge, id).await.status, 403);
    assert!(edge.handle.servers().is_empty());
}

#[tokio::test]
async fn a_reload_keeps_registered_servers_and_tells_them_what_changed() {
    let game = game("one").await;
    let edge = running(horizon_world(), RegistrationConfig::default());
    let id = register(&edge, &registration("one", game.address(), 0)).await;
    let (mut client, _) = player(&edge).await;
    let mut next = config(EdgeConfig::default(), horizon_world());
    next.edge.registration.heartbeat = TimeSpan::from_secs(20);
    next.worlds.insert(
        "arena".to_owned(),
        WorldConfig {
            paths: vec!["/arena".to_owned()],
            ..WorldConfig::default()
        },
    );
    next.worlds.get_mut("main").unwrap().hosts = vec!["127.0.0.1".to_owned()];
    let report = edge.handle.reload(&next).await.unwrap();
    assert!(report.removed.is_empty(), "{report:?}");
    client.send_text("still here").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "one:still here");
    assert_eq!(player(&edge).await.1, "one");
    let answer = beat(&edge, &id, &alive(&id)).await.json().unwrap();
    assert_eq!(
        answer["commands"],
        json!([{"type": "ConfigUpdate", "config": {"adjacent_servers": [], "heartbeat_interval_secs": 20}}])
    );
    // A narrower net: who is outside of it may not go on.
    next.edge.registration.allow = vec!["10.0.0.0/8".parse().unwrap()];
    edge.handle.reload(&next).await.unwrap();
    assert_eq!(beat(&edge, &id, &alive(&id)).await.status, 403);
    // A world that is closed takes its registrations with it.
    next.edge.registration.allow = RegistrationConfig::default().allow;
    next.worlds.remove("main");
    edge.handle.reload(&next).await.unwrap();
    assert_eq!(beat(&edge, &id, &alive(&id)).await.status, 404);
}

#[tokio::test]
async fn what_servers_report_decides_where_players_go() {
    let (one, two) = (game("one").await, game("two").await);
    let edge = running(
        WorldConfig {
            balance: atlas_balance::Algorithm::LeastLoad,
            ..horizon_world()
        },
        RegistrationConfig::default(),
    );
    let first = register(&edge, &registration("one", one.address(), 0)).await;
    let second = register(&edge, &registration("two", two.address(), 1)).await;
    let report = async |id: &str, load: f64, accepting: bool| {
        let mut body = alive(id);
        body["load"] = json!(load);
        body["accepting_connections"] = json!(accepting);
        assert_eq!(beat(&edge, id, &body).await.status, 200);
    };
    report(&first, 0.9, true).await;
    report(&second, 0.1, true).await;
    assert_eq!(player(&edge).await.1, "two");
    report(&first, 0.1, true).await;
    report(&second, 0.9, true).await;
    assert_eq!(player(&edge).await.1, "one");
    report(&first, 0.1, false).await;
    assert_eq!(player(&edge).await.1, "two");
    report(&second, 0.9, false).await;
    assert!(Client::to(edge.address).connect(soon()).await.is_err());
    report(&first, 0.1, true).await;
    assert_eq!(player(&edge).await.1, "one");
}

#[tokio::test]
async fn a_server_that_leaves_is_left_at_once() {
    let (leaves, stays) = (game("leaves").await, game("stays").await);
    let edge = running(horizon_world(), RegistrationConfig::default());
    let id = register(&edge, &registration("leaves", leaves.address(), 0)).await;
    let (mut client, name) = player(&edge).await;
    assert_eq!(name, "leaves");
    register(&edge, &registration("stays", stays.address(), 1)).await;
    assert_eq!(delete(&edge, &id).await.status, 200);
    reaches(&mut client, "hello", "stays").await;
    eventually_async(soon(), "the server to be forgotten", async || {
        shown(&edge, "leaves").is_none().then_some(())
    })
    .await
    .unwrap();
    // It comes back as what it was, and open.
    register(&edge, &registration("leaves", leaves.address(), 0)).await;
    assert_eq!(shown(&edge, "leaves").unwrap().state, "active");
}
