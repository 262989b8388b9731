//! The store's metrics: each declared once, here.

use atlas_runtime::Error;
use atlas_runtime::metrics::{Histogram, IntCounter, IntGauge, Registry};

use crate::engine::Engine;

/// The store's metrics; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    connections_total: IntCounter,
    rejected: IntCounter,
    commands: IntCounter,
    errors: IntCounter,
    bytes_in: IntCounter,
    bytes_out: IntCounter,
    records: IntCounter,
    expired: IntCounter,
    evicted: IntCounter,
    output_closed: IntCounter,
    pub(crate) sync_seconds: Histogram,
    connections: IntGauge,
    blocked: IntGauge,
    keys: IntGauge,
    memory_bytes: IntGauge,
    log_bytes: IntGauge,
    in_flight_bytes: IntGauge,
    snapshot_age_seconds: IntGauge,
    writes_refused: IntGauge,
}

impl Metrics {
    /// Declares all of them.
    pub(crate) fn declare(registry: &Registry) -> Result<Self, Error> {
        const SYNC_SECONDS: [f64; 12] = [
            0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0,
        ];
        Ok(Self {
            connections_total: registry
                .counter("atlas_store_connections_total", "Connections accepted.")?,
            rejected: registry.counter(
                "atlas_store_connections_rejected_total",
                "Connections turned away because there were too many.",
            )?,
            commands: registry.counter("atlas_store_commands_total", "Commands received.")?,
            errors: registry.counter(
                "atlas_store_errors_total",
                "Commands answered with an error.",
            )?,
            bytes_in: registry.counter(
                "atlas_store_received_bytes_total",
                "Bytes received from clients.",
            )?,
            bytes_out: registry
                .counter("atlas_store_sent_bytes_total", "Bytes sent to clients.")?,
            records: registry.counter("atlas_store_records_total", "Records made for the log.")?,
            expired: registry.counter(
                "atlas_store_expired_keys_total",
                "Keys removed because their time was over.",
            )?,
            evicted: registry.counter(
                "atlas_store_evicted_keys_total",
                "Keys removed to make room.",
            )?,
            output_closed: registry.counter(
                "atlas_store_slow_clients_closed_total",
                "Clients disconnected because they did not read their answers.",
            )?,
            sync_seconds: registry.histogram(
                "atlas_store_sync_seconds",
                "How long making the log durable took.",
                &SYNC_SECONDS,
            )?,
            connections: registry.gauge("atlas_store_connections", "Clients connected.")?,
            blocked: registry
                .gauge("atlas_store_blocked_clients", "Clients that wait for keys.")?,
            keys: registry.gauge("atlas_store_keys", "Keys in all databases.")?,
            memory_bytes: registry.gauge(
                "atlas_store_memory_bytes",
                "Memory that the process has allocated.",
            )?,
            log_bytes: registry.gauge(
                "atlas_store_log_bytes",
                "What the log's files take on the disk.",
            )?,
            in_flight_bytes: registry.gauge(
                "atlas_store_in_flight_bytes",
                "Commands that wait for the disk.",
            )?,
            snapshot_age_seconds: registry.gauge(
                "atlas_store_snapshot_age_seconds",
                "How long ago the last snapshot was written, or the store started.",
            )?,
            writes_refused: registry.gauge(
                "atlas_store_writes_refused",
                "1 while writes are refused because the log cannot be written.",
            )?,
        })
    }
}

impl Engine {
    /// Adds what was counted since the last time to the metrics.
    pub(crate) fn tell_metrics(&mut self) {
        let (now, told, metrics) = (&self.counts, &self.told, &self.metrics);
        for (counter, now, told) in [
            (
                &metrics.connections_total,
                now.connections,
                told.connections,
            ),
            (&metrics.rejected, now.rejected, told.rejected),
            (&metrics.commands, now.commands, told.commands),
            (&metrics.errors, now.errors, told.errors),
            (&metrics.bytes_in, now.bytes_in, told.bytes_in),
            (&metrics.bytes_out, now.bytes_out, told.bytes_out),
            (&metrics.records, now.records, told.records),
            (&metrics.expired, now.expired, told.expired),
            (&metrics.evicted, now.evicted, told.evicted),
            (
                &metrics.output_closed,
                now.output_closed,
                told.output_closed,
            ),
        ] {
            counter.inc_by(now.saturating_sub(told));
        }
        self.told = self.counts.clone();
        let keys: usize = (0..self.keyspace.database_count())
            .map(|database| self.keyspace.key_counts(database).0)
            .sum();
        metrics.connections.set(self.connections.len() as i64);
        metrics.blocked.set(self.waiting.len() as i64);
        metrics.keys.set(keys as i64);
        metrics.memory_bytes.set(self.memory.used() as i64);
        metrics.log_bytes.set(self.log_bytes as i64);
        metrics.in_flight_bytes.set(self.flights.bytes() as i64);
        let age = self.now_ms / 1000 - self.snapshots.last_seconds();
        metrics.snapshot_age_seconds.set(age.max(0));
        metrics.writes_refused.set(self.trouble.is_some().into());
    }
}
