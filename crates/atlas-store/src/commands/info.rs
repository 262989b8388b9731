//! `INFO`: Redis's sections and fields as far as they are true here, and our own.

use std::fmt::Write as _;

use atlas_kv::Reply as _;

use super::connection::REDIS_VERSION;
use crate::connection::Hold;
use crate::door::Request;
use crate::engine::{Engine, Rates};

/// A section's name in a request, its title, and what writes it.
type Section = (&'static str, &'static str, fn(&mut Engine, &mut Fields));

const SECTIONS: [Section; 12] = [
    ("server", "Server", Engine::server_fields),
    ("clients", "Clients", Engine::client_fields),
    ("memory", "Memory", Engine::memory_fields),
    ("persistence", "Persistence", Engine::persistence_fields),
    ("stats", "Stats", Engine::stats_fields),
    ("replication", "Replication", Engine::replication_fields),
    ("cpu", "CPU", Engine::cpu_fields),
    ("commandstats", "Commandstats", Engine::command_fields),
    // Nothing is loaded into the process, and errors are counted together: sections without fields say so.
    ("modules", "Modules", |_, _| {}),
    ("errorstats", "Errorstats", |_, _| {}),
    ("cluster", "Cluster", Engine::cluster_fields),
    ("keyspace", "Keyspace", Engine::keyspace_fields),
];

/// Those that are only shown when they are asked for.
const EXTRA: [&str; 1] = ["commandstats"];

/// The lines of a section.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing into a string cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// A number of bytes, and how Redis shows it beside.
    fn add_bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }
}

impl Engine {
    pub(super) fn info(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let asks = |word: &str| {
            let mut given = arguments.iter().skip(1);
            given.any(|given| given.eq_ignore_ascii_case(word.as_bytes()))
        };
        let asks_all = asks("all") || asks("everything");
        let asks_usual = arguments.len() == 1 || asks("default");
        let is_wanted =
            |name: &str| asks_all || (asks_usual && !EXTRA.contains(&name)) || asks(name);
        let mut text = String::new();
        for (name, title, write) in SECTIONS {
            if !is_wanted(name) {
                continue;
            }
            let mut fields = Fields::default();
            write(self, &mut fields);
            let gap = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{gap}# {title}\r\n{}", fields.0);
        }
        self.with_output(key, |output| output.verbatim("txt", text.as_bytes()));
    }

    fn server_fields(&mut self, fields: &mut Fields) {
        let uptime = self.now.saturating_duration_since(self.started).as_secs();
        fields.add("redis_version", REDIS_VERSION);
        fields.add("redis_git_sha1", "00000000");
        fields.add("redis_git_dirty", 0);
        fields.add("atlas_version", env!("CARGO_PKG_VERSION"));
        fields.add("redis_mode", "standalone");
        fields.add("os", std::env::consts::OS);
        fields.add("arch_bits", usize::BITS);
        fields.add("multiplexing_api", "epoll");
        fields.add("process_id", std::process::id());
        fields.add("process_supervised", "no");
        fields.add("run_id", &self.run_id);
        fields.add("tcp_port", self.listen.port());
        fields.add("server_time_usec", self.now_ms * 1000);
        fields.add("uptime_in_seconds", uptime);
        fields.add("uptime_in_days", uptime / 86_400);
        fields.add("hz", 10);
        fields.add("configured_hz", 10);
        // Seconds in 24 bits, as entries' uses are marked in Redis.
        fields.add("lru_clock", (self.now_ms / 1000) & 0x00ff_ffff);
        let program = std::env::current_exe().unwrap_or_default();
        fields.add("executable", program.display());
        fields.add("config_file", "");
        fields.add("io_threads_active", 0);
    }

    fn client_fields(&mut self, fields: &mut Fields) {
        let waits = |hold: Option<&Hold>| {
            matches!(
                hold,
                Some(Hold::Wait(_) | Hold::Elsewhere(..) | Hold::Paused(_))
            )
        };
        let (mut blocked, mut input, mut output) = (0, 0, 0);
        for (_, connection) in &self.connections {
            blocked += usize::from(waits(connection.hold.as_deref()));
            input = input.max(connection.input.len());
            output = output.max(connection.output.pending());
        }
        fields.add("connected_clients", self.connections.len());
        fields.add("cluster_connections", 0);
        fields.add("maxclients", self.live.clients_max);
        fields.add("client_recent_max_input_buffer", input);
        fields.add("client_recent_max_output_buffer", output);
        fields.add("blocked_clients", blocked);
        fields.add("tracking_clients", self.tracking.clients);
        fields.add("clients_in_timeout_table", self.waiting.len());
        fields.add("watching_keys", self.watches.len());
    }

    fn memory_fields(&mut self, fields: &mut Fields) {
        let (used, peak) = (self.memory.used(), self.memory.peak());
        let resident = self.memory.resident();
        fields.add_bytes("used_memory", used);
        fields.add_bytes("used_memory_rss", resident);
        fields.add_bytes("used_memory_peak", peak);
        fields.add("used_memory_peak_perc", percent(used, peak));
        fields.add_bytes("total_system_memory", self.memory.of_system());
        let scripts = self.keyspace.script_memory();
        let (cached, cached_bytes) = scripts.scripts;
        let (libraries, functions, library_bytes) = scripts.libraries;
        let kept = (cached_bytes + library_bytes) as u64;
        fields.add_bytes("used_memory_lua", scripts.interpreter);
        fields.add_bytes("used_memory_vm_total", scripts.interpreter);
        fields.add_bytes("used_memory_functions", library_bytes as u64);
        fields.add_bytes("used_memory_scripts", scripts.interpreter + kept);
        fields.add_bytes("used_memory_scripts_eval", cached_bytes as u64);
        fields.add("number_of_cached_scripts", cached);
        fields.add("number_of_functions", functions);
        fields.add("number_of_libraries", libraries);
        fields.add_bytes("maxmemory", self.live.maxmemory);
        fields.add("maxmemory_policy", self.live.maxmemory_policy.name());
        let ratio = resident as f64 / used.max(1) as f64;
        fields.add("mem_fragmentation_ratio", format!("{ratio:.2}"));
        let more = resident as i64 - used as i64;
        fields.add("mem_fragmentation_bytes", more);
        fields.add("mem_not_counted_for_evict", 0);
        let clients: usize = self
            .connections
            .iter()
            .map(|(_, one)| one.input.capacity() + one.output.bytes.capacity())
            .sum();
        fields.add("mem_clients_normal", clients);
        fields.add("mem_clients_slaves", 0);
        fields.add("mem_replication_backlog", 0);
        fields.add("mem_aof_buffer", self.batch.bytes());
        fields.add("mem_allocator", "jemalloc");
        fields.add("active_defrag_running", 0);
        fields.add("lazyfree_pending_objects", 0);
        fields.add("lazyfreed_objects", self.counts.freed_elsewhere);
        fields.add("in_flight_bytes", self.flights.bytes());
    }

    fn persistence_fields(&mut self, fields: &mut Fields) {
        let last_error = self.snapshots.last_error();
        let status = if last_error.is_some() { "err" } else { "ok" };
        let is_running = self.snapshots.is_running();
        let changes = self.counts.dirty.saturating_sub(self.snapshots.dirty());
        fields.add("loading", 0);
        fields.add("async_loading", 0);
        fields.add("rdb_changes_since_last_save", changes);
        fields.add("rdb_bgsave_in_progress", u8::from(is_running));
        fields.add("rdb_last_save_time", self.snapshots.last_seconds());
        fields.add("rdb_last_bgsave_status", status);
        fields.add("aof_enabled", 1);
        fields.add("aof_rewrite_in_progress", 0);
        fields.add("aof_rewrite_scheduled", 0);
        fields.add("aof_last_bgrewrite_status", status);
        let written = if self.trouble.is_some() { "err" } else { "ok" };
        fields.add("aof_last_write_status", written);
        fields.add("aof_current_size", self.log_bytes);
        fields.add("log_fsync", self.live.fsync.name());
        fields.add("log_last_index", self.next_index - 1);
        fields.add("log_applied_index", self.applied_index);
        fields.add("log_bytes", self.log_bytes);
        let (syncs, time) = (self.counts.syncs, self.counts.sync_time);
        fields.add("log_syncs", syncs);
        let mean = time.as_micros() / u128::from(syncs.max(1));
        fields.add("log_sync_usec_mean", mean);
        fields.add("snapshot_index", self.snapshots.last_index());
        fields.add("snapshot_bytes", self.snapshots.last_bytes());
        fields.add("snapshot_last_error", last_error.unwrap_or_default());
        let trouble = self.trouble.as_ref().map(crate::log::Trouble::line);
        fields.add("log_trouble", trouble.unwrap_or_default());
    }

    fn stats_fields(&mut self, fields: &mut Fields) {
        let Rates { a_second, .. } = self.rates;
        let [commands, bytes_in, bytes_out] = a_second;
        let counts = &self.counts;
        fields.add("total_connections_received", counts.connections);
        fields.add("total_commands_processed", counts.commands);
        fields.add("instantaneous_ops_per_sec", commands as u64);
        fields.add("total_net_input_bytes", counts.bytes_in);
        fields.add("total_net_output_bytes", counts.bytes_out);
        for (name, bytes) in [("input", bytes_in), ("output", bytes_out)] {
            let kibibytes = bytes / 1024.0;
            fields.add(
                &format!("instantaneous_{name}_kbps"),
                format!("{kibibytes:.2}"),
            );
        }
        fields.add("rejected_connections", counts.rejected);
        fields.add("sync_full", 0);
        fields.add("sync_partial_ok", 0);
        fields.add("sync_partial_err", 0);
        fields.add("expired_keys", counts.expired);
        fields.add("evicted_keys", counts.evicted);
        fields.add("evicted_clients", 0);
        let (hits, misses) = self.keyspace.lookups();
        fields.add("keyspace_hits", hits);
        fields.add("keyspace_misses", misses);
        fields.add("pubsub_channels", self.pubsub.channels.len());
        fields.add("pubsub_patterns", self.pubsub.patterns.len());
        fields.add("pubsubshard_channels", 0);
        // No process is forked, and no connection kept to move keys.
        fields.add("latest_fork_usec", 0);
        fields.add("total_forks", 0);
        fields.add("migrate_cached_sockets", 0);
        fields.add("tracking_total_keys", self.tracking.keys_len());
        fields.add("tracking_total_items", self.tracking.items_len());
        fields.add("tracking_total_prefixes", self.tracking.prefixes_len());
        fields.add("total_error_replies", counts.errors);
        fields.add(
            "client_output_buffer_limit_disconnections",
            counts.output_closed,
        );
        fields.add("total_records", counts.records);
    }

    fn replication_fields(&mut self, fields: &mut Fields) {
        fields.add("role", "master");
        fields.add("connected_slaves", 0);
        fields.add("master_failover_state", "no-failover");
        fields.add("master_replid", &self.run_id);
        fields.add("master_repl_offset", self.applied_index);
    }

    fn cpu_fields(&mut self, fields: &mut Fields) {
        let (user, system) = crate::memory::cpu_seconds();
        fields.add("used_cpu_sys", format!("{system:.6}"));
        fields.add("used_cpu_user", format!("{user:.6}"));
    }

    fn command_fields(&mut self, fields: &mut Fields) {
        for (name, counted) in self.statistics.used() {
            let us = counted.time.as_micros();
            let mean = us as f64 / counted.calls.max(1) as f64;
            fields.add(
                &format!("cmdstat_{name}"),
                format!(
                    "calls={},usec={us},usec_per_call={mean:.2},rejected_calls={},failed_calls={}",
                    counted.calls,
                    counted.rejected,
                    counted.failed - counted.rejected
                ),
            );
        }
    }

    fn cluster_fields(&mut self, fields: &mut Fields) {
        fields.add("cluster_enabled", 0);
    }

    fn keyspace_fields(&mut self, fields: &mut Fields) {
        for database in 0..self.keyspace.database_count() {
            let (keys, expires) = self.keyspace.key_counts(database);
            if keys > 0 {
                fields.add(
                    &format!("db{database}"),
                    format!("keys={keys},expires={expires},avg_ttl=0"),
                );
            }
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

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 * 100.0 / whole.max(1) as f64)
}
