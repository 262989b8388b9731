//! Frames that break RFC 6455 or a limit.

use atlas_testkit::{GameServer, OnMessage, RawClient, RawFrame, opcode};

use super::sink::Sink;
use super::stage::{GROWTH_BYTES_MAX, Stage, close_code, promptly};
use crate::support::deadline;

fn client(opcode: u8, payload: impl Into<Vec<u8>>) -> RawFrame {
    RawFrame::client(opcode, payload)
}

/// The rows that a header alone decides: what is wrong, the frame, the code.
fn wrong_frames() -> Vec<(&'static str, RawFrame, u16)> {
    let base = client(opcode::BINARY, "x");
    let reserved = |bits| RawFrame {
        reserved: bits,
        ..base.clone()
    };
    let claimed = |length| RawFrame {
        claimed_length: Some(length),
        length_bytes: Some(8),
        ..client(opcode::BINARY, "")
    };
    let padded = |width| RawFrame {
        length_bytes: Some(width),
        ..base.clone()
    };
    let fragmented = |opcode| RawFrame {
        fin: false,
        ..client(opcode, "")
    };
    vec![
        ("unmasked", RawFrame::server(opcode::TEXT, "x"), 1002),
        ("first reserved bit", reserved(4), 1002),
        ("second reserved bit", reserved(2), 1002),
        ("third reserved bit", reserved(1), 1002),
        ("opcode 3", client(3, "x"), 1002),
        ("opcode 11", client(11, "x"), 1002),
        ("ping of 126 bytes", client(opcode::PING, [0; 126]), 1002),
        ("fragmented close", fragmented(opcode::CLOSE), 1002),
        ("fragmented ping", fragmented(opcode::PING), 1002),
        (
            "nothing to continue",
            client(opcode::CONTINUATION, "x"),
            1002,
        ),
        ("one byte in a length of two", padded(2), 1002),
        ("one byte in a length of eight", padded(8), 1002),
        ("2^63 bytes", claimed(1 << 63), 1002),
        ("2^63 - 1 bytes", claimed((1 << 63) - 1), 1009),
        ("one byte above the limit", claimed((1 << 20) + 1), 1009),
    ]
}

/// Sends each frame as a client of its own, which then keeps silent, and demands the close at once.
async fn refuses_each(stage: &Stage, cases: Vec<(&'static str, RawFrame, u16)>) {
    stage
        .bears(GROWTH_BYTES_MAX, async {
            for (name, frame, code) in cases {
                let mut hostile = stage.player().await;
                hostile.send_frame(&frame).await.unwrap();
                assert_eq!(close_code(&mut hostile).await, code, "{name}");
                hostile.receive_to_end(promptly()).await.unwrap();
            }
        })
        .await;
    stage.emptied().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_frames_of_a_plain_player_are_closed_at_their_header() {
    let game = GameServer::builder().on_message(OnMessage::Ignore);
    let game = game.start().await.unwrap();
    let stage = Stage::plain("", &game).await;
    refuses_each(&stage, wrong_frames()).await;
    assert!(game.texts().is_empty(), "nothing of it reached the server");
    stage.closed_with(1002, 13).await;
    stage.closed_with(1009, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_frames_of_a_movable_player_are_closed_at_their_header() {
    let (stage, _server) = Stage::cooperative("").await;
    let mut cases = wrong_frames();
    // Where the edge is the end of the WebSocket it also reads the close.
    let code = |code: u16| client(opcode::CLOSE, code.to_be_bytes());
    cases.extend([
        ("close code 1005", code(1005), 1002),
        ("close code 999", code(999), 1002),
        ("close of one byte", client(opcode::CLOSE, [3]), 1002),
        (
            "close reason that is no UTF-8",
            client(opcode::CLOSE, [0x03, 0xe8, 0xff]),
            1007,
        ),
        ("text that is no UTF-8", client(opcode::TEXT, [0xff]), 1007),
        (
            "text with a surrogate",
            client(opcode::TEXT, [b'a', 0xed, 0xa0, 0x80]),
            1007,
        ),
    ]);
    refuses_each(&stage, cases).await;
    stage.closed_with(1002, 16).await;
    stage.closed_with(1007, 3).await;
    stage.closed_with(1009, 2).await;
    // In pieces, cut inside a character, it is the same; and a character that is whole in the end is none.
    let mut hostile = stage.player().await;
    for (opcode, fin, payload) in [
        (opcode::TEXT, false, [0xc3].as_slice()),
        (opcode::CONTINUATION, true, &[0xbc]),
        (opcode::TEXT, false, &[0xc3]),
        (opcode::CONTINUATION, true, &[0xff]),
    ] {
        let piece = RawFrame {
            fin,
            ..client(opcode, payload)
        };
        hostile.send_frame(&piece).await.unwrap();
    }
    assert_eq!(close_code(&mut hostile).await, 1007);
}

/// What the edge passes on because only the two ends can judge it: the server's verdict reaches the client. (That of
/// bad UTF-8 is Autobahn's to compare.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_a_plain_server_refuses_is_refused_with_its_code() {
    let game = GameServer::echo().await.unwrap();
    let stage = Stage::plain("", &game).await;
    let code = |code: u16| client(opcode::CLOSE, code.to_be_bytes());
    refuses_each(&stage, vec![("close code 1005", code(1005), 1002)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_claimed_and_never_sent_costs_nothing() {
    const CLIENTS: usize = 200;
    // The largest that is allowed: nothing is allocated for it before it comes.
    let begun = RawFrame {
        claimed_length: Some(1 << 20),
        ..client(opcode::BINARY, "begun")
    };
    let game = GameServer::builder().on_message(OnMessage::Ignore);
    let game = game.start().await.unwrap();
    let limits = "message-timeout = \"2s\"";
    for cooperative in [false, true] {
        let (stage, _server) = if cooperative {
            let (stage, server) = Stage::cooperative(limits).await;
            (stage, Some(server))
        } else {
            (Stage::plain(limits, &game).await, None)
        };
        stage
            .bears(GROWTH_BYTES_MAX, async {
                let mut silent = Vec::new();
                for _ in 0..CLIENTS {
                    let mut hostile = stage.player().await;
                    hostile.send_frame(&begun).await.unwrap();
                    silent.push(hostile);
                }
                for hostile in &mut silent {
                    hostile.receive_to_end(deadline()).await.unwrap();
                }
            })
            .await;
        stage.closed_with(1008, CLIENTS as u64).await;
    }
}

/// A block of deflate (RFC 1951) that inflates to `bytes` zeros, 1,032 times its length.
///
/// The code lengths are chosen so that "258 bytes more of the same" is written by two zero bits.
fn bomb(bytes: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    // Not the last block; dynamic codes; 286 lengths of literals, one of distances, 18 of code lengths.
    bits.numbers(&[(0, 1), (2, 2), (29, 5), (0, 5), (14, 4)]);
    // In the order of the RFC: the codes for "18" (one bit), "2" and "1" (two bits); the rest are not used.
    for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
        bits.number(length, 3);
    }
    let zeros = |bits: &mut Bits, count: u32| {
        bits.code(0b0, 1);
        bits.number(count - 11, 7);
    };
    bits.code(0b11, 2); // literal 0: two bits
    zeros(&mut bits, 138);
    zeros(&mut bits, 117);
    bits.code(0b11, 2); // the block's end: two bits
    zeros(&mut bits, 28);
    bits.code(0b10, 2); // length 258: one bit
    bits.code(0b10, 2); // distance 1: one bit
    bits.code(0b10, 2); // the first zero
    for _ in 0..bytes / 258 {
        bits.code(0, 2);
    }
    bits.code(0b11, 2);
    // An empty stored block follows without its length, as permessage-deflate has it (RFC 7692, section 7.2.1).
    bits.number(0, 3);
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn bit(&mut self, bit: u32) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= ((bit & 1) as u8) << (self.used % 8);
        }
        self.used += 1;
    }

    /// A number: its lowest bit first.
    fn number(&mut self, number: u32, bits: u32) {
        (0..bits).for_each(|at| self.bit(number >> at));
    }

    fn numbers(&mut self, numbers: &[(u32, u32)]) {
        numbers
            .iter()
            .for_each(|&(number, bits)| self.number(number, bits));
    }

    /// A code: its highest bit first.
    fn code(&mut self, code: u32, bits: u32) {
        (0..bits).rev().for_each(|at| self.bit(code >> at));
    }
}

/// The bomb as one message of this many frames.
fn bomb_in(frames: usize, bomb: &[u8]) -> Vec<u8> {
    let pieces = bomb.chunks(bomb.len().div_ceil(frames));
    let last = pieces.len() - 1;
    let frame = |(index, piece): (usize, &[u8])| {
        RawFrame {
            fin: index == last,
            // The compression bit stands on the first frame.
            reserved: if index == 0 { 4 } else { 0 },
            ..client(
                if index == 0 {
                    opcode::BINARY
                } else {
                    opcode::CONTINUATION
                },
                piece,
            )
        }
        .encode()
    };
    pieces.enumerate().flat_map(frame).collect()
}

/// Twice the limit of a message in these rows.
const TWICE_THE_LIMIT: u64 = 8 << 20;

/// Asks for permessage-deflate; gives the client and whether it was agreed on.
async fn with_deflate(stage: &Stage) -> (RawClient, bool) {
    let mut hostile = RawClient::connect(stage.players, deadline()).await.unwrap();
    let request = RawClient::upgrade_request(stage.players, "/").replacen(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        1,
    );
    hostile.send(request.as_bytes()).await.unwrap();
    let head = hostile.receive_head(deadline()).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}{}", stage.log());
    (hostile, head.contains("permessage-deflate"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deflate_bomb_is_never_inflated() {
    // Both ends agree on compression, and the bomb is within the limit as it travels: what it would become is the
    // server's business, and of no size at the edge.
    let game = Sink::reading(Some("permessage-deflate")).await;
    let server = format!("address = \"ws://{}\"\nlink = \"plain\"", game.address);
    let world = "dialect = { name = \"opaque\" }";
    let limits = "messages-per-second = 0\nmessage-bytes-max = \"4 MiB\"";
    let stage = Stage::new(limits, &server, world).await;
    let bomb = bomb(1 << 30);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    for frames in [1, 1000] {
        let bytes = bomb_in(frames, &bomb);
        let before = game.received();
        stage
            .bears(TWICE_THE_LIMIT, async {
                let (mut hostile, agreed) = with_deflate(&stage).await;
                assert!(agreed);
                hostile.send(&bytes).await.unwrap();
                atlas_testkit::eventually(promptly(), "the whole message at the server", || {
                    game.received() - before >= bytes.len() as u64
                })
                .await
                .unwrap();
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deflate_bomb_above_the_limit_is_1009() {
    let game = Sink::reading(Some("permessage-deflate")).await;
    let server = format!("address = \"ws://{}\"\nlink = \"plain\"", game.address);
    let world = "dialect = { name = \"opaque\" }";
    let limits = "messages-per-second = 0\nbytes-per-second = 0\nmessage-bytes-max = \"4 MiB\"";
    let stage = Stage::new(limits, &server, world).await;
    // Beyond the limit even as it travels.
    let bomb = bomb(5 << 30);
    for frames in [1, 1000] {
        let bytes = bomb_in(frames, &bomb);
        stage
            .bears(TWICE_THE_LIMIT, async {
                let (mut hostile, _) = with_deflate(&stage).await;
                // The edge may close before all of it is taken.
                let _ = hostile.send(&bytes).await;
                assert_eq!(close_code(&mut hostile).await, 1009, "{frames} frames");
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_edge_reads_messages_compression_is_not_agreed_on() {
    let (stage, _server) = Stage::cooperative("messages-per-second = 0").await;
    let bomb = bomb(1 << 30);
    for frames in [1, 1000] {
        stage
            .bears(GROWTH_BYTES_MAX, async {
                let (mut hostile, agreed) = with_deflate(&stage).await;
                assert!(!agreed);
                let _ = hostile.send(&bomb_in(frames, &bomb)).await;
                assert_eq!(close_code(&mut hostile).await, 1002, "{frames} frames");
            })
            .await;
    }
}
