//! The edge: accepts players, joins each to a game server, and moves players between servers under living connections.
//!
//! Entry points: [`Config`] → [`Edge::build`] (binds) → [`Edge::start`] → drain; [`Handle`] is the only way in while it
//! serves, and [`Handle::admin_router`] what the admin listener mounts.
//!
//! How it is laid out:
//! - a **worker** (`worker.rs`) is a thread with its own epoll and its own sessions; on the way of a message nothing is
//!   shared, locked or awaited. `worker/plain.rs` relays frames as they came; `worker/movable.rs` (clients) and
//!   `worker/links.rs` (servers) carry whole messages and obey the state machine of `atlas-world`;
//! - `discovery/` finds servers: a watched file, registration over HTTP;
//! - `servers.rs` is the view of worlds and servers that all workers read, `placement.rs` the choice among them,
//!   `health.rs` their health, `players.rs` who is here, `moves.rs` who goes for balance;
//! - `handle.rs` and `admin.rs` are the outside's way in, `stream.rs` the map's, `tap.rs` what
//!   shows messages to those who listen, `mirror.rs` what copies them for shadow servers.
//!
//! Invariants: a session's two sockets and its state stay with one worker for life; bytes of a plain session go out as
//! they came in; a movable session changes its server only between whole messages, and only as its machine says; a
//! session that does nothing holds no buffer.

mod admin;
mod api;
mod config;
mod control;
mod discovery;
mod drain;
mod error;
mod globe;
mod handle;
mod health;
mod mail;
mod metrics;
mod mirror;
mod moves;
mod network;
mod placement;
mod players;
mod reload;
mod servers;
mod service;
mod shared;
mod stream;
mod tap;
mod worker;

pub use admin::admin_operations;
pub use api::{
    LinkName, PositionView, RegionView, ServerView, SessionView, SessionsPage, TransferView,
    WorldView,
};
pub use config::{
    Config, Count, DiscoveryConfig, DrainConfig, DuplicatePlayer, EdgeConfig, GeographicConfig,
    HealthConfig, HealthKind, LimitsConfig, LinkMode, Listen, LocationConfig, MessagesConfig,
    MirrorConfig, MovesBy, MovesConfig, PlainOrder, RegionConfig, RegionsMode, RegistrationConfig,
    ServerConfig, SlowClientConfig, SplitConfig, TransferConfig, WorldConfig,
};
pub use drain::{DrainView, WaitView};
pub use error::Error;
pub use handle::Handle;
pub use network::Network;
pub use reload::ReloadReport;
pub use service::Edge;
pub use tap::{Direction, TapCounts, TapView};
