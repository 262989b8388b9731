//! The worlds and their servers as every worker sees them: one immutable view, swapped whole.
//!
//! What changes by the moment (places taken, health, what a server turned out to speak) stands in
//! atomics of the [`Server`] that all views share.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use atlas_balance::State as HealthState;
use atlas_base::Position;
use atlas_wire::dialect::{self, Dialect};
use atlas_world::{Regions, ServerId, Settings};

use crate::config::{Config, LinkMode, RegionsMode, ServerConfig, WorldConfig};
use crate::error::{Error, Problem};

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

/// What a server turned out to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speaks {
    /// Nobody has asked yet.
    Unknown,
    /// `atlas.link.v1`.
    Cooperative,
    /// WebSocket and no more.
    Plain,
}

/// One game server.
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) config: ServerConfig,
    pub(crate) address: Address,
    /// Where the address leads, resolved when the edge was built.
    pub(crate) target: SocketAddr,
    pub(crate) region: Option<atlas_world::Region>,
    /// Places taken.
    places: AtomicU32,
    health: AtomicU8,
    speaks: AtomicU8,
    draining: AtomicBool,
}

impl Server {
    /// Whether a new session may be sent here.
    pub(crate) fn may_enter(&self) -> bool {
        self.health() != HealthState::Down && self.is_active() && self.has_place()
    }

    /// Whether it is not being emptied.
    pub(crate) fn is_active(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    fn has_place(&self) -> bool {
        self.config.capacity == 0 || self.places() < self.config.capacity
    }

    /// Places taken: by sessions attached and by those on their way.
    pub(crate) fn places(&self) -> u32 {
        self.places.load(Ordering::Relaxed)
    }

    /// Takes a place, if there is one.
    pub(crate) fn reserve(&self) -> bool {
        let before = self.places.fetch_add(1, Ordering::Relaxed);
        let full = self.config.capacity != 0 && before >= self.config.capacity;
        if full {
            self.release();
        }
        !full
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        self.places.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> HealthState {
        match self.health.load(Ordering::Relaxed) {
            0 => HealthState::Healthy,
            1 => HealthState::Suspect,
            _ => HealthState::Down,
        }
    }

    pub(crate) fn set_health(&self, state: HealthState) {
        let value = match state {
            HealthState::Healthy => 0,
            HealthState::Suspect => 1,
            HealthState::Down => 2,
        };
        self.health.store(value, Ordering::Relaxed);
    }

    /// Whether links to it are cooperative: what the config says, else what was found out.
    pub(crate) fn speaks(&self) -> Speaks {
        match (self.config.link, self.speaks.load(Ordering::Relaxed)) {
            (LinkMode::Cooperative, _) | (LinkMode::Auto, 1) => Speaks::Cooperative,
            (LinkMode::Plain, _) | (LinkMode::Auto, 2) => Speaks::Plain,
            (LinkMode::Auto, _) => Speaks::Unknown,
        }
    }

    pub(crate) fn learn(&self, speaks: Speaks) {
        let value = match speaks {
            Speaks::Unknown => 0,
            Speaks::Cooperative => 1,
            Speaks::Plain => 2,
        };
        self.speaks.store(value, Ordering::Relaxed);
    }
}

/// One game behind the edge.
pub(crate) struct World {
    pub(crate) name: Arc<str>,
    pub(crate) config: WorldConfig,
    /// Indexed by [`ServerId`].
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) regions: Regions,
    pub(crate) settings: Arc<Settings>,
    pub(crate) dialect: Box<dyn Dialect>,
}

impl World {
    pub(crate) fn server(&self, id: ServerId) -> Option<&Arc<Server>> {
        self.servers.get(id.0 as usize)
    }

    pub(crate) fn server_named(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers
            .iter()
            .find(|server| server.config.name == name)
    }

    /// The region's authority, where regions count.
    pub(crate) fn owner(&self, at: Position) -> Option<ServerId> {
        match self.config.regions {
            RegionsMode::Auto => self.regions.owner(at),
            RegionsMode::Off => None,
        }
    }
}

/// All worlds of this edge, in the order of their names.
pub(crate) struct View {
    pub(crate) worlds: Vec<Arc<World>>,
}

impl View {
    /// Builds the view of a checked configuration; resolves the servers' hosts.
    pub(crate) fn build(config: &Config) -> Result<Self, Error> {
        let worlds = config
            .worlds
            .iter()
            .map(|(name, world)| build_world(name, world).map(Arc::new));
        Ok(Self {
            worlds: worlds.collect::<Result<_, _>>()?,
        })
    }

    /// The world a request belongs to: by host, then by the longest path, else the one without either.
    pub(crate) fn route(&self, host: &str, path: &str) -> Option<&Arc<World>> {
        let host = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                host
            }
        });
        let by_host = || {
            self.worlds.iter().find(|world| {
                world
                    .config
                    .hosts
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(host))
            })
        };
        let by_path = || {
            let lengths = self.worlds.iter().filter_map(|world| {
                let fits = |prefix: &&String| {
                    path.strip_prefix(prefix.as_str()).is_some_and(|rest| {
                        rest.is_empty()
                            || prefix.ends_with('/')
                            || rest.starts_with('/')
                            || rest.starts_with('?')
                    })
                };
                let longest = world
                    .config
                    .paths
                    .iter()
                    .filter(fits)
                    .map(String::len)
                    .max()?;
                Some((longest, world))
            });
            lengths
                .max_by_key(|(length, _)| *length)
                .map(|(_, world)| world)
        };
        let by_default = || {
            self.worlds
                .iter()
                .find(|world| world.config.hosts.is_empty() && world.config.paths.is_empty())
        };
        by_host().or_else(by_path).or_else(by_default)
    }
}

fn build_world(name: &str, config: &WorldConfig) -> Result<World, Error> {
    let mut servers = Vec::with_capacity(config.servers.len());
    for (index, server) in config.servers.iter().enumerate() {
        servers.push(Arc::new(build_server(index, server)?));
    }
    let boxes = servers
        .iter()
        .filter_map(|server| Some((server.id, server.region?)));
    let transfer = &config.transfer;
    let settings = Settings {
        hysteresis: transfer.hysteresis,
        min_interval: transfer.min_interval.into(),
        dial_timeout: transfer.dial_timeout.into(),
        freeze_timeout: transfer.freeze_timeout.into(),
        adopt_timeout: transfer.adopt_timeout.into(),
        lease: transfer.lease.into(),
        orphan_window: transfer.orphan_window.into(),
        unknown_outcome_max: transfer.unknown_outcome_max.into(),
        held_input_bytes_max: usize::try_from(transfer.held_input_bytes_max.0)
            .unwrap_or(usize::MAX),
        max_speed: transfer.max_speed,
        ..Settings::default()
    };
    Ok(World {
        name: name.into(),
        regions: Regions::build(boxes, config.transfer.hysteresis).map_err(|error| {
            Error::Config(vec![Problem {
                key: format!("world.{name}.servers"),
                what: error.to_string(),
            }])
        })?,
        servers,
        settings: Arc::new(settings),
        dialect: dialect::build(&config.dialect),
        config: config.clone(),
    })
}

fn build_server(index: usize, config: &ServerConfig) -> Result<Server, Error> {
    let address = parse_address(&config.address).map_err(|what| {
        Error::Config(vec![Problem {
            key: config.name.clone(),
            what: what.to_owned(),
        }])
    })?;
    let unresolved = |source| Error::Resolve {
        server: config.name.clone(),
        host: address.host.clone(),
        source,
    };
    let target = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(unresolved)?
        .next()
        .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
    Ok(Server {
        // The configuration's bound on servers is far below u32.
        id: ServerId(index as u32),
        region: config.region.map(|region| region.region()),
        config: config.clone(),
        address,
        target,
        places: AtomicU32::new(0),
        health: AtomicU8::new(0),
        speaks: AtomicU8::new(0),
        draining: AtomicBool::new(false),
    })
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

    #[test]
    fn worlds_are_found_by_host_then_longest_path() {
        let world = |hosts: &[&str], paths: &[&str]| WorldConfig {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..WorldConfig::default()
        };
        let worlds = [
            ("arena", world(&["arena.example"], &[])),
            ("deep", world(&[], &["/games/deep"])),
            ("games", world(&[], &["/games"])),
            ("main", world(&[], &[])),
        ];
        let worlds = worlds
            .into_iter()
            .map(|(name, world)| (name.to_owned(), world))
            .collect();
        let view = View::build(&Config {
            worlds,
            ..Config::default()
        })
        .unwrap();
        for (host, path, expected) in [
            ("Arena.example:9000", "/games", "arena"),
            ("other", "/games/deep?x=1", "deep"),
            ("other", "/games/deeper", "games"),
            ("other", "/gamesome", "main"),
            ("other", "/", "main"),
        ] {
            assert_eq!(
                &*view.route(host, path).unwrap().name,
                expected,
                "{host}{path}"
            );
        }
    }

    #[test]
    fn places_are_bounded_by_capacity() {
        let config = ServerConfig {
            name: "west".into(),
            address: "ws://127.0.0.1:1".into(),
            link: LinkMode::Auto,
            capacity: 2,
            weight: 1,
            region: None,
            labels: Default::default(),
        };
        let server = build_server(0, &config).unwrap();
        assert!(server.reserve() && server.reserve());
        assert!(!server.reserve(), "two places, and both are taken");
        assert!(!server.may_enter());
        server.release();
        assert!(server.may_enter());
    }
}
