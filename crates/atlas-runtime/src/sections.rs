//! The configuration's sections that belong to every process: `[node]`, `[log]`, `[admin]`, `[metrics]`.

use std::{net::SocketAddr, path::PathBuf};

use atlas_base::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// This process: its name, its folder, how it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeConfig {
    /// The node's name among others. Default: the host's name.
    #[schemars(extend("examples" = ["n1"]))]
    pub id: Option<String>,
    /// The folder for everything that is kept. Default: `/var/lib/atlas` for root, else `$XDG_STATE_HOME/atlas`.
    #[schemars(extend("examples" = ["/var/lib/atlas"]))]
    pub data_dir: Option<PathBuf>,
    /// How long a stopping node waits for its work to end; container engines kill after ten seconds.
    pub drain_timeout: TimeSpan,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            id: None,
            data_dir: None,
            drain_timeout: TimeSpan::from_secs(9),
        }
    }
}

impl NodeConfig {
    /// The node's name: `id`, else the host's name, else `atlas`.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let host = rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned();
            if host.is_empty() {
                "atlas".to_owned()
            } else {
                host
            }
        })
    }

    /// The node's folder: `data-dir`, else the system's place for it, taken from the `variables` of the process
    /// (`XDG_STATE_HOME`, `HOME`). The folder need not exist.
    #[must_use]
    pub fn data_dir(&self, variables: &[(String, String)]) -> PathBuf {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(n, v)| n == name && !v.is_empty())
                .map(|(_, v)| v)
        };
        if let Some(folder) = &self.data_dir {
            folder.clone()
        } else if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib/atlas")
        } else if let Some(state) = variable("XDG_STATE_HOME") {
            PathBuf::from(state).join("atlas")
        } else if let Some(home) = variable("HOME") {
            PathBuf::from(home).join(".local/state/atlas")
        } else {
            PathBuf::from("atlas-data")
        }
    }
}

/// What the process says about itself, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; by part of the program: `atlas_edge=debug,info`. `RUST_LOG`
    /// is understood too.
    #[serde(deserialize_with = "crate::logs::deserialize_level")]
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// For programs, one JSON object a line.
    Json,
}

/// The admin listener: health, metrics, the `/v1` API and the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminConfig {
    /// Address and port of the admin listener.
    pub listen: SocketAddr,
    /// Host names, besides its own address, under which the listener answers: `atlas.example` or `atlas.example:443`.
    pub hosts: Vec<String>,
    /// How many connections are served at once; further ones wait.
    pub connections_max: u16,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            hosts: Vec::new(),
            connections_max: 256,
        }
    }
}

/// What `/metrics` shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MetricsConfig {
    /// Also show metrics under the names by which other programs' dashboards know them.
    pub aliases: bool,
}
