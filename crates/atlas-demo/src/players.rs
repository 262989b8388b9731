//! Simulated players who walk over the demo's world through real WebSockets, with a check built in.
//!
//! [`build`](Players::build) checks the configuration, [`run`](Players::run) lets them walk until the
//! shutdown, [`Stats`] is the cheap handle that tells how it goes, and [`routes`] serves it.

use std::sync::Arc;
use std::time::Duration;

use atlas_runtime::admin::{Operation, Routes};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{self, End, Phase, Plan};
use crate::error::Error;
use crate::random::Random;
use crate::tally::Tally;
use crate::walk::{Movement, Walker};

/// A message without an answer for so long counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Between a lost connection and the next dial, at most.
const REDIAL_MAX: Duration = Duration::from_secs(2);
/// How long waiting for last answers may take at the shutdown, and then closing.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How many players walk where.
#[derive(Clone, Debug)]
pub struct Config {
    /// The edge's (or a game server's) WebSocket URL.
    pub url: String,
    /// How many players; at least one.
    pub players: u32,
    /// Messages a second of each player, above 0 and at most 1,000.
    pub rate_hz: f64,
    /// Over what time the players appear.
    pub spread: Duration,
    /// How they move.
    pub movement: Movement,
    /// Equal seeds walk equal ways.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:9000/".to_owned(),
            players: 60,
            rate_hz: 10.0,
            spread: Duration::from_secs(3),
            movement: Movement::Walk,
            seed: 1,
        }
    }
}

/// Players who are ready to walk.
#[derive(Debug)]
pub struct Players {
    config: Config,
    stats: Stats,
}

/// Tells how the players fare; cheap to clone, never blocks them.
#[derive(Clone, Debug)]
pub struct Stats {
    players: u32,
    tally: Arc<Tally>,
}

/// What the players counted so far, as `GET /v1/demo` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// How many players there are to be.
    pub players: u32,
    /// How many of them are connected now.
    pub connected: u64,
    /// Numbered messages sent.
    pub sent: u64,
    /// Messages that have their answer.
    pub answered: u64,
    /// Messages without one for ten seconds, or when their connection ended.
    pub lost: u64,
    /// Answers to messages that had theirs already.
    pub doubled: u64,
    /// Answers that came after one to a later message.
    pub reordered: u64,
    /// Answers whose count did not go on from the one before: a player's state was lost or doubled.
    pub state_breaks: u64,
    /// What servers say they missed of the players' messages.
    pub server_gaps: u64,
    /// What servers say they got twice.
    pub server_doubles: u64,
    /// Connections that ended although the player stayed.
    pub closed: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// From a message to its answer.
    pub answer_ms: AnswerTimes,
    /// How often a player's next answer came from another server than the one before.
    pub server_changes: u64,
    /// The first thing that went wrong, if anything did.
    pub first_error: Option<String>,
}

/// Answer times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerTimes {
    /// Half took at most this long.
    pub p50: f64,
    /// 99 of 100 took at most this long.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Players {
    /// Checks the configuration; dials nothing yet.
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::Option`].
    pub fn build(config: Config) -> Result<Self, Error> {
        client::check_url(&config.url)?;
        crate::load::check_count("players", config.players)?;
        crate::load::check_rate(config.rate_hz)?;
        let stats = Stats {
            players: config.players,
            tally: Arc::new(Tally::new()),
        };
        Ok(Self { config, stats })
    }

    /// The handle that tells how the players fare.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Lets the players walk until `shutdown` is done. A player whose connection ends comes back
    /// after a moment, as the same player.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (phases, phase) = watch::channel(Phase::Play);
        let url: Arc<str> = self.config.url.as_str().into();
        let mut tasks = JoinSet::new();
        for index in 0..self.config.players {
            let plan = Plan {
                atlas: false,
                stops: None,
                url: Arc::clone(&url),
                player: format!("p-{}", index + 1),
                interval: Duration::from_secs_f64(1.0 / self.config.rate_hz),
                message_bytes: 0,
                verify: true,
                say_every: 25,
                dial_timeout: Duration::from_secs(5),
                lost_after: LOST_AFTER,
            };
            let part = f64::from(index) / f64::from(self.config.players);
            let seed = self
                .config
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(u64::from(index));
            let life = live(
                plan,
                Walker::new(self.config.movement, seed),
                Random::new(seed),
                self.config.spread.mul_f64(part),
                Arc::clone(&self.stats.tally),
                phase.clone(),
            );
            tasks.spawn(life);
        }
        shutdown.await;
        // What is under way is answered first, so that a stop alone loses nothing; then whoever still waits closes.
        for phase in [Phase::Settle, Phase::Stop] {
            phases.send_replace(phase);
            let all = async { while tasks.join_next().await.is_some() {} };
            // Those that are not gone after both are cut off when the set is dropped.
            if tokio::time::timeout(STOP_TIMEOUT, all).await.is_ok() {
                return;
            }
        }
    }
}

/// One player's life: appear, play, come back after a lost connection.
async fn live(
    plan: Plan,
    mut walker: Walker,
    mut random: Random,
    appears_after: Duration,
    tally: Arc<Tally>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut pause = appears_after;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = phase.wait_for(|&phase| phase > Phase::Play) => return,
        }
        match client::play(&plan, &mut walker, &tally, phase.clone()).await {
            End::Done => return,
            End::Closed | End::NotConnected => pause = REDIAL_MAX.mul_f64(random.between(0.2, 1.0)),
        }
    }
}

impl Stats {
    /// What the players counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let tally = &*self.tally;
        let times = tally.answer_times();
        Snapshot {
            players: self.players,
            connected: tally.connected.get(),
            sent: tally.sent.get(),
            answered: tally.answered.get(),
            lost: tally.lost.get(),
            doubled: tally.doubled.get(),
            reordered: tally.reordered.get(),
            state_breaks: tally.state_breaks.get(),
            server_gaps: tally.server_gaps.get(),
            server_doubles: tally.server_doubles.get(),
            closed: tally.closed.get(),
            dials_failed: tally.dials_failed.get(),
            answer_ms: AnswerTimes {
                p50: times.p50,
                p99: times.p99,
                max: times.max,
            },
            server_changes: tally.server_changes.get(),
            first_error: tally.first_error(),
        }
    }
}

/// `GET /v1/demo`: the players' [`Snapshot`] as JSON, or nothing on a node without a demo.
#[must_use]
pub fn routes(stats: Option<Stats>) -> Routes {
    Routes::new()
        .add(
            Operation::get(
                "/v1/demo",
                "What the demo's players counted; nothing unless a demo runs",
            )
            .json::<Snapshot>(200)
            .other(204, ""),
            get(show),
        )
        .with_state(stats)
}

async fn show(State(stats): State<Option<Stats>>) -> Response {
    match stats {
        Some(stats) => Json(stats.snapshot()).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
