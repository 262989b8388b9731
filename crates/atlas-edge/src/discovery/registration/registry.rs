//! Who is registered: decides about newcomers, heartbeats, farewells and silence, and tells the roster.
//!
//! Locks are taken in this order: registrations, roster. Nothing here waits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_balance::State as HealthState;
use atlas_base::{Moment, RegistrationId};
use axum::http::StatusCode;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};

use super::Refusal;
use super::messages::{Adjacent, Cell, Command, Heard, Heartbeat, Registered, Terms};
use super::offer::Offer;
use crate::Error;
use crate::config::{RegionsMode, RegistrationConfig};
use crate::handle::Handle;
use crate::mail::Mail;
use crate::servers::{Server, Source, View, World};
use crate::shared::Shared;

/// Missed heartbeats after which a server is suspect.
const SUSPECT_AFTER: u32 = 3;
/// Missed heartbeats after which it is gone.
const GONE_AFTER: u32 = 6;

/// Who is registered at this edge.
#[derive(Default)]
pub(crate) struct Registrations {
    known: Mutex<BTreeMap<RegistrationId, Known>>,
}

impl Registrations {
    fn known(&self) -> MutexGuard<'_, BTreeMap<RegistrationId, Known>> {
        // What panicked half-way has changed one entry at most.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One registered server. The roster has what players need of it, under the same world, name and address.
struct Known {
    world: Arc<str>,
    name: String,
    /// `ws://…`, as the roster knows it.
    address: String,
    authority: String,
    target: SocketAddr,
    cell: Cell,
    /// When it last said something.
    heard: Moment,
    /// Heartbeats that it missed since.
    missed: u32,
    /// What it was last told.
    terms: Terms,
}

impl Known {
    fn server<'a>(&self, view: &'a View) -> Option<(&'a Arc<World>, &'a Arc<Server>)> {
        let world = view.world(&self.world).filter(|world| !world.removed)?;
        let server = world.present().find(|server| {
            server.source == Source::Registration
                && server.config.name == self.name
                && server.config.address == self.address
        })?;
        Some((world, server))
    }
}

/// Registers a server, in the place of its own old registration and of those that stand in its way and live no more.
///
/// # Errors
/// 409 if somebody who lives has its name or a part of its region, 503 if there are too many.
pub(super) fn register(shared: &Arc<Shared>, offer: Offer) -> Result<Registered, Refusal> {
    let Offer {
        world,
        entry,
        cell,
        authority,
    } = offer;
    let config = entry.config.clone();
    let id = RegistrationId::from_u128(fresh()?);
    let mut known = shared.registrations.known();
    let (now, view) = (shared.now(), shared.view.load_full());
    let limits = &view.edge.registration;
    let heartbeat = *limits.heartbeat;

    let same = |known: &Known| known.name == config.name && known.address == config.address;
    let yields = |other: &Known| {
        *other.world == *world.name
            && (same(other)
                || stands_in_the_way(other, &entry, &view)
                    && !is_live(other, &view, now, heartbeat))
    };
    let gone: Vec<RegistrationId> = known
        .iter()
        .filter(|(_, other)| yields(other))
        .map(|(id, _)| *id)
        .collect();
    if known.len() - gone.len() >= limits.servers_max as usize {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many servers are registered as may be; raise edge.registration.servers-max",
        ));
    }
    // Whoever was emptied to be stopped has been, if another process is there now.
    let emptied = world.servers.iter().any(|server| {
        server.config.name == config.name
            && server.config.address == config.address
            && server.drains_until().is_some()
            && (server.removed.is_some() || server.places() == 0)
    });
    let (told, before, after) = shared
        .change(|roster| {
            if !roster.config().worlds.contains_key(&*world.name) {
                return Ok(false);
            }
            let mut entries = roster.of(&world.name, Source::Registration).to_vec();
            entries.retain(|other| {
                !gone.iter().filter_map(|id| known.get(id)).any(|gone| {
                    gone.name == other.config.name && gone.address == other.config.address
                })
            });
            entries.push(entry.clone());
            roster.tell(&world.name, Source::Registration, entries);
            Ok(true)
        })
        .map_err(|error| conflict(&error))?;
    if !told {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the world {} was just closed", world.name),
        ));
    }
    let mut again = false;
    for id in gone {
        if let Some(other) = known.remove(&id) {
            ended(shared, &other, "replaced");
            again |= same(&other);
            if !same(&other)
                && let Some((world, server)) = other.server(&before)
            {
                fail_over(shared, world, server);
            }
        }
    }
    let newcomer = Known {
        world: Arc::clone(&world.name),
        name: config.name.clone(),
        address: config.address.clone(),
        authority,
        target: entry.target,
        cell,
        heard: now,
        missed: 0,
        terms: terms(&known, &world.name, cell, id, limits),
    };
    if let Some((_, server)) = newcomer.server(&after) {
        server.begin_anew(now);
    }
    let answer = Registered {
        success: true,
        server_id: id.to_string(),
        message: format!("registered in world {}", world.name),
        heartbeat_interval_secs: newcomer.terms.heartbeat_interval_secs,
        adjacent_servers: newcomer.terms.adjacent_servers.clone(),
    };
    known.insert(id, newcomer);
    count(shared, known.len());
    drop(known);
    if emptied {
        let handle = Handle {
            shared: Arc::clone(shared),
        };
        // It may have been forgotten meanwhile.
        let _ = handle.cancel_drain(&world.name, &config.name);
    }
    let outcome = if again { "again" } else { "new" };
    let metrics = &shared.metrics.registration;
    metrics.registrations.with_label_values(&[outcome]).inc();
    tracing::info!(
        world = &*world.name,
        server = config.name,
        address = config.address,
        again,
        "a game server registered"
    );
    Ok(answer)
}

/// Takes note of a heartbeat and answers with what the server is to do.
///
/// # Errors
/// 404 for one that is not registered (any more), 403 if its address may not be a server's any more.
pub(super) fn beat(
    shared: &Shared,
    id: RegistrationId,
    heartbeat: &Heartbeat,
) -> Result<Heard, Refusal> {
    let mut known = shared.registrations.known();
    let (now, view) = (shared.now(), shared.view.load_full());
    let config = &view.edge.registration;
    let found = known.get(&id).and_then(|it| it.server(&view));
    let Some((world, server)) = found else {
        // Its world was closed.
        known.remove(&id);
        count(shared, known.len());
        return Err(unknown());
    };
    let terms = known
        .get(&id)
        .map(|it| terms(&known, &it.world, it.cell, id, config));
    let (Some(it), Some(terms)) = (known.get_mut(&id), terms) else {
        return Err(unknown());
    };
    let allowed = |network: &crate::Network| network.contains(it.target.ip());
    if !config.allow.iter().any(allowed) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "the server's address {} lies outside the networks of edge.registration.allow",
                it.authority
            ),
        ));
    }
    if it.missed >= SUSPECT_AFTER {
        tracing::info!(
            world = &*world.name,
            server = it.name,
            "a game server's heartbeats are back"
        );
    }
    it.heard = now;
    it.missed = 0;
    server.set_late(false);
    server.report_load(if heartbeat.load.is_finite() {
        heartbeat.load.clamp(0.0, 1.0)
    } else {
        f32::NAN
    });
    server.report_accepting(heartbeat.accepting_connections);
    shared.metrics.registration.heartbeats.inc();
    tracing::trace!(
        world = &*world.name,
        server = it.name,
        connections = heartbeat.current_connections,
        load = heartbeat.load,
        tick_ms = heartbeat.avg_tick_ms,
        memory_bytes = heartbeat.memory_bytes,
        "a heartbeat"
    );
    let mut commands = Vec::new();
    if let Some(until) = server.drains_until() {
        let left = until.saturating_since(now).as_millis().div_ceil(1000);
        commands.push(Command::PrepareShutdown {
            deadline_secs: u32::try_from(left).unwrap_or(u32::MAX),
        });
    }
    if it.terms != terms {
        it.terms = terms.clone();
        commands.push(Command::ConfigUpdate { config: terms });
    }
    if server.health() != HealthState::Healthy {
        commands.push(Command::HealthCheck);
    }
    Ok(Heard {
        success: true,
        message: "heard".to_owned(),
        commands,
    })
}

/// A server leaves: nobody new, and whoever is there is moved away as by a drain.
///
/// # Errors
/// 404 for one that is not registered (any more).
pub(super) fn leave(shared: &Arc<Shared>, id: RegistrationId) -> Result<Heard, Refusal> {
    let mut known = shared.registrations.known();
    let Some(it) = known.get(&id) else {
        return Err(unknown());
    };
    let view = shared.view.load_full();
    if let Some((world, server)) = it.server(&view)
        && server.places() > 0
    {
        let handle = Handle {
            shared: Arc::clone(shared),
        };
        // The players are moved at once: the process may end any moment.
        let _ = handle.drain(&world.name, &it.name, None, Some(Duration::ZERO));
    }
    forget(shared, &mut known, &[id], "left");
    Ok(Heard {
        success: true,
        message: "farewell".to_owned(),
        commands: Vec::new(),
    })
}

/// Looks who fell silent.
pub(super) fn sweep(shared: &Shared, now: Moment) {
    let mut known = shared.registrations.known();
    if known.is_empty() {
        return;
    }
    let view = shared.view.load_full();
    let heartbeat = *view.edge.registration.heartbeat;
    let (mut gone, mut closed) = (Vec::new(), Vec::new());
    for (id, it) in known.iter_mut() {
        let Some((world, server)) = it.server(&view) else {
            // Its world was closed by a reload.
            closed.push(*id);
            continue;
        };
        let missed = missed(now.saturating_since(it.heard), heartbeat);
        let metrics = &shared.metrics.registration;
        metrics
            .heartbeats_missed
            .with_label_values(&[&world.name])
            .inc_by(u64::from(missed.saturating_sub(it.missed)));
        if missed >= SUSPECT_AFTER && it.missed < SUSPECT_AFTER {
            tracing::warn!(
                world = &*world.name,
                server = it.name,
                missed,
                "a game server misses its heartbeats"
            );
        }
        it.missed = missed;
        server.set_late(missed >= SUSPECT_AFTER);
        if missed >= GONE_AFTER {
            gone.push(*id);
        }
    }
    for id in closed {
        known.remove(&id);
    }
    let lost: Vec<_> = gone
        .iter()
        .filter_map(|id| known.get(id)?.server(&view))
        .collect();
    forget(shared, &mut known, &gone, "silent");
    for (world, server) in lost {
        tracing::warn!(
            world = &*world.name,
            server = server.config.name,
            "a game server is silent and counts as gone"
        );
        fail_over(shared, world, server);
    }
}

/// Heartbeats missed after so long a silence: each counts once it is half an interval late.
fn missed(silence: Duration, heartbeat: Duration) -> u32 {
    let late = silence.saturating_sub(heartbeat / 2).as_millis();
    u32::try_from(late / heartbeat.as_millis().max(1)).unwrap_or(u32::MAX)
}

/// Ends registrations and tells the roster.
fn forget(
    shared: &Shared,
    known: &mut BTreeMap<RegistrationId, Known>,
    ids: &[RegistrationId],
    reason: &'static str,
) {
    let gone: Vec<Known> = ids.iter().filter_map(|id| known.remove(id)).collect();
    if !gone.is_empty() {
        let told = shared.change(|roster| {
            for it in &gone {
                let mut entries = roster.of(&it.world, Source::Registration).to_vec();
                entries.retain(|entry| {
                    entry.config.name != it.name || entry.config.address != it.address
                });
                roster.tell(&it.world, Source::Registration, entries);
            }
            Ok(())
        });
        if let Err(error) = told {
            // Fewer servers cannot stand in each other's way where more did not.
            tracing::error!(%error, "a server could not be taken off the roster");
        }
    }
    for it in &gone {
        ended(shared, it, reason);
    }
    count(shared, known.len());
}

fn ended(shared: &Shared, it: &Known, reason: &'static str) {
    let metrics = &shared.metrics.registration;
    metrics.ended.with_label_values(&[&it.world, reason]).inc();
    tracing::info!(
        world = &*it.world,
        server = it.name,
        reason,
        "a game server's registration ended"
    );
}

/// The players of a server that is off the roster look for another.
fn fail_over(shared: &Shared, world: &World, server: &Server) {
    for mailbox in &shared.mailboxes {
        mailbox.send(Mail::ServerDown {
            world: Arc::clone(&world.name),
            server: server.id,
            refused: false,
        });
    }
}

/// Whether both cannot be: one name, or regions that share a place.
fn stands_in_the_way(other: &Known, entry: &crate::servers::Entry, view: &View) -> bool {
    if other.name == entry.config.name {
        return true;
    }
    let Some((world, server)) = other.server(view) else {
        return true;
    };
    world.config.regions == RegionsMode::Auto
        && server
            .region
            .zip(entry.config.region)
            .is_some_and(|(held, wanted)| held.overlaps(&wanted.region()))
}

/// Whether its heartbeats come, its checks do not fail, and it was not emptied to be stopped.
fn is_live(it: &Known, view: &View, now: Moment, heartbeat: Duration) -> bool {
    missed(now.saturating_since(it.heard), heartbeat) < SUSPECT_AFTER
        && it.server(view).is_some_and(|(_, server)| {
            server.health() != HealthState::Down && (server.is_active() || server.places() > 0)
        })
}

/// What a server in this cell is told.
fn terms(
    known: &BTreeMap<RegistrationId, Known>,
    world: &str,
    cell: Cell,
    own: RegistrationId,
    config: &RegistrationConfig,
) -> Terms {
    let beside = known
        .iter()
        .filter(|(id, it)| **id != own && *it.world == *world && it.cell.is_beside(cell));
    Terms {
        adjacent_servers: beside
            .map(|(id, it)| Adjacent {
                server_id: *id,
                address: it.authority.clone(),
                region_coord: it.cell,
            })
            .collect(),
        heartbeat_interval_secs: interval_secs(config),
    }
}

/// The heartbeat's interval in whole seconds.
pub(super) fn interval_secs(config: &RegistrationConfig) -> u32 {
    let secs = config.heartbeat.as_millis().div_ceil(1000);
    u32::try_from(secs).unwrap_or(u32::MAX).max(1)
}

fn count(shared: &Shared, servers: usize) {
    let servers = i64::try_from(servers).unwrap_or(i64::MAX);
    shared.metrics.registration.servers.set(servers);
}

fn conflict(error: &Error) -> Refusal {
    let message = match error {
        Error::Config(problems) => {
            let words = problems.iter().map(ToString::to_string);
            words.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    Refusal::new(StatusCode::CONFLICT, message)
}

pub(super) fn unknown() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "no server is registered under this id; register again",
    )
}

/// 128 bits that nobody can guess: whoever has the id may speak for the server.
fn fresh() -> Result<u128, Refusal> {
    let random = StdRng::try_from_rng(&mut SysRng).map(|mut random| random.random());
    random.map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the edge could not answer; its log says why",
        )
    })
}

#[cfg(test)]
mod tests;
