//! `[world.NAME.messages]`: messages that servers send to each other.

use atlas_base::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Messages that servers send to each other over their control links.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MessagesConfig {
    /// How many may wait for one server, and how many of one server may wait to be delivered. What is too much is
    /// undeliverable. Applies to control links opened from then on.
    pub waiting_max: u32,
    /// How long a message to a player who is being moved may wait, and with it those that its sender sent after it.
    pub wait: TimeSpan,
}

impl Default for MessagesConfig {
    fn default() -> Self {
        Self {
            waiting_max: 256,
            wait: TimeSpan::from_secs(10),
        }
    }
}
