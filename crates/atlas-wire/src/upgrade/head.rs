//! A client's request head.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::fields::{Fault, Fields, Limits, Span, head_end, request_lines};
use super::subprotocols::Subprotocols;
use super::{Refusal, accept_key};

/// The most names that `Connection` may list: each is compared with each header field.
const CONNECTION_OPTIONS_MAX: usize = 16;
/// The most subprotocols that a client may offer.
const SUBPROTOCOLS_MAX: usize = 32;

/// Keys are base64 of 16 bytes; RFC 6455 asks for no canonical form, so the unused bits of the last digit may be set.
const KEYS: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A checked request head of HTTP/1.1 without a body. Owns its bytes in two allocations.
#[derive(Debug, Clone)]
pub struct Head {
    fields: Fields,
    method: Span,
    target: Span,
}

/// What [`Head::parse`] made of the bytes it was given.
#[derive(Debug)]
pub enum ParsedHead {
    /// No fault so far, but the head goes on.
    Incomplete,
    /// A head, and how many bytes it took. A client may send nothing after it before it has our answer: the caller
    /// refuses bytes that lie behind.
    Complete(Head, usize),
}

/// The key of a client that asked for a WebSocket, checked; [`super::accept`] answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketKey(pub(super) [u8; 24]);

impl WebSocketKey {
    /// The value of `Sec-WebSocket-Accept` that answers this key.
    pub fn accept(&self) -> [u8; 28] {
        accept_key(&self.0)
    }
}

impl Head {
    /// Reads a request head from the start of `bytes`, all that came so far.
    ///
    /// Refuses at once what another reader might understand differently: bare CR or LF, folded lines, more or fewer
    /// than one `Host`, any sign of a body, a target that does not begin with `/`.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<ParsedHead, Refusal> {
        // A TLS hello or other noise need not wait for an empty line that never comes.
        if bytes
            .first()
            .is_some_and(|first| !first.is_ascii_alphabetic())
        {
            return Err(Refusal::Malformed("this is not an http request"));
        }
        let Some(end) = head_end(bytes, limits)? else {
            return Ok(ParsedHead::Incomplete);
        };
        let lines = request_lines(&bytes[..end], limits)?;
        let [method, target] = lines.first;
        let head = Self {
            fields: lines.fields,
            method,
            target,
        };
        head.check()?;
        Ok(ParsedHead::Complete(head, lines.length))
    }

    fn check(&self) -> Result<(), Refusal> {
        let target = self.target().as_bytes();
        if target.first() != Some(&b'/') {
            return Err(Refusal::Malformed("the target must begin with /"));
        }
        if !target
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        {
            return Err(Refusal::Malformed(
                "the target has a character that must be escaped",
            ));
        }
        let fields = &self.fields;
        if fields.count("host") != 1 || !fields.first("host").is_some_and(is_host) {
            return Err(Refusal::Malformed("there must be one valid Host"));
        }
        if fields.count("transfer-encoding") > 0
            || fields.count("content-length") > 1
            || fields.all("content-length").any(|value| value != b"0")
            || fields.count("expect") > 0
        {
            return Err(Refusal::Malformed("a body is not allowed here"));
        }
        if fields.count("origin") > 1 {
            return Err(Refusal::Malformed("there must be at most one Origin"));
        }
        if fields.list("connection").count() > CONNECTION_OPTIONS_MAX {
            return Err(Refusal::Malformed("Connection lists too many names"));
        }
        Ok(())
    }

    /// Checks that the request asks for a WebSocket as RFC 6455 says, and gives its key.
    pub fn websocket(&self) -> Result<WebSocketKey, Refusal> {
        let fields = &self.fields;
        if !self.wants_websocket() {
            return Err(Refusal::UpgradeRequired);
        }
        if self.method() != "GET" {
            return Err(Refusal::Method);
        }
        if !fields.lists("connection", "upgrade") {
            return Err(Refusal::Malformed("Connection must list Upgrade"));
        }
        if fields.count("sec-websocket-version") != 1
            || fields.first("sec-websocket-version") != Some("13")
        {
            return Err(Refusal::WebSocketVersion);
        }
        if fields.count("sec-websocket-key") != 1 {
            return Err(Refusal::Malformed("there must be one Sec-WebSocket-Key"));
        }
        let key = fields.all("sec-websocket-key").next().unwrap_or_default();
        let mut nonce = [0; 18];
        let (Ok(key), Ok(16)) = (
            <[u8; 24]>::try_from(key),
            KEYS.decode_slice_unchecked(key, &mut nonce),
        ) else {
            return Err(Refusal::Malformed(
                "Sec-WebSocket-Key must be base64 of 16 bytes",
            ));
        };
        let offered = || fields.list("sec-websocket-protocol");
        if offered().count() > SUBPROTOCOLS_MAX || !offered().all(is_token) {
            return Err(Refusal::Malformed(
                "Sec-WebSocket-Protocol must be a short list of tokens",
            ));
        }
        Ok(WebSocketKey(key))
    }

    /// Whether the request says `Upgrade: websocket`.
    pub fn wants_websocket(&self) -> bool {
        self.fields.lists("upgrade", "websocket")
    }

    /// The method, as it was written.
    pub fn method(&self) -> &str {
        self.fields.text(self.method)
    }

    /// Path and query, as they were written.
    pub fn target(&self) -> &str {
        self.fields.text(self.target)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target()
            .split_once('?')
            .map_or(self.target(), |(path, _)| path)
    }

    /// What follows the `?`, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The value of `Host`: name and perhaps port.
    pub fn host(&self) -> &str {
        self.fields.first("host").unwrap_or_default()
    }

    /// The value of `Origin`, which browsers send.
    pub fn origin(&self) -> Option<&str> {
        self.fields.first("origin")
    }

    /// The subprotocols that the client offers, Atlas's own told apart.
    pub fn subprotocols(&self) -> Subprotocols<'_> {
        Subprotocols::new(self.fields.list("sec-websocket-protocol"))
    }

    /// All header fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::HeadTooLong,
            Fault::TooMany => Self::TooManyHeaders,
            Fault::Version => Self::Version,
            Fault::Malformed(what) => Self::Malformed(what),
        }
    }
}

/// Whether this is a host with perhaps a port: nothing that could be read as a list, a user, or a path.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+;=".contains(&byte))
}

/// Whether this is a token of RFC 9110.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
