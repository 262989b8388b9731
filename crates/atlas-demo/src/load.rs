//! The load-test client: many players at a fixed rate, and a report of what came back.
//!
//! [`run`] dials, spreads the starts, sends for the asked time, waits a bounded time for what is
//! outstanding and returns the [`Report`]. It is open-loop for each client: a late answer does not
//! delay the next message. A client that is held up itself (a starved machine, a socket that takes no
//! more) goes on at its rate and does not catch up, because a burst would trip the edge's limits;
//! [`Report::sent_per_second`] tells what was really sent. Times run from the moment a message is handed to its socket until its
//! answer was read, so a send that is held up by back-pressure is in them.

mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{self, End, Phase, Plan, Stops};
use crate::error::Error;
use crate::random::Random;
use crate::tally::Tally;
use crate::walk::{Movement, Walker};

pub use crate::tally::{Account, Accounts};
pub use report::Report;

/// More clients than one process has descriptors for make no sense.
const CLIENTS_MAX: u32 = 100_000;
const RATE_MAX_HZ: f64 = 1_000.0;
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// After the clients were told to stop at once.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What load to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// The WebSocket URL to dial.
    pub url: String,
    /// How many clients; 1 to 100,000.
    pub clients: u32,
    /// Messages a second of each client; above 0 and at most 1,000.
    pub rate_hz: f64,
    /// Messages are padded to this length, if they are shorter; at most 1 MiB.
    pub message_bytes: usize,
    /// How the clients move.
    pub movement: Movement,
    /// Match answers by number, and count what is lost, doubled or reordered. Without it every
    /// message that comes back answers the oldest one sent.
    pub verify: bool,
    /// For how long each client sends.
    pub duration: Duration,
    /// Over what time the clients dial; `None` = 500 dials a second, at least one interval.
    pub spread: Option<Duration>,
    /// How long after the last message answers are waited for.
    pub settle_timeout: Duration,
    /// How long a dial may take.
    pub dial_timeout: Duration,
    /// Names and ways of the players depend on it; equal seeds walk equal ways.
    pub seed: u64,
    /// What the clients speak.
    pub speak: Speak,
    /// So many of the clients stop reading for a while, in the middle of the run, and ask for much meanwhile.
    pub stop_reading: u32,
    /// For how long they do.
    pub stop_span: Duration,
}

/// What clients speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speak {
    /// The game's messages and nothing else.
    #[default]
    Plain,
    /// `atlas.v1`.
    Atlas,
    /// Every second of them `atlas.v1`.
    Both,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:9000/".to_owned(),
            clients: 100,
            rate_hz: 20.0,
            message_bytes: 64,
            movement: Movement::Still,
            verify: false,
            duration: Duration::from_secs(10),
            spread: None,
            settle_timeout: Duration::from_secs(5),
            dial_timeout: Duration::from_secs(10),
            seed: 1,
            speak: Speak::Plain,
            stop_reading: 0,
            stop_span: Duration::from_secs(20),
        }
    }
}

/// How far a run is, handed to the callback once a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Since the first dial.
    pub elapsed: Duration,
    /// How long dialling and sending take together, as planned.
    pub planned: Duration,
    /// Clients connected now.
    pub connected: u64,
    /// Messages sent so far.
    pub sent: u64,
    /// Messages answered so far.
    pub answered: u64,
    /// Faults so far: doubled, reordered, unexpected, dials failed and connections closed.
    pub faults: u64,
    /// Servers changed under clients so far.
    pub server_changes: u64,
}

pub(crate) fn check_count(option: &'static str, value: u32) -> Result<(), Error> {
    if (1..=CLIENTS_MAX).contains(&value) {
        return Ok(());
    }
    Err(Error::Option {
        option,
        value: value.to_string(),
        must: "from 1 to 100000",
    })
}

pub(crate) fn check_rate(rate_hz: f64) -> Result<(), Error> {
    if rate_hz > 0.0 && rate_hz <= RATE_MAX_HZ && rate_hz.is_finite() {
        return Ok(());
    }
    Err(Error::Option {
        option: "rate",
        value: rate_hz.to_string(),
        must: "above 0 and at most 1000 a second",
    })
}

/// Makes the load and returns what came of it; `progress` is called once a second. When `stop` is
/// done, the run ends early as if its time were over.
///
/// # Errors
/// [`Error::Url`] and [`Error::Option`]; what happens on the wire is no error but part of the report.
pub async fn run(
    options: Options,
    mut progress: impl FnMut(&Progress),
    stop: impl Future<Output = ()>,
) -> Result<Report, Error> {
    client::check_url(&options.url)?;
    check_count("clients", options.clients)?;
    check_rate(options.rate_hz)?;
    if options.message_bytes > MESSAGE_BYTES_MAX {
        let value = options.message_bytes.to_string();
        return Err(Error::Option {
            option: "size",
            value,
            must: "at most 1048576 bytes",
        });
    }
    let interval = Duration::from_secs_f64(1.0 / options.rate_hz);
    let spread = options.spread.unwrap_or_else(|| {
        Duration::from_secs_f64(f64::from(options.clients) / 500.0).max(interval)
    });
    let tally = Arc::new(Tally::new());
    let (phases, phase) = watch::channel(Phase::Play);
    let url: Arc<str> = options.url.as_str().into();
    let mut tasks = JoinSet::new();
    let mut random = Random::new(options.seed);
    for index in 0..options.clients {
        let stops = (index < options.stop_reading).then(|| Stops {
            // In the middle of the run, not all at once.
            after: options.duration.mul_f64(random.between(0.2, 0.5)),
            span: options.stop_span,
        });
        let plan = Plan {
            atlas: match options.speak {
                Speak::Plain => false,
                Speak::Atlas => true,
                Speak::Both => index % 2 == 1,
            },
            stops,
            url: Arc::clone(&url),
            player: format!("load-{:x}-{index}", options.seed),
            interval,
            message_bytes: options.message_bytes,
            verify: options.verify,
            say_every: 0,
            dial_timeout: options.dial_timeout,
            lost_after: Duration::MAX,
        };
        // A jitter of one interval keeps clients from sending in step.
        let delay = spread.mul_f64(f64::from(index) / f64::from(options.clients))
            + interval.mul_f64(random.between(0.0, 1.0)).min(spread);
        let walker = Walker::new(options.movement, random.bits());
        tasks.spawn(one(plan, walker, delay, Arc::clone(&tally), phase.clone()));
    }
    let started = Instant::now();
    let planned = spread + options.duration;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let over = tokio::time::sleep(planned);
    tokio::pin!(over, stop);
    let mut all_gone = false;
    loop {
        tokio::select! {
            () = &mut over => break,
            () = &mut stop => break,
            _ = seconds.tick() => progress(&look(&tally, started, planned)),
            ended = tasks.join_next() => if ended.is_none() {
                all_gone = true;
                break;
            },
        }
    }
    let sending = started.elapsed();
    let mut settled = all_gone;
    for (next, limit) in [
        (Phase::Settle, options.settle_timeout),
        (Phase::Stop, STOP_TIMEOUT),
    ] {
        if settled {
            break;
        }
        phases.send_replace(next);
        let all = async { while tasks.join_next().await.is_some() {} };
        settled = tokio::time::timeout(limit, all).await.is_ok();
    }
    // Whoever did not even stop in time has not been counted: its messages are lost.
    tasks.shutdown().await;
    progress(&look(&tally, started, planned));
    Ok(Report::new(&options, &tally, sending, started.elapsed()))
}

async fn one(
    plan: Plan,
    mut walker: Walker,
    delay: Duration,
    tally: Arc<Tally>,
    mut phase: watch::Receiver<Phase>,
) {
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        _ = phase.wait_for(|&phase| phase > Phase::Play) => return,
    }
    // A client that lost its connection stays away: the report is about connections that hold.
    let _: End = client::play(&plan, &mut walker, &tally, phase).await;
}

fn look(tally: &Tally, started: Instant, planned: Duration) -> Progress {
    Progress {
        elapsed: started.elapsed(),
        planned,
        connected: tally.connected.get(),
        sent: tally.sent.get(),
        answered: tally.answered.get(),
        faults: tally.doubled.get()
            + tally.reordered.get()
            + tally.unexpected.get()
            + tally.dials_failed.get()
            + tally.closed.get(),
        server_changes: tally.server_changes.get(),
    }
}
