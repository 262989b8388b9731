//! The admin API over HTTP, and its server-sent events.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// A client of one HTTP server on loopback; each request has a connection of its own.
#[derive(Debug, Clone)]
pub struct Http {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with status and body if it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::unexpected("JSON", format!("{error}: {} {}", self.status, self.text()))
        })
    }

    /// This answer, if its status is in the 200s.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with status and body otherwise.
    pub fn success(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(Error::unexpected(
            "a status in the 200s",
            format!("{}: {}", self.status, self.text()),
        ))
    }
}

impl Http {
    /// A client without a token.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            headers: Vec::new(),
        }
    }

    /// The same client with `Authorization: Bearer TOKEN`.
    pub fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", format!("Bearer {token}"))
    }

    /// The same client with a header on each request; `host` replaces its own.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// GET.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Unexpected`] if the connection fails, [`Error::Late`]. Any status is an answer.
    pub async fn get(&self, path: &str, deadline: Deadline) -> Result<Reply> {
        self.request("GET", path, None, deadline).await
    }

    /// GET of a JSON document.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for a status outside the 200s or a body that is no JSON.
    pub async fn get_json(&self, path: &str, deadline: Deadline) -> Result<Value> {
        self.get(path, deadline).await?.success()?.json()
    }

    /// POST of a JSON document.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, body: &Value, deadline: Deadline) -> Result<Reply> {
        self.request("POST", path, Some(body), deadline).await
    }

    /// PUT of a JSON document.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn put(&self, path: &str, body: &Value, deadline: Deadline) -> Result<Reply> {
        self.request("PUT", path, Some(body), deadline).await
    }

    /// Any request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        deadline: Deadline,
    ) -> Result<Reply> {
        let what = format!("{method} http://{}{path}", self.address);
        let exchange = async {
            let response = self.send(method, path, body, &what).await?;
            let status = response.status().as_u16();
            let text = |value: &hyper::header::HeaderValue| {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|error| failed(&what, &error))?;
            Ok(Reply {
                status,
                headers,
                body: body.to_bytes().to_vec(),
            })
        };
        deadline.limit(&what, exchange).await?
    }

    /// GET of a stream of server-sent events.
    ///
    /// # Errors
    /// As [`get`](Self::get), and if the answer is no event stream.
    pub async fn events(&self, path: &str, deadline: Deadline) -> Result<Events> {
        let what = format!("GET http://{}{path}", self.address);
        let response = deadline
            .limit(&what, self.send("GET", path, None, &what))
            .await??;
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        if !response.status().is_success() || !kind.starts_with("text/event-stream") {
            return Err(Error::unexpected(
                "an event stream",
                format!("{} {kind}", response.status()),
            ));
        }
        Ok(Events {
            body: response.into_body(),
            unread: Vec::new(),
        })
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(Error::io(what))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(what, &error))?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request
            .body(Full::new(bytes))
            .map_err(|error| failed(what, &error))?;
        sender
            .send_request(request)
            .await
            .map_err(|error| failed(what, &error))
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> Error {
    let cause = error
        .source()
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    Error::unexpected(what, format!("{error}{cause}"))
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` if it has none.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with the event if it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.data)
            .map_err(|error| Error::unexpected("JSON", format!("{error}: {self:?}")))
    }
}

/// An open stream of server-sent events.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    unread: Vec<u8>,
}

impl Events {
    /// The next event; comments are skipped.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the stream ends, [`Error::Late`].
    pub async fn next(&mut self, deadline: Deadline) -> Result<Event> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..at + 2).collect();
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(event);
                }
                continue;
            }
            match deadline.limit("an event", self.body.frame()).await? {
                Some(Ok(frame)) => self.unread.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(failed("an event", &error)),
                None => return Err(Error::unexpected("an event", "the end of the stream")),
            }
        }
    }

    /// The next event of this name; others are skipped.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_named(&mut self, name: &str, deadline: Deadline) -> Result<Event> {
        loop {
            let event = self.next(deadline).await?;
            if event.name == name {
                return Ok(event);
            }
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let (mut name, mut data) = ("message", Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Event {
        name: name.to_owned(),
        data: data.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_blocks_are_read() {
        let event = |name: &str, data: &str| {
            Some(Event {
                name: name.to_owned(),
                data: data.to_owned(),
            })
        };
        for (block, expected) in [
            ("event: world\ndata: {}\n\n", event("world", "{}")),
            ("data:a\ndata: b\nid: 3\n\n", event("message", "a\nb")),
            (": keep-alive\n\n", None),
        ] {
            assert_eq!(parse(block), expected, "{block:?}");
        }
    }
}
