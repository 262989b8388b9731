//! A non-blocking TCP stream with what the kernel has not taken yet.
//!
//! Sockets are registered edge-triggered: readiness is remembered here until a short read or a
//! refusal shows that it is used up. Writability is asked for only while something waits.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use atlas_wire::frame::{Header, Opcode, Parsed, Side};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Buffers for incomplete writes, used again and again by one worker.
pub(super) struct Pool {
    free: Vec<Vec<u8>>,
}

/// A buffer that grew past this is given back to the allocator, not to the pool.
const POOLED_BYTES_MAX: usize = 64 << 10;
/// Buffers kept for the next short write.
const POOLED_BUFFERS_MAX: usize = 64;

impl Pool {
    pub(super) fn new() -> Self {
        Self { free: Vec::new() }
    }

    fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= POOLED_BYTES_MAX && self.free.len() < POOLED_BUFFERS_MAX {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

/// Bytes that wait for the kernel.
struct Backlog {
    bytes: Vec<u8>,
    sent: usize,
    /// Whether `bytes` are whole frames of ours, from their start.
    framed: bool,
}

impl Backlog {
    /// Drops what has left; of frames, those that have left whole.
    fn drop_sent(&mut self) {
        let cut = if self.framed {
            frames(&self.bytes)
                .take_while(|frame| frame.end <= self.sent)
                .last()
                .map_or(0, |frame| frame.end)
        } else {
            self.sent
        };
        self.bytes.drain(..cut);
        self.sent -= cut;
    }
}

/// One frame among others.
struct Framed {
    start: usize,
    payload: usize,
    end: usize,
    header: Header,
}

/// The frames that `bytes` consist of, as a server sends them.
fn frames(bytes: &[u8]) -> impl Iterator<Item = Framed> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let Ok(Parsed::Complete(header, length)) = Header::parse(&bytes[start..], Side::Server)
        else {
            return None;
        };
        let payload = start + length;
        let end = payload.checked_add(usize::try_from(header.length).ok()?)?;
        let frame = (end <= bytes.len()).then_some(Framed {
            start,
            payload,
            end,
            header,
        })?;
        start = end;
        Some(frame)
    })
}

/// How a read ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Received {
    /// So many bytes; there may be more.
    Bytes(usize),
    /// Nothing now.
    Blocked,
    /// The other side has ended its direction.
    End,
    /// The connection is gone.
    Broken,
}

/// The connection is gone: a write failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken;

const READABLE: u8 = 1;
/// The kernel has told of an end: a short read is not the last one.
const END_QUEUED: u8 = 1 << 1;
const READ_ENDED: u8 = 1 << 2;
const SHUTDOWN_WANTED: u8 = 1 << 3;
const SHUTDOWN_DONE: u8 = 1 << 4;
const BROKEN: u8 = 1 << 5;
const CONNECTING: u8 = 1 << 6;
/// The kernel took something since this was last asked.
const PROGRESS: u8 = 1 << 7;

/// A non-blocking TCP stream with what the kernel has not taken yet.
pub(super) struct Socket {
    backlog: Option<Box<Backlog>>,
    stream: TcpStream,
    flags: u8,
}

impl Socket {
    /// Registers an open stream. It is taken as readable at first: what came before the registration raises no event.
    pub(super) fn open(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            backlog: None,
            stream,
            flags: READABLE,
        })
    }

    /// Registers a stream whose connection is on its way; it becomes writable when it is open or has failed.
    pub(super) fn connecting(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            backlog: None,
            stream,
            flags: CONNECTING,
        })
    }

    /// The connection's outcome, once the socket became writable.
    pub(super) fn connected(&mut self, registry: &Registry, token: Token) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        self.flags = (self.flags & !CONNECTING) | READABLE;
        registry.reregister(&mut self.stream, token, Interest::READABLE)?;
        Ok(true)
    }

    /// Gives the socket to another owner under another token.
    pub(super) fn rename(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.flags |= READABLE;
        let interest = if self.backlog.is_some() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        registry.reregister(&mut self.stream, token, interest)
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &mio::event::Event) {
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.flags |= READABLE;
        }
        if event.is_read_closed() || event.is_error() {
            self.flags |= END_QUEUED;
        }
    }

    /// Whether a read may bring something.
    pub(super) fn may_read(&self) -> bool {
        self.flags & (READABLE | READ_ENDED | BROKEN | CONNECTING) == READABLE
    }

    pub(super) fn read_ended(&self) -> bool {
        self.flags & (READ_ENDED | BROKEN) != 0
    }

    pub(super) fn is_broken(&self) -> bool {
        self.flags & BROKEN != 0
    }

    /// Whether this side has said its last and the kernel has it all.
    pub(super) fn write_ended(&self) -> bool {
        self.flags & (SHUTDOWN_DONE | BROKEN) != 0
    }

    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog
            .as_ref()
            .map_or(0, |backlog| backlog.bytes.len() - backlog.sent)
    }

    /// Whether the kernel took anything of what waits since this was last asked.
    pub(super) fn take_progress(&mut self) -> bool {
        let progress = self.flags & PROGRESS != 0;
        self.flags &= !PROGRESS;
        progress
    }

    /// Lets the kernel find out that the other side is gone: it asks after `idle` and gives up after `patience`.
    pub(super) fn keep_alive(&self, idle: Duration, patience: Duration) -> io::Result<()> {
        const PROBES: u32 = 3;
        let keep_alive = socket2::TcpKeepalive::new()
            .with_time(idle)
            .with_interval(patience / PROBES)
            .with_retries(PROBES);
        socket2::SockRef::from(&self.stream).set_tcp_keepalive(&keep_alive)
    }

    /// Reads once. A short read uses the readiness up, unless an end is queued behind it.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Received {
        debug_assert!(!buffer.is_empty(), "a read into nothing looks like an end");
        loop {
            match (&self.stream).read(buffer) {
                Ok(0) => {
                    self.flags |= READ_ENDED;
                    return Received::End;
                }
                Ok(length) => {
                    if length < buffer.len() && self.flags & END_QUEUED == 0 {
                        self.flags &= !READABLE;
                    }
                    return Received::Bytes(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flags &= !READABLE;
                    return Received::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.flags |= BROKEN;
                    return Received::Broken;
                }
            }
        }
    }

    /// Writes, and keeps what the kernel does not take. Order is kept.
    pub(super) fn send(
        &mut self,
        bytes: &[u8],
        registry: &Registry,
        token: Token,
        pool: &mut Pool,
    ) -> Result<(), Broken> {
        self.send_as(bytes, false, registry, token, pool)
    }

    /// As [`Socket::send`], for whole frames without a mask.
    pub(super) fn send_frames(
        &mut self,
        bytes: &[u8],
        registry: &Registry,
        token: Token,
        pool: &mut Pool,
    ) -> Result<(), Broken> {
        self.send_as(bytes, true, registry, token, pool)
    }

    /// Drops messages that wait, and of which nothing has left, if a later one that waits has the same key. Says how many.
    /// `key` gets a message's payload and whether it is text.
    pub(super) fn drop_superseded(&mut self, key: impl Fn(&[u8], bool) -> Option<u64>) -> usize {
        let Some(backlog) = self.backlog.as_mut().filter(|backlog| backlog.framed) else {
            return 0;
        };
        let bytes = &backlog.bytes;
        let key = |frame: &Framed| {
            let Header {
                opcode,
                fin,
                reserved,
                ..
            } = frame.header;
            let whole = fin && reserved == 0 && matches!(opcode, Opcode::Text | Opcode::Binary);
            let untouched = frame.start >= backlog.sent;
            (whole && untouched)
                .then(|| key(&bytes[frame.payload..frame.end], opcode == Opcode::Text))
                .flatten()
        };
        let keyed: Vec<_> = frames(bytes).map(|frame| (key(&frame), frame)).collect();
        let mut newest = HashMap::new();
        for (index, (key, _)) in keyed.iter().enumerate() {
            if let Some(key) = key {
                newest.insert(*key, index);
            }
        }
        let superseded = |index: usize, key: Option<u64>| {
            key.and_then(|key| newest.get(&key))
                .is_some_and(|last| *last > index)
        };
        let mut kept = Vec::with_capacity(bytes.len());
        let mut dropped = 0;
        for (index, (key, frame)) in keyed.iter().enumerate() {
            if superseded(index, *key) {
                dropped += 1;
            } else {
                kept.extend_from_slice(&bytes[frame.start..frame.end]);
            }
        }
        if dropped > 0 {
            backlog.bytes = kept;
        }
        dropped
    }

    fn send_as(
        &mut self,
        bytes: &[u8],
        framed: bool,
        registry: &Registry,
        token: Token,
        pool: &mut Pool,
    ) -> Result<(), Broken> {
        if bytes.is_empty() || self.flags & (SHUTDOWN_WANTED | SHUTDOWN_DONE) != 0 {
            return Ok(());
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.framed &= framed;
            backlog.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = self.write_some(bytes)?;
        if sent < bytes.len() {
            let mut kept = Backlog {
                bytes: pool.take(),
                sent,
                framed,
            };
            kept.bytes.extend_from_slice(bytes);
            kept.drop_sent();
            self.backlog = Some(Box::new(kept));
            self.interest(registry, token, Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(())
    }

    /// Sends on what waits. True if nothing waits any more.
    pub(super) fn flush(
        &mut self,
        registry: &Registry,
        token: Token,
        pool: &mut Pool,
    ) -> Result<bool, Broken> {
        if let Some(mut backlog) = self.backlog.take() {
            let sent = self.write_some(&backlog.bytes[backlog.sent..])?;
            if sent > 0 {
                self.flags |= PROGRESS;
            }
            backlog.sent += sent;
            if backlog.sent < backlog.bytes.len() {
                // What has left is dropped once it is the larger part, so that a slow reader's queue stays bounded.
                if backlog.sent > backlog.bytes.len() / 2 {
                    backlog.drop_sent();
                }
                self.backlog = Some(backlog);
                return Ok(false);
            }
            pool.give(backlog.bytes);
            self.interest(registry, token, Interest::READABLE)?;
            if self.flags & SHUTDOWN_WANTED != 0 {
                self.shut();
            }
        }
        Ok(true)
    }

    /// Ends this side's direction after what waits has left.
    pub(super) fn end(&mut self) {
        if self.flags & (SHUTDOWN_DONE | BROKEN) == 0 {
            self.flags |= SHUTDOWN_WANTED;
            if self.backlog.is_none() {
                self.shut();
            }
        }
    }

    fn shut(&mut self) {
        // A peer that is gone makes this fail, and there is nothing left to say to it.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.flags |= SHUTDOWN_DONE;
    }

    fn interest(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> Result<(), Broken> {
        registry
            .reregister(&mut self.stream, token, interest)
            .map_err(|_| {
                self.flags |= BROKEN;
                Broken
            })
    }

    fn write_some(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.stream).write(&bytes[sent..]) {
                Ok(0) => break,
                Ok(length) => {
                    sent += length;
                    // A short write means that the socket's buffer is full: the next try would only be refused.
                    if sent < bytes.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.flags |= BROKEN;
                    return Err(Broken);
                }
            }
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_full_socket_keeps_the_order_and_the_end_comes_last() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let poll = mio::Poll::new().unwrap();
        let mut pool = Pool::new();
        let mut socket =
            Socket::open(TcpStream::from_std(client), poll.registry(), Token(0)).unwrap();
        let mut expected = Vec::new();
        let mut block = 0_u32;
        while socket.backlog_bytes() < 200_000 {
            let bytes: Vec<u8> = (0..10_000).map(|index| (block + index) as u8).collect();
            block += 7;
            socket
                .send(&bytes, poll.registry(), Token(0), &mut pool)
                .unwrap();
            expected.extend_from_slice(&bytes);
        }
        socket.end();
        assert!(!socket.write_ended(), "the end waits for the backlog");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            server.read_to_end(&mut all).unwrap();
            all
        });
        let mut poll = poll;
        let mut events = mio::Events::with_capacity(4);
        loop {
            if socket.flush(poll.registry(), Token(0), &mut pool).unwrap() {
                break;
            }
            poll.poll(&mut events, Some(std::time::Duration::from_secs(5)))
                .unwrap();
        }
        assert!(socket.write_ended());
        assert_eq!(reader.join().unwrap(), expected);
    }

    #[test]
    fn older_messages_of_a_key_are_dropped_unless_they_have_begun_to_leave() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let poll = mio::Poll::new().unwrap();
        let mut pool = Pool::new();
        let mut socket =
            Socket::open(TcpStream::from_std(client), poll.registry(), Token(0)).unwrap();
        // A message is its key and its number; key 0 stands for none.
        let message = |key: u8, number: u32| {
            let mut payload = vec![key; 3000];
            payload[1..5].copy_from_slice(&number.to_be_bytes());
            let header = Header {
                fin: true,
                opcode: Opcode::Binary,
                mask: None,
                length: payload.len() as u64,
                reserved: 0,
            };
            let mut head = [0; atlas_wire::frame::HEADER_BYTES_MAX];
            let length = header.write(&mut head);
            [&head[..length], &payload].concat()
        };
        let mut sent = 0;
        while socket.backlog_bytes() < 300_000 {
            let bytes = message(u8::try_from(sent % 4).unwrap(), sent);
            socket
                .send_frames(&bytes, poll.registry(), Token(0), &mut pool)
                .unwrap();
            sent += 1;
        }
        let key = |payload: &[u8], text: bool| {
            assert!(!text);
            (payload[0] != 0).then_some(u64::from(payload[0]))
        };
        let dropped = socket.drop_superseded(key);
        // A quarter of about a hundred that waited has no key, three are the newest ones.
        assert!((60..80).contains(&dropped), "{dropped}");
        assert_eq!(socket.drop_superseded(key), 0);
        socket.end();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            server.read_to_end(&mut all).unwrap();
            all
        });
        while !socket.flush(poll.registry(), Token(0), &mut pool).unwrap() {
            std::thread::yield_now();
        }
        let all = reader.join().unwrap();
        let read: Vec<(u8, u32)> = frames(&all)
            .map(|frame| {
                let payload = &all[frame.payload..frame.end];
                (
                    payload[0],
                    u32::from_be_bytes(payload[1..5].try_into().unwrap()),
                )
            })
            .collect();
        assert_eq!(read.len() + dropped, sent as usize);
        assert!(read.iter().map(|(_, number)| number).is_sorted());
        let without_key = read.iter().filter(|(key, _)| *key == 0).count();
        assert_eq!(
            without_key,
            sent.div_ceil(4) as usize,
            "only states are left out"
        );
        let newest = |key: u8| read.iter().rfind(|(of, _)| *of == key).unwrap().1;
        assert!((1..4).all(|key| newest(key) + 4 >= sent));
    }
}
