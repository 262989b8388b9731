//! Requests that are no upgrade, or more than one.

use std::time::Duration;

use atlas_testkit::{Client, GameServer, OnMessage, RawClient, Seen, eventually};

use super::stage::{GROWTH_BYTES_MAX, Stage, promptly};
use crate::support::deadline;

async fn ignoring() -> GameServer {
    let game = GameServer::builder().on_message(OnMessage::Ignore);
    game.start().await.unwrap()
}

/// A right upgrade request with one more header.
fn with(stage: &Stage, header: &str) -> String {
    let good = RawClient::upgrade_request(stage.players, "/");
    good.replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1)
}

/// Sends a request; the whole answer has to come within a second, and the connection to end after it.
async fn answer(stage: &Stage, request: &[u8]) -> String {
    let mut client = RawClient::connect(stage.players, promptly()).await.unwrap();
    // The edge may answer, and close, before it has read all of it.
    let _ = client.send(request).await;
    let answer = client.receive_to_end(promptly()).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends each request and demands its status; nothing may reach the server.
async fn refuses_each(stage: &Stage, game: &GameServer, cases: Vec<(&str, Vec<u8>, u16)>) {
    stage
        .bears(GROWTH_BYTES_MAX, async {
            for (name, request, status) in cases {
                let answer = answer(stage, &request).await;
                let expected = format!("HTTP/1.1 {status} ");
                assert!(answer.starts_with(&expected), "{name}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
            }
        })
        .await;
    assert_eq!(game.opened(), 0, "a server was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_an_end_are_431_at_the_limit() {
    let game = ignoring().await;
    let stage = Stage::plain("", &game).await;
    let cases = vec![
        (
            "a header of 1 MiB",
            with(&stage, &format!("X-Long: {}", "a".repeat(1 << 20))).into_bytes(),
            431,
        ),
        (
            "10,000 headers",
            with(&stage, "X: y\r\n".repeat(10_000).trim_end()).into_bytes(),
            431,
        ),
        (
            "10,000 headers of nothing",
            with(&stage, "a:\r\n".repeat(10_000).trim_end()).into_bytes(),
            431,
        ),
        ("a line without an end", vec![b'x'; 1 << 20], 431),
        (
            "a target of 1 MiB",
            RawClient::upgrade_request(stage.players, &"/a".repeat(1 << 19)).into_bytes(),
            431,
        ),
    ];
    refuses_each(&stage, &game, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_with_a_body_is_refused_and_nothing_forwarded() {
    let game = ignoring().await;
    let stage = Stage::plain("", &game).await;
    let cases = vec![
        ("a length", with(&stage, "Content-Length: 5") + "hello", 400),
        (
            "a length of nothing",
            with(&stage, "Content-Length: 0") + "hello",
            400,
        ),
        (
            "chunks",
            with(&stage, "Transfer-Encoding: chunked") + "0\r\n\r\n",
            400,
        ),
        (
            "both",
            with(&stage, "Content-Length: 5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
            400,
        ),
    ];
    let bytes =
        |(name, text, status): (&'static str, String, u16)| (name, text.into_bytes(), status);
    refuses_each(&stage, &game, cases.into_iter().map(bytes).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_behind_an_upgrade_is_refused_and_nothing_forwarded() {
    let game = ignoring().await;
    let stage = Stage::plain("", &game).await;
    let second = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let cases = vec![(
        "in one piece",
        (with(&stage, "X: y") + second).into_bytes(),
        400,
    )];
    refuses_each(&stage, &game, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_the_101_is_never_forwarded() {
    // A server that never answers: the request behind the upgrade comes while it is being dialled.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!(
        "address = \"ws://{}\"\nlink = \"plain\"",
        mute.local_addr().unwrap()
    );
    let stage = Stage::new("", &server, "").await;
    let answer = stage
        .bears(GROWTH_BYTES_MAX, async {
            let mut client = RawClient::connect(stage.players, promptly()).await.unwrap();
            let request = RawClient::upgrade_request(stage.players, "/");
            client.send(request.as_bytes()).await.unwrap();
            let mut asked = String::new();
            // Probes of its health come without a word; the player's request comes with one.
            while asked.is_empty() {
                let (stream, _) = promptly()
                    .limit("the dial", mute.accept())
                    .await
                    .unwrap()
                    .unwrap();
                asked = head(&stream).await;
                if !asked.is_empty() {
                    client
                        .send(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
                        .await
                        .unwrap();
                    let answer = client.receive_to_end(promptly()).await.unwrap();
                    assert_eq!(
                        rest(stream).await,
                        b"",
                        "nothing follows the edge's own request"
                    );
                    return String::from_utf8_lossy(&answer).into_owned();
                }
            }
            unreachable!("the loop ends with an answer")
        })
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

/// The request on a connection; empty if it ends without one.
async fn head(stream: &tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        promptly()
            .limit("a request", stream.readable())
            .await
            .unwrap()
            .unwrap();
        match stream.try_read(&mut chunk) {
            Ok(0) => return String::new(),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return String::new(),
        }
        if bytes.ends_with(b"\r\n\r\n") {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

/// What else comes on a connection, to its end.
async fn rest(mut stream: tokio::net::TcpStream) -> Vec<u8> {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // An end by a reset is an end as well.
    let _ = promptly().limit("the end of the dial", read).await.unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_200_joins_nobody() {
    let game = GameServer::builder().refuse(200).start().await.unwrap();
    let stage = Stage::plain("", &game).await;
    stage
        .bears(GROWTH_BYTES_MAX, async {
            let request = RawClient::upgrade_request(stage.players, "/");
            let answer = answer(&stage, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        })
        .await;
    assert_eq!(stage.sessions().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_of_one_byte_at_a_time_are_closed_at_the_deadline() {
    const CLIENTS: usize = 1000;
    let game = ignoring().await;
    let stage = Stage::plain("handshake-timeout = \"3s\"", &game).await;
    stage
        .bears(GROWTH_BYTES_MAX, async {
            let request = RawClient::upgrade_request(stage.players, "/");
            let mut slow = Vec::new();
            for _ in 0..CLIENTS {
                slow.push(RawClient::connect(stage.players, deadline()).await.unwrap());
            }
            let mut second = tokio::time::interval(Duration::from_secs(1));
            // A byte a second would take minutes; the deadline does not move with the bytes.
            for byte in request.as_bytes().iter().take(5) {
                second.tick().await;
                for client in &mut slow {
                    let _ = client.send(&[*byte]).await;
                }
            }
            for client in &mut slow {
                let answer = client.receive_to_end(promptly()).await.unwrap();
                // Bytes that came after the close may have cut the answer's way.
                let text = String::from_utf8_lossy(&answer);
                assert!(
                    text.is_empty() || text.starts_with("HTTP/1.1 408 "),
                    "{text}"
                );
            }
        })
        .await;
    let late = "atlas_edge_handshakes_refused_total{status=\"408\"}";
    assert_eq!(stage.metric(late).await, CLIENTS as u64);
    assert_eq!(game.opened(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_origin_is_403() {
    let game = ignoring().await;
    let stage = Stage::plain("origins = [\"https://game.example\"]", &game).await;
    let cases = [
        "https://evil.example",
        "https://game.example.evil.example",
        "http://game.example",
        "null",
        "https://game.example:8443",
    ]
    .map(|origin| {
        (
            origin,
            with(&stage, &format!("Origin: {origin}")).into_bytes(),
            403,
        )
    });
    refuses_each(&stage, &game, cases.into()).await;
    let at_home = with(&stage, "Origin: https://game.example");
    let mut client = RawClient::connect(stage.players, deadline()).await.unwrap();
    client.send(at_home.as_bytes()).await.unwrap();
    let head = client.receive_head(deadline()).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarding_headers_of_a_client_are_replaced() {
    let game = ignoring().await;
    let stage = Stage::plain("", &game).await;
    stage
        .bears(GROWTH_BYTES_MAX, async {
            Client::to(stage.players)
                .header("X-Forwarded-For", "203.0.113.9")
                .header("X-Forwarded-Proto", "https")
                .header("X-Real-IP", "203.0.113.9")
                .header("Forwarded", "for=203.0.113.9")
                .header("Atlas-Session", "forged")
                .connect(deadline())
                .await
                .unwrap();
        })
        .await;
    eventually(deadline(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    let seen = game.seen();
    let Some(Seen::Opened { headers, .. }) = seen.first() else {
        panic!("{seen:?}")
    };
    let forged =
        |(_, value): &&(String, String)| value.contains("203.0.113.9") || value == "forged";
    assert_eq!(headers.iter().find(forged), None);
    assert_eq!(
        game.request_header(0, "x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
    assert_ne!(
        game.request_header(0, "x-forwarded-proto").as_deref(),
        Some("https")
    );
}
