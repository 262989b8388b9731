//! `LATENCY`: what took longer than `latency-monitor-threshold`, by kind of event.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use atlas_kv::{Command, Reply as _};

use crate::door::Request;
use crate::engine::Engine;

/// Delays that are kept of an event, as in Redis.
const SAMPLES_MAX: usize = 160;

/// A command that promises to be fast.
pub(crate) const FAST_COMMAND: &str = "fast-command";
/// Any other command.
pub(crate) const COMMAND: &str = "command";
/// The removal of keys whose time is over.
pub(crate) const EXPIRE: &str = "expire-cycle";
/// The removal of keys to make room.
pub(crate) const EVICT: &str = "eviction-cycle";
/// Making the log durable.
pub(crate) const SYNC: &str = "log-sync";

/// One delay: when, in seconds since 1970, and how long, in milliseconds.
type Sample = (i64, u64);

/// The delays of an event.
#[derive(Debug, Default)]
struct Event {
    samples: VecDeque<Sample>,
    max_ms: u64,
}

/// What took long.
#[derive(Debug, Default)]
pub(crate) struct Delays(BTreeMap<&'static str, Event>);

impl Delays {
    fn add(&mut self, name: &'static str, at_seconds: i64, ms: u64) {
        let event = self.0.entry(name).or_default();
        event.max_ms = event.max_ms.max(ms);
        // A second has one sample, its worst.
        if let Some((at, worst)) = event.samples.back_mut()
            && *at == at_seconds
        {
            *worst = ms.max(*worst);
            return;
        }
        if event.samples.len() == SAMPLES_MAX {
            event.samples.pop_front();
        }
        event.samples.push_back((at_seconds, ms));
    }

    fn of(&self, name: &[u8]) -> Vec<Sample> {
        let found = self
            .0
            .iter()
            .find(|(other, _)| name.eq_ignore_ascii_case(other.as_bytes()));
        found.map_or_else(Vec::new, |(_, event)| {
            event.samples.iter().copied().collect()
        })
    }

    /// Forgets the events that fit; how many there were.
    fn forget(&mut self, fits: impl Fn(&str) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|name, _| !fits(name));
        before - self.0.len()
    }
}

impl Engine {
    /// Keeps a delay if it is long enough and anybody wants to know.
    #[inline]
    pub(crate) fn look_if_delayed(&mut self, name: &'static str, took: Duration) {
        let threshold_ms = self.live.latency_threshold_ms;
        if threshold_ms > 0 && took >= Duration::from_millis(threshold_ms) {
            let ms = took.as_millis() as u64;
            self.delays.add(name, self.now_ms / 1000, ms);
        }
    }

    pub(super) fn latency(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        match command.name {
            "latest" => {
                let events = &self.delays.0;
                let Some(connection) = self.connections.get_mut(key) else {
                    return;
                };
                let output = &mut connection.output;
                output.array(events.len());
                for (name, event) in events {
                    let (at, ms) = event.samples.back().copied().unwrap_or_default();
                    output.array(4);
                    output.bulk(name.as_bytes());
                    output.integer(at);
                    output.integer(ms as i64);
                    output.integer(event.max_ms as i64);
                }
            }
            "history" => {
                let samples = self.delays.of(arguments.at(2));
                self.with_output(key, |output| {
                    output.array(samples.len());
                    for (at, ms) in samples {
                        output.array(2);
                        output.integer(at);
                        output.integer(ms as i64);
                    }
                });
            }
            "reset" => {
                let forgotten = self.delays.forget(|name| {
                    let mut asked = arguments.iter().skip(2);
                    arguments.len() == 2
                        || asked.any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()))
                });
                self.with_output(key, |output| output.integer(forgotten as i64));
            }
            "doctor" => {
                let text = self.delays_in_words();
                self.with_output(key, |output| output.verbatim("txt", text.as_bytes()));
            }
            _ => self.help(
                key,
                "LATENCY",
                &["DOCTOR", "HISTORY <event>", "LATEST", "RESET [<event> ...]"],
            ),
        }
    }

    fn delays_in_words(&self) -> String {
        let (syncs, total) = (self.counts.syncs, self.counts.sync_time);
        let mean = total.checked_div(u32::try_from(syncs).unwrap_or(u32::MAX));
        let mut text = format!(
            "The log was made durable {syncs} times, {:.3} ms each on average.\n",
            mean.unwrap_or_default().as_secs_f64() * 1000.0
        );
        if self.live.latency_threshold_ms == 0 {
            text += "Delays are not kept: `CONFIG SET latency-monitor-threshold MILLISECONDS` begins it.\n";
        }
        for (name, event) in &self.delays.0 {
            text += &format!(
                "{name}: {} times, at most {} ms.\n",
                event.samples.len(),
                event.max_ms
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_worst_delay_and_old_ones_go() {
        let mut delays = Delays::default();
        delays.add(COMMAND, 1, 5);
        delays.add(COMMAND, 1, 9);
        delays.add(COMMAND, 1, 7);
        assert_eq!(delays.of(b"COMMAND"), [(1, 9)]);
        for second in 2..=200 {
            delays.add(COMMAND, second, 1);
        }
        let kept = delays.of(COMMAND.as_bytes());
        assert_eq!(kept.len(), SAMPLES_MAX);
        assert_eq!((kept[0], kept[SAMPLES_MAX - 1]), ((41, 1), (200, 1)));
        assert_eq!(delays.0[COMMAND].max_ms, 9);
        delays.add(SYNC, 1, 1);
        assert_eq!(delays.forget(|name| name == SYNC), 1);
        assert_eq!(delays.forget(|_| true), 1);
        assert!(delays.of(b"none").is_empty());
    }
}
