//! What one player may do, and what happens past it.

use atlas_base::{ByteSize, TimeSpan};
use atlas_edge::{EdgeConfig, LimitsConfig, SlowClientConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, OnMessage, RawClient, RawFrame, eventually, opcode};

use crate::support::{Running, edge_with, server, soon, world};

async fn limited(limits: LimitsConfig) -> (GameServer, Running) {
    let game = GameServer::echo().await.unwrap();
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world([server("one", &game.url())]),
    );
    (game, edge)
}

/// The code of the close frame that comes after whatever else.
async fn close_code(client: &mut RawClient) -> u16 {
    loop {
        let frame = client.receive_frame(soon()).await.unwrap();
        if frame.opcode == opcode::CLOSE {
            return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        }
    }
}

#[tokio::test]
async fn a_flood_of_frames_closes_with_1008() {
    let limits = LimitsConfig {
        messages_per_second: 100,
        ..LimitsConfig::default()
    };
    let (_game, edge) = limited(limits).await;
    for frame in [
        RawFrame::client(opcode::PING, "flood"),
        RawFrame::client(opcode::TEXT, "x"),
        RawFrame {
            fin: false,
            ..RawFrame::client(opcode::BINARY, "")
        },
    ] {
        let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
        client.send_frame(&frame).await.unwrap();
        let next = if frame.fin {
            frame
        } else {
            RawFrame {
                opcode: opcode::CONTINUATION,
                ..frame
            }
        };
        let flood: Vec<u8> = (0..100_000).flat_map(|_| next.encode()).collect();
        // The edge may close before all of it is taken.
        let _ = client.send(&flood).await;
        assert_eq!(close_code(&mut client).await, 1008);
    }
}

#[tokio::test]
async fn too_many_bytes_close_with_1008_and_the_usual_rate_does_not() {
    let limits = LimitsConfig {
        bytes_per_second: ByteSize(50_000),
        ..LimitsConfig::default()
    };
    let (_game, edge) = limited(limits).await;
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    for _ in 0..9 {
        client.send_binary(vec![0; 10_000]).await.unwrap();
        client.receive_binary(soon()).await.unwrap();
    }
    client.send_binary(vec![0; 60_000]).await.unwrap();
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1008);
}

#[tokio::test]
async fn a_message_that_never_ends_is_closed_with_1008() {
    let limits = LimitsConfig {
        message_timeout: TimeSpan::from_millis(200),
        ..LimitsConfig::default()
    };
    let (_game, edge) = limited(limits).await;
    let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    let begun = RawFrame {
        claimed_length: Some(100),
        ..RawFrame::client(opcode::TEXT, "begun")
    };
    client.send_frame(&begun).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1008);
    // A quiet client is no such thing.
    let mut quiet = Client::to(edge.address).connect(soon()).await.unwrap();
    quiet.send_text("whole").await.unwrap();
    assert_eq!(quiet.receive_text(soon()).await.unwrap(), "whole");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let limits = LimitsConfig {
        connections_per_address: 2,
        ..LimitsConfig::default()
    };
    let (_game, edge) = limited(limits).await;
    let first = Client::to(edge.address).connect(soon()).await.unwrap();
    let _second = Client::to(edge.address).connect(soon()).await.unwrap();
    let refused = Client::to(edge.address).connect(soon()).await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    first.close(1000, "", soon()).await.unwrap();
    eventually(soon(), "a free place", || edge.handle.connections() == 1)
        .await
        .unwrap();
    Client::to(edge.address).connect(soon()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_once_patience_ends() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let slow_client = SlowClientConfig {
        patience: TimeSpan::from_secs(1),
        ..SlowClientConfig::default()
    };
    let world = WorldConfig {
        slow_client,
        ..world([server("one", &game.url())])
    };
    let edge = edge_with(EdgeConfig::default(), world);
    let _stuck = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    for _ in 0..400 {
        game.send(0, vec![0; 50_000].into());
    }
    eventually(soon(), "the client to be closed", || {
        edge.handle.servers()[0].sessions == 0
    })
    .await
    .unwrap();
    assert_eq!(
        edge.metric("atlas_edge_clients_closed_total{code=\"1013\",reason=\"slow-client\"}"),
        1
    );
}

#[tokio::test]
async fn a_slow_client_gets_the_newest_state_and_not_all_the_older_ones() {
    let game = GameServer::echo().await.unwrap();
    let mut world = world([server("one", &game.url())]);
    world.dialect.name = atlas_wire::dialect::Name::Atlas;
    world.slow_client.patience = TimeSpan::from_secs(1);
    world.slow_client.queue_bytes_max = ByteSize(65_536);
    let edge = edge_with(EdgeConfig::default(), world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("hello").await.unwrap();
    client.receive_text(soon()).await.unwrap();
    // Far more than the kernel holds: three states, over and over. In front of the rest of the payload stands the key.
    const STATES: usize = 4000;
    const PAYLOAD: &str = "AAAAAAAAAA";
    for number in 0..STATES {
        let key = ["AQ", "Ag", "Aw"][number % 3];
        let filling = "A".repeat(8000);
        let state = format!(
            r#"{{"message_type":"StateSync","timestamp":{number},"data":"{key}{PAYLOAD}{filling}"}}"#
        );
        game.send(0, state.into());
    }
    let replaced = || edge.metric("atlas_edge_states_replaced_total");
    let mut got = Vec::new();
    let number = |text: &str| {
        let (_, rest) = text.split_once("\"timestamp\":").unwrap();
        rest.split_once(',').unwrap().0.parse::<usize>().unwrap()
    };
    // It reads, but so slowly that its queue stays full until older states were left out.
    let deadline = soon();
    while replaced() == 0 {
        got.push(number(&client.receive_text(deadline).await.unwrap()));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    while got.last() != Some(&(STATES - 1)) {
        got.push(number(&client.receive_text(soon()).await.unwrap()));
    }
    assert!(got.is_sorted(), "in order, each once");
    assert_eq!(got.len() + usize::try_from(replaced()).unwrap(), STATES);
    assert!(
        [STATES - 3, STATES - 2]
            .iter()
            .all(|last| got.contains(last)),
        "the newest of each"
    );
}

#[tokio::test]
async fn when_too_much_waits_at_the_edge_those_for_whom_most_waits_are_closed() {
    let game = GameServer::echo().await.unwrap();
    let limits = LimitsConfig {
        queued_bytes_max: ByteSize(450_000),
        ..LimitsConfig::default()
    };
    let config = EdgeConfig {
        limits,
        workers: atlas_edge::Count::Number(1),
        ..EdgeConfig::default()
    };
    // Of messages, 256 KiB may wait for each of two clients that read nothing, and what one read brings beyond that: too
    // much for both together, but not for one. The third reads.
    let mut world = world([server("one", &game.url())]);
    world.dialect.name = atlas_wire::dialect::Name::Atlas;
    let edge = edge_with(config, world);
    let mut reader = Client::to(edge.address).connect(soon()).await.unwrap();
    let mut stuck = Vec::new();
    for _ in 0..2 {
        stuck.push(RawClient::upgrade(edge.address, "/", soon()).await.unwrap());
    }
    eventually(soon(), "three players", || game.opened() == 3)
        .await
        .unwrap();
    for _ in 0..200 {
        game.send(1, vec![0; 100_000].into());
        game.send(2, vec![0; 100_000].into());
    }
    let closed =
        || edge.metric("atlas_edge_clients_closed_total{code=\"1013\",reason=\"no-room\"}");
    eventually(soon(), "a client to be closed", || closed() > 0)
        .await
        .unwrap();
    reader.send_text("still here").await.unwrap();
    assert_eq!(reader.receive_text(soon()).await.unwrap(), "still here");
    assert_eq!(closed(), 1, "one was enough");
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    let game = GameServer::echo().await.unwrap();
    let header = |source: [u8; 4]| {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        bytes.extend(source);
        bytes.extend([10, 0, 0, 1, 0x1f, 0x90, 0x23, 0x28]);
        bytes
    };
    for (trusted, proxied, forwarded, expected) in [
        ("127.0.0.0/8", true, "198.51.100.1", "203.0.113.7"),
        ("127.0.0.0/8", false, "198.51.100.1", "198.51.100.1"),
        ("192.0.2.0/24", false, "198.51.100.1", "127.0.0.1"),
    ] {
        let config = EdgeConfig {
            trusted_proxies: vec![trusted.parse().unwrap()],
            proxy_protocol: proxied,
            ..EdgeConfig::default()
        };
        let edge = edge_with(config, world([server("one", &game.url())]));
        let before = game.opened();
        let mut client = RawClient::connect(edge.address, soon()).await.unwrap();
        let request = RawClient::upgrade_request(edge.address, "/").replacen(
            "\r\n\r\n",
            &format!("\r\nX-Forwarded-For: {forwarded}\r\n\r\n"),
            1,
        );
        let bytes = [
            if proxied {
                header([203, 0, 113, 7])
            } else {
                Vec::new()
            },
            request.into_bytes(),
        ]
        .concat();
        // In two pieces, cut inside whatever comes first.
        client.send(&bytes[..7]).await.unwrap();
        client.send(&bytes[7..]).await.unwrap();
        let head = client.receive_head(soon()).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        eventually(soon(), "the server's client", || game.opened() > before)
            .await
            .unwrap();
        let told = game.request_header(before, "x-forwarded-for").unwrap();
        assert!(told.starts_with(expected), "{told}, expected {expected}");
    }
}
