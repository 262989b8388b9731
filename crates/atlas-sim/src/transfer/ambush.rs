//! Faults meant for certain phases: what swarms of random faults meet too seldom is brought about on purpose. A run
//! draws a few pairs of fault and phase; when a session enters such a phase the fault strikes it there.

use atlas_base::Epoch;
use atlas_world::{Answer, Destination, Phase, ServerId};

use super::{
    coverage::{FAULTS, Fault, KINDS, PHASES, impossible, knows, meets},
    link::Down,
    machine::Kind,
    queue::{Fate, Happening},
    server::Role,
    weather::Trouble,
    world::World,
};
use crate::random::Random;

/// At most so many pairs are drawn for a run; what leads to a rare phase comes on top.
const PAIRS_MAX: u64 = 2;

/// Draws what a run with sessions of these kinds aims at.
pub(super) fn draw(random: &mut Random, kinds: &[Kind]) -> Vec<(Kind, Fault, Phase)> {
    let mut possible = Vec::new();
    for (kind, _) in KINDS {
        for (fault, _) in FAULTS {
            for (phase, _) in PHASES {
                if kinds.contains(&kind)
                    && meets(kind, *fault)
                    && knows(kind, phase)
                    && impossible(kind, *fault, phase).is_none()
                {
                    possible.push((kind, *fault, phase));
                }
            }
        }
    }
    let mut drawn = Vec::new();
    for _ in 0..random.between(1, PAIRS_MAX) {
        let pair = possible[random.below(possible.len() as u64) as usize];
        drawn.push(pair);
        drawn.extend(leads(pair));
    }
    drawn
}

/// What has to go wrong before the pair can meet.
fn leads((kind, fault, phase): (Kind, Fault, Phase)) -> Vec<(Kind, Fault, Phase)> {
    let also = |fault, phase| (kind, fault, phase);
    let mut leads = match (kind, phase) {
        (Kind::Cooperative, Phase::Aborting) => {
            vec![
                also(Fault::CasLost, Phase::Deciding),
                also(Fault::LostLink, Phase::Deciding),
            ]
        }
        (Kind::Cooperative, Phase::FailingOver) | (Kind::Plain, Phase::FailingOver) => {
            vec![also(Fault::LostLink, Phase::Settled)]
        }
        _ => Vec::new(),
    };
    match (fault, phase) {
        // A server that refused the birth's epoch is asked again under another.
        (Fault::DoubledOrder | Fault::SlowAnswer | Fault::DoubledAnswer, Phase::Born) => {
            leads.push(also(Fault::StaleEpoch, Phase::Attaching));
        }
        // The other edge's order overtakes ours.
        (Fault::Rival, Phase::Attaching | Phase::FailingOver) => {
            leads.push(also(Fault::LateOrder, phase));
        }
        (Fault::CasLate, phase) if !matches!(phase, Phase::Born | Phase::Deciding) => {
            leads.push(also(Fault::CasLate, Phase::Deciding));
        }
        // Another server is dialled at birth only if the first one is lost.
        (Fault::FailedDial, Phase::Born) => leads.push(also(Fault::LostLink, Phase::Born)),
        // The client's message is under way as its server is lost.
        (Fault::LongInput, Phase::FailingOver) => {
            leads.push(also(Fault::LongInput, Phase::Settled));
        }
        (Fault::LongInput, Phase::Deciding) => {
            leads.push(also(Fault::LongInput, Phase::Preloading));
            leads.push(also(Fault::LostLink, Phase::Freezing));
        }
        // What a source is asked is answered after the transfer was given up.
        (Fault::LateOrder | Fault::Refusal, Phase::Settled | Phase::Preloading) => {
            leads.push(also(Fault::LateOrder, Phase::Freezing));
            leads.push(also(fault, Phase::Freezing));
            leads.push(also(Fault::AdminTransfer, Phase::Settled));
        }
        _ => {}
    }
    leads
}

impl World<'_> {
    /// Whether a fault strikes `player` now, that comes at `rate` or is meant for this phase.
    pub(super) fn hits(&mut self, fault: Fault, player: usize, rate: u64) -> bool {
        self.random.chance(rate) || (self.is_meant(fault, player) && self.random.chance(4_000))
    }

    /// Whether the run aims at this fault in the player's phase.
    pub(super) fn is_meant(&self, fault: Fault, player: usize) -> bool {
        let it = &self.players[player];
        let Some(session) = &it.session else {
            return false;
        };
        self.plan
            .ambushes
            .contains(&(it.kind, fault, session.phase()))
    }

    /// The session entered a phase.
    pub(super) fn entered(&mut self, player: usize, phase: Phase) {
        let kind = self.players[player].kind;
        for index in 0..self.plan.ambushes.len() {
            let (meant, fault, at) = self.plan.ambushes[index];
            if meant != kind || at != phase || !self.random.chance(6_000) {
                continue;
            }
            let soon = match self.random.below(3) {
                0 => self.random.below(self.plan.delay_ms_max * 2 + 2),
                _ => self.random.below(2),
            };
            self.queue.plan(
                self.now + soon,
                Happening::Ambush {
                    player,
                    fault,
                    phase,
                },
            );
        }
    }

    /// The fault strikes, if the session is still where it was meant to.
    pub(super) fn ambush(&mut self, player: usize, fault: Fault, phase: Phase) {
        let there = self.players[player]
            .session
            .as_ref()
            .is_some_and(|session| session.phase() == phase);
        if !there || self.healed {
            return;
        }
        match fault {
            Fault::LostLink => self.trouble(player, Trouble::Loss),
            Fault::HungLink => self.trouble(player, Trouble::Hang),
            Fault::CutMessage => self.trouble(player, Trouble::Cut),
            Fault::Crash => {
                let server = self.some_server(player);
                let gone = self.random.chance(3_000);
                self.crash(server, gone);
            }
            Fault::Stall => {
                let server = self.some_server(player);
                let span = self.random.between(300, 9_000);
                self.stall(server, span);
            }
            Fault::FalseVerdict => {
                let server = self.some_server(player);
                self.false_verdict(server);
            }
            Fault::Drain => {
                let server = self.session_server(player);
                self.drain(server);
            }
            Fault::Outage => self.outage(),
            Fault::EdgeStall => self.stall_edge(),
            Fault::EdgeCrash => self.crash_edge(player),
            Fault::Rival => self.rival(player),
            Fault::ClientClose => self.client_closes(player),
            Fault::AdminKick => self.admin_kick(player),
            Fault::AdminTransfer => self.admin_transfer(player),
            Fault::StaleEpoch => self.stale_epoch(player),
            Fault::ServerKick => self.server_kicks(player),
            Fault::Request => self.server_asks(player),
            Fault::Chatter => self.chatter(player),
            Fault::LongInput if self.is_present(player) => self.client_sends(player),
            Fault::DoubledOrder | Fault::SlowAnswer | Fault::DoubledAnswer => {
                let mut open = self.open_links(player);
                open.retain(|index| self.links[*index].last_order.is_some());
                if !open.is_empty() {
                    let index = open[self.random.below(open.len() as u64) as usize];
                    self.queue.plan(self.now, Happening::OrderAgain(index));
                }
            }
            Fault::LateOrder | Fault::Refusal => self.release_late_orders(player),
            Fault::CasLate => {
                for request in self.players[player].late_requests.clone() {
                    let fate = Fate::Unanswered;
                    self.queue
                        .plan(self.now, Happening::Store { request, fate });
                }
            }
            // These strike where something is asked, answered or set.
            Fault::LongInput
            | Fault::NoPong
            | Fault::NoClose
            | Fault::FailedDial
            | Fault::CasRefused
            | Fault::CasLost
            | Fault::CasUnanswered
            | Fault::ReadUnknown
            | Fault::LateTimer => {}
        }
    }

    /// What was held back on the player's links goes on.
    fn release_late_orders(&mut self, player: usize) {
        for at in 0..self.players[player].links.len() {
            let index = self.players[player].links[at];
            if self.links[index].late_until > self.now {
                self.links[index].late_until = self.now;
                for _ in 0..self.links[index].up.len() {
                    self.queue.plan(self.now, Happening::AtServer(index));
                }
            }
        }
    }

    /// The server of one of the player's open links, or the session's.
    fn some_server(&mut self, player: usize) -> usize {
        let open = self.open_links(player);
        if open.is_empty() {
            return self.session_server(player);
        }
        let index = open[self.random.below(open.len() as u64) as usize];
        self.links[index].server
    }

    pub(super) fn session_server(&self, player: usize) -> usize {
        self.players[player]
            .session
            .as_ref()
            .map_or(0, |it| it.server().0 as usize)
    }

    /// The player's links that something can still come over.
    pub(super) fn open_links(&self, player: usize) -> Vec<usize> {
        self.players[player]
            .links
            .iter()
            .copied()
            .filter(|index| self.links[*index].is_open())
            .collect()
    }

    /// Whether the link's server can say something on it now.
    pub(super) fn is_speaking(&self, index: usize) -> bool {
        let link = &self.links[index];
        let server = &self.servers[link.server];
        link.is_open()
            && server.up
            && server.stalled_until <= self.now
            && server.incarnation == link.incarnation
            && !link.side.closed
    }

    /// One of the player's open links whose server can say something now.
    fn speaking_link(&mut self, player: usize) -> Option<usize> {
        let mut open = self.open_links(player);
        open.retain(|index| self.is_speaking(*index));
        if open.is_empty() {
            return None;
        }
        Some(open[self.random.below(open.len() as u64) as usize])
    }

    /// A server of the player's kicks it.
    pub(super) fn server_kicks(&mut self, player: usize) {
        let Some(link) = self.speaking_link(player) else {
            return;
        };
        self.strike(Fault::ServerKick, player);
        if self.players[player].kind == Kind::Plain {
            self.links[link].side.closed = true;
            self.links[link].side.kicked = true;
            self.push_down(link, Down::End(4_000), 0);
            return;
        }
        let server = self.links[link].server;
        let epoch = self.servers[server].seats[player].epoch;
        let answer = Answer::Kick {
            code: 4_000,
            reason: "kicked".into(),
        };
        self.push_down(link, Down::Answer { epoch, answer }, 0);
    }

    /// A server of the player's asks for a transfer.
    pub(super) fn server_asks(&mut self, player: usize) {
        let Some(link) = self.speaking_link(player) else {
            return;
        };
        self.strike(Fault::Request, player);
        let to = match self.random.below(3) {
            0 => Destination::Unknown,
            1 => Destination::Position(atlas_base::Position::new(10.0, 0.0, 0.0)),
            _ => Destination::Server(ServerId(self.random.below(self.servers.len() as u64) as u32)),
        };
        let answer = Answer::TransferRequest {
            id: "request".into(),
            to,
            reason: "game".into(),
        };
        let server = self.links[link].server;
        let epoch = self.servers[server].seats[player].epoch;
        self.push_down(link, Down::Answer { epoch, answer }, 0);
    }

    /// A server that does not have the player speaks to it.
    fn chatter(&mut self, player: usize) {
        let open = self.open_links(player);
        let silent = open.into_iter().find(|index| {
            let link = &self.links[*index];
            // One that the player is given, or given back, while the words are on their way is heard.
            let seat = &self.servers[link.server].seats[player];
            !matches!(seat.role, Role::Acting | Role::Frozen { .. })
                && self.players[player]
                    .session
                    .as_ref()
                    .is_some_and(|it| !it.accepts_output(link.id))
        });
        let Some(link) = silent else { return };
        if self.players[player].kind == Kind::Plain {
            self.plain_says(link);
            return;
        }
        self.strike(Fault::Chatter, player);
        let chatter = Down::Data {
            epoch: Epoch(0),
            serial: u64::MAX,
            answers: 0,
        };
        self.push_down(link, chatter, 0);
    }

    /// As if another edge had tried at one of the player's servers meanwhile.
    fn stale_epoch(&mut self, player: usize) {
        // One that holds the player would have been fenced by such an attempt: that is the other edge's business.
        let idle: Vec<_> = (0..self.servers.len())
            .filter(|server| self.servers[*server].seats[player].role == Role::None)
            .collect();
        if idle.is_empty() {
            return;
        }
        let server = idle[self.random.below(idle.len() as u64) as usize];
        self.strike(Fault::StaleEpoch, player);
        let newest = self.players[player]
            .session
            .as_ref()
            .map_or(0, |it| it.epoch().0);
        let ahead = newest + self.random.between(1, 4);
        self.servers[server].seats[player].knows(Epoch(ahead));
    }
}
