//! A client that writes bytes, for tests of bad input.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::frame::RawFrame;

/// The key of every upgrade request made here, and the answer to it (RFC 6455, section 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A TCP connection: bytes out, bytes or frames in.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl RawClient {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if nobody listens, [`Error::Late`].
    pub async fn connect(address: SocketAddr, deadline: Deadline) -> Result<Self> {
        let what = format!("connecting to {address}");
        let stream = deadline
            .limit(&what, TcpStream::connect(address))
            .await?
            .map_err(Error::io(&what))?;
        stream.set_nodelay(true).map_err(Error::io(&what))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Connects and upgrades to a WebSocket at `path`.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with the response's head if it is no right 101, [`Error::Io`], [`Error::Late`].
    pub async fn upgrade(address: SocketAddr, path: &str, deadline: Deadline) -> Result<Self> {
        let mut client = Self::connect(address, deadline).await?;
        client
            .send(Self::upgrade_request(address, path).as_bytes())
            .await?;
        let head = client.receive_head(deadline).await?;
        if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
            return Ok(client);
        }
        Err(Error::unexpected("a 101 with the right accept key", head))
    }

    /// The text of a right upgrade request, to be spoiled by a test.
    pub fn upgrade_request(address: SocketAddr, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        )
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(Error::io("sending bytes"))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// [`Error::Io`] if the connection is gone.
    pub async fn send_frame(&mut self, frame: &RawFrame) -> Result<()> {
        self.send(&frame.encode()).await
    }

    /// Ends our direction only; the other side can still talk.
    ///
    /// # Errors
    /// [`Error::Io`] if the connection is gone.
    pub async fn finish(&mut self) -> Result<()> {
        self.stream
            .shutdown()
            .await
            .map_err(Error::io("ending our direction"))
    }

    /// Reads an HTTP head, up to and with its empty line.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the connection ends before it, [`Error::Late`].
    pub async fn receive_head(&mut self, deadline: Deadline) -> Result<String> {
        loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.fill("an http head", deadline).await? {
                return Err(self.ended("an http head"));
            }
        }
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the connection ends before it, [`Error::Late`].
    pub async fn receive_frame(&mut self, deadline: Deadline) -> Result<RawFrame> {
        loop {
            if let Some((frame, taken)) = RawFrame::decode(&self.unread) {
                self.unread.drain(..taken);
                return Ok(frame);
            }
            if !self.fill("a frame", deadline).await? {
                return Err(self.ended("a frame"));
            }
        }
    }

    /// Reads until the other side ends the connection, cleanly or by a reset, and gives what came.
    ///
    /// # Errors
    /// [`Error::Late`] if it stays open.
    pub async fn receive_to_end(&mut self, deadline: Deadline) -> Result<Vec<u8>> {
        loop {
            match self.fill("the end of the connection", deadline).await {
                Ok(true) => {}
                Ok(false) | Err(Error::Io { .. }) => return Ok(std::mem::take(&mut self.unread)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once; whether anything came.
    async fn fill(&mut self, what: &str, deadline: Deadline) -> Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let read = deadline
            .limit(what, self.stream.read(&mut chunk))
            .await?
            .map_err(Error::io(what))?;
        self.unread.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }

    fn ended(&self, expected: &str) -> Error {
        Error::unexpected(
            expected,
            format!("the end after {:?}", String::from_utf8_lossy(&self.unread)),
        )
    }
}
