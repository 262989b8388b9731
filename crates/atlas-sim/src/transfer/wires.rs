//! The edge's sockets: dials, what is sent and what arrives, links that break.

use atlas_base::Epoch;
use atlas_world::{Answer, Event, LinkId, Order, Phase, ServerId};

use super::{
    coverage::Fault,
    invariants::Fact,
    link::{Down, Link, Up},
    machine::Kind,
    queue::Happening,
    world::World,
};

impl World<'_> {
    pub(super) fn dial(&mut self, player: usize, id: LinkId, server: ServerId) {
        let index = self.links.len();
        self.links.push(Link::new(player, id, server.0 as usize));
        self.players[player].links.push(index);
        let at = self.now + self.delay();
        self.queue.plan(at, Happening::Dialed(index));
    }

    pub(super) fn dialed(&mut self, index: usize) {
        let (player, server, id) = {
            let link = &self.links[index];
            if !link.edge_has_it {
                return;
            }
            (link.player, link.server, link.id)
        };
        let it = &self.servers[server];
        if !it.up {
            if !it.machine_gone {
                self.links[index].edge_has_it = false;
                let refused = true;
                self.step(player, Event::DialFailed { link: id, refused });
            }
            return;
        }
        if it.stalled_until > self.now {
            // The kernel took the connection; the process answers when it runs again.
            self.queue.plan(it.stalled_until, Happening::Dialed(index));
            return;
        }
        if self.hits(Fault::FailedDial, player, self.plan.failed_dial) {
            self.strike(Fault::FailedDial, player);
            if self.random.chance(5_000) {
                self.links[index].edge_has_it = false;
                let refused = false;
                self.step(player, Event::DialFailed { link: id, refused });
            }
            return;
        }
        self.links[index].opened = true;
        self.links[index].incarnation = self.servers[server].incarnation;
        self.step(player, Event::LinkOpened { link: id });
    }

    pub(super) fn push_up(&mut self, index: usize, item: Up) {
        let delay = self.delay();
        let link = &mut self.links[index];
        if !link.opened || link.broken {
            return;
        }
        link.up_due = link.up_due.max(self.now + delay);
        let due = link.up_due;
        link.up.push_back((self.now, item));
        self.queue.plan(due, Happening::AtServer(index));
    }

    /// A control message leaves; it may be late, and all that follows it on its link.
    pub(super) fn push_order(&mut self, player: usize, index: usize, epoch: Epoch, order: Order) {
        let link = &self.links[index];
        let counts = link.is_open() && !matches!(order, Order::Ping);
        if counts && self.hits(Fault::LateOrder, player, self.plan.late_order) {
            self.strike(Fault::LateOrder, player);
            self.links[index].late_until = self.now + self.random.between(200, 4_000);
        }
        self.push_up(index, Up::Order { epoch, order });
    }

    pub(super) fn push_down(&mut self, index: usize, item: Down, more_delay: u64) {
        let delay = self.delay() + more_delay;
        let link = &mut self.links[index];
        if link.broken || link.rival {
            return;
        }
        link.down_due = link.down_due.max(self.now + delay);
        let due = link.down_due;
        link.down.push_back(item);
        self.queue.plan(due, Happening::AtEdge(index));
    }

    /// The link breaks; what is on its way may still arrive, unless `drop`.
    pub(super) fn break_link(&mut self, index: usize, drop: bool) {
        let link = &mut self.links[index];
        if link.broken && link.hung {
            // Its server had closed it already, which nobody could hear.
            link.hung = false;
            link.up.clear();
            link.down.clear();
            link.down.push_back(Down::Close);
            self.queue.plan(self.now, Happening::AtEdge(index));
        }
        if self.links[index].broken || !self.links[index].opened {
            return;
        }
        let drop = drop || self.links[index].hung;
        let drop_up = drop || self.random.chance(5_000);
        let drop_down = drop || self.random.chance(5_000);
        let link = &mut self.links[index];
        link.hung = false;
        if drop_up {
            link.up.clear();
        }
        if drop_down {
            link.down.clear();
        }
        self.push_up(index, Up::Close);
        let more = self.random.below(50);
        self.push_down(index, Down::Close, more);
        self.links[index].broken = true;
    }

    pub(super) fn at_edge(&mut self, index: usize) {
        let link = &mut self.links[index];
        if link.hung || link.down.is_empty() {
            return;
        }
        if self.players[link.player].kind == Kind::Plain {
            link.unread += 1;
            self.read_link(index);
            return;
        }
        let Some(item) = link.down.pop_front() else {
            return;
        };
        if !link.edge_has_it {
            return;
        }
        let (player, id, server) = (link.player, link.id, link.server);
        match item {
            Down::Close => {
                link.edge_has_it = false;
                self.step(
                    player,
                    Event::LinkClosed {
                        link: id,
                        code: None,
                        reason: String::new(),
                    },
                );
            }
            Down::Answer { epoch, answer } => {
                if let Answer::Kick { code, .. } = &answer {
                    self.players[player].excuse.kicks.push(*code);
                }
                if let Some(session) = &self.players[player].session
                    && session.accepts_output(id)
                    && let Answer::Frozen { received, sent, .. } = &answer
                {
                    let fact = Fact::Counts {
                        server: (*received, *sent),
                        edge: (session.received(), session.sent()),
                    };
                    if epoch > session.epoch() {
                        self.see(player, &fact);
                    }
                }
                self.step(
                    player,
                    Event::Answer {
                        link: id,
                        epoch,
                        answer,
                    },
                );
            }
            Down::Data {
                epoch,
                serial,
                answers,
            } => {
                let Some(session) = &mut self.players[player].session else {
                    return;
                };
                let shown = session.accepts_output(id);
                self.trace.line(self.now, || {
                    let verb = if shown { "shows" } else { "drops" };
                    format!("player {player}: {verb} {serial} of server {server} @{epoch}")
                });
                if shown {
                    session.output(1);
                    let it = &mut self.players[player];
                    it.answered = it.answered.max(answers);
                    self.see(
                        player,
                        &Fact::Shown {
                            server,
                            epoch,
                            serial,
                        },
                    );
                }
            }
            // Only on plain links.
            Down::Pong(_) | Down::End(_) | Down::Cut => {}
        }
    }

    // Plain links are read only while their words are the client's.

    /// Reads what has come on the player's links, as far as it may be read now.
    pub(super) fn read_links(&mut self, player: usize) {
        for at in 0..self.players[player].links.len() {
            let index = self.players[player].links[at];
            self.read_link(index);
        }
    }

    fn read_link(&mut self, index: usize) {
        let (player, id) = (self.links[index].player, self.links[index].id);
        while self.links[index].unread > 0 {
            let Some(session) = &self.players[player].session else {
                return;
            };
            let read = session.accepts_output(id);
            let link = &mut self.links[index];
            if !link.edge_has_it {
                return;
            }
            if !read {
                // A connection that breaks is sometimes noticed before it is read.
                let breaks = matches!(link.down.front(), Some(Down::Close));
                if !breaks || !self.random.chance(3_000) {
                    return;
                }
            }
            let link = &mut self.links[index];
            link.unread -= 1;
            if let Some(item) = link.down.pop_front() {
                self.read_plain(index, item);
            }
        }
    }

    fn read_plain(&mut self, index: usize, item: Down) {
        let link = &mut self.links[index];
        let (player, id, server) = (link.player, link.id, link.server);
        match item {
            Down::Data {
                serial, answers, ..
            } => {
                self.trace.line(self.now, || {
                    format!(
                        "player {player}: shows {serial} of server {server}, link {}",
                        id.0
                    )
                });
                if let Some(session) = &mut self.players[player].session {
                    session.output(1);
                }
                let it = &mut self.players[player];
                it.answered = it.answered.max(answers);
                let older_open = it.links.iter().any(|other| {
                    let other = &self.links[*other];
                    other.id < id && other.opened && other.edge_has_it
                });
                let fact = Fact::PlainShown {
                    link: id,
                    serial,
                    older_open,
                };
                self.see(player, &fact);
            }
            Down::Pong(serial) => self.step(player, Event::Pong { link: id, serial }),
            Down::End(code) => {
                link.edge_has_it = false;
                let (said, kicked) = (link.side.serial, link.side.kicked);
                self.push_up(index, Up::Close);
                self.see(player, &Fact::PlainEnded { link: id, said });
                if kicked {
                    self.players[player].excuse.kicks.push(code);
                }
                let reason = "closed".to_owned();
                self.link_closed(player, id, Some(code), reason);
                if kicked && let Some(session) = &self.players[player].session {
                    let closed = session.phase() == Phase::Closed;
                    self.see(player, &Fact::Kicked { closed });
                }
            }
            Down::Close => {
                link.edge_has_it = false;
                self.link_closed(player, id, None, String::new());
            }
            Down::Cut => {
                link.edge_has_it = false;
                self.players[player].excuse.cut = true;
                self.step(player, Event::LinkCut { link: id });
            }
            // Plain servers send no control messages.
            Down::Answer { .. } => {}
        }
    }

    fn link_closed(&mut self, player: usize, link: LinkId, code: Option<u16>, reason: String) {
        self.step(player, Event::LinkClosed { link, code, reason });
    }
}
