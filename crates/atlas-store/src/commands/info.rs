//! `INFO`: Redis's sections and fields, and our own.

use std::fmt::Write as _;

use atlas_kv::Reply as _;

use super::connection::REDIS_VERSION;
use crate::connection::Hold;
use crate::door::Request;
use crate::engine::Engine;

const SECTIONS: [&str; 10] = [
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "commandstats",
    "errorstats",
    "keyspace",
];
/// Those that are only shown when they are asked for.
const EXTRA: [&str; 1] = ["commandstats"];

impl Engine {
    pub(super) fn info(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let mut wanted: Vec<String> = arguments
            .iter()
            .skip(1)
            .map(|section| String::from_utf8_lossy(section).to_lowercase())
            .collect();
        let asks = |word: &str| wanted.iter().any(|one| one == word);
        if asks("all") || asks("everything") {
            wanted = SECTIONS.map(str::to_owned).into();
        } else if wanted.is_empty() || asks("default") {
            let shown = SECTIONS.into_iter().filter(|one| !EXTRA.contains(one));
            wanted.extend(shown.map(str::to_owned));
        }
        let mut text = String::new();
        for section in SECTIONS {
            if wanted.iter().any(|one| one == section) {
                if !text.is_empty() {
                    text.push_str("\r\n");
                }
                self.section(section, &mut text);
            }
        }
        self.with_output(key, |output| output.verbatim("txt", text.as_bytes()));
    }

    fn section(&mut self, section: &str, text: &mut String) {
        let mut title = section.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut field = |name: &str, value: &dyn ToString| {
            fields.push((name.to_owned(), value.to_string()));
        };
        let counts = self.counts.clone();
        match section {
            "server" => {
                title = "Server".to_owned();
                let uptime = self.now.saturating_duration_since(self.started).as_secs();
                field("redis_version", &REDIS_VERSION);
                field("atlas_version", &env!("CARGO_PKG_VERSION"));
                field("redis_mode", &"standalone");
                field("os", &std::env::consts::OS);
                field("arch_bits", &usize::BITS);
                field("multiplexing_api", &"epoll");
                field("process_id", &std::process::id());
                field("run_id", &self.run_id);
                field("tcp_port", &self.listen.port());
                field("server_time_usec", &(self.now_ms * 1000));
                field("uptime_in_seconds", &uptime);
                field("uptime_in_days", &(uptime / 86_400));
                field("hz", &10);
            }
            "clients" => {
                let blocked = self.connections.iter().filter(|(_, one)| {
                    matches!(
                        one.hold.as_deref(),
                        Some(Hold::Wait(_) | Hold::Elsewhere(..) | Hold::Paused(_))
                    )
                });
                field("connected_clients", &self.connections.len());
                field("maxclients", &self.live.clients_max);
                field("blocked_clients", &blocked.count());
                field("watching_keys", &self.watches.len());
                field("pubsub_channels", &self.pubsub.channels.len());
                field("pubsub_patterns", &self.pubsub.patterns.len());
            }
            "memory" => {
                let (used, peak) = (self.memory.used(), self.memory.peak());
                field("used_memory", &used);
                field("used_memory_human", &human(used));
                field("used_memory_rss", &self.memory.resident());
                field("used_memory_peak", &peak);
                field("used_memory_peak_human", &human(peak));
                field("maxmemory", &self.live.maxmemory);
                field("maxmemory_human", &human(self.live.maxmemory));
                field("maxmemory_policy", &self.live.maxmemory_policy.name());
                field("mem_allocator", &"jemalloc");
                field("lazyfree_pending_objects", &0);
                field("in_flight_bytes", &self.flights.bytes());
            }
            "persistence" => {
                let status = if self.snapshots.last_error().is_some() {
                    "err"
                } else {
                    "ok"
                };
                field("loading", &0);
                field(
                    "rdb_changes_since_last_save",
                    &(counts.dirty.saturating_sub(self.snapshots.dirty())),
                );
                field(
                    "rdb_bgsave_in_progress",
                    &i32::from(self.snapshots.is_running()),
                );
                field("rdb_last_save_time", &self.snapshots.last_seconds());
                field("rdb_last_bgsave_status", &status);
                field("aof_enabled", &1);
                field("aof_rewrite_in_progress", &0);
                field("aof_rewrite_scheduled", &0);
                field(
                    "aof_last_write_status",
                    &if self.trouble.is_some() { "err" } else { "ok" },
                );
                field("aof_current_size", &self.log_bytes);
                field("log_fsync", &self.live.fsync.name());
                field("log_last_index", &(self.next_index - 1));
                field("log_applied_index", &self.applied_index);
                field("log_bytes", &self.log_bytes);
                field("log_syncs", &counts.syncs);
                let mean = counts.sync_time.as_micros() / u128::from(counts.syncs.max(1));
                field("log_sync_usec_mean", &mean);
                field("snapshot_index", &self.snapshots.last_index());
                field("snapshot_bytes", &self.snapshots.last_bytes());
                field(
                    "snapshot_last_error",
                    &self.snapshots.last_error().unwrap_or_default(),
                );
                field(
                    "log_trouble",
                    &self
                        .trouble
                        .as_ref()
                        .map(crate::log::Trouble::line)
                        .unwrap_or_default(),
                );
            }
            "stats" => {
                field("total_connections_received", &counts.connections);
                field("total_commands_processed", &counts.commands);
                field("total_net_input_bytes", &counts.bytes_in);
                field("total_net_output_bytes", &counts.bytes_out);
                field("rejected_connections", &counts.rejected);
                field("expired_keys", &counts.expired);
                field("evicted_keys", &counts.evicted);
                let (hits, misses) = self.keyspace.lookups();
                field("keyspace_hits", &hits);
                field("keyspace_misses", &misses);
                field("pubsub_channels", &self.pubsub.channels.len());
                field("pubsub_patterns", &self.pubsub.patterns.len());
                field(
                    "client_output_buffer_limit_disconnections",
                    &counts.output_closed,
                );
                field("total_error_replies", &counts.errors);
                field("total_records", &counts.records);
            }
            "replication" => {
                field("role", &"master");
                field("connected_slaves", &0);
                field("master_replid", &self.run_id);
                field("master_repl_offset", &self.applied_index);
            }
            "cpu" => {
                title = "CPU".to_owned();
                let (user, system) = crate::memory::cpu_seconds();
                field("used_cpu_sys", &format!("{system:.6}"));
                field("used_cpu_user", &format!("{user:.6}"));
            }
            "commandstats" => {
                for (name, counted) in self.statistics.used() {
                    let us = counted.time.as_micros();
                    let mean = us as f64 / counted.calls.max(1) as f64;
                    field(
                        &format!("cmdstat_{name}"),
                        &format!(
                            "calls={},usec={us},usec_per_call={mean:.2},rejected_calls={},failed_calls={}",
                            counted.calls,
                            counted.rejected,
                            counted.failed - counted.rejected
                        ),
                    );
                }
            }
            "keyspace" => {
                for database in 0..self.keyspace.database_count() {
                    let (keys, expires) = self.keyspace.key_counts(database);
                    if keys > 0 {
                        field(
                            &format!("db{database}"),
                            &format!("keys={keys},expires={expires},avg_ttl=0"),
                        );
                    }
                }
            }
            _ => {}
        }
        // Writing into a string cannot fail.
        let _ = write!(text, "# {title}\r\n");
        for (name, value) in fields {
            let _ = write!(text, "{name}:{value}\r\n");
        }
    }
}

/// A number of bytes as Redis shows it.
fn human(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..0x10_0000 => format!("{:.2}K", size / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.2}M", size / 1_048_576.0),
        _ => format!("{:.2}G", size / 1_073_741_824.0),
    }
}
