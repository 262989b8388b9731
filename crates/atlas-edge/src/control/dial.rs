//! Opening a control link.

use std::io;
use std::time::Duration;

use atlas_wire::link::CONTROL_BYTES_MAX;
use atlas_wire::upgrade::{
    BadAnswer, Limits, LinkAnswer, LinkHeaders, LinkKind, ServerAnswer, ServerRequest, Unwritable,
};
use rand::TryRng as _;
use rand::rngs::SysRng;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::servers::{Server, World};

/// The kernel gives a peer up that has not acknowledged anything for so long: a host that is gone without a word. One
/// whose process merely stands still acknowledges on.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// What one link may hold unwritten before it takes no more.
const WRITE_BYTES_MAX: usize = 4 * CONTROL_BYTES_MAX;

/// Why a control link could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("status {0}")]
    Status(u16),
    #[error(transparent)]
    BadAnswer(#[from] BadAnswer),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error("the server does not take control links")]
    NotCooperative,
}

/// Dials a server's control link, within the time that a dial may take.
pub(super) async fn dial(
    node: &str,
    world: &World,
    server: &Server,
) -> Result<WebSocketStream<TcpStream>, DialError> {
    timeout(world.settings.dial_timeout, open(node, world, server))
        .await
        .map_err(|_| DialError::TimedOut)?
}

async fn open(
    node: &str,
    world: &World,
    server: &Server,
) -> Result<WebSocketStream<TcpStream>, DialError> {
    let mut stream = TcpStream::connect(server.target).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(UNACKNOWLEDGED))?;
    let mut key = [0; 16];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let host = server.address.authority();
    let authorization = world.authorization.as_deref();
    let extra = authorization.map(|it| [("Authorization", it.reveal().as_str())]);
    let request = ServerRequest {
        target: server.address.path.as_deref().unwrap_or("/"),
        host: &host,
        key: &key,
        head: None,
        subprotocols: &[],
        deflate: false,
        forwarding: None,
        link: Some(LinkHeaders {
            kind: LinkKind::Control,
            world: &world.name,
            player: None,
            node,
        }),
        extra: extra.as_ref().map_or(&[], |it| &it[..]),
    };
    let mut bytes = Vec::with_capacity(512);
    request.write(&mut bytes)?;
    stream.write_all(&bytes).await?;
    bytes.clear();
    let (switched, length) = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match ServerAnswer::parse(&bytes, &Limits::default(), &request)? {
            ServerAnswer::Incomplete => {}
            ServerAnswer::Refused { status } => return Err(DialError::Status(status)),
            ServerAnswer::Switched(switched, length) => break (switched, length),
        }
    };
    if switched.link != LinkAnswer::Cooperative {
        return Err(DialError::NotCooperative);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(8 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(Some(CONTROL_BYTES_MAX))
        .max_frame_size(Some(CONTROL_BYTES_MAX));
    let behind = bytes.split_off(length);
    Ok(WebSocketStream::from_partially_read(stream, behind, Role::Client, Some(config)).await)
}
