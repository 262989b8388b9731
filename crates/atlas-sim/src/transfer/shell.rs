//! The edge around the machine: hands events in, performs commands, carries links and asks the directory.

use atlas_base::Moment;
use atlas_world::{Answer, Command, Event, LinkId, Message, Order, Outcome, Record, ServerId};

use super::{
    coverage::Fault,
    invariants::Fact,
    link::{Down, Link, Up},
    player::number,
    queue::{Fate, Happening},
    world::World,
};

impl World<'_> {
    /// Hands an event in and performs what comes of it.
    pub(super) fn step(&mut self, player: usize, event: Event) {
        let Some(session) = &mut self.players[player].session else {
            return;
        };
        self.trace.line(self.now, || {
            format!("player {player} [{:?}]: {event:?}", session.phase())
        });
        self.trace.word(self.now);
        let mut commands = std::mem::take(&mut self.commands);
        session.step(
            Moment::from_millis(self.now),
            event,
            &mut self.around,
            &mut commands,
        );
        self.perform(player, &mut commands);
        self.commands = commands;
        let it = &self.players[player];
        if let Some(session) = &it.session {
            let fact = Fact::Stepped {
                phase: session.phase(),
                server: session.server(),
                truth: it.truth,
                pending: it.requests,
                free_place: self.around.taken.iter().all(|taken| *taken >= 0),
            };
            self.see(player, &fact);
        }
    }

    pub(super) fn perform(&mut self, player: usize, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            self.trace
                .line(self.now, || format!("player {player}    -> {command:?}"));
            self.trace.word(kind(&command));
            let excuse = self.players[player].excuse.clone();
            self.see(
                player,
                &Fact::Command {
                    command: &command,
                    excuse: &excuse,
                },
            );
            self.perform_one(player, command);
        }
    }

    fn perform_one(&mut self, player: usize, command: Command) {
        match command {
            Command::Dial { link, server } => self.dial(player, link, server),
            Command::Send { link, epoch, order } => {
                let index = self.players[player].links[link.0 as usize];
                self.around_order(player, index, &order);
                self.push_up(index, Up::Order { epoch, order });
            }
            Command::Deliver { link, message } => self.deliver(player, link, &message),
            Command::CloseLink { link } => {
                let index = self.players[player].links[link.0 as usize];
                self.links[index].edge_has_it = false;
                self.push_up(index, Up::Close);
            }
            Command::CompareAndSet {
                request,
                expected,
                record,
            } => self.request(player, request, expected, Some(record)),
            Command::Read { request } => self.request(player, request, None, None),
            Command::SetTimer { timer, at } => {
                let late = if self.random.chance(self.plan.late_timer) {
                    self.strike(Fault::LateTimer, player);
                    self.random.between(1, 1_500)
                } else {
                    self.random.below(2)
                };
                self.queue
                    .plan(at.as_millis() + late, Happening::Timer(player, timer));
            }
            Command::PauseClient => {
                self.players[player].paused = true;
                self.players[player].slack = self.random.below(3) as u32;
            }
            Command::ResumeClient => self.players[player].paused = false,
            Command::CloseClient { .. } => self.players[player].gone = true,
            Command::Began { .. } => {
                self.transfers += 1;
                if !self.healed {
                    self.around_transfer(player);
                }
            }
            // Of plain links only.
            Command::HoldInput
            | Command::Ping { .. }
            | Command::EndLink { .. }
            | Command::Replay { .. } => {}
            Command::Promote { .. }
            | Command::NotifyReset { .. }
            | Command::Ended { .. }
            | Command::Refused { .. } => {}
        }
    }

    /// A message of the client: straight on if the machine lets it, else through the machine.
    pub(super) fn client_sends(&mut self, player: usize) {
        let now = Moment::from_millis(self.now);
        let it = &mut self.players[player];
        if it.paused {
            // What was read before the pause still comes.
            if it.slack == 0 {
                return;
            }
            it.slack -= 1;
        }
        let (n, message) = it.message();
        let at = it.at;
        if it
            .session
            .as_mut()
            .is_some_and(|session| session.wants_position(now))
        {
            self.step(player, Event::Position { at, velocity: None });
        }
        let Some(session) = &mut self.players[player].session else {
            return;
        };
        match session.forwards() {
            Some(link) => {
                session.forwarded(1);
                self.trace
                    .line(self.now, || format!("player {player}: forwards {n}"));
                self.deliver(player, link, &message);
            }
            None => self.step(player, Event::Input(message)),
        }
    }

    fn deliver(&mut self, player: usize, link: LinkId, message: &Message) {
        let index = self.players[player].links[link.0 as usize];
        self.push_up(index, Up::Data(number(message)));
    }

    // Links.

    fn dial(&mut self, player: usize, id: LinkId, server: ServerId) {
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
        if self.random.chance(self.plan.failed_dial) {
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

    fn push_up(&mut self, index: usize, item: Up) {
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

    pub(super) fn push_down(&mut self, index: usize, item: Down, more_delay: u64) {
        let delay = self.delay() + more_delay;
        let link = &mut self.links[index];
        if link.broken {
            return;
        }
        link.down_due = link.down_due.max(self.now + delay);
        let due = link.down_due;
        link.down.push_back(item);
        self.queue.plan(due, Happening::AtEdge(index));
    }

    /// The link breaks; what is on its way may still arrive, unless `drop`.
    pub(super) fn break_link(&mut self, index: usize, drop: bool) {
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
        if self.links[index].hung {
            return;
        }
        let link = &mut self.links[index];
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
        }
    }

    // The directory.

    fn request(
        &mut self,
        player: usize,
        request: u64,
        expected: Option<Record>,
        record: Option<Record>,
    ) {
        self.players[player].requests += 1;
        if let Some(record) = record
            && (record.transfer.is_some() || record.previous.is_none())
            && record.epoch > self.players[player].excuse.asked_epoch
        {
            let excuse = &mut self.players[player].excuse;
            excuse.asked_epoch = record.epoch;
            excuse.asked_at = self.now;
        }
        let plan = &self.plan;
        let rates = match record {
            Some(_) => [
                (Fault::CasRefused, plan.cas_refused),
                (Fault::CasLost, plan.cas_lost),
                (Fault::CasUnanswered, plan.cas_unanswered),
                (Fault::CasLate, plan.cas_late),
            ],
            None => [(Fault::ReadUnknown, plan.read_unknown); 4],
        };
        let drawn = rates
            .into_iter()
            .find(|(_, rate)| self.random.chance(*rate));
        let mut fault = drawn.map(|(fault, _)| fault);
        if self.now < self.directory_away_until {
            fault = Some(Fault::Outage);
        }
        if let Some(fault) = fault {
            self.strike(fault, player);
        }
        let given_up = self.now + self.random.between(50, 1_500);
        let arrives = self.now + self.delay();
        let plan_at = |at, fate| {
            let happening = Happening::Store {
                player,
                request,
                expected,
                record,
                fate,
            };
            (at, happening)
        };
        let planned = match fault {
            None => plan_at(arrives, Fate::Good),
            Some(Fault::CasRefused) => plan_at(arrives, Fate::Refused),
            Some(Fault::CasUnanswered) => plan_at(arrives, Fate::Unanswered),
            Some(Fault::CasLate) => {
                let late = given_up + self.random.between(1, 6_000);
                plan_at(late, Fate::Late)
            }
            Some(_) => {
                self.players[player].requests -= 1;
                self.unknown(player, request, given_up);
                self.around_unknown(player);
                return;
            }
        };
        if matches!(fault, Some(Fault::CasUnanswered | Fault::CasLate)) {
            self.unknown(player, request, given_up);
            self.around_unknown(player);
        }
        self.queue.plan(planned.0, planned.1);
    }

    fn unknown(&mut self, player: usize, request: u64, at: u64) {
        let outcome = Outcome::Unknown;
        self.queue.plan(
            at,
            Happening::Stored {
                player,
                request,
                outcome,
            },
        );
    }

    pub(super) fn store(
        &mut self,
        player: usize,
        request: u64,
        expected: Option<Record>,
        record: Option<Record>,
        fate: Fate,
    ) {
        let it = &mut self.players[player];
        it.requests -= 1;
        let outcome = match record {
            None => Outcome::Is(it.truth),
            Some(_) if fate == Fate::Refused => Outcome::Lost(it.truth),
            Some(record) if it.truth == expected => {
                it.truth = Some(record);
                Outcome::Won
            }
            Some(_) => Outcome::Lost(it.truth),
        };
        self.trace.line(self.now, || {
            format!("directory, player {player}, request {request} ({fate:?}): {outcome:?}")
        });
        if let (Outcome::Won, Some(record)) = (outcome, record) {
            self.see(player, &Fact::Stored { record });
        }
        if matches!(fate, Fate::Good | Fate::Refused) {
            let at = self.now + self.delay();
            self.queue.plan(
                at,
                Happening::Stored {
                    player,
                    request,
                    outcome,
                },
            );
        }
    }

    /// Whether an order may make a server act.
    pub(super) fn gives(order: &Order) -> bool {
        matches!(order, Order::Attach { .. } | Order::Commit { .. })
    }
}

fn kind(command: &Command) -> u64 {
    match command {
        Command::Dial { link, server } => 1 | u64::from(link.0) << 8 | u64::from(server.0) << 40,
        Command::Send { link, epoch, order } => {
            let order = match order {
                Order::Attach { .. } => 1,
                Order::Detach { .. } => 2,
                Order::Preload { .. } => 3,
                Order::Freeze { .. } => 4,
                Order::Adopt { .. } => 5,
                Order::Commit { .. } => 6,
                Order::Abort { .. } => 7,
                Order::Leaving { .. } => 8,
                Order::TransferResult { .. } => 9,
                Order::Ping => 10,
            };
            2 | order << 8 | u64::from(link.0) << 16 | epoch.0 << 40
        }
        Command::Deliver { link, message } => {
            3 | u64::from(link.0) << 8 | u64::from(number(message)) << 32
        }
        Command::CloseLink { link } => 4 | u64::from(link.0) << 8,
        Command::Promote { link, .. } => 5 | u64::from(link.0) << 8,
        Command::CompareAndSet { record, .. } => 6 | record.epoch.0 << 8,
        Command::Read { request } => 7 | request << 8,
        Command::SetTimer { at, .. } => 8 | at.as_millis() << 8,
        Command::PauseClient => 9,
        Command::ResumeClient => 10,
        Command::CloseClient { code, .. } => 11 | u64::from(*code) << 8,
        Command::NotifyReset { lost_input, .. } => 12 | lost_input << 8,
        Command::Began { to, .. } => 13 | u64::from(to.0) << 8,
        Command::Ended { outcome, .. } => 14 | (*outcome as u64) << 8,
        Command::Refused { ticket, .. } => 15 | ticket << 8,
        Command::HoldInput => 16,
        Command::Ping { link, .. } => 17 | u64::from(link.0) << 8,
        Command::EndLink { link, code } => 18 | u64::from(link.0) << 8 | u64::from(*code) << 40,
        Command::Replay { link } => 19 | u64::from(link.0) << 8,
    }
}
