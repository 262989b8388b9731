//! `SLOWLOG`, `MEMORY`: what the engine has noticed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use atlas_kv::command::Flags;
use atlas_kv::{Arguments, Command, Reply as _};

use super::latency::{COMMAND, FAST_COMMAND};
use crate::api::{Bytes, SlowView};
use crate::door::Request;
use crate::engine::Engine;

/// Arguments and bytes of them that an entry keeps, as in Redis.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Debug)]
struct Slow {
    id: i64,
    at_seconds: i64,
    took: Duration,
    arguments: Vec<Vec<u8>>,
    address: String,
    name: Vec<u8>,
}

/// The commands that took long.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<Slow>,
    next: i64,
}

impl SlowLog {
    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// What the admin API shows of them, the newest first.
    pub(crate) fn views(&self) -> Vec<SlowView> {
        let entries = self.entries.iter();
        let views = entries.map(|slow| SlowView {
            id: slow.id,
            at_ms: slow.at_seconds * 1000,
            took_us: slow.took.as_micros() as u64,
            words: slow.arguments.iter().map(|word| Bytes::of(word)).collect(),
            address: slow.address.clone(),
            client: String::from_utf8_lossy(&slow.name).into_owned(),
        });
        views.collect()
    }
}

/// Commands of one kind that share a look at the clock.
const UNTIMED_MAX: u32 = 7;
/// A command of so many bytes, with an answer of so many, cannot take long if its kind is quick.
const QUICK_REQUEST_BYTES: usize = 4 << 10;
const QUICK_ANSWER_BYTES: usize = 64 << 10;
/// Whoever wants to hear of commands that take less has each of them timed.
const QUICK_US: i64 = 1000;

/// Quick commands of one kind that were run since the last look at the clock, which costs a tenth of such a command.
#[derive(Debug, Default)]
pub(crate) struct Untimed {
    count: u32,
    command: Option<&'static Command>,
}

impl Engine {
    /// Has those counted that were run since the last look at the clock, if the next command is of another kind.
    #[inline]
    pub(crate) fn begin_untimed(&mut self, command: &'static Command) {
        if self.untimed.count > 0
            && self.untimed.command.map(|one| one.number) != Some(command.number)
        {
            self.end_untimed();
        }
        self.untimed.command = Some(command);
    }

    /// True if a command that has been run is counted with those of its kind that follow: it is quick by its kind, and
    /// neither it nor what waits for its client is large.
    #[inline]
    pub(crate) fn stays_untimed(&mut self, key: usize, command: &Command, bytes: usize) -> bool {
        let stays = self.untimed.count < UNTIMED_MAX
            && command.flags.contains(Flags::FAST)
            && bytes <= QUICK_REQUEST_BYTES
            && self.live.slowlog_longer_than_us >= QUICK_US
            && self
                .connections
                .get(key)
                .is_some_and(|connection| connection.output.pending() <= QUICK_ANSWER_BYTES);
        if stays {
            self.untimed.count += 1;
        } else {
            self.untimed.count = 0;
        }
        stays
    }

    /// Counts the time of those that were run since the last look at the clock.
    pub(crate) fn end_untimed(&mut self) {
        if std::mem::take(&mut self.untimed.count) > 0
            && let Some(command) = self.untimed.command
        {
            let now = Instant::now();
            let took =
                now.saturating_duration_since(std::mem::replace(&mut self.command_began, now));
            self.statistics.of(command).time += took;
        }
    }

    /// Counts what a command took.
    #[inline]
    pub(crate) fn count_time(&mut self, command: &Command) -> Duration {
        // A command begins where the one before it ended: that is one look at the clock instead of two.
        let now = Instant::now();
        let took = now.saturating_duration_since(std::mem::replace(&mut self.command_began, now));
        self.statistics.of(command).time += took;
        took
    }

    /// Counts what a command took, and keeps it if that was long.
    #[inline]
    pub(crate) fn look_if_slow(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
    ) {
        let took = self.count_time(command);
        let is_fast = command.flags.contains(Flags::FAST);
        self.look_if_delayed(if is_fast { FAST_COMMAND } else { COMMAND }, took);
        let Ok(limit) = u64::try_from(self.live.slowlog_longer_than_us) else {
            return;
        };
        if took >= Duration::from_micros(limit) && !command.flags.contains(Flags::SKIP_SLOWLOG) {
            self.was_slow(key, arguments, took);
        }
    }

    fn was_slow(&mut self, key: usize, arguments: &Arguments<'_>, took: Duration) {
        let count = arguments.len();
        let kept = if count > ARGUMENTS_MAX {
            ARGUMENTS_MAX - 1
        } else {
            count
        };
        let mut shown: Vec<Vec<u8>> = arguments
            .iter()
            .take(kept)
            .enumerate()
            .map(|(at, argument)| {
                if crate::access::is_secret(arguments, at) {
                    return b"(redacted)".to_vec();
                }
                if argument.len() <= ARGUMENT_BYTES_MAX {
                    return argument.to_vec();
                }
                let more = argument.len() - ARGUMENT_BYTES_MAX;
                let mut cut = argument[..ARGUMENT_BYTES_MAX].to_vec();
                cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                cut
            })
            .collect();
        if kept < count {
            shown.push(format!("... ({} more arguments)", count - kept).into_bytes());
        }
        let (address, name) = self
            .connections
            .get(key)
            .map_or_else(Default::default, |found| {
                (found.address.to_string(), found.name.clone())
            });
        let entry = Slow {
            id: self.slowlog.next,
            at_seconds: self.now_ms / 1000,
            took,
            arguments: shown,
            address,
            name,
        };
        self.slowlog.next += 1;
        self.slowlog.entries.push_front(entry);
        self.slowlog.entries.truncate(self.live.slowlog_entries_max);
    }

    pub(super) fn slowlog_command(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) {
        let arguments = request.arguments();
        match command.name {
            "len" => {
                let count = self.slowlog.entries.len() as i64;
                self.with_output(key, |output| output.integer(count));
            }
            "reset" => {
                self.slowlog.clear();
                self.with_output(key, |output| output.ok());
            }
            "get" => {
                let count = match arguments.get(2).map(atlas_kv::integer) {
                    None => 10,
                    Some(Some(-1)) => usize::MAX,
                    Some(Some(count)) if count >= 0 => count as usize,
                    Some(Some(_)) => {
                        let line = "ERR count should be greater than or equal to -1";
                        return self.answer_error(key, line);
                    }
                    Some(None) => {
                        let line = "ERR value is not an integer or out of range";
                        return self.answer_error(key, line);
                    }
                };
                let Some(connection) = self.connections.get_mut(key) else {
                    return;
                };
                let output = &mut connection.output;
                let count = count.min(self.slowlog.entries.len());
                output.array(count);
                for slow in self.slowlog.entries.iter().take(count) {
                    output.array(6);
                    output.integer(slow.id);
                    output.integer(slow.at_seconds);
                    output.integer(slow.took.as_micros() as i64);
                    output.array(slow.arguments.len());
                    slow.arguments
                        .iter()
                        .for_each(|argument| output.bulk(argument));
                    output.bulk(slow.address.as_bytes());
                    output.bulk(&slow.name);
                }
            }
            _ => self.help(key, "SLOWLOG", &["GET [<count>]", "LEN", "RESET"]),
        }
    }

    pub(super) fn memory_command(&mut self, key: usize, command: &'static Command) {
        match command.name {
            "doctor" => self.with_output(key, |output| {
                output.verbatim(
                    "txt",
                    b"Sam, I can't find any memory issue in your instance.",
                );
            }),
            "purge" => self.with_output(key, |output| output.ok()),
            "stats" => {
                let used = self.memory.used() as i64;
                let peak = self.memory.peak() as i64;
                let keys: usize = (0..self.keyspace.database_count())
                    .map(|database| self.keyspace.key_counts(database).0)
                    .sum();
                let clients: usize = self
                    .connections
                    .iter()
                    .map(|(_, one)| one.input.capacity() + one.output.bytes.capacity())
                    .sum();
                self.with_output(key, |output| {
                    output.map(5);
                    for (name, value) in [
                        ("peak.allocated", peak),
                        ("total.allocated", used),
                        ("clients.normal", clients as i64),
                        ("keys.count", keys as i64),
                        ("keys.bytes-per-key", used / (keys as i64).max(1)),
                    ] {
                        output.bulk(name.as_bytes());
                        output.integer(value);
                    }
                });
            }
            _ => self.help(key, "MEMORY", &["DOCTOR", "PURGE", "STATS"]),
        }
    }
}
