//! Servers' addresses: read, and looked up.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::Error;

/// A server's address, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query of the server's own; none: the client's are used.
    pub(crate) path: Option<String>,
}

impl Address {
    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Takes `ws://HOST[:PORT][/PATH]` apart. The error is to be read after the address and says what would be right.
pub(crate) fn parse_address(text: &str) -> Result<Address, &'static str> {
    const SHAPE: &str = "is not a server's address; write ws://HOST:PORT or ws://HOST:PORT/PATH";
    let Some(rest) = text.strip_prefix("ws://") else {
        return Err(if text.starts_with("wss://") {
            "asks for TLS to the server, which is not built yet; write ws://HOST:PORT"
        } else {
            SHAPE
        });
    };
    if rest
        .bytes()
        .any(|byte| byte <= b' ' || byte == 0x7f || byte == b'@' || byte == b'#')
    {
        return Err(SHAPE);
    }
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(rest[at..].to_owned())),
        None => (rest, None),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']').ok_or(SHAPE)?;
            (host, after.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port
            .parse::<u16>()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(SHAPE)?,
        None => 80,
    };
    if host.is_empty() {
        return Err(SHAPE);
    }
    Ok(Address {
        host: host.to_owned(),
        port,
        path,
    })
}

impl Address {
    /// Where the address leads, asked of the system; blocks.
    ///
    /// # Errors
    /// [`Error::Resolve`] names `server` and the host.
    pub(crate) fn resolve(&self, server: &str) -> Result<SocketAddr, Error> {
        let unresolved = |source| Error::Resolve {
            server: server.to_owned(),
            host: self.host.clone(),
            source,
        };
        (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(unresolved)?
            .next()
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let good = |text: &str| parse_address(text).unwrap();
        assert_eq!(good("ws://127.0.0.1:7001/ws").path.as_deref(), Some("/ws"));
        assert_eq!(good("ws://[::1]:7001").authority(), "[::1]:7001");
        assert_eq!(good("ws://game.example").port, 80);
        for bad in [
            "",
            "127.0.0.1:7001",
            "http://h:1",
            "ws://",
            "ws://h:0",
            "ws://h:70000",
            "ws://h:x",
            "ws://a b:1",
        ] {
            assert!(
                parse_address(bad).unwrap_err().contains("write ws://"),
                "{bad}"
            );
        }
        assert!(parse_address("wss://h:1").unwrap_err().contains("TLS"));
    }
}
