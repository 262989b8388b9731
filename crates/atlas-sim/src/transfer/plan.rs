//! What a seed draws before anything happens: how large the world is, and which faults come how often.
//!
//! "Swarm": each fault is off in about half of the runs, so that some runs have one kind of fault only and deep, and
//! others have all of them.

use std::time::Duration;

use atlas_world::{Phase, PlainOrder, Settings};

use super::{Options, ambush, coverage::Fault, machine::Kind};
use crate::random::Random;

/// Most runs have at most so many sessions: many seeds of a few find more than a few seeds of many.
const SESSIONS_FEW: u64 = 4;

/// Rates are of 10,000: for each order, answer or request where the fault can strike, or for each look at the
/// weather (every [`WEATHER_EVERY_MS`]).
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The sessions, by what their servers know.
    pub(super) kinds: Vec<Kind>,
    pub(super) servers: usize,
    /// How long faults come, before the liveness phase.
    pub(super) span_ms: u64,
    pub(super) delay_ms_max: u64,
    pub(super) message_every_ms: u64,
    pub(super) speed: f64,
    pub(super) checkpoint_every_ms: Option<u64>,
    pub(super) capacity: u32,
    /// Faults meant for phases of sessions of a kind.
    pub(super) ambushes: Vec<(Kind, Fault, Phase)>,
    pub(super) slow_delivery: u64,
    pub(super) lost_link: u64,
    pub(super) hung_link: u64,
    pub(super) crash: u64,
    pub(super) stall: u64,
    pub(super) refusal: u64,
    pub(super) slow_answer: u64,
    pub(super) doubled_answer: u64,
    pub(super) late_order: u64,
    pub(super) doubled_order: u64,
    pub(super) no_pong: u64,
    pub(super) no_close: u64,
    pub(super) cut: u64,
    pub(super) long_input: u64,
    pub(super) chatter: u64,
    pub(super) stale_epoch: u64,
    pub(super) failed_dial: u64,
    pub(super) cas_refused: u64,
    pub(super) cas_lost: u64,
    pub(super) cas_unanswered: u64,
    pub(super) cas_late: u64,
    pub(super) read_unknown: u64,
    pub(super) outage: u64,
    pub(super) edge_stall: u64,
    pub(super) edge_crash: u64,
    pub(super) rival: u64,
    pub(super) late_timer: u64,
    pub(super) false_verdict: u64,
    pub(super) client_close: u64,
    pub(super) server_kick: u64,
    pub(super) admin_kick: u64,
    pub(super) admin_transfer: u64,
    pub(super) request: u64,
    pub(super) drain: u64,
}

pub(super) const WEATHER_EVERY_MS: u64 = 250;

impl Plan {
    pub(super) fn draw(random: &mut Random, options: &Options) -> (Self, Settings) {
        let mut rate = |most: u64| {
            if random.chance(5_000) {
                0
            } else {
                random.between(1, most)
            }
        };
        let mut plan = Self {
            kinds: Vec::new(),
            servers: 0,
            span_ms: 0,
            delay_ms_max: 0,
            message_every_ms: 0,
            speed: 0.0,
            checkpoint_every_ms: None,
            capacity: 0,
            ambushes: Vec::new(),
            slow_delivery: rate(300),
            lost_link: rate(400),
            hung_link: rate(200),
            crash: rate(200),
            stall: rate(200),
            refusal: rate(1_500),
            slow_answer: rate(1_000),
            doubled_answer: rate(1_000),
            late_order: rate(300),
            doubled_order: rate(1_000),
            no_pong: rate(2_000),
            no_close: rate(2_000),
            cut: rate(100),
            long_input: rate(1_500),
            chatter: rate(2_000),
            stale_epoch: rate(1_000),
            failed_dial: rate(2_000),
            cas_refused: rate(2_000),
            cas_lost: rate(2_000),
            cas_unanswered: rate(2_000),
            cas_late: rate(2_000),
            read_unknown: rate(3_000),
            outage: rate(100),
            edge_stall: rate(100),
            edge_crash: rate(30),
            rival: rate(30),
            late_timer: rate(1_000),
            false_verdict: rate(60),
            client_close: rate(150),
            server_kick: rate(40),
            admin_kick: rate(60),
            admin_transfer: rate(1_000),
            request: rate(500),
            drain: rate(150),
        };
        let crowded = random.chance(200);
        let most = if crowded {
            options.sessions_max
        } else {
            options.sessions_max.min(SESSIONS_FEW)
        };
        let sessions = random.between(1, most.max(1));
        plan.kinds = Self::kinds(random, sessions);
        plan.ambushes = ambush::draw(random, &plan.kinds);
        plan.servers = random.between(2, options.servers_max.max(2)) as usize;
        plan.span_ms = random.between(5_000, options.span_ms_max.max(5_000));
        plan.delay_ms_max = random.between(1, 40);
        plan.message_every_ms = random.between(40, 600);
        plan.speed = random.between(0, 150) as f64;
        plan.checkpoint_every_ms = random.chance(6_000).then(|| random.between(200, 3_000));
        plan.capacity = if random.chance(2_000) {
            sessions as u32
        } else {
            1_000
        };
        let mut settings = Settings {
            min_interval: Duration::from_millis(random.between(0, 2_000)),
            ..Settings::default()
        };
        if random.chance(3_000) {
            settings.held_input_bytes_max = random.between(8, 200) as usize;
        }
        if random.chance(3_000) {
            settings.preload_within = Duration::ZERO;
        }
        if random.chance(3_000) {
            settings.unknown_outcome_max = Duration::from_millis(random.between(1_500, 8_000));
        }
        if random.chance(2_500) {
            settings.plain_order = PlainOrder::JoinFirst;
        }
        settings.linger = Duration::from_millis(random.between(100, 1_000));
        (plan, settings)
    }

    /// A third of the runs has one kind only, a third the other, a third both.
    fn kinds(random: &mut Random, sessions: u64) -> Vec<Kind> {
        let plain = [0, 10_000, 5_000][random.below(3) as usize];
        (0..sessions)
            .map(|_| match random.chance(plain) {
                true => Kind::Plain,
                false => Kind::Cooperative,
            })
            .collect()
    }

    /// The liveness phase: nothing fails any more.
    pub(super) fn heal(&mut self) {
        *self = Self {
            ambushes: Vec::new(),
            slow_delivery: 0,
            lost_link: 0,
            hung_link: 0,
            crash: 0,
            stall: 0,
            refusal: 0,
            slow_answer: 0,
            doubled_answer: 0,
            late_order: 0,
            doubled_order: 0,
            no_pong: 0,
            no_close: 0,
            cut: 0,
            long_input: 0,
            chatter: 0,
            stale_epoch: 0,
            failed_dial: 0,
            cas_refused: 0,
            cas_lost: 0,
            cas_unanswered: 0,
            cas_late: 0,
            read_unknown: 0,
            outage: 0,
            edge_stall: 0,
            edge_crash: 0,
            rival: 0,
            late_timer: 0,
            false_verdict: 0,
            client_close: 0,
            server_kick: 0,
            admin_kick: 0,
            admin_transfer: 0,
            request: 0,
            drain: 0,
            ..self.clone()
        };
    }
}
