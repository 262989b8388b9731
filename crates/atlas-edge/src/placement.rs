//! Where a player goes: the region's owner where the world says so, else what the balancing algorithm picks.

use std::collections::HashMap;
use std::sync::Arc;

use atlas_balance::{Algorithm, Candidate, Chooser, Location, hash_key, usable};
use atlas_base::{Moment, Position};
use atlas_world::ServerId;

use crate::servers::World;

/// For whom a place is looked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seeker {
    /// Where the player stands in the world.
    pub(crate) at: Option<Position>,
    /// What `consistent-hash` goes by.
    pub(crate) key: Option<u64>,
    /// The split that the player belongs to, by its index.
    pub(crate) split: Option<usize>,
    /// Where the client is on the globe.
    pub(crate) location: Option<Location>,
}

/// One worker's choosers, by world.
#[derive(Default)]
pub(crate) struct Placement {
    choosers: HashMap<Arc<str>, Chooser>,
    /// The time now, as the worker last looked.
    pub(crate) now: Moment,
}

impl Placement {
    /// The best server that is not in `exclude`. `random` is 64 fresh random bits.
    pub(crate) fn choose(
        &mut self,
        world: &World,
        exclude: &[ServerId],
        seeker: &Seeker,
        random: u64,
    ) -> Option<ServerId> {
        let free = |id: ServerId| {
            !exclude.contains(&id) && world.server(id).is_some_and(|server| server.may_enter())
        };
        let owner = seeker
            .at
            .and_then(|at| world.owner(at))
            .filter(|id| free(*id));
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
        let mut candidates: Vec<Candidate> = present
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
        if !world.config.splits.is_empty() {
            narrow(&mut candidates, |index| {
                world.split_of(present[index]) == seeker.split
            });
        }
        if let (Algorithm::Geographic, Some(location)) = (world.config.balance, seeker.location) {
            let places: Vec<_> = present
                .iter()
                .zip(&candidates)
                .map(|(server, candidate)| server.location().filter(|_| candidate.open()))
                .collect();
            let nearest = location.nearest(&places);
            narrow(&mut candidates, |index| nearest[index]);
        }
        let chooser = match self.choosers.get_mut(&world.name) {
            Some(chooser) => chooser,
            None => self.choosers.entry(world.name.clone()).or_default(),
        };
        let index = chooser.choose(world.config.balance, &candidates, seeker.key, random)?;
        Some(present[index].id)
    }
}

/// Closes the candidates that do not belong; if none of those that do is open, nothing is changed.
fn narrow(candidates: &mut [Candidate], belongs: impl Fn(usize) -> bool) {
    let mut open = candidates.iter().enumerate().filter(|(_, it)| it.open());
    if open.any(|(index, _)| belongs(index)) {
        for (index, candidate) in candidates.iter_mut().enumerate() {
            candidate.accepts &= belongs(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use atlas_balance::State;

    use super::*;
    use crate::config::{
        Config, LocationConfig, RegionConfig, ServerConfig, SplitConfig, WorldConfig,
    };
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

    fn seeker(at: Option<Position>) -> Seeker {
        Seeker {
            at,
            ..Seeker::default()
        }
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
            placement.choose(world, &[], &seeker(east), 0),
            Some(ServerId(1))
        );
        assert_eq!(
            placement.choose(world, &[], &seeker(None), 0),
            Some(ServerId(0))
        );
        assert_eq!(
            placement.choose(world, &[ServerId(1)], &seeker(east), 0),
            Some(ServerId(0))
        );
        world.servers[1].set_health(State::Down, 3.0, Moment::ZERO);
        assert_eq!(
            placement.choose(world, &[], &seeker(east), 0),
            Some(ServerId(0))
        );
        assert_eq!(
            placement.choose(world, &[ServerId(0), ServerId(1)], &seeker(east), 0),
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
                .choose(world, &[], &Seeker::default(), 0)
                .is_some()
        );
    }

    /// A world of four servers: two of each version, one of each in Frankfurt, the others in Virginia and nowhere.
    fn labelled(balance: Algorithm) -> View {
        let frankfurt = Some(LocationConfig {
            lat: 50.1,
            lon: 8.7,
        });
        let virginia = Some(LocationConfig {
            lat: 38.9,
            lon: -77.0,
        });
        let server = |name: &str, version: &str, location| ServerConfig {
            name: name.into(),
            address: "ws://127.0.0.1:1".into(),
            labels: [("version".to_owned(), version.to_owned())].into(),
            location,
            capacity: 10,
            ..ServerConfig::default()
        };
        let world = WorldConfig {
            balance,
            servers: vec![
                server("a-frankfurt", "a", frankfurt),
                server("a-virginia", "a", virginia),
                server("b-frankfurt", "b", frankfurt),
                server("b-nowhere", "b", None),
            ],
            splits: vec![SplitConfig {
                labels: [("version".to_owned(), "b".to_owned())].into(),
                share: 0.25,
            }],
            ..WorldConfig::default()
        };
        View::build(&Config {
            worlds: [("main".to_owned(), world)].into(),
            ..Config::default()
        })
        .unwrap()
    }

    fn fill(world: &World, server: usize) {
        while world.servers[server].reserve() {}
    }

    #[test]
    fn a_share_of_the_players_goes_to_their_side_and_nobody_else_does() {
        let view = labelled(Algorithm::Random);
        let world = &view.worlds[0];
        let mut placement = Placement::default();
        let mut choose = |key: u64, random: u64| {
            let seeker = Seeker {
                split: world.split_for(key),
                ..Seeker::default()
            };
            let chosen = placement.choose(world, &[], &seeker, random).unwrap();
            world.server(chosen).unwrap().config.labels["version"].clone()
        };
        let mut on_b = 0;
        for player in 0..4000_u32 {
            let key = hash_key(&player.to_be_bytes());
            let version = choose(key, u64::from(player) << 40);
            assert_eq!(version, choose(key, !(u64::from(player) << 40)), "stays");
            on_b += u32::from(version == "b");
        }
        assert!((900..1100).contains(&on_b), "{on_b} of 4000");

        // A side that takes nobody does not leave its players outside.
        fill(world, 2);
        fill(world, 3);
        let seeker = Seeker {
            split: Some(0),
            ..Seeker::default()
        };
        let chosen = Placement::default().choose(world, &[], &seeker, 7).unwrap();
        assert!(chosen.0 < 2);
    }

    #[test]
    fn a_client_goes_to_the_nearest_server_that_takes_somebody() {
        let view = labelled(Algorithm::Geographic);
        let world = &view.worlds[0];
        let mut placement = Placement::default();
        let mut choose = |latitude, longitude, split| {
            let seeker = Seeker {
                location: Location::new(latitude, longitude),
                split,
                ..Seeker::default()
            };
            let chosen = placement.choose(world, &[], &seeker, 99).unwrap();
            world.server(chosen).unwrap().config.name.clone()
        };
        assert_eq!(choose(48.9, 2.3, None), "a-frankfurt");
        assert_eq!(choose(25.8, -80.2, None), "a-virginia");
        assert_eq!(choose(25.8, -80.2, Some(0)), "b-frankfurt");
        fill(world, 0);
        assert_eq!(choose(48.9, 2.3, None), "a-virginia");
        // Nobody knows where the client is: as with least-connections.
        assert_eq!(choose(f64::NAN, 0.0, None), "a-virginia");
    }
}
