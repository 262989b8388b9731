//! The worlds and their servers at one moment: one immutable view, swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use atlas_base::Position;
use atlas_wire::dialect::{Dialect, Name};
use atlas_world::{Regions, ServerId, Settings};

use super::token::Authorization;
use super::{Server, Source};
use crate::config::{EdgeConfig, RegionsMode, WorldConfig};
use crate::globe::Globe;

/// One game behind the edge.
pub(crate) struct World {
    pub(crate) name: Arc<str>,
    pub(crate) config: WorldConfig,
    /// In the order of their ids; those that nobody tells of any more are among them while they have sessions.
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) regions: Regions,
    pub(crate) settings: Arc<Settings>,
    pub(crate) dialect: Box<dyn Dialect>,
    pub(crate) globe: Arc<Globe>,
    /// What shows cooperative servers that it is the edge who calls.
    pub(crate) authorization: Option<Authorization>,
    /// Transfers under way; shared by all versions of the world.
    pub(crate) transfers: Arc<AtomicU32>,
    /// The configuration has it no more: nobody new comes, whoever is there stays.
    pub(crate) removed: bool,
}

impl World {
    /// A server by its id; none if it is gone and forgotten.
    pub(crate) fn server(&self, id: ServerId) -> Option<&Arc<Server>> {
        let at = self
            .servers
            .get(id.0 as usize)
            .is_some_and(|server| server.id == id)
            .then_some(id.0 as usize)
            .or_else(|| {
                self.servers
                    .binary_search_by_key(&id, |server| server.id)
                    .ok()
            })?;
        self.servers.get(at)
    }

    /// A server by its name, if it is still told of.
    pub(crate) fn server_named(&self, name: &str) -> Option<&Arc<Server>> {
        self.present().find(|server| server.config.name == name)
    }

    /// The servers that are told of.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers
            .iter()
            .filter(|server| server.removed.is_none())
    }

    /// The servers that matter to a person: those told of, and those that still have sessions.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers
            .iter()
            .filter(|server| server.removed.is_none() || server.places() > 0)
    }

    /// Whether plain sessions can be moved: a message to introduce the player by, and somebody to move to; where servers
    /// come by themselves, now or later.
    pub(crate) fn moves_plain(&self) -> bool {
        let dialect = &self.config.dialect;
        let joins = match dialect.name {
            Name::Opaque => false,
            Name::Json => !dialect.join.kind.is_empty(),
            Name::Atlas | Name::Horizon => true,
        };
        let takes_over = |server: &&Arc<Server>| server.is_active() && !server.is_shadow();
        let mut active = self.servers.iter().filter(takes_over);
        joins
            && active
                .next()
                .is_some_and(|first| first.source != Source::Config || active.next().is_some())
    }

    /// Whether plain sessions are relayed message by message: they may move, or a slow client is spared older states.
    pub(crate) fn handles_messages(&self) -> bool {
        self.moves_plain() || self.config.dialect.name == Name::Atlas
    }

    /// The split that a new player of this key belongs to, by its index.
    pub(crate) fn split_for(&self, key: u64) -> Option<usize> {
        atlas_balance::split(key, self.config.splits.iter().map(|split| split.share))
    }

    /// The split that a server belongs to: the first whose labels it has.
    pub(crate) fn split_of(&self, server: &Server) -> Option<usize> {
        self.config.splits.iter().position(|split| {
            let labels = &server.config.labels;
            split
                .labels
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
        })
    }

    /// Whether one more transfer may begin now. Each worker looks for itself, so that for a moment there may be one more a
    /// worker.
    pub(crate) fn may_transfer(&self) -> bool {
        let most = self.config.transfer.concurrent_max;
        most == 0 || self.transfers.load(Ordering::Relaxed) < most
    }

    /// Counts a transfer that begins, whoever wanted it.
    pub(crate) fn transfer_began(&self) {
        self.transfers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a transfer that ended.
    pub(crate) fn transfer_ended(&self) {
        self.transfers.fetch_sub(1, Ordering::Relaxed);
    }

    /// The region's authority, where regions count.
    pub(crate) fn owner(&self, at: Position) -> Option<ServerId> {
        match self.config.regions {
            RegionsMode::Auto => self.regions.owner(at),
            RegionsMode::Off => None,
        }
    }
}

/// All worlds of this edge, in the order of their names, and the edge's own settings.
pub(crate) struct View {
    pub(crate) worlds: Vec<Arc<World>>,
    /// The edge's settings now in force.
    pub(crate) edge: Arc<EdgeConfig>,
}

impl View {
    /// The view of a checked configuration; resolves the servers' hosts.
    #[cfg(test)]
    pub(crate) fn build(config: &crate::config::Config) -> Result<Self, crate::Error> {
        super::Roster::new(config)?.view(None, atlas_base::Moment::ZERO)
    }

    /// Whether the two hold the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.edge, &other.edge)
            && self.worlds.len() == other.worlds.len()
            && self
                .worlds
                .iter()
                .zip(&other.worlds)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// A world by its name.
    pub(crate) fn world(&self, name: &str) -> Option<&Arc<World>> {
        self.worlds.iter().find(|world| *world.name == *name)
    }

    /// The world that has this value of the `Host` header among its hosts, with or without a port.
    pub(crate) fn of_host(&self, host: &str) -> Option<&Arc<World>> {
        let host = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                host
            }
        });
        self.open().find(|world| {
            world
                .config
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
        })
    }

    /// The world a request belongs to: by host, then by the longest path, else the one without either.
    pub(crate) fn route(&self, host: &str, path: &str) -> Option<&Arc<World>> {
        let by_path = || {
            let lengths = self.open().filter_map(|world| {
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
            self.open()
                .find(|world| world.config.hosts.is_empty() && world.config.paths.is_empty())
        };
        self.of_host(host).or_else(by_path).or_else(by_default)
    }

    /// The worlds that the configuration has.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Arc<World>> {
        self.worlds.iter().filter(|world| !world.removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

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
}
