//! Taking over a configuration that was read again.

use std::sync::Arc;
use std::time::Duration;

use crate::asked::Question;
use crate::config::StoreConfig;
use crate::engine::{Engine, Live};
use crate::error::Error;
use crate::handle::Handle;
use crate::tls::Identity;

/// Keys whose new value waits for a restart: what was opened at the start stays open.
const RESTART: [&str; 4] = ["data-dir", "databases", "listen", "log-segment-bytes"];
/// The mode of syncing changes while no command waits for the disk; so often this is tried.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// What the files hold that a configuration names.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
}

/// What a reload changed, as keys of the configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// In force now.
    pub applied: Vec<String>,
    /// Waiting for a restart.
    pub restart: Vec<String>,
}

impl Handle {
    /// Takes over what differs between the configuration that is in force and this one. All of it is checked before any of
    /// it is in force.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Password`], [`Error::Tls`]: nothing was changed. [`Error::Stopped`], [`Error::Busy`].
    pub async fn reload(&self, config: &StoreConfig) -> Result<Reloaded, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let password = crate::service::read_password(&config.password_file)?;
        let identity = crate::tls::identity(&config.tls)?;
        let mut applied = Vec::new();
        for attempt in 1.. {
            let files = Files {
                password: password.clone(),
                identity: identity.clone(),
            };
            let question = |answer| Question::Reload(Box::new(config.clone()), files, answer);
            let mut reloaded = self.ask(question).await?;
            applied.append(&mut reloaded.applied);
            let waits = reloaded.restart.iter().any(|key| key == "store.fsync");
            if !waits || attempt == TRIES {
                reloaded.applied = applied;
                return Ok(reloaded);
            }
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("the last attempt returns")
    }

    /// Says what is wrong with a configuration that only looking at its files shows.
    ///
    /// # Errors
    /// [`Error::Password`], [`Error::Tls`].
    pub fn check_files(config: &StoreConfig) -> Result<(), Error> {
        crate::service::read_password(&config.password_file)?;
        crate::tls::identity(&config.tls).map(drop)
    }
}

impl Engine {
    /// Puts in force what differs and can change while it serves.
    pub(crate) fn reload(&mut self, wanted: &StoreConfig, files: Files) -> Reloaded {
        let Files { password, identity } = files;
        let mut next = wanted.clone();
        let mut reloaded = Reloaded::default();
        let is_new_password = password != self.configured_password;
        let mut changed = differing(&self.config, wanted);
        if is_new_password && !changed.iter().any(|key| key == "password-file") {
            changed.push("password-file".to_owned());
        }
        // A certificate is renewed under the same name.
        let is_new_identity = identity != self.identity;
        if is_new_identity && !changed.iter().any(|key| key == "tls") {
            changed.push("tls".to_owned());
        }
        let fresh = Live::of(wanted, password.clone());
        let mut live = self.live.clone();
        let mut settings = self.settings.clone();
        for key in changed {
            let is_busy = match key.as_str() {
                "fsync" => !self.flights.is_empty(),
                // They are changed by a record.
                "maxmemory-policy" | "argument-bytes-max" => self.trouble.is_some(),
                _ => false,
            };
            let is_other_port = key == "tls"
                && (wanted.tls.listen != self.config.tls.listen
                    || wanted.tls.is_on() != self.tls_listener.is_some());
            if is_busy {
                keep(&mut next, &self.config, &key);
            }
            if is_other_port {
                next.tls = self.config.tls.clone();
            }
            if RESTART.contains(&key.as_str()) || is_busy || is_other_port {
                reloaded.restart.push(format!("store.{key}"));
                continue;
            }
            match key.as_str() {
                "fsync" => live.fsync = fresh.fsync,
                "fsync-interval" => self.log.set_interval(wanted.fsync_interval.as_duration()),
                "maxmemory" => live.maxmemory = fresh.maxmemory,
                "maxmemory-policy" => {
                    live.maxmemory_policy = fresh.maxmemory_policy;
                    settings.access = crate::expiry::access(fresh.maxmemory_policy);
                }
                "notify-keyspace-events" => live.notify = fresh.notify,
                "password-file" if is_new_password => live.password.clone_from(&fresh.password),
                "acl-pubsub-default" => live.acl_hears_all = fresh.acl_hears_all,
                "acl-log-entries-max" => live.acl_log_entries_max = fresh.acl_log_entries_max,
                "tls" if is_new_identity => self.identity.clone_from(&identity),
                "tracking-keys-max" => live.tracking_keys_max = fresh.tracking_keys_max,
                "clients-max" => live.clients_max = fresh.clients_max,
                "idle-timeout" => live.idle_timeout = fresh.idle_timeout,
                "client-output-bytes-max" => live.output_bytes_max = fresh.output_bytes_max,
                "client-query-bytes-max" => {
                    live.limits.command_bytes_max = fresh.limits.command_bytes_max;
                }
                "arguments-max" => live.limits.arguments_max = fresh.limits.arguments_max,
                "argument-bytes-max" => {
                    live.limits.bulk_bytes_max = fresh.limits.bulk_bytes_max;
                    settings.string_bytes_max = wanted.argument_bytes_max.0;
                }
                "slowlog-longer-than" => {
                    live.slowlog_longer_than_us = fresh.slowlog_longer_than_us;
                }
                "slowlog-entries-max" => live.slowlog_entries_max = fresh.slowlog_entries_max,
                "busy-reply-threshold" => live.busy_threshold = fresh.busy_threshold,
                // The rest is read from the configuration where it is needed.
                _ => {}
            }
            reloaded.applied.push(format!("store.{key}"));
        }
        let running = &self.config;
        next.data_dir.clone_from(&running.data_dir);
        next.databases = running.databases;
        next.listen = running.listen;
        next.log_segment_bytes = running.log_segment_bytes;
        self.put_in_force(live);
        self.change_settings(settings, None);
        self.configured_password = password;
        self.config = Arc::new(next);
        if !reloaded.applied.is_empty() || !reloaded.restart.is_empty() {
            tracing::info!(
                applied = ?reloaded.applied,
                restart = ?reloaded.restart,
                "the store's configuration was reloaded"
            );
        }
        reloaded
    }
}

/// Leaves a key as it is until the next attempt.
fn keep(next: &mut StoreConfig, running: &StoreConfig, key: &str) {
    match key {
        "fsync" => next.fsync = running.fsync,
        "maxmemory-policy" => next.maxmemory_policy = running.maxmemory_policy,
        _ => next.argument_bytes_max = running.argument_bytes_max,
    }
}

/// The keys that differ.
fn differing(running: &StoreConfig, wanted: &StoreConfig) -> Vec<String> {
    let as_json = |config| serde_json::to_value(config).unwrap_or_default();
    let (running, wanted) = (as_json(running), as_json(wanted));
    let keys = running.as_object().into_iter().flatten();
    keys.filter(|(key, value)| wanted[key.as_str()] != **value)
        .map(|(key, _)| key.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_wait_are_keys() {
        let all = serde_json::to_value(StoreConfig::default()).unwrap();
        for key in RESTART {
            assert!(all.get(key).is_some(), "{key}");
        }
        let wanted = StoreConfig {
            databases: 3,
            clients_max: 9,
            ..StoreConfig::default()
        };
        let mut changed = differing(&StoreConfig::default(), &wanted);
        changed.sort_unstable();
        assert_eq!(changed, ["clients-max", "databases"]);
    }
}
