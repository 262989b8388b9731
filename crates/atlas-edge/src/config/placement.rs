//! What new players' places depend on besides `balance`: splits, and where clients and servers are on the map.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atlas_balance::Location;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of the new players goes to the servers with certain labels, the same players always (A/B). Everybody else goes
/// to servers that are in no split. Where a player's side has no server that takes somebody, the other sides do.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SplitConfig {
    /// The labels that a server must have to be one of these.
    pub labels: BTreeMap<String, String>,
    /// Share of the new players, 0 to 1, by a stable hash. The shares of all splits of a world are at most 1 together.
    pub share: f64,
}

/// How `balance = "geographic"` learns where a client is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GeographicConfig {
    /// A request header of the form `LATITUDE,LONGITUDE` in degrees, believed from `edge.trusted-proxies`. Empty: none.
    pub header: String,
    /// A MaxMind-format file with `location.latitude` and `location.longitude`, asked where the header says nothing.
    /// Read at the start and when the configuration is reloaded. Empty: none.
    pub database: PathBuf,
}

/// A place on the globe.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocationConfig {
    /// Latitude in degrees, north is positive.
    pub lat: f64,
    /// Longitude in degrees, east is positive.
    pub lon: f64,
}

impl LocationConfig {
    /// The place; none if a number is out of its bounds.
    pub fn location(&self) -> Option<Location> {
        Location::new(self.lat, self.lon)
    }
}
