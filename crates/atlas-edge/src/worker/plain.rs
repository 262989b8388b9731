//! Plain sessions: the relay. Frames go through as they came, cut through at whatever a read brought.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atlas_base::{Moment, Position, SessionId};
use atlas_wire::frame::{
    CloseCode, HEADER_BYTES_MAX, Opcode, Side, Violation, close_payload, control_frame, copy_masked,
};

use super::allowance::{Allowance, Rates};
use super::flow::{Flow, HEADROOM};
use super::socket::{Received, Socket};
use super::timers::Timer;
use super::{Again, LINGER, ROUNDS_MAX, SKIM_BYTES_MAX, SKIM_INTERVAL, Token, Worker};
use crate::servers::{Server, View, World};

/// How long one side may go on to speak after the other broke a rule.
const FAREWELL: Duration = Duration::from_millis(500);

/// One player whose server knows nothing of Atlas.
pub(super) struct Plain {
    pub(super) client: Socket,
    pub(super) link: Socket,
    pub(super) from_client: Flow,
    pub(super) from_server: Flow,
    /// What skimming found; none where the dialect reads nothing.
    seen: Option<Box<Seen>>,
    pub(super) about: About,
    allowance: Allowance,
    /// Sweeps during which the client took nothing of what waited for it.
    stalled: u8,
    ending: Ending,
}

/// How far a session is from its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Not,
    /// One side has ended, the other has a while left.
    Lingers,
    /// This side broke a rule. The other was told so, and what it has still to say goes over first.
    Refused(Side, Violation),
}

/// What is known of a session apart from its traffic.
pub(super) struct About {
    pub(super) id: SessionId,
    pub(super) serial: u32,
    pub(super) world: Arc<World>,
    pub(super) server: Arc<Server>,
    pub(super) address: SocketAddr,
    pub(super) path: Arc<str>,
    /// Whether it counts among its address's connections.
    pub(super) counted: bool,
    pub(super) since: Moment,
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
}

/// What skimming found out about a player.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) position: Option<Position>,
    pub(super) player: Option<Arc<str>>,
    looked_at: Option<Moment>,
}

impl Plain {
    pub(super) fn new(
        client: Socket,
        link: Socket,
        about: About,
        reserved_allowed: u8,
        allowance: Allowance,
    ) -> Self {
        let seen = about.world.dialect.skims().then(Box::default);
        Self {
            client,
            link,
            from_client: Flow::new(Side::Client, reserved_allowed),
            from_server: Flow::new(Side::Server, reserved_allowed),
            seen,
            about,
            allowance,
            stalled: 0,
            ending: Ending::Not,
        }
    }

    /// Goes on under a newer view; `fresh` are new rates, if they changed.
    pub(super) fn renew(&mut self, view: &View, fresh: Option<(Rates, Moment)>) {
        self.about.renew(view);
        if let Some((rates, now)) = fresh {
            self.allowance = Allowance::new(rates, now);
        }
    }

    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }
}

/// Looks at a client's message, if it is time to.
fn look(
    seen: &mut Seen,
    world: &World,
    now: Moment,
    key: Option<[u8; 4]>,
    opcode: Opcode,
    payload: &[u8],
) {
    let resting = seen
        .looked_at
        .is_some_and(|last| now.saturating_since(last) < SKIM_INTERVAL);
    if resting && seen.player.is_some() {
        return;
    }
    let mut prefix = [0; SKIM_BYTES_MAX];
    let message = copy_masked(payload, key.unwrap_or_default(), 0, &mut prefix);
    let text = opcode == Opcode::Text;
    if seen.player.is_none() {
        seen.player = world.dialect.player(message, text).map(Arc::from);
    }
    if !resting && let Some((position, _)) = world.dialect.position(message, text) {
        seen.position = position.is_finite().then_some(position);
        seen.looked_at = Some(now);
    }
}

/// The reason to close a client that has taken nothing for as long as its world has patience; asked once a sweep.
pub(super) fn slow_client(
    client: &mut Socket,
    stalled: &mut u8,
    world: &World,
) -> Option<&'static str> {
    if client.backlog_bytes() == 0 || client.take_progress() {
        *stalled = 0;
        return None;
    }
    *stalled = stalled.saturating_add(1);
    (u64::from(*stalled) > patience_sweeps(world)).then_some("slow-client")
}

/// A world's patience with slow clients, in sweeps of a second.
pub(super) fn patience_sweeps(world: &World) -> u64 {
    world.config.slow_client.patience.as_secs().clamp(1, 254)
}

impl Worker {
    /// Relays what `sender` has sent, until it would block, the other side is slow, or others are due.
    pub(super) fn relay(&mut self, key: usize, sender: Side) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.relay_with(key, sender, &mut scratch);
        self.scratch = scratch;
    }

    fn relay_with(&mut self, key: usize, sender: Side, scratch: &mut [u8]) {
        for round in 0.. {
            let Some(session) = self.plain.get_mut(key) else {
                return;
            };
            let (from, to, flow) = match sender {
                Side::Client => (&mut session.client, &session.link, &mut session.from_client),
                Side::Server => (&mut session.link, &session.client, &mut session.from_server),
            };
            if to.backlog_bytes() > 0 || !from.may_read() {
                return;
            }
            if matches!(session.ending, Ending::Refused(side, _) if side == sender) {
                return;
            }
            if round == ROUNDS_MAX {
                self.again.push_back(Again::Plain(key, sender));
                return;
            }
            let start = flow.resume(scratch);
            let received = match from.receive(&mut scratch[HEADROOM..]) {
                Received::Bytes(length) => &scratch[start..HEADROOM + length],
                Received::Blocked => {
                    // What was begun is put back: nothing came to complete it.
                    flow.advance(&scratch[start..HEADROOM], u64::MAX, |_, _| {});
                    return;
                }
                Received::End | Received::Broken => return self.plain_ended(key, sender),
            };
            if !self.plain_pass(key, sender, received) {
                return;
            }
        }
    }

    /// Checks what `sender` sent and passes it on. False if the session is not what it was.
    #[inline]
    fn plain_pass(&mut self, key: usize, sender: Side, received: &[u8]) -> bool {
        if self.shared.tap.is_on() {
            self.plain_tapped(key, sender, received);
        }
        let limit = self.message_bytes_max;
        let copies = sender == Side::Client && !self.mirrors.is_empty();
        let session = &mut self.plain[key];
        let (to, advance, token) = match sender {
            Side::Client => {
                let flow = &mut session.from_client;
                let named = session
                    .seen
                    .as_ref()
                    .is_none_or(|seen| seen.player.is_some());
                let advance = match &mut session.seen {
                    Some(seen) => {
                        let (world, now) = (&session.about.world, self.now);
                        flow.advance(received, limit, |header, payload| {
                            look(seen, world, now, header.mask, header.opcode, payload);
                        })
                    }
                    None => flow.advance(received, limit, |_, _| {}),
                };
                flow.note_time(self.now, advance.messages);
                if !session.allowance.take(
                    self.rates,
                    self.now,
                    advance.frames,
                    received.len() as u64,
                ) {
                    self.plain_close(
                        key,
                        CloseCode::POLICY,
                        "too many messages or bytes a second",
                    );
                    return false;
                }
                session.about.messages_in += advance.messages;
                self.tally.messages_in += advance.messages;
                self.tally.bytes_in += advance.pass as u64;
                if !named && !self.plain_enters(key) {
                    return false;
                }
                let session = &mut self.plain[key];
                (&mut session.link, advance, Token::PlainLink(key))
            }
            Side::Server => {
                let advance = session.from_server.advance(received, limit, |_, _| {});
                session.about.messages_out += advance.messages;
                self.tally.messages_out += advance.messages;
                self.tally.bytes_out += advance.pass as u64;
                (&mut session.client, advance, Token::PlainClient(key))
            }
        };
        let pass = advance.pass;
        if to
            .send(
                &received[..advance.pass],
                self.poll.registry(),
                token.into(),
                &mut self.pool,
            )
            .is_err()
        {
            self.plain_ended(
                key,
                if sender == Side::Client {
                    Side::Server
                } else {
                    Side::Client
                },
            );
            return false;
        }
        if copies {
            self.mirror_bytes(key, &received[..pass]);
        }
        if let Some(violation) = advance.violation {
            self.shared
                .metrics
                .frames_refused
                .with_label_values(&[&violation.to_string()])
                .inc();
            self.plain_refuse(key, sender, violation);
            return false;
        }
        if advance.held_close {
            // It has said its last after the other side broke a rule; now that one is closed.
            self.plain_refused(key);
        }
        !advance.held_close
    }

    /// `offender` broke a rule: the other side is closed at once, and may say its last before the offender is closed.
    /// It may still have to answer what came before.
    fn plain_refuse(&mut self, key: usize, offender: Side, violation: Violation) {
        let mask = self.mask();
        let Some(session) = self.plain.get_mut(key) else {
            return;
        };
        session.ending = Ending::Refused(offender, violation);
        let (other, told, answers, token, mask) = match offender {
            Side::Client => (
                &mut session.link,
                &mut session.from_client,
                &mut session.from_server,
                Token::PlainLink(key),
                Some(mask),
            ),
            Side::Server => (
                &mut session.client,
                &mut session.from_server,
                &mut session.from_client,
                Token::PlainClient(key),
                None,
            ),
        };
        let payload = close_payload(violation.close_code(), &violation.to_string());
        let frame = control_frame(Opcode::Close, &payload, mask);
        let registry = self.poll.registry();
        let gone = other.read_ended()
            || answers.is_closed()
            || other
                .send(&frame, registry, token.into(), &mut self.pool)
                .is_err();
        told.close();
        answers.stop_at_close();
        if gone {
            return self.plain_refused(key);
        }
        let serial = session.about.serial;
        self.timers
            .set(self.now + FAREWELL, Timer::PlainLinger { key, serial });
    }

    /// Closes a session in which one side broke a rule.
    fn plain_refused(&mut self, key: usize) {
        if let Some(session) = self.plain.get(key)
            && let Ending::Refused(_, violation) = session.ending
        {
            self.plain_close(key, violation.close_code(), &violation.to_string());
        }
    }

    /// Frames that came in one read with the server's 101, then whatever is there by now.
    pub(super) fn plain_behind(&mut self, key: usize, behind: &[u8]) {
        if behind.is_empty() || self.plain_pass(key, Side::Server, behind) {
            self.relay(key, Side::Server);
            self.relay(key, Side::Client);
        }
    }

    /// A socket of the session can take more.
    pub(super) fn plain_writable(&mut self, key: usize, side: Side) {
        let Some(session) = self.plain.get_mut(key) else {
            return;
        };
        let (socket, token) = match side {
            Side::Client => (&mut session.client, Token::PlainClient(key)),
            Side::Server => (&mut session.link, Token::PlainLink(key)),
        };
        match socket.flush(self.poll.registry(), token.into(), &mut self.pool) {
            Ok(true) => {
                // The other side was not read while this one was full.
                self.relay(
                    key,
                    if side == Side::Client {
                        Side::Server
                    } else {
                        Side::Client
                    },
                );
                self.plain_settle(key);
            }
            Ok(false) => {}
            Err(_) => self.plain_ended(key, side),
        }
    }

    /// One side has said its last, or is gone.
    fn plain_ended(&mut self, key: usize, side: Side) {
        let Some(session) = self.plain.get_mut(key) else {
            return;
        };
        if matches!(session.ending, Ending::Refused(offender, _) if offender != side) {
            return self.plain_refused(key);
        }
        match side {
            Side::Client => {
                session.link.end();
                if session.client.is_broken() {
                    // Nobody is left to read the server's last words.
                    return self.plain_remove(key);
                }
            }
            Side::Server => {
                // A server that answers a client's close by its end is not lost.
                let lost = !session.from_server.is_closed() && !session.from_client.is_closed();
                if lost && session.from_server.between_frames() {
                    let frame = control_frame(
                        Opcode::Close,
                        &close_payload(CloseCode::RESTART, "the game server is gone"),
                        None,
                    );
                    let token = Token::PlainClient(key).into();
                    // A client that is gone as well needs no word.
                    let _ =
                        session
                            .client
                            .send(&frame, self.poll.registry(), token, &mut self.pool);
                }
                if lost {
                    self.shared.metrics.links_lost.inc();
                }
                session.client.end();
            }
        }
        self.plain_settle(key);
    }

    /// Removes the session once both sides have ended, and bounds the time between the two ends.
    fn plain_settle(&mut self, key: usize) {
        let Some(session) = self.plain.get_mut(key) else {
            return;
        };
        let over = |socket: &Socket| socket.read_ended() && socket.write_ended();
        if over(&session.client) && over(&session.link) || session.client.is_broken() {
            self.plain_remove(key);
        } else if session.ending == Ending::Not
            && (session.client.read_ended() || session.link.read_ended())
        {
            session.ending = Ending::Lingers;
            self.timers.set(
                self.now + LINGER,
                Timer::PlainLinger {
                    key,
                    serial: session.about.serial,
                },
            );
        }
    }

    /// Closes both sides for a reason of ours; frames under way are not cut by our close frame.
    pub(super) fn plain_close(&mut self, key: usize, code: CloseCode, reason: &str) {
        let mask = self.mask();
        let Some(session) = self.plain.get_mut(key) else {
            return;
        };
        let payload = close_payload(code, reason);
        let registry = self.poll.registry();
        if session.from_server.between_frames() && !session.from_server.is_closed() {
            let frame = control_frame(Opcode::Close, &payload, None);
            let _ = session.client.send(
                &frame,
                registry,
                Token::PlainClient(key).into(),
                &mut self.pool,
            );
        }
        if session.from_client.between_frames() && !session.from_client.is_closed() {
            let frame = control_frame(Opcode::Close, &payload, Some(mask));
            let _ = session.link.send(
                &frame,
                registry,
                Token::PlainLink(key).into(),
                &mut self.pool,
            );
        }
        session.client.end();
        session.link.end();
        self.shared.metrics.closed(code.0, reason);
        self.plain_drop_input(key);
    }

    /// After a close of ours: what the two sides still say is read and thrown away, so that the kernel does not answer
    /// unread bytes with a reset that would overtake our close frame.
    fn plain_drop_input(&mut self, key: usize) {
        let Some(session) = self.plain.try_remove(key) else {
            return;
        };
        self.plain_forget(&session);
        let Plain { client, link, .. } = session;
        self.closing_insert(client);
        self.closing_insert(link);
    }

    /// The time between the two ends is over.
    pub(super) fn plain_linger_over(&mut self, key: usize, serial: u32) {
        let session = self.plain.get(key);
        match session.filter(|session| session.about.serial == serial) {
            Some(session) if matches!(session.ending, Ending::Refused(..)) => {
                self.plain_refused(key);
            }
            Some(_) => self.plain_remove(key),
            None => {}
        }
    }

    fn plain_remove(&mut self, key: usize) {
        if let Some(session) = self.plain.try_remove(key) {
            self.plain_forget(&session);
        }
    }

    /// Looks after all plain sessions: messages that never end, clients that never read.
    pub(super) fn plain_sweep(&mut self) {
        let message_timeout = *self.view.edge.limits.message_timeout;
        let mut over = Vec::new();
        for (key, session) in &mut self.plain {
            self.waiting
                .note(session.link.backlog_bytes(), session.client.backlog_bytes());
            let unfinished = session.from_client.unfinished_for(self.now);
            if unfinished > message_timeout && session.link.backlog_bytes() == 0 {
                over.push((key, CloseCode::POLICY, "a message took too long to end"));
            } else if let Some(slow) = slow_client(
                &mut session.client,
                &mut session.stalled,
                &session.about.world,
            ) {
                over.push((key, CloseCode::TRY_AGAIN, slow));
            }
        }
        for (key, code, reason) in over {
            self.plain_close(key, code, reason);
        }
    }

    fn plain_forget(&mut self, session: &Plain) {
        session.about.server.release();
        self.address_leave(&session.about);
        if let Some(player) = session.seen().and_then(|seen| seen.player.as_ref()) {
            self.player_left(&session.about, player);
        }
        self.session_ended();
    }
}

const _: () = assert!(HEADROOM == HEADER_BYTES_MAX);
