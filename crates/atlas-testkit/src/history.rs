//! What clients of a store did and were answered, and whether a store that was started again is true to it.
//!
//! Each writer has keys of its own, of every type, and knows what they must hold after each of its commands, what each is
//! answered, and which ones it was never answered. So a store that comes back must show, for each writer, exactly
//! the state after a run of its commands that has all that were answered: what was lost, doubled, done in another order
//! or half done shows. Numbers that all writers draw from one counter tie their histories together: what one has of the
//! order of all, all must have. Others read, and what they saw must be there; others wait for elements, and none may
//! come twice or be lost.

mod client;
mod model;
mod writer;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use client::Client;
use writer::Writer;

/// The key of the counter that all writers share.
const NUMBER: &str = "number";
/// The key of the list that some fill and some wait for.
const QUEUE: &str = "queue";

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed draws the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What is promised of what was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// All of it is there.
    Everything,
    /// The latest may be missing; never one in the middle.
    Beginning,
}

/// How much is done in one life of the store.
#[derive(Clone, Debug)]
pub struct Load {
    /// Commands and transactions that a writer sends at most.
    pub actions_max: u64,
    /// How many of them it sends without waiting for answers, at most.
    pub batch_max: u64,
    /// Clients that read what others write.
    pub readers: usize,
    /// Clients that wait for elements.
    pub consumers: usize,
    /// What a read shows must be there after a restart.
    pub is_read_durable: bool,
}

/// How far the clients have come.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicU64,
    writing: AtomicU64,
    is_stopped: AtomicBool,
    change: (Mutex<()>, Condvar),
}

impl Progress {
    /// Counts what was answered with success.
    pub fn count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// True once no writer writes any more.
    pub fn is_over(&self) -> bool {
        self.writing.load(Ordering::Relaxed) == 0
    }

    /// Waits until so much was answered, or nobody writes any more, or `is_enough`; false if the time is over.
    pub fn wait(&self, count: u64, within: Duration, mut is_enough: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + within;
        while self.count() < count && !self.is_over() && !is_enough() {
            if Instant::now() > deadline {
                return false;
            }
            self.pause(Duration::from_micros(200));
        }
        true
    }

    fn pause(&self, time: Duration) {
        let guard = self.change.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.change.1.wait_timeout(guard, time);
    }

    /// What a writer does that was refused, before it tries again.
    fn rest(&self) {
        self.pause(Duration::from_millis(5));
    }

    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.change.1.notify_all();
    }
}

/// What a look at the store has shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// What was answered since the look before.
    pub answered: u64,
    /// How much of that is not there.
    pub lost: u64,
    /// What was refused with a cause.
    pub refused: u64,
    /// What was not answered and is there.
    pub unanswered_kept: u64,
}

/// What all clients did and were answered.
#[derive(Debug)]
pub struct History {
    writers: Vec<Writer>,
    random: Random,
    /// The shared counter when it was looked at last.
    number: u64,
    /// The elements that were in the queue then.
    queued: BTreeSet<String>,
    taken: Vec<String>,
    /// Consumers that were not answered, at most.
    takes_unknown: u64,
    /// The shared counter as a reader saw it.
    seen_number: u64,
}

impl History {
    /// So many writers, of a store that is empty.
    pub fn new(seed: u64, writers: usize) -> Self {
        let mut random = Random::new(seed);
        Self {
            writers: (0..writers)
                .map(|number| Writer::new(number, Random::new(random.next())))
                .collect(),
            random,
            number: 0,
            queued: BTreeSet::new(),
            taken: Vec::new(),
            takes_unknown: 0,
            seen_number: 0,
        }
    }

    /// Has all clients at the store at this address, and does `meanwhile`, after which they stop.
    ///
    /// # Errors
    /// An answer that cannot be.
    pub fn live<T>(
        &mut self,
        address: SocketAddr,
        load: &Load,
        meanwhile: impl FnOnce(&Progress) -> T,
    ) -> Result<T, String> {
        let progress = Progress::default();
        progress
            .writing
            .store(self.writers.len() as u64, Ordering::Relaxed);
        let seeds: Vec<u64> = (0..load.readers + load.consumers)
            .map(|_| self.random.next())
            .collect();
        let writers = &mut self.writers;
        let progress = &progress;
        let (outcome, written, seen, taken) = std::thread::scope(|scope| {
            let writing: Vec<_> = writers
                .iter_mut()
                .map(|writer| {
                    scope.spawn(move || {
                        let outcome = writer.write(address, load, progress);
                        progress.writing.fetch_sub(1, Ordering::Relaxed);
                        progress.change.1.notify_all();
                        outcome
                    })
                })
                .collect();
            let reading: Vec<_> = (0..load.readers)
                .map(|_| scope.spawn(move || read(address, progress)))
                .collect();
            let consuming: Vec<_> = seeds
                .iter()
                .take(load.consumers)
                .map(|seed| scope.spawn(move || consume(address, progress, *seed)))
                .collect();
            let outcome = meanwhile(progress);
            progress.stop();
            let written: Result<Vec<()>, String> =
                writing.into_iter().map(|thread| joined(thread)?).collect();
            let seen: Result<Vec<u64>, String> = reading.into_iter().map(joined).collect();
            let taken: Result<Vec<(Vec<String>, bool)>, String> =
                consuming.into_iter().map(joined).collect();
            (outcome, written, seen, taken)
        });
        written?;
        let (seen, taken) = (seen?.into_iter().max().unwrap_or(0), taken?);
        if load.is_read_durable {
            self.seen_number = self.seen_number.max(seen);
        }
        for (elements, is_unknown) in taken {
            self.taken.extend(elements);
            self.takes_unknown += u64::from(is_unknown);
        }
        Ok(outcome)
    }

    /// Looks at a store that was started again, and goes on from what is there.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn verify(&mut self, address: SocketAddr, promise: Promise) -> Result<Verdict, String> {
        let gone = || "the store is gone".to_owned();
        let mut client = Client::connect(address).ok_or_else(gone)?;
        let number = client.ask(&format!("get {NUMBER}")).ok_or_else(gone)?;
        let number: u64 = match number.as_str() {
            "nil" => 0,
            text => text.parse().map_err(|_| format!("{NUMBER} is {text}"))?,
        };
        Self::outlive(&mut client).ok_or_else(gone)??;
        self.check_names(&client.list("keys *").ok_or_else(gone)??)?;
        let mut verdict = Verdict::default();
        let (mut least_numbers, mut most_numbers) = (0, 0);
        let mut all_numbers = BTreeSet::new();
        for writer in &mut self.writers {
            let found = writer.found(&mut client).ok_or_else(gone)??;
            let answered = writer.answered();
            let fits = fits(writer, &found, promise, number)?;
            let (first, last) = (fits[0], fits[fits.len() - 1]);
            let numbered = |past: &[writer::Past]| {
                past.iter().filter(|past| past.is_numbered()).count() as u64
            };
            least_numbers += numbered(&writer.past[..first]);
            most_numbers += numbered(&writer.past[..last]);
            for past in &writer.past {
                if let Some(number) = past.number
                    && !all_numbers.insert(number)
                {
                    return Err(format!("{NUMBER} {number} was answered twice"));
                }
            }
            verdict.answered += answered as u64;
            verdict.lost += answered.saturating_sub(last) as u64;
            verdict.unanswered_kept += last.saturating_sub(answered) as u64;
            verdict.refused += std::mem::take(&mut writer.refused);
            writer.go_on_from(found);
        }
        let drawn = number.wrapping_sub(self.number);
        if number < self.number || !(least_numbers..=most_numbers).contains(&drawn) {
            return Err(format!(
                "{NUMBER} went from {} to {number}, by {least_numbers} to {most_numbers} commands",
                self.number
            ));
        }
        if promise == Promise::Everything && number < self.seen_number {
            return Err(format!(
                "a reader saw {NUMBER} {}, it is {number}",
                self.seen_number
            ));
        }
        self.number = number;
        self.seen_number = 0;
        let queue = client
            .list(&format!("lrange {QUEUE} 0 -1"))
            .ok_or_else(gone)??;
        self.check_queue(queue, promise)?;
        for writer in &mut self.writers {
            writer.forget();
        }
        Ok(verdict)
    }

    /// Lets the time of what was set for a millisecond run out: a quick restart takes no longer.
    fn outlive(client: &mut Client) -> Option<Result<(), String>> {
        const LONGEST_MICROS: u64 = 2_000;
        let mut begun = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            let time = match client.list("time")? {
                Ok(time) => time,
                Err(problem) => return Some(Err(problem)),
            };
            let [seconds, micros] = [0, 1].map(|at| time.get(at)?.parse::<u64>().ok());
            let now = seconds? * 1_000_000 + micros?;
            if now > *begun.get_or_insert(now) + LONGEST_MICROS {
                return Some(Ok(()));
            }
        }
        Some(Err("the store's clock stands still".to_owned()))
    }

    /// No key may be there that nobody wrote, or that has expired.
    fn check_names(&self, names: &[String]) -> Result<(), String> {
        let names = names.iter().map(String::as_str);
        let strange = names
            .filter(|name| *name != NUMBER && *name != QUEUE)
            .find(|name| {
                let of_writer = name.split_once(':').and_then(|(writer, name)| {
                    let writer: usize = writer.parse().ok()?;
                    (writer < self.writers.len()).then_some(name)
                });
                // What lives briefly is gone by now.
                of_writer.is_none_or(|name| name == "brief")
            });
        match strange {
            Some(name) => Err(format!("{name} is there")),
            None => Ok(()),
        }
    }

    /// What was put into the queue was taken, or is there, once.
    fn check_queue(&mut self, queue: Vec<String>, promise: Promise) -> Result<(), String> {
        let there: BTreeSet<String> = queue.iter().cloned().collect();
        if there.len() != queue.len() {
            return Err(format!("an element of the queue is there twice: {queue:?}"));
        }
        let mut answered = std::mem::take(&mut self.queued);
        let mut sent = answered.clone();
        for past in self.writers.iter().flat_map(|writer| &writer.past) {
            if let Some(token) = past.queued() {
                sent.insert(token.to_owned());
                if past.is_answered {
                    answered.insert(token.to_owned());
                }
            }
        }
        let taken: BTreeSet<String> = self.taken.iter().cloned().collect();
        if taken.len() != self.taken.len() {
            return Err("an element of the queue was taken twice".to_owned());
        }
        if let Some(token) = there.iter().find(|token| !sent.contains(*token)) {
            return Err(format!("{token} is in the queue, and nobody put it there"));
        }
        if promise == Promise::Everything {
            if let Some(token) = taken.iter().find(|token| there.contains(*token)) {
                return Err(format!("{token} was taken from the queue and is there"));
            }
            let missing = answered
                .iter()
                .filter(|token| !taken.contains(*token) && !there.contains(*token));
            let missing: Vec<&String> = missing.collect();
            if missing.len() as u64 > self.takes_unknown {
                return Err(format!(
                    "{missing:?} are not in the queue; {} takes were not answered",
                    self.takes_unknown
                ));
            }
        }
        self.queued = there;
        self.taken.clear();
        self.takes_unknown = 0;
        Ok(())
    }
}

/// After how many of a writer's commands its keys hold what was found; not none.
fn fits(
    writer: &Writer,
    found: &model::Model,
    promise: Promise,
    number: u64,
) -> Result<Vec<usize>, String> {
    let answered = writer.answered();
    let least = match promise {
        Promise::Everything => answered,
        Promise::Beginning => 0,
    };
    let mut state = writer.floor.clone();
    let mut after_answered = state.clone();
    let mut fits = Vec::new();
    let mut of_another_order = false;
    for at in 0..=writer.past.len() {
        if at == answered {
            after_answered.clone_from(&state);
        }
        if at >= least && state == *found {
            let (before, behind) = writer.past.split_at(at);
            let in_order = before
                .iter()
                .all(|past| past.number.is_none_or(|own| own <= number))
                && behind
                    .iter()
                    .all(|past| past.number.is_none_or(|own| own > number));
            if in_order {
                fits.push(at);
            }
            of_another_order |= !in_order;
        }
        if let Some(past) = writer.past.get(at) {
            past.apply(&mut state);
        }
    }
    if !fits.is_empty() {
        return Ok(fits);
    }
    let what = if of_another_order {
        format!("what is there is not what the order of all, up to number {number}, says")
    } else {
        format!(
            "what is there comes from no run of its {} commands, {answered} of them answered; after these:{}",
            writer.past.len(),
            found.difference(&after_answered)
        )
    };
    Err(format!("writer {}: {what}", writer.number()))
}

/// What a thread came to, or why it panicked.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> Result<T, String> {
    thread.join().map_err(|cause| {
        let text = cause.downcast_ref::<String>();
        text.map_or_else(|| "it panicked".to_owned(), String::clone)
    })
}

/// Reads while others write; the largest number that was seen.
fn read(address: SocketAddr, progress: &Progress) -> u64 {
    let mut seen = 0;
    let Some(mut client) = Client::connect(address) else {
        return seen;
    };
    let line = format!("get {NUMBER}");
    while !progress.is_stopped() {
        let Some(answer) = client.ask(&line) else {
            break;
        };
        seen = answer.parse().map_or(seen, |number: u64| seen.max(number));
    }
    seen
}

/// Waits for elements; those that came, and whether one may have come that was not answered.
fn consume(address: SocketAddr, progress: &Progress, seed: u64) -> (Vec<String>, bool) {
    let mut taken = Vec::new();
    let Some(mut client) = Client::connect(address) else {
        return (taken, false);
    };
    let mut random = Random::new(seed);
    while !progress.is_stopped() {
        let line = match random.below(3) {
            0 => format!("lpop {QUEUE}"),
            _ => format!("blpop {QUEUE} 0.02"),
        };
        let Some(answer) = client.ask(&line) else {
            return (taken, true);
        };
        if answer.starts_with("!MISCONF") {
            return (taken, true);
        }
        let element = answer
            .strip_prefix(&format!("[{QUEUE} "))
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&answer);
        if element == "nil" {
            progress.rest();
        } else {
            taken.push(element.to_owned());
        }
    }
    (taken, false)
}
