use std::io;

use serde::Serialize;

use atlas_wire::upgrade::{ATLAS_LINK, Head, Limits, ParsedHead, Refusal, respond};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{LinkMode, Shared, Socket, acts};

/// What a connection turned out to be.
pub(super) enum Opened {
    /// It was a plain HTTP request and has its answer.
    Answered,
    /// A player who came by itself, or through an edge that is told nothing of Atlas.
    Player(Socket),
    /// An edge's link for one session.
    Session(Socket),
    /// An edge's control link.
    Control(Socket),
}

/// Reads the request's head and answers it. The caller bounds the time.
///
/// # Errors
/// The connection broke or ended before the head did.
pub(super) async fn open(shared: &Shared, mut stream: TcpStream) -> io::Result<Opened> {
    stream.set_nodelay(true)?;
    let limits = Limits::default();
    let mut bytes = Vec::with_capacity(1024);
    let (head, taken) = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Head::parse(&bytes, &limits) {
            Ok(ParsedHead::Incomplete) => {}
            Ok(ParsedHead::Complete(head, taken)) => break (head, taken),
            Err(refusal) => return refuse(stream, refusal).await,
        }
    };
    if !head.wants_websocket() && head.path() == "/stats" {
        return answer_json(&shared.stats(), stream).await;
    }
    if !head.wants_websocket() && head.path() == "/acts" {
        return answer_json(&acts::of(shared), stream).await;
    }
    let key = match head.websocket() {
        Ok(key) => key,
        Err(refusal) => return refuse(stream, refusal).await,
    };
    if !is_authorized(shared, &head) {
        let mut answer = Vec::new();
        respond(
            &mut answer,
            401,
            &[("WWW-Authenticate", "Bearer")],
            "the link token is missing or wrong\n",
        );
        return finish(stream, &answer).await;
    }
    let kind = match head.fields().first("atlas-link") {
        _ if shared.config.link == LinkMode::Plain => None,
        _ if !head.fields().lists("sec-websocket-protocol", ATLAS_LINK) => None,
        Some("control") => Some("control"),
        _ => Some("session"),
    };
    let mut answer = Vec::with_capacity(256);
    answer.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    answer.extend_from_slice(&key.accept());
    if kind.is_some() {
        // The header says that the token was understood and not merely echoed.
        answer.extend_from_slice(b"\r\nSec-WebSocket-Protocol: atlas.link.v1\r\nAtlas-Link: v1");
    }
    answer.extend_from_slice(b"\r\n\r\n");
    stream.write_all(&answer).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(8192)
        .write_buffer_size(8192)
        .max_message_size(Some(shared.config.message_bytes_max))
        .max_frame_size(Some(shared.config.message_bytes_max));
    let socket = WebSocketStream::from_partially_read(
        stream,
        bytes.split_off(taken),
        Role::Server,
        Some(config),
    )
    .await;
    Ok(match kind {
        None => Opened::Player(socket),
        Some("control") => Opened::Control(socket),
        Some(_) => Opened::Session(socket),
    })
}

fn is_authorized(shared: &Shared, head: &Head) -> bool {
    let Some(token) = &shared.config.token else {
        return true;
    };
    let given = head
        .fields()
        .first("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    // Every byte is compared, so that the time tells nothing of where they differ.
    given.is_some_and(|given| {
        let (given, token) = (given.as_bytes(), token.reveal().as_bytes());
        given.len() == token.len()
            && given
                .iter()
                .zip(token)
                .fold(0, |sum, (one, other)| sum | (one ^ other))
                == 0
    })
}

async fn refuse(stream: TcpStream, refusal: Refusal) -> io::Result<Opened> {
    let mut answer = Vec::new();
    refusal.write(&mut answer);
    finish(stream, &answer).await
}

async fn answer_json(answer: &impl Serialize, stream: TcpStream) -> io::Result<Opened> {
    let body = serde_json::to_string(answer)?;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    finish(stream, answer.as_bytes()).await
}

async fn finish(mut stream: TcpStream, answer: &[u8]) -> io::Result<Opened> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    Ok(Opened::Answered)
}
