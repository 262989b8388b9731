//! Faults: some come by themselves, most strike where something is under way.

use atlas_world::{Event, Order, ServerId};

use super::{coverage::Fault, link::Down, queue::Happening, world::World};

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
            self.outage();
        } else if self.now >= self.directory_away_until {
            self.around.reachable = true;
        }
        if self.random.chance(self.plan.edge_stall) {
            self.stall_edge();
        }
        if self.random.chance(self.plan.edge_crash) {
            self.crash_edge(player);
        }
        if self.random.chance(self.plan.rival) {
            self.rival(player);
        }
        if self.random.chance(self.plan.cut) {
            self.trouble(player, Trouble::Cut);
        }
        if self.random.chance(self.plan.false_verdict) {
            self.false_verdict(server);
        }
        if self.random.chance(self.plan.drain) {
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

    /// The directory answers nothing for a while.
    pub(super) fn outage(&mut self) {
        let span = self.random.between(200, 9_000);
        self.directory_away_until = self.now + span;
        self.around.reachable = self.random.chance(5_000);
        for player in 0..self.players.len() {
            self.strike(Fault::Outage, player);
        }
    }

    /// The health check gives up a server that is well.
    pub(super) fn false_verdict(&mut self, server: usize) {
        if !self.servers[server].up {
            return;
        }
        for player in 0..self.players.len() {
            if self.sits(player, server) {
                self.strike(Fault::FalseVerdict, player);
            }
        }
        self.down(server, false);
        let well = self.now + self.random.between(100, 5_000);
        self.queue.plan(well, Happening::Well(server));
    }

    fn sits(&self, player: usize, server: usize) -> bool {
        self.players[player]
            .session
            .as_ref()
            .is_some_and(|it| it.server() == ServerId(server as u32))
    }

    /// Every player of the server is asked to leave.
    pub(super) fn drain(&mut self, server: usize) {
        if self.around.draining[server] {
            return;
        }
        self.trace
            .line(self.now, || format!("server {server} is drained"));
        self.around.draining[server] = true;
        let over = self.now + self.random.between(500, 15_000);
        self.queue.plan(over, Happening::DrainOver(server));
        for player in 0..self.players.len() {
            if self.sits(player, server) {
                self.strike(Fault::Drain, player);
            }
        }
        self.drain_goes_on(server);
    }

    pub(super) fn drain_goes_on(&mut self, server: usize) {
        if !self.around.draining[server] {
            return;
        }
        for player in 0..self.players.len() {
            if self.sits(player, server) && self.is_present(player) {
                let to = ServerId(self.random.below(self.servers.len() as u64) as u32);
                let reason = atlas_world::Reason::Drain;
                let ticket = self.now;
                self.step(player, Event::Transfer { to, reason, ticket });
            }
        }
        let again = self.now + self.random.between(300, 1_500);
        self.queue.plan(again, Happening::DrainGoesOn(server));
    }

    /// The drain was stopped, or its deadline has come: then whoever is left is closed.
    pub(super) fn drain_over(&mut self, server: usize) {
        let deadline = self.random.chance(5_000) && !self.healed;
        for player in 0..self.players.len() {
            if deadline && self.sits(player, server) && self.is_present(player) {
                self.kick(player, 1012);
            }
        }
        self.around.draining[server] = false;
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
            self.given(player);
        }
        if matches!(order, Order::Ping | Order::Detach { .. }) {
            return;
        }
        self.around_link(player, link);
    }

    /// Something that matters leaves on a link: a good moment for the link or its server to fail.
    pub(super) fn around_link(&mut self, player: usize, link: usize) {
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

    pub(super) fn stall_edge(&mut self) {
        for player in 0..self.players.len() {
            self.strike(Fault::EdgeStall, player);
        }
        let span = self.random.between(100, 7_000);
        self.edge_stalled_until = self.now + span;
    }

    /// One of the player's open links fails.
    pub(super) fn trouble(&mut self, player: usize, trouble: Trouble) {
        let mut open = self.open_links(player);
        if let (Trouble::Cut, Some(session)) = (trouble, &self.players[player].session) {
            // What is not read cannot be cut.
            let plain = self.is_plain(player);
            open.retain(|index| plain && session.accepts_output(self.links[*index].id));
        }
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
            Trouble::Cut => {
                if self.links[index].side.closed {
                    return;
                }
                self.strike(Fault::CutMessage, player);
                self.push_down(index, Down::Cut, 0);
                self.links[index].broken = true;
                self.links[index].up.clear();
                self.links[index].side.closed = true;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// It is lost.
    Loss,
    /// Nothing arrives any more, until it is lost.
    Hang,
    /// It is lost in the middle of a message to the client.
    Cut,
}
