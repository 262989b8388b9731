//! A game server that takes whatever bytes come and counts them, or sends as much as it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Ends with its handle.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    accept: AbortHandle,
}

#[derive(Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Sink {
    /// Upgrades everybody, with this extension, and reads.
    pub(crate) async fn reading(extension: Option<&'static str>) -> Self {
        Self::start(extension, 0).await
    }

    /// Upgrades everybody and sends so many bytes of binary messages, as fast as they are taken.
    pub(crate) async fn sending(bytes: u64) -> Self {
        Self::start(None, bytes).await
    }

    async fn start(extension: Option<&'static str>, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, extension, bytes, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            counts,
            accept: accept.abort_handle(),
        }
    }

    /// Bytes behind the request heads so far, over all connections.
    pub(crate) fn received(&self) -> u64 {
        self.counts.received.load(Ordering::Relaxed)
    }

    /// Bytes of messages that the kernel took so far, over all connections.
    pub(crate) fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    extension: Option<&'static str>,
    bytes: u64,
    counts: Arc<Counts>,
) -> Option<()> {
    let mut head = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let end = loop {
        let read = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        head.extend_from_slice(&chunk[..read]);
        if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    counts
        .received
        .fetch_add((head.len() - end) as u64, Ordering::Relaxed);
    let text = String::from_utf8_lossy(&head[..end]);
    let key = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim().to_owned())
    })?;
    let accept = derive_accept_key(key.as_bytes());
    let extension = extension.map_or(String::new(), |name| {
        format!("Sec-WebSocket-Extensions: {name}\r\n")
    });
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extension}\r\n"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    // A binary message of 64 KiB.
    let mut message = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
    message.resize(10 + (64 << 10), 7);
    while counts.sent.load(Ordering::Relaxed) < bytes {
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            let written = stream.write(rest).await.ok()?;
            counts.sent.fetch_add(written as u64, Ordering::Relaxed);
            rest = &rest[written..];
        }
    }
    loop {
        let read = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        counts.received.fetch_add(read as u64, Ordering::Relaxed);
    }
}
