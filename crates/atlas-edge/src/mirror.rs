//! Copies of players' messages for shadow servers. Off the workers' threads: a worker puts a copy in a bounded queue or
//! drops it, and never learns how the shadow server fares.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atlas_wire::upgrade::{Forwarding, Head, Limits, ServerAnswer, ServerRequest};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::servers::{Server, World};

/// Sessions whose copies have not begun yet; a session past it is not copied.
pub(crate) const BEGINNING_MAX: usize = 1024;
/// The longest answer of a shadow server that is read to be dropped; a longer one ends the copy.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// What a message costs beside its bytes, so that empty ones are bounded as well.
pub(crate) const MESSAGE_COST_BYTES: usize = 64;

/// A session that is to be copied.
pub(crate) struct Copy {
    pub(crate) world: Arc<World>,
    pub(crate) server: Arc<Server>,
    pub(crate) head: Arc<Head>,
    pub(crate) forwarding: Forwarding,
    pub(crate) messages: mpsc::UnboundedReceiver<Message>,
    /// Bytes in the queue, costs included; the worker keeps them below the bound.
    pub(crate) waiting: Arc<AtomicUsize>,
}

/// Copies sessions as they begin, until the edge is gone.
pub(crate) async fn run(mut begun: mpsc::Receiver<Copy>) {
    let mut copies = JoinSet::new();
    loop {
        tokio::select! {
            copy = begun.recv() => match copy {
                Some(copy) => { copies.spawn(follow(copy)); }
                None => return,
            },
            Some(_) = copies.join_next() => {}
        }
    }
}

/// Copies one session until it ends, or the shadow server does: then what is left is dropped, and the worker told by the
/// closed queue.
async fn follow(mut copy: Copy) {
    let dialled = timeout(copy.world.settings.dial_timeout, dial(&copy)).await;
    let socket = match dialled {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            tracing::debug!(server = %copy.server.config.name, %error, "a shadow server was not reached");
            return;
        }
        Err(_) => return,
    };
    let (mut sink, mut answers) = socket.split();
    let write = async {
        while let Some(message) = copy.messages.recv().await {
            let cost = message.len() + MESSAGE_COST_BYTES;
            let sent = sink.send(message).await;
            copy.waiting.fetch_sub(cost, Ordering::Relaxed);
            if sent.is_err() {
                return;
            }
        }
        // The player has gone.
        let _ = sink.close().await;
    };
    let read = async { while let Some(Ok(_)) = answers.next().await {} };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

/// Dials the shadow server as the player's own server was dialled.
async fn dial(copy: &Copy) -> io::Result<WebSocketStream<TcpStream>> {
    let mut stream = TcpStream::connect(copy.server.target).await?;
    stream.set_nodelay(true)?;
    let mut key = [0; 16];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let host = copy.server.address.authority();
    let subprotocols = copy.head.subprotocols().of_game();
    let own = copy.server.address.path.as_deref();
    let request = ServerRequest {
        target: own.unwrap_or(copy.head.target()),
        host: &host,
        key: &key,
        head: Some(&copy.head),
        subprotocols: &subprotocols,
        deflate: false,
        forwarding: Some(copy.forwarding),
        link: None,
        extra: &[],
    };
    let mut bytes = Vec::with_capacity(512);
    request.write(&mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    bytes.clear();
    let length = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer = ServerAnswer::parse(&bytes, &Limits::default(), &request);
        match answer.map_err(io::Error::other)? {
            ServerAnswer::Incomplete => {}
            ServerAnswer::Refused { status } => {
                return Err(io::Error::other(format!("status {status}")));
            }
            ServerAnswer::Switched(_, length) => break length,
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(ANSWER_BYTES_MAX))
        .max_frame_size(Some(ANSWER_BYTES_MAX));
    let behind = bytes.split_off(length);
    Ok(WebSocketStream::from_partially_read(stream, behind, Role::Client, Some(config)).await)
}
