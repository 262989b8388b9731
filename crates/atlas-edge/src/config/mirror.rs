//! `[world.NAME.mirror]`: a copy of the clients' traffic for a shadow server.

use atlas_base::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A copy of what clients say goes to a shadow server, whose answers are dropped and whose slowness is not felt.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MirrorConfig {
    /// The shadow server's name among `servers`. It gets no players of its own. Empty: nothing is copied.
    pub server: String,
    /// How much may wait for the shadow server for each session; what comes past it is not copied, and counted.
    pub queue_bytes_max: ByteSize,
}

impl Default for MirrorConfig {
    fn default() -> Self {
        Self {
            server: String::new(),
            queue_bytes_max: ByteSize(64 << 10),
        }
    }
}
