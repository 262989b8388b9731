//! The run: everything there is, and the loop that lets it happen.

use std::sync::Arc;

use atlas_base::{Moment, Position};
use atlas_world::{Command, Event, LinkId, Phase, ServerId, Settings, Surroundings, Timer};

use super::{
    Options, Outcome,
    around::{Around, STRIP},
    coverage::{Coverage, Fault},
    invariants::{Fact, Oracle},
    link::Link,
    machine::{Kind, Machine},
    plan::{Plan, WEATHER_EVERY_MS},
    player::Player,
    queue::{Happening, Queue},
    server::Server,
    store::Request,
};
use crate::{random::Random, trace::Trace};

/// After healing, everything must have settled by then.
const SETTLE_MS: u64 = 45_000;
/// A fresh message must be answered within this.
const FRESH_MS: u64 = 2_000;
/// A crossing that waited long may begin just before the end: it has so much more.
const LAST_TRANSFER_MS: u64 = 5_000;

pub(super) struct World<'a> {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) queue: Queue,
    pub(super) plan: Plan,
    pub(super) settings: Arc<Settings>,
    pub(super) players: Vec<Player>,
    pub(super) servers: Vec<Server>,
    pub(super) links: Vec<Link>,
    /// Every request to the directory.
    pub(super) requests: Vec<Request>,
    pub(super) around: Around,
    pub(super) oracle: Oracle,
    pub(super) coverage: Coverage,
    pub(super) trace: Trace<'a>,
    /// The edge does nothing until then; then it reads its sockets before its timers.
    pub(super) edge_stalled_until: u64,
    pub(super) directory_away_until: u64,
    pub(super) healed: bool,
    over: bool,
    pub(super) transfers: u64,
    pub(super) violation: Option<String>,
    /// Reused between steps.
    pub(super) commands: Vec<Command>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<super::machine::Bug>,
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, options: &Options, trace: Trace<'a>) -> Self {
        let mut random = Random::new(seed);
        let (plan, settings) = Plan::draw(&mut random, options);
        let sessions = plan.kinds.len();
        let places = Random::new(random.next());
        let around = Around::new(places, sessions, plan.servers, plan.capacity);
        let width = plan.servers as f64 * STRIP;
        let players: Vec<_> = plan
            .kinds
            .iter()
            .map(|kind| {
                let at = Position::new(random.below(width as u64) as f64, 0.0, 0.0);
                let turn = if random.chance(5_000) { 1.0 } else { -1.0 };
                let mut player = Player::new(*kind, at, turn * plan.speed);
                player.joins = random.below(3) as u32;
                player.pinned = random.chance(700);
                player
            })
            .collect();
        let servers = (0..plan.servers).map(|_| Server::new(sessions)).collect();
        Self {
            now: 1,
            random,
            queue: Queue::default(),
            oracle: Oracle::new(&plan.kinds, &settings),
            plan,
            settings: Arc::new(settings),
            players,
            servers,
            links: Vec::new(),
            requests: Vec::new(),
            around,
            coverage: Coverage::default(),
            trace,
            edge_stalled_until: 0,
            directory_away_until: 0,
            healed: false,
            over: false,
            transfers: 0,
            violation: None,
            commands: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            bug: options.bug(),
        }
    }

    pub(super) fn run(mut self, seed: u64, options: &Options) -> Outcome {
        for player in 0..self.players.len() {
            let at = self.now + self.random.below(1_500);
            self.queue.plan(at, Happening::Arrives(player));
        }
        for server in 0..self.servers.len() {
            self.queue.plan(self.now, Happening::ServerTick(server));
        }
        self.queue.plan(self.now, Happening::Weather);
        self.queue
            .plan(self.now + self.plan.span_ms, Happening::Heal);
        let mut events = 0;
        while let Some((at, happening)) = self.queue.next() {
            self.now = self.now.max(at);
            events += 1;
            self.happen(happening);
            if self.violation.is_some() || self.over {
                break;
            }
        }
        let violation = self.violation.map(|text| {
            format!(
                "seed {seed} at {} ms: {text}\nreplay: {}",
                self.now,
                options.replay(seed)
            )
        });
        Outcome {
            trace_hash: self.trace.hash(),
            events,
            transfers: self.transfers,
            sessions: self.players.len(),
            coverage: self.coverage,
            violation,
        }
    }

    fn happen(&mut self, happening: Happening) {
        if self.now < self.edge_stalled_until {
            // Sockets first, in their order; timers after them.
            let later = match happening {
                Happening::AtEdge(_) | Happening::Client(_) | Happening::ClientCloses(_) => 0,
                Happening::Dialed(_) | Happening::Stored { .. } => 0,
                Happening::MessageEnds(_) | Happening::Held(_) => 0,
                Happening::Timer(..) | Happening::AdminKick(_) | Happening::AdminTransfer(_) => 1,
                _ => u64::MAX,
            };
            if later != u64::MAX {
                self.queue.plan(self.edge_stalled_until + later, happening);
                return;
            }
        }
        match happening {
            Happening::Arrives(player) => self.arrives(player),
            Happening::Client(player) => self.client(player),
            Happening::ClientCloses(player) => self.client_closes(player),
            Happening::AtServer(link) => self.at_server(link),
            Happening::AtEdge(link) => self.at_edge(link),
            Happening::Dialed(link) => self.dialed(link),
            Happening::Timer(player, timer) => self.timer(player, timer),
            Happening::Store { request, fate } => self.store(request, fate),
            Happening::OrderAgain(number) => self.order_again(number),
            Happening::MessageEnds(player) => self.message_ends(player),
            Happening::Held(player) => self.held(player),
            Happening::Rival(player) => self.rival(player),
            Happening::Ambush {
                player,
                fault,
                phase,
            } => self.ambush(player, fault, phase),
            Happening::Stored {
                player,
                request,
                outcome,
            } => self.step(player, Event::Directory { request, outcome }),
            Happening::ServerTick(server) => self.server_tick(server),
            Happening::Trouble(player) => {
                if !self.healed {
                    self.some_trouble(player);
                }
            }
            Happening::Crash { server, gone } => {
                if !self.healed {
                    self.crash(server, gone);
                }
            }
            Happening::Stall { server, span_ms } => {
                if !self.healed {
                    self.stall(server, span_ms);
                }
            }
            Happening::Restart(server) => self.restart(server),
            Happening::Verdict {
                server,
                incarnation,
            } => self.verdict(server, incarnation),
            Happening::Breaks(link) => {
                if self.links[link].hung {
                    self.break_link(link, true);
                }
            }
            Happening::Weather => {
                if !self.healed {
                    self.weather();
                    self.queue
                        .plan(self.now + WEATHER_EVERY_MS, Happening::Weather);
                }
            }
            Happening::AdminKick(player) => self.admin_kick(player),
            Happening::AdminTransfer(player) => self.admin_transfer(player),
            Happening::DrainGoesOn(server) => self.drain_goes_on(server),
            Happening::DrainOver(server) => self.drain_over(server),
            Happening::Well(server) => self.around.healthy[server] = self.servers[server].up,
            Happening::Heal => self.heal(),
            Happening::Fresh => {
                for player in 0..self.players.len() {
                    if self.is_present(player) {
                        self.client_sends(player);
                    }
                }
                self.queue.plan(self.now + FRESH_MS, Happening::End);
            }
            Happening::End => {
                if !self.is_early() {
                    self.end();
                    self.over = true;
                }
            }
        }
    }

    fn arrives(&mut self, player: usize) {
        let count = self.servers.len() as u64;
        let server = self.random.below(count) as usize;
        self.around.player = player;
        if !self.servers[server].up || !self.around.reserve(ServerId(server as u32)) {
            // The edge's own placement would choose another; here it comes back later, or never.
            if !self.healed {
                self.queue.plan(self.now + 700, Happening::Arrives(player));
            }
            return;
        }
        let mut link = Link::new(player, LinkId(0), server);
        link.opened = true;
        link.incarnation = self.servers[server].incarnation;
        self.players[player].links.push(self.links.len());
        self.links.push(link);
        self.players[player].moved_at = self.now;
        let mut commands = std::mem::take(&mut self.commands);
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut session = Machine::begin(
            self.players[player].kind,
            player,
            self.settings.clone(),
            ServerId(server as u32),
            Moment::from_millis(self.now),
            &mut commands,
        );
        #[cfg(feature = "planted-bugs")]
        if let Some(bug) = self.bug {
            session.plant(bug);
        }
        self.players[player].session = Some(session);
        self.perform(player, &mut commands);
        self.commands = commands;
        self.stepped(player, Phase::Settled);
        let at = self.now + self.random.below(self.plan.message_every_ms);
        self.queue.plan(at, Happening::Client(player));
    }

    /// The client's turn: it walks and says something, now and then twice at once.
    fn client(&mut self, player: usize) {
        if !self.is_present(player) || self.healed {
            return;
        }
        let every = self.plan.message_every_ms;
        let width = self.servers.len() as f64 * STRIP;
        self.players[player].walk(self.now, width, &mut self.random);
        for _ in 0..=u64::from(self.random.chance(1_000)) {
            self.client_sends(player);
        }
        let at = self.now + self.random.between(1, every * 2);
        self.queue.plan(at, Happening::Client(player));
    }

    pub(super) fn client_closes(&mut self, player: usize) {
        if !self.is_present(player) || self.healed {
            return;
        }
        self.strike(Fault::ClientClose, player);
        self.players[player].gone = true;
        self.players[player].begun = None;
        self.players[player].excuse.gone = true;
        let code = self.random.chance(5_000).then_some(1000);
        self.step(player, Event::ClientClosed { code });
        self.held(player);
    }

    pub(super) fn admin_kick(&mut self, player: usize) {
        if !self.is_present(player) || self.healed {
            return;
        }
        self.strike(Fault::AdminKick, player);
        self.kick(player, 4_001);
    }

    /// The edge is to close the client.
    pub(super) fn kick(&mut self, player: usize, code: u16) {
        let it = &mut self.players[player];
        it.kicked = true;
        it.excuse.kicks.push(code);
        let reason = "asked".to_owned();
        self.step(player, Event::Kick { code, reason });
    }

    fn timer(&mut self, player: usize, timer: Timer) {
        self.trace.word(7);
        self.step(player, Event::Timer(timer));
    }

    pub(super) fn admin_transfer(&mut self, player: usize) {
        if self.healed || self.players[player].session.is_none() {
            return;
        }
        self.strike(Fault::AdminTransfer, player);
        let to = ServerId(self.random.below(self.servers.len() as u64) as u32);
        let reason = match self.random.below(3) {
            0 => atlas_world::Reason::Admin,
            1 => atlas_world::Reason::Balance,
            _ => atlas_world::Reason::Drain,
        };
        let ticket = self.now;
        self.step(player, Event::Transfer { to, reason, ticket });
    }

    /// The liveness phase: everything works from here on.
    fn heal(&mut self) {
        self.trace.line(self.now, || "HEALED".into());
        self.healed = true;
        self.plan.heal();
        self.directory_away_until = self.now;
        self.around.reachable = true;
        self.around.draining.fill(false);
        for server in 0..self.servers.len() {
            self.restart(server);
            self.around.healthy[server] = true;
            let stall = &mut self.servers[server].stalled_until;
            *stall = (*stall).min(self.now);
        }
        for link in 0..self.links.len() {
            if self.links[link].hung {
                self.break_link(link, true);
            }
        }
        self.queue.plan(self.now + SETTLE_MS, Happening::Fresh);
    }

    /// Whether sessions are still on the way and have time left; then the end is put off.
    fn is_early(&mut self) -> bool {
        let on_the_way = self.players.iter().any(|it| {
            it.session
                .as_ref()
                .is_some_and(|session| !matches!(session.phase(), Phase::Settled | Phase::Closed))
        });
        let last = self.plan.span_ms + SETTLE_MS + FRESH_MS + LAST_TRANSFER_MS;
        let early = on_the_way && self.now < last;
        if early {
            self.queue.plan(self.now + 50, Happening::End);
        }
        early
    }

    /// The accounts.
    fn end(&mut self) {
        for player in 0..self.players.len() {
            let it = &self.players[player];
            let Some(session) = &it.session else {
                continue;
            };
            let closed = session.phase() == Phase::Closed;
            let seat = &self.servers[session.server().0 as usize].seats[player];
            let fact = Fact::End {
                closed,
                settled: matches!(session.phase(), Phase::Settled | Phase::Preloading),
                phase: session.phase(),
                paused: it.paused,
                sent: it.sent,
                answered: it.answered,
                kicked: it.kicked,
                state: seat.state,
            };
            self.see(player, &fact);
        }
    }

    /// A settled session has one place, at its server; one that is over has none; nobody gives back what it has not.
    pub(super) fn check_places(&mut self, player: usize) {
        let Some(session) = &self.players[player].session else {
            return;
        };
        let places = &self.around.places[player];
        let server = session.server().0 as usize;
        let wrong = match session.phase() {
            Phase::Closed => places.iter().any(|taken| *taken != 0),
            Phase::Settled | Phase::Preloading => places
                .iter()
                .enumerate()
                .any(|(at, taken)| *taken != i64::from(at == server)),
            _ => places.iter().any(|taken| *taken < 0),
        };
        if wrong && self.violation.is_none() {
            self.violation = Some(format!(
                "places, player {player}: in {:?} at server {server} it has {places:?}",
                session.phase()
            ));
        }
    }

    pub(super) fn is_present(&self, player: usize) -> bool {
        let it = &self.players[player];
        !it.gone
            && it
                .session
                .as_ref()
                .is_some_and(|session| session.phase() != Phase::Closed)
    }

    /// Tells the invariants.
    pub(super) fn see(&mut self, player: usize, fact: &Fact<'_>) {
        if self.violation.is_none() {
            self.violation = self.oracle.see(self.now, player, fact);
        }
    }

    /// A fault strikes `player`.
    pub(super) fn strike(&mut self, fault: Fault, player: usize) {
        if let Some(session) = &self.players[player].session {
            let kind = self.players[player].kind;
            self.coverage.count(kind, fault, session.phase());
            self.trace
                .line(self.now, || format!("player {player}: FAULT {fault:?}"));
        }
    }

    /// The same, if the edge still has the link that it strikes on.
    pub(super) fn strike_open(&mut self, fault: Fault, link: usize) {
        if self.links[link].is_open() {
            self.strike(fault, self.links[link].player);
        }
    }

    /// The same, if the session is in this phase.
    pub(super) fn strike_in(&mut self, phase: Phase, fault: Fault, player: usize) {
        let session = &self.players[player].session;
        if session.as_ref().is_some_and(|it| it.phase() == phase) {
            self.strike(fault, player);
        }
    }

    /// The link's server speaks though it does not have the player.
    pub(super) fn strike_silent(&mut self, link: usize) {
        let it = &self.links[link];
        let silent = self.players[it.player]
            .session
            .as_ref()
            .is_some_and(|session| !session.accepts_output(it.id));
        if silent {
            self.strike_open(Fault::Chatter, link);
        }
    }

    pub(super) fn is_plain(&self, player: usize) -> bool {
        self.players[player].kind == Kind::Plain
    }

    pub(super) fn lease_ms(&self) -> u64 {
        self.settings.lease.as_millis() as u64
    }

    /// How long something is on its way.
    pub(super) fn delay(&mut self) -> u64 {
        let most = self.plan.delay_ms_max;
        if self.random.chance(self.plan.slow_delivery) {
            self.random.between(most, 900)
        } else {
            self.random.between(0, most)
        }
    }
}
