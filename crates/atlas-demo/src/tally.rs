use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::verifier::{Judgement, Kind};

/// Times above this are recorded as this.
const TIME_MAX: Duration = Duration::from_secs(120);

/// What all simulated clients of one run counted together.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) connected: Count,
    pub(crate) connected_total: Count,
    pub(crate) dials_failed: Count,
    pub(crate) sent: Count,
    pub(crate) answered: Count,
    pub(crate) lost: Count,
    pub(crate) doubled: Count,
    pub(crate) reordered: Count,
    pub(crate) unexpected: Count,
    pub(crate) state_breaks: Count,
    pub(crate) server_gaps: Count,
    pub(crate) server_doubles: Count,
    pub(crate) server_changes: Count,
    pub(crate) held_back: Count,
    pub(crate) closed: Count,
    closed_by_code: Mutex<BTreeMap<u16, u64>>,
    closed_by_reason: Mutex<BTreeMap<String, u64>>,
    accounts: Mutex<Vec<Account>>,
    first_error: Mutex<Option<String>>,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    answer: Histogram<u64>,
    switch_answer: Histogram<u64>,
    switch_gap: Histogram<u64>,
}

/// What one client has to say in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The player's id.
    pub player: String,
    /// Whether it spoke `atlas.v1`.
    pub atlas: bool,
    /// Whether it was to stop reading for a while.
    pub stopped_reading: bool,
    /// Messages without an answer.
    pub unanswered: u64,
    /// Messages that the state at the end does not contain; fewer than none if some came twice. None if the last message
    /// was not answered.
    pub missing: Option<i64>,
    /// How often the edge said that something was lost with a server; to clients of `atlas.v1` only.
    pub resets: u64,
    /// How many of its messages were lost by what the edge said.
    pub lost_named: u64,
    /// Code and reason, if the other side ended the connection.
    pub closed: Option<(u16, String)>,
}

/// What all clients of a run have to say together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Clients that spoke `atlas.v1`.
    pub atlas_clients: u64,
    /// How often the edge told them that something was lost with a server.
    pub resets: u64,
    /// How many messages were lost by what it told them.
    pub lost_named: u64,
    /// Messages that the players' states at the end do not contain, over all clients.
    pub missing: i64,
    /// Clients that stayed to the end and whose last message had no answer.
    pub unsettled: u64,
    /// The clients to whom anything happened.
    pub told: Vec<Account>,
}

impl Account {
    fn is_plain_sailing(&self) -> bool {
        self.unanswered == 0
            && self.missing == Some(0)
            && self.resets == 0
            && self.closed.is_none()
            && !self.stopped_reading
    }
}

/// A number that many tasks count up.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Relaxed);
        }
    }

    /// Takes back what was added before.
    pub(crate) fn subtract(&self, less: u64) {
        if less > 0 {
            self.0.fetch_sub(less, Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long something took, in milliseconds, over all of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half took at most this long.
    pub p50: f64,
    /// 99 of 100 took at most this long.
    pub p99: f64,
    /// 999 of 1,000 took at most this long.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = || {
            // Microseconds, three significant digits; the bounds are constants that the crate accepts.
            Histogram::new_with_bounds(1, 120_000_000, 3)
                .expect("1 < 120,000,000 and 3 digits are valid")
        };
        Self {
            connected: Count::default(),
            connected_total: Count::default(),
            dials_failed: Count::default(),
            sent: Count::default(),
            answered: Count::default(),
            lost: Count::default(),
            doubled: Count::default(),
            reordered: Count::default(),
            unexpected: Count::default(),
            state_breaks: Count::default(),
            server_gaps: Count::default(),
            server_doubles: Count::default(),
            server_changes: Count::default(),
            held_back: Count::default(),
            closed: Count::default(),
            closed_by_code: Mutex::default(),
            closed_by_reason: Mutex::default(),
            accounts: Mutex::default(),
            first_error: Mutex::default(),
            times: Mutex::new(Times {
                answer: histogram(),
                switch_answer: histogram(),
                switch_gap: histogram(),
            }),
        }
    }

    /// Books what kind of answer came.
    pub(crate) fn kind(&self, kind: Kind) {
        match kind {
            Kind::Answered(after) => {
                self.answered.add(1);
                record(&mut lock(&self.times).answer, after);
            }
            Kind::Reordered(after) => {
                self.answered.add(1);
                self.reordered.add(1);
                record(&mut lock(&self.times).answer, after);
            }
            Kind::Doubled => self.doubled.add(1),
            Kind::Unexpected => self.unexpected.add(1),
        }
    }

    /// Books a judged answer.
    pub(crate) fn judgement(&self, judged: &Judgement) {
        self.kind(judged.kind);
        self.state_breaks.add(u64::from(judged.state_break));
        self.server_gaps.add(judged.server_gaps);
        self.server_doubles.add(judged.server_doubles);
        if let Some(switch) = judged.switch {
            self.server_changes.add(1);
            let mut times = lock(&self.times);
            record(&mut times.switch_gap, switch.gap);
            if let Kind::Answered(after) | Kind::Reordered(after) = judged.kind {
                record(&mut times.switch_answer, after);
            }
        }
    }

    /// Books a connection that ended before the client ended it.
    pub(crate) fn close(&self, code: u16, why: &str) {
        self.closed.add(1);
        *lock(&self.closed_by_code).entry(code).or_default() += 1;
        // Times and counts in a reason would make each of them one of its own.
        let number = |character: char| character.is_ascii_digit();
        let words = why.split_whitespace();
        let words: Vec<_> = words
            .map(|word| if word.starts_with(number) { "N" } else { word })
            .collect();
        let reason = format!("{code} {}", words.join(" "));
        *lock(&self.closed_by_reason).entry(reason).or_default() += 1;
        self.error(&format!("closed with {code}: {why}"));
    }

    /// Keeps the first thing that went wrong, for the report.
    pub(crate) fn error(&self, why: &str) {
        lock(&self.first_error).get_or_insert_with(|| why.to_owned());
    }

    pub(crate) fn first_error(&self) -> Option<String> {
        lock(&self.first_error).clone()
    }

    pub(crate) fn closed_by_code(&self) -> BTreeMap<u16, u64> {
        lock(&self.closed_by_code).clone()
    }

    pub(crate) fn closed_by_reason(&self) -> BTreeMap<String, u64> {
        lock(&self.closed_by_reason).clone()
    }

    /// Keeps what one client has to say in the end.
    pub(crate) fn account(&self, account: Account) {
        lock(&self.accounts).push(account);
    }

    pub(crate) fn accounts(&self) -> Accounts {
        let mut accounts = Accounts::default();
        for account in &*lock(&self.accounts) {
            accounts.atlas_clients += u64::from(account.atlas);
            accounts.resets += account.resets;
            accounts.lost_named += account.lost_named;
            accounts.missing += account.missing.unwrap_or(0);
            accounts.unsettled += u64::from(account.missing.is_none() && account.closed.is_none());
            if !account.is_plain_sailing() {
                accounts.told.push(account.clone());
            }
        }
        accounts
            .told
            .sort_by(|one, other| one.player.cmp(&other.player));
        accounts
    }

    /// From a message's leaving to its answer.
    pub(crate) fn answer_times(&self) -> Percentiles {
        percentiles(&lock(&self.times).answer)
    }

    /// The same for each first message that a new server answered.
    pub(crate) fn switch_answer_times(&self) -> Percentiles {
        percentiles(&lock(&self.times).switch_answer)
    }

    /// From an old server's last answer to the new server's first.
    pub(crate) fn switch_gaps(&self) -> Percentiles {
        percentiles(&lock(&self.times).switch_gap)
    }
}

/// No code panics while it holds one of these locks; if it did, counts would still be counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record(histogram: &mut Histogram<u64>, took: Duration) {
    let micros = u64::try_from(took.min(TIME_MAX).as_micros()).unwrap_or(u64::MAX);
    histogram.saturating_record(micros.max(1));
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    if histogram.is_empty() {
        return Percentiles::default();
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 120 s in microseconds")]
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Percentiles {
        count: histogram.len(),
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        mean: (histogram.mean()).round() / 1000.0,
    }
}
