//! Emptying a server, so that it can be stopped: `active` → `draining` → `drained`, or back by a cancel.
//!
//! A drain is a task (`drain/run.rs`): the server gets nobody new, is told by its control link and may ask for time, then
//! its cooperative players are moved away one after the other, and at the deadline whoever is left is closed with 1012.
//! It ends with the last player; the server stays closed to new ones until the drain is cancelled.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_base::{Moment, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::Error;
use crate::control::Key;
use crate::handle::Handle;
use crate::servers::{Server, World};
use crate::shared::Shared;

mod run;

/// The drains of this edge: those under way, and the last one of each server.
#[derive(Default)]
pub(crate) struct Drains {
    known: Mutex<BTreeMap<Key, Arc<Drain>>>,
    /// A drain was begun.
    begun: Notify,
}

impl Drains {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Drain>>> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a server's drain is, unless it has none or it was taken back.
    pub(crate) fn shown(&self, key: &Key, now: Moment) -> Option<DrainView> {
        let drain = self.known().get(key).cloned()?;
        let begun = drain.progress().stage != Stage::Cancelled;
        begun.then(|| drain.view(now))
    }
}

/// One drain.
struct Drain {
    key: Key,
    server: Arc<Server>,
    window: Duration,
    deadline: Moment,
    taken: AtomicBool,
    cancelled: watch::Sender<bool>,
    progress: Mutex<Progress>,
}

/// How far a drain is.
#[derive(Default)]
struct Progress {
    stage: Stage,
    /// Everybody who was seen at the server since it began.
    seen: HashSet<SessionId>,
    moved: HashSet<SessionId>,
    dropped: HashSet<SessionId>,
    /// Who is there now, as of the last look.
    left: usize,
    /// Until when the server asked for time, and why.
    waits: Option<(Moment, String)>,
    /// Why the last move that came to nothing did.
    obstacle: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    #[default]
    Draining,
    Drained,
    Cancelled,
}

impl Drain {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self, now: Moment) -> DrainView {
        let progress = self.progress();
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (moved, dropped) = (progress.moved.len(), progress.dropped.len());
        let under_way = progress.stage == Stage::Draining;
        DrainView {
            world: self.key.0.to_string(),
            server: self.server.config.name.clone(),
            state: match progress.stage {
                Stage::Draining => "draining",
                Stage::Drained => "drained",
                Stage::Cancelled => "cancelled",
            }
            .to_owned(),
            deadline_in_ms: under_way.then(|| millis(self.deadline.saturating_since(now))),
            waits: progress
                .waits
                .as_ref()
                .filter(|(until, _)| under_way && *until > now)
                .map(|(until, reason)| WaitView {
                    for_ms: millis(until.saturating_since(now)),
                    reason: reason.clone(),
                }),
            left: progress.left,
            moved,
            resumed: 0,
            dropped,
            gone: progress.gone(),
            obstacle: progress.obstacle.clone().filter(|_| progress.left > 0),
        }
    }
}

impl Progress {
    /// Those who are not there any more and were neither moved nor dropped.
    fn gone(&self) -> usize {
        self.seen
            .len()
            .saturating_sub(self.left + self.moved.len() + self.dropped.len())
    }
}

/// A drain and what became of the players.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DrainView {
    /// The server's world.
    pub world: String,
    /// The server's name.
    pub server: String,
    /// `draining`, `drained`, or `cancelled`.
    pub state: String,
    /// When whoever is left is closed, in milliseconds from now; none once it has ended.
    pub deadline_in_ms: Option<u64>,
    /// The time that the server asked for.
    pub waits: Option<WaitView>,
    /// Players who are still there.
    pub left: usize,
    /// Players who were moved to other servers with their connections open.
    pub moved: usize,
    /// Players who came back by a resume. Always 0: nothing is resumed yet.
    pub resumed: usize,
    /// Players who were closed at the deadline.
    pub dropped: usize,
    /// Players who left by themselves, or were moved for another reason.
    pub gone: usize,
    /// Why the last move that came to nothing did, while somebody is left.
    pub obstacle: Option<String>,
}

/// Time that a server asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct WaitView {
    /// For how long still, in milliseconds.
    pub for_ms: u64,
    /// Why, in the server's words.
    pub reason: String,
}

impl Handle {
    /// Begins to empty a server, within `deadline` and with moves spread over `window` (none: as the world's
    /// configuration says). One that is being emptied goes on as it does.
    ///
    /// # Errors
    /// [`Error::UnknownServer`].
    pub fn drain(
        &self,
        world: &str,
        server: &str,
        deadline: Option<Duration>,
        window: Option<Duration>,
    ) -> Result<DrainView, Error> {
        let (world, server) = self.server_of(world, server)?;
        let key = (Arc::clone(&world.name), server.id);
        let now = self.shared.now();
        let drains = &self.shared.drains;
        let mut known = drains.known();
        if let Some(drain) = known.get(&key)
            && drain.progress().stage != Stage::Cancelled
            && !server.is_active()
        {
            return Ok(drain.view(now));
        }
        let config = &world.config.drain;
        let drain = Arc::new(Drain {
            key: key.clone(),
            window: window.unwrap_or(*config.window),
            deadline: now + deadline.unwrap_or(*config.deadline),
            taken: AtomicBool::new(false),
            cancelled: watch::Sender::new(false),
            progress: Mutex::default(),
            server: Arc::clone(&server),
        });
        drain.progress().left = server.places() as usize;
        // Servers that register come and go: with the last that is known of one, its drain is forgotten.
        let view = self.shared.view.load();
        known.retain(|(world, server), drain| {
            let known = view.world(world).and_then(|world| world.server(*server));
            known.is_some() || drain.progress().stage == Stage::Draining
        });
        server.drain(Some(drain.deadline));
        let view = drain.view(now);
        known.insert(key, drain);
        drains.begun.notify_one();
        Ok(view)
    }

    /// Takes a drain back: the server gets players again. Who was moved stays where they are.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::NoDrain`].
    pub fn cancel_drain(&self, world: &str, server: &str) -> Result<DrainView, Error> {
        let (drain, server) = self.drain_of(world, server)?;
        drain.cancelled.send_replace(true);
        server.drain(None);
        // A server that comes back gets its full share slowly, like any other.
        server.came_at(self.shared.now());
        drain.progress().stage = Stage::Cancelled;
        Ok(drain.view(self.shared.now()))
    }

    /// The last drain of a server.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::NoDrain`].
    pub fn drain_report(&self, world: &str, server: &str) -> Result<DrainView, Error> {
        Ok(self.drain_of(world, server)?.0.view(self.shared.now()))
    }

    fn drain_of(&self, world: &str, server: &str) -> Result<(Arc<Drain>, Arc<Server>), Error> {
        let (of, found) = self.server_of(world, server)?;
        let key = (Arc::clone(&of.name), found.id);
        let drain = self.shared.drains.known().get(&key).cloned();
        drain
            .map(|drain| (drain, found))
            .ok_or_else(|| Error::NoDrain {
                world: world.to_owned(),
                server: server.to_owned(),
            })
    }

    fn server_of(&self, world: &str, server: &str) -> Result<(Arc<World>, Arc<Server>), Error> {
        let view = self.shared.view.load();
        let found = view.world(world).and_then(|world| {
            let found = world.server_named(server)?;
            Some((Arc::clone(world), Arc::clone(found)))
        });
        found.ok_or_else(|| Error::UnknownServer {
            world: world.to_owned(),
            server: server.to_owned(),
        })
    }
}

/// Runs drains as they are begun, until the edge is gone.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.drains.begun.notified() => {}
            Some(_) = running.join_next() => continue,
        }
        for drain in shared.drains.known().values() {
            if !drain.taken.swap(true, Ordering::Relaxed) {
                running.spawn(run::run(Arc::clone(&shared), Arc::clone(drain)));
            }
        }
    }
}
