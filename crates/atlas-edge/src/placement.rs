//! Where a player goes: the region's owner where the world says so, else what the balancing algorithm picks.

use std::collections::HashMap;
use std::sync::Arc;

use atlas_balance::{Candidate, Chooser, hash_key, usable};
use atlas_base::{Moment, Position};
use atlas_world::ServerId;

use crate::servers::World;

/// One worker's choosers, by world.
#[derive(Default)]
pub(crate) struct Placement {
    choosers: HashMap<Arc<str>, Chooser>,
    /// The time now, as the worker last looked.
    pub(crate) now: Moment,
}

impl Placement {
    /// The best server that is not in `exclude`, for a player at `at`. `random` is 64 fresh random bits.
    pub(crate) fn choose(
        &mut self,
        world: &World,
        exclude: &[ServerId],
        at: Option<Position>,
        player: Option<u64>,
        random: u64,
    ) -> Option<ServerId> {
        let free = |id: ServerId| {
            !exclude.contains(&id) && world.server(id).is_some_and(|server| server.may_enter())
        };
        let owner = at.and_then(|at| world.owner(at)).filter(|id| free(*id));
        if owner.is_some() {
            return owner;
        }
        // A server held for down is still tried when all are: the check may be wrong, an empty pool surely is.
        let present: Vec<_> = world.present().collect();
        let members: Vec<_> = present
            .iter()
            .map(|server| (server.health(), server.strain()))
            .collect();
        let fit = usable(&members, world.config.health.ejected_share_max);
        let candidates: Vec<Candidate> = present
            .iter()
            .zip(fit)
            .map(|(server, fit)| Candidate {
                key: hash_key(server.config.name.as_bytes()),
                weight: server.config.weight,
                capacity: (server.config.capacity != 0).then_some(server.config.capacity),
                sessions: server.places(),
                warmth: server.warmth(self.now),
                load: server.load(),
                accepts: fit && server.is_open() && !exclude.contains(&server.id),
            })
            .collect();
        let chooser = match self.choosers.get_mut(&world.name) {
            Some(chooser) => chooser,
            None => self.choosers.entry(world.name.clone()).or_default(),
        };
        let index = chooser.choose(world.config.balance, &candidates, player, random)?;
        Some(present[index].id)
    }
}

#[cfg(test)]
mod tests {
    use atlas_balance::{Algorithm, State};

    use super::*;
    use crate::config::{Config, RegionConfig, ServerConfig, WorldConfig};
    use crate::servers::View;

    fn view(balance: Algorithm) -> View {
        let server = |name: &str, min: f64, max: f64| ServerConfig {
            name: name.into(),
            address: "ws://127.0.0.1:1".into(),
            region: Some(RegionConfig {
                min: [min, -1000.0, -1000.0],
                max: [max, 1000.0, 1000.0],
            }),
            ..ServerConfig::default()
        };
        let world = WorldConfig {
            balance,
            servers: vec![server("west", -1000.0, 0.0), server("east", 0.0, 1000.0)],
            ..WorldConfig::default()
        };
        View::build(&Config {
            worlds: [("main".to_owned(), world)].into(),
            ..Config::default()
        })
        .unwrap()
    }

    #[test]
    fn a_place_beats_the_algorithm_and_a_full_or_down_owner_does_not_count() {
        let view = view(Algorithm::LeastConnections);
        let world = &view.worlds[0];
        let mut placement = Placement::default();
        let east = Some(Position {
            x: 5.0,
            y: 0.0,
            z: 0.0,
        });
        assert!(world.servers[1].reserve());
        assert_eq!(
            placement.choose(world, &[], east, None, 0),
            Some(ServerId(1))
        );
        assert_eq!(
            placement.choose(world, &[], None, None, 0),
            Some(ServerId(0))
        );
        assert_eq!(
            placement.choose(world, &[ServerId(1)], east, None, 0),
            Some(ServerId(0))
        );
        world.servers[1].set_health(State::Down, 3.0, Moment::ZERO);
        assert_eq!(
            placement.choose(world, &[], east, None, 0),
            Some(ServerId(0))
        );
        assert_eq!(
            placement.choose(world, &[ServerId(0), ServerId(1)], east, None, 0),
            None
        );
    }

    #[test]
    fn a_pool_that_is_all_down_is_still_tried() {
        let view = view(Algorithm::RoundRobin);
        let world = &view.worlds[0];
        for server in &world.servers {
            server.set_health(State::Down, 3.0, Moment::ZERO);
        }
        assert!(
            Placement::default()
                .choose(world, &[], None, None, 0)
                .is_some()
        );
    }
}
