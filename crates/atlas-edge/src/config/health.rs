//! `[world.NAME.health]`: how servers are watched.

use atlas_base::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How servers are watched.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HealthConfig {
    /// Time between two checks of a server, give or take a tenth.
    pub interval: TimeSpan,
    /// How long a check may take.
    pub timeout: TimeSpan,
    /// What a check is. A cooperative server is pinged on its control link instead, except where this is `http`.
    pub kind: HealthKind,
    /// What `http` asks for, and `websocket` where the server's address has no path.
    pub path: String,
    /// Failed checks in a row that make a server down. What players' dials meet counts too.
    pub unhealthy_after: u32,
    /// Successful checks in a row that bring it back; more of them if it keeps going down.
    pub healthy_after: u32,
    /// Largest share of the servers that may be passed over for being down, 0 to 1. At least one is always tried.
    pub ejected_share_max: f64,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: TimeSpan::from_secs(2),
            timeout: TimeSpan::from_secs(1),
            kind: HealthKind::Websocket,
            path: "/".into(),
            unhealthy_after: 3,
            healthy_after: 2,
            ejected_share_max: 1.0,
        }
    }
}

/// What a health check is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthKind {
    /// A TCP connection is accepted. A server that hangs is not noticed.
    Tcp,
    /// A GET is answered with a status in the 200s.
    Http,
    /// A WebSocket is opened, and a ping on it is answered, or a stranger is turned away with a status in the 400s. The
    /// game sees a connection that says nothing and leaves.
    Websocket,
}
