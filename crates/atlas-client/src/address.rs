//! Where a server is.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A host and a port. Whoever connects may read the host as they like: a name, an address, a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// An address of its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Reads what a redirect names: `10.0.0.1:6379`, `:6379` (the host that was asked), `2001:db8::1:6379`.
    pub(crate) fn of_redirect(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host {
            "" | "?" => &asked.host,
            host => host,
        };
        Some(Self::new(unbracketed(host), port.parse().ok()?))
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `host:port` or `host`, which stands for port 6379. An IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, Error> {
        const PORT: u16 = 6379;
        let wrong = || Error::Config {
            what: format!("{text:?} is no address: host:port is wanted"),
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (text, PORT),
        };
        let host = unbracketed(host);
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expected) in [
            ("localhost", Some("localhost:6379")),
            ("localhost:7000", Some("localhost:7000")),
            ("[::1]:7000", Some("[::1]:7000")),
            ("[::1]", Some("[::1]:6379")),
            ("", None),
            (":7000", None),
            ("host:x", None),
            ("host:70000", None),
        ] {
            let read = text
                .parse::<Address>()
                .ok()
                .map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn redirects_are_read_as_servers_write_them() {
        let asked = Address::new("h", 1);
        for (text, expected) in [
            ("10.0.0.1:6379", Some("10.0.0.1:6379")),
            (":6380", Some("h:6380")),
            ("?:6380", Some("h:6380")),
            ("2001:db8::1:6379", Some("[2001:db8::1]:6379")),
            ("[2001:db8::1]:6379", Some("[2001:db8::1]:6379")),
            ("nothing", None),
            ("h:x", None),
        ] {
            let read = Address::of_redirect(text, &asked).map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }
}
