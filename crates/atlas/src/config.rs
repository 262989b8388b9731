//! The configuration as a whole: the sections of every role, and how it is loaded and checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use atlas_edge::{EdgeConfig, WorldConfig};
use atlas_runtime::config::{self, Flag, Loaded, Sources};
use atlas_runtime::{AdminConfig, LogConfig, MetricsConfig, NodeConfig};
use atlas_store::StoreConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::Error;

/// Everything that can stand in `atlas.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// This process: its name, its folder, how it ends.
    pub(crate) node: NodeConfig,
    /// What the process says about itself, and how.
    pub(crate) log: LogConfig,
    /// The admin listener: health, metrics, the `/v1` API and the console.
    pub(crate) admin: AdminConfig,
    /// What `/metrics` shows.
    pub(crate) metrics: MetricsConfig,
    /// The edge: where players' WebSockets arrive.
    pub(crate) edge: EdgeConfig,
    /// The games behind the edge, by name; the one world is usually called `main`.
    pub(crate) world: BTreeMap<String, WorldConfig>,
    /// The store: keys in memory, a log on disk, the protocol of Redis.
    pub(crate) store: StoreConfig,
}

/// The sections that every node has, whatever its roles.
const COMMON: [&str; 4] = ["node", "log", "admin", "metrics"];

/// What a node can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Accepts players and joins them to game servers
    Edge,
    /// Keeps keys, durably, for clients of Redis
    Store,
}

impl Role {
    /// Every role that is built.
    pub(crate) const ALL: [Self; 2] = [Self::Edge, Self::Store];

    /// The sections that belong to the role alone; a file with one of them asks for the role.
    pub(crate) fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Edge => &["edge", "world"],
            Self::Store => &["store"],
        }
    }

    /// The role's name, which is its command's too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Store => "store",
        }
    }

    /// The roles that a configuration has sections for.
    pub(crate) fn of(loaded: &Loaded<Config>) -> Vec<Self> {
        let named = |role: &Self| {
            role.sections()
                .iter()
                .any(|section| loaded.sections.contains(*section))
        };
        Self::ALL.into_iter().filter(named).collect()
    }
}

/// The sections of an example for these roles; none means all.
pub(crate) fn sections_of(roles: &[Role]) -> Vec<&'static str> {
    let roles = if roles.is_empty() { &Role::ALL } else { roles };
    COMMON
        .into_iter()
        .chain(
            roles
                .iter()
                .flat_map(|role| role.sections().iter().copied()),
        )
        .collect()
}

impl Config {
    /// The part that the edge is built from.
    pub(crate) fn edge(&self) -> atlas_edge::Config {
        atlas_edge::Config {
            edge: self.edge.clone(),
            worlds: self.world.clone(),
        }
    }
}

/// Loads the configuration and checks all of it, as every command that serves does before it does anything else.
///
/// # Errors
/// [`Error::Config`] with everything that is wrong, each with its place.
pub(crate) fn load(context: &Context, flags: Vec<Flag>) -> Result<Loaded<Config>, Error> {
    let loaded = load_unchecked(context, flags)?;
    let edge = loaded.config.edge().problems().into_iter();
    let store = loaded.config.store.problems().into_iter();
    let problems: Vec<_> = edge
        .chain(store)
        .map(|found| loaded.problem(found))
        .collect();
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(config::Error::Problems(problems).into())
    }
}

/// Loads the configuration of a command that only wants to find the node: what a service would refuse does not matter.
///
/// # Errors
/// [`Error::Config`].
pub(crate) fn load_unchecked(
    context: &Context,
    mut flags: Vec<Flag>,
) -> Result<Loaded<Config>, Error> {
    flags.extend(context.flags());
    let file = config::locate(context.config.clone(), &context.variables);
    let sources = Sources {
        file,
        text: None,
        variables: context.variables.clone(),
        flags,
    };
    Ok(config::load(sources)?)
}

/// The address under which a listener is reached from this machine: one that listens everywhere answers on loopback.
pub(crate) fn dialled(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
