//! Balance moves: once a second it is looked at which servers are too full, and some of their players are asked to go where
//! there is room; where clients' places count, also those who have a much nearer server.
//!
//! Who should give how many to whom is decided by `atlas_world::moves`; here is what it is told, and who does it. A move
//! is a transfer like any other: it waits its turn, respects the player's least interval, and may be refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atlas_balance::{Algorithm, State};
use atlas_base::{Moment, SessionId};
use atlas_world::ServerId;
use atlas_world::moves::{Balancer, By, Player, Rules, Standing, pick};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::config::{MovesBy, MovesConfig, RegionsMode};
use crate::mail::Mail;
use crate::servers::{Server, World};
use crate::shared::Shared;
use crate::worker::{Ask, Far, Stander};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Moves players for balance, as long as the edge runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut worlds: BTreeMap<Arc<str>, Balance> = BTreeMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let view = shared.view.load_full();
        let moved = |world: &World| !world.removed && world.config.moves.by != MovesBy::Off;
        worlds.retain(|name, _| view.world(name).is_some_and(|world| moved(world)));
        for world in view.worlds.iter().filter(|world| moved(world)) {
            let balance = worlds.entry(Arc::clone(&world.name)).or_default();
            balance.look(&shared, world).await;
        }
    }
}

/// One world's balance moves.
#[derive(Default)]
struct Balance {
    /// One for the servers of each split, and one for the rest: whoever came to one side of a split stays on it.
    balancers: HashMap<Option<usize>, Balancer>,
    /// Moves that have not ended: from where to where.
    trips: HashMap<SessionId, (ServerId, ServerId)>,
    moves: JoinSet<SessionId>,
    /// How many players may be brought nearer now.
    credit: f64,
    looked: Option<Moment>,
}

impl Balance {
    async fn look(&mut self, shared: &Arc<Shared>, world: &Arc<World>) {
        while let Some(ended) = self.moves.try_join_next() {
            if let Ok(session) = ended {
                self.trips.remove(&session);
            }
        }
        let now = shared.now();
        let config = &world.config.moves;
        let since = self.looked.replace(now).unwrap_or(now);
        let earned = config.per_second * now.saturating_since(since).as_secs_f64();
        self.credit = (self.credit + earned).min(config.per_second.max(1.0));
        let mut sides: BTreeMap<Option<usize>, Vec<Standing>> = BTreeMap::new();
        for server in world.present() {
            let standing = self.standing(world, server);
            sides
                .entry(world.split_of(server))
                .or_default()
                .push(standing);
        }
        let rules = rules(config);
        for (side, standings) in &sides {
            let planned = self
                .balancers
                .entry(*side)
                .or_default()
                .plan(now, &rules, standings);
            for it in planned {
                let chosen = self.choose(shared, world, it.from, it.players).await;
                let free = standings
                    .iter()
                    .find(|standing| standing.server == it.to)
                    .and_then(|to| Some(to.capacity?.saturating_sub(to.sessions)));
                let more = chosen.len().saturating_sub(it.players as usize);
                if more > 0 {
                    // A party that is larger than what should go: whole, or not at all.
                    if free.is_some_and(|free| chosen.len() > free as usize) {
                        continue;
                    }
                    let more = u32::try_from(more).unwrap_or(u32::MAX);
                    if let Some(balancer) = self.balancers.get_mut(side) {
                        balancer.charge(more);
                    }
                }
                self.credit -= chosen.len() as f64;
                for session in chosen {
                    self.go(shared, session, it.from, it.to);
                }
            }
        }
        if world.config.balance == Algorithm::Geographic && config.nearer_by < 1.0 {
            self.bring_nearer(shared, world, &rules).await;
        }
    }

    fn standing(&self, world: &World, server: &Server) -> Standing {
        let count = |ends: &dyn Fn(&(ServerId, ServerId)) -> bool| {
            u32::try_from(self.trips.values().filter(|trip| ends(trip)).count()).unwrap_or(u32::MAX)
        };
        // Whoever is on the way counts where they will be.
        let (leaving, coming) = (
            count(&|(from, _)| *from == server.id),
            count(&|(_, to)| *to == server.id),
        );
        let bound = server.region.is_some() && world.config.regions == RegionsMode::Auto;
        Standing {
            server: server.id,
            sessions: server
                .places()
                .saturating_sub(leaving)
                .saturating_add(coming),
            capacity: (server.config.capacity != 0).then_some(server.config.capacity),
            load: server.load(),
            gives: !bound && server.is_active(),
            takes: !bound && server.health() == State::Healthy && server.may_enter(),
        }
    }

    /// Chooses players of a server, those who said nothing for longest first.
    async fn choose(
        &self,
        shared: &Shared,
        world: &World,
        server: ServerId,
        players: u32,
    ) -> Vec<SessionId> {
        let mut standers: Vec<Stander> = ask_all(shared, |reply| Ask::Standers {
            world: Arc::clone(&world.name),
            server,
            reply,
        })
        .await;
        standers.sort_by_key(|stander| (std::cmp::Reverse(stander.idle), stander.player.session));
        let standers: Vec<Player> = standers
            .into_iter()
            .map(|stander| Player {
                movable: stander.player.movable
                    && !self.trips.contains_key(&stander.player.session),
                ..stander.player
            })
            .collect();
        pick(players, &standers)
    }

    /// Moves players who have a much nearer server, as far as it is not as full as moves may make it.
    async fn bring_nearer(&mut self, shared: &Arc<Shared>, world: &Arc<World>, rules: &Rules) {
        if self.credit < 1.0 {
            return;
        }
        let mut room: HashMap<ServerId, u32> = HashMap::new();
        for server in world.present().filter(|it| it.location().is_some()) {
            let standing = self.standing(world, server);
            if let Some(most) = room_of(&standing, rules).filter(|most| *most > 0) {
                room.insert(server.id, most);
            }
        }
        if room.is_empty() {
            return;
        }
        let open: Arc<[ServerId]> = room.keys().copied().collect();
        let far: Vec<Far> = ask_all(shared, |reply| Ask::Far {
            world: Arc::clone(&world.name),
            open: Arc::clone(&open),
            reply,
        })
        .await;
        for it in far {
            let Some(left) = room.get_mut(&it.to).filter(|left| **left > 0) else {
                continue;
            };
            if self.credit < 1.0 || self.trips.contains_key(&it.session) {
                continue;
            }
            *left -= 1;
            self.credit -= 1.0;
            self.go(shared, it.session, it.from, it.to);
        }
    }

    fn go(&mut self, shared: &Arc<Shared>, session: SessionId, from: ServerId, to: ServerId) {
        self.trips.insert(session, (from, to));
        let shared = Arc::clone(shared);
        self.moves.spawn(async move {
            let mut answers = Vec::with_capacity(shared.mailboxes.len());
            for mailbox in &shared.mailboxes {
                let (reply, answer) = oneshot::channel();
                mailbox.send(Mail::Ask(Ask::Move {
                    session,
                    from,
                    to,
                    reply,
                }));
                answers.push(answer);
            }
            for answer in answers {
                // The worker that has it says how it ended, the others that they do not know it.
                if let Ok(Ok(moved)) = answer.await {
                    tracing::debug!(%session, outcome = moved.outcome, why = moved.why, "a balance move ended");
                }
            }
            session
        });
    }
}

/// How many more players a server may be filled with.
fn room_of(standing: &Standing, rules: &Rules) -> Option<u32> {
    if !standing.takes {
        return None;
    }
    let fits = match rules.by {
        By::Load => standing.load.is_none_or(|load| load < rules.low_water),
        By::Sessions => true,
    };
    let most = standing.capacity.map_or(u32::MAX, |capacity| {
        let most = rules.low_water * f64::from(capacity) - f64::from(standing.sessions);
        // Below 0 and past the largest number it stops there.
        most as u32
    });
    fits.then_some(most)
}

fn rules(config: &MovesConfig) -> Rules {
    Rules {
        by: match config.by {
            MovesBy::Load => By::Load,
            MovesBy::Sessions | MovesBy::Off => By::Sessions,
        },
        high_water: config.high_water,
        low_water: config.low_water,
        per_second: config.per_second,
        cool_down: config.cool_down.into(),
    }
}

/// Asks all workers, and gives what they answered together. One that has stopped has nobody.
async fn ask_all<T>(shared: &Shared, ask: impl Fn(oneshot::Sender<Vec<T>>) -> Ask) -> Vec<T> {
    let mut answers = Vec::with_capacity(shared.mailboxes.len());
    for mailbox in &shared.mailboxes {
        let (reply, answer) = oneshot::channel();
        mailbox.send(Mail::Ask(ask(reply)));
        answers.push(answer);
    }
    let mut all = Vec::new();
    for answer in answers {
        all.extend(answer.await.unwrap_or_default());
    }
    all
}
