//! The engine's sockets: new clients, what they send, what waits to be sent to them.

use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::sync::Arc;

use atlas_resp::request::{Limits, Progress, Violation, second_arguments};
use mio::Token;

use crate::connection::{Connection, Hold, Io};
use crate::engine::{CONNECTIONS, Engine, READ_BYTES};
use crate::stream::Stream;

/// Reads of one socket before others get their turn.
const ROUNDS_MAX: u32 = 4;
/// Connections taken in before others get their turn.
const ACCEPTS_MAX: u32 = 256;
/// Commands of one client whose keys are brought from memory together.
pub(crate) const WARMED_MAX: usize = 16;

/// Answers that may wait for a client that has not logged in, when the system takes no more of them; as in Redis.
const STRANGER_OUTPUT_BYTES_MAX: usize = 1 << 10;
/// Such a client is not read before what waits is less.
const STRANGER_OUTPUT_BYTES: usize = 4 << 10;

/// How much may wait to be sent while a connection is read on.
fn paused_at(connection: &Connection, output_bytes_max: usize) -> usize {
    if connection.is_authenticated {
        output_bytes_max / 4
    } else {
        STRANGER_OUTPUT_BYTES
    }
}

impl Engine {
    /// Takes new connections in.
    pub(crate) fn accept(&mut self) {
        let is_more_plain = self.accept_from(false);
        let is_more_secured = self.accept_from(true);
        self.is_accepting = is_more_plain || is_more_secured;
    }

    /// Takes new connections of one listener in; true if there may be more.
    fn accept_from(&mut self, is_secured: bool) -> bool {
        for _ in 0..ACCEPTS_MAX {
            let listener = match is_secured {
                false => &self.listener,
                true => &self.tls_listener,
            };
            let Some(listener) = listener else {
                return false;
            };
            let (mut socket, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    // Out of descriptors, or a client that has gone again: the next tick tries once more.
                    tracing::debug!(error = error.to_string(), "a connection was not accepted");
                    return false;
                }
            };
            self.counts.connections += 1;
            if self.connections.len() >= self.live.clients_max {
                self.counts.rejected += 1;
                if !is_secured {
                    // Best effort: whoever is turned away may have gone.
                    let _ = socket.write(b"-ERR max number of clients reached\r\n");
                }
                continue;
            }
            // Answers are whole when they are written: waiting for more would only delay them.
            let _ = socket.set_nodelay(true);
            let stream = match &self.identity {
                Some(identity) if is_secured => Stream::secured(socket, &identity.server),
                _ if is_secured => continue,
                _ => Ok(Stream::plain(socket)),
            };
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(error = error.to_string(), "a TLS session was not begun");
                    continue;
                }
            };
            self.last_client += 1;
            let id = self.last_client;
            let user = Arc::clone(&self.default_user);
            let mut connection = Box::new(Connection::new(stream, id, address, user, self.now));
            let entry = self.connections.vacant_entry();
            let token = Token(entry.key() + CONNECTIONS);
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            let registry = self.poll.registry();
            if let Err(error) = registry.register(connection.stream.source(), token, interest) {
                tracing::warn!(error = error.to_string(), "a connection was not taken in");
                continue;
            }
            self.by_client.insert(id, entry.key());
            entry.insert(connection);
        }
        true
    }

    pub(crate) fn ready(&mut self, key: usize, event: &mio::event::Event) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if event.is_writable() && connection.has_unsent() {
            self.list(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_readable = true;
                connection.is_ended |= event.is_read_closed() || event.is_error();
            }
            self.read(key);
        }
    }

    /// Reads what a client sent and deals with it.
    pub(crate) fn read(&mut self, key: usize) {
        for round in 0.. {
            let output_bytes_max = self.live.output_bytes_max;
            let is_full = self.is_full();
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let paused_at = paused_at(connection, output_bytes_max);
            if connection.is_closing || !connection.is_readable {
                return;
            }
            // One that waits is read on only to see that it goes away, and within its limit.
            let has_much = connection.input.len() > READ_BYTES && connection.is_stopped();
            let waits = matches!(
                connection.hold.as_deref(),
                Some(Hold::Wait(_) | Hold::Elsewhere(..))
            );
            if connection.is_ended && waits {
                // It will never hear the answer.
                self.close(key);
                return;
            }
            if has_much || connection.has_input || connection.output.pending() > paused_at {
                return;
            }
            if is_full {
                self.stalled.push(key);
                return;
            }
            if round == ROUNDS_MAX {
                self.again.push(key);
                return;
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            let received = connection.receive(&mut scratch);
            match received {
                Io::Bytes(count) => {
                    self.counts.bytes_in += count as u64;
                    connection.used = self.now;
                    if connection.is_awaited {
                        connection.is_awaited = false;
                        self.awaited -= 1;
                    }
                    // A short read is the last one, unless the client has ended its direction, or what came was a part
                    // of what TLS has.
                    connection.is_readable = count == scratch.len()
                        || connection.is_ended
                        || connection.stream.is_secured();
                    self.received(key, &mut scratch[..count]);
                }
                Io::Blocked => connection.is_readable = false,
                Io::End | Io::Broken => {
                    self.scratch = scratch;
                    self.ended(key, received);
                    return;
                }
            }
            self.scratch = scratch;
        }
    }

    /// A client has ended its direction: what it sent is still answered, as Redis does not.
    fn ended(&mut self, key: usize, how: Io) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.is_ended = true;
        let has_commands = match connection.hold.as_deref() {
            None => connection.has_input,
            Some(Hold::OwnRecords(_) | Hold::Flight(..) | Hold::Landing | Hold::Paused(_)) => true,
            // Whoever waits and goes away does not want the answer any more.
            Some(Hold::Wait(_) | Hold::Elsewhere(..)) => {
                self.close(key);
                return;
            }
        };
        if how == Io::Broken {
            self.close(key);
        } else if !has_commands {
            connection.is_readable = false;
            self.close_after_answers(key);
        }
    }

    /// Deals with bytes that a client sent.
    fn received(&mut self, key: usize, bytes: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.is_stopped() || !connection.input.is_empty() {
            connection.input.extend_from_slice(bytes);
            if !connection.is_stopped() {
                self.take_input(key);
            }
            return;
        }
        let consumed = self.commands(key, bytes);
        if let Some(connection) = self.connections.get_mut(key)
            && consumed < bytes.len()
        {
            connection.input.extend_from_slice(&bytes[consumed..]);
            connection.decoder.discard(consumed);
        } else if let Some(connection) = self.connections.get_mut(key) {
            connection.decoder.discard(consumed);
        }
    }

    /// Deals with the input that a connection holds.
    pub(crate) fn take_input(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.has_input = false;
        let mut input = std::mem::take(&mut connection.input);
        let consumed = self.commands(key, &mut input);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if consumed == input.len() {
            input.clear();
            connection.decoder.discard(consumed);
            if input.capacity() > READ_BYTES {
                input = Vec::new();
            }
        } else if consumed >= READ_BYTES || consumed > input.len() / 2 {
            input.drain(..consumed);
            connection.decoder.discard(consumed);
        }
        connection.input = input;
    }

    /// Runs the whole commands in `buffer`; how many of its bytes are of no more use.
    fn commands(&mut self, key: usize, buffer: &mut [u8]) -> usize {
        let mut ranges = std::mem::take(&mut self.ranges);
        let output_bytes_max = self.live.output_bytes_max;
        // The first one is run as it comes: mostly it is the only one.
        let mut warmed = 1;
        loop {
            if warmed == 0 {
                warmed = self.warm_ahead(key, buffer, &mut ranges);
            }
            warmed -= 1;
            let is_full = self.is_full();
            let Some(connection) = self.connections.get_mut(key) else {
                self.ranges = ranges;
                return buffer.len();
            };
            let paused_at = paused_at(connection, output_bytes_max);
            if connection.is_stopped() || connection.output.pending() > paused_at || is_full {
                connection.has_input = connection.decoder.consumed() < buffer.len();
                if is_full && !connection.is_stopped() {
                    self.stalled.push(key);
                }
                break;
            }
            let limits = if connection.is_authenticated {
                &self.live.limits
            } else {
                &Limits::BEFORE_LOGIN
            };
            match connection.decoder.decode(buffer, limits, &mut ranges) {
                Ok(Progress::Command) => self.execute(key, buffer, &ranges),
                Ok(Progress::Incomplete { .. }) => break,
                Err(violation) => {
                    self.violated(key, violation);
                    break;
                }
            }
        }
        self.ranges = ranges;
        self.connections
            .get(key)
            .map_or(buffer.len(), |connection| connection.decoder.consumed())
    }

    /// Brings from memory what a client's next commands are about; how many of them, at least one.
    fn warm_ahead(&self, key: usize, buffer: &[u8], ranges: &mut Vec<Range<u32>>) -> usize {
        let Some(connection) = self.connections.get(key) else {
            return 1;
        };
        ranges.clear();
        let from = connection.decoder.consumed();
        let count = second_arguments(buffer, from, WARMED_MAX, ranges);
        if count > 1 {
            let keys = ranges.iter().filter_map(|range| {
                let key = buffer.get(range.start as usize..range.end as usize)?;
                Some((connection.database, key))
            });
            self.keyspace.warm(keys);
        }
        count.max(1)
    }

    /// True while so much waits for the disk that clients have to wait too.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.flights.bytes() > self.config.in_flight_bytes_max.as_usize()
            || self.snapshots.is_behind()
    }

    fn violated(&mut self, key: usize, violation: Violation) {
        tracing::debug!(
            violation = violation.to_string(),
            "a client broke the protocol"
        );
        self.counts.errors += 1;
        self.in_order(key, |engine| {
            if let Some(connection) = engine.connections.get_mut(key) {
                violation.reply(&mut connection.output.encoder());
            }
        });
        self.close_after_answers(key);
    }

    /// Has a connection closed once all its answers have left.
    pub(crate) fn close_after_answers(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.is_closing = true;
            self.list(key);
        }
    }

    /// Has a connection's output sent at the end of the turn.
    #[inline]
    pub(crate) fn list(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.is_listed
        {
            connection.is_listed = true;
            self.dirty.push(key);
        }
    }

    /// Sends what waits for clients.
    pub(crate) fn flush(&mut self) {
        for key in std::mem::take(&mut self.dirty) {
            self.flush_one(key);
        }
    }

    fn flush_one(&mut self, key: usize) {
        let mut output_bytes_max = self.live.output_bytes_max;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if !connection.is_authenticated {
            output_bytes_max = STRANGER_OUTPUT_BYTES_MAX;
        }
        connection.is_listed = false;
        if connection.held_by > self.written && !self.bugs.answer_before_write {
            self.held.push(key);
            return;
        }
        let before = connection.bytes_out;
        let sent = connection.send();
        self.counts.bytes_out += connection.bytes_out - before;
        match sent {
            Io::Broken | Io::End => self.close(key),
            Io::Blocked if connection.output.pending() > output_bytes_max => {
                self.counts.output_closed += 1;
                tracing::warn!(
                    client = connection.id,
                    address = connection.address.to_string(),
                    "a client that does not read its answers was disconnected"
                );
                self.close(key);
            }
            Io::Blocked => {}
            Io::Bytes(_) => {
                if connection.is_closing && connection.in_flight == 0 {
                    self.close(key);
                } else if connection.has_input && !connection.is_stopped() {
                    self.resume.push(key);
                } else if connection.is_readable && !connection.is_stopped() {
                    self.again.push(key);
                }
            }
        }
    }

    /// Forgets a connection.
    pub(crate) fn close(&mut self, key: usize) {
        if !self.connections.contains(key) {
            return;
        }
        self.unlisten(key);
        self.unwatch(key);
        self.untrack(key);
        let mut connection = self.connections.remove(key);
        if let Some(Hold::Wait(wait)) = connection.hold.as_deref() {
            self.end_wait(*wait, crate::waiting::Ending::Gone);
        }
        if connection.is_awaited {
            self.awaited -= 1;
        }
        self.by_client.remove(&connection.id);
        // The descriptor is closed right after: epoll forgets it anyway.
        let _ = self.poll.registry().deregister(connection.stream.source());
        connection.stream.say_goodbye();
    }

    /// Disconnects those who take too long to agree on TLS.
    pub(crate) fn close_undecided(&mut self) {
        if self.tls_listener.is_none() {
            return;
        }
        let limit = self.config.tls.handshake_timeout.as_duration();
        let late: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                connection.stream.is_shaking_hands()
                    && self.now.saturating_duration_since(connection.begun) > limit
            })
            .map(|(key, _)| key)
            .collect();
        for key in late {
            tracing::debug!("a client that did not finish its handshake was disconnected");
            self.close(key);
        }
    }

    pub(crate) fn close_idle(&mut self) {
        if self.live.idle_timeout.is_zero() {
            return;
        }
        let limit = self.live.idle_timeout;
        let idle: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                self.now.saturating_duration_since(connection.used) > limit
                    && connection.hold.is_none()
                    && connection.subscriptions.is_none()
                    && connection.in_flight == 0
            })
            .map(|(key, _)| key)
            .collect();
        for key in idle {
            self.close(key);
        }
    }
}
