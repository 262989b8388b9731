//! One worker: a thread with its own epoll, its own sessions and nothing shared on the way of a message.
//!
//! Everything here is plain single-threaded code: readiness comes in, bytes go out, the state machine of
//! `atlas-world` is asked and obeyed. The rest of the process reaches a worker by its mailbox only.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use atlas_base::{Moment, SessionId};
use atlas_wire::frame::Side;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _, TryRng as _};
use slab::Slab;
use tokio::sync::oneshot;

use crate::api::TransferView;
use crate::mail::Mail;
use crate::placement::Placement;
use crate::servers::View;
use crate::shared::Shared;

mod allowance;
mod asked;
mod assembler;
mod balance;
mod carriage;
mod dial;
mod entrance;
mod flow;
mod handshake;
mod leave_join;
mod links;
mod machine;
mod messages;
mod mirroring;
mod movable;
mod orders;
mod plain;
mod relief;
mod renewal;
mod report;
mod socket;
mod stopping;
mod streams;
mod switches;
mod tapping;
mod timers;

pub(crate) use balance::{Far, Stander};
pub(crate) use messages::{Ask, Resident};

use allowance::Rates;
use dial::Dial;
use handshake::Handshake;
use links::Link;
use mirroring::Mirror;
use movable::Movable;
use plain::Plain;
pub(crate) use relief::NO_ROOM;
use socket::{Pool, Received, Socket};
use stopping::Stopping;
use switches::Switch;
use timers::{Timer, Timers};

/// How long the second side may take to end once the first has.
const LINGER: Duration = Duration::from_secs(3);
/// Reads of one socket before others get their turn.
const ROUNDS_MAX: u32 = 4;
/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;
/// How much of a message skimming looks at.
const SKIM_BYTES_MAX: usize = 512;
/// How often a player of a plain session is looked at.
const SKIM_INTERVAL: Duration = Duration::from_millis(100);
/// How often a worker does its housekeeping when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// How often players' positions are sent to watchers of the world.
const WATCH_TICK: Duration = Duration::from_millis(200);
/// Connections taken in before others get their turn.
const ACCEPTS_MAX: usize = 64;

/// What a readiness event is about; packed into mio's token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Mailbox,
    Listener,
    Handshake(usize),
    Dial(usize),
    PlainClient(usize),
    PlainLink(usize),
    MovableClient(usize),
    Link(usize),
    Closing(usize),
}

const KINDS: usize = 16;

impl From<Token> for mio::Token {
    #[inline]
    fn from(token: Token) -> Self {
        let (kind, key) = match token {
            Token::Mailbox => (0, 0),
            Token::Listener => (1, 0),
            Token::Handshake(key) => (2, key),
            Token::Dial(key) => (3, key),
            Token::PlainClient(key) => (4, key),
            Token::PlainLink(key) => (5, key),
            Token::MovableClient(key) => (6, key),
            Token::Link(key) => (7, key),
            Token::Closing(key) => (8, key),
        };
        Self(key * KINDS + kind)
    }
}

impl From<mio::Token> for Token {
    #[inline]
    fn from(token: mio::Token) -> Self {
        let key = token.0 / KINDS;
        match token.0 % KINDS {
            0 => Self::Mailbox,
            1 => Self::Listener,
            2 => Self::Handshake(key),
            3 => Self::Dial(key),
            4 => Self::PlainClient(key),
            5 => Self::PlainLink(key),
            6 => Self::MovableClient(key),
            7 => Self::Link(key),
            _ => Self::Closing(key),
        }
    }
}

/// A socket whose reading was cut short so that others get their turn.
#[derive(Clone, Copy, Debug)]
enum Again {
    Accept,
    Plain(usize, Side),
    MovableClient(usize),
    Link(usize),
    Closing(usize),
}

/// Counts of one worker since they were last added to the metrics.
#[derive(Default)]
struct Tally {
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    output_fenced: u64,
}

/// What waits at this worker, added up in a sweep.
#[derive(Default)]
struct Waiting {
    inward: usize,
    outward: usize,
    paused: usize,
}

impl Waiting {
    fn note(&mut self, inward: usize, outward: usize) {
        self.inward += inward;
        self.outward += outward;
        self.paused += usize::from(outward > 0);
    }
}

/// A socket that has said its last and waits for the other side to do so.
struct Closing {
    socket: Socket,
    until: Moment,
}

/// One worker.
pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    view: Arc<View>,
    poll: Poll,
    mailbox: mpsc::Receiver<Mail>,
    /// Worker 0 accepts for all.
    listener: Option<TcpListener>,
    accept_pending: bool,
    handshakes: Slab<Handshake>,
    dials: Slab<Dial>,
    plain: Slab<Plain>,
    movable: Slab<Box<Movable>>,
    links: Slab<Link>,
    closing: Slab<Closing>,
    timers: Timers,
    again: VecDeque<Again>,
    /// What happened to sessions' machines and was not handed in yet, in order.
    happened: VecDeque<(usize, u32, atlas_world::Event)>,
    commands: Vec<atlas_world::Command>,
    placement: Placement,
    pool: Pool,
    scratch: Vec<u8>,
    outgoing: Vec<u8>,
    random: StdRng,
    now: Moment,
    serial: u32,
    last_path: Arc<str>,
    message_bytes_max: u64,
    rates: Rates,
    tally: Tally,
    waiting: Waiting,
    /// Players who were moved and have not heard of their new server yet.
    switches: HashMap<usize, Switch>,
    /// Sessions that are copied for a shadow server; nobody else has an entry.
    mirrors: HashMap<SessionId, Mirror>,
    ticked: Moment,
    watched: Moment,
    swept: Moment,
    stopping: Option<Stopping>,
    /// Who waits for the end of a transfer, by ticket.
    tickets: HashMap<u64, oneshot::Sender<Result<TransferView, crate::Error>>>,
    ticket: u64,
    /// Transfers that were asked for and wait.
    asked: VecDeque<asked::Asked>,
    /// The movable session at which the next look for a nearer server begins.
    far_next: usize,
    /// The movable sessions' keys.
    keys: HashMap<SessionId, usize>,
    /// Who waits for a session to settle.
    findings: Vec<messages::Finding>,
}

impl Worker {
    /// A worker with its poll already made; `listener` goes to one of them.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        poll: Poll,
        mailbox: mpsc::Receiver<Mail>,
        listener: Option<std::net::TcpListener>,
    ) -> std::io::Result<Self> {
        let listener = match listener {
            Some(listener) => {
                let mut listener = TcpListener::from_std(listener);
                poll.registry().register(
                    &mut listener,
                    Token::Listener.into(),
                    Interest::READABLE,
                )?;
                Some(listener)
            }
            None => None,
        };
        let mut seed = [0; 32];
        rand::rngs::SysRng
            .try_fill_bytes(&mut seed)
            .map_err(std::io::Error::other)?;
        let view = shared.view.load_full();
        Ok(Self {
            index,
            poll,
            mailbox,
            listener,
            accept_pending: false,
            handshakes: Slab::new(),
            dials: Slab::new(),
            plain: Slab::new(),
            movable: Slab::new(),
            links: Slab::new(),
            closing: Slab::new(),
            timers: Timers::default(),
            again: VecDeque::new(),
            happened: VecDeque::new(),
            commands: Vec::new(),
            placement: Placement::default(),
            pool: Pool::new(),
            scratch: vec![0; flow::HEADROOM + READ_BYTES],
            outgoing: Vec::new(),
            random: StdRng::from_seed(seed),
            now: shared.now(),
            serial: 0,
            last_path: "".into(),
            message_bytes_max: view.edge.limits.message_bytes_max.0,
            rates: Rates::new(&view.edge.limits),
            tally: Tally::default(),
            waiting: Waiting::default(),
            switches: HashMap::new(),
            mirrors: HashMap::new(),
            ticked: Moment::ZERO,
            watched: Moment::ZERO,
            swept: Moment::ZERO,
            stopping: None,
            tickets: HashMap::new(),
            ticket: 0,
            asked: VecDeque::new(),
            far_next: 0,
            keys: HashMap::new(),
            findings: Vec::new(),
            view,
            shared,
        })
    }

    /// Serves until told to stop and everybody is gone, or the deadline of the stop is over.
    pub(crate) fn run(mut self) -> std::io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.now = self.shared.now();
            self.placement.now = self.now;
            // Sockets before timers: after a pause of the process, what has come counts before what is late.
            for event in &events {
                self.dispatch(event);
            }
            for _ in 0..self.again.len() {
                if let Some(again) = self.again.pop_front() {
                    self.go_on(again);
                }
            }
            while let Some(timer) = self.timers.due(self.now) {
                self.fire(timer);
            }
            self.settle_machines();
            if !self.asked.is_empty() {
                self.asked_go_on();
            }
            if !self.findings.is_empty() {
                self.findings_go_on();
            }
            self.tick();
            if self.stopped() {
                self.add_tally();
                return Ok(());
            }
        }
    }

    fn timeout(&self) -> Duration {
        if !self.again.is_empty() {
            return Duration::ZERO;
        }
        let tick = if self.shared.stream.watched() || self.stopping.is_some() || self.accept_pending
        {
            WATCH_TICK
        } else {
            TICK
        };
        let timer = self
            .timers
            .next()
            .map(|at| at.saturating_since(self.shared.now()));
        timer.map_or(tick, |timer| timer.min(tick))
    }

    #[inline]
    fn dispatch(&mut self, event: &mio::event::Event) {
        match Token::from(event.token()) {
            Token::PlainClient(key) => {
                if let Some(session) = self.plain.get_mut(key) {
                    session.client.note(event);
                    self.plain_ready(key, Side::Client, event);
                }
            }
            Token::PlainLink(key) => {
                if let Some(session) = self.plain.get_mut(key) {
                    session.link.note(event);
                    self.plain_ready(key, Side::Server, event);
                }
            }
            Token::MovableClient(key) => {
                if let Some(session) = self.movable.get_mut(key) {
                    session.client.note(event);
                    self.movable_client_ready(key, event.is_writable());
                    self.settle_machines();
                }
            }
            Token::Link(key) => {
                if let Some(link) = self.links.get_mut(key) {
                    link.socket.note(event);
                    self.link_ready(key, event.is_writable());
                    self.settle_machines();
                }
            }
            Token::Handshake(key) => self.handshake_event(key, event),
            Token::Dial(key) => {
                self.dial_event(key, event);
                self.settle_machines();
            }
            Token::Closing(key) => self.closing_event(key, event),
            Token::Listener => self.accept(),
            Token::Mailbox => self.read_mail(),
        }
    }

    #[inline]
    fn plain_ready(&mut self, key: usize, side: Side, event: &mio::event::Event) {
        if event.is_writable() {
            self.plain_writable(key, side);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.relay(key, side);
        }
    }

    fn go_on(&mut self, again: Again) {
        match again {
            Again::Accept => self.accept(),
            Again::Plain(key, side) => self.relay(key, side),
            Again::MovableClient(key) => self.movable_client_ready(key, false),
            Again::Link(key) => self.link_ready(key, false),
            Again::Closing(key) => self.closing_drain(key),
        }
        self.settle_machines();
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake { key, serial } => self.handshake_timeout(key, serial),
            Timer::Dial { key, serial } => self.dial_timeout(key, serial),
            Timer::PlainLinger { key, serial } => self.plain_linger_over(key, serial),
            Timer::Entering { key, serial } => self.entering_over(key, serial),
            Timer::Machine { key, serial, timer } => {
                self.happened
                    .push_back((key, serial, atlas_world::Event::Timer(timer)));
            }
        }
        self.settle_machines();
    }

    /// Takes connections in and shares them out to the workers with the fewest.
    fn accept(&mut self) {
        self.accept_pending = true;
        for _ in 0..ACCEPTS_MAX {
            if self.stopping.is_some() || self.shared.is_full() {
                return;
            }
            let Some(listener) = &self.listener else {
                return;
            };
            match listener.accept() {
                Ok((stream, address)) => self.share_out(stream, address),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.accept_pending = false;
                    return;
                }
                // The connection was gone before it was taken, or descriptors ran out: the tick tries again.
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    return;
                }
            }
        }
        // The listener told of these connections once and does not repeat itself.
        self.again.push_back(Again::Accept);
    }

    fn share_out(&mut self, stream: TcpStream, address: SocketAddr) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        self.shared.metrics.connections.inc();
        let loads = self
            .shared
            .loads
            .iter()
            .map(|load| load.load(Ordering::Relaxed));
        let least = loads
            .enumerate()
            .min_by_key(|(_, load)| *load)
            .map_or(self.index, |(index, _)| index);
        self.shared.loads[least].fetch_add(1, Ordering::Relaxed);
        if least == self.index {
            self.handshake_begin(stream, address);
        } else {
            self.shared.mailboxes[least].send(Mail::Connection(stream, address));
        }
    }

    fn read_mail(&mut self) {
        while let Ok(mail) = self.mailbox.try_recv() {
            match mail {
                Mail::Connection(stream, address) => {
                    if self.stopping.is_some() {
                        drop(stream);
                        self.session_ended();
                    } else {
                        self.handshake_begin(stream, address);
                    }
                }
                Mail::Stop { deadline } => self.stop(deadline),
                Mail::Ask(ask) => self.answer(ask),
                Mail::Replace { older } => self.replace(older),
                Mail::PlayerLeft { newer } => self.older_left(newer),
                Mail::ViewChanged => self.renew(),
                Mail::ServerDown {
                    world,
                    server,
                    refused,
                } => self.server_down(&world, server, refused),
                Mail::Transfer {
                    session,
                    server,
                    reply,
                } => self.transfer_asked(session, &server, reply),
                Mail::Sessions { query, reply } => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.sessions(&query));
                }
            }
            self.settle_machines();
        }
    }

    fn tick(&mut self) {
        self.stop_on();
        let since = self.now.saturating_since(self.ticked);
        if self.shared.stream.watched() && self.now.saturating_since(self.watched) >= WATCH_TICK {
            self.watched = self.now;
            self.report_players();
        }
        if since < WATCH_TICK {
            return;
        }
        self.ticked = self.now;
        self.add_tally();
        if self.now.saturating_since(self.swept) >= TICK {
            self.swept = self.now;
            self.plain_sweep();
            self.movable_sweep();
            self.streams_sweep();
            self.links_sweep();
            self.show_waiting();
            self.relieve();
            self.settle_machines();
        }
        if self.accept_pending {
            self.accept();
        }
        let over: Vec<usize> = self
            .closing
            .iter()
            .filter(|(_, closing)| closing.until <= self.now)
            .map(|(key, _)| key)
            .collect();
        for key in over {
            self.closing.remove(key);
        }
    }

    /// Shows to the rest of the process what the sweep found waiting.
    fn show_waiting(&mut self) {
        for (_, link) in &self.links {
            self.waiting.note(link.queued_bytes(), 0);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let shown = &self.shared.queued[self.index];
        shown.inward.store(waiting.inward, Ordering::Relaxed);
        shown.outward.store(waiting.outward, Ordering::Relaxed);
        shown.paused.store(waiting.paused, Ordering::Relaxed);
    }

    fn add_tally(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let metrics = &self.shared.metrics;
        for (count, counter) in [
            (tally.messages_in, &metrics.messages_in),
            (tally.messages_out, &metrics.messages_out),
            (tally.bytes_in, &metrics.bytes_in),
            (tally.bytes_out, &metrics.bytes_out),
            (tally.output_fenced, &metrics.output_fenced),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }

    /// Lets a socket say its last: what it still brings is thrown away, so that the kernel does not answer unread
    /// bytes with a reset that would overtake what we sent.
    fn closing_insert(&mut self, mut socket: Socket) {
        socket.end();
        if socket.read_ended() && socket.write_ended() {
            return;
        }
        let entry = self.closing.vacant_entry();
        let key = entry.key();
        if socket
            .rename(self.poll.registry(), Token::Closing(key).into())
            .is_ok()
        {
            entry.insert(Closing {
                socket,
                until: self.now + LINGER,
            });
            // Not here: the scratch may be in use by whoever closes.
            self.again.push_back(Again::Closing(key));
        }
    }

    fn closing_event(&mut self, key: usize, event: &mio::event::Event) {
        let Some(closing) = self.closing.get_mut(key) else {
            return;
        };
        closing.socket.note(event);
        if event.is_writable()
            && closing
                .socket
                .flush(
                    self.poll.registry(),
                    Token::Closing(key).into(),
                    &mut self.pool,
                )
                .is_err()
        {
            self.closing.remove(key);
            return;
        }
        self.closing_drain(key);
    }

    fn closing_drain(&mut self, key: usize) {
        let Some(closing) = self.closing.get_mut(key) else {
            return;
        };
        for round in 0.. {
            if !closing.socket.may_read() {
                break;
            }
            if round == ROUNDS_MAX {
                self.again.push_back(Again::Closing(key));
                return;
            }
            if let Received::Blocked = closing.socket.receive(&mut self.scratch) {
                break;
            }
        }
        if closing.socket.read_ended() && closing.socket.write_ended() {
            self.closing.remove(key);
        }
    }

    /// A fresh masking key.
    fn mask(&mut self) -> [u8; 4] {
        self.random.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for key in [0, 1, 77, 1 << 30] {
            for token in [
                Token::Handshake(key),
                Token::Dial(key),
                Token::PlainClient(key),
                Token::PlainLink(key),
                Token::MovableClient(key),
                Token::Link(key),
                Token::Closing(key),
            ] {
                assert_eq!(Token::from(mio::Token::from(token)), token);
            }
        }
    }

    #[test]
    fn a_plain_session_stays_small() {
        assert!(size_of::<Plain>() <= 288, "{}", size_of::<Plain>());
    }
}
