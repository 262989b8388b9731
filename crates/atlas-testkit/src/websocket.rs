//! A player's WebSocket, for tests.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// What came from the other side. Pings and pongs are answered and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A close frame; `None` is one without a code.
    Close(Option<(u16, String)>),
    /// The connection ended without a close frame; the text says how.
    Lost(String),
}

impl Received {
    pub(crate) fn from_message(message: Option<tungstenite::Result<Message>>) -> Option<Self> {
        Some(match message {
            Some(Ok(Message::Text(text))) => Self::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => Self::Binary(bytes.to_vec()),
            Some(Ok(Message::Close(frame))) => Self::Close(
                frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())),
            ),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return None,
            Some(Err(error)) => Self::Lost(error.to_string()),
            None => Self::Lost("end of stream".to_owned()),
        })
    }
}

/// How to connect; see [`Client::to`].
#[derive(Debug)]
pub struct ClientBuilder {
    address: SocketAddr,
    path: String,
    headers: Vec<(String, String)>,
}

impl ClientBuilder {
    /// Asks for this path (and query); `/` if not said.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds a header to the upgrade request, or replaces one of its own.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers subprotocols, comma-separated.
    pub fn subprotocols(self, tokens: impl Into<String>) -> Self {
        self.header("Sec-WebSocket-Protocol", tokens)
    }

    /// Connects and upgrades.
    ///
    /// # Errors
    /// [`Error::WebSocket`] if the upgrade is refused, [`Error::Io`] if nobody listens, [`Error::Late`].
    pub async fn connect(self, deadline: Deadline) -> Result<Client> {
        let what = format!("connecting to ws://{}{}", self.address, self.path);
        let mut request = format!("ws://{}{}", self.address, self.path)
            .into_client_request()
            .map_err(Error::websocket(&what))?;
        for (name, value) in &self.headers {
            let parsed = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::from_str(value),
            );
            let (Ok(name), Ok(value)) = parsed else {
                return Err(Error::unexpected(
                    "a header that can be sent",
                    format!("{name}: {value}"),
                ));
            };
            request.headers_mut().insert(name, value);
        }
        let open = async {
            let tcp = TcpStream::connect(self.address)
                .await
                .map_err(Error::io(&what))?;
            tcp.set_nodelay(true).map_err(Error::io(&what))?;
            client_async(request, tcp)
                .await
                .map_err(Error::websocket(&what))
        };
        let (stream, response) = deadline.limit(&what, open).await??;
        Ok(Client {
            stream,
            response: response.map(drop),
        })
    }
}

/// An open WebSocket. Dropping it cuts the connection without a close frame.
#[derive(Debug)]
pub struct Client {
    stream: WebSocketStream<TcpStream>,
    response: Response<()>,
}

impl Client {
    /// Begins a connection to an address.
    pub fn to(address: SocketAddr) -> ClientBuilder {
        ClientBuilder {
            address,
            path: "/".to_owned(),
            headers: Vec::new(),
        }
    }

    /// A header of the 101 response.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        self.response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// The local address, as the server sees this client.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.stream.get_ref().local_addr().ok()
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// [`Error::WebSocket`] if the connection is gone.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<()> {
        self.send(Message::text(text.into())).await
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// [`Error::WebSocket`] if the connection is gone.
    pub async fn send_binary(&mut self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.send(Message::binary(bytes.into())).await
    }

    /// Sends a JSON value as a text message.
    ///
    /// # Errors
    /// [`Error::WebSocket`] if the connection is gone.
    pub async fn send_json(&mut self, value: &serde_json::Value) -> Result<()> {
        self.send_text(value.to_string()).await
    }

    /// Sends any message, pings and close frames too.
    ///
    /// # Errors
    /// [`Error::WebSocket`] if the connection is gone.
    pub async fn send(&mut self, message: Message) -> Result<()> {
        self.stream
            .send(message)
            .await
            .map_err(Error::websocket("sending"))
    }

    /// The next message, close or end.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub async fn receive(&mut self, deadline: Deadline) -> Result<Received> {
        let next = async {
            loop {
                if let Some(received) = Received::from_message(self.stream.next().await) {
                    return received;
                }
            }
        };
        deadline.limit("a message from the server", next).await
    }

    /// The next message, which must be a text.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it is something else, [`Error::Late`].
    pub async fn receive_text(&mut self, deadline: Deadline) -> Result<String> {
        match self.receive(deadline).await? {
            Received::Text(text) => Ok(text),
            other => Err(Error::unexpected("a text message", format!("{other:?}"))),
        }
    }

    /// The next message, which must be binary.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it is something else, [`Error::Late`].
    pub async fn receive_binary(&mut self, deadline: Deadline) -> Result<Vec<u8>> {
        match self.receive(deadline).await? {
            Received::Binary(bytes) => Ok(bytes),
            other => Err(Error::unexpected("a binary message", format!("{other:?}"))),
        }
    }

    /// The next message, which must be a JSON text.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it is something else, [`Error::Late`].
    pub async fn receive_json(&mut self, deadline: Deadline) -> Result<serde_json::Value> {
        let text = self.receive_text(deadline).await?;
        serde_json::from_str(&text)
            .map_err(|error| Error::unexpected("JSON", format!("{error}: {text}")))
    }

    /// Reads on until the close frame, and gives its code and reason (1005 and nothing for one without a code).
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the connection ends without one, [`Error::Late`].
    pub async fn receive_close(&mut self, deadline: Deadline) -> Result<(u16, String)> {
        loop {
            match self.receive(deadline).await? {
                Received::Close(close) => return Ok(close.unwrap_or((1005, String::new()))),
                Received::Lost(how) => return Err(Error::unexpected("a close frame", how)),
                Received::Text(_) | Received::Binary(_) => {}
            }
        }
    }

    /// Closes with a code and a reason, and waits for the other side's close.
    ///
    /// # Errors
    /// [`Error::WebSocket`], [`Error::Unexpected`] without an answer, [`Error::Late`].
    pub async fn close(
        mut self,
        code: u16,
        reason: &str,
        deadline: Deadline,
    ) -> Result<(u16, String)> {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.send(Message::Close(Some(frame))).await?;
        self.receive_close(deadline).await
    }
}
