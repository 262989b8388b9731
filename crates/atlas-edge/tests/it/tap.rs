//! The tap: it names messages, holds nobody up, and is bounded.

use std::time::{Duration, Instant};

use atlas_base::ByteSize;
use atlas_edge::{EdgeConfig, LinkMode, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, Http, eventually_async};
use serde_json::{Value, json};

use crate::game::Game;
use crate::support::{Running, admin, edge, edge_with, server, soon, world};

const MOVE: &str =
    r#"{"client":"move","player_id":"p-1","x":1.5,"y":0,"z":-3,"secret":"swordfish"}"#;

/// An echo server of that kind of link behind an edge.
async fn echo() -> (GameServer, Running) {
    let game = GameServer::echo().await.unwrap();
    let running = edge(plain(&game));
    (game, running)
}

fn plain(game: &GameServer) -> WorldConfig {
    let one = ServerConfig {
        link: LinkMode::Plain,
        ..server("one", &game.url())
    };
    let mut world = world([one]);
    // No join, no move: the relay itself.
    world.dialect.join.kind = String::new();
    world
}

async fn player(edge: &Running) -> Client {
    Client::to(edge.address).connect(soon()).await.unwrap()
}

/// Asks until the edge does not listen for anybody any more.
async fn refused(admin: &Http, path: &str) -> (u16, String) {
    let reply = admin.get(path, soon()).await.unwrap();
    (reply.status, reply.text())
}

#[tokio::test]
async fn messages_of_a_plain_player_are_named_and_not_shown() {
    let (_game, edge) = echo().await;
    let admin = admin(&edge).await;
    let mut client = player(&edge).await;
    let mut tap = admin.events("/v1/tap", soon()).await.unwrap();
    client.send_text(MOVE).await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), MOVE);
    let sent = tap.next_named("message", soon()).await.unwrap();
    assert!(!sent.data.contains("swordfish"), "{}", sent.data);
    let sent = sent.json().unwrap();
    let session = admin.get_json("/v1/sessions", soon()).await.unwrap()["items"][0]["id"].clone();
    assert_eq!(sent["session"], session);
    assert_eq!(
        (&sent["direction"], &sent["server"], &sent["world"]),
        (&json!("in"), &json!("one"), &json!("main"))
    );
    assert_eq!(
        (
            &sent["kind"],
            &sent["player"],
            &sent["bytes"],
            &sent["text"]
        ),
        (
            &json!("move"),
            &json!("p-1"),
            &json!(MOVE.len()),
            &json!(true)
        )
    );
    assert_eq!(sent["position"], json!({"x": 1.5, "y": 0.0, "z": -3.0}));
    let answer = tap.next_named("message", soon()).await.unwrap();
    let answer = answer.json().unwrap();
    assert_eq!(
        (&answer["direction"], &answer["kind"], &answer["position"]),
        (&json!("out"), &json!("move"), &Value::Null),
        "what a server says of places is of others, too"
    );

    // Filters.
    let session = session.as_str().unwrap();
    let wanted = format!(
        "/v1/tap?world=main&server=one&direction=in&session={}",
        &session[..8]
    );
    let mut own = admin.events(&wanted, soon()).await.unwrap();
    let mut other = player(&edge).await;
    for text in ["from another", "and more"] {
        other.send_text(text).await.unwrap();
        other.receive_text(soon()).await.unwrap();
    }
    client.send_text("mine").await.unwrap();
    let shown = own.next_named("message", soon()).await.unwrap();
    let shown = shown.json().unwrap();
    assert_eq!(
        (&shown["bytes"], &shown["session"]),
        (&json!(4), &json!(session))
    );

    for (wrong, words) in [
        ("every=0", "1 or more"),
        ("rate=0", "1 to 1000"),
        ("rate=5000", "1 to 1000"),
        ("session=nobody", "start of a session's id"),
        ("payload=yes", "payload"),
    ] {
        let (status, text) = refused(&admin, &format!("/v1/tap?{wrong}")).await;
        assert!(
            (400..500).contains(&status) && text.contains(words),
            "{wrong}: {status} {text}"
        );
    }
}

#[tokio::test]
async fn messages_of_a_cooperative_player_are_named_both_ways() {
    let west = Game::start("west").await;
    let edge = edge(world([west.config()]));
    let admin = admin(&edge).await;
    let mut client = player(&edge).await;
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    let mut tap = admin.events("/v1/tap?server=west", soon()).await.unwrap();
    client.send_text(MOVE).await.unwrap();
    for (direction, bytes, kind) in [
        ("in", MOVE.len(), json!("move")),
        ("out", MOVE.len() + "west:".len(), Value::Null),
    ] {
        let shown = tap.next_named("message", soon()).await.unwrap();
        let shown = shown.json().unwrap();
        assert_eq!(
            (&shown["direction"], &shown["bytes"], &shown["kind"]),
            (&json!(direction), &json!(bytes), &kind),
            "without the tag of the link"
        );
        assert_eq!(shown["player"], "p-1");
    }
}

#[tokio::test]
async fn a_listener_who_does_not_read_holds_nobody_up() {
    let game = GameServer::echo().await.unwrap();
    let mut config = EdgeConfig::default();
    config.limits.messages_per_second = 0;
    config.limits.bytes_per_second = ByteSize(0);
    let edge = edge_with(config, plain(&game));
    let admin = admin(&edge).await;
    let mut client = player(&edge).await;
    // It is never read from.
    let mut tap = admin.events("/v1/tap?rate=1000", soon()).await.unwrap();
    let text = "x".repeat(2000);
    let begun = Instant::now();
    for _ in 0..60 {
        for _ in 0..50 {
            client.send_text(text.as_str()).await.unwrap();
        }
        for _ in 0..50 {
            assert_eq!(client.receive_text(soon()).await.unwrap().len(), 2000);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
    let counts = tap.next_named("counts", soon()).await.unwrap();
    let counts = counts.json().unwrap();
    let number = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(
        number("seen"),
        number("shown") + number("left_out"),
        "{counts}"
    );
    assert!(number("shown") > 0, "{counts}");
}

#[tokio::test]
async fn a_listener_gets_its_rate_its_sample_and_the_count_of_the_rest() {
    let (_game, edge) = echo().await;
    let admin = admin(&edge).await;
    let mut client = player(&edge).await;
    let path = "/v1/tap?direction=in&every=3&rate=10";
    let mut tap = admin.events(path, soon()).await.unwrap();
    for _ in 0..300 {
        client.send_text("x").await.unwrap();
        client.receive_text(soon()).await.unwrap();
    }
    let counts = eventually_async(soon(), "all counted", async || {
        let counts = tap.next_named("counts", soon()).await.unwrap();
        let counts = counts.json().unwrap();
        (counts["seen"] == 300).then_some(counts)
    });
    let counts = counts.await.unwrap();
    let shown = counts["shown"].as_u64().unwrap();
    assert!((1..=100).contains(&shown), "one of three at most: {counts}");
    assert_eq!(counts["left_out"], 300 - shown);

    // Places are bounded, and one that is left is free again.
    let mut others = Vec::new();
    for _ in 1..8 {
        others.push(admin.events("/v1/tap", soon()).await.unwrap());
    }
    let (status, text) = refused(&admin, "/v1/tap").await;
    assert_eq!(status, 429, "{text}");
    drop((tap, others));
    let free = eventually_async(soon(), "a place", async || {
        admin.events("/v1/tap", soon()).await.ok()
    });
    drop(free.await.unwrap());
    let left = eventually_async(soon(), "the counts of those who left", async || {
        (edge.metric("atlas_edge_tap_messages_total{outcome=\"shown\"}") >= shown).then_some(())
    });
    left.await.unwrap();
}
