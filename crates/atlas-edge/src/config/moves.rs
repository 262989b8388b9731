//! `[world.NAME.moves]`: who is moved so that no server is too full.

use atlas_base::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How settled players are moved away from servers that are too full. Servers with a region neither give nor take players:
/// there the place decides.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MovesConfig {
    /// What makes a server too full. `sessions`: its players, as a share of its `capacity`; a server without one is never too
    /// full. `load`: the load that it reports. `off`: nobody is moved.
    pub by: MovesBy,
    /// A server filled past this share gives players away, 0 to 1.
    pub high_water: f64,
    /// Until it is filled no further than this. No server is filled past it by moves.
    pub low_water: f64,
    /// Most players of the world that are moved a second.
    pub per_second: f64,
    /// So long after it gave its last, a server does not begin to give again.
    pub cool_down: TimeSpan,
    /// With `balance = "geographic"` a player is moved to a nearer server if that one is nearer by more than this share of
    /// the distance, 0 to 1. 1: never.
    pub nearer_by: f64,
    /// A request header that names the player's party (a match, a team); those at one server with the same party are moved
    /// together. Empty: none.
    pub party_header: String,
    /// A parameter of the request's query that names the party, where the header does not. Empty: none.
    pub party_query: String,
}

impl Default for MovesConfig {
    fn default() -> Self {
        Self {
            by: MovesBy::Sessions,
            high_water: 0.9,
            low_water: 0.7,
            per_second: 10.0,
            cool_down: TimeSpan::from_secs(30),
            nearer_by: 0.3,
            party_header: String::new(),
            party_query: String::new(),
        }
    }
}

impl MovesConfig {
    /// What is wrong with it: keys and why.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        for (key, share) in [
            ("high-water", self.high_water),
            ("low-water", self.low_water),
            ("nearer-by", self.nearer_by),
        ] {
            if !(0.0..=1.0).contains(&share) {
                problems.push((key, "is not a share; write a number from 0 to 1"));
            }
        }
        if self.low_water > self.high_water {
            problems.push((
                "low-water",
                "is above high-water, so a server would have to give players away before it is too full",
            ));
        }
        if !(self.per_second >= 0.0 && self.per_second.is_finite()) {
            problems.push(("per-second", "is not a rate; write a number from 0 up"));
        }
        problems
    }
}

/// What makes a server too full.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MovesBy {
    /// Its players, as a share of its capacity.
    Sessions,
    /// The load that it reports.
    Load,
    /// Nothing: nobody is moved.
    Off,
}
