//! Balance moves: which server should give players to which other, how many now, and who goes together.
//!
//! Pure and without a world of its own: once a second the edge's control plane hands the servers' counts to
//! [`Balancer::plan`], chooses the players of each [`Move`] with [`pick`], and asks their sessions for a transfer with
//! [`Reason::Balance`](crate::Reason::Balance) (which respects each session's own least interval). A server that a
//! region binds its players to neither gives nor takes: a move would be undone by the next step of the player.

use std::{collections::BTreeMap, time::Duration};

use atlas_base::{Moment, SessionId};

use crate::ServerId;

/// What makes a server too full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// Its sessions, as a share of its capacity.
    #[default]
    Sessions,
    /// The load that it reports.
    Load,
}

/// The rules of a world's balance moves: `[world.NAME.moves]` in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What makes a server too full.
    pub by: By,
    /// A server filled past this share gives players away, 0 to 1.
    pub high_water: f64,
    /// Until it is filled no further than this. No server is filled past it by moves.
    pub low_water: f64,
    /// At most so many players of the world are moved a second.
    pub per_second: f64,
    /// So long after it gave its last, a server does not begin to give again.
    pub cool_down: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            by: By::Sessions,
            high_water: 0.9,
            low_water: 0.7,
            per_second: 10.0,
            cool_down: Duration::from_secs(30),
        }
    }
}

/// A server as it stands now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Which.
    pub server: ServerId,
    /// How many sessions it has, those on their way to it included.
    pub sessions: u32,
    /// How many it takes; none: as many as come. Such a one is never too full by sessions.
    pub capacity: Option<u32>,
    /// The load it reported last, 0 idle to 1 full; none if it reports none. Such a one is never too full by load.
    pub load: Option<f64>,
    /// Whether players may be moved away: it is no region's owner, and does not drain (which moves them anyway).
    pub gives: bool,
    /// Whether players may be moved to it: it is no region's owner, healthy, active.
    pub takes: bool,
}

impl Standing {
    /// How full it is by `by`; none where that cannot be said.
    fn fill(&self, by: By) -> Option<f64> {
        match by {
            By::Sessions => self
                .capacity
                .map(|capacity| f64::from(self.sessions) / f64::from(capacity.max(1))),
            By::Load => self
                .load
                .filter(|load| load.is_finite())
                .map(|load| load.max(0.0)),
        }
    }
}

/// Players to be moved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// From here.
    pub from: ServerId,
    /// To there.
    pub to: ServerId,
    /// So many.
    pub players: u32,
}

/// One world's balance moves, remembered from second to second.
#[derive(Debug, Default)]
pub struct Balancer {
    givers: BTreeMap<ServerId, Giver>,
    /// How many players may be moved now.
    credit: f64,
    planned_at: Option<Moment>,
}

/// A server that gives, or gave, players away.
#[derive(Debug)]
struct Giver {
    giving: bool,
    /// When it gave its last.
    gave_at: Moment,
    /// The load of the last report, and how many of so many sessions were moved since: reports come later than moves.
    report: (f64, u32, u32),
}

impl Balancer {
    /// What is to be moved at `now`; called about once a second with all servers of the world. The fullest gives first,
    /// the emptiest takes first.
    pub fn plan(&mut self, now: Moment, rules: &Rules, servers: &[Standing]) -> Vec<Move> {
        let since = self.planned_at.replace(now).unwrap_or(now);
        let earned = rules.per_second.max(0.0) * now.saturating_since(since).as_secs_f64();
        self.credit = (self.credit + earned).min(rules.per_second.max(1.0));
        self.givers
            .retain(|id, _| servers.iter().any(|it| it.server == *id));
        let mut givers: Vec<(f64, &Standing, u32)> = servers
            .iter()
            .filter_map(|it| {
                let (fill, surplus) = self.surplus(now, rules, it)?;
                Some((fill, it, surplus))
            })
            .collect();
        givers.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut takers: Vec<(f64, &Standing, u32)> = servers
            .iter()
            .filter_map(|it| {
                let (fill, room) = room(rules, it)?;
                Some((fill, it, room))
            })
            .collect();
        takers.sort_by(|one, other| {
            one.0
                .total_cmp(&other.0)
                .then(one.1.sessions.cmp(&other.1.sessions))
        });
        let mut moves = Vec::new();
        for (_, from, surplus) in givers {
            let mut left = surplus;
            for (_, to, room) in &mut takers {
                let players = left.min(*room).min(self.credit as u32);
                if players == 0 || to.server == from.server {
                    continue;
                }
                self.credit -= f64::from(players);
                *room -= players;
                left -= players;
                moves.push(Move {
                    from: from.server,
                    to: to.server,
                    players,
                });
                if let Some(giver) = self.givers.get_mut(&from.server) {
                    giver.gave_at = now;
                    giver.report.1 += players;
                }
            }
        }
        moves
    }

    /// More players went than were planned, because a party travels whole: the next ones wait for it.
    pub fn charge(&mut self, players: u32) {
        self.credit -= f64::from(players);
    }

    /// How full a server is that has to give, and how many players are too many.
    fn surplus(&mut self, now: Moment, rules: &Rules, it: &Standing) -> Option<(f64, u32)> {
        let mut fill = it.fill(rules.by)?;
        let giver = self.givers.get_mut(&it.server);
        if rules.by == By::Load
            && let Some(Giver {
                report: (load, moved, of),
                ..
            }) = giver
        {
            if *load == fill {
                // No newer report: what was moved since it is taken off by its share.
                fill *= 1.0 - f64::from(*moved) / f64::from((*of).max(1));
            } else {
                (*load, *moved, *of) = (fill, 0, it.sessions);
            }
        }
        let giving = match self.givers.get(&it.server) {
            Some(giver) if giver.giving => fill > rules.low_water,
            Some(giver) => {
                fill > rules.high_water && now.saturating_since(giver.gave_at) >= rules.cool_down
            }
            None => fill > rules.high_water,
        };
        if giving && it.gives {
            let giver = self.givers.entry(it.server).or_insert(Giver {
                giving: true,
                gave_at: now,
                report: (fill, 0, it.sessions),
            });
            giver.giving = true;
        } else {
            if let Some(giver) = self.givers.get_mut(&it.server) {
                giver.giving = false;
            }
            return None;
        }
        let sessions = f64::from(it.sessions);
        let too_many = match (rules.by, it.capacity) {
            (By::Sessions, Some(capacity)) => sessions - rules.low_water * f64::from(capacity),
            _ => sessions * (1.0 - rules.low_water / fill),
        };
        // Rounded down: one too many would have to come back.
        Some((fill, too_many.max(0.0) as u32))
    }
}

/// How full a server is that takes players, and how many more it takes.
fn room(rules: &Rules, it: &Standing) -> Option<(f64, u32)> {
    if !it.takes {
        return None;
    }
    let places = it
        .capacity
        .map_or(u32::MAX, |capacity| capacity.saturating_sub(it.sessions));
    let room = match it.fill(rules.by) {
        Some(fill) if fill >= rules.low_water => return None,
        Some(fill) => {
            let share = match (rules.by, it.capacity) {
                (By::Sessions, Some(capacity)) => {
                    rules.low_water * f64::from(capacity) - f64::from(it.sessions)
                }
                // So many as would fill it to the mark if each weighs what its own do; one with nobody takes one.
                _ if fill > 0.0 => f64::from(it.sessions.max(1)) * (rules.low_water / fill - 1.0),
                _ => f64::from(u32::MAX),
            };
            (fill, (share as u32).min(places))
        }
        // One that does not say how full it is takes players like the rest, but not before them.
        None => (rules.low_water, places),
    };
    (room.1 > 0).then_some(room)
}

/// A player of a server that gives some away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Player {
    /// Which session.
    pub session: SessionId,
    /// The party (a match, a team) that it belongs to, as a hash of its label.
    pub party: Option<u64>,
    /// Whether it can be moved now: settled, movable, its least interval over.
    pub movable: bool,
}

/// Chooses at most `players` of `from`, in their order, parties only whole: one with a member who cannot be moved now
/// stays, and so does one that is too large, unless nobody else could go: then the smallest party goes, and
/// [`Balancer::charge`] is to be called with what was too much.
#[must_use]
pub fn pick(players: u32, from: &[Player]) -> Vec<SessionId> {
    let mut parties: BTreeMap<u64, (usize, bool)> = BTreeMap::new();
    for player in from {
        if let Some(party) = player.party {
            let (size, movable) = parties.entry(party).or_insert((0, true));
            *size += 1;
            *movable &= player.movable;
        }
    }
    let mut left = players as usize;
    let mut chosen: Vec<SessionId> = Vec::new();
    let mut going = std::collections::BTreeSet::new();
    for player in from {
        let size = match player.party.map(|party| (party, parties[&party])) {
            None if player.movable => 1,
            Some((party, (size, true))) if !going.contains(&party) => size,
            _ => continue,
        };
        if size > left {
            continue;
        }
        left -= size;
        match player.party {
            None => chosen.push(player.session),
            Some(party) => {
                going.insert(party);
                chosen.extend(members(from, party));
            }
        }
    }
    if chosen.is_empty() && players > 0 {
        let smallest = parties
            .iter()
            .filter(|(_, (_, movable))| *movable)
            .min_by_key(|(_, (size, _))| *size);
        if let Some((party, _)) = smallest {
            chosen.extend(members(from, *party));
        }
    }
    chosen
}

fn members(from: &[Player], party: u64) -> impl Iterator<Item = SessionId> {
    from.iter()
        .filter(move |player| player.party == Some(party))
        .map(|player| player.session)
}

/// The server that a player goes to because it is nearer: the nearest that takes players, if it is nearer than
/// `current` by more than `margin` (a share of that distance, 0 to 1), so that nobody is moved for a trifle, or to and
/// fro. Distances in any one unit; those that are no number do not count.
#[must_use]
pub fn nearer(
    current: f64,
    others: impl IntoIterator<Item = (ServerId, f64)>,
    margin: f64,
) -> Option<ServerId> {
    others
        .into_iter()
        .filter(|(_, distance)| *distance >= 0.0 && *distance < current * (1.0 - margin))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(server, _)| server)
}

#[cfg(test)]
mod tests;
