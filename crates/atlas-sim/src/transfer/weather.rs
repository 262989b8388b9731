//! Faults: some come by themselves, most strike where something is under way.

use atlas_world::{Event, Order, ServerId};

use super::{coverage::Fault, queue::Happening, world::World};

impl World<'_> {
    /// Faults that come by themselves, a little of each.
    pub(super) fn weather(&mut self) {
        let player = self.random.below(self.players.len() as u64) as usize;
        let server = self.random.below(self.servers.len() as u64) as usize;
        if self.random.chance(self.plan.lost_link) {
            self.trouble(player, Trouble::Loss);
        }
        if self.random.chance(self.plan.hung_link) {
            self.trouble(player, Trouble::Hang);
        }
        if self.random.chance(self.plan.crash / 2) {
            let gone = self.random.chance(3_000);
            self.crash(server, gone);
        }
        if self.random.chance(self.plan.stall / 2) {
            let span = self.random.between(300, 9_000);
            self.stall(server, span);
        }
        if self.random.chance(self.plan.outage) {
            let span = self.random.between(200, 9_000);
            self.directory_away_until = self.now + span;
            self.around.reachable = self.random.chance(5_000);
        } else if self.now >= self.directory_away_until {
            self.around.reachable = true;
        }
        if self.random.chance(self.plan.edge_stall) {
            self.stall_edge();
        }
        if self.random.chance(self.plan.false_verdict) && self.servers[server].up {
            for player in 0..self.players.len() {
                let session = &self.players[player].session;
                if session
                    .as_ref()
                    .is_some_and(|it| it.server() == ServerId(server as u32))
                {
                    self.strike(Fault::FalseVerdict, player);
                }
            }
            self.down(server, false);
            let well = self.now + self.random.between(100, 5_000);
            self.queue.plan(well, Happening::Well(server));
        }
        if self.random.chance(self.plan.drain) && !self.around.draining[server] {
            self.drain(server);
        }
        if self.random.chance(self.plan.admin_transfer) {
            self.queue.plan(self.now, Happening::AdminTransfer(player));
        }
        if self.random.chance(self.plan.admin_kick / 4) {
            self.queue.plan(self.now, Happening::AdminKick(player));
        }
        if self.random.chance(self.plan.client_close / 4) {
            self.queue.plan(self.now, Happening::ClientCloses(player));
        }
    }

    /// Every player of the server is asked to leave.
    fn drain(&mut self, server: usize) {
        self.trace
            .line(self.now, || format!("server {server} is drained"));
        self.around.draining[server] = true;
        let over = self.now + self.random.between(500, 15_000);
        self.queue.plan(over, Happening::DrainOver(server));
        for player in 0..self.players.len() {
            let sits = self.players[player]
                .session
                .as_ref()
                .is_some_and(|it| it.server() == ServerId(server as u32));
            if sits {
                self.strike(Fault::Drain, player);
                let to = ServerId(self.random.below(self.servers.len() as u64) as u32);
                let reason = atlas_world::Reason::Drain;
                let ticket = self.now;
                self.step(player, Event::Transfer { to, reason, ticket });
            }
        }
    }

    /// A transfer began: a good moment for ends and questions that come at the wrong time.
    pub(super) fn around_transfer(&mut self, player: usize) {
        let soon = self.now + self.random.below(self.plan.delay_ms_max * 6 + 5);
        if self.random.chance(self.plan.client_close) {
            self.queue.plan(soon, Happening::ClientCloses(player));
        }
        if self.random.chance(self.plan.admin_kick) {
            self.queue.plan(soon, Happening::AdminKick(player));
        }
        if self.random.chance(self.plan.admin_transfer) {
            self.queue.plan(soon, Happening::AdminTransfer(player));
        }
        if self.random.chance(self.plan.client_close) {
            // The directory goes away while it is needed.
            self.directory_away_until = soon + self.random.between(100, 3_000);
        }
    }

    /// An order leaves on a link: a good moment for the link or its server to fail.
    pub(super) fn around_order(&mut self, player: usize, link: usize, order: &Order) {
        if Self::gives(order) {
            let excuse = &mut self.players[player].excuse;
            excuse.given += 1;
            excuse.given_at = self.now;
        }
        if matches!(order, Order::Ping | Order::Detach { .. }) {
            return;
        }
        let it = &self.links[link];
        if !it.opened || it.broken || it.hung {
            return;
        }
        let server = it.server;
        let soon = self.random.below(self.plan.delay_ms_max * 3 + 3);
        if self.random.chance(self.plan.lost_link) {
            self.strike(Fault::LostLink, player);
            self.links[link].hung = true;
            self.queue.plan(self.now + soon, Happening::Breaks(link));
        }
        if self.random.chance(self.plan.hung_link) {
            self.strike(Fault::HungLink, player);
            self.links[link].hung = true;
            let at = self.now + self.random.between(200, 8_000);
            self.queue.plan(at, Happening::Breaks(link));
        }
        if self.random.chance(self.plan.crash) {
            let gone = self.random.chance(3_000);
            self.queue
                .plan(self.now + soon, Happening::Crash { server, gone });
        }
        if self.random.chance(self.plan.stall) {
            let span_ms = self.random.between(300, 9_000);
            self.queue
                .plan(self.now + soon, Happening::Stall { server, span_ms });
        }
        // The other end of the transfer, if there is one, fails too now and then.
        if self.random.chance(self.plan.lost_link / 2) {
            self.trouble(player, Trouble::Loss);
        }
    }

    /// An outcome will be unknown: a good moment for the target to fail, so that the attempt has to be undone.
    pub(super) fn around_unknown(&mut self, player: usize) {
        let Some(link) = self.players[player].links.last().copied() else {
            return;
        };
        let it = &self.links[link];
        if it.opened && !it.broken && !it.hung && self.random.chance(self.plan.lost_link * 5) {
            self.strike(Fault::LostLink, player);
            self.links[link].hung = true;
            let soon = self.random.below(self.plan.delay_ms_max * 20);
            self.queue.plan(self.now + soon, Happening::Breaks(link));
        }
        // And for more to go wrong while it is undone.
        if self.random.chance(self.plan.lost_link * 5) {
            let soon = self.now + self.random.between(50, 2_000);
            self.queue.plan(soon, Happening::Trouble(player));
        }
    }

    /// Something goes wrong for the player.
    pub(super) fn some_trouble(&mut self, player: usize) {
        let server = self.players[player]
            .session
            .as_ref()
            .map_or(0, |it| it.server().0 as usize);
        match self.random.below(8) {
            0 => self.trouble(player, Trouble::Loss),
            1 => self.trouble(player, Trouble::Hang),
            2 if self.plan.crash > 0 => self.crash(server, false),
            3 if self.plan.stall > 0 => {
                let span = self.random.between(300, 9_000);
                self.stall(server, span);
            }
            4 if self.plan.client_close > 0 => {
                self.queue.plan(self.now, Happening::ClientCloses(player));
            }
            5 if self.plan.admin_kick > 0 => {
                self.queue.plan(self.now, Happening::AdminKick(player));
            }
            6 => self.queue.plan(self.now, Happening::AdminTransfer(player)),
            _ if self.plan.edge_stall > 0 => self.stall_edge(),
            _ => {}
        }
    }

    fn stall_edge(&mut self) {
        for player in 0..self.players.len() {
            self.strike(Fault::EdgeStall, player);
        }
        let span = self.random.between(100, 7_000);
        self.edge_stalled_until = self.now + span;
    }

    /// One of the player's open links fails.
    fn trouble(&mut self, player: usize, trouble: Trouble) {
        let open: Vec<usize> = self.players[player]
            .links
            .iter()
            .copied()
            .filter(|index| {
                let link = &self.links[*index];
                link.opened && link.edge_has_it && !link.broken && !link.hung
            })
            .collect();
        if open.is_empty() {
            return;
        }
        let index = open[self.random.below(open.len() as u64) as usize];
        match trouble {
            Trouble::Loss => {
                self.strike(Fault::LostLink, player);
                self.break_link(index, false);
            }
            Trouble::Hang => {
                self.strike(Fault::HungLink, player);
                self.links[index].hung = true;
                let at = self.now + self.random.between(200, 8_000);
                self.queue.plan(at, Happening::Breaks(index));
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Loss,
    Hang,
}
