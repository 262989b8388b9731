//! Game servers as every worker sees them, and the views that hold them.
//!
//! A [`Server`] is what was last told of it and never changes: a change makes a new one. What belongs to the running
//! process behind it (places taken, health, what it speaks, whether it is being emptied) is its [`Life`], which all
//! of its versions share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use atlas_balance::{Location, State as HealthState, warmth};
use atlas_base::Moment;
use atlas_world::ServerId;

use crate::config::{LinkMode, ServerConfig};

mod address;
mod roster;
mod token;
mod view;

pub(crate) use address::{Address, parse_address};
pub(crate) use roster::{Entry, Roster, Source};
pub(crate) use view::{View, World};

/// What a server turned out to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speaks {
    /// Nobody has asked yet.
    Unknown,
    /// `atlas.link.v1`.
    Cooperative,
    /// WebSocket and no more.
    Plain,
}

/// One game server, as it was last told of.
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) config: ServerConfig,
    pub(crate) address: Address,
    /// Where the address led when it was last told of.
    pub(crate) target: SocketAddr,
    pub(crate) region: Option<atlas_world::Region>,
    /// Who tells of it.
    pub(crate) source: Source,
    /// Since when nobody tells of it any more: it gets nothing new, and is forgotten once its sessions are gone.
    pub(crate) removed: Option<Moment>,
    life: Arc<Life>,
}

/// What changes by the moment. Nothing here is on the way of a message.
struct Life {
    /// Places taken.
    places: AtomicU32,
    health: AtomicU8,
    /// The accrued value behind `health`, as the bits of an f32.
    strain: AtomicU32,
    speaks: AtomicU8,
    /// Until when it is being emptied, in milliseconds; 0: it is not.
    drains_until: AtomicU64,
    /// When it came or came back, in milliseconds; 0: long ago.
    came: AtomicU64,
    /// The load it reported, as the bits of an f32; not a number: it reports none.
    load: AtomicU32,
    /// It reported that it takes nobody.
    closed: AtomicBool,
    /// It is its world's shadow server: it gets copies and no players.
    shadow: AtomicBool,
    /// It missed heartbeats that it had promised.
    late: AtomicBool,
}

impl Life {
    fn new() -> Self {
        Self {
            places: AtomicU32::new(0),
            health: AtomicU8::new(0),
            strain: AtomicU32::new(0),
            speaks: AtomicU8::new(0),
            drains_until: AtomicU64::new(0),
            came: AtomicU64::new(0),
            load: AtomicU32::new(f32::NAN.to_bits()),
            closed: AtomicBool::new(false),
            shadow: AtomicBool::new(false),
            late: AtomicBool::new(false),
        }
    }
}

impl Server {
    /// A server that was not known before.
    fn new(id: ServerId, entry: Entry) -> Self {
        Self::made(id, entry, Arc::new(Life::new()))
    }

    fn made(id: ServerId, entry: Entry, life: Arc<Life>) -> Self {
        Self {
            id,
            region: entry.config.region.map(|region| region.region()),
            config: entry.config,
            address: entry.address,
            target: entry.target,
            source: entry.source,
            removed: None,
            life,
        }
    }

    /// Whether this is what the entry tells.
    fn is(&self, entry: &Entry) -> bool {
        self.removed.is_none()
            && self.config == entry.config
            && self.target == entry.target
            && self.source == entry.source
    }

    /// The same server as it is told of now.
    fn told(&self, entry: Entry) -> Self {
        Self::made(self.id, entry, Arc::clone(&self.life))
    }

    /// The same server, that nobody tells of any more.
    fn gone(&self, now: Moment) -> Self {
        Self {
            id: self.id,
            config: self.config.clone(),
            address: self.address.clone(),
            target: self.target,
            region: None,
            source: self.source,
            removed: Some(now),
            life: Arc::clone(&self.life),
        }
    }

    /// Whether a new session may be sent here.
    pub(crate) fn may_enter(&self) -> bool {
        self.health() != HealthState::Down && self.is_open() && self.has_place()
    }

    /// Whether it is told of and not being emptied.
    pub(crate) fn is_active(&self) -> bool {
        self.removed.is_none() && self.drains_until().is_none()
    }

    /// Whether it gets copies and no players.
    pub(crate) fn is_shadow(&self) -> bool {
        self.life.shadow.load(Ordering::Relaxed)
    }

    fn cast_shadow(&self, shadow: bool) {
        self.life.shadow.store(shadow, Ordering::Relaxed);
    }

    /// Whether it is active, no shadow, and did not report that it takes nobody.
    pub(crate) fn is_open(&self) -> bool {
        self.is_active() && !self.is_shadow() && !self.life.closed.load(Ordering::Relaxed)
    }

    fn has_place(&self) -> bool {
        self.config.capacity == 0 || self.places() < self.config.capacity
    }

    /// Places taken: by sessions attached and by those on their way.
    pub(crate) fn places(&self) -> u32 {
        self.life.places.load(Ordering::Relaxed)
    }

    /// Takes a place, if there is one.
    pub(crate) fn reserve(&self) -> bool {
        let before = self.life.places.fetch_add(1, Ordering::Relaxed);
        let full = self.config.capacity != 0 && before >= self.config.capacity;
        if full {
            self.release();
        }
        !full
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        self.life.places.fetch_sub(1, Ordering::Relaxed);
    }

    /// What probes and traffic say; a server that misses its heartbeats is suspect at least.
    pub(crate) fn health(&self) -> HealthState {
        match self.life.health.load(Ordering::Relaxed) {
            0 if self.life.late.load(Ordering::Relaxed) => HealthState::Suspect,
            0 => HealthState::Healthy,
            1 => HealthState::Suspect,
            _ => HealthState::Down,
        }
    }

    /// The accrued value behind the health: 0 = nothing speaks against it.
    pub(crate) fn strain(&self) -> f64 {
        f64::from(f32::from_bits(self.life.strain.load(Ordering::Relaxed)))
    }

    /// Takes note of a verdict on its health. One that comes back from being down comes back slowly.
    pub(crate) fn set_health(&self, state: HealthState, strain: f64, now: Moment) {
        let value = match state {
            HealthState::Healthy => 0,
            HealthState::Suspect => 1,
            HealthState::Down => 2,
        };
        let before = self.life.health.swap(value, Ordering::Relaxed);
        if before == 2 && value != 2 {
            self.came_at(now);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it only ranks")]
        self.life
            .strain
            .store((strain as f32).to_bits(), Ordering::Relaxed);
    }

    /// Takes note that it came, or came back, now: it gets its full share only after `slow-start`.
    pub(crate) fn came_at(&self, now: Moment) {
        self.life
            .came
            .store(now.as_millis().max(1), Ordering::Relaxed);
    }

    /// Its share of its weight while it starts slowly: 0.1 to 1.
    pub(crate) fn warmth(&self, now: Moment) -> f64 {
        match self.life.came.load(Ordering::Relaxed) {
            0 => 1.0,
            came => warmth(
                now.saturating_since(Moment::from_millis(came)),
                self.config.slow_start.into(),
            ),
        }
    }

    /// Where on the globe it stands.
    pub(crate) fn location(&self) -> Option<Location> {
        self.config.location?.location()
    }

    /// The load it reported: 0 = idle to 1 = full; none if it reports none.
    pub(crate) fn load(&self) -> Option<f64> {
        let load = f32::from_bits(self.life.load.load(Ordering::Relaxed));
        (!load.is_nan()).then_some(f64::from(load))
    }

    /// Takes note of the load that it reports; not a number: none.
    pub(crate) fn report_load(&self, load: f32) {
        self.life.load.store(load.to_bits(), Ordering::Relaxed);
    }

    /// Takes note of whether it says that it takes players.
    pub(crate) fn report_accepting(&self, accepting: bool) {
        self.life.closed.store(!accepting, Ordering::Relaxed);
    }

    /// Takes note of whether it misses its heartbeats.
    pub(crate) fn set_late(&self, late: bool) {
        self.life.late.store(late, Ordering::Relaxed);
    }

    /// Another process runs behind its address: what the one before said counts no more, and it comes slowly.
    pub(crate) fn begin_anew(&self, now: Moment) {
        self.report_load(f32::NAN);
        self.report_accepting(true);
        self.set_late(false);
        self.learn(Speaks::Unknown);
        self.came_at(now);
    }

    /// Until when it is being emptied; none if it is not.
    pub(crate) fn drains_until(&self) -> Option<Moment> {
        match self.life.drains_until.load(Ordering::Relaxed) {
            0 => None,
            until => Some(Moment::from_millis(until)),
        }
    }

    /// Begins to empty it, or takes that back (none).
    pub(crate) fn drain(&self, until: Option<Moment>) {
        let until = until.map_or(0, |until| until.as_millis().max(1));
        self.life.drains_until.store(until, Ordering::Relaxed);
    }

    /// Whether links to it are cooperative: what the config says, else what was found out.
    pub(crate) fn speaks(&self) -> Speaks {
        match (self.config.link, self.life.speaks.load(Ordering::Relaxed)) {
            (LinkMode::Cooperative, _) | (LinkMode::Auto, 1) => Speaks::Cooperative,
            (LinkMode::Plain, _) | (LinkMode::Auto, 2) => Speaks::Plain,
            (LinkMode::Auto, _) => Speaks::Unknown,
        }
    }

    pub(crate) fn learn(&self, speaks: Speaks) {
        let value = match speaks {
            Speaks::Unknown => 0,
            Speaks::Cooperative => 1,
            Speaks::Plain => 2,
        };
        self.life.speaks.store(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(config: ServerConfig) -> Server {
        let config = ServerConfig {
            name: "west".into(),
            address: "ws://127.0.0.1:1".into(),
            ..config
        };
        Server::new(
            ServerId(0),
            Entry::resolve(&config, Source::Config).unwrap(),
        )
    }

    #[test]
    fn places_are_bounded_by_capacity() {
        let server = server(ServerConfig {
            capacity: 2,
            ..ServerConfig::default()
        });
        assert!(server.reserve() && server.reserve());
        assert!(!server.reserve(), "two places, and both are taken");
        assert!(!server.may_enter());
        server.release();
        assert!(server.may_enter());
    }

    #[test]
    fn nobody_is_sent_where_nobody_is_taken() {
        let server = server(ServerConfig::default());
        assert!(server.may_enter());
        server.report_accepting(false);
        assert!(!server.may_enter());
        server.report_accepting(true);
        server.drain(Some(Moment::from_millis(5)));
        assert!(!server.may_enter());
        server.drain(None);
        assert!(server.may_enter());
        assert!(!server.gone(Moment::ZERO).may_enter());
    }

    #[test]
    fn missed_heartbeats_make_it_suspect_and_never_better() {
        let server = server(ServerConfig::default());
        server.set_late(true);
        assert_eq!(server.health(), HealthState::Suspect);
        server.set_health(HealthState::Down, 3.0, Moment::ZERO);
        assert_eq!(server.health(), HealthState::Down);
        server.set_health(HealthState::Healthy, 0.0, Moment::ZERO);
        assert_eq!(server.health(), HealthState::Suspect);
        server.set_late(false);
        assert_eq!(server.health(), HealthState::Healthy);
    }

    #[test]
    fn another_process_at_the_address_is_not_held_to_what_the_last_one_said() {
        let server = server(ServerConfig::default());
        server.report_accepting(false);
        server.set_late(true);
        server.report_load(0.9);
        server.learn(Speaks::Cooperative);
        server.begin_anew(Moment::from_millis(7));
        assert!(server.may_enter() && server.load().is_none());
        assert_eq!(server.health(), HealthState::Healthy);
        assert_eq!(server.speaks(), Speaks::Unknown);
        assert!(server.warmth(Moment::from_millis(7)) < 0.2);
    }

    #[test]
    fn a_server_that_came_back_warms_up() {
        let server = server(ServerConfig {
            slow_start: atlas_base::TimeSpan::from_secs(10),
            ..ServerConfig::default()
        });
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        assert!(
            (server.warmth(at(0)) - 1.0).abs() < 1e-9,
            "there since the start"
        );
        server.set_health(HealthState::Down, 3.0, at(20));
        server.set_health(HealthState::Healthy, 0.0, at(30));
        assert!((server.warmth(at(30)) - 0.1).abs() < 1e-9);
        assert!((server.warmth(at(35)) - 0.55).abs() < 1e-9);
        assert!((server.warmth(at(40)) - 1.0).abs() < 1e-9);
    }
}
