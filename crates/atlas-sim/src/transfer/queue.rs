//! What will happen, by time; things of the same time in the order they were planned.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use atlas_world::{Outcome, Phase, Timer};

use super::coverage::Fault;

/// What will happen. Players, servers and links are named by their index.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// A new player's first link is open.
    Arrives(usize),
    /// The client may send something.
    Client(usize),
    ClientCloses(usize),
    /// The next thing on the link arrives at its server.
    AtServer(usize),
    /// The next thing on the link arrives at the edge.
    AtEdge(usize),
    /// The link's dial ends.
    Dialed(usize),
    Timer(usize, Timer),
    /// A request reaches the directory.
    Store {
        /// By its index.
        request: usize,
        fate: Fate,
    },
    /// The newest order of a link is taken once more.
    OrderAgain(usize),
    /// The client ends the message that it began.
    MessageEnds(usize),
    /// The client stands between two messages, as the machine wanted to hear.
    Held(usize),
    /// Another edge takes the player's session over.
    Rival(usize),
    /// A fault meant for this phase, if the player's session is still in it.
    Ambush {
        player: usize,
        fault: Fault,
        phase: Phase,
    },
    /// The directory's answer reaches the edge.
    Stored {
        player: usize,
        request: u64,
        outcome: Outcome,
    },
    /// A server's own doings.
    ServerTick(usize),
    /// Something goes wrong for the player.
    Trouble(usize),
    Crash {
        server: usize,
        gone: bool,
    },
    Stall {
        server: usize,
        span_ms: u64,
    },
    Restart(usize),
    /// The health check has seen what it needed; `incarnation` was down, or stalled.
    Verdict {
        server: usize,
        incarnation: u32,
    },
    /// A hung link breaks.
    Breaks(usize),
    /// Faults that come by themselves.
    Weather,
    AdminKick(usize),
    AdminTransfer(usize),
    /// Who is still at the server is asked again to leave.
    DrainGoesOn(usize),
    DrainOver(usize),
    /// The health check finds the server well again.
    Well(usize),
    /// The liveness phase begins.
    Heal,
    /// Every client that is left sends a fresh message.
    Fresh,
    End,
}

/// What becomes of a request to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Good,
    /// It is turned down though it could be done.
    Refused,
    /// It is done, its answer is lost.
    Unanswered,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    order: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The future.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, at: u64, happening: Happening) {
        self.planned += 1;
        self.heap.push(Reverse(Entry {
            at,
            order: self.planned,
            happening,
        }));
    }

    pub(super) fn next(&mut self) -> Option<(u64, Happening)> {
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.happening))
    }
}
