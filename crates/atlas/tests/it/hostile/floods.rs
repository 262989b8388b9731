//! Too much of what is allowed, and a client that takes nothing.

use atlas_testkit::{Atlas, GameServer, OnMessage, RawFrame, Received, eventually, opcode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::sink::Sink;
use super::stage::{GROWTH_BYTES_MAX, Stage, close_code, promptly};
use crate::support::deadline;

const FLOOD: usize = 100_000;

/// A plain and a cooperative stage with these limits, and what has to live as long as they do.
async fn both(limits: &str) -> Vec<(&'static str, Stage, Option<GameServer>, Option<Atlas>)> {
    let game = GameServer::builder().on_message(OnMessage::Ignore);
    let game = game.start().await.unwrap();
    let plain = Stage::plain(limits, &game).await;
    let (cooperative, server) = Stage::cooperative(limits).await;
    vec![
        ("plain", plain, Some(game), None),
        ("cooperative", cooperative, None, Some(server)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_empty_continuations_are_counted_and_1008() {
    for (name, stage, ..) in both("").await {
        stage
            .bears(GROWTH_BYTES_MAX, async {
                let mut hostile = stage.player().await;
                let first = RawFrame {
                    fin: false,
                    ..RawFrame::client(opcode::BINARY, "")
                };
                let next = RawFrame {
                    opcode: opcode::CONTINUATION,
                    ..first.clone()
                };
                let flood = [first.encode(), next.encode().repeat(FLOOD)].concat();
                // The edge may close before all of it is taken.
                let _ = hostile.send(&flood).await;
                assert_eq!(close_code(&mut hostile).await, 1008, "{name}");
            })
            .await;
        stage.closed_with(1008, 1).await;
        stage.emptied().await;
    }
}

/// Pings of the largest size, whose pongs nobody reads.
fn pings() -> Vec<u8> {
    RawFrame::client(opcode::PING, [b'p'; 125])
        .encode()
        .repeat(FLOOD)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_is_counted_and_1008() {
    for (name, stage, ..) in both("").await {
        stage
            .bears(GROWTH_BYTES_MAX, async {
                let mut hostile = stage.player().await;
                let _ = hostile.send(&pings()).await;
                assert_eq!(close_code(&mut hostile).await, 1008, "{name}");
            })
            .await;
        stage.closed_with(1008, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pongs_that_nobody_reads_do_not_pile_up() {
    // Without a limit of the rate, only the queue's bound is left.
    let limits = "messages-per-second = 0\nbytes-per-second = 0";
    for (name, stage, ..) in both(limits).await {
        stage
            .bears(8 << 20, async {
                let mut hostile = stage.player().await;
                let flood = pings();
                // Four times 13 MB; where the edge stops reading, this does not end by itself.
                let send = async {
                    for _ in 0..4 {
                        hostile.send(&flood).await.unwrap();
                    }
                };
                let _ = promptly().limit("the flood", send).await;
            })
            .await;
        stage.emptied().await;
        let _ = name;
    }
}

/// How far the edge may let a server run ahead of a client that reads nothing: its own queue's bound and what the two
/// sockets' buffers hold in the kernel.
const AHEAD_BYTES_MAX: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sends_a_gigabyte_to_a_client_that_reads_nothing_is_held_back() {
    let game = Sink::sending(1 << 30).await;
    let server = format!("address = \"ws://{}\"\nlink = \"plain\"", game.address);
    let world = "slow-client = { patience = \"2s\" }";
    let stage = Stage::new("", &server, world).await;
    let _stuck = stage
        .bears(4 << 20, async {
            let stuck = stage.player().await;
            stage.emptied().await;
            stuck
        })
        .await;
    assert!(game.sent() < AHEAD_BYTES_MAX, "{} bytes", game.sent());
    stage.closed_with(1013, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cooperative_server_that_sends_a_gigabyte_is_held_back_too() {
    const MESSAGES: usize = 16 << 10;
    let game = GameServer::builder()
        .response_header("Sec-WebSocket-Protocol", "atlas.link.v1")
        .response_header("Atlas-Link", "v1")
        .answer(|_, received| attached(received).into_iter().collect())
        .start()
        .await
        .unwrap();
    let server = format!("address = \"{}\"\nlink = \"auto\"", game.url());
    let world = "slow-client = { patience = \"2s\" }";
    let stage = Stage::new("", &server, world).await;
    let _stuck = stage
        .bears(8 << 20, async {
            let stuck = stage.player().await;
            let is_session =
                |number| game.request_header(number, "atlas-link").as_deref() == Some("session");
            let link = (0..game.opened())
                .find(|number| is_session(*number))
                .unwrap();
            // Copies share their bytes: the gigabyte is the edge's to bear, not this process's.
            let message = Message::binary([&[1][..], &[7; 64 << 10]].concat());
            for _ in 0..MESSAGES {
                game.send(link, message.clone());
            }
            stage.emptied().await;
            stuck
        })
        .await;
    stage.closed_with(1013, 1).await;
    let out = stage.metric("atlas_edge_out_bytes_total").await;
    assert!(out < AHEAD_BYTES_MAX, "{out} bytes");
}

/// The least that a server of `atlas.link.v1` says: yes to a new player.
fn attached(received: &Received) -> Option<Message> {
    let Received::Binary(bytes) = received else {
        return None;
    };
    let order: Value = serde_json::from_slice(bytes.strip_prefix(&[2])?).ok()?;
    let answer = match order["type"].as_str()? {
        "attach" => json!({
            "type": "attached", "session": order["session"], "epoch": order["epoch"], "has_state": false,
        }),
        "ping" => json!({
            "type": "pong", "session": order["session"], "epoch": order["epoch"], "at": order["at"],
        }),
        _ => return None,
    };
    Some(Message::binary(format!("\u{2}{answer}").into_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_for_a_while_gets_everything_in_the_end() {
    const MESSAGES: usize = 400;
    let game = GameServer::builder().on_message(OnMessage::Ignore);
    let game = game.start().await.unwrap();
    let stage = Stage::plain("", &game).await;
    stage
        .bears(4 << 20, async {
            let mut slow = stage.player().await;
            eventually(deadline(), "the server's client", || game.opened() == 1)
                .await
                .unwrap();
            for index in 0..MESSAGES {
                game.send(0, vec![index as u8; 50_000].into());
            }
            for index in 0..MESSAGES {
                let frame = slow.receive_frame(deadline()).await.unwrap();
                assert_eq!(frame.payload, vec![index as u8; 50_000], "message {index}");
            }
        })
        .await;
}
