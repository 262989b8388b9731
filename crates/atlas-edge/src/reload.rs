//! Reload: a new configuration takes effect under living connections, or changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::config::{Config, EdgeConfig};
use crate::handle::Handle;
use crate::servers::{Roster, Server, View};

/// Keys whose new value waits for a restart: what was opened at the start stays open.
const RESTART: [&str; 5] = [
    "edge.listen",
    "edge.max-connections",
    "edge.workers",
    "edge.registration.listen",
    "edge.registration.connections-max",
];

/// What a reload changed. Servers are named `WORLD/SERVER`, keys as in the configuration.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ReloadReport {
    /// Servers that are new.
    pub added: Vec<String>,
    /// Servers of which something changed; one whose address changed is another server, with nobody on it yet.
    pub changed: Vec<String>,
    /// Servers that get nobody new any more; whoever is there stays.
    pub removed: Vec<String>,
    /// Other keys whose new value is in force.
    pub applied: Vec<String>,
    /// Keys whose new value waits for a restart.
    pub restart: Vec<String>,
}

impl ReloadReport {
    /// Whether nothing was changed and nothing waits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Handle {
    /// Takes a new configuration in: servers, rules, limits and health apply, no living connection is touched.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Resolve`], [`Error::Discovery`]; nothing is changed then. [`Error::Stopping`].
    pub async fn reload(&self, config: &Config) -> Result<ReloadReport, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let before = self.shared.told().config().clone();
        let mut config = config.clone();
        let waits = keep_what_was_opened(&before.edge, &mut config.edge);
        // Hosts are asked for, files are read.
        let fresh = tokio::task::spawn_blocking(move || Roster::new(&config))
            .await
            .map_err(|_| Error::Stopping)??;
        let (old, before, after) = self.shared.change(|roster| {
            let old = Arc::clone(roster.config());
            roster.reconfigure(fresh);
            Ok((old, Arc::clone(roster.config())))
        })?;
        let (old, new) = old;
        let mut report = ReloadReport {
            restart: waits,
            ..ReloadReport::default()
        };
        compare_servers(&before, &after, &mut report);
        compare_keys(&old, &new, &mut report);
        tracing::info!(
            added = report.added.len(),
            changed = report.changed.len(),
            removed = report.removed.len(),
            applied = ?report.applied,
            restart = ?report.restart,
            "the configuration was reloaded"
        );
        Ok(report)
    }
}

/// Puts the values that are in force in the place of those that only a restart could change; says which.
fn keep_what_was_opened(running: &EdgeConfig, wanted: &mut EdgeConfig) -> Vec<String> {
    let mut waits = Vec::new();
    let mut keep = |differs: bool, key: &str| {
        if differs {
            waits.push(key.to_owned());
        }
    };
    let [listen, connections, workers, registration, calls] = RESTART;
    keep(wanted.listen != running.listen, listen);
    keep(
        wanted.max_connections != running.max_connections,
        connections,
    );
    keep(wanted.workers != running.workers, workers);
    keep(
        wanted.registration.listen != running.registration.listen,
        registration,
    );
    keep(
        wanted.registration.connections_max != running.registration.connections_max,
        calls,
    );
    wanted.listen = running.listen;
    wanted.max_connections = running.max_connections;
    wanted.workers = running.workers;
    wanted.registration.listen = running.registration.listen;
    wanted.registration.connections_max = running.registration.connections_max;
    waits
}

fn compare_servers(before: &View, after: &View, report: &mut ReloadReport) {
    let (before, after) = (by_name(before), by_name(after));
    for (name, server) in &after {
        match before.get(name) {
            None => report.added.push(name.clone()),
            Some(old) if Arc::ptr_eq(old, server) => {}
            Some(_) => report.changed.push(name.clone()),
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    report.removed.extend(gone.cloned());
}

fn by_name(view: &View) -> BTreeMap<String, Arc<Server>> {
    let mut servers = BTreeMap::new();
    for world in &view.worlds {
        for server in world.present() {
            let name = format!("{}/{}", world.name, server.config.name);
            servers.insert(name, Arc::clone(server));
        }
    }
    servers
}

/// Names the keys that differ, other than servers.
fn compare_keys(old: &Config, new: &Config, report: &mut ReloadReport) {
    let value = |config: &Config| {
        let mut worlds = serde_json::to_value(&config.worlds).unwrap_or_default();
        for world in worlds
            .as_object_mut()
            .into_iter()
            .flat_map(|it| it.values_mut())
        {
            if let Some(world) = world.as_object_mut() {
                world.remove("servers");
            }
        }
        let edge = serde_json::to_value(&config.edge).unwrap_or_default();
        serde_json::json!({ "edge": edge, "world": worlds })
    };
    differing("", &value(old), &value(new), &mut report.applied);
}

fn differing(key: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names = old
                .keys()
                .chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                let below = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                let value = |side: &serde_json::Map<String, Value>| {
                    side.get(name).cloned().unwrap_or_default()
                };
                differing(&below, &value(old), &value(new), found);
            }
        }
        (old, new) if old != new => found.push(key.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Count, WorldConfig};

    #[test]
    fn keys_that_differ_are_named_once_each() {
        let world = |hysteresis| {
            let mut world = WorldConfig::default();
            world.transfer.hysteresis = hysteresis;
            ("main".to_owned(), world)
        };
        let old = Config {
            worlds: [world(25.0)].into(),
            ..Config::default()
        };
        let mut new = Config {
            worlds: [world(30.0), ("arena".to_owned(), WorldConfig::default())].into(),
            ..Config::default()
        };
        new.edge
            .limits
            .origins
            .push("https://game.example".to_owned());
        let mut report = ReloadReport::default();
        compare_keys(&old, &new, &mut report);
        assert_eq!(
            report.applied,
            [
                "edge.limits.origins",
                "world.main.transfer.hysteresis",
                "world.arena"
            ]
        );
    }

    #[test]
    fn what_was_opened_stays_as_it_was() {
        let running = EdgeConfig::default();
        let mut wanted = EdgeConfig {
            workers: Count::Number(7),
            listen: "127.0.0.1:1".parse().unwrap(),
            ..EdgeConfig::default()
        };
        let waits = keep_what_was_opened(&running, &mut wanted);
        assert_eq!(waits, ["edge.listen", "edge.workers"]);
        assert_eq!(wanted, running);
        assert!(keep_what_was_opened(&running, &mut wanted).is_empty());
    }
}
