//! Health: probes each server at its interval, takes in what traffic met, tells workers when a server is given up.
//!
//! One task schedules; each probe is a task of its own, at most one for each server. A bad sign from traffic brings the
//! next probe forward, so that a dead server is found by its first victims. The verdict is that of `atlas-balance`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atlas_balance::{Health, Observation, State, Thresholds};
use atlas_world::ServerId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::{HealthConfig, HealthKind};
use crate::mail::Mail;
use crate::servers::{Server, View, World};
use crate::shared::{Met, Shared};

mod probe;

use probe::Probed;

/// Two probes of a server are at least so far apart, however loudly traffic complains.
const SPACING_MIN: Duration = Duration::from_millis(100);

/// A world's name and a server's id.
type Key = (Arc<str>, ServerId);

/// One server as it is watched.
struct Watched {
    health: Health,
    /// When it is probed next; none while a probe is under way.
    due: Option<Instant>,
}

/// Watches all servers, whichever there are.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    known: HashMap<Key, Watched>,
    due: BTreeSet<(Instant, Key)>,
    probes: JoinSet<(Key, Probed)>,
    random: StdRng,
}

impl Watch {
    /// Watches nobody yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let random = StdRng::seed_from_u64(shared.owner ^ u64::from(std::process::id()));
        Self {
            shared,
            known: HashMap::new(),
            due: BTreeSet::new(),
            probes: JoinSet::new(),
            random,
        }
    }

    /// Watches until the edge is gone.
    pub(crate) async fn run(mut self, mut met: mpsc::Receiver<Met>) {
        let mut changes = self.shared.changes();
        self.renew();
        loop {
            let next = self.due.first().map(|(at, _)| *at);
            tokio::select! {
                () = async { sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => self.begin_due(),
                Some(ended) = self.probes.join_next(), if !self.probes.is_empty() => {
                    if let Ok((key, probed)) = ended {
                        self.probed(&key, &probed);
                    }
                }
                word = met.recv() => match word {
                    Some(word) => self.met(word),
                    None => return,
                },
                changed = changes.changed() => match changed {
                    Ok(()) => self.renew(),
                    Err(_) => return,
                },
            }
        }
    }

    /// Takes newer servers and rules in: who is new is probed within an interval, who is gone no more.
    fn renew(&mut self) {
        let view = self.shared.view.load_full();
        let now = self.shared.now();
        for world in &view.worlds {
            let thresholds = thresholds(&world.config.health);
            let mut fresh = Vec::new();
            for server in world.shown() {
                let key = (Arc::clone(&world.name), server.id);
                match self.known.get_mut(&key) {
                    Some(watched) => watched.health.apply(thresholds),
                    None => fresh.push(key),
                }
            }
            // Probes of many servers are spread over their interval.
            let interval: Duration = *world.config.health.interval;
            let step = interval / u32::try_from(fresh.len().max(1)).unwrap_or(u32::MAX);
            for (index, key) in (0..).zip(fresh) {
                let health = Health::new(thresholds, now);
                self.known
                    .insert(key.clone(), Watched { health, due: None });
                self.schedule(key, Instant::now() + step * index);
            }
        }
        let gone = |key: &Key| find(&view, key).is_none();
        self.known.retain(|key, _| !gone(key));
        self.due.retain(|(_, key)| !gone(key));
    }

    fn schedule(&mut self, key: Key, at: Instant) {
        if let Some(watched) = self.known.get_mut(&key) {
            if let Some(before) = watched.due.replace(at) {
                self.due.remove(&(before, key.clone()));
            }
            self.due.insert((at, key));
        }
    }

    fn begin_due(&mut self) {
        let view = self.shared.view.load_full();
        while let Some((at, _)) = self.due.first()
            && *at <= Instant::now()
            && let Some((_, key)) = self.due.pop_first()
        {
            if let Some(watched) = self.known.get_mut(&key) {
                watched.due = None;
            }
            let Some((world, server)) = find(&view, &key) else {
                self.known.remove(&key);
                continue;
            };
            let config = world.config.health.clone();
            // Whoever answers on its control link is asked there: a process that hangs still accepts connections. What
            // the game itself says of its health is more.
            if config.kind != HealthKind::Http
                && let Some(answered) = self.shared.controls.ping(&key, &self.shared)
            {
                self.probes
                    .spawn(async move { (key, probe::answered(config, answered).await) });
                continue;
            }
            let probe = probe::run(config, Arc::clone(server));
            self.probes.spawn(async move { (key, probe.await) });
        }
    }

    fn probed(&mut self, key: &Key, probed: &Probed) {
        let view = self.shared.view.load_full();
        let Some((world, server)) = find(&view, key) else {
            self.known.remove(key);
            return;
        };
        let (observation, refused, why) = match probed {
            Probed::Well => (Observation::ProbeSucceeded, false, ""),
            Probed::Ill { refused, why } => {
                tracing::debug!(world = %world.name, server = %server.config.name, why, "a health check failed");
                (Observation::ProbeFailed, *refused, why.as_str())
            }
        };
        let outcome = if why.is_empty() { "well" } else { "ill" };
        self.shared
            .metrics
            .health_checks
            .with_label_values(&[&*world.name, outcome])
            .inc();
        self.observe(world, server, observation, refused, why);
        // Not all at once, and not in step with other nodes.
        let interval = world
            .config
            .health
            .interval
            .mul_f64(self.random.random_range(0.9..1.1));
        self.schedule(
            key.clone(),
            Instant::now() + interval.max(SPACING_MIN.min(interval)),
        );
    }

    /// What traffic met.
    fn met(&mut self, met: Met) {
        let Met {
            world,
            server,
            observation,
        } = met;
        let view = self.shared.view.load_full();
        let key = (world, server);
        let Some((world, server)) = find(&view, &key) else {
            return;
        };
        let refused = observation == Observation::DialRefused;
        self.observe(world, server, observation, refused, met_words(observation));
        let soon = Instant::now() + SPACING_MIN;
        let waits = self.known.get(&key).and_then(|watched| watched.due);
        if observation != Observation::LinkOpened && waits.is_some_and(|due| due > soon) {
            self.schedule(key, soon);
        }
    }

    fn observe(
        &mut self,
        world: &World,
        server: &Server,
        observation: Observation,
        refused: bool,
        why: &str,
    ) {
        let now = self.shared.now();
        let Some(watched) = self.known.get_mut(&(Arc::clone(&world.name), server.id)) else {
            return;
        };
        let changed = watched.health.observe(now, observation);
        server.set_health(watched.health.state(), watched.health.value(), now);
        let (world_name, server_name) = (&*world.name, &server.config.name);
        match changed {
            None => {}
            Some(State::Down) => {
                tracing::warn!(
                    world = world_name,
                    server = server_name,
                    address = %server.config.address,
                    why,
                    "a game server is down: start it, or correct its address in the configuration; it is looked at again"
                );
                for mailbox in &self.shared.mailboxes {
                    mailbox.send(Mail::ServerDown {
                        world: Arc::clone(&world.name),
                        server: server.id,
                        refused,
                    });
                }
            }
            Some(State::Suspect) => {
                tracing::info!(
                    world = world_name,
                    server = server_name,
                    address = %server.config.address,
                    why,
                    "a game server is suspect"
                );
            }
            Some(State::Healthy) => {
                tracing::info!(
                    world = world_name,
                    server = server_name,
                    "a game server is healthy"
                );
            }
        }
    }
}

/// A server that is still to be watched: it is told of, or has sessions.
fn find<'a>(view: &'a View, (world, server): &Key) -> Option<(&'a Arc<World>, &'a Arc<Server>)> {
    let world = view.world(world)?;
    let server = world.server(*server)?;
    (server.removed.is_none() || server.places() > 0).then_some((world, server))
}

/// What a player's dial or link met, for a person.
fn met_words(observation: Observation) -> &'static str {
    match observation {
        Observation::DialRefused => "a player's dial was refused",
        Observation::DialTimedOut => "a player's dial was not answered in time",
        Observation::LinkReset => "a link broke without a close",
        Observation::HandshakeSlow => "a handshake was slow",
        Observation::ProbeSucceeded | Observation::ProbeFailed | Observation::LinkOpened => "",
    }
}

fn thresholds(config: &HealthConfig) -> Thresholds {
    Thresholds {
        unhealthy_after: config.unhealthy_after,
        healthy_after: config.healthy_after,
    }
}
