//! The request to a game server.

use std::net::IpAddr;

use atlas_base::SessionId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ATLAS_LINK, Fields, Head};

/// Header fields that end at the next hop, besides those that `Connection` names.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Who the client is, for the forwarding headers.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding {
    /// The other end of the client's connection.
    pub peer: IpAddr,
    /// The client itself, see [`super::client_address`]; without a trusted proxy the same as `peer`.
    pub client: IpAddr,
    /// Whether `peer` is a proxy whose forwarding headers are believed: then they are kept and appended to, else they
    /// are thrown away.
    pub peer_trusted: bool,
    /// Whether the client's connection to us is encrypted.
    pub secure: bool,
}

/// Which kind of `atlas.link.v1` link is dialed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// One session's.
    Session(SessionId),
    /// The one control link of this edge to the server.
    Control,
}

/// The headers that offer `atlas.link.v1`.
#[derive(Debug, Clone, Copy)]
pub struct LinkHeaders<'a> {
    /// The kind of the link, and the session's id.
    pub kind: LinkKind,
    /// The world's name.
    pub world: &'a str,
    /// The player's id, if it is known yet.
    pub player: Option<&'a str>,
    /// The edge node's id.
    pub node: &'a str,
}

/// A request for a WebSocket to a game server.
#[derive(Debug, Clone, Copy)]
pub struct ServerRequest<'a> {
    /// Path and query: the client's own, or those of the server's address.
    pub target: &'a str,
    /// The value of `Host`.
    pub host: &'a str,
    /// 16 random bytes of this dial.
    pub key: &'a [u8; 16],
    /// The client's head whose header fields go over; none on a control link.
    pub head: Option<&'a Head>,
    /// The game's subprotocols to offer, see [`super::Subprotocols::of_game`].
    pub subprotocols: &'a [&'a str],
    /// Whether the client's offer of `permessage-deflate` goes over: only where frames are relayed unread and the
    /// session can never change its server. Any other extension never does.
    pub deflate: bool,
    /// Who the client is; none on a control link.
    pub forwarding: Option<Forwarding>,
    /// Offers `atlas.link.v1` in front of the other subprotocols.
    pub link: Option<LinkHeaders<'a>>,
    /// Header fields of ours (`Authorization`, `X-Request-Id`); the client's of the same names do not go over.
    pub extra: &'a [(&'a str, &'a str)],
}

/// A value of ours that may not stand in a request: it has a character that would end its line, or is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} has a character that may not stand in a request")]
pub struct Unwritable {
    /// What cannot be written.
    pub field: &'static str,
}

impl ServerRequest<'_> {
    /// Appends the whole request head to `target`; on an error `target` is as before.
    pub fn write(&self, target: &mut Vec<u8>) -> Result<(), Unwritable> {
        let before = target.len();
        let written = self.write_checked(target);
        if written.is_err() {
            target.truncate(before);
        }
        written
    }

    /// The extension offer that goes over: the client's elements of `permessage-deflate`, and no other.
    pub(super) fn extensions(&self) -> Option<String> {
        let head = self.head.filter(|_| self.deflate && self.link.is_none())?;
        let offers: Vec<&str> = head
            .fields()
            .list("sec-websocket-extensions")
            .filter(|offer| {
                let name = offer.split(';').next().unwrap_or_default().trim();
                name.eq_ignore_ascii_case("permessage-deflate")
            })
            .collect();
        (!offers.is_empty()).then(|| offers.join(", "))
    }

    fn write_checked(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let graphic =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !graphic(self.target) || !self.target.starts_with('/') {
            return Err(Unwritable { field: "target" });
        }
        if !graphic(self.host) {
            return Err(Unwritable { field: "host" });
        }
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        line(out, "Host", self.host.as_bytes());
        line(out, "Upgrade", b"websocket");
        line(out, "Connection", b"Upgrade");
        line(out, "Sec-WebSocket-Version", b"13");
        line(
            out,
            "Sec-WebSocket-Key",
            STANDARD.encode(self.key).as_bytes(),
        );
        self.write_subprotocols(out)?;
        if let Some(extensions) = self.extensions() {
            line(out, "Sec-WebSocket-Extensions", extensions.as_bytes());
        }
        if let Some(head) = self.head {
            for (name, value) in head
                .fields()
                .iter()
                .filter(|(name, _)| self.goes_over(head.fields(), name))
            {
                line(out, name, value);
            }
        }
        self.write_forwarding(out);
        self.write_link(out)?;
        for (name, value) in self.extra {
            let legal = value
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if !legal || !super::head::is_token(name) {
                return Err(Unwritable {
                    field: "an extra header",
                });
            }
            line(out, name, value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn write_subprotocols(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let mut tokens: Vec<&str> = Vec::with_capacity(self.subprotocols.len() + 1);
        tokens.extend(self.link.map(|_| ATLAS_LINK));
        tokens.extend(self.subprotocols);
        if !tokens.iter().all(|token| super::head::is_token(token)) {
            return Err(Unwritable {
                field: "subprotocols",
            });
        }
        if !tokens.is_empty() {
            line(out, "Sec-WebSocket-Protocol", tokens.join(", ").as_bytes());
        }
        Ok(())
    }

    /// Whether a header field of the client's goes over as it is.
    fn goes_over(&self, fields: &Fields, name: &str) -> bool {
        !(is_hop_by_hop(fields, name)
            || ["host", "content-length", "expect"]
                .iter()
                .any(|own| same(name, own))
            || begins(name, "sec-websocket-")
            || begins(name, "atlas-")
            || self.forwarding.is_some() && is_forwarding(name)
            || self.extra.iter().any(|(own, _)| same(name, own)))
    }

    fn write_forwarding(&self, out: &mut Vec<u8>) {
        let Some(Forwarding {
            peer,
            client,
            peer_trusted,
            secure,
        }) = self.forwarding
        else {
            return;
        };
        let kept = |name: &'static str| -> Vec<&[u8]> {
            match self.head {
                Some(head) if peer_trusted => head
                    .fields()
                    .all(name)
                    .filter(|value| !value.is_empty())
                    .collect(),
                _ => Vec::new(),
            }
        };
        let peer = peer.to_canonical();
        let mut chain = kept("x-forwarded-for");
        let peer_text = peer.to_string();
        chain.push(peer_text.as_bytes());
        line(out, "X-Forwarded-For", &chain.join(&b", "[..]));
        line(
            out,
            "X-Real-IP",
            client.to_canonical().to_string().as_bytes(),
        );
        let scheme: &[u8] = if secure { b"https" } else { b"http" };
        line(
            out,
            "X-Forwarded-Proto",
            kept("x-forwarded-proto").first().unwrap_or(&scheme),
        );
        if let Some(head) = self.head {
            line(
                out,
                "X-Forwarded-Host",
                kept("x-forwarded-host")
                    .first()
                    .unwrap_or(&head.host().as_bytes()),
            );
        }
        let mut forwarded = kept("forwarded");
        if !forwarded.is_empty() {
            // Only where a trusted proxy began one; RFC 7239 wants IPv6 in brackets and quotes.
            let own = if peer.is_ipv6() {
                format!("for=\"[{peer}]\"")
            } else {
                format!("for={peer}")
            };
            forwarded.push(own.as_bytes());
            line(out, "Forwarded", &forwarded.join(&b", "[..]));
        }
    }

    fn write_link(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let Some(link) = self.link else {
            return Ok(());
        };
        match link.kind {
            LinkKind::Session(session) => {
                line(out, "Atlas-Link", b"session");
                line(out, "Atlas-Session", session.to_string().as_bytes());
            }
            LinkKind::Control => line(out, "Atlas-Link", b"control"),
        }
        line(out, "Atlas-World", escaped(link.world).as_bytes());
        if let Some(player) = link.player {
            line(out, "Atlas-Player", escaped(player).as_bytes());
        }
        line(out, "Atlas-Node", escaped(link.node).as_bytes());
        Ok(())
    }
}

/// Whether a field ends at this hop: by its name, or because `Connection` names it.
pub(super) fn is_hop_by_hop(fields: &Fields, name: &str) -> bool {
    HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop)) || fields.lists("connection", name)
}

/// Whether a field says where a request came from; believed of trusted proxies only.
fn is_forwarding(name: &str) -> bool {
    begins(name, "x-forwarded-") || same(name, "forwarded") || same(name, "x-real-ip")
}

/// Whether two names are one to any reader: case does not count, and many servers read `_` as `-`.
fn same(name: &str, other: &str) -> bool {
    name.len() == other.len() && begins(name, other)
}

/// Whether a name begins with `prefix`, compared as [`same`] does.
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    let folded = |byte: u8| {
        if byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    name.len() >= prefix.len()
        && name
            .bytes()
            .zip(prefix.bytes())
            .all(|(left, right)| folded(left) == folded(right))
}

/// Writes one header field.
pub(super) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Text as it stands in an `Atlas-*` header: what is no visible ASCII, and `%`, is percent-encoded UTF-8.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
