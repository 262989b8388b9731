//! What a hostile client sends, and that the edge answers by closing and nothing reaches the server.

use std::time::Duration;

use atlas_base::TimeSpan;
use atlas_edge::{EdgeConfig, LimitsConfig};
use atlas_testkit::{GameServer, OnMessage, RawClient, RawFrame, eventually, opcode};

use crate::support::{edge, edge_with, server, soon, world};

/// The status line of the answer to these bytes, and that the connection ends after it.
async fn status(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut client = RawClient::connect(address, soon()).await.unwrap();
    client.send(request).await.unwrap();
    let answer = client.receive_to_end(soon()).await.unwrap();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn requests_that_could_smuggle_are_refused_before_any_dial() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let good = RawClient::upgrade_request(edge.address, "/");
    let with = |header: &str| good.replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
    for (request, code) in [
        (with("Content-Length: 5") + "hello", 400),
        (with("Transfer-Encoding: chunked") + "0\r\n\r\n", 400),
        (good.clone() + "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (with("Host: other"), 400),
        (
            good.replacen("Upgrade: websocket\r\n", "Upgrade: websocket\n", 1),
            400,
        ),
        (good.replacen("GET ", "POST ", 1), 405),
        (good.replacen("Version: 13", "Version: 8", 1), 426),
        (with(&format!("X-Long: {}", "a".repeat(1 << 20))), 431),
        (with(&"X: y\r\n".repeat(10_000)), 431),
        ("x".repeat(1 << 20), 431),
        ("\x16\x03\x01 not http".to_owned(), 400),
    ] {
        let line = status(edge.address, request.as_bytes()).await;
        assert!(
            line.contains(&code.to_string()),
            "{line} for {}",
            &request[..request.len().min(300)]
        );
    }
    assert_eq!(game.opened(), 0);
}

#[tokio::test]
async fn a_slow_request_is_closed_at_its_deadline() {
    let limits = LimitsConfig {
        handshake_timeout: TimeSpan::from_millis(100),
        ..LimitsConfig::default()
    };
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world([server("one", "ws://127.0.0.1:1")]),
    );
    let line = status(edge.address, b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    assert!(line.contains("408"), "{line}");
    eventually(soon(), "the connection to be counted out", || {
        edge.handle.connections() == 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn frames_that_break_rfc_6455_close_with_their_code() {
    let game = GameServer::builder()
        .on_message(OnMessage::Ignore)
        .start()
        .await
        .unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let client = |opcode, payload: &[u8]| RawFrame::client(opcode, payload);
    let cases = [
        ("unmasked", RawFrame::server(opcode::TEXT, "x"), 1002),
        (
            "reserved bit",
            RawFrame {
                reserved: 4,
                ..client(opcode::TEXT, b"x")
            },
            1002,
        ),
        ("opcode 3", client(3, b"x"), 1002),
        ("ping of 126 bytes", client(opcode::PING, &[0; 126]), 1002),
        (
            "fragmented close",
            RawFrame {
                fin: false,
                ..client(opcode::CLOSE, b"")
            },
            1002,
        ),
        (
            "continuation without a start",
            client(opcode::CONTINUATION, b"x"),
            1002,
        ),
        (
            "length not minimal",
            RawFrame {
                length_bytes: Some(8),
                ..client(opcode::BINARY, b"x")
            },
            1002,
        ),
        (
            "2^63 - 1 bytes",
            RawFrame {
                claimed_length: Some((1 << 63) - 1),
                length_bytes: Some(8),
                ..client(opcode::BINARY, b"")
            },
            1009,
        ),
    ];
    for (name, frame, code) in cases {
        let mut raw = RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
        raw.send_frame(&frame).await.unwrap();
        let close = raw
            .receive_frame(soon())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(close.opcode, opcode::CLOSE, "{name}");
        assert_eq!(close.payload[..2], u16::to_be_bytes(code), "{name}");
        raw.receive_to_end(soon()).await.unwrap();
    }
    assert!(game.texts().is_empty(), "nothing of it reached the server");
}

#[tokio::test]
async fn a_thousand_slow_requests_do_not_keep_others_out() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut client = RawClient::connect(edge.address, soon()).await.unwrap();
        client.send(b"GET / HT").await.unwrap();
        slow.push(client);
    }
    let begun = std::time::Instant::now();
    RawClient::upgrade(edge.address, "/", soon()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
