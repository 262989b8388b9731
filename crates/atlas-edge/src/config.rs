//! What a person writes about the edge: `[edge]` and `[world.NAME]`.
//!
//! Every field's doc comment is its entry in the reference; defaults stand in
//! the `Default` implementations and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use atlas_balance::Algorithm;
use atlas_base::{ByteSize, Position, TimeSpan};
use atlas_runtime::config::KeyProblem;
use atlas_wire::dialect::DialectConfig;
use atlas_world::{Region, Regions, ServerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Network;

mod discovery;
mod drain;
mod health;
mod messages;
mod mirror;
mod moves;
mod placement;
mod players;

pub use discovery::{DiscoveryConfig, Listen, RegistrationConfig};
pub use drain::DrainConfig;
pub use health::{HealthConfig, HealthKind};
pub use messages::MessagesConfig;
pub use mirror::MirrorConfig;
pub use moves::{MovesBy, MovesConfig};
pub use placement::{GeographicConfig, LocationConfig, SplitConfig};
pub use players::DuplicatePlayer;

/// The edge: where players' WebSockets arrive.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EdgeConfig {
    /// Address and port on which players connect, any path. `GET /health` is answered here too.
    pub listen: SocketAddr,
    /// How many players may be connected at once. `auto`: what the process's descriptor limit allows.
    pub max_connections: Count,
    /// Threads that carry the players' traffic. `auto`: one for each core.
    pub workers: Count,
    /// Networks of proxies in front, whose `X-Forwarded-For`, `Forwarded` and PROXY headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether the trusted proxies begin each connection with a PROXY protocol header of version 2.
    pub proxy_protocol: bool,
    /// What one player may do.
    pub limits: LimitsConfig,
    /// How game servers register themselves.
    pub registration: RegistrationConfig,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            max_connections: Count::Auto,
            workers: Count::Auto,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            limits: LimitsConfig::default(),
            registration: RegistrationConfig::default(),
        }
    }
}

/// A number, or `auto`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Count {
    /// The word `auto`.
    #[serde(with = "auto")]
    #[schemars(with = "String")]
    Auto,
    /// A number above zero.
    Number(u32),
}

mod auto {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("auto")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(()),
            other => Err(D::Error::custom(format!(
                "`{other}` is neither a number nor `auto`"
            ))),
        }
    }
}

/// What one player may do before the edge closes the connection.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsConfig {
    /// How long a connection may take to become a WebSocket.
    pub handshake_timeout: TimeSpan,
    /// Largest message either side may send, over all its fragments; beyond it: close code 1009.
    pub message_bytes_max: ByteSize,
    /// How long a message that was begun may take to end; beyond it: close code 1008.
    pub message_timeout: TimeSpan,
    /// Frames that a client may send a second, twice as many at once; beyond it: close code 1008. 0: no limit.
    pub messages_per_second: u32,
    /// Bytes that a client may send a second, twice as many at once; beyond it: close code 1008. 0: no limit.
    pub bytes_per_second: ByteSize,
    /// What may wait at the whole edge for clients and servers that do not take it, and of messages that are unfinished;
    /// beyond it those for whom most waits are closed with 1013. 0: no limit.
    pub queued_bytes_max: ByteSize,
    /// Connections from one address, IPv6 by /64; beyond it: 429. 0: no limit.
    pub connections_per_address: u32,
    /// A client that was silent for so long is asked whether it is there.
    pub ping_interval: TimeSpan,
    /// How long it may take to answer; beyond it the connection counts as lost.
    pub ping_timeout: TimeSpan,
    /// Values of the browsers' `Origin` header that may connect. Empty: any.
    pub origins: Vec<String>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: TimeSpan::from_secs(5),
            message_bytes_max: ByteSize(1 << 20),
            message_timeout: TimeSpan::from_secs(10),
            messages_per_second: 200,
            bytes_per_second: ByteSize(1 << 20),
            queued_bytes_max: ByteSize(1 << 30),
            connections_per_address: 0,
            ping_interval: TimeSpan::from_secs(20),
            ping_timeout: TimeSpan::from_secs(20),
            origins: Vec::new(),
        }
    }
}

/// One game behind the edge: its servers, their regions, and how players are placed and moved.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorldConfig {
    /// Values of the `Host` header that choose this world. With more than one world, each needs hosts or paths.
    pub hosts: Vec<String>,
    /// Path prefixes that choose this world.
    pub paths: Vec<String>,
    /// How a new player's server is chosen.
    pub balance: Algorithm,
    /// What happens when a player comes who is here already. `replace`: the older session is closed with 4409. `refuse`: the
    /// newer one is closed with 1008. `allow`: both stay. Players are told apart by the id in their messages, see the
    /// dialect; who names no id is never here twice.
    pub duplicate_player: DuplicatePlayer,
    /// How long the newest checkpoint of a player who left is kept, by the player's id, and given to the player's next
    /// session. Only cooperative servers send checkpoints. 0s: not at all.
    pub keep_state: TimeSpan,
    /// Most players whose checkpoints are kept at once; past it the oldest goes.
    pub keep_state_players_max: u32,
    /// Most bytes that kept checkpoints may have together; past it the oldest goes.
    pub keep_state_bytes_max: ByteSize,
    /// `auto`: a player who leaves a server's region is moved, whatever `balance` says. `off`: regions are ignored.
    pub regions: RegionsMode,
    /// A file with the token that cooperative servers demand: one word, sent to them as `Authorization: Bearer TOKEN`.
    /// Servers of `link = "plain"` do not get it. Read at the start and when the configuration is reloaded. Empty: none.
    pub link_token_file: PathBuf,
    /// How the edge reads this game's messages.
    pub dialect: DialectConfig,
    /// How players are moved between servers.
    pub transfer: TransferConfig,
    /// What happens when a client reads too slowly.
    pub slow_client: SlowClientConfig,
    /// How servers are watched.
    pub health: HealthConfig,
    /// Where more servers are found than those named here.
    pub discovery: DiscoveryConfig,
    /// How `balance = "geographic"` learns where a client is.
    pub geographic: GeographicConfig,
    /// Shares of the new players that go to servers with certain labels.
    pub splits: Vec<SplitConfig>,
    /// A copy of the clients' traffic for a shadow server.
    pub mirror: MirrorConfig,
    /// How players are moved away from servers that are too full.
    pub moves: MovesConfig,
    /// How a server is emptied.
    pub drain: DrainConfig,
    /// Messages that servers send to each other.
    pub messages: MessagesConfig,
    /// The game servers.
    pub servers: Vec<ServerConfig>,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            paths: Vec::new(),
            balance: Algorithm::LeastConnections,
            duplicate_player: DuplicatePlayer::Replace,
            keep_state: TimeSpan::from_secs(600),
            keep_state_players_max: 10_000,
            keep_state_bytes_max: ByteSize(64 << 20),
            regions: RegionsMode::Auto,
            link_token_file: PathBuf::new(),
            dialect: DialectConfig::default(),
            transfer: TransferConfig::default(),
            slow_client: SlowClientConfig::default(),
            health: HealthConfig::default(),
            discovery: DiscoveryConfig::default(),
            geographic: GeographicConfig::default(),
            splits: Vec::new(),
            mirror: MirrorConfig::default(),
            moves: MovesConfig::default(),
            drain: DrainConfig::default(),
            messages: MessagesConfig::default(),
            servers: Vec::new(),
        }
    }
}

/// Whether regions move players.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionsMode {
    /// A player who leaves a server's region is moved.
    Auto,
    /// Regions are ignored.
    Off,
}

/// How players are moved between servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TransferConfig {
    /// How far past the border a player must be to be moved, in world units.
    pub hysteresis: f64,
    /// Least time between two moves of one player for a region or for balance; it grows after failures.
    pub min_interval: TimeSpan,
    /// How long dialling the target may take.
    pub dial_timeout: TimeSpan,
    /// How long the source may take to hand over the player's state.
    pub freeze_timeout: TimeSpan,
    /// How long the target may take to hold the player ready.
    pub adopt_timeout: TimeSpan,
    /// How long a server may act for a player without hearing from the edge.
    pub lease: TimeSpan,
    /// How long a server keeps what it knows of a player whose link is gone.
    pub orphan_window: TimeSpan,
    /// Most input of one player that is held while the player is being moved; past it the client is not read.
    pub held_input_bytes_max: ByteSize,
    /// Most transfers that are under way in a world at once; more wait, and their players go on at their servers meanwhile.
    /// A player whose server is lost does not wait. 0: no bound.
    pub concurrent_max: u32,
    /// How long the edge tries to learn an unknown outcome before it closes the client with 1013.
    pub unknown_outcome_max: TimeSpan,
    /// How soon before the border is reached the next server is told. 0s: never.
    pub preload_within: TimeSpan,
    /// Plain servers: which comes first, leaving the old one or joining the new.
    pub plain_order: PlainOrder,
    /// Plain servers: how long the old one may take to show that it has read everything, and then to close.
    pub linger: TimeSpan,
    /// Fastest believable movement in world units a second; beyond it a position moves nobody. 0: unbounded.
    pub max_speed: f64,
}

impl Default for TransferConfig {
    fn default() -> Self {
        Self {
            hysteresis: 25.0,
            min_interval: TimeSpan::from_secs(2),
            dial_timeout: TimeSpan::from_secs(1),
            freeze_timeout: TimeSpan::from_secs(1),
            adopt_timeout: TimeSpan::from_secs(1),
            lease: TimeSpan::from_secs(5),
            orphan_window: TimeSpan::from_secs(60),
            held_input_bytes_max: ByteSize(256 << 10),
            concurrent_max: 512,
            unknown_outcome_max: TimeSpan::from_secs(30),
            preload_within: TimeSpan::from_secs(3),
            plain_order: PlainOrder::LeaveFirst,
            linger: TimeSpan::from_millis(500),
            max_speed: 0.0,
        }
    }
}

/// In which order a player of plain servers changes them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlainOrder {
    /// The old server is left before the new one is joined: the player is never at both.
    LeaveFirst,
    /// The new server is joined before the old one is left: the player is at both for a moment.
    JoinFirst,
}

/// What happens when a client reads too slowly.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SlowClientConfig {
    /// Most output that waits for one client; past it the server's link is not read.
    pub queue_bytes_max: ByteSize,
    /// How long a client may take nothing of what waits for it; beyond it: close code 1013.
    pub patience: TimeSpan,
}

impl Default for SlowClientConfig {
    fn default() -> Self {
        Self {
            queue_bytes_max: ByteSize(256 << 10),
            patience: TimeSpan::from_secs(10),
        }
    }
}

/// One game server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerConfig {
    /// The server's name, unique in its world.
    pub name: String,
    /// Where it listens: `ws://HOST:PORT/PATH`. Without a path the client's own path and query are used.
    pub address: String,
    /// Whether it speaks `atlas.link.v1`. `auto`: the edge asks when it first connects.
    #[serde(default)]
    pub link: LinkMode,
    /// Most players it takes. 0: no bound.
    #[serde(default)]
    pub capacity: u32,
    /// Its share of new players beside the others'.
    #[serde(default = "one")]
    pub weight: u32,
    /// A server that comes (back) gets its full share only after this time.
    #[serde(default = "slow_start")]
    pub slow_start: TimeSpan,
    /// The part of the world that it is the authority for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionConfig>,
    /// Where on the globe it stands, for `balance = "geographic"`: `{ lat = 50.1, lon = 8.7 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationConfig>,
    /// Words to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

fn slow_start() -> TimeSpan {
    TimeSpan::from_secs(30)
}

impl Default for ServerConfig {
    /// All that is not said; a name and an address must be.
    fn default() -> Self {
        Self {
            name: String::new(),
            address: String::new(),
            link: LinkMode::default(),
            capacity: 0,
            weight: one(),
            slow_start: slow_start(),
            region: None,
            location: None,
            labels: BTreeMap::new(),
        }
    }
}

/// Whether a server speaks `atlas.link.v1`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMode {
    /// The edge asks when it first connects.
    #[default]
    Auto,
    /// It does; one that does not is refused.
    Cooperative,
    /// It does not: any WebSocket server.
    Plain,
}

/// An axis-aligned box of the world, half-open: `min` belongs to it, `max` does not.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// Smallest x, y and z, in world units.
    pub min: [f64; 3],
    /// x, y and z just past the box.
    pub max: [f64; 3],
}

impl RegionConfig {
    /// The box as the pure crates know it.
    pub fn region(&self) -> Region {
        let [min, max] = [self.min, self.max].map(|[x, y, z]| Position { x, y, z });
        Region { min, max }
    }
}

/// Everything the edge is built from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[edge]`.
    pub edge: EdgeConfig,
    /// `[world.NAME]`, by name.
    pub worlds: BTreeMap<String, WorldConfig>,
}

impl Config {
    /// Checks what no single field can know: names, addresses, regions, worlds beside each other.
    pub fn problems(&self) -> Vec<KeyProblem> {
        let mut problems = Vec::new();
        let mut complain = |key: String, what: String| problems.push(KeyProblem { key, what });
        for (key, count) in [
            ("edge.max-connections", self.edge.max_connections),
            ("edge.workers", self.edge.workers),
        ] {
            if count == Count::Number(0) {
                complain(
                    key.into(),
                    "is 0, so nobody could connect; write `auto` or a number above 0".into(),
                );
            }
        }
        if self.edge.limits.message_bytes_max.0 > u64::from(u32::MAX) {
            complain(
                "edge.limits.message-bytes-max".into(),
                "is over 4 GiB; write at most 4095MiB".into(),
            );
        }
        if self.edge.proxy_protocol && self.edge.trusted_proxies.is_empty() {
            complain(
                "edge.proxy-protocol".into(),
                "is on, but nobody is trusted to say who the client is; name the proxies in edge.trusted-proxies".into(),
            );
        }
        for (key, what) in self.edge.registration.problems() {
            complain(format!("edge.registration.{key}"), what.into());
        }
        for (name, world) in &self.worlds {
            let at = |key: &str| format!("world.{name}.{key}");
            if self.worlds.len() > 1 && world.hosts.is_empty() && world.paths.is_empty() {
                complain(
                    format!("world.{name}"),
                    "has neither `hosts` nor `paths`, so no player could be told to belong to it; with several worlds each needs one".into(),
                );
            }
            if !(world.transfer.hysteresis >= 0.0 && world.transfer.hysteresis.is_finite()) {
                complain(
                    at("transfer.hysteresis"),
                    "is not a distance; write a number from 0 up".into(),
                );
            }
            for (index, split) in world.splits.iter().enumerate() {
                let at = |key: &str| format!("world.{name}.splits[{index}].{key}");
                if !(0.0..=1.0).contains(&split.share) {
                    complain(
                        at("share"),
                        "is not a share; write a number from 0 to 1".into(),
                    );
                }
                if split.labels.is_empty() {
                    complain(
                        at("labels"),
                        "is empty, so every server would be one of these".into(),
                    );
                }
            }
            for (key, what) in world.moves.problems() {
                complain(at(&format!("moves.{key}")), what.into());
            }
            if world.splits.iter().map(|split| split.share).sum::<f64>() > 1.0 + 1e-9 {
                complain(
                    at("splits"),
                    "share out more than all players; make the shares at most 1 together".into(),
                );
            }
            if !(0.0..=1.0).contains(&world.health.ejected_share_max) {
                complain(
                    at("health.ejected-share-max"),
                    "is not a share; write a number from 0 to 1".into(),
                );
            }
            if !world.health.path.starts_with('/')
                || !world
                    .health
                    .path
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic())
            {
                complain(
                    at("health.path"),
                    "is not a path; write one that begins with /".into(),
                );
            }
            if let Some(what) = mirror_problem(world) {
                complain(at("mirror.server"), what);
            }
            for (key, what) in server_problems(&world.servers, world) {
                complain(at(&key), what);
            }
        }
        problems
    }
}

/// What is wrong with a world's shadow server. Where servers are found elsewhere, it may come from there.
fn mirror_problem(world: &WorldConfig) -> Option<String> {
    let name = &world.mirror.server;
    if name.is_empty() {
        return None;
    }
    let named = world.servers.iter().find(|server| server.name == *name);
    match named {
        Some(server) if server.region.is_some() => Some(format!(
            "`{name}` has a region, and a shadow server is nobody's authority; take one of the two away"
        )),
        Some(_) => None,
        None if world.servers.is_empty() || !world.discovery.file.as_os_str().is_empty() => None,
        None => Some(format!(
            "`{name}` is none of this world's servers; add it to them, and it gets the copy and no players"
        )),
    }
}

/// What is wrong with servers of one source, by themselves and beside each other; keys begin with `servers`.
pub(crate) fn server_problems(
    servers: &[ServerConfig],
    world: &WorldConfig,
) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let mut regions = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let mut complain =
            |key: &str, what: String| problems.push((format!("servers[{index}].{key}"), what));
        if server.name.is_empty() || server.name.len() > 64 {
            complain("name", "must have 1 to 64 characters".into());
        }
        if !names.insert(server.name.as_str()) {
            let what = "is already another server's name in this world";
            complain("name", format!("`{}` {what}", server.name));
        }
        if let Err(error) = crate::servers::parse_address(&server.address) {
            complain("address", format!("`{}` {error}", server.address));
        }
        if server
            .location
            .is_some_and(|location| location.location().is_none())
        {
            let what = "is no place on the globe; `lat` is -90 to 90 degrees, `lon` -180 to 180";
            complain("location", what.into());
        }
        if let Some(region) = &server.region {
            regions.push((ServerId(index as u32), region.region()));
        }
    }
    if let Err(error) = Regions::build(regions, world.transfer.hysteresis) {
        let name = |id: ServerId| {
            servers
                .get(id.0 as usize)
                .map_or("?", |server| server.name.as_str())
        };
        let (server, what) = region_words(&error, name);
        let key = server.map_or("servers".to_owned(), |id| {
            format!("servers[{}].region", id.0)
        });
        problems.push((key, what));
    }
    problems
}

/// The server and the words for a region that cannot be; `name` gives servers' names.
pub(crate) fn region_words<'a>(
    error: &atlas_world::Error,
    name: impl Fn(ServerId) -> &'a str,
) -> (Option<ServerId>, String) {
    match error {
        atlas_world::Error::NotFinite { server } => (
            Some(*server),
            "has a corner that is not a finite number; write plain numbers".to_owned(),
        ),
        atlas_world::Error::TooSmall {
            server,
            axis,
            side,
            least,
        } => (
            Some(*server),
            format!(
                "is {side} wide along {axis}; make it at least {least} (four times transfer.hysteresis) wide, with `min` below `max`"
            ),
        ),
        atlas_world::Error::Overlap { first, second } => (
            Some(*second),
            format!(
                "overlaps the region of server `{}`; a place has one authority, so cut `{}` or it",
                name(*first),
                name(*second)
            ),
        ),
        _ => (None, error.to_string()),
    }
}
