//! What a world does about one player who is there twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when a player comes who is here already.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicatePlayer {
    /// The older session is closed with 4409, and the newer takes its place.
    #[default]
    Replace,
    /// The newer one is closed with 1008.
    Refuse,
    /// Both stay.
    Allow,
}
