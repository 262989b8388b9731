//! A game server's answer, and ours to the client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::fields::{Fault, Fields, Limits, answer_lines, head_end};
use super::request::{begins, is_hop_by_hop, line};
use super::{ATLAS_LINK, ServerRequest, WebSocketKey};

/// The end of every key that is hashed (RFC 6455, section 1.3).
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a game server answered.
#[derive(Debug)]
pub enum ServerAnswer {
    /// No fault so far, but the head goes on.
    Incomplete,
    /// A checked 101, and how many bytes its head took; frames may follow at once.
    Switched(Switched, usize),
    /// Any other status than 101; its body is not read and the connection is of no more use.
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

/// What a server's answer says about links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkAnswer {
    /// The server speaks `atlas.link.v1`.
    Cooperative,
    /// The server chose the token but does not speak the protocol (some libraries take the first that is offered):
    /// dial again without offering it, and remember.
    Echoed,
    /// The server did not choose the token.
    Plain,
}

/// A server's 101.
#[derive(Debug, Clone)]
pub struct Switched {
    /// What it means for the link.
    pub link: LinkAnswer,
    fields: Fields,
}

/// A server's answer that breaks the handshake's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Not HTTP/1.1 as we read it; says what is wrong.
    #[error("bad answer: {0}")]
    Malformed(&'static str),
    /// The head is longer than the limit.
    #[error("answer head too long")]
    HeadTooLong,
    /// More header fields than the limit.
    #[error("too many header fields in the answer")]
    TooManyHeaders,
    /// A 101 without `Upgrade: websocket` and `Connection: Upgrade`.
    #[error("the answer does not switch to websocket")]
    NotWebSocket,
    /// `Sec-WebSocket-Accept` does not answer our key.
    #[error("wrong accept key")]
    AcceptKey,
    /// A subprotocol that we did not offer.
    #[error("a subprotocol that was not offered")]
    Subprotocol,
    /// An extension that we did not offer.
    #[error("an extension that was not offered")]
    Extension,
}

impl From<Fault> for BadAnswer {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::HeadTooLong,
            Fault::TooMany => Self::TooManyHeaders,
            Fault::Version => Self::Malformed("not http/1.1"),
            Fault::Malformed(what) => Self::Malformed(what),
        }
    }
}

impl ServerAnswer {
    /// Reads the answer to `request` from the start of `bytes`, all that came so far.
    pub fn parse(
        bytes: &[u8],
        limits: &Limits,
        request: &ServerRequest<'_>,
    ) -> Result<Self, BadAnswer> {
        let Some(end) = head_end(bytes, limits)? else {
            return Ok(Self::Incomplete);
        };
        let (status, fields) = answer_lines(&bytes[..end], limits)?;
        if status != 101 {
            return Ok(Self::Refused { status });
        }
        if !fields.lists("upgrade", "websocket") || !fields.lists("connection", "upgrade") {
            return Err(BadAnswer::NotWebSocket);
        }
        let expected = accept_key(STANDARD.encode(request.key).as_bytes());
        if fields.count("sec-websocket-accept") != 1
            || fields.all("sec-websocket-accept").next() != Some(&expected)
        {
            return Err(BadAnswer::AcceptKey);
        }
        let link = check_subprotocol(&fields, request)?;
        check_extensions(&fields, request)?;
        Ok(Self::Switched(Switched { link, fields }, end))
    }
}

fn check_subprotocol(
    fields: &Fields,
    request: &ServerRequest<'_>,
) -> Result<LinkAnswer, BadAnswer> {
    if fields.count("sec-websocket-protocol") > 1 {
        return Err(BadAnswer::Subprotocol);
    }
    match fields.all("sec-websocket-protocol").next() {
        None => Ok(LinkAnswer::Plain),
        Some(chosen) if request.link.is_some() && chosen == ATLAS_LINK.as_bytes() => {
            let speaks = fields.first("atlas-link") == Some("v1");
            Ok(if speaks {
                LinkAnswer::Cooperative
            } else {
                LinkAnswer::Echoed
            })
        }
        Some(chosen)
            if request
                .subprotocols
                .iter()
                .any(|token| token.as_bytes() == chosen) =>
        {
            Ok(LinkAnswer::Plain)
        }
        Some(_) => Err(BadAnswer::Subprotocol),
    }
}

fn check_extensions(fields: &Fields, request: &ServerRequest<'_>) -> Result<(), BadAnswer> {
    if fields.all("sec-websocket-extensions").all(<[u8]>::is_empty) {
        return Ok(());
    }
    // The one extension that ever goes over; its parameters are a matter between the two ends.
    let mut chosen = fields.list("sec-websocket-extensions");
    let name = chosen
        .next()
        .and_then(|extension| extension.split(';').next())
        .unwrap_or_default()
        .trim();
    let offered = request.extensions().is_some() && name.eq_ignore_ascii_case("permessage-deflate");
    if offered && chosen.next().is_none() {
        Ok(())
    } else {
        Err(BadAnswer::Extension)
    }
}

impl Switched {
    /// The game's subprotocol that the server chose; none on a cooperative link.
    pub fn subprotocol(&self) -> Option<&str> {
        self.fields
            .first("sec-websocket-protocol")
            .filter(|token| *token != ATLAS_LINK)
    }

    /// Whether `permessage-deflate` is on: then the first frame of a message may have
    /// [`crate::frame::RESERVED_1`] set, and payloads cannot be read here.
    pub fn deflate(&self) -> bool {
        self.fields
            .list("sec-websocket-extensions")
            .next()
            .is_some()
    }

    /// All header fields of the answer.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// Appends our 101 to a client: its accept key, the answered subprotocol, and of the server's answer the extension and
/// the header fields that are meant for the client (cookies, say).
pub fn accept(
    target: &mut Vec<u8>,
    key: &WebSocketKey,
    subprotocol: Option<&str>,
    server: Option<&Switched>,
) {
    target.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    line(target, "Upgrade", b"websocket");
    line(target, "Connection", b"Upgrade");
    line(target, "Sec-WebSocket-Accept", &key.accept());
    if let Some(token) = subprotocol {
        line(target, "Sec-WebSocket-Protocol", token.as_bytes());
    }
    if let Some(server) = server {
        let fields = &server.fields;
        for extension in fields.list("sec-websocket-extensions") {
            line(target, "Sec-WebSocket-Extensions", extension.as_bytes());
        }
        for (name, value) in fields.iter() {
            let ends_here = is_hop_by_hop(fields, name)
                || begins(name, "sec-websocket-")
                || begins(name, "atlas-")
                || name.eq_ignore_ascii_case("content-length");
            if !ends_here {
                line(target, name, value);
            }
        }
    }
    target.extend_from_slice(b"\r\n");
}

/// The value of `Sec-WebSocket-Accept` that answers the text of a `Sec-WebSocket-Key`.
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(ACCEPT_SUFFIX);
    let mut accept = [0; 28];
    let digest: [u8; 20] = hash.finalize().into();
    // 20 bytes are 28 digits, always.
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(28));
    accept
}
