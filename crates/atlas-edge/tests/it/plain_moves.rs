//! Plain servers: players leave one and join the next, their joins said again.

use std::time::Duration;

use atlas_base::TimeSpan;
use atlas_edge::{EdgeConfig, LimitsConfig, PlainOrder, RegionConfig, ServerConfig, WorldConfig};
use atlas_testkit::{Client, Deadline, GameServer, Received, eventually};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Running, edge_with, server, soon, world};

const JOIN: &str = r#"{"client":"join","player_id":"p1"}"#;

fn at(x: f64) -> String {
    format!(r#"{{"client":"move","x":{x},"y":0,"z":0}}"#)
}

/// A server that puts its name in front of what it echoes.
async fn game(name: &'static str) -> GameServer {
    let answer = move |_: usize, received: &Received| match received {
        Received::Text(text) => vec![Message::text(format!("{name}:{text}"))],
        Received::Binary(bytes) => vec![Message::binary([name.as_bytes(), b":", bytes].concat())],
        _ => Vec::new(),
    };
    GameServer::builder().answer(answer).start().await.unwrap()
}

fn between(west: &GameServer, east: &GameServer, order: PlainOrder) -> WorldConfig {
    let region = |min, max| {
        Some(RegionConfig {
            min: [min, -1000.0, -1000.0],
            max: [max, 1000.0, 1000.0],
        })
    };
    let mut world = world([
        ServerConfig {
            region: region(-1000.0, 0.0),
            weight: 100,
            ..server("west", &west.url())
        },
        ServerConfig {
            region: region(0.0, 1000.0),
            ..server("east", &east.url())
        },
    ]);
    world.transfer.min_interval = TimeSpan::from_millis(1);
    world.transfer.plain_order = order;
    world
}

fn running(world: WorldConfig) -> Running {
    let limits = LimitsConfig {
        messages_per_second: 0,
        ..LimitsConfig::default()
    };
    edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world,
    )
}

#[tokio::test]
async fn a_plain_player_who_crosses_leaves_one_server_and_joins_the_next() {
    for order in [PlainOrder::LeaveFirst, PlainOrder::JoinFirst] {
        let (west, east) = (game("west").await, game("east").await);
        let edge = running(between(&west, &east, order));
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        client.send_text(JOIN).await.unwrap();
        assert_eq!(
            client.receive_text(soon()).await.unwrap(),
            format!("west:{JOIN}")
        );
        let mut sent = 0;
        for (x, name) in [(-100.0, "west"), (100.0, "east"), (-100.0, "west")] {
            loop {
                sent += 1;
                client.send_text(at(x)).await.unwrap();
                let mut heard = client.receive_text(soon()).await.unwrap();
                if heard.ends_with(JOIN) {
                    // The next server answers the join that is said again.
                    heard = client.receive_text(soon()).await.unwrap();
                }
                assert!(heard.ends_with(&at(x)), "{heard}");
                if heard.starts_with(name) {
                    break;
                }
            }
        }
        let moves = |game: &GameServer| game.texts().iter().filter(|text| *text != JOIN).count();
        assert_eq!(
            moves(&west) + moves(&east),
            sent,
            "each message reached one server, once"
        );
        assert_eq!(east.texts()[0], JOIN, "{order:?}");
        let joins = |game: &GameServer| game.texts().iter().filter(|text| *text == JOIN).count();
        assert_eq!((joins(&west), joins(&east)), (2, 1));
        eventually(soon(), "the player to be at one server only", || {
            west.open() == 1 && east.open() == 0
        })
        .await
        .unwrap();
        client.close(1000, "bye", soon()).await.unwrap();
        eventually(soon(), "no places taken", || {
            edge.handle
                .servers()
                .iter()
                .all(|server| server.sessions == 0)
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_plain_server_that_dies_is_left_for_another() {
    let (west, east) = (game("west").await, game("east").await);
    let edge = running(between(&west, &east, PlainOrder::LeaveFirst));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text(JOIN).await.unwrap();
    client.receive_text(soon()).await.unwrap();
    drop(west);
    let mut heard = None;
    while heard.is_none() {
        client.send_text("hello").await.unwrap();
        heard = client
            .receive_text(Deadline::after(Duration::from_millis(200)))
            .await
            .ok();
    }
    assert!(
        heard
            .as_ref()
            .is_some_and(|heard| heard.starts_with("east:")),
        "{heard:?}"
    );
    assert_eq!(east.texts()[0], JOIN);
}

#[tokio::test]
async fn a_plain_servers_close_is_a_kick_and_reaches_the_client() {
    let (west, east) = (game("west").await, game("east").await);
    let edge = running(between(&west, &east, PlainOrder::LeaveFirst));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text(JOIN).await.unwrap();
    client.receive_text(soon()).await.unwrap();
    west.close(0, 4007, "cheating");
    assert_eq!(
        client.receive_close(soon()).await.unwrap(),
        (4007, "cheating".to_owned())
    );
    assert_eq!(east.opened(), 0);
}

#[tokio::test]
async fn a_client_of_atlas_v1_may_play_on_a_plain_server() {
    let west = game("west").await;
    let edge = running(world([server("west", &west.url())]));
    let mut client = Client::to(edge.address)
        .subprotocols("atlas.v1")
        .connect(soon())
        .await
        .unwrap();
    assert_eq!(
        client.receive_binary(soon()).await.unwrap()[0],
        0x02,
        "welcome"
    );
    client.send_binary(b"\x00hi".to_vec()).await.unwrap();
    assert_eq!(client.receive_binary(soon()).await.unwrap(), b"\x00west:hi");
    client.send_binary(b"\x01\xff\x00".to_vec()).await.unwrap();
    assert_eq!(
        client.receive_binary(soon()).await.unwrap(),
        b"\x01west:\xff\x00"
    );
    client.close(1000, "", soon()).await.unwrap();
    eventually(soon(), "no places taken", || {
        edge.handle.servers()[0].sessions == 0
    })
    .await
    .unwrap();
}
