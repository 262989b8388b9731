//! The metrics of control links.

use atlas_runtime::Error;
use atlas_runtime::metrics::{Histogram, IntCounterVec, IntGaugeVec, Registry};

/// The metrics of control links.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(super) links: IntGaugeVec,
    pub(super) dials_failed: IntCounterVec,
    pub(super) round_trip_seconds: Histogram,
    pub(super) messages: IntCounterVec,
}

impl Metrics {
    /// Declares all of them.
    pub(crate) fn declare(registry: &Registry) -> Result<Self, Error> {
        const ROUND_TRIP_SECONDS: [f64; 10] = [
            0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0,
        ];
        Ok(Self {
            links: registry.gauges(
                "atlas_edge_control_links",
                "Open control links, by world and server: 0 or 1 each.",
                &["world", "server"],
            )?,
            dials_failed: registry.counters(
                "atlas_edge_control_dials_failed_total",
                "Dials of control links that came to nothing, by world and server.",
                &["world", "server"],
            )?,
            round_trip_seconds: registry.histogram(
                "atlas_edge_control_round_trip_seconds",
                "Time from a ping on a control link to its pong.",
                &ROUND_TRIP_SECONDS,
            )?,
            messages: registry.counters(
                "atlas_edge_server_messages_total",
                "Messages that servers sent to each other, by outcome (delivered, undeliverable).",
                &["outcome"],
            )?,
        })
    }
}
