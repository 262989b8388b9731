//! A small game server: it echoes, answers as told, or stays silent, and records what it got.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::error::{Error, Result};
use crate::websocket::Received;

/// What the server does with a message.
#[derive(Clone)]
pub enum OnMessage {
    /// Sends it back.
    Echo,
    /// Nothing.
    Ignore,
    /// Sends what the function makes of it; the number is the connection's.
    Answer(Arc<Answer>),
}

/// Makes answers of a connection's number and what came.
pub type Answer = dyn Fn(usize, &Received) -> Vec<Message> + Send + Sync;

impl fmt::Debug for OnMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "Echo",
            Self::Ignore => "Ignore",
            Self::Answer(_) => "Answer(..)",
        })
    }
}

/// One thing that the server saw. Connections count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A client upgraded.
    Opened {
        /// The connection's number.
        connection: usize,
        /// Path and query of the request.
        path: String,
        /// The request's headers, names in lower case, in the order they came.
        headers: Vec<(String, String)>,
    },
    /// A message, a close or the end came.
    Got {
        /// The connection's number.
        connection: usize,
        /// What came.
        received: Received,
    },
}

/// How to start a game server; see [`GameServer::builder`].
#[derive(Debug)]
pub struct GameServerBuilder {
    listen: SocketAddr,
    on_message: OnMessage,
    headers: Vec<(String, String)>,
    refuse: Option<u16>,
    greeting: Vec<Message>,
}

impl GameServerBuilder {
    /// Listens here instead of on a free port of 127.0.0.1 (to come back under an old address).
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Does this with each message; [`OnMessage::Echo`] if not said.
    pub fn on_message(mut self, on_message: OnMessage) -> Self {
        self.on_message = on_message;
        self
    }

    /// Answers each message with what `answer` makes of it.
    pub fn answer(
        self,
        answer: impl Fn(usize, &Received) -> Vec<Message> + Send + Sync + 'static,
    ) -> Self {
        self.on_message(OnMessage::Answer(Arc::new(answer)))
    }

    /// Adds a header to the 101 response, such as `Sec-WebSocket-Protocol` or `Atlas-Link`.
    pub fn response_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Answers each upgrade with this status instead of 101.
    pub fn refuse(mut self, status: u16) -> Self {
        self.refuse = Some(status);
        self
    }

    /// Sends these messages to each client at once.
    pub fn greeting(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.greeting.extend(messages);
        self
    }

    /// Binds and serves in the background until the handle is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] if the address is taken.
    pub async fn start(self) -> Result<GameServer> {
        let what = format!("listening on {}", self.listen);
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(Error::io(&what))?;
        let address = listener.local_addr().map_err(Error::io(&what))?;
        let (reading, _) = watch::channel(true);
        let shared = Arc::new(Shared {
            settings: self,
            state: Mutex::default(),
            reading,
        });
        let accept = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(GameServer {
            address,
            shared,
            accept: accept.abort_handle(),
        })
    }
}

/// A running game server. Dropping it ends its listener and cuts its connections.
#[derive(Debug)]
pub struct GameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept: AbortHandle,
}

impl GameServer {
    /// Begins a server.
    pub fn builder() -> GameServerBuilder {
        GameServerBuilder {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            on_message: OnMessage::Echo,
            headers: Vec::new(),
            refuse: None,
            greeting: Vec::new(),
        }
    }

    /// Starts a server that echoes on a free port.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none.
    pub async fn echo() -> Result<Self> {
        Self::builder().start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as `ws://…` without a path.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// All that it saw so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// How many clients upgraded so far.
    pub fn opened(&self) -> usize {
        self.shared
            .state()
            .seen
            .iter()
            .filter(|seen| matches!(seen, Seen::Opened { .. }))
            .count()
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.state().connections.len()
    }

    /// The text messages so far, of all connections, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |seen: &Seen| match seen {
            Seen::Got {
                received: Received::Text(text),
                ..
            } => Some(text.clone()),
            _ => None,
        };
        self.shared.state().seen.iter().filter_map(text).collect()
    }

    /// A header of a connection's upgrade request, by its lower-case name.
    pub fn request_header(&self, connection: usize, name: &str) -> Option<String> {
        self.shared.state().seen.iter().find_map(|seen| match seen {
            Seen::Opened {
                connection: number,
                headers,
                ..
            } if *number == connection => headers
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone()),
            _ => None,
        })
    }

    /// Sends a message to a connection; nothing happens if it is closed.
    pub fn send(&self, connection: usize, message: Message) {
        if let Some(open) = self.shared.state().connections.get(&connection) {
            let _ = open.outbox.send(message);
        }
    }

    /// Sends a message to every open connection.
    pub fn send_all(&self, message: &Message) {
        for open in self.shared.state().connections.values() {
            let _ = open.outbox.send(message.clone());
        }
    }

    /// Closes a connection with a code and a reason.
    pub fn close(&self, connection: usize, code: u16, reason: &str) {
        self.send(
            connection,
            Message::Close(Some(CloseFrame {
                code: code.into(),
                reason: reason.into(),
            })),
        );
    }

    /// Cuts every connection without a close frame.
    pub fn cut_all(&self) {
        for open in self.shared.state().connections.values() {
            open.task.abort();
        }
    }

    /// Stops or resumes reading from every connection, so that back-pressure builds up.
    pub fn read(&self, reading: bool) {
        self.shared.reading.send_replace(reading);
    }
}

impl Drop for GameServer {
    fn drop(&mut self) {
        self.accept.abort();
        self.cut_all();
    }
}

#[derive(Debug)]
struct Shared {
    settings: GameServerBuilder,
    state: Mutex<State>,
    reading: watch::Sender<bool>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    connections: BTreeMap<usize, Open>,
    next: usize,
}

#[derive(Debug)]
struct Open {
    outbox: mpsc::UnboundedSender<Message>,
    task: AbortHandle,
}

/// Takes a connection off the list however its task ends.
struct Leaves {
    shared: Arc<Shared>,
    connection: usize,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.shared.state().connections.remove(&self.connection);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(admit(stream, Arc::clone(&shared)));
    }
}

/// Numbers a connection once it has said something: health probes come and go without a word and do not count.
async fn admit(stream: TcpStream, shared: Arc<Shared>) {
    if !matches!(stream.peek(&mut [0]).await, Ok(1..)) {
        return;
    }
    let mut state = shared.state();
    let connection = state.next;
    state.next += 1;
    let (outbox, queue) = mpsc::unbounded_channel();
    let leaves = Leaves {
        shared: Arc::clone(&shared),
        connection,
    };
    // The lock is held until the entry is in the list, so that the task cannot leave it before.
    let task = tokio::spawn(serve(stream, queue, leaves)).abort_handle();
    state.connections.insert(connection, Open { outbox, task });
}

async fn serve(stream: TcpStream, mut queue: mpsc::UnboundedReceiver<Message>, leaves: Leaves) {
    let (shared, connection) = (&leaves.shared, leaves.connection);
    let _ = stream.set_nodelay(true);
    let settings = &shared.settings;
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    let callback = |request: &Request, mut response: Response| {
        if let Some(status) = settings.refuse {
            let mut refusal = Response::default().map(|()| Some("refused by the test".to_owned()));
            *refusal.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
            return Err(refusal);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        shared.state().seen.push(Seen::Opened {
            connection,
            path: request.uri().to_string(),
            headers,
        });
        for (name, value) in &settings.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::from_str(value),
            ) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, callback).await else {
        return;
    };
    for message in settings.greeting.clone() {
        let _ = socket.send(message).await;
    }
    let mut reading = shared.reading.subscribe();
    loop {
        let reads = *reading.borrow_and_update();
        tokio::select! {
            _ = reading.changed() => {}
            queued = queue.recv() => {
                let Some(message) = queued else { return };
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            message = socket.next(), if reads => {
                let Some(received) = Received::from_message(message) else { continue };
                let ends = matches!(received, Received::Close(_) | Received::Lost(_));
                let answers = match &settings.on_message {
                    _ if ends => Vec::new(),
                    OnMessage::Ignore => Vec::new(),
                    OnMessage::Answer(answer) => answer(connection, &received),
                    OnMessage::Echo => match received.clone() {
                        Received::Text(text) => vec![Message::text(text)],
                        Received::Binary(bytes) => vec![Message::binary(bytes)],
                        Received::Close(_) | Received::Lost(_) => Vec::new(),
                    },
                };
                shared.state().seen.push(Seen::Got { connection, received });
                if ends {
                    // Reading on lets the library send its answer to the close.
                    while let Some(Ok(_)) = socket.next().await {}
                    return;
                }
                for answer in answers {
                    if socket.send(answer).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
