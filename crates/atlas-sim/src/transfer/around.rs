//! The world as the edge sees it: regions in strips along x, health, places.

use atlas_base::{Position, TransferId};
use atlas_world::{Region, ServerId, Surroundings};

use crate::random::Random;

/// The width of a server's region along x.
pub(super) const STRIP: f64 = 300.0;

#[derive(Debug)]
pub(super) struct Around {
    random: Random,
    transfers: u128,
    pub(super) healthy: Vec<bool>,
    pub(super) draining: Vec<bool>,
    /// Whose machine asks.
    pub(super) player: usize,
    /// Places taken, by player and server.
    pub(super) places: Vec<Vec<i64>>,
    /// Places taken of each server.
    taken: Vec<i64>,
    pub(super) capacity: i64,
    pub(super) reachable: bool,
}

impl Around {
    pub(super) fn new(random: Random, players: usize, servers: usize, capacity: u32) -> Self {
        Self {
            random,
            transfers: 0,
            healthy: vec![true; servers],
            draining: vec![false; servers],
            player: 0,
            places: vec![vec![0; servers]; players],
            taken: vec![0; servers],
            capacity: capacity.into(),
            reachable: true,
        }
    }

    /// The player's machine is no more: its places are free.
    pub(super) fn forget(&mut self, player: usize) {
        for (taken, place) in self.taken.iter_mut().zip(&mut self.places[player]) {
            *taken -= std::mem::take(place);
        }
    }

    fn region(server: ServerId) -> Region {
        let left = f64::from(server.0) * STRIP;
        Region {
            min: Position::new(left, -100.0, -100.0),
            max: Position::new(left + STRIP, 100.0, 100.0),
        }
    }
}

impl Surroundings for Around {
    fn new_transfer(&mut self) -> TransferId {
        self.transfers += 1;
        TransferId::from_u128(self.transfers)
    }

    fn owner(&self, at: Position) -> Option<ServerId> {
        (0..self.healthy.len() as u32)
            .map(ServerId)
            .find(|server| Self::region(*server).contains(at))
    }

    fn outside_by(&self, server: ServerId, at: Position) -> Option<f64> {
        Some(Self::region(server).distance_outside(at))
    }

    fn may_enter(&self, server: ServerId) -> bool {
        let index = server.0 as usize;
        self.healthy[index] && !self.draining[index] && self.taken[index] < self.capacity
    }

    fn choose(&mut self, exclude: &[ServerId], _: Option<Position>) -> Option<ServerId> {
        let count = self.healthy.len() as u64;
        let first = self.random.below(count);
        (0..count)
            .map(|step| ServerId(((first + step) % count) as u32))
            .find(|server| !exclude.contains(server) && self.may_enter(*server))
    }

    fn reserve(&mut self, server: ServerId) -> bool {
        let free = self.taken[server.0 as usize] < self.capacity;
        if free {
            self.taken[server.0 as usize] += 1;
            self.places[self.player][server.0 as usize] += 1;
        }
        free
    }

    fn release(&mut self, server: ServerId) {
        self.taken[server.0 as usize] -= 1;
        self.places[self.player][server.0 as usize] -= 1;
    }

    fn directory_reachable(&self) -> bool {
        self.reachable
    }
}
