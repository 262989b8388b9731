//! One client's connection: its socket, what came and is not understood yet, what waits to be sent, and what it chose.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use atlas_kv::acl::User;
use atlas_kv::{ArgumentBuffer, Reply};
use atlas_resp::request::Decoder;
use atlas_resp::{Encoder, Protocol};

use crate::pubsub::Subscriptions;
use crate::stream::Stream;
use crate::tracking::Tracked;
use crate::transaction::{Transaction, Watched};

/// A buffer larger than this is given back once it is empty: a client that does nothing holds none.
const KEPT_BYTES: usize = 4096;

/// What waits to be sent to a client.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sent: usize,
    pub(crate) protocol: Protocol,
}

impl Output {
    /// How much waits.
    pub(crate) fn pending(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(&mut self.bytes, self.protocol)
    }
}

impl Reply for Output {
    #[inline]
    fn simple(&mut self, text: &str) {
        self.encoder().simple(text);
    }
    fn error(&mut self, line: &str) {
        self.encoder().error(line);
    }
    #[inline]
    fn integer(&mut self, value: i64) {
        self.encoder().integer(value);
    }
    #[inline]
    fn bulk(&mut self, bytes: &[u8]) {
        self.encoder().bulk(bytes);
    }
    #[inline]
    fn null(&mut self) {
        self.encoder().null();
    }
    fn null_array(&mut self) {
        self.encoder().null_array();
    }
    fn double(&mut self, value: f64) {
        self.encoder().double(value);
    }
    fn boolean(&mut self, value: bool) {
        self.encoder().boolean(value);
    }
    fn verbatim(&mut self, format: &str, text: &[u8]) {
        let format = format.as_bytes().first_chunk().copied();
        self.encoder().verbatim(format.unwrap_or(*b"txt"), text);
    }
    fn big_number(&mut self, digits: &[u8]) {
        let digits = std::str::from_utf8(digits).unwrap_or("0");
        self.encoder().big_number(digits);
    }
    fn array(&mut self, length: usize) {
        self.encoder().array(length);
    }
    fn map(&mut self, length: usize) {
        self.encoder().map(length);
    }
    fn set(&mut self, length: usize) {
        self.encoder().set(length);
    }
    fn push(&mut self, length: usize) {
        self.encoder().push(length);
    }
    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }
    #[inline]
    fn ok(&mut self) {
        self.encoder().ok();
    }
}

/// Which commands are answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Answered {
    #[default]
    On,
    Off,
    /// Not the next one.
    SkipNext,
    /// Not this one.
    Skip,
}

/// Why a connection's commands are not looked at for now.
#[derive(Debug)]
pub(crate) enum Hold {
    /// The command may go on once the connection's own records are applied.
    OwnRecords(ArgumentBuffer),
    /// Once all up to this submission are applied.
    Flight(u64, ArgumentBuffer),
    /// Its record decides whether the client waits.
    Landing,
    /// Its client waits for a key; the number of the wait.
    Wait(u64),
    /// Its client waits for something else, until a deadline if there is one.
    Elsewhere(Option<Instant>, crate::commands::Awaited),
    /// Everybody's commands wait.
    Paused(ArgumentBuffer),
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) id: u64,
    pub(crate) address: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) input: Vec<u8>,
    pub(crate) decoder: Decoder,
    pub(crate) output: Output,
    pub(crate) database: u32,
    pub(crate) is_authenticated: bool,
    /// Whose rights it has, once it is authenticated.
    pub(crate) user: Arc<User>,
    /// It is authenticated, its user may do everything, and it tracks nothing: its commands need no looking at.
    pub(crate) is_trusted: bool,
    /// Its steps in the queue.
    pub(crate) in_flight: u32,
    /// The flight of the last of them.
    pub(crate) last_flight: u64,
    /// Its answers leave once this submission is with the system.
    pub(crate) held_by: u64,
    pub(crate) hold: Option<Box<Hold>>,
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) watched: Watched,
    /// What its watched keys take.
    pub(crate) watched_bytes: usize,
    /// A key that it watches has changed.
    pub(crate) is_watch_broken: bool,
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
    /// How it tracks, if it does.
    pub(crate) tracked: Option<Box<Tracked>>,
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) answered: Answered,
    pub(crate) begun: Instant,
    pub(crate) used: Instant,
    /// The last command's name, behind its container's if it has one.
    pub(crate) last_command: [&'static str; 2],
    pub(crate) is_no_evict: bool,
    pub(crate) is_no_touch: bool,
    /// The socket may have more to read.
    pub(crate) is_readable: bool,
    /// The input may have whole commands that were not looked at.
    pub(crate) has_input: bool,
    /// It is in the list of those to be flushed.
    pub(crate) is_listed: bool,
    /// It is closed once its output has left.
    pub(crate) is_closing: bool,
    /// Its client has ended its direction.
    pub(crate) is_ended: bool,
    /// The log may gather until it sends again.
    pub(crate) is_awaited: bool,
    pub(crate) commands: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// How a read or a write ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Io {
    /// So many bytes; there may be more.
    Bytes(usize),
    /// Nothing now.
    Blocked,
    /// The client has ended its direction.
    End,
    /// The connection is gone.
    Broken,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        id: u64,
        address: SocketAddr,
        user: Arc<User>,
        now: Instant,
    ) -> Self {
        let local = stream.local_addr().unwrap_or(address);
        let mut connection = Self {
            stream,
            id,
            address,
            local,
            input: Vec::new(),
            decoder: Decoder::default(),
            output: Output::default(),
            database: 0,
            is_authenticated: user.is_open(),
            user,
            is_trusted: false,
            in_flight: 0,
            last_flight: 0,
            held_by: 0,
            hold: None,
            transaction: None,
            watched: Watched::default(),
            watched_bytes: 0,
            is_watch_broken: false,
            subscriptions: None,
            tracked: None,
            name: Vec::new(),
            library: Vec::new(),
            library_version: Vec::new(),
            answered: Answered::On,
            begun: now,
            used: now,
            last_command: ["", "NULL"],
            is_no_evict: false,
            is_no_touch: false,
            is_readable: false,
            has_input: false,
            is_listed: false,
            is_closing: false,
            is_ended: false,
            is_awaited: false,
            commands: 0,
            bytes_in: 0,
            bytes_out: 0,
        };
        connection.settle_trust();
        connection
    }

    /// Makes it somebody's who has said a password, or needs none.
    pub(crate) fn become_user(&mut self, user: Arc<User>, is_authenticated: bool) {
        self.user = user;
        self.is_authenticated = is_authenticated;
        self.settle_trust();
    }

    /// Looks whether its commands need no looking at, after its user or their rights have changed.
    pub(crate) fn settle_trust(&mut self) {
        let is_free = self.is_authenticated && self.user.is_unrestricted();
        self.is_trusted = is_free && self.tracked.is_none();
    }

    /// Bytes, about, that are kept for it between its commands, except of what waits to be read or sent.
    pub(crate) fn kept_bytes(&self) -> usize {
        let subscriptions = self.subscriptions.as_ref();
        self.watched_bytes
            + subscriptions.map_or(0, |subscriptions| subscriptions.bytes)
            + self.tracked.as_ref().map_or(0, |tracked| tracked.bytes())
            + self.transaction.as_ref().map_or(0, |one| one.bytes)
            + self.name.len()
            + self.library.len()
            + self.library_version.len()
    }

    /// The client that hears of changes in its place, 0 if it does itself, -1 if it does not track.
    pub(crate) fn redirect(&self) -> i64 {
        self.tracked
            .as_ref()
            .map_or(-1, |tracked| tracked.redirect as i64)
    }

    /// True if the answer to the command at hand is wanted.
    pub(crate) fn is_muted(&self) -> bool {
        matches!(self.answered, Answered::Off | Answered::Skip)
    }

    /// The last command's name as Redis writes it.
    pub(crate) fn last_command_name(&self) -> String {
        match self.last_command {
            ["", name] => name.to_owned(),
            [container, name] => format!("{container}|{name}"),
        }
    }

    /// True while its commands are not looked at.
    pub(crate) fn is_stopped(&self) -> bool {
        self.hold.is_some() || self.is_closing
    }

    /// True if something waits to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.output.pending() > 0 || self.stream.has_unsent()
    }

    pub(crate) fn receive(&mut self, to: &mut [u8]) -> Io {
        loop {
            match self.stream.read(to) {
                Ok(0) => return Io::End,
                Ok(count) => {
                    self.bytes_in += count as u64;
                    return Io::Bytes(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Io::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Io::Broken,
            }
        }
    }

    /// Sends what waits, as much as the system takes.
    pub(crate) fn send(&mut self) -> Io {
        let output = &mut self.output;
        while let Some(rest) = output
            .bytes
            .get(output.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(count) => {
                    output.sent += count;
                    self.bytes_out += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if output.sent > output.bytes.len() / 2 {
                        output.bytes.drain(..output.sent);
                        output.sent = 0;
                    }
                    return Io::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Io::Broken,
            }
        }
        output.sent = 0;
        output.bytes.clear();
        if output.bytes.capacity() > KEPT_BYTES {
            output.bytes = Vec::new();
        }
        match self.stream.flush() {
            Ok(()) => Io::Bytes(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Io::Blocked,
            Err(_) => Io::Broken,
        }
    }
}
