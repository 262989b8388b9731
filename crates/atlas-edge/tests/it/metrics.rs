//! What the metrics say of a running edge.

use atlas_edge::{Edge, LinkMode, ServerConfig, WorldConfig};
use atlas_runtime::MetricsConfig;
use atlas_runtime::metrics::Registry;
use atlas_testkit::{Client, GameServer, OnMessage, RawClient, eventually};

use crate::game::Game;
use crate::support::{Running, admin, config, edge, server, soon, world};

fn number(text: &str, name: &str) -> Option<f64> {
    let lines = text.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map(|value| value.parse().unwrap())
}

fn value(edge: &Running, name: &str) -> Option<f64> {
    number(&edge.registry.render().unwrap(), name)
}

async fn until(edge: &Running, name: &str, holds: impl Fn(f64) -> bool) {
    eventually(soon(), name, || value(edge, name).is_some_and(&holds))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_transfer_is_measured_by_its_hold_and_its_first_answer() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let edge = edge(world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    let first = "atlas_edge_transfer_first_answer_seconds_count";
    assert_eq!(value(&edge, first), Some(0.0));
    assert_eq!(
        value(&edge, "atlas_edge_dial_seconds_count{world=\"main\"}"),
        Some(1.0)
    );

    let admin = admin(&edge).await;
    let sessions = admin.get_json("/v1/sessions", soon()).await.unwrap();
    let id = sessions["items"][0]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let moved = edge.handle.transfer(id, "east").await.unwrap();
    assert_eq!(moved.outcome, "done", "{moved:?}");
    let outcome = "atlas_edge_transfers_total{outcome=\"done\",reason=\"admin\",world=\"main\"}";
    assert_eq!(value(&edge, outcome), Some(1.0));
    assert_eq!(
        value(&edge, "atlas_edge_transfer_hold_seconds_count"),
        Some(1.0)
    );
    assert_eq!(value(&edge, first), Some(0.0), "nobody has asked yet");
    for _ in 0..3 {
        client.send_text("ho").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "east:ho");
    }
    until(&edge, first, |count| count == 1.0).await;
    let sum = value(&edge, "atlas_edge_transfer_first_answer_seconds_sum").unwrap();
    assert!(sum > 0.0 && sum < 10.0, "{sum}");
    let sessions =
        |server: &str| format!("atlas_edge_server_sessions{{server=\"{server}\",world=\"main\"}}");
    until(&edge, &sessions("west"), |count| count == 0.0).await;
    assert_eq!(value(&edge, &sessions("east")), Some(1.0));
    until(
        &edge,
        "atlas_edge_link_round_trip_seconds_count{world=\"main\"}",
        |count| count >= 1.0,
    )
    .await;
    edge.handle.kick(id, 4001, "cheating").await.unwrap();
    let kicked = "atlas_edge_clients_closed_total{code=\"4001\",reason=\"kick\"}";
    until(&edge, kicked, |count| count == 1.0).await;
}

#[tokio::test]
async fn what_waits_for_a_client_is_shown() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let one = ServerConfig {
        link: LinkMode::Plain,
        ..server("one", &game.url())
    };
    let edge = edge(WorldConfig { ..world([one]) });
    let _stuck = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    let out = "atlas_edge_queued_bytes{direction=\"out\"}";
    assert_eq!(value(&edge, out), Some(0.0));
    for _ in 0..400 {
        game.send(0, vec![0; 50_000].into());
    }
    until(&edge, out, |bytes| bytes > 0.0).await;
    until(&edge, "atlas_edge_paused_clients", |clients| clients == 1.0).await;
}

#[tokio::test]
async fn names_known_elsewhere_appear_when_asked_for() {
    let world = world([server("one", "ws://127.0.0.1:9")]);
    for aliases in [false, true] {
        let registry = Registry::new(&MetricsConfig { aliases });
        let edge =
            Edge::build(&config(Default::default(), world.clone()), "n1", &registry).unwrap();
        let text = registry.render().unwrap();
        assert_eq!(
            number(&text, "atlas_edge_servers_active"),
            Some(1.0),
            "{text}"
        );
        let health = "atlas_edge_server_health{server=\"one\",world=\"main\"}";
        assert_eq!(number(&text, health), Some(2.0));
        for (name, there) in [
            ("horizon_atlas_connections_active", 0.0),
            ("horizon_atlas_servers_active", 1.0),
        ] {
            assert_eq!(
                number(&text, name),
                aliases.then_some(there),
                "{name}: {text}"
            );
        }
        // With the edge its gauges go.
        drop(edge);
        let text = registry.render().unwrap();
        assert_eq!(number(&text, health), None, "{text}");
    }
}
