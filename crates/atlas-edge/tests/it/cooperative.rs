//! Cooperative servers: transfers, failover, and clients that speak `atlas.v1`.

use std::sync::Arc;
use std::time::Duration;

use atlas_base::TimeSpan;
use atlas_edge::{EdgeConfig, LimitsConfig, RegionConfig, ServerConfig, WorldConfig};
use atlas_testkit::{
    Client, Deadline, GameServer, RawClient, RawFrame, Received, eventually, opcode,
};
use atlas_wire::link::{Adopted, Attached, Carried, Committed, FromServer, Frozen, Pong, ToServer};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{edge, edge_with, server, soon, world};

/// A scripted cooperative server: takes everybody, echoes with its name in front, hands states over.
async fn game(name: &'static str) -> GameServer {
    let answer = move |_: usize, received: &Received| -> Vec<Message> {
        let Received::Binary(bytes) = received else {
            return Vec::new();
        };
        let answer: FromServer = match (bytes[0], ToServer::decode(&bytes[1..])) {
            (0x02, Ok(ToServer::Attach(attach))) => Attached {
                session: attach.session,
                epoch: attach.epoch,
                has_state: attach.carried.is_some(),
            }
            .into(),
            (0x02, Ok(ToServer::Freeze(freeze))) => Frozen {
                session: freeze.session,
                epoch: freeze.epoch,
                transfer: freeze.transfer,
                carried: Carried::Inline(Arc::from(name.as_bytes())),
                received: 0,
                sent: 0,
            }
            .into(),
            (0x02, Ok(ToServer::Adopt(adopt))) => Adopted {
                session: adopt.session,
                epoch: adopt.epoch,
                transfer: adopt.transfer,
            }
            .into(),
            (0x02, Ok(ToServer::Commit(commit))) => Committed {
                session: commit.session,
                epoch: commit.epoch,
                transfer: commit.transfer,
            }
            .into(),
            (0x02, Ok(ToServer::Ping(ping))) => Pong {
                session: ping.session,
                epoch: ping.epoch,
                at: ping.at,
            }
            .into(),
            (tag @ (0x00 | 0x01), _) => {
                let echo = [&[tag], name.as_bytes(), b":", &bytes[1..]].concat();
                return vec![Message::binary(echo)];
            }
            _ => return Vec::new(),
        };
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        vec![Message::binary(encoded)]
    };
    GameServer::builder()
        .response_header("Sec-WebSocket-Protocol", "atlas.link.v1")
        .response_header("Atlas-Link", "v1")
        .answer(answer)
        .start()
        .await
        .unwrap()
}

fn region(min: f64, max: f64) -> Option<RegionConfig> {
    Some(RegionConfig {
        min: [min, -1000.0, -1000.0],
        max: [max, 1000.0, 1000.0],
    })
}

fn at(x: f64) -> String {
    format!(r#"{{"client":"move","player_id":"p1","x":{x},"y":0,"z":0}}"#)
}

#[tokio::test]
async fn a_player_who_crosses_the_border_changes_servers_and_notices_nothing() {
    let (west, east) = (game("west").await, game("east").await);
    let servers = [
        ServerConfig {
            region: region(-1000.0, 0.0),
            ..server("west", &west.url())
        },
        ServerConfig {
            region: region(0.0, 1000.0),
            weight: 0,
            ..server("east", &east.url())
        },
    ];
    let mut world = world(servers);
    world.transfer.min_interval = TimeSpan::from_millis(1);
    let limits = LimitsConfig {
        messages_per_second: 0,
        ..LimitsConfig::default()
    };
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world,
    );
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    for (x, name) in [(-100.0, "west"), (100.0, "east"), (-100.0, "west")] {
        let mut heard = String::new();
        // The message that crosses may still be the old server's; the ones after the transfer are not.
        while !heard.starts_with(name) {
            client.send_text(at(x)).await.unwrap();
            heard = client.receive_text(soon()).await.unwrap();
            assert!(heard.ends_with(&at(x)), "{heard}");
        }
    }
    assert!(
        edge.metric(
            "atlas_edge_transfers_total{outcome=\"done\",reason=\"region\",world=\"main\"}"
        ) >= 2
    );
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

#[tokio::test]
async fn players_of_a_server_that_dies_go_on_at_another() {
    let (west, east) = (game("west").await, game("east").await);
    // The first player goes to the server that counts for more.
    let edge = edge(world([
        ServerConfig {
            weight: 100,
            ..server("west", &west.url())
        },
        server("east", &east.url()),
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text(at(0.0)).await.unwrap();
    assert!(
        client
            .receive_text(soon())
            .await
            .unwrap()
            .starts_with("west")
    );
    drop(west);
    // What reached the dead server may be lost, since it gave no checkpoint; what comes later is held and answered.
    let mut heard = None;
    while heard.is_none() {
        client.send_text(at(1.0)).await.unwrap();
        heard = client
            .receive_text(Deadline::after(Duration::from_millis(200)))
            .await
            .ok();
    }
    assert!(
        heard
            .as_ref()
            .is_some_and(|heard| heard.starts_with("east")),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_client_of_atlas_v1_is_welcomed_acknowledged_and_held_to_its_tags() {
    let west = game("west").await;
    let edge = edge(WorldConfig {
        ..world([server("west", &west.url())])
    });
    let connect = || {
        Client::to(edge.address)
            .subprotocols("atlas.v1")
            .connect(soon())
    };
    let mut client = connect().await.unwrap();
    assert_eq!(
        client.response_header("sec-websocket-protocol"),
        Some("atlas.v1")
    );
    let control = |bytes: &[u8]| -> serde_json::Value {
        assert_eq!(bytes[0], 0x02, "{bytes:?}");
        serde_json::from_slice(&bytes[1..]).unwrap()
    };
    let welcome = control(&client.receive_binary(soon()).await.unwrap());
    assert_eq!(
        (&welcome["type"], &welcome["resume"]),
        (&"welcome".into(), &false.into()),
        "{welcome}"
    );

    let mut acknowledged = None;
    for index in 0..32_u8 {
        client
            .send_binary(vec![index % 2, b'h', index])
            .await
            .unwrap();
        let mut echo = client.receive_binary(soon()).await.unwrap();
        if echo[0] == 0x02 {
            acknowledged = Some(control(&echo));
            echo = client.receive_binary(soon()).await.unwrap();
        }
        assert_eq!(
            echo,
            [&[index % 2], b"west:h".as_slice(), &[index]].concat()
        );
    }
    let acknowledged = match acknowledged {
        Some(ack) if ack["received"] == 32 => ack,
        _ => control(&client.receive_binary(soon()).await.unwrap()),
    };
    assert_eq!(
        (&acknowledged["type"], &acknowledged["received"]),
        (&"ack".into(), &32.into())
    );

    client
        .send_binary([b"\x02".as_slice(), br#"{"type":"dance"}"#].concat())
        .await
        .unwrap();
    let unsupported = control(&client.receive_binary(soon()).await.unwrap());
    assert_eq!(unsupported["unsupported"], "dance");

    for wrong in [vec![0x10, 1, 2], vec![0x40], vec![], vec![0x02, b'[', b']']] {
        let mut client = connect().await.unwrap();
        client.receive_binary(soon()).await.unwrap();
        client.send_binary(wrong.clone()).await.unwrap();
        assert_eq!(
            client.receive_close(soon()).await.unwrap().0,
            1002,
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn frames_of_a_movable_client_are_held_to_rfc_6455_too() {
    let west = game("west").await;
    let edge = edge(world([server("west", &west.url())]));
    for (frame, code) in [
        (RawFrame::server(opcode::TEXT, "unmasked"), 1002),
        (
            RawFrame {
                reserved: 2,
                ..RawFrame::client(opcode::TEXT, "x")
            },
            1002,
        ),
        (RawFrame::client(opcode::CONTINUATION, "x"), 1002),
        (
            RawFrame {
                claimed_length: Some(1 << 40),
                length_bytes: Some(8),
                ..RawFrame::client(opcode::BINARY, "")
            },
            1009,
        ),
        (RawFrame::client(opcode::CLOSE, [0x03]), 1002),
        (
            RawFrame::client(opcode::CLOSE, 1005_u16.to_be_bytes()),
            1002,
        ),
    ] {
        let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
        client.send_frame(&frame).await.unwrap();
        let close = client.receive_frame(soon()).await.unwrap();
        assert_eq!(
            (close.opcode, &close.payload[..2]),
            (opcode::CLOSE, &u16::to_be_bytes(code)[..]),
            "{frame:?}"
        );
    }
    eventually(soon(), "no places taken", || {
        edge.handle.servers()[0].sessions == 0
    })
    .await
    .unwrap();
}
