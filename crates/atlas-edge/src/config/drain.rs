//! `[world.NAME.drain]`: how a server is emptied.

use atlas_base::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a server is emptied, so that it can be stopped.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DrainConfig {
    /// Its players are moved one after the other over this time, those who do nothing first.
    pub window: TimeSpan,
    /// Whoever is still there after this time is closed with 1012 and told when to come back. A server that asks for time
    /// gets it up to one window before.
    pub deadline: TimeSpan,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            window: TimeSpan::from_secs(10),
            deadline: TimeSpan::from_secs(60),
        }
    }
}
