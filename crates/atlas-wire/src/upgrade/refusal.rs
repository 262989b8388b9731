//! What a client is told instead of a 101.

/// Why a request is refused, with the status that says so; the connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the request is not HTTP/1.1 as we read it; says what is wrong.
    #[error("bad request: {0}")]
    Malformed(&'static str),
    /// 431: the head is longer than the limit.
    #[error("request head too long")]
    HeadTooLong,
    /// 431: more header fields than the limit.
    #[error("too many header fields")]
    TooManyHeaders,
    /// 505: not HTTP/1.1.
    #[error("only http/1.1 is spoken here")]
    Version,
    /// 405: a WebSocket begins with GET.
    #[error("a websocket begins with GET")]
    Method,
    /// 426: the request does not ask for a WebSocket.
    #[error("a websocket is needed here")]
    UpgradeRequired,
    /// 426: another version of the WebSocket protocol.
    #[error("only websocket version 13 is spoken here")]
    WebSocketVersion,
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Method => 405,
            Self::UpgradeRequired | Self::WebSocketVersion => 426,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::Version => 505,
        }
    }

    /// Appends the whole answer to `target`.
    pub fn write(self, target: &mut Vec<u8>) {
        let extra: &[(&str, &str)] = match self {
            Self::Method => &[("Allow", "GET")],
            Self::UpgradeRequired => &[("Upgrade", "websocket")],
            Self::WebSocketVersion => &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
            _ => &[],
        };
        respond(target, self.status(), extra, &format!("{self}\n"));
    }
}

/// Appends a whole answer of plain text that ends the connection: status, `extra` header fields, and `text` as the body.
///
/// `extra` holds constants of the caller, never anything that came from outside.
pub fn respond(target: &mut Vec<u8>, status: u16, extra: &[(&str, &str)], text: &str) {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", phrase(status));
    for (name, value) in extra {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    let connection = if extra.iter().any(|(name, _)| *name == "Upgrade") {
        "close, upgrade"
    } else {
        "close"
    };
    head.push_str(&format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
        text.len(),
    ));
    target.extend_from_slice(head.as_bytes());
    target.extend_from_slice(text.as_bytes());
}

/// The reason phrase of the statuses that an edge answers with.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Refused",
    }
}
