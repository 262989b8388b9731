//! What the servers do when things arrive, and by themselves.

use atlas_base::Epoch;
use atlas_world::{Answer, Event, Order, ServerId};

use super::{
    coverage::Fault,
    invariants::Fact,
    link::{Down, Up},
    queue::Happening,
    server::Role,
    world::World,
};

impl World<'_> {
    /// The next thing on the link arrives at its server.
    pub(super) fn at_server(&mut self, index: usize) {
        let (player, server) = (self.links[index].player, self.links[index].server);
        let it = &self.servers[server];
        if self.links[index].hung {
            return;
        }
        if !it.up || it.incarnation != self.links[index].incarnation {
            self.links[index].up.pop_front();
            return;
        }
        if it.stalled_until > self.now {
            self.queue
                .plan(it.stalled_until, Happening::AtServer(index));
            return;
        }
        let late_until = self.links[index].late_until;
        if late_until > self.now {
            self.queue.plan(late_until, Happening::AtServer(index));
            return;
        }
        let Some((sent_at, item)) = self.links[index].up.pop_front() else {
            return;
        };
        if self.is_plain(player) {
            self.plain_takes(index, item);
            return;
        }
        let now = self.now;
        let lease_ms = self.lease_ms();
        let seat = &mut self.servers[server].seats[player];
        if seat.link == Some(index) && !matches!(item, Up::Close) {
            seat.heard_at = now;
            seat.heard_sent_at = sent_at;
        }
        match item {
            Up::Close => {
                if seat.link == Some(index) {
                    seat.link = None;
                }
            }
            Up::Data(n) => {
                if seat.link != Some(index) || !seat.acts(now, lease_ms) {
                    return;
                }
                let before = seat.state;
                seat.state.last = n;
                seat.state.applied += 1;
                seat.received += 1;
                let answer = seat.output();
                self.see(player, &Fact::Applied { n, before });
                let think = if self.random.chance(500) {
                    self.random.below(60)
                } else {
                    0
                };
                self.push_down(index, answer, think);
            }
            Up::Order { epoch, order } => self.order_comes(index, sent_at, epoch, order),
            // Only to plain servers.
            Up::Join(_) | Up::Ping(_) | Up::End(_) => {}
        }
    }

    /// An order arrives; now and then it comes twice.
    fn order_comes(&mut self, index: usize, sent_at: u64, epoch: Epoch, order: Order) {
        let player = self.links[index].player;
        let answer = self.ordered(index, sent_at, epoch, &order);
        if self.links[index].rival || matches!(order, Order::Ping) {
            return;
        }
        self.links[index].last_order = Some((epoch, answer));
        if self.hits(Fault::DoubledOrder, player, self.plan.doubled_order) {
            let soon = self.random.below(2) * self.random.below(3_000);
            self.queue
                .plan(self.now + soon, Happening::OrderAgain(index));
        }
    }

    /// The newest order of a link is taken once more: it is answered as before, and changes nothing.
    pub(super) fn order_again(&mut self, index: usize) {
        let link = &self.links[index];
        let player = link.player;
        if self.healed || !self.is_speaking(index) {
            return;
        }
        let Some((epoch, answer)) = link.last_order.clone() else {
            return;
        };
        self.strike(Fault::DoubledOrder, player);
        if let Some(answer) = answer {
            self.answer(index, epoch, answer);
        }
    }

    /// A server takes an order; its answer, which is on its way.
    fn ordered(
        &mut self,
        index: usize,
        sent_at: u64,
        epoch: Epoch,
        order: &Order,
    ) -> Option<Answer> {
        let (player, server) = (self.links[index].player, self.links[index].server);
        let rival = self.links[index].rival;
        let refusable = matches!(
            order,
            Order::Attach { .. }
                | Order::Adopt { .. }
                | Order::Freeze { .. }
                | Order::Commit { .. }
        );
        let refuse = refusable && !rival && self.hits(Fault::Refusal, player, self.plan.refusal);
        if matches!(order, Order::Adopt { .. } | Order::Attach { .. })
            && !rival
            && self.hits(Fault::StaleEpoch, player, self.plan.stale_epoch)
        {
            // As if another edge had tried meanwhile.
            self.strike(Fault::StaleEpoch, player);
            let seat = &mut self.servers[server].seats[player];
            if seat.role == Role::None {
                seat.knows(Epoch(epoch.0 + 2));
            }
        }
        let lease_ms = self.lease_ms();
        let seat = &mut self.servers[server].seats[player];
        let effect = seat.take(index, epoch, order, refuse);
        let state = seat.state;
        if seat.link == Some(index) {
            seat.heard_at = self.now;
            seat.heard_sent_at = sent_at;
        }
        if refuse && matches!(effect.answer, Some(Answer::Refused { newest: None, .. })) {
            self.strike_open(Fault::Refusal, index);
        }
        if let Some(older) = effect.closes {
            self.push_down(older, Down::Close, 0);
            self.links[older].broken = true;
        }
        if effect.acts {
            let fact = Fact::Acts {
                server,
                epoch,
                thawed: matches!(order, Order::Abort { .. }),
                late: self.now >= sent_at + lease_ms + lease_ms / 4,
                other: self.other_acting(player, server),
            };
            self.see(player, &fact);
        }
        if effect.left
            && let Order::Detach { reason, .. } = order
        {
            self.see(
                player,
                &Fact::Left {
                    reason: *reason,
                    state,
                    sent: self.players[player].sent,
                },
            );
        }
        if rival {
            return None;
        }
        let may_speak = self.hits(Fault::Chatter, player, self.plan.chatter);
        if may_speak
            && matches!(
                effect.answer,
                Some(Answer::Attached { .. } | Answer::Adopted { .. } | Answer::Committed { .. })
            )
        {
            // A server that speaks before it may.
            self.strike_silent(index);
            let chatter = Down::Data {
                epoch,
                serial: u64::MAX,
                answers: 0,
            };
            self.push_down(index, chatter, 0);
        }
        let answer = effect.answer?;
        self.answer(index, epoch, answer.clone());
        Some(answer)
    }

    /// A server's answer leaves; it may be late, or double.
    fn answer(&mut self, index: usize, epoch: Epoch, answer: Answer) {
        let player = self.links[index].player;
        let think = if self.hits(Fault::SlowAnswer, player, self.plan.slow_answer) {
            self.strike_open(Fault::SlowAnswer, index);
            self.random.between(200, 2_500)
        } else {
            0
        };
        if self.hits(Fault::DoubledAnswer, player, self.plan.doubled_answer) {
            self.strike_open(Fault::DoubledAnswer, index);
            let answer = answer.clone();
            self.push_down(index, Down::Answer { epoch, answer }, think);
        }
        self.push_down(index, Down::Answer { epoch, answer }, think);
    }

    /// Another server that acts for the player. One that was stalled acts on what it finds in its sockets, whatever
    /// is late by then; its effects are not accepted, which another invariant checks. So what it heard counts from
    /// when it was sent, as the edge counts.
    fn other_acting(&self, player: usize, server: usize) -> Option<usize> {
        let lease_ms = self.lease_ms();
        let margin = lease_ms / 4;
        (0..self.servers.len()).find(|other| {
            let it = &self.servers[*other];
            let seat = &it.seats[player];
            *other != server
                && it.up
                && it.stalled_until <= self.now
                && seat.acts(self.now, lease_ms)
                && self.now < seat.heard_sent_at + lease_ms + margin
        })
    }

    /// Everything a server does without being asked.
    pub(super) fn server_tick(&mut self, server: usize) {
        let at = self.now + self.random.between(100, 500);
        self.queue.plan(at, Happening::ServerTick(server));
        let it = &self.servers[server];
        if !it.up || it.stalled_until > self.now || self.healed {
            return;
        }
        let lease_ms = self.lease_ms();
        for player in 0..self.players.len() {
            let seat = &mut self.servers[server].seats[player];
            let Some(link) = seat.link else { continue };
            if !seat.acts(self.now, lease_ms) {
                continue;
            }
            let epoch = seat.epoch;
            if let Some(every) = self.plan.checkpoint_every_ms
                && self.now >= seat.checkpointed_at + every
            {
                seat.checkpointed_at = self.now;
                let answer = Answer::Checkpoint {
                    state: seat.state.to_state(),
                    received: seat.received,
                    sent: seat.sent,
                };
                self.push_down(link, Down::Answer { epoch, answer }, 0);
            }
            if self.random.chance(3_000) {
                let output = self.servers[server].seats[player].output();
                self.push_down(link, output, 0);
            }
            if self.random.chance(self.plan.server_kick) {
                self.server_kicks(player);
            }
            if self.random.chance(self.plan.request) {
                self.server_asks(player);
            }
        }
        self.plain_tick(server);
    }

    /// The players that have a link to the server.
    fn guests(&self, server: usize) -> Vec<usize> {
        (0..self.players.len())
            .filter(|player| {
                self.open_links(*player)
                    .iter()
                    .any(|index| self.links[*index].server == server)
            })
            .collect()
    }

    /// The server's process or machine dies. `gone`: the machine, so that nothing answers.
    pub(super) fn crash(&mut self, server: usize, gone: bool) {
        if !self.servers[server].up {
            return;
        }
        self.trace.line(self.now, || {
            format!("server {server} CRASHES, machine gone: {gone}")
        });
        for player in self.guests(server) {
            self.strike(Fault::Crash, player);
        }
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            if link.server == server && link.opened && !link.broken {
                link.up.clear();
                if gone {
                    // Silence, until the edge gives the connection up.
                    link.hung = true;
                    let at = self.now + self.random.between(1_000, 8_000);
                    self.queue.plan(at, Happening::Breaks(index));
                } else {
                    self.break_link(index, false);
                }
            }
        }
        self.servers[server].crash(gone);
        let incarnation = self.servers[server].incarnation;
        let down = self.now + self.random.between(200, 12_000);
        self.queue.plan(down, Happening::Restart(server));
        let seen = self.now + self.random.between(300, 6_000);
        self.queue.plan(
            seen,
            Happening::Verdict {
                server,
                incarnation,
            },
        );
    }

    pub(super) fn restart(&mut self, server: usize) {
        if !self.servers[server].up {
            self.trace
                .line(self.now, || format!("server {server} is back"));
            self.servers[server].up = true;
            self.around.healthy[server] = true;
        }
    }

    /// The server stops for a while, with everything open.
    pub(super) fn stall(&mut self, server: usize, span_ms: u64) {
        if !self.servers[server].up || self.servers[server].stalled_until > self.now {
            return;
        }
        self.trace.line(self.now, || {
            format!("server {server} STALLS for {span_ms} ms")
        });
        for player in self.guests(server) {
            self.strike(Fault::Stall, player);
        }
        self.servers[server].stalled_until = self.now + span_ms;
        let seen = self.now + self.random.between(1_000, 6_000);
        let incarnation = self.servers[server].incarnation;
        self.queue.plan(
            seen,
            Happening::Verdict {
                server,
                incarnation,
            },
        );
    }

    /// The health check looks at a server that was in trouble.
    pub(super) fn verdict(&mut self, server: usize, incarnation: u32) {
        let it = &self.servers[server];
        let stalled = it.up && it.stalled_until > self.now;
        if it.incarnation != incarnation || (it.up && !stalled) {
            return;
        }
        let refused = !it.up && !it.machine_gone;
        self.down(server, refused);
        // A stalled server is found well again some time after.
        let well = self.now + self.random.between(1_000, 4_000);
        if stalled {
            let at = well.max(self.servers[server].stalled_until);
            self.queue.plan(at, Happening::Well(server));
        }
    }

    /// The health check's verdict reaches every session.
    pub(super) fn down(&mut self, server: usize, refused: bool) {
        self.trace
            .line(self.now, || format!("verdict: server {server} is down"));
        self.around.healthy[server] = false;
        for player in 0..self.players.len() {
            self.step(
                player,
                Event::ServerDown {
                    server: ServerId(server as u32),
                    refused,
                },
            );
        }
    }
}
