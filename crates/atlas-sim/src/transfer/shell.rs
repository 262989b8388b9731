//! The edge around the machine: hands events in, performs commands, takes the client's messages.

use atlas_base::Moment;
use atlas_world::{Command, Event, LinkId, Message, Order, Phase};

use super::{
    coverage::Fault, invariants::Fact, link::Up, machine::Kind, player::number, queue::Happening,
    world::World,
};

impl World<'_> {
    /// Hands an event in and performs what comes of it.
    pub(super) fn step(&mut self, player: usize, event: Event) {
        let Some(session) = &mut self.players[player].session else {
            return;
        };
        let before = session.phase();
        self.trace.line(self.now, || {
            format!("player {player} [{before:?}]: {event:?}")
        });
        self.trace.word(self.now);
        let mut commands = std::mem::take(&mut self.commands);
        self.around.player = player;
        session.step(
            Moment::from_millis(self.now),
            event,
            &mut self.around,
            &mut commands,
        );
        self.perform(player, &mut commands);
        self.commands = commands;
        self.stepped(player, before);
    }

    /// The machine took an event, or was begun: what follows from where it stands now.
    pub(super) fn stepped(&mut self, player: usize, before: Phase) {
        let it = &self.players[player];
        let Some(session) = &it.session else {
            return;
        };
        let (phase, forwards) = (session.phase(), session.forwards().is_some());
        let fact = Fact::Stepped {
            phase,
            server: session.server(),
            truth: it.truth,
            pending: it.requests,
        };
        self.see(player, &fact);
        self.check_places(player);
        let it = &mut self.players[player];
        if forwards {
            it.hold_asked = false;
        }
        if phase == Phase::Settled {
            it.excuse.dialled.clear();
        }
        if phase != before && before != Phase::Closed {
            if phase == Phase::Closed {
                self.over(player);
                return;
            }
            if it.begun.is_some() {
                self.strike(Fault::LongInput, player);
            }
            self.entered(player, phase);
        }
        if self.players[player].kind == Kind::Plain {
            self.read_links(player);
        }
    }

    /// The machine is closed: the edge gives up the links that are left.
    fn over(&mut self, player: usize) {
        self.players[player].begun = None;
        for at in 0..self.players[player].links.len() {
            let index = self.players[player].links[at];
            if std::mem::take(&mut self.links[index].edge_has_it) {
                self.push_up(index, Up::Close);
            }
        }
    }

    pub(super) fn perform(&mut self, player: usize, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            if let Some(left) = &mut self.players[player].dies_after {
                if *left == 0 {
                    break;
                }
                *left -= 1;
            }
            self.trace
                .line(self.now, || format!("player {player}    -> {command:?}"));
            self.trace.word(kind(&command));
            if matches!(command, Command::CloseClient { .. }) {
                self.excuse_nobody(player);
            }
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
        if self.players[player].dies_after.is_some() {
            self.edge_dies(player);
        }
    }

    fn perform_one(&mut self, player: usize, command: Command) {
        match command {
            Command::Dial { link, server } => {
                let it = &mut self.players[player];
                it.excuse.dialled.insert(server.0 as usize);
                self.dial(player, link, server);
            }
            Command::Send { link, epoch, order } => {
                let index = self.players[player].links[link.0 as usize];
                self.around_order(player, index, &order);
                self.push_order(player, index, epoch, order);
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
                let late = if self.hits(Fault::LateTimer, player, self.plan.late_timer) {
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
            Command::HoldInput => {
                self.players[player].hold_asked = true;
                self.queue.plan(self.now, Happening::Held(player));
            }
            Command::Ping { link, serial } => {
                let index = self.players[player].links[link.0 as usize];
                self.around_link(player, index);
                self.push_up(index, Up::Ping(serial));
            }
            Command::EndLink { link, code } => {
                let index = self.players[player].links[link.0 as usize];
                self.around_link(player, index);
                self.push_up(index, Up::End(code));
            }
            Command::Replay { link } => {
                let index = self.players[player].links[link.0 as usize];
                self.around_link(player, index);
                for n in self.players[player].recorded.clone() {
                    self.push_up(index, Up::Join(n));
                }
            }
            Command::Promote { .. } => {
                if self.players[player].kind == Kind::Plain {
                    self.given(player);
                }
            }
            Command::NotifyReset { .. } | Command::Ended { .. } | Command::Refused { .. } => {}
        }
    }

    /// A server is given the player.
    pub(super) fn given(&mut self, player: usize) {
        let excuse = &mut self.players[player].excuse;
        excuse.given += 1;
        excuse.given_at = self.now;
    }

    /// Whether every server that would take the player now was dialled since one had it, or is the one it lost.
    fn excuse_nobody(&mut self, player: usize) {
        use atlas_world::{ServerId, Surroundings as _};
        let last = self.session_server(player);
        let dialled = &self.players[player].excuse.dialled;
        let nobody = (0..self.servers.len()).all(|server| {
            server == last
                || dialled.contains(&server)
                || !self.around.may_enter(ServerId(server as u32))
        });
        self.players[player].excuse.nobody = nobody;
    }

    /// A message of the client: straight on if the machine lets it, else through the machine.
    pub(super) fn client_sends(&mut self, player: usize) {
        let now = Moment::from_millis(self.now);
        let it = &mut self.players[player];
        if it.begun.is_some() {
            // It is in the middle of another.
            return;
        }
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
        let Some(link) = session.forwards() else {
            self.step(player, Event::Input(message));
            return;
        };
        session.forwarded(1);
        self.trace
            .line(self.now, || format!("player {player}: forwards {n}"));
        let it = &self.players[player];
        let may_be_long = it.kind == Kind::Plain && n > it.joins;
        if may_be_long && self.hits(Fault::LongInput, player, self.plan.long_input) {
            self.strike(Fault::LongInput, player);
            self.players[player].begun = Some((link, n));
            let at = self.now + self.random.between(1, 1_800);
            self.queue.plan(at, Happening::MessageEnds(player));
            return;
        }
        self.deliver(player, link, &message);
    }

    /// The client ends its message: the rest goes where its beginning went.
    pub(super) fn message_ends(&mut self, player: usize) {
        let Some((link, n)) = self.players[player].begun.take() else {
            return;
        };
        self.trace
            .line(self.now, || format!("player {player}: ends {n}"));
        let index = self.players[player].links[link.0 as usize];
        if self.links[index].edge_has_it {
            self.push_up(index, Up::Data(n));
        }
        self.held(player);
    }

    /// If the machine wants to know that the client stands between two messages, and it does.
    pub(super) fn held(&mut self, player: usize) {
        let it = &mut self.players[player];
        if it.begun.is_none() && std::mem::take(&mut it.hold_asked) {
            self.step(player, Event::InputHeld);
        }
    }

    fn deliver(&mut self, player: usize, link: LinkId, message: &Message) {
        let index = self.players[player].links[link.0 as usize];
        let n = number(message);
        self.push_up(index, Up::Data(n));
        let it = &mut self.players[player];
        if it.kind == Kind::Plain && n <= it.joins && !it.recorded.contains(&n) {
            if it.pinned {
                // It is too long.
                it.recorded.clear();
                it.excuse.pinned = true;
                if let Some(session) = &mut it.session {
                    session.pin();
                }
            } else {
                it.recorded.push(n);
            }
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
