//! The metrics of registered servers.

use atlas_runtime::Error;
use atlas_runtime::metrics::{IntCounter, IntCounterVec, IntGauge, Registry};

/// The metrics of registered servers.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(super) servers: IntGauge,
    pub(super) registrations: IntCounterVec,
    pub(super) heartbeats: IntCounter,
    pub(super) heartbeats_missed: IntCounterVec,
    pub(super) ended: IntCounterVec,
}

impl Metrics {
    /// Declares all of them.
    pub(crate) fn declare(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            servers: registry.gauge(
                "atlas_edge_registered_servers",
                "Game servers that are registered now.",
            )?,
            registrations: registry.counters(
                "atlas_edge_registrations_total",
                "Registrations that game servers asked for, by outcome (new, again, conflict, refused).",
                &["outcome"],
            )?,
            heartbeats: registry.counter(
                "atlas_edge_heartbeats_total",
                "Heartbeats of registered servers.",
            )?,
            heartbeats_missed: registry.counters(
                "atlas_edge_heartbeats_missed_total",
                "Heartbeats of registered servers that did not come, by world.",
                &["world"],
            )?,
            ended: registry.counters(
                "atlas_edge_registrations_ended_total",
                "Registrations that ended, by world and reason (left, silent, replaced).",
                &["world", "reason"],
            )?,
        })
    }
}
