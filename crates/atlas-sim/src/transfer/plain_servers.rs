//! Servers that know nothing of Atlas: an unmodified game server behind a WebSocket.

use atlas_base::Epoch;
use atlas_world::{Phase, PlainOrder};

use super::{
    coverage::Fault,
    invariants::Fact,
    link::{Down, Up},
    world::World,
};

impl World<'_> {
    /// What came on a plain link is read by its server.
    pub(super) fn plain_takes(&mut self, index: usize, item: Up) {
        if self.links[index].side.closed {
            return;
        }
        match item {
            Up::Data(n) => self.plain_hears(index, n, false),
            Up::Join(n) => self.plain_hears(index, n, true),
            Up::Ping(serial) => {
                let player = self.links[index].player;
                if self.hits(Fault::NoPong, player, self.plan.no_pong) {
                    // Else the move that waited for it was given up.
                    self.strike_in(Phase::Freezing, Fault::NoPong, player);
                } else {
                    self.push_down(index, Down::Pong(serial), 0);
                }
            }
            Up::End(code) => {
                let player = self.links[index].player;
                if self.hits(Fault::NoClose, player, self.plan.no_close) {
                    self.strike_in(Phase::Leaving, Fault::NoClose, player);
                    return;
                }
                // Now and then it has a last word.
                if self.random.chance(3_000) {
                    self.plain_output(index);
                }
                self.links[index].side.closed = true;
                self.push_down(index, Down::End(code), 0);
            }
            Up::Close => self.links[index].side.closed = true,
            Up::Order { .. } => {}
        }
    }

    /// A message of the client, or a join that the edge said again.
    fn plain_hears(&mut self, index: usize, n: u32, again: bool) {
        let (player, id) = (self.links[index].player, self.links[index].id);
        let joins = self.players[player].joins;
        let elsewhere = self.players[player].links.iter().copied().find(|other| {
            let it = &self.links[*other];
            *other != index && it.side.present && !it.side.closed && it.edge_has_it
        });
        let link = &self.links[index];
        // What a lost link still brings says nothing.
        let judged = !link.side.present
            && link.edge_has_it
            && self.settings.plain_order == PlainOrder::LeaveFirst;
        let fact = Fact::PlainTook {
            link: id,
            n,
            again,
            joins: (link.side.joins, joins),
            elsewhere: elsewhere
                .filter(|_| judged)
                .map(|other| self.links[other].server),
        };
        let side = &mut self.links[index].side;
        side.present = true;
        if n <= joins {
            side.joins += 1;
        }
        if !again {
            side.last = n;
        }
        self.see(player, &fact);
        self.plain_output(index);
    }

    fn plain_output(&mut self, index: usize) {
        let side = &mut self.links[index].side;
        side.serial += 1;
        let output = Down::Data {
            epoch: Epoch(0),
            serial: side.serial,
            answers: side.last,
        };
        self.push_down(index, output, 0);
    }

    /// A plain server says something by itself.
    pub(super) fn plain_says(&mut self, index: usize) {
        if !self.is_speaking(index) {
            return;
        }
        let link = &self.links[index];
        let player = link.player;
        let silent = self.players[player]
            .session
            .as_ref()
            .is_some_and(|it| !it.accepts_output(link.id));
        if silent {
            self.strike(Fault::Chatter, player);
        }
        self.plain_output(index);
    }

    /// What plain servers do by themselves: they speak, and now and then kick.
    pub(super) fn plain_tick(&mut self, server: usize) {
        for player in 0..self.players.len() {
            for at in 0..self.players[player].links.len() {
                let index = self.players[player].links[at];
                let link = &self.links[index];
                if link.server != server || !link.is_open() || !self.is_plain(player) {
                    continue;
                }
                // A server greets whoever connects, too.
                let rate = if link.side.present { 3_000 } else { 500 };
                if self.random.chance(rate) {
                    self.plain_says(index);
                }
                if self.random.chance(self.plan.server_kick) {
                    self.server_kicks(player);
                }
            }
        }
    }
}
