//! Control links: one from this edge to each cooperative server, beside the links of its sessions.
//!
//! On them servers are asked whether they are well, say how busy they are, are told that they are drained, and send
//! each other messages. They are no data path, so they are ordinary tasks over a WebSocket library: [`watch`] keeps one
//! for each server that has shown to be cooperative, `dial.rs` opens it, `link.rs` speaks on it, `post.rs` carries
//! messages between servers.
//!
//! Invariants: a control link that is lost says nothing about sessions; reading one never waits for anything, so that
//! what is heard on it is the server's doing; every queue here is bounded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_balance::Observation;
use atlas_wire::link::{ControlPing, ControlToServer, Drain};
use atlas_world::ServerId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::servers::{Server, Speaks, View, World};
use crate::shared::{Met, Shared};

mod dial;
mod link;
mod metrics;
mod post;

pub(crate) use metrics::Metrics;
use post::Letter;

/// How often it is looked whether a server has shown to be cooperative.
const LOOK: Duration = Duration::from_millis(500);
/// Before the first and the last new attempt to open a link.
const BACKOFF: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(15)];
/// Pings, drains and notices that wait for one link.
const ORDERS_MAX: usize = 256;
/// Answers of a server to a drain that wait to be looked at; it has no reason for more.
const ANSWERS_MAX: usize = 16;

/// A world's name and a server's id.
pub(crate) type Key = (Arc<str>, ServerId);

/// What a server answers when it is told that it is drained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum DrainAnswer {
    /// Its players may be taken now.
    Now,
    /// A little later, please.
    Later(Duration, String),
}

/// The open control links of this edge.
#[derive(Default)]
pub(crate) struct Controls {
    open: Mutex<HashMap<Key, Arc<Open>>>,
}

/// One open control link, as the rest of the edge reaches it.
struct Open {
    orders: mpsc::Sender<ControlToServer>,
    letters: mpsc::Sender<Letter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Pings without an answer, by their `at`.
    pings: HashMap<u64, (Instant, oneshot::Sender<()>)>,
    last_ping: u64,
    /// It has answered a ping, so its silence means something.
    answers: bool,
    /// Who empties the server.
    drain: Option<mpsc::Sender<DrainAnswer>>,
}

impl Open {
    /// Sends a ping.
    fn ping(&self, shared: &Shared) -> oneshot::Receiver<()> {
        let (pong, answered) = oneshot::channel();
        let at = {
            let mut state = self.state();
            state.pings.retain(|_, (_, pong)| !pong.is_closed());
            state.last_ping = shared.now().as_millis().max(state.last_ping + 1);
            let at = state.last_ping;
            state.pings.insert(at, (Instant::now(), pong));
            at
        };
        // A link that takes no more is no answer, and the wait ends with its time.
        let _ = self.orders.try_send(ControlPing { at }.into());
        answered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Controls {
    /// Asks a server whether it is well; its answer, if it comes, ends the wait. None if there is no link to it that has
    /// ever answered: then nothing can be told from silence.
    pub(crate) fn ping(&self, key: &Key, shared: &Shared) -> Option<oneshot::Receiver<()>> {
        let open = self.get(key)?;
        let answered = open.ping(shared);
        open.state().answers.then_some(answered)
    }

    /// Tells a server that it is drained, and where its answers go. None if there is no link to it.
    pub(crate) fn drain(
        &self,
        key: &Key,
        deadline: Duration,
    ) -> Option<mpsc::Receiver<DrainAnswer>> {
        let open = self.get(key)?;
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        open.state().drain = Some(sender);
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        open.orders.try_send(Drain { deadline_ms }.into()).ok()?;
        Some(answers)
    }

    fn get(&self, key: &Key) -> Option<Arc<Open>> {
        self.links().get(key).cloned()
    }

    fn enter(&self, key: &Key, open: Arc<Open>) {
        self.links().insert(key.clone(), open);
    }

    fn leave(&self, key: &Key) {
        self.links().remove(key);
    }

    fn links(&self) -> MutexGuard<'_, HashMap<Key, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a control link to each cooperative server, until the edge is gone.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut changes = shared.changes();
    let mut kept: HashSet<Key> = HashSet::new();
    let mut links: JoinSet<Key> = JoinSet::new();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            changed = changes.changed() => if changed.is_err() { return },
            Some(ended) = links.join_next() => {
                if let Ok(key) = ended {
                    kept.remove(&key);
                }
                continue;
            }
        }
        let view = shared.view.load_full();
        for world in &view.worlds {
            for server in world.servers.iter().filter(|server| is_wanted(server)) {
                let key = (Arc::clone(&world.name), server.id);
                if kept.insert(key.clone()) {
                    links.spawn(keep(Arc::clone(&shared), key));
                }
            }
        }
    }
}

/// A server that speaks the protocol, and is told of or has sessions.
fn is_wanted(server: &Server) -> bool {
    server.speaks() == Speaks::Cooperative && (server.removed.is_none() || server.places() > 0)
}

fn find(view: &View, (world, server): &Key) -> Option<(Arc<World>, Arc<Server>)> {
    let world = view.world(world)?;
    let server = world.server(*server)?;
    is_wanted(server).then(|| (Arc::clone(world), Arc::clone(server)))
}

/// Keeps the link to one server open as long as it is wanted.
async fn keep(shared: Arc<Shared>, key: Key) -> Key {
    let [first, last] = BACKOFF;
    let mut backoff = first;
    let mut random = StdRng::seed_from_u64(shared.owner ^ u64::from(key.1.0) << 32);
    loop {
        let Some((world, server)) = find(&shared.view.load(), &key) else {
            return key;
        };
        let (world_name, server_name) = (&*world.name, &*server.config.name);
        match dial::dial(&shared.node, &world, &server).await {
            Ok(socket) => {
                backoff = first;
                tracing::debug!(
                    world = world_name,
                    server = server_name,
                    "a control link is open"
                );
                let over = link::run(&shared, &key, &world, &server, socket).await;
                tracing::debug!(world = world_name, server = server_name, %over, "a control link ended");
                if over.is_lost() {
                    meet(&shared, &key, Observation::LinkReset);
                }
            }
            Err(error) => {
                let labels = [world_name, server_name];
                shared
                    .metrics
                    .control
                    .dials_failed
                    .with_label_values(&labels)
                    .inc();
                tracing::debug!(world = world_name, server = server_name, %error, "a control link could not be opened");
            }
        }
        // Many edges that lost one server do not all come back at once.
        sleep(backoff.mul_f64(random.random_range(0.5..1.0))).await;
        backoff = (backoff * 2).min(last);
    }
}

fn meet(shared: &Shared, (world, server): &Key, observation: Observation) {
    // If the health checks are that busy, they know.
    let _ = shared.met.try_send(Met {
        world: Arc::clone(world),
        server: *server,
        observation,
    });
}
