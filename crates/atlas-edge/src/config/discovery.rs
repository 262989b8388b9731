//! How servers become known besides `[[world.NAME.servers]]`: a watched file, registration over HTTP.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use atlas_base::{ByteSize, TimeSpan};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::network::Network;

/// Where more servers are found than the configuration names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiscoveryConfig {
    /// A TOML file of `[[servers]]`, written as `[[world.NAME.servers]]` are; read again when it changes. A file that
    /// cannot be read changes nothing. Empty: none.
    pub file: PathBuf,
}

/// How game servers register themselves, over the HTTP API that Horizon servers call.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistrationConfig {
    /// Address and port on which servers register. `off`: they cannot.
    pub listen: Listen,
    /// How often a registered server is asked to say that it lives, at least 1s. After three missed it is suspect, after
    /// six gone. Horizon servers say it every 30 seconds, whatever they are asked: 10s is the least for them.
    pub heartbeat: TimeSpan,
    /// Networks from which servers may register, and in which the address that they name must lie.
    pub allow: Vec<Network>,
    /// How many servers may be registered at once; beyond it: 503.
    pub servers_max: u32,
    /// Largest request; beyond it: 413.
    pub body_bytes_max: ByteSize,
    /// How long a request may take to arrive, a server's host name to be looked up included; beyond it: 408.
    pub timeout: TimeSpan,
    /// How many connections may be open at once; more wait.
    pub connections_max: u32,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            listen: Listen::On(SocketAddr::from(([127, 0, 0, 1], 9001))),
            heartbeat: TimeSpan::from_secs(10),
            allow: ["127.0.0.0/8", "::1/128"]
                .iter()
                .filter_map(|network| network.parse().ok())
                .collect(),
            servers_max: 1000,
            body_bytes_max: ByteSize(64 << 10),
            timeout: TimeSpan::from_secs(5),
            connections_max: 64,
        }
    }
}

impl RegistrationConfig {
    /// What is wrong with it, by key.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        if *self.heartbeat < Duration::from_secs(1) {
            // The answer to a registration says it in whole seconds.
            problems.push(("heartbeat", "is too short; write at least 1s"));
        }
        for (key, number) in [
            ("servers-max", self.servers_max),
            ("connections-max", self.connections_max),
        ] {
            if number == 0 {
                problems.push((key, "is 0, so no server could register; write a number above 0, or `off` for edge.registration.listen"));
            }
        }
        problems
    }
}

/// An address to listen on, or `off`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listen {
    /// The word `off`.
    Off,
    /// Address and port; port 0 finds a free one.
    On(SocketAddr),
}

impl Listen {
    /// The address; none if it is off.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::On(address) => Some(address),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::On).map_err(|_| {
                format!(
                    "`{text}` is neither an address with a port, like 127.0.0.1:9001, nor `off`"
                )
            }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::On(address) => address.fmt(formatter),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:9001", "off"] })
    }
}
