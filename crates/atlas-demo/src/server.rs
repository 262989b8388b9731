//! The demo's game server: it answers every numbered message of a player, once.
//!
//! One listener serves everything: a WebSocket on any path is a player (plain), or a link of an edge
//! if the server is [`LinkMode::Cooperative`] and the dial offers `atlas.link.v1`; `GET /stats` tells
//! as JSON what the server saw ([`Stats`]).
//!
//! [`Server::build`] binds, [`Server::run`] serves until the shutdown, then closes with 1012.

mod acts;
mod config;
mod control;
mod counters;
mod fence;
mod link;
mod opening;
mod plain;
mod states;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atlas_base::Moment;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub use acts::Acted;
pub use config::{Config, LinkMode, Region};
pub use counters::Stats;

use crate::error::Error;
use control::Controls;
use counters::Counters;
use fence::{Fences, Link};
use opening::Opened;
use states::States;

/// How long the other side may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often what no link holds any more is looked through for what can be forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// After a failed accept (no descriptors left, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// At a stop connections get this long to close.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A bound game server that serves when [`run`](Server::run) is polled.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What every connection of one server has in common.
#[derive(Debug)]
struct Shared {
    config: Config,
    /// The server's name as a JSON string, quotes included.
    name: String,
    started: Instant,
    counters: Counters,
    fences: Mutex<Fences>,
    /// How to end each open session link, when a newer epoch supersedes it.
    closers: Mutex<HashMap<Link, oneshot::Sender<()>>>,
    links: AtomicU64,
    states: States,
    controls: Controls,
}

impl Server {
    /// Checks the configuration and binds.
    ///
    /// # Errors
    /// [`Error::Unguarded`] for a listener beyond loopback without a token, and [`Error::Bind`].
    pub async fn build(config: Config) -> Result<Self, Error> {
        let listen = config.listen;
        if !listen.ip().is_loopback() && config.token.is_none() {
            return Err(Error::Unguarded { listen });
        }
        let bind = |source: io::Error| Error::Bind { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let shared = Shared {
            name: serde_json::Value::from(config.name.as_str()).to_string(),
            started: Instant::now(),
            counters: Counters::default(),
            fences: Mutex::new(Fences::new(config.sessions_max, config.record_acts)),
            closers: Mutex::default(),
            links: AtomicU64::new(1),
            states: States::new(config.state_bytes),
            controls: Controls::default(),
            config,
        };
        Ok(Self {
            listener,
            address,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens, with the port that was found if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then closes every connection with 1012 and waits a bounded
    /// time for their ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener, shared, ..
        } = self;
        let (stopping, stop) = watch::channel(false);
        let places = Arc::new(Semaphore::new(shared.config.connections_max));
        let mut tasks = JoinSet::new();
        let mut sweeps = tokio::time::interval(SWEEP_INTERVAL);
        tokio::pin!(shutdown);
        loop {
            // Without a place nothing is accepted: what dials waits in the listener's bounded queue.
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            tokio::select! {
                () = &mut shutdown => break,
                (place, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(Arc::clone(&shared), stream, stop.clone());
                        tasks.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = sweeps.tick() => shared.fences().sweep(shared.now()),
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                connections = tasks.len(),
                "connections did not close in time"
            );
        }
    }
}

impl Shared {
    fn now(&self) -> Moment {
        Moment::ZERO + self.started.elapsed()
    }

    fn fences(&self) -> MutexGuard<'_, Fences> {
        // Nothing panics while it holds the lock.
        self.fences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new link, and what is done when another link supersedes it.
    fn enter(&self) -> (Link, oneshot::Receiver<()>) {
        let link = self.links.fetch_add(1, Ordering::Relaxed);
        let (closer, superseded) = oneshot::channel();
        self.closers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link, closer);
        (link, superseded)
    }

    fn leave(&self, link: Link) {
        self.closers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link);
    }

    fn supersede(&self, link: Link) {
        let closer = self
            .closers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link);
        // The link's end may have come first; then there is nobody to tell.
        if let Some(closer) = closer
            && closer.send(()).is_ok()
        {
            self.counters.superseded.add(1);
        }
    }

    fn stats(&self) -> Stats {
        Stats::new(
            &self.config,
            &self.counters,
            self.fences().census(self.now()),
        )
    }
}

/// One accepted connection from its first byte to its last.
async fn connection(shared: Arc<Shared>, stream: TcpStream, stop: watch::Receiver<bool>) {
    let opened =
        tokio::time::timeout(shared.config.head_timeout, opening::open(&shared, stream)).await;
    let Ok(Ok(opened)) = opened else { return };
    if matches!(opened, Opened::Answered) {
        return;
    }
    let _open = shared.counters.open.hold();
    shared.counters.connections.add(1);
    match opened {
        Opened::Answered => {}
        Opened::Player(socket) => plain::serve(&shared, socket, stop).await,
        Opened::Session(socket) => link::session(&shared, socket, stop).await,
        Opened::Control(socket) => control::serve(&shared, socket, stop).await,
    }
}

/// Why a connection is over.
#[derive(Debug)]
enum Over {
    /// The other side closed, or is gone.
    Theirs,
    /// We close it, with this code and reason.
    Ours(u16, String),
}

type Socket = WebSocketStream<TcpStream>;

/// Closes from our side and waits a bounded time for the other's close.
async fn close(mut socket: Socket, over: Over) {
    use futures_util::StreamExt as _;
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, async {
        if let Over::Ours(code, reason) = over {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: reason.into(),
            };
            socket.close(Some(frame)).await?;
        }
        // Also answers the other side's close; what still comes is not read as input any more.
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
        Ok::<_, tokio_tungstenite::tungstenite::Error>(())
    })
    .await;
}

/// The close for an error of the WebSocket library: 1009 for what is too long, 1002 for what is no
/// WebSocket, 1007 for broken text; none where the connection is gone.
fn fault(error: &tokio_tungstenite::tungstenite::Error) -> Over {
    use tokio_tungstenite::tungstenite::Error as Fault;
    match error {
        Fault::Capacity(_) => Over::Ours(1009, "message too long".to_owned()),
        Fault::Protocol(_) => Over::Ours(1002, "not the websocket protocol".to_owned()),
        Fault::Utf8(_) => Over::Ours(1007, "text is not utf-8".to_owned()),
        _ => Over::Theirs,
    }
}

/// Waits until the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone, which is a stop too.
    let _ = stop.wait_for(|&stopping| stopping).await;
}

/// The message as bytes, if it is a game's; `None` for pings, pongs and closes.
fn data(message: Message) -> Option<(bool, tokio_tungstenite::tungstenite::Bytes)> {
    match message {
        Message::Text(text) => Some((true, text.into())),
        Message::Binary(bytes) => Some((false, bytes)),
        _ => None,
    }
}
