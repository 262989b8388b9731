//! One look at one server.

use std::io;
use std::sync::Arc;

use atlas_wire::upgrade::{BadAnswer, Limits, ServerAnswer, ServerRequest, Unwritable};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, protocol::frame::coding::CloseCode};

use crate::config::{HealthConfig, HealthKind};
use crate::servers::Server;

/// How much of a message is read; what a game says to a check is not listened to.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What the ping carries and its pong must carry.
const PING: &[u8] = b"atlas health";

/// What a probe found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Probed {
    /// It does what it should.
    Well,
    /// It does not.
    Ill {
        /// Nobody listens there: the process is gone.
        refused: bool,
        /// What was wrong.
        why: String,
    },
}

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
enum Illness {
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("it closed the connection without an answer")]
    Silent,
    #[error("it answered GET {path} with something that is no HTTP")]
    NoHttp { path: String },
    #[error("it answered GET {path} with status {status}")]
    Status { path: String, status: u16 },
    #[error("it refused a WebSocket with status {0}")]
    Refused(u16),
    #[error(transparent)]
    BadAnswer(#[from] BadAnswer),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error("it closed the WebSocket before it answered a ping")]
    Closed,
    #[error("the WebSocket failed: {0}")]
    WebSocket(#[from] tungstenite::Error),
}

/// Looks at a server once, within the time that a check may take.
pub(crate) async fn run(config: HealthConfig, server: Arc<Server>) -> Probed {
    match timeout(*config.timeout, look(&config, &server)).await {
        Ok(Ok(())) => Probed::Well,
        Ok(Err(Illness::Broken(error))) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Probed::Ill {
                refused: true,
                why: "nothing listens there".to_owned(),
            }
        }
        Ok(Err(illness)) => Probed::Ill {
            refused: false,
            why: illness.to_string(),
        },
        Err(_) => Probed::Ill {
            refused: false,
            why: "no answer in time".to_owned(),
        },
    }
}

/// Waits for the answer to a ping on a server's control link, within the time that a check may take.
pub(crate) async fn answered(config: HealthConfig, answer: oneshot::Receiver<()>) -> Probed {
    let why = match timeout(*config.timeout, answer).await {
        Ok(Ok(())) => return Probed::Well,
        Ok(Err(_)) => "its control link was lost",
        Err(_) => "no answer on its control link in time",
    };
    Probed::Ill {
        refused: false,
        why: why.to_owned(),
    }
}

async fn look(config: &HealthConfig, server: &Server) -> Result<(), Illness> {
    let stream = TcpStream::connect(server.target).await?;
    match config.kind {
        HealthKind::Tcp => Ok(()),
        HealthKind::Http => get(stream, server, &config.path).await,
        HealthKind::Websocket => ping(stream, server, &config.path).await,
    }
}

/// A GET must be answered with a status in the 200s.
async fn get(mut stream: TcpStream, server: &Server, path: &str) -> Result<(), Illness> {
    let host = server.address.authority();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: atlas\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // `HTTP/1.1 200`, and no more.
    let mut line = [0; 12];
    match stream.read_exact(&mut line).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Illness::Silent),
        Err(error) => return Err(error.into()),
    }
    let path = path.to_owned();
    let status = std::str::from_utf8(&line)
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.split_once(' '))
        .and_then(|(_, status)| status.parse().ok());
    match status {
        None => Err(Illness::NoHttp { path }),
        Some(200..=299) => Ok(()),
        Some(status) => Err(Illness::Status { path, status }),
    }
}

/// A WebSocket must open, and a ping on it be answered.
async fn ping(mut stream: TcpStream, server: &Server, path: &str) -> Result<(), Illness> {
    let mut key = [0; 16];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let host = server.address.authority();
    let request = ServerRequest {
        target: server.address.path.as_deref().unwrap_or(path),
        host: &host,
        key: &key,
        head: None,
        subprotocols: &[],
        deflate: false,
        forwarding: None,
        link: None,
        extra: &[],
    };
    let mut bytes = Vec::with_capacity(512);
    request.write(&mut bytes)?;
    stream.write_all(&bytes).await?;
    bytes.clear();
    let length = loop {
        // What is no head by then is refused as too long.
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Illness::Silent);
        }
        match ServerAnswer::parse(&bytes, &Limits::default(), &request) {
            Ok(ServerAnswer::Incomplete) => {}
            // A game that wants a token, a path or a subprotocol of its players turns a stranger away, and is well.
            Ok(ServerAnswer::Refused { status: 400..=499 }) | Err(BadAnswer::Subprotocol) => {
                return Ok(());
            }
            Ok(ServerAnswer::Refused { status }) => return Err(Illness::Refused(status)),
            Ok(ServerAnswer::Switched(_, length)) => break length,
            Err(error) => return Err(error.into()),
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let behind = bytes.split_off(length);
    let mut socket =
        WebSocketStream::from_partially_read(stream, behind, Role::Client, Some(config)).await;
    socket.send(Message::Ping(PING.into())).await?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Pong(payload))) if payload == PING => break,
            Some(Ok(Message::Close(_))) | None => return Err(Illness::Closed),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    // It is well; how it takes the goodbye is its own matter.
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    let _ = socket.send(Message::Close(Some(goodbye))).await;
    Ok(())
}
