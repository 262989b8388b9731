//! What goes in comes out, on both sides.

use atlas_base::ByteSize;
use atlas_edge::{EdgeConfig, LimitsConfig};
use atlas_testkit::{
    Client, GameServer, OnMessage, RawClient, RawFrame, Received, eventually, opcode,
};

use crate::support::{edge, edge_with, server, soon, world};

#[tokio::test]
async fn text_and_binary_of_every_size_class_come_back_unchanged() {
    let game = GameServer::echo().await.unwrap();
    let limits = LimitsConfig {
        bytes_per_second: ByteSize(0),
        ..LimitsConfig::default()
    };
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world([server("one", &game.url())]),
    );
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let bytes: Vec<u8> = (0..size).map(|index| (index * 7) as u8).collect();
        client.send_binary(bytes.clone()).await.unwrap();
        assert_eq!(
            client.receive_binary(soon()).await.unwrap(),
            bytes,
            "{size} bytes"
        );
        let text = "ü".repeat(size / 2);
        client.send_text(text.clone()).await.unwrap();
        assert_eq!(
            client.receive_text(soon()).await.unwrap(),
            text,
            "{size} bytes of text"
        );
    }
    assert_eq!(edge.handle.servers()[0].sessions, 1);
    client.close(1000, "bye", soon()).await.unwrap();
    eventually(soon(), "the place to be free", || {
        edge.handle.servers()[0].sessions == 0
    })
    .await
    .unwrap();
    assert_eq!(edge.handle.connections(), 0);
    edge.stop().await;
    assert!(
        edge.metric("atlas_edge_messages_in_total") >= 14,
        "{}",
        edge.registry.render().unwrap()
    );
}

#[tokio::test]
async fn fragments_masks_and_control_frames_go_through_as_they_came() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    let piece = |opcode, fin, payload: &[u8]| RawFrame {
        fin,
        ..RawFrame::client(opcode, payload)
    };
    for frame in [
        piece(opcode::TEXT, false, b"hel"),
        piece(opcode::PING, true, b"now"),
        piece(opcode::CONTINUATION, false, b""),
        piece(opcode::CONTINUATION, true, b"lo"),
    ] {
        client.send_frame(&frame).await.unwrap();
    }
    let pong = client.receive_frame(soon()).await.unwrap();
    assert_eq!(
        (pong.opcode, pong.payload.as_slice()),
        (opcode::PONG, b"now".as_slice())
    );
    let echo = client.receive_frame(soon()).await.unwrap();
    assert_eq!(
        (echo.opcode, echo.payload.as_slice()),
        (opcode::TEXT, b"hello".as_slice())
    );
}

#[tokio::test]
async fn a_frame_in_single_bytes_comes_through() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    for byte in RawFrame::client(opcode::BINARY, vec![7; 200]).encode() {
        client.send(&[byte]).await.unwrap();
    }
    assert_eq!(
        client.receive_frame(soon()).await.unwrap().payload,
        vec![7; 200]
    );
}

#[tokio::test]
async fn the_servers_close_reason_reaches_the_client_and_the_clients_the_server() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    game.close(0, 4001, "the round is over");
    assert_eq!(
        client.receive_close(soon()).await.unwrap(),
        (4001, "the round is over".to_owned())
    );

    let client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.close(3007, "leaving", soon()).await.unwrap();
    let seen = || {
        game.seen().iter().any(|seen| {
            matches!(seen, atlas_testkit::Seen::Got { received: Received::Close(Some((3007, reason))), .. } if reason == "leaving")
        })
    };
    eventually(soon(), "the client's close at the server", seen)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_server_closes_its_clients_with_1012() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("here").await.unwrap();
    client.receive_text(soon()).await.unwrap();
    game.cut_all();
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1012);
}

#[tokio::test]
async fn a_half_closed_client_still_hears_the_servers_last_words() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    client
        .send_frame(&RawFrame::client(opcode::TEXT, "last"))
        .await
        .unwrap();
    eventually(soon(), "the message", || game.texts() == ["last"])
        .await
        .unwrap();
    game.send(0, "good".into());
    game.close(0, 1000, "bye");
    client.finish().await.unwrap();
    let frame = client.receive_frame(soon()).await.unwrap();
    assert_eq!(frame.payload, b"good");
    assert_eq!(
        client.receive_frame(soon()).await.unwrap().opcode,
        opcode::CLOSE
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_pauses_its_server_and_loses_nothing() {
    const MESSAGES: usize = 400;
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut slow = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    for index in 0..MESSAGES {
        game.send(0, vec![index as u8; 50_000].into());
    }
    // Meanwhile another player notices nothing.
    let mut other = Client::to(edge.address).connect(soon()).await.unwrap();
    other.send_text("quick").await.unwrap();
    eventually(soon(), "the other's message", || game.texts() == ["quick"])
        .await
        .unwrap();
    for index in 0..MESSAGES {
        let frame = slow.receive_frame(soon()).await.unwrap();
        assert_eq!(frame.payload, vec![index as u8; 50_000], "message {index}");
    }
}

#[tokio::test]
async fn a_stopping_edge_tells_everybody_to_come_back() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("here").await.unwrap();
    client.receive_text(soon()).await.unwrap();
    let plays = async {
        eventually(soon(), "nobody new to be taken", || {
            std::net::TcpStream::connect(edge.address).is_err()
        })
        .await
        .unwrap();
        // Whoever is here plays on until it is time to close.
        client.send_text("still here").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "still here");
        let (code, reason) = client.receive_close(soon()).await.unwrap();
        assert_eq!(code, 1012);
        let hint = reason
            .strip_prefix("the edge is restarting; come back in ")
            .and_then(|rest| rest.strip_suffix(" ms"))
            .unwrap_or_else(|| panic!("{reason}"));
        assert!(hint.parse::<u64>().unwrap() < 5000);
    };
    tokio::join!(edge.stop(), plays);
    assert!(
        Client::to(edge.address).connect(soon()).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn at_the_limit_the_next_player_waits_for_a_place() {
    let game = GameServer::echo().await.unwrap();
    let limits = EdgeConfig {
        max_connections: atlas_edge::Count::Number(1),
        ..EdgeConfig::default()
    };
    let edge = edge_with(limits, world([server("one", &game.url())]));
    let first = Client::to(edge.address).connect(soon()).await.unwrap();
    let address = edge.address;
    let second = tokio::spawn(async move { Client::to(address).connect(soon()).await });
    first.close(1000, "", soon()).await.unwrap();
    let mut second = second.await.unwrap().unwrap();
    second.send_text("in").await.unwrap();
    assert_eq!(second.receive_text(soon()).await.unwrap(), "in");
}

#[tokio::test]
async fn messages_past_the_limit_close_with_1009_on_both_sides() {
    let game = GameServer::echo().await.unwrap();
    let limits = LimitsConfig {
        message_bytes_max: ByteSize(1000),
        ..LimitsConfig::default()
    };
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world([server("one", &game.url())]),
    );
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_binary(vec![0; 1000]).await.unwrap();
    assert_eq!(client.receive_binary(soon()).await.unwrap().len(), 1000);
    client.send_binary(vec![0; 1001]).await.unwrap();
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1009);
}
