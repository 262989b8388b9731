//! The other edge, and the end of ours: an edge's task that dies in the middle of a step, and another edge that takes a
//! session over by its own compare-and-set on the same directory.

use atlas_base::Epoch;
use atlas_world::{AttachReason, LinkId, Order, Record, ServerId};

use super::{
    coverage::Fault,
    invariants::Fact,
    link::{Link, Up},
    machine::Kind,
    queue::Happening,
    world::World,
};

/// The edge under test.
pub(super) const OWNER: u64 = 1;

impl World<'_> {
    /// The edge dies: at once, or after some of the commands of its next step.
    pub(super) fn crash_edge(&mut self, player: usize) {
        if self.players[player].session.is_none() {
            return;
        }
        self.strike(Fault::EdgeCrash, player);
        if self.random.chance(5_000) {
            self.players[player].dies_after = Some(self.random.below(4));
        } else {
            self.edge_dies(player);
        }
    }

    /// Nothing more comes of the session; its client and its servers lose their connections.
    pub(super) fn edge_dies(&mut self, player: usize) {
        self.trace
            .line(self.now, || format!("player {player}: the edge DIES"));
        let it = &mut self.players[player];
        it.session = None;
        it.gone = true;
        it.dies_after = None;
        it.begun = None;
        for at in 0..self.players[player].links.len() {
            let index = self.players[player].links[at];
            if self.links[index].edge_has_it {
                self.links[index].edge_has_it = false;
                self.break_link(index, false);
            }
        }
        self.around.forget(player);
        self.see(player, &Fact::EdgeDied);
        if self.random.chance(6_000) {
            // It is started again, or its neighbour notices.
            let at = self.now + self.random.below(8_000);
            self.queue.plan(at, Happening::Rival(player));
        }
    }

    /// Another edge takes the session over, at the server that has it.
    pub(super) fn rival(&mut self, player: usize) {
        if self.healed || self.players[player].links.is_empty() {
            return;
        }
        self.strike(Fault::Rival, player);
        let owner = OWNER + 1 + self.random.below(2);
        let record = match self.players[player].truth {
            Some(record) => record.taken_over(owner),
            // It gives birth to the same session first.
            None => Record {
                server: ServerId(self.session_server(player) as u32),
                epoch: Epoch(1),
                transfer: None,
                owner,
                generation: 1,
                previous: None,
            },
        };
        self.trace
            .line(self.now, || format!("player {player}: RIVAL {record:?}"));
        self.players[player].truth = Some(record);
        self.players[player].excuse.rival = true;
        self.see(player, &Fact::Rival);
        self.see(player, &Fact::Stored { record });
        let server = record.server.0 as usize;
        if self.players[player].kind == Kind::Plain || !self.servers[server].up {
            return;
        }
        let index = self.links.len();
        let mut link = Link::new(player, LinkId(u32::MAX), server);
        link.opened = true;
        link.rival = true;
        link.incarnation = self.servers[server].incarnation;
        self.links.push(link);
        let order = Order::Attach {
            reason: AttachReason::Failover,
            state: None,
            position: None,
        };
        let epoch = record.epoch;
        self.push_up(index, Up::Order { epoch, order });
    }
}
