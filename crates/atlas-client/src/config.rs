//! What a client is made with: where to, as whom, and its bounds.

use std::time::Duration;

use atlas_base::Secret;
use atlas_resp::reply;

use crate::address::Address;
use crate::error::Error;

/// Where to connect, as whom, and how much at once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to begin. One server, or some of a cluster's: the others are learned.
    pub servers: Vec<Address>,
    /// The user; the server's default user if there is only a password.
    pub user: Option<String>,
    /// The password; without it nobody logs in.
    pub password: Option<Secret<String>>,
    /// The database; a cluster has only 0.
    pub database: u32,
    /// The name under which the server lists these connections.
    pub name: Option<String>,
    /// How long a connection may take to be made and greeted.
    pub connect_timeout: Duration,
    /// How long a command may take: waiting for room and for a connection, redirects, and the answer.
    pub response_timeout: Duration,
    /// Connections to each server, save dedicated ones. One carries tens of thousands of commands a second; more of
    /// them keep a large answer from holding up the others.
    pub connections: usize,
    /// Connections of callers' own, to all servers together: blocking commands, `WATCH`, subscribers.
    pub dedicated_max: usize,
    /// Commands on their way on one connection; more wait.
    pub in_flight_max: usize,
    /// Bytes of commands on their way on one connection; more wait. No request may be larger.
    pub request_bytes_max: usize,
    /// How often one command follows a redirect or waits out a refusal that will pass.
    pub redirects_max: u32,
    /// The pause after a connection could not be made; it doubles with each further failure, and is drawn between a
    /// half and the whole of it.
    pub backoff_min: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
    /// How long a subscriber hears nothing before it asks whether the server is there; after twice as long it connects
    /// anew.
    pub ping_interval: Duration,
    /// Servers that redirects may make known.
    pub nodes_max: usize,
    /// The size of answers.
    pub reply: reply::Limits,
}

impl Config {
    /// A client of these servers, with defaults for the rest.
    pub fn new(servers: impl IntoIterator<Item = Address>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            user: None,
            password: None,
            database: 0,
            name: None,
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(5),
            connections: 1,
            dedicated_max: 64,
            in_flight_max: 4096,
            request_bytes_max: 64 * 1024 * 1024,
            redirects_max: 8,
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(2),
            ping_interval: Duration::from_secs(10),
            nodes_max: 1000,
            reply: reply::Limits::default(),
        }
    }

    /// Reads `redis://[user[:password]@]host[:port][,host[:port]…][/database]`; characters that mean something there are
    /// written as `%40`. A password alone stands behind a colon: `redis://:secret@host`.
    ///
    /// # Errors
    /// [`Error::Config`], which never shows the password.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Config { what: what.into() };
        let rest = url
            .strip_prefix("redis://")
            .or_else(|| url.strip_prefix("valkey://"))
            .ok_or_else(|| {
                wrong("the store's address begins with redis:// (for TLS, hand in streams of your own)")
            })?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let servers: Result<Vec<Address>, Error> = hosts.split(',').map(str::parse).collect();
        let mut config = Self::new(servers?);
        if !database.is_empty() {
            config.database = database
                .parse()
                .map_err(|_| wrong("behind the store's host a database's number is wanted"))?;
        }
        if let Some(login) = login {
            let plain = |text: &str| {
                percent_decoded(text)
                    .ok_or_else(|| wrong("user or password of the store's address are no text"))
            };
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            config.user = (!user.is_empty()).then(|| plain(user)).transpose()?;
            config.password = (!password.is_empty())
                .then(|| plain(password).map(Secret::new))
                .transpose()?;
        }
        Ok(config)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Config { what: what.into() });
        if self.servers.is_empty() {
            return wrong("a client needs a server");
        }
        if self.connections == 0 || self.in_flight_max == 0 || self.dedicated_max == 0 {
            return wrong("connections, in_flight_max and dedicated_max are at least 1");
        }
        if self.request_bytes_max == 0 || self.request_bytes_max > u32::MAX as usize {
            return wrong("request_bytes_max is between 1 and 4 GiB");
        }
        if self.user.is_some() && self.password.is_none() {
            return wrong("a user of the store needs a password");
        }
        Ok(())
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let config = Config::from_url("redis://ann:p%40ss%3A@a:1,b/3").unwrap();
        assert_eq!(
            config.servers,
            [Address::new("a", 1), Address::new("b", 6379)]
        );
        assert_eq!(config.user.as_deref(), Some("ann"));
        assert_eq!(config.password.unwrap().reveal(), "p@ss:");
        assert_eq!(config.database, 3);

        let config = Config::from_url("valkey://:secret@[::1]:7000").unwrap();
        assert_eq!(config.servers, [Address::new("::1", 7000)]);
        assert_eq!(config.user, None);
        assert_eq!(config.password.unwrap().reveal(), "secret");
        assert_eq!(config.database, 0);

        for url in [
            "http://a",
            "redis://",
            "redis://a/x",
            "redis://a:b",
            "redis://%4:x@a",
            "rediss://a",
        ] {
            assert!(Config::from_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let good = || Config::new([Address::new("a", 1)]);
        assert!(good().check().is_ok());
        assert!(Config::new([]).check().is_err());
        assert!(
            Config {
                connections: 0,
                ..good()
            }
            .check()
            .is_err()
        );
        assert!(
            Config {
                in_flight_max: 0,
                ..good()
            }
            .check()
            .is_err()
        );
        assert!(
            Config {
                request_bytes_max: 0,
                ..good()
            }
            .check()
            .is_err()
        );
        assert!(
            Config {
                user: Some("u".into()),
                ..good()
            }
            .check()
            .is_err()
        );
    }
}
