//! The edge's metrics: each declared once, here.

use atlas_runtime::Error;
use atlas_runtime::metrics::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

mod closes;
mod gauges;

pub(crate) use gauges::declare as declare_gauges;

/// Buckets of what is measured on the workers' clock, which counts milliseconds.
const COARSE_SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The edge's metrics; cheap to clone, safe to share.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) connections: IntCounter,
    pub(crate) handshakes_refused: IntCounterVec,
    pub(crate) placements_refused: IntCounterVec,
    pub(crate) dials_failed: IntCounterVec,
    pub(crate) sessions_begun: IntCounterVec,
    pub(crate) messages_in: IntCounter,
    pub(crate) messages_out: IntCounter,
    pub(crate) bytes_in: IntCounter,
    pub(crate) bytes_out: IntCounter,
    pub(crate) frames_refused: IntCounterVec,
    closed_by_edge: IntCounterVec,
    pub(crate) links_lost: IntCounter,
    pub(crate) links_refused: IntCounterVec,
    pub(crate) output_fenced: IntCounter,
    pub(crate) input_lost: IntCounter,
    pub(crate) transfers: IntCounterVec,
    pub(crate) hold_seconds: Histogram,
    pub(crate) first_answer_seconds: Histogram,
    pub(crate) dial_seconds: HistogramVec,
    pub(crate) link_round_trip_seconds: HistogramVec,
    pub(crate) states_replaced: IntCounter,
    pub(crate) health_checks: IntCounterVec,
    pub(crate) discovery_failures: IntCounterVec,
    pub(crate) control: crate::control::Metrics,
    pub(crate) drained: IntCounterVec,
    pub(crate) duplicate_players: IntCounterVec,
    pub(crate) tapped: IntCounterVec,
    pub(crate) registration: crate::discovery::registration::Metrics,
    pub(crate) states_kept: IntCounterVec,
    pub(crate) mirrored: IntCounterVec,
}

impl Metrics {
    /// Declares all of them.
    pub(crate) fn declare(registry: &Registry) -> Result<Self, Error> {
        const HOLD_SECONDS: [f64; 10] =
            [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
        Ok(Self {
            connections: registry
                .counter("atlas_edge_connections_total", "Connections accepted.")?,
            handshakes_refused: registry.counters(
                "atlas_edge_handshakes_refused_total",
                "Connections answered with an HTTP status instead of a WebSocket, by status.",
                &["status"],
            )?,
            placements_refused: registry.counters(
                "atlas_edge_placements_refused_total",
                "New players for whom no server was found, by world.",
                &["world"],
            )?,
            dials_failed: registry.counters(
                "atlas_edge_dials_failed_total",
                "Dials to game servers that came to nothing, by world and server.",
                &["world", "server"],
            )?,
            sessions_begun: registry.counters(
                "atlas_edge_sessions_total",
                "Players joined to a server, by world.",
                &["world"],
            )?,
            messages_in: registry.counter(
                "atlas_edge_messages_in_total",
                "Messages relayed from clients.",
            )?,
            messages_out: registry.counter(
                "atlas_edge_messages_out_total",
                "Messages relayed to clients.",
            )?,
            bytes_in: registry.counter(
                "atlas_edge_in_bytes_total",
                "Bytes relayed from clients, headers included.",
            )?,
            bytes_out: registry.counter(
                "atlas_edge_out_bytes_total",
                "Bytes relayed to clients, headers included.",
            )?,
            frames_refused: registry.counters(
                "atlas_edge_frames_refused_total",
                "Frames that broke a rule of RFC 6455 or a limit, by reason.",
                &["reason"],
            )?,
            closed_by_edge: registry.counters(
                "atlas_edge_clients_closed_total",
                "Clients that the edge closed, by close code and reason (slow-client, rate, message-timeout, ping-timeout, duplicate-player, protocol, kick, drain, stop, server-lost, servers-lost, no-server, no-room).",
                &["code", "reason"],
            )?,
            links_lost: registry.counter(
                "atlas_edge_links_lost_total",
                "Connections to game servers that ended without a close.",
            )?,
            links_refused: registry.counters(
                "atlas_edge_links_refused_total",
                "Links closed because the server broke the link protocol, by server.",
                &["server"],
            )?,
            output_fenced: registry.counter(
                "atlas_edge_output_fenced_total",
                "Messages of servers that were not the player's authority, dropped.",
            )?,
            input_lost: registry.counter(
                "atlas_edge_input_lost_total",
                "Client messages that no surviving state contains, after a failover or because the session ended without a server.",
            )?,
            transfers: registry.counters(
                "atlas_edge_transfers_total",
                "Transfers that ended, by world, reason and outcome (done, aborted, failed).",
                &["world", "reason", "outcome"],
            )?,
            states_replaced: registry.counter(
                "atlas_edge_states_replaced_total",
                "States left out for slow clients because a newer one of the same key waited behind.",
            )?,
            health_checks: registry.counters(
                "atlas_edge_health_checks_total",
                "Health checks of game servers, by world and outcome (well, ill).",
                &["world", "outcome"],
            )?,
            discovery_failures: registry.counters(
                "atlas_edge_discovery_failures_total",
                "Times that a watched file of servers could not be used, by world.",
                &["world"],
            )?,
            hold_seconds: registry.histogram(
                "atlas_edge_transfer_hold_seconds",
                "How long a player's input was held in a transfer that was done.",
                &HOLD_SECONDS,
            )?,
            first_answer_seconds: registry.histogram(
                "atlas_edge_transfer_first_answer_seconds",
                "Time from the first message that a new server gets of a moved player to its first message for the player.",
                &HOLD_SECONDS,
            )?,
            dial_seconds: registry.histograms(
                "atlas_edge_dial_seconds",
                "Time from the dial of a game server to its 101, by world.",
                &["world"],
                &COARSE_SECONDS,
            )?,
            link_round_trip_seconds: registry.histograms(
                "atlas_edge_link_round_trip_seconds",
                "Time from a ping on a player's cooperative link to its pong, by world.",
                &["world"],
                &COARSE_SECONDS,
            )?,
            control: crate::control::Metrics::declare(registry)?,
            mirrored: registry.counters(
                "atlas_edge_mirrored_messages_total",
                "Client messages of worlds with a shadow server, by world and outcome (copied, dropped).",
                &["world", "outcome"],
            )?,
            tapped: registry.counters(
                "atlas_edge_tap_messages_total",
                "Messages for listeners of the tap that have left, by outcome (shown, left-out).",
                &["outcome"],
            )?,
            registration: crate::discovery::registration::Metrics::declare(registry)?,
            drained: registry.counters(
                "atlas_edge_drained_sessions_total",
                "Players of servers that were emptied, by world and outcome (moved, dropped, gone).",
                &["world", "outcome"],
            )?,
            states_kept: registry.counters(
                "atlas_edge_kept_states_total",
                "States that players left behind, by world and what became of them (kept, given, expired, evicted).",
                &["world", "outcome"],
            )?,
            duplicate_players: registry.counters(
                "atlas_edge_duplicate_players_total",
                "Players who came while they were here already, by world and what was done (replaced, refused).",
                &["world", "outcome"],
            )?,
        })
    }

    /// Counts a client that the edge closed.
    pub(crate) fn closed(&self, code: u16, reason: &str) {
        self.closed_by_edge
            .with_label_values(&[code.to_string().as_str(), closes::cause(code, reason)])
            .inc();
    }
}
