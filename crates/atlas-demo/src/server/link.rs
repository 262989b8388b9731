//! An edge's link for one session.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use atlas_base::{Epoch, Position, SessionId, TransferId};
use atlas_wire::link::{
    Address, Adopted, Attached, Carried, Checkpoint, Committed, Destination, Error, FromServer,
    Frozen, Kick, Outcome, Pong, Preloaded, Refused, Report, StateJoiner, ToServer,
    TransferRequest, Unsupported,
};
use atlas_wire::tag::Tag;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::fence::{self, Link, Terms};
use super::plain::{Effect, apply};
use super::{Over, Shared, Socket, acts, close, data, fault, states, stopped};
use crate::messages::{self, ClientMessage, PlayerState};

/// After so many messages the answers are flushed, even if more input waits.
const BATCH_MAX: usize = 64;
/// What may come at most between a silence and the pong that ends it, in bytes.
const DOUBT_BYTES_MAX: usize = 4 << 20;
/// What a close frame's reason may have at most, in bytes.
const REASON_BYTES_MAX: usize = 120;

/// Serves one session's link to its end.
pub(super) async fn session(shared: &Shared, mut socket: Socket, mut stop: watch::Receiver<bool>) {
    let (link, superseded) = shared.enter();
    let mut talk = Talk {
        shared,
        link,
        session: None,
        under: Epoch(0),
        parts: StateJoiner::default(),
        answer: String::new(),
        replies: Vec::new(),
        asked: 0,
        doubt: None,
        doubts: 0,
    };
    let over = tokio::select! {
        // A newer epoch comes first: nothing more is read from a link that lost its session.
        biased;
        Ok(()) = superseded => Over::Ours(1000, "superseded by a newer epoch".to_owned()),
        () = stopped(&mut stop) => Over::Ours(1012, "the server stops".to_owned()),
        over = talk.run(&mut socket) => over,
    };
    shared.leave(link);
    if let Some(session) = talk.session {
        shared.fences().lost(shared.now(), link, session);
    }
    close(socket, over).await;
}

/// One session link's conversation.
struct Talk<'a> {
    shared: &'a Shared,
    link: Link,
    /// The session this link is for, since the first control message named it.
    session: Option<SessionId>,
    /// The epoch of the attach or commit that this link was last told.
    under: Epoch,
    /// Parts of a state on its way here.
    parts: StateJoiner,
    answer: String,
    /// What goes out for the message at hand, in order.
    replies: Vec<Message>,
    /// Requests for transfers so far; names them.
    asked: u64,
    /// Nothing was heard for the lease, and the edge was asked whether it is still there.
    doubt: Option<Doubt>,
    /// Pings sent for that reason so far; the payload of the next one.
    doubts: u64,
}

/// What came after a silence of a lease or more, until a pong shows that the edge means it.
#[derive(Default)]
struct Doubt {
    kept: VecDeque<Bytes>,
    bytes: usize,
}

impl Talk<'_> {
    async fn run(&mut self, socket: &mut Socket) -> Over {
        let mut batch = 0;
        loop {
            // As long as input is there already, answers gather; they leave in one write.
            let next = if batch > 0 && batch < BATCH_MAX {
                socket.next().now_or_never()
            } else {
                None
            };
            let next = match next {
                Some(next) => next,
                None => {
                    batch = 0;
                    if socket.flush().await.is_err() {
                        return Over::Theirs;
                    }
                    socket.next().await
                }
            };
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => return fault(&error),
                None => return Over::Theirs,
            };
            batch += 1;
            let over = match message {
                Message::Pong(payload) if self.doubt.is_some() => self.answered(&payload),
                message if self.is_silent() => self.keep(message),
                message => {
                    self.heard();
                    self.take_in(message)
                }
            };
            if let Err(over) = over {
                return over;
            }
            for reply in self.replies.drain(..) {
                if socket.feed(reply).await.is_err() {
                    return Over::Theirs;
                }
            }
        }
    }

    /// Anything at all that comes renews the lease, unless it may be as old as a silence.
    fn heard(&self) {
        if let Some(session) = self.session {
            self.shared
                .fences()
                .heard(self.shared.now(), self.link, session);
        }
    }

    fn is_silent(&self) -> bool {
        let silent = |session| {
            let now = self.shared.now();
            self.shared.fences().is_silent(now, self.link, session)
        };
        self.doubt.is_some() || self.session.is_some_and(silent)
    }

    /// Keeps what came after a silence, and asks the edge whether it is still there.
    fn keep(&mut self, message: Message) -> Result<(), Over> {
        if self.doubt.is_none() {
            self.shared.counters.leases_lapsed.add(1);
            self.doubts += 1;
            let payload = Bytes::copy_from_slice(&self.doubts.to_be_bytes());
            self.replies.push(Message::Ping(payload));
        }
        let doubt = self.doubt.get_or_insert_default();
        match data(message) {
            None => Ok(()),
            Some((true, _)) => Err(text_message()),
            Some((false, bytes)) => {
                doubt.bytes += bytes.len();
                doubt.kept.push_back(bytes);
                if doubt.bytes > DOUBT_BYTES_MAX {
                    return Err(Over::Ours(1009, "too much after a silence".to_owned()));
                }
                Ok(())
            }
        }
    }

    /// A pong: if it answers the newest doubt, the edge has been heard, and what was kept goes on.
    fn answered(&mut self, payload: &[u8]) -> Result<(), Over> {
        if payload != self.doubts.to_be_bytes() {
            return Ok(());
        }
        let Some(doubt) = self.doubt.take() else {
            return Ok(());
        };
        self.heard();
        for bytes in doubt.kept {
            // Another silence may have begun meanwhile.
            if self.doubt.is_some() {
                self.keep(Message::Binary(bytes))?;
            } else {
                self.message(&bytes)?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self, message: Message) -> Result<(), Over> {
        match data(message) {
            None => Ok(()),
            Some((true, _)) => Err(text_message()),
            Some((false, bytes)) => self.message(&bytes),
        }
    }

    /// Takes one message; what goes out for it is in `replies` then.
    fn message(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let Some((&tag, rest)) = bytes.split_first() else {
            return Err(Over::Ours(1002, "a link message needs a tag".to_owned()));
        };
        match Tag::from_byte(tag) {
            Some(Tag::Text | Tag::Binary) => {
                self.data(rest, bytes);
                Ok(())
            }
            Some(Tag::Control) => match ToServer::decode(rest) {
                Ok(order) => self.order(order),
                Err(Error::Unknown { r#type }) => {
                    self.shared.counters.unsupported.add(1);
                    self.say(Unsupported::new(&r#type));
                    Ok(())
                }
                Err(error) => Err(broken(&error)),
            },
            Some(Tag::StatePart) => self.parts.part(rest).map_err(|error| broken(&error)),
            None => Err(Over::Ours(1002, format!("tag {tag}: unknown"))),
        }
    }

    /// Adds a control message to the replies.
    fn say(&mut self, message: impl Into<FromServer>) {
        let message = message.into();
        self.replies.push(packed(|bytes| message.encode(bytes)));
    }

    /// A message of the game. Only an authority acts on it; else it has no effect and no answer.
    fn data(&mut self, bytes: &[u8], whole: &[u8]) {
        let shared = self.shared;
        let counters = &shared.counters;
        let Some(session) = self.session else {
            counters.not_acting.add(1);
            return;
        };
        let message = serde_json::from_slice::<ClientMessage<'_>>(bytes).ok();
        let sends = u64::from(message.as_ref().is_some_and(|message| message.n.is_some()));
        let mut fences = shared.fences();
        let now = shared.now();
        let Some(act) = fences.act(now, self.link, session, self.under, sends) else {
            let silent = fences.is_silent(now, self.link, session);
            drop(fences);
            // Stopped just now, between hearing and acting: it may still be meant.
            if !silent
                || self
                    .keep(Message::Binary(Bytes::copy_from_slice(whole)))
                    .is_err()
            {
                counters.not_acting.add(1);
            }
            return;
        };
        counters.acted_stale.add(u64::from(act.stale));
        let want = message.as_ref().and_then(|message| message.want);
        let effect = match &message {
            Some(message) => apply(shared, act.state, message, false, &mut self.answer),
            None => {
                counters.unread.add(1);
                Effect::Quiet
            }
        };
        let (received, sent) = act.counts;
        // A remainder of 0 is never the one of a division by 0, which is none.
        let due = received.checked_rem(shared.config.checkpoint_every) == Some(0);
        let at = Position::new(act.state.x, act.state.y, act.state.z);
        let checkpoint = due.then(|| act.state.clone());
        if fences.records_acts() {
            fences.note_act(session, acts::now_us());
        }
        drop(fences);
        if let Effect::Answer = effect {
            messages::pad(&mut self.answer, want);
            let mut tagged = Vec::with_capacity(1 + self.answer.len());
            tagged.push(Tag::Text.byte());
            tagged.extend_from_slice(self.answer.as_bytes());
            self.replies.push(Message::Binary(Bytes::from(tagged)));
        }
        if let Some(state) = checkpoint {
            self.checkpoint(session, &state, received, sent);
        }
        if let Some(message) = message.filter(ClientMessage::is_ask) {
            self.ask(session, &message, at);
        }
    }

    fn checkpoint(&mut self, session: SessionId, state: &PlayerState, received: u64, sent: u64) {
        self.shared.counters.checkpoints.add(1);
        let epoch = self.under;
        // Names the state among those of this link: no two checkpoints of an epoch have the same counts.
        let id = session.as_u128() ^ (u128::from(epoch.0) << 64) ^ u128::from(received);
        let carried = self.shared.states.carry(state, id, &mut self.replies);
        self.say(Checkpoint {
            session,
            epoch,
            carried,
            received,
            sent,
        });
    }

    /// Says to the edge what a player asks for.
    fn ask(&mut self, session: SessionId, asked: &ClientMessage<'_>, at: Position) {
        let counters = &self.shared.counters;
        let epoch = self.under;
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let reason = text(&asked.reason);
        match asked.what.as_deref() {
            Some("transfer") => {
                let to = match (text(&asked.server), text(&asked.region), asked.position()) {
                    (Some(server), ..) => Destination::Server(server),
                    (_, Some(region), _) => Destination::Region(region),
                    (.., Some(position)) => Destination::Position(position),
                    _ => return,
                };
                counters.requested.add(1);
                self.asked += 1;
                self.say(TransferRequest {
                    session,
                    epoch,
                    id: format!("r-{}", self.asked),
                    to,
                    reason: reason.unwrap_or_else(|| "the player asked".to_owned()),
                });
            }
            Some("position") => {
                counters.positions_told.add(1);
                self.say(Report {
                    session,
                    epoch,
                    position: asked.position().unwrap_or(at),
                    velocity: None,
                });
            }
            Some("kick") => {
                counters.kicked.add(1);
                self.say(Kick {
                    session,
                    epoch,
                    code: asked.code.unwrap_or(4000),
                    reason: reason.unwrap_or_else(|| "the player asked".to_owned()),
                });
            }
            Some("send") => {
                let to = match (text(&asked.server), text(&asked.region), asked.session) {
                    (Some(server), ..) => Address::Server(server),
                    (_, Some(region), _) => Address::Region(region),
                    (.., Some(session)) => Address::Session(session),
                    _ => return,
                };
                let body = text(&asked.body).unwrap_or_default();
                self.shared.controls.send(to, body, counters);
            }
            _ => {}
        }
    }

    /// A control message of the edge.
    fn order(&mut self, order: ToServer) -> Result<(), Over> {
        let answer = match order {
            ToServer::Attach(order) => {
                self.is_for(order.session)?;
                let refuse = Refusing {
                    session: order.session,
                    epoch: order.epoch,
                    transfer: None,
                };
                let times = (order.lease_ms, order.orphan_window_ms);
                Some(self.take(refuse, times, order.carried)?)
            }
            ToServer::Adopt(order) => {
                self.is_for(order.session)?;
                let refuse = Refusing {
                    session: order.session,
                    epoch: order.epoch,
                    transfer: Some(order.transfer),
                };
                let times = (order.lease_ms, order.orphan_window_ms);
                Some(self.take(refuse, times, order.carried)?)
            }
            ToServer::Commit(order) => {
                self.is_for(order.session)?;
                Some(self.commit(order.session, order.epoch, order.transfer))
            }
            ToServer::Freeze(order) => {
                self.is_for(order.session)?;
                Some(self.freeze(order.session, order.epoch, order.transfer))
            }
            ToServer::Abort(order) => {
                self.is_for(order.session)?;
                let undone = self.shared.fences().abort(
                    self.link,
                    order.session,
                    order.epoch,
                    order.transfer,
                );
                self.shared.counters.aborted.add(u64::from(undone));
                None
            }
            ToServer::Detach(order) => {
                self.is_for(order.session)?;
                let now = self.shared.now();
                let gone = self
                    .shared
                    .fences()
                    .detach(now, self.link, order.session, order.epoch);
                self.shared.counters.detached.add(u64::from(gone));
                None
            }
            ToServer::Preload(order) => {
                self.is_for(order.session)?;
                self.shared.counters.preloaded.add(1);
                let (session, epoch, transfer) = (order.session, order.epoch, order.transfer);
                Some(
                    Preloaded {
                        session,
                        epoch,
                        transfer,
                    }
                    .into(),
                )
            }
            ToServer::Ping(order) => {
                self.is_for(order.session)?;
                Some(
                    Pong {
                        session: order.session,
                        epoch: order.epoch,
                        at: order.at,
                    }
                    .into(),
                )
            }
            ToServer::TransferResult(result) => {
                self.is_for(result.session)?;
                let counters = &self.shared.counters;
                match result.outcome {
                    Outcome::Done => counters.requests_done.add(1),
                    Outcome::Refused | Outcome::Superseded | Outcome::Failed => {
                        counters.requests_failed.add(1);
                    }
                }
                None
            }
            // News that this game does nothing with.
            ToServer::Leaving(_)
            | ToServer::Suspended(_)
            | ToServer::Resumed(_)
            | ToServer::Unsupported(_) => None,
        };
        let attached = match &answer {
            Some(FromServer::Attached(attached)) => Some(attached.clone()),
            _ => None,
        };
        if let Some(answer) = answer {
            self.say(answer);
        }
        // From the first one on the edge keeps what a failover needs.
        if let Some(Attached {
            session,
            has_state: false,
            ..
        }) = attached
            && self.shared.config.checkpoint_every > 0
        {
            self.checkpoint(session, &PlayerState::default(), 0, 0);
        }
        Ok(())
    }

    /// A link is for the one session that its first control message names.
    fn is_for(&mut self, session: SessionId) -> Result<(), Over> {
        if *self.session.get_or_insert(session) == session {
            return Ok(());
        }
        Err(Over::Ours(
            1002,
            "session: a link is for one session only".to_owned(),
        ))
    }

    /// An attach (no transfer) or an adopt.
    fn take(
        &mut self,
        refuse: Refusing,
        times: (u64, u64),
        carried: Carried,
    ) -> Result<FromServer, Over> {
        let shared = self.shared;
        let Refusing {
            session,
            epoch,
            transfer,
        } = refuse;
        let state = match self.parts.take(carried) {
            Ok(state) => state,
            Err(error) => return Err(broken(&error)),
        };
        let state = match state.as_deref().map(states::read).transpose() {
            Ok(state) => state,
            // Another server of this world wrote what this one cannot read: no fault of the edge's.
            Err(error) => {
                tracing::warn!(%session, %error, "a player's state cannot be read");
                shared.counters.states_damaged.add(1);
                shared.counters.refused.add(1);
                return Ok(refuse.because("the state cannot be read", None));
            }
        };
        let terms = Terms {
            link: self.link,
            session,
            epoch,
            state,
            lease: Duration::from_millis(times.0),
            orphan_window: Duration::from_millis(times.1),
        };
        let taken = match transfer {
            None => shared.fences().attach(shared.now(), terms),
            Some(transfer) => shared.fences().adopt(shared.now(), terms, transfer),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(fence::Refused { reason, newest }) => {
                shared.counters.refused.add(1);
                return Ok(refuse.because(reason, newest));
            }
        };
        if let Some(older) = taken.superseded {
            shared.supersede(older);
        }
        Ok(match transfer {
            None => {
                self.under = epoch;
                shared.counters.attached.add(1);
                Attached {
                    session,
                    epoch,
                    has_state: taken.has_state,
                }
                .into()
            }
            Some(transfer) => {
                shared.counters.adopted.add(1);
                Adopted {
                    session,
                    epoch,
                    transfer,
                }
                .into()
            }
        })
    }

    fn commit(&mut self, session: SessionId, epoch: Epoch, transfer: TransferId) -> FromServer {
        let shared = self.shared;
        match shared
            .fences()
            .commit(shared.now(), self.link, session, epoch, transfer)
        {
            Ok(()) => {
                self.under = epoch;
                shared.counters.committed.add(1);
                Committed {
                    session,
                    epoch,
                    transfer,
                }
                .into()
            }
            Err(fence::Refused { reason, newest }) => {
                shared.counters.refused.add(1);
                Refusing {
                    session,
                    epoch,
                    transfer: Some(transfer),
                }
                .because(reason, newest)
            }
        }
    }

    fn freeze(&mut self, session: SessionId, epoch: Epoch, transfer: TransferId) -> FromServer {
        let shared = self.shared;
        let frozen = shared.fences().freeze(self.link, session, epoch, transfer);
        match frozen {
            Ok(fence::Frozen {
                state,
                received,
                sent,
            }) => {
                shared.counters.frozen.add(1);
                let id = transfer.as_u128();
                let carried = shared.states.carry(&state, id, &mut self.replies);
                Frozen {
                    session,
                    epoch,
                    transfer,
                    carried,
                    received,
                    sent,
                }
                .into()
            }
            Err(fence::Refused { reason, newest }) => {
                shared.counters.refused.add(1);
                Refusing {
                    session,
                    epoch,
                    transfer: Some(transfer),
                }
                .because(reason, newest)
            }
        }
    }
}

/// What a refusal names.
#[derive(Clone, Copy)]
struct Refusing {
    session: SessionId,
    epoch: Epoch,
    transfer: Option<TransferId>,
}

impl Refusing {
    fn because(self, reason: &str, newest: Option<Epoch>) -> FromServer {
        let Self {
            session,
            epoch,
            transfer,
        } = self;
        Refused {
            session,
            epoch,
            transfer,
            reason: reason.to_owned(),
            newest,
        }
        .into()
    }
}

fn text_message() -> Over {
    Over::Ours(1002, "link messages are binary".to_owned())
}

/// The close for a control message or a state that breaks the protocol; its reason names the field.
pub(super) fn broken(error: &Error) -> Over {
    let mut why = error.to_string();
    why.truncate(why.floor_char_boundary(REASON_BYTES_MAX));
    Over::Ours(error.close_code().map_or(1002, |code| code.0), why)
}

/// A control message as it travels, written by `encode`.
pub(super) fn packed(encode: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut bytes = Vec::with_capacity(256);
    encode(&mut bytes);
    Message::Binary(Bytes::from(bytes))
}
