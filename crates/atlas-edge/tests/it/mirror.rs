//! Mirroring: a shadow server gets a copy of what clients say, and nobody feels it.

use std::time::{Duration, Instant};

use atlas_base::ByteSize;
use atlas_edge::{EdgeConfig, LinkMode, RegionConfig, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, OnMessage, eventually};

use crate::game::Game;
use crate::support::{Running, build, edge, edge_with, server, soon, world};

fn plain(name: &str, url: &str) -> ServerConfig {
    ServerConfig {
        link: LinkMode::Plain,
        ..server(name, url)
    }
}

/// One server and its shadow, in a world whose plain players cannot be moved.
fn mirrored(one: ServerConfig, shadow: &str) -> WorldConfig {
    let mut world = world([one, plain("shadow", shadow)]);
    world.mirror.server = "shadow".to_owned();
    world.dialect.join.kind = String::new();
    world
}

fn unlimited() -> EdgeConfig {
    let mut config = EdgeConfig::default();
    config.limits.messages_per_second = 0;
    config.limits.bytes_per_second = ByteSize(0);
    config
}

fn mirrored_total(edge: &Running, outcome: &str) -> u64 {
    edge.metric(&format!(
        "atlas_edge_mirrored_messages_total{{outcome=\"{outcome}\",world=\"main\"}}"
    ))
}

#[tokio::test]
async fn the_shadow_gets_every_message_and_its_answers_are_dropped() {
    let (game, shadow) = (
        GameServer::echo().await.unwrap(),
        GameServer::echo().await.unwrap(),
    );
    let edge = edge(mirrored(plain("one", &game.url()), &shadow.url()));
    let path = Client::to(edge.address).path("/room?seed=7");
    let mut client = path.header("X-Team", "red").connect(soon()).await.unwrap();
    for text in ["first", "second", "third"] {
        client.send_text(text).await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), text);
    }
    eventually(soon(), "the copies", || {
        shadow.texts() == ["first", "second", "third"]
    })
    .await
    .unwrap();
    assert_eq!(shadow.request_header(0, "x-team").as_deref(), Some("red"));
    // Nothing of the shadow's came before what comes next.
    client.send_text("last").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "last");
    let servers = edge.handle.servers();
    let (one, other) = (&servers[0], &servers[1]);
    assert_eq!((one.sessions, one.state.as_str()), (1, "active"));
    assert_eq!((other.sessions, other.state.as_str()), (0, "shadow"));
    // Nobody is placed on it, however many come.
    for _ in 0..5 {
        let client = Client::to(edge.address).connect(soon()).await.unwrap();
        client.close(1000, "", soon()).await.unwrap();
    }
    eventually(soon(), "the copies' ends", || shadow.opened() == 6)
        .await
        .unwrap();
    assert_eq!(game.opened(), 6);
    assert_eq!(
        (
            mirrored_total(&edge, "copied"),
            mirrored_total(&edge, "dropped")
        ),
        (4, 0)
    );
}

#[tokio::test]
async fn a_cooperative_players_messages_are_copied_without_the_links_tag() {
    let (west, shadow) = (Game::start("west").await, GameServer::echo().await.unwrap());
    let edge = edge(mirrored(west.config(), &shadow.url()));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    eventually(soon(), "the copy", || shadow.texts() == ["hi"])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_shadow_that_is_away_is_not_felt_and_what_it_misses_is_counted() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge_with(
        unlimited(),
        mirrored(plain("one", &game.url()), "ws://127.0.0.1:9"),
    );
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    for number in 0..50 {
        let text = number.to_string();
        client.send_text(text.as_str()).await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), text);
    }
    eventually(soon(), "what was dropped", || {
        mirrored_total(&edge, "dropped") > 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_shadow_that_does_not_read_is_not_felt_and_its_queue_is_bounded() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    // It accepts and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    let mut world = mirrored(plain("one", &game.url()), &url);
    world.mirror.queue_bytes_max = ByteSize(10_000);
    let edge = edge_with(unlimited(), world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    let begun = Instant::now();
    let text = "x".repeat(1000);
    for _ in 0..200 {
        client.send_text(text.as_str()).await.unwrap();
    }
    eventually(soon(), "every message at the game", || {
        game.texts().len() == 200
    })
    .await
    .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let (copied, dropped) = (
        mirrored_total(&edge, "copied"),
        mirrored_total(&edge, "dropped"),
    );
    assert_eq!(copied + dropped, 200);
    assert!(copied <= 9, "{copied} of 1,064 bytes each fit into 10,000");
}

#[test]
fn a_shadow_is_one_of_the_servers_and_has_no_region() {
    let problem = |world: WorldConfig| build(world).err().unwrap().to_string();
    let mut absent = mirrored(plain("one", "ws://127.0.0.1:9"), "ws://127.0.0.1:9");
    absent.mirror.server = "nobody".to_owned();
    assert!(problem(absent).contains("`nobody` is none of this world's servers"));
    let mut region = mirrored(plain("one", "ws://127.0.0.1:9"), "ws://127.0.0.1:9");
    region.servers[1].region = Some(RegionConfig {
        min: [0.0; 3],
        max: [1000.0; 3],
    });
    assert!(problem(region).contains("has a region"));
}
