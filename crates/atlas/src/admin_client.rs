//! The commands' side of the admin API: finds the node, carries the token, and says what went wrong.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_runtime::admin::Token;
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config;
use crate::context::Context;
use crate::error::Error;

/// How long a node may take to accept the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; the node itself waits 30 seconds for a transfer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// The longest answer that is read: a page of a thousand sessions is a tenth of it.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The flags of commands that operate a running node.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// The node's admin address; without it, the configuration's `admin.listen`
    ///
    /// `http://127.0.0.1:9090`, `127.0.0.1:9090`, or the console's link with its token
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,

    /// The file with the node's token; without it, `admin.token` in the configuration's data folder (`tap.token` for the tap)
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Print data for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// A node that may be asked.
#[derive(Debug)]
pub(crate) struct AdminClient {
    /// `127.0.0.1:9090`, as the `Host` header names it.
    authority: String,
    /// How the address came about.
    tried: String,
    token: Option<String>,
    /// Where the token was looked for.
    token_place: String,
}

impl AdminClient {
    /// The node that the flags name, else the one that the configuration describes.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration is needed and cannot be read, [`Error::Option`] for a URL that is none,
    /// [`Error::Runtime`] if a named token file cannot be read.
    pub(crate) fn find(context: &Context, remote: &Remote) -> Result<Self, Error> {
        Self::find_with(context, remote, Token::path)
    }

    /// The same with the token that the node keeps for its tap.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn find_tap(context: &Context, remote: &Remote) -> Result<Self, Error> {
        Self::find_with(context, remote, Token::tap_path)
    }

    fn find_with(
        context: &Context,
        remote: &Remote,
        path_of: fn(&Path) -> PathBuf,
    ) -> Result<Self, Error> {
        let url = remote.admin.as_deref().map(parse).transpose()?;
        let (url_authority, url_token) = url.unzip();
        // A node that is named altogether needs no configuration, not even one that can be read.
        let named = remote.token_file.is_some() || matches!(url_token, Some(Some(_)));
        let loaded = if url_authority.is_some() && named {
            None
        } else {
            Some(config::load_unchecked(context, Vec::new())?)
        };
        let (authority, tried) = match (url_authority, &loaded) {
            (Some(authority), _) => (authority, "tried the address that --admin names".to_owned()),
            (None, Some(loaded)) => {
                let listen = config::dialled(loaded.config.admin.listen);
                let of = loaded.file.as_ref().map_or_else(
                    || "the default of `admin.listen`".to_owned(),
                    |file| format!("`admin.listen` of {}", file.display()),
                );
                (listen.to_string(), format!("tried {of}"))
            }
            (None, None) => unreachable!("without --admin the configuration is loaded"),
        };
        let (token, token_place) = match (&remote.token_file, url_token.flatten(), &loaded) {
            (Some(file), _, _) => (
                Some(Token::read(file)?.reveal().to_owned()),
                file.display().to_string(),
            ),
            (None, Some(token), _) => (Some(token), "the link".to_owned()),
            (None, None, Some(loaded)) => {
                let path = path_of(&loaded.config.node.data_dir(&context.variables));
                // Without a file there the node may still answer what needs no token, or not be running at all,
                // which is then the better thing to say.
                (
                    Token::read(&path)
                        .ok()
                        .map(|token| token.reveal().to_owned()),
                    path.display().to_string(),
                )
            }
            (None, None, None) => (None, String::new()),
        };
        Ok(Self {
            authority,
            tried,
            token,
            token_place,
        })
    }

    /// A node at a known address, with the token of a file if it is there.
    pub(crate) fn at(authority: String, token_file: &Path) -> Self {
        Self {
            authority,
            tried: String::new(),
            token: Token::read(token_file)
                .ok()
                .map(|token| token.reveal().to_owned()),
            token_place: token_file.display().to_string(),
        }
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Answer`], [`Error::Stranger`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends a JSON document and takes one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, Error> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Takes something back.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Error> {
        let url = format!("http://{}{path}", self.authority);
        let (status, bytes) = self.exchange(method, path, body).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| Error::Stranger {
                url,
                what: error.to_string(),
            });
        }
        let Ok(problem) = serde_json::from_slice::<Detail>(&bytes) else {
            return Err(Error::Stranger {
                url,
                what: status.to_string(),
            });
        };
        Err(self.refused(url, status, problem.detail))
    }

    fn refused(&self, url: String, status: StatusCode, detail: String) -> Error {
        let hint = (status == StatusCode::UNAUTHORIZED).then(|| match &self.token {
            Some(_) => format!("the token of {} is another node's, or an older one; --token-file names another", self.token_place),
            None => format!("there is no token in {}; --token-file names the file (the node says which one, in its data folder)", self.token_place),
        });
        Error::Answer {
            url,
            status: status.as_u16(),
            detail,
            hint,
        }
    }

    /// Follows a stream of server-sent events: `each` gets the name and the data of one after the other, until it says to
    /// stop or the node ends the stream.
    ///
    /// # Errors
    /// As [`get`](Self::get), and what `each` fails with.
    pub(crate) async fn follow(
        &self,
        path: &str,
        mut each: impl FnMut(&str, &str) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let url = format!("http://{}{path}", self.authority);
        let stranger = |error: &dyn std::error::Error| self.stranger(path, error);
        let late = |_| self.unreachable(io::ErrorKind::TimedOut.into());
        let answer = timeout(ANSWER_TIMEOUT, self.send(Method::GET, path, None)).await;
        let answer = answer.map_err(late)??;
        let status = answer.status();
        let mut body = answer.into_body();
        if !status.is_success() {
            let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = bytes.map_err(|error| stranger(&*error))?.to_bytes();
            let detail = serde_json::from_slice::<Detail>(&bytes);
            let detail = detail.map_or_else(|_| status.to_string(), |problem| problem.detail);
            return Err(self.refused(url, status, detail));
        }
        let mut events = Events::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| stranger(&error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            for (name, data) in events.take(&data) {
                if each(&name, &data)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn unreachable(&self, source: io::Error) -> Error {
        Error::Unreachable {
            url: format!("http://{}", self.authority),
            tried: self.tried.clone(),
            source,
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let exchange = async {
            let answer = self.send(method, path, body).await?;
            let status = answer.status();
            let bytes = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let bytes = bytes
                .map_err(|error| self.stranger(path, &*error))?
                .to_bytes();
            Ok((status, bytes))
        };
        timeout(ANSWER_TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut.into())))
    }

    /// Asks, up to the head of the answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Error> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.authority)).await;
        let stream = stream
            .map_err(|_| self.unreachable(io::ErrorKind::TimedOut.into()))?
            .map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.stranger(path, &error))?;
        // It ends with this request, whose answer tells of its errors.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map(ToString::to_string);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| self.stranger(path, &error))?;
        let answer = sender.send_request(request).await;
        answer.map_err(|error| self.stranger(path, &error))
    }

    fn stranger(&self, path: &str, error: &dyn std::error::Error) -> Error {
        Error::Stranger {
            url: format!("http://{}{path}", self.authority),
            what: error.to_string(),
        }
    }
}

/// The longest event that is read.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Server-sent events, as they come in pieces.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    /// Takes a piece in, and gives the names and data of the events that end with it.
    fn take(&mut self, piece: &[u8]) -> Vec<(String, String)> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let field = |name: &str| {
                let mut lines = event.lines();
                let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                value.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
            };
            // A comment alone keeps the connection open and says nothing.
            if let Some(data) = field("data") {
                events.push((field("event").unwrap_or_default(), data));
            }
        }
        if self.rest.len() > EVENT_BYTES_MAX {
            self.rest.clear();
        }
        events
    }
}

/// The part of a problem (RFC 9457) that is read.
#[derive(serde::Deserialize)]
struct Detail {
    detail: String,
}

/// Takes what `--admin` was given apart: address, and the token if it is the console's link.
fn parse(text: &str) -> Result<(String, Option<String>), Error> {
    let wrong = |wrong: &str| Error::Option {
        option: "--admin",
        value: text.to_owned(),
        wrong: wrong.to_owned(),
    };
    let shape = "write it like http://127.0.0.1:9090";
    if text.starts_with("https://") {
        return Err(wrong(
            "the admin listener speaks no TLS; write it like http://127.0.0.1:9090",
        ));
    }
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = with_scheme.parse().map_err(|_| wrong(shape))?;
    let authority = uri
        .authority()
        .filter(|_| uri.scheme_str() == Some("http"))
        .ok_or_else(|| wrong(shape))?;
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(wrong(shape));
    }
    let port = authority.port_u16().unwrap_or(80);
    let mut pairs = uri.query().unwrap_or_default().split('&');
    let token = pairs
        .find_map(|pair| pair.strip_prefix("token="))
        .filter(|token| !token.is_empty());
    Ok((format!("{host}:{port}"), token.map(str::to_owned)))
}

/// Text as one part of a query or path.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_addresses_are_taken_apart() {
        let of =
            |authority: &str, token: Option<&str>| (authority.to_owned(), token.map(str::to_owned));
        for (text, expected) in [
            ("http://127.0.0.1:9090", of("127.0.0.1:9090", None)),
            ("127.0.0.1:9090", of("127.0.0.1:9090", None)),
            ("http://[::1]:9090/", of("[::1]:9090", None)),
            ("http://node.example", of("node.example:80", None)),
            (
                "http://127.0.0.1:9090/?token=abc",
                of("127.0.0.1:9090", Some("abc")),
            ),
            ("http://127.0.0.1:9090/?token=", of("127.0.0.1:9090", None)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "ftp://h:1",
            "https://h:1",
            "http://",
            "http://a b",
            "http://user@h:1",
            "/path",
        ] {
            assert!(
                parse(text)
                    .unwrap_err()
                    .to_string()
                    .contains("http://127.0.0.1:9090"),
                "{text}"
            );
        }
    }

    #[test]
    fn events_come_in_any_pieces() {
        let text = ": hello\n\nevent: message\ndata: {\"a\":1}\n\nevent:counts\ndata:2\n\n";
        let expected = [("message", "{\"a\":1}"), ("counts", "2")];
        for size in [1, 2, 7, text.len()] {
            let mut events = Events::default();
            let found: Vec<_> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| events.take(piece))
                .collect();
            let found: Vec<_> = found
                .iter()
                .map(|(name, data)| (name.as_str(), data.as_str()))
                .collect();
            assert_eq!(found, expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_typed_stays_one_part() {
        assert_eq!(escaped("p-1&world=x/é"), "p-1%26world%3Dx%2F%C3%A9");
    }
}
