//! Sessions that lose their servers one after the other.

use atlas_edge::ServerConfig;
use atlas_testkit::{Client, eventually};
use atlas_wire::link::Carried;
use tokio_tungstenite::tungstenite::Message;

use crate::game::Game;
use crate::support::{edge, server, soon, world};

/// Says something so often, and hears it back each time.
async fn talk(client: &mut Client, server: &str, times: usize) {
    for number in 0..times {
        client.send_text(format!("{number}")).await.unwrap();
        let answer = client.receive_text(soon()).await.unwrap();
        assert_eq!(answer, format!("{server}:{number}"));
    }
}

#[tokio::test]
async fn a_session_that_lost_two_servers_soon_is_closed_and_its_state_is_carried_on_by_nobody() {
    const ANN: &str = r#"{"client":"join","player_id":"ann"}"#;
    let (west, east, north) = (
        Game::start("west").await,
        Game::start("east").await,
        Game::start("north").await,
    );
    // New sessions go to the heaviest that is there.
    let weighing = |game: &Game, weight| ServerConfig {
        weight,
        ..game.config()
    };
    let edge = edge(world([
        weighing(&west, 10_000),
        weighing(&east, 100),
        weighing(&north, 1),
    ]));
    let mut ann = Client::to(edge.address)
        .subprotocols("atlas.v1")
        .connect(soon())
        .await
        .unwrap();
    ann.receive_binary(soon()).await.unwrap();
    let say = |text: &str| [b"\x00", text.as_bytes()].concat();
    ann.send_binary(say(ANN)).await.unwrap();
    ann.receive_binary(soon()).await.unwrap();
    west.checkpoint("deadly", 1);
    // What follows on the link is later.
    let (link, _) = west.attaches().pop().unwrap();
    west.server.send(link, Message::binary(say("saved")));
    assert_eq!(ann.receive_binary(soon()).await.unwrap(), say("saved"));
    for number in 0..3 {
        ann.send_binary(say(&format!("{number}"))).await.unwrap();
        let answer = ann.receive_binary(soon()).await.unwrap();
        assert_eq!(answer, say(&format!("west:{number}")));
    }

    // What the checkpoint lacks is said again to the next server, and nothing is lost with the first.
    drop(west);
    for number in 0..3 {
        let answer = ann.receive_binary(soon()).await.unwrap();
        assert_eq!(answer, say(&format!("east:{number}")));
    }
    assert_eq!(edge.metric("atlas_edge_input_lost_total"), 0);
    ann.send_binary(say("last")).await.unwrap();
    assert_eq!(ann.receive_binary(soon()).await.unwrap(), say("east:last"));

    // The second one is lost as well: all that it was told is in no state that survives.
    drop(east);
    let reset = ann.receive_binary(soon()).await.unwrap();
    let reset: serde_json::Value = serde_json::from_slice(&reset[1..]).unwrap();
    assert_eq!(
        (&reset["type"], &reset["lost_input"], &reset["reason"]),
        (&"reset".into(), &4.into(), &"failover".into()),
        "{reset}"
    );
    assert_eq!(ann.receive_close(soon()).await.unwrap().0, 1011);
    assert_eq!(edge.metric("atlas_edge_input_lost_total"), 4);
    assert_eq!(
        edge.metric(r#"atlas_edge_clients_closed_total{code="1011",reason="servers-lost"}"#),
        1
    );

    // The player comes back without it.
    let mut again = Client::to(edge.address).connect(soon()).await.unwrap();
    again.send_text(ANN).await.unwrap();
    assert_eq!(
        again.receive_text(soon()).await.unwrap(),
        format!("north:{ANN}")
    );
    for (_, attach) in north.attaches() {
        assert!(matches!(attach.carried, Carried::Nothing), "{attach:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_speak_atlas_is_closed_and_its_lost_input_is_counted_all_the_same() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let edge = edge(world([
        ServerConfig {
            weight: 10_000,
            ..west.config()
        },
        east.config(),
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    talk(&mut client, "west", 3).await;
    drop(west);
    eventually(soon(), "what the first server had is named", || {
        edge.metric("atlas_edge_input_lost_total") == 3
    })
    .await
    .unwrap();
    talk(&mut client, "east", 2).await;
    drop(east);
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1011);
    assert_eq!(edge.metric("atlas_edge_input_lost_total"), 5);
}

#[tokio::test]
async fn a_plain_session_that_nobody_takes_counts_what_its_server_may_not_have_read() {
    let west = atlas_testkit::GameServer::builder().start().await.unwrap();
    let edge = edge(world([
        server("west", &west.url()),
        ServerConfig {
            weight: 0,
            ..server("east", "ws://127.0.0.1:1")
        },
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    for number in 0..3 {
        client.send_text(format!("{number}")).await.unwrap();
        client.receive_text(soon()).await.unwrap();
    }
    drop(west);
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1012);
    assert_eq!(edge.metric("atlas_edge_input_lost_total"), 3);
}
