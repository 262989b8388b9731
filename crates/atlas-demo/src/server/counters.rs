use serde::{Deserialize, Serialize};

use super::config::{Config, LinkMode, Region};
use super::fence::Census;
use crate::tally::Count;

/// What one server counts while it runs.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) open: Gauge,
    pub(super) connections: Count,
    pub(super) messages: Count,
    pub(super) answers: Count,
    pub(super) gaps: Count,
    pub(super) doubles: Count,
    pub(super) unread: Count,
    pub(super) outside: Count,
    pub(super) acted_stale: Count,
    pub(super) not_acting: Count,
    pub(super) refused: Count,
    pub(super) superseded: Count,
    pub(super) leases_lapsed: Count,
    pub(super) attached: Count,
    pub(super) frozen: Count,
    pub(super) adopted: Count,
    pub(super) committed: Count,
    pub(super) aborted: Count,
    pub(super) detached: Count,
    pub(super) preloaded: Count,
    pub(super) checkpoints: Count,
    pub(super) unsupported: Count,
    pub(super) states_damaged: Count,
    pub(super) requested: Count,
    pub(super) requests_done: Count,
    pub(super) requests_failed: Count,
    pub(super) kicked: Count,
    pub(super) positions_told: Count,
    pub(super) messages_sent: Count,
    pub(super) messages_received: Count,
    pub(super) messages_undeliverable: Count,
    pub(super) controls: Count,
    pub(super) drains: Count,
}

/// A number of things that are there now.
#[derive(Debug, Default)]
pub(super) struct Gauge(Count);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a Count);

impl Gauge {
    pub(super) fn hold(&self) -> Held<'_> {
        self.0.add(1);
        Held(&self.0)
    }

    fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

/// What a demo server saw since its start, as `GET /stats` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The server's name.
    pub server: String,
    /// Whether it speaks `atlas.link.v1`.
    pub link: LinkMode,
    /// The part of the world it is meant for.
    pub region: Option<Region>,
    /// WebSockets open now.
    pub connections: u64,
    /// WebSockets opened since the start.
    pub connections_total: u64,
    /// Sessions it is the authority of.
    pub sessions: u64,
    /// Those of them it may act for now: their link is open and their lease runs.
    pub acting: u64,
    /// Sessions that are frozen here.
    pub frozen_now: u64,
    /// Sessions held ready here, not yet committed.
    pub adopted_now: u64,
    /// Sessions whose epoch it remembers, the gone ones included.
    pub remembered: u64,
    /// Data messages it acted on.
    pub messages: u64,
    /// Answers it sent.
    pub answers: u64,
    /// Numbers that never came, over all players.
    pub gaps: u64,
    /// Numbers that came twice or late, over all players.
    pub doubles: u64,
    /// Messages that are none of the game's.
    pub unread: u64,
    /// Positions outside of its region.
    pub outside: u64,
    /// Messages it acted on although a newer epoch was known; the rules make it 0.
    pub acted_stale: u64,
    /// Data messages that came while it was not to act; no effect, no answer.
    pub not_acting: u64,
    /// Attaches, adopts, freezes and commits it refused.
    pub refused: u64,
    /// Links closed because a newer epoch took their session.
    pub superseded: u64,
    /// Times an authority had heard nothing for the length of its lease.
    pub leases_lapsed: u64,
    /// Sessions attached since the start.
    pub attached: u64,
    /// Sessions frozen since the start.
    pub frozen: u64,
    /// Sessions adopted since the start.
    pub adopted: u64,
    /// Sessions committed since the start.
    pub committed: u64,
    /// Freezes and adopts undone since the start.
    pub aborted: u64,
    /// Sessions detached since the start.
    pub detached: u64,
    /// Preload notices since the start.
    pub preloaded: u64,
    /// Checkpoints sent since the start.
    pub checkpoints: u64,
    /// Control messages of types it does not know.
    pub unsupported: u64,
    /// States of players whose padding was not as another server of this game had written it.
    pub states_damaged: u64,
    /// Transfers asked for by this server, because a player asked.
    pub requested: u64,
    /// Those that took the player away.
    pub requests_done: u64,
    /// Those that were refused, superseded, or failed.
    pub requests_failed: u64,
    /// Players it had kicked, because they asked.
    pub kicked: u64,
    /// Positions it told the edge, because a player asked.
    pub positions_told: u64,
    /// Messages sent to other servers, because a player asked.
    pub messages_sent: u64,
    /// Messages of other servers.
    pub messages_received: u64,
    /// Messages of its own that reached nobody.
    pub messages_undeliverable: u64,
    /// Control links since the start.
    pub controls: u64,
    /// Times it was told that it is drained.
    pub drains: u64,
}

impl Stats {
    pub(super) fn new(config: &Config, counters: &Counters, census: Census) -> Self {
        Self {
            server: config.name.clone(),
            link: config.link,
            region: config.region,
            connections: counters.open.get(),
            connections_total: counters.connections.get(),
            sessions: census.authority,
            acting: census.acting,
            frozen_now: census.frozen,
            adopted_now: census.adopted,
            remembered: census.remembered,
            messages: counters.messages.get(),
            answers: counters.answers.get(),
            gaps: counters.gaps.get(),
            doubles: counters.doubles.get(),
            unread: counters.unread.get(),
            outside: counters.outside.get(),
            acted_stale: counters.acted_stale.get(),
            not_acting: counters.not_acting.get(),
            refused: counters.refused.get(),
            superseded: counters.superseded.get(),
            leases_lapsed: counters.leases_lapsed.get(),
            attached: counters.attached.get(),
            frozen: counters.frozen.get(),
            adopted: counters.adopted.get(),
            committed: counters.committed.get(),
            aborted: counters.aborted.get(),
            detached: counters.detached.get(),
            preloaded: counters.preloaded.get(),
            checkpoints: counters.checkpoints.get(),
            unsupported: counters.unsupported.get(),
            states_damaged: counters.states_damaged.get(),
            requested: counters.requested.get(),
            requests_done: counters.requests_done.get(),
            requests_failed: counters.requests_failed.get(),
            kicked: counters.kicked.get(),
            positions_told: counters.positions_told.get(),
            messages_sent: counters.messages_sent.get(),
            messages_received: counters.messages_received.get(),
            messages_undeliverable: counters.messages_undeliverable.get(),
            controls: counters.controls.get(),
            drains: counters.drains.get(),
        }
    }
}
