//! `CONFIG`: settings under Redis's names, where there is an equal one.

use atlas_kv::acl::User;
use atlas_kv::{Arguments, Command, Reply as _, Settings, glob};
use atlas_wal::Kind;

use crate::config::{EvictionPolicy, Fsync};
use crate::door::{Proposal, Request};
use crate::engine::{Engine, Live};

/// Redis's settings that have no meaning here: they are kept and told again.
const KEPT: [(&str, &str); 22] = [
    ("active-expire-effort", "1"),
    ("activedefrag", "no"),
    ("aof-use-rdb-preamble", "yes"),
    ("auto-aof-rewrite-min-size", "67108864"),
    ("auto-aof-rewrite-percentage", "100"),
    ("cluster-enabled", "no"),
    ("hz", "10"),
    ("io-threads", "1"),
    ("lazyfree-lazy-eviction", "yes"),
    ("lazyfree-lazy-expire", "yes"),
    ("lazyfree-lazy-server-del", "yes"),
    ("lazyfree-lazy-user-del", "no"),
    ("lazyfree-lazy-user-flush", "no"),
    ("list-compress-depth", "0"),
    ("maxmemory-samples", "5"),
    ("no-appendfsync-on-rewrite", "no"),
    ("rdb-key-save-delay", "0"),
    ("rdbchecksum", "yes"),
    ("rdbcompression", "yes"),
    ("sanitize-dump-payload", "no"),
    ("slave-read-only", "yes"),
    ("stop-writes-on-bgsave-error", "no"),
];

/// A setting that one may change.
struct Setting {
    name: &'static str,
    get: fn(&Engine) -> String,
    set: fn(&mut Live, &mut Settings, &str) -> Result<(), String>,
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| "argument couldn't be parsed into an integer".to_owned())
}

/// A number of bytes as Redis reads it: `1gb`, `100mb`, `10k`.
fn memory(value: &str) -> Result<u64, String> {
    let lower = value.to_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let unit: u64 = match &lower[digits..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err("argument must be a memory value".to_owned()),
    };
    let count: u64 = lower[..digits]
        .parse()
        .map_err(|_| "argument must be a memory value".to_owned())?;
    count
        .checked_mul(unit)
        .ok_or_else(|| "argument must be a memory value".to_owned())
}

fn yes_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn set_busy_threshold(live: &mut Live, _: &mut Settings, value: &str) -> Result<(), String> {
    live.busy_threshold = std::time::Duration::from_millis(number(value)?);
    Ok(())
}

macro_rules! limit {
    ($name:literal, $field:ident) => {
        Setting {
            name: $name,
            get: |engine| engine.settings.$field.to_string(),
            set: |_, settings, value| {
                settings.$field = number(value)?;
                Ok(())
            },
        }
    };
}

static SETTINGS: &[Setting] = &[
    Setting {
        name: "acl-pubsub-default",
        get: |engine| {
            let default = match engine.live.acl_hears_all {
                true => "allchannels",
                false => "resetchannels",
            };
            default.to_owned()
        },
        set: |live, _, value| {
            live.acl_hears_all = match value {
                "allchannels" => true,
                "resetchannels" => false,
                _ => {
                    let known =
                        "argument(s) must be one of the following: allchannels, resetchannels";
                    return Err(known.to_owned());
                }
            };
            Ok(())
        },
    },
    Setting {
        name: "aclfile",
        get: |engine| engine.config.acl_file.display().to_string(),
        set: |_, _, _| Err("can't set immutable config".to_owned()),
    },
    Setting {
        name: "acllog-max-len",
        get: |engine| engine.live.acl_log_entries_max.to_string(),
        set: |live, _, value| {
            live.acl_log_entries_max = number(value)?;
            Ok(())
        },
    },
    Setting {
        name: "appendfsync",
        get: |engine| engine.live.fsync.redis_name().to_owned(),
        set: |live, _, value| {
            let modes = [Fsync::Every, Fsync::Interval, Fsync::None];
            let found = modes.into_iter().find(|mode| mode.redis_name() == value);
            live.fsync =
                found.ok_or("argument(s) must be one of the following: always, everysec, no")?;
            Ok(())
        },
    },
    Setting {
        name: "appendonly",
        get: |_| yes_no(true),
        set: |_, _, value| match value {
            "yes" => Ok(()),
            _ => Err("there is always a log here".to_owned()),
        },
    },
    Setting {
        name: "bind",
        get: |engine| engine.listen.ip().to_string(),
        set: |_, _, _| Err("can't set immutable config".to_owned()),
    },
    Setting {
        name: "busy-reply-threshold",
        get: |engine| engine.live.busy_threshold.as_millis().to_string(),
        set: set_busy_threshold,
    },
    Setting {
        name: "databases",
        get: |engine| engine.keyspace.database_count().to_string(),
        set: |_, _, _| Err("can't set immutable config".to_owned()),
    },
    Setting {
        name: "dir",
        get: |engine| engine.disk.directory().display().to_string(),
        set: |_, _, _| Err("can't set immutable config".to_owned()),
    },
    limit!("hash-max-listpack-entries", hash_listpack_entries_max),
    limit!("hash-max-listpack-value", hash_listpack_value_bytes_max),
    limit!("hash-max-ziplist-entries", hash_listpack_entries_max),
    limit!("hash-max-ziplist-value", hash_listpack_value_bytes_max),
    Setting {
        name: "hll-sparse-max-bytes",
        get: |engine| engine.settings.hll_sparse_bytes_max.to_string(),
        set: |_, settings, value| {
            settings.hll_sparse_bytes_max = memory(value)?;
            Ok(())
        },
    },
    Setting {
        name: "latency-monitor-threshold",
        get: |engine| engine.live.latency_threshold_ms.to_string(),
        set: |live, _, value| {
            live.latency_threshold_ms = number(value)?;
            Ok(())
        },
    },
    limit!("list-max-listpack-size", list_listpack_size),
    limit!("list-max-ziplist-size", list_listpack_size),
    Setting {
        name: "lua-time-limit",
        get: |engine| engine.live.busy_threshold.as_millis().to_string(),
        set: set_busy_threshold,
    },
    Setting {
        name: "maxclients",
        get: |engine| engine.live.clients_max.to_string(),
        set: |live, _, value| {
            live.clients_max = number(value)?;
            Ok(())
        },
    },
    Setting {
        name: "maxmemory",
        get: |engine| engine.live.maxmemory.to_string(),
        set: |live, _, value| {
            live.maxmemory = memory(value)?;
            Ok(())
        },
    },
    Setting {
        name: "maxmemory-policy",
        get: |engine| engine.live.maxmemory_policy.name().to_owned(),
        set: |live, settings, value| {
            let mut all = EvictionPolicy::ALL.into_iter();
            let found = all.find(|policy| policy.name() == value);
            let found = found.ok_or_else(|| {
                let names: Vec<&str> = EvictionPolicy::ALL
                    .iter()
                    .map(|policy| policy.name())
                    .collect();
                format!(
                    "argument(s) must be one of the following: {}",
                    names.join(", ")
                )
            })?;
            live.maxmemory_policy = found;
            settings.access = crate::expiry::access(found);
            Ok(())
        },
    },
    Setting {
        name: "notify-keyspace-events",
        get: |engine| crate::pubsub::letters(engine.live.notify),
        set: |live, _, value| {
            live.notify = crate::pubsub::classes(value)
                .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
            Ok(())
        },
    },
    Setting {
        name: "port",
        get: |engine| engine.listen.port().to_string(),
        set: |_, _, _| Err("can't set immutable config".to_owned()),
    },
    Setting {
        name: "proto-max-bulk-len",
        get: |engine| engine.live.limits.bulk_bytes_max.to_string(),
        set: |live, settings, value| {
            let bytes = memory(value)?;
            if !(1 << 20..=512 << 20).contains(&bytes) {
                return Err("argument must be between 1048576 and 536870912".to_owned());
            }
            live.limits.bulk_bytes_max = bytes as u32;
            settings.string_bytes_max = bytes;
            Ok(())
        },
    },
    Setting {
        name: "requirepass",
        get: |engine| {
            let password = engine.live.password.as_deref().unwrap_or_default();
            String::from_utf8_lossy(password).into_owned()
        },
        set: |live, _, value| {
            live.password = (!value.is_empty()).then(|| value.as_bytes().to_vec());
            Ok(())
        },
    },
    Setting {
        name: "save",
        get: |engine| {
            let seconds = engine.config.snapshot_interval.as_secs();
            if seconds == 0 {
                String::new()
            } else {
                format!("{seconds} 1")
            }
        },
        // What suites and libraries do at their beginning; when snapshots are written is the configuration's.
        set: |_, _, _| Ok(()),
    },
    limit!("set-max-intset-entries", set_intset_entries_max),
    Setting {
        name: "slowlog-log-slower-than",
        get: |engine| engine.live.slowlog_longer_than_us.to_string(),
        set: |live, _, value| {
            live.slowlog_longer_than_us = number(value)?;
            Ok(())
        },
    },
    Setting {
        name: "slowlog-max-len",
        get: |engine| engine.live.slowlog_entries_max.to_string(),
        set: |live, _, value| {
            live.slowlog_entries_max = number(value)?;
            Ok(())
        },
    },
    Setting {
        name: "stream-node-max-bytes",
        get: |engine| {
            let settings = engine.keyspace.settings();
            settings.stream_node_bytes_max.to_string()
        },
        set: |_, settings, value| {
            settings.stream_node_bytes_max = memory(value)?;
            Ok(())
        },
    },
    limit!("stream-node-max-entries", stream_node_entries_max),
    Setting {
        name: "timeout",
        get: |engine| engine.live.idle_timeout.as_secs().to_string(),
        set: |live, _, value| {
            live.idle_timeout = std::time::Duration::from_secs(number(value)?);
            Ok(())
        },
    },
    Setting {
        name: "tracking-table-max-keys",
        get: |engine| engine.live.tracking_keys_max.to_string(),
        set: |live, _, value| {
            live.tracking_keys_max = number(value)?;
            Ok(())
        },
    },
    limit!("zset-max-listpack-entries", sorted_set_listpack_entries_max),
    limit!(
        "zset-max-listpack-value",
        sorted_set_listpack_value_bytes_max
    ),
    limit!("zset-max-ziplist-entries", sorted_set_listpack_entries_max),
    limit!(
        "zset-max-ziplist-value",
        sorted_set_listpack_value_bytes_max
    ),
];

impl Engine {
    pub(super) fn configure(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) {
        let arguments = request.arguments();
        match command.name {
            "get" => self.config_get(key, &arguments),
            "set" => self.config_set(key, &arguments),
            "resetstat" => {
                self.tell_metrics();
                self.keyspace.reset_lookups();
                self.counts = crate::engine::Counts::default();
                self.told = crate::engine::Counts::default();
                self.statistics = crate::statistics::Statistics::default();
                self.with_output(key, |output| output.ok());
            }
            "rewrite" => self.answer_error(key, "ERR The server is running without a config file"),
            _ => self.help(
                key,
                "CONFIG",
                &[
                    "GET <pattern>",
                    "RESETSTAT",
                    "REWRITE",
                    "SET <directive> <value>",
                ],
            ),
        }
    }

    fn config_get(&mut self, key: usize, arguments: &Arguments<'_>) {
        let mut steps = glob::Steps::new();
        let mut fits = |name: &str| {
            arguments.iter().skip(2).any(|pattern| {
                glob::matches_caseless(pattern, name.as_bytes(), &mut steps).unwrap_or(false)
            })
        };
        let mut found: Vec<(&str, String)> = SETTINGS
            .iter()
            .filter(|setting| fits(setting.name))
            .map(|setting| (setting.name, (setting.get)(self)))
            .collect();
        let kept = KEPT.iter().filter(|(name, _)| fits(name));
        found.extend(kept.map(|(name, value)| {
            let set = self.live.kept.get(name);
            (*name, set.map_or(*value, String::as_str).to_owned())
        }));
        self.with_output(key, |output| {
            output.map(found.len());
            for (name, value) in found {
                output.bulk(name.as_bytes());
                output.bulk(value.as_bytes());
            }
        });
    }

    fn config_set(&mut self, key: usize, arguments: &Arguments<'_>) {
        let pairs = arguments.skip(2);
        if !pairs.len().is_multiple_of(2) {
            return self.answer_error(
                key,
                "ERR wrong number of arguments for 'config|set' command",
            );
        }
        let mut live = self.live.clone();
        let mut settings = self.settings.clone();
        let mut seen: Vec<String> = Vec::new();
        for at in (0..pairs.len()).step_by(2) {
            let name = String::from_utf8_lossy(pairs.at(at)).to_lowercase();
            let value = String::from_utf8_lossy(pairs.at(at + 1)).into_owned();
            let is_twice = seen.contains(&name);
            seen.push(name.clone());
            if is_twice {
                let line = format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - duplicate parameter"
                );
                return self.answer_error(key, &line);
            }
            let kept = KEPT.iter().find(|(other, _)| *other == name);
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                if let Some((kept, _)) = kept {
                    // Changing what has no meaning here does no harm.
                    live.kept.insert(kept, value);
                    continue;
                }
                let line =
                    format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
                return self.answer_error(key, &line);
            };
            if let Err(why) = (setting.set)(&mut live, &mut settings, &value) {
                let line = format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
                );
                return self.answer_error(key, &line);
            }
        }
        if live.fsync != self.live.fsync && !self.flights.is_empty() {
            let line = "ERR CONFIG SET failed (possibly related to argument 'appendfsync') - commands wait for the disk, try again";
            return self.answer_error(key, line);
        }
        let change = settings.change_of(&self.settings);
        // It is then the only password of the user `default`, or there is none.
        let takes_others = seen.iter().any(|name| name == "requirepass")
            && self
                .users
                .get(User::DEFAULT)
                .is_some_and(|user| !user.is_nopass());
        if (change.is_some() || takes_others)
            && let Some(trouble) = &self.trouble
        {
            let line = trouble.line();
            return self.answer_error(key, &line);
        }
        self.put_in_force(live);
        if takes_others {
            self.take_passwords();
        }
        match change {
            // Within a transaction the answer comes behind the transaction's own record.
            Some(_) if self.is_in_transaction => {
                self.change_settings(settings, None);
                self.with_output(key, |output| output.ok());
            }
            Some(_) => {
                let client = self.connections.get(key).map(|one| (key, one.id));
                self.change_settings(settings, client);
            }
            None => self.with_output(key, |output| output.ok()),
        }
    }

    /// Puts settings in force that no record needs. If the mode of syncing is another, nothing may be in flight.
    pub(crate) fn put_in_force(&mut self, live: Live) {
        if live.fsync != self.live.fsync {
            self.submit();
            self.log.set_fsync(live.fsync);
        }
        let is_other_password = live.password != self.live.password;
        self.live = live;
        if is_other_password {
            self.drops_password_at = None;
            self.users_changed(None);
        }
        self.refusals
            .entries
            .truncate(self.live.acl_log_entries_max);
        self.drop_tracked();
        let wants_missed = self.live.notify.contains(atlas_kv::Class::MISSED);
        self.keyspace.gather_missed(wants_missed);
    }

    /// Makes a record of new settings that commands read, if they differ; whoever asked is answered by its effect.
    pub(crate) fn change_settings(&mut self, settings: Settings, client: Option<(usize, u64)>) {
        let Some(change) = settings.change_of(&self.settings) else {
            return;
        };
        self.settings = settings;
        let proposal = Proposal {
            kind: Kind::Command,
            client,
            database: 0,
            now_ms: self.now_ms,
            needs_seed: false,
            request: Request {
                bytes: change.bytes(),
                ranges: change.ranges(),
            },
            waits: Vec::new(),
            services: &[],
            service_bytes: &[],
            scripted: None,
        };
        // It may change the answer to any command behind it.
        self.propose(&proposal, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_redis_does() {
        for (given, bytes) in [
            ("0", 0),
            ("100", 100),
            ("1k", 1000),
            ("1KB", 1024),
            ("2mb", 2 << 20),
            ("1g", 1_000_000_000),
        ] {
            assert_eq!(memory(given), Ok(bytes), "{given}");
        }
        for wrong in [
            "",
            "mb",
            "-1",
            "1x",
            "99999999999999999999",
            "99999999999gb",
        ] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }
}
