//! Who is told of, by whom: the configuration, files that are watched, servers that registered. Makes the views.
//!
//! Ids count up for each world's name and are never given again while the process lives. A server is the same one as
//! before if it has the same name and the same address; anything else of it may change under its sessions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atlas_base::Moment;
use atlas_runtime::config::KeyProblem;
use atlas_wire::dialect;
use atlas_world::{Regions, ServerId, Settings};

use super::token::{self, Authorization};
use super::{Address, Server, Speaks, View, World, parse_address};
use crate::config::{Config, PlainOrder, RegionsMode, ServerConfig, WorldConfig};
use crate::discovery::file;
use crate::error::Error;
use crate::globe::Globe;

/// How long a server without sessions is remembered after it was last told of, for what is still on its way.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Servers without sessions that are remembered in one world at most; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 1000;

/// A server as somebody tells of it, with its address looked up.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) config: ServerConfig,
    pub(crate) address: Address,
    pub(crate) target: SocketAddr,
    pub(crate) source: Source,
}

impl Entry {
    /// Reads and looks up the server's address; blocks where a host has to be asked for.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Resolve`].
    pub(crate) fn resolve(config: &ServerConfig, source: Source) -> Result<Self, Error> {
        let address = parse_address(&config.address).map_err(|what| {
            Error::Config(vec![KeyProblem {
                key: config.name.clone(),
                what: format!("`{}` {what}", config.address),
            }])
        })?;
        Ok(Self {
            target: address.resolve(&config.name)?,
            config: config.clone(),
            address,
            source,
        })
    }

    /// As [`Entry::resolve`], for many.
    pub(crate) fn resolve_all(
        servers: &[ServerConfig],
        source: Source,
    ) -> Result<Vec<Self>, Error> {
        let resolve = |server| Self::resolve(server, source);
        servers.iter().map(resolve).collect()
    }
}

/// Who tells of servers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Source {
    /// `[[world.NAME.servers]]`.
    Config,
    /// The file of `world.NAME.discovery`.
    File,
    /// They themselves, over HTTP.
    Registration,
}

impl Source {
    /// Its name in the admin API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::File => "file",
            Self::Registration => "registration",
        }
    }
}

/// Who is told of, by whom. Cheap enough to be copied for each change, so that one that fails changes nothing.
#[derive(Clone)]
pub(crate) struct Roster {
    config: Arc<Config>,
    told: BTreeMap<(String, Source), Arc<Vec<Entry>>>,
    /// What each world knows of its clients' places.
    globes: BTreeMap<String, Arc<Globe>>,
    /// What worlds show their cooperative servers.
    tokens: BTreeMap<String, Authorization>,
    /// The next id of each world that there ever was.
    next: BTreeMap<String, u32>,
}

impl Roster {
    /// The servers of a checked configuration and of the files it names; reads files and resolves hosts, which blocks.
    ///
    /// # Errors
    /// [`Error::Resolve`], [`Error::Discovery`], [`Error::Locations`], [`Error::LinkToken`].
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut roster = Self {
            config: Arc::new(config.clone()),
            told: BTreeMap::new(),
            globes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next: BTreeMap::new(),
        };
        for (name, world) in &config.worlds {
            let globe = Globe::open(&world.geographic)?;
            roster.globes.insert(name.clone(), Arc::new(globe));
            let token = token::read(&world.link_token_file)?;
            roster.tokens.extend(token.map(|it| (name.clone(), it)));
            let entries = Entry::resolve_all(&world.servers, Source::Config)?;
            roster.tell(name, Source::Config, entries);
            if let Some(path) = file::path(world) {
                let found = file::read(path, world)?;
                roster.tell(name, Source::File, found.unwrap_or_default());
            }
        }
        Ok(roster)
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Takes a new configuration in, in the place of the old one: `fresh` is made from it alone. A file that is not there
    /// now, but was, still counts as it was read last; servers that registered stay.
    pub(crate) fn reconfigure(&mut self, fresh: Self) {
        let file = |config: &Config, name: &str| {
            let world = config.worlds.get(name)?;
            file::path(world).map(Path::to_owned)
        };
        self.told.retain(|(name, source), _| match source {
            Source::Config => false,
            Source::File => file(&self.config, name) == file(&fresh.config, name),
            Source::Registration => fresh.config.worlds.contains_key(name),
        });
        self.told.extend(fresh.told);
        for (name, globe) in fresh.globes {
            // Where no file is read there is nothing new to know.
            let rules = |config: &Config| config.worlds.get(&name).map(|it| it.geographic.clone());
            if rules(&self.config) != rules(&fresh.config) || globe.reads_a_file() {
                self.globes.insert(name, globe);
            }
        }
        self.tokens = fresh.tokens;
        self.config = fresh.config;
    }

    /// Whom a source tells of in a world.
    pub(crate) fn of(&self, world: &str, source: Source) -> &[Entry] {
        self.told
            .get(&(world.to_owned(), source))
            .map_or(&[], |entries| entries)
    }

    /// Replaces all that a source told of in a world.
    pub(crate) fn tell(&mut self, world: &str, source: Source, entries: Vec<Entry>) {
        let key = (world.to_owned(), source);
        if entries.is_empty() {
            self.told.remove(&key);
        } else {
            self.told.insert(key, Arc::new(entries));
        }
    }

    /// The view of what is told now, after the view `before`; none: there was no view yet.
    ///
    /// # Errors
    /// [`Error::Config`] if what is told cannot stand beside each other: two servers of one name, regions that
    /// overlap.
    pub(crate) fn view(&mut self, before: Option<&View>, now: Moment) -> Result<View, Error> {
        let config = Arc::clone(&self.config);
        let mut worlds = Vec::with_capacity(config.worlds.len());
        for (name, world) in &config.worlds {
            let old = before.and_then(|view| view.world(name));
            worlds.push(self.world(name, world, old, before.is_some().then_some(now))?);
        }
        for old in before.iter().flat_map(|view| &view.worlds) {
            if !config.worlds.contains_key(&*old.name) {
                worlds.extend(closed(old, now));
            }
        }
        worlds.sort_by(|one, other| one.name.cmp(&other.name));
        let edge = match before {
            Some(view) if *view.edge == config.edge => Arc::clone(&view.edge),
            _ => Arc::new(config.edge.clone()),
        };
        Ok(View { worlds, edge })
    }

    /// One world; `now` is none while the edge starts, when nobody can say how long a server has been there.
    fn world(
        &mut self,
        name: &str,
        config: &WorldConfig,
        old: Option<&Arc<World>>,
        now: Option<Moment>,
    ) -> Result<Arc<World>, Error> {
        let told = [Source::Config, Source::File, Source::Registration]
            .map(|source| self.of(name, source).to_vec())
            .concat();
        unique(name, &told)?;
        let next = self.next.entry(name.to_owned()).or_default();
        let servers = servers(told, old.map_or(&[], |old| &old.servers), next, now);
        for server in &servers {
            server.cast_shadow(server.config.name == config.mirror.server);
        }
        let globe = self.globes.get(name).cloned().unwrap_or_default();
        let authorization = self.tokens.get(name).cloned();
        let unchanged = |old: &&Arc<World>| {
            !old.removed
                && Arc::ptr_eq(&old.globe, &globe)
                && old.authorization == authorization
                && old.config == *config
                && old.servers.len() == servers.len()
                && old
                    .servers
                    .iter()
                    .zip(&servers)
                    .all(|(one, other)| Arc::ptr_eq(one, other))
        };
        if let Some(old) = old.filter(unchanged) {
            return Ok(Arc::clone(old));
        }
        let settings = settings(config);
        Ok(Arc::new(World {
            name: old.map_or_else(|| name.into(), |old| Arc::clone(&old.name)),
            regions: regions(name, config, &servers)?,
            servers,
            settings: match old {
                Some(old) if *old.settings == settings => Arc::clone(&old.settings),
                _ => Arc::new(settings),
            },
            dialect: dialect::build(&config.dialect),
            globe,
            authorization,
            transfers: old.map_or_else(Arc::default, |old| Arc::clone(&old.transfers)),
            config: config.clone(),
            removed: false,
        }))
    }
}

/// A world that the configuration has no more, as long as somebody is in it.
fn closed(old: &Arc<World>, now: Moment) -> Option<Arc<World>> {
    let servers = servers(Vec::new(), &old.servers, &mut 0, Some(now));
    if servers.iter().all(|server| server.places() == 0) {
        return None;
    }
    Some(Arc::new(World {
        name: Arc::clone(&old.name),
        config: old.config.clone(),
        servers,
        regions: Regions::default(),
        settings: Arc::clone(&old.settings),
        dialect: dialect::build(&old.config.dialect),
        globe: Arc::clone(&old.globe),
        authorization: old.authorization.clone(),
        transfers: Arc::clone(&old.transfers),
        removed: true,
    }))
}

fn unique(world: &str, told: &[Entry]) -> Result<(), Error> {
    let mut names = HashSet::new();
    match told
        .iter()
        .find(|entry| !names.insert(entry.config.name.as_str()))
    {
        None => Ok(()),
        Some(entry) => Err(Error::Config(vec![KeyProblem {
            key: format!("world.{world}.servers"),
            what: format!(
                "`{}` is the name of two servers, of which one was found by discovery",
                entry.config.name
            ),
        }])),
    }
}

/// The servers told of, each the same one as before if it can be, and those that are not told of any more but still
/// needed.
fn servers(
    told: Vec<Entry>,
    old: &[Arc<Server>],
    next: &mut u32,
    now: Option<Moment>,
) -> Vec<Arc<Server>> {
    let known: HashMap<_, _> = old
        .iter()
        .map(|server| {
            let key = (server.config.name.as_str(), server.config.address.as_str());
            (key, server)
        })
        .collect();
    let mut servers = Vec::with_capacity(told.len());
    for entry in told {
        let before = known
            .get(&(entry.config.name.as_str(), entry.config.address.as_str()))
            .copied();
        servers.push(match before {
            Some(server) if server.is(&entry) => Arc::clone(server),
            Some(server) => {
                let again = server.told(entry);
                if let (Some(_), Some(now)) = (server.removed, now) {
                    again.came_at(now);
                    again.learn(Speaks::Unknown);
                }
                Arc::new(again)
            }
            None => {
                let server = Server::new(ServerId(*next), entry);
                *next += 1;
                if let Some(now) = now {
                    server.came_at(now);
                }
                Arc::new(server)
            }
        });
    }
    let present: HashSet<ServerId> = servers.iter().map(|server| server.id).collect();
    let now = now.unwrap_or_default();
    let mut gone: Vec<_> = old
        .iter()
        .filter(|server| !present.contains(&server.id))
        .map(|server| match server.removed {
            Some(since) => (since, Arc::clone(server)),
            None => (now, Arc::new(server.gone(now))),
        })
        .filter(|(since, server)| server.places() > 0 || now.saturating_since(*since) < REMEMBERED)
        .collect();
    gone.sort_by_key(|(since, server)| (std::cmp::Reverse(*since), server.id));
    let mut empty = 0;
    gone.retain(|(_, server)| {
        empty += usize::from(server.places() == 0);
        server.places() > 0 || empty <= REMEMBERED_MAX
    });
    servers.extend(gone.into_iter().map(|(_, server)| server));
    servers.sort_by_key(|server| server.id);
    servers
}

fn regions(name: &str, config: &WorldConfig, servers: &[Arc<Server>]) -> Result<Regions, Error> {
    if config.regions == RegionsMode::Off {
        return Ok(Regions::default());
    }
    let boxes = servers
        .iter()
        .filter_map(|server| Some((server.id, server.region?)));
    Regions::build(boxes, config.transfer.hysteresis).map_err(|error| {
        let name_of = |id: ServerId| {
            servers
                .iter()
                .find(|server| server.id == id)
                .map_or("?", |server| server.config.name.as_str())
        };
        let (server, what) = crate::config::region_words(&error, name_of);
        let at = server.map_or("servers", name_of);
        Error::Config(vec![KeyProblem {
            key: format!("world.{name}.servers.{at}.region"),
            what,
        }])
    })
}

fn settings(config: &WorldConfig) -> Settings {
    let transfer = &config.transfer;
    Settings {
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
        preload_within: transfer.preload_within.into(),
        linger: transfer.linger.into(),
        plain_order: match transfer.plain_order {
            PlainOrder::LeaveFirst => atlas_world::PlainOrder::LeaveFirst,
            PlainOrder::JoinFirst => atlas_world::PlainOrder::JoinFirst,
        },
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests;
