//! An edge's links: one for each session, and one control link.

use std::time::Duration;

use atlas_base::{Epoch, SessionId, TransferId};
use atlas_wire::link::{
    Adopted, Attached, Carried, Checkpoint, Committed, ControlFromServer, ControlPong,
    ControlToServer, Draining, Error, FromServer, Frozen, Load, Pong, Preloaded, Refused, State,
    StateJoiner, ToServer, Unsupported,
};
use atlas_wire::tag::Tag;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::fence::{self, Link, Terms};
use super::plain::{Effect, apply};
use super::{Over, Shared, Socket, close, data, fault, stopped};
use crate::messages::{ClientMessage, PlayerState};

/// After so many messages the answers are flushed, even if more input waits.
const BATCH_MAX: usize = 64;
/// The longest state that is taken in parts; those of this game have some 100 bytes.
const STATE_BYTES_MAX: usize = 1 << 20;
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
        parts: StateJoiner::new(STATE_BYTES_MAX),
        answer: String::new(),
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
            self.heard();
            let bytes = match data(message) {
                None => continue,
                Some((true, _)) => return Over::Ours(1002, "link messages are binary".to_owned()),
                Some((false, bytes)) => bytes,
            };
            let replies = match self.message(&bytes) {
                Ok(replies) => replies,
                Err(over) => return over,
            };
            for reply in replies.into_iter().flatten() {
                if socket.feed(reply).await.is_err() {
                    return Over::Theirs;
                }
            }
        }
    }

    /// Anything at all that comes renews the lease.
    fn heard(&self) {
        if let Some(session) = self.session {
            let lapsed = self
                .shared
                .fences()
                .heard(self.shared.now(), self.link, session);
            self.shared.counters.leases_lapsed.add(u64::from(lapsed));
        }
    }

    /// Takes one message and returns what goes out for it, in order.
    fn message(&mut self, bytes: &[u8]) -> Result<[Option<Message>; 2], Over> {
        let Some((&tag, rest)) = bytes.split_first() else {
            return Err(Over::Ours(1002, "a link message needs a tag".to_owned()));
        };
        match Tag::from_byte(tag) {
            Some(Tag::Text | Tag::Binary) => Ok(self.data(rest)),
            Some(Tag::Control) => match ToServer::decode(rest) {
                Ok(order) => self.order(order).map(|reply| [reply, None]),
                Err(Error::Unknown { r#type }) => {
                    self.shared.counters.unsupported.add(1);
                    let answer = FromServer::from(Unsupported::new(&r#type));
                    Ok([Some(packed(|bytes| answer.encode(bytes))), None])
                }
                Err(error) => Err(broken(&error)),
            },
            Some(Tag::StatePart) => match self.parts.part(rest) {
                Ok(()) => Ok([None, None]),
                Err(error) => Err(broken(&error)),
            },
            None => Err(Over::Ours(1002, format!("tag {tag}: unknown"))),
        }
    }

    /// A message of the game. Only an authority acts on it; else it has no effect and no answer.
    fn data(&mut self, bytes: &[u8]) -> [Option<Message>; 2] {
        let shared = self.shared;
        let counters = &shared.counters;
        let Some(session) = self.session else {
            counters.not_acting.add(1);
            return [None, None];
        };
        let message = serde_json::from_slice::<ClientMessage<'_>>(bytes).ok();
        let sends = u64::from(message.as_ref().is_some_and(|message| message.n.is_some()));
        let mut fences = shared.fences();
        let Some(act) = fences.act(shared.now(), self.link, session, self.under, sends) else {
            counters.not_acting.add(1);
            return [None, None];
        };
        counters.acted_stale.add(u64::from(act.stale));
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
        let checkpoint = due.then(|| act.state.clone());
        drop(fences);
        let answer = match effect {
            Effect::Quiet => None,
            Effect::Answer => {
                let mut tagged = Vec::with_capacity(1 + self.answer.len());
                tagged.push(Tag::Text.byte());
                tagged.extend_from_slice(self.answer.as_bytes());
                Some(Message::Binary(Bytes::from(tagged)))
            }
        };
        let checkpoint = checkpoint.map(|state| {
            counters.checkpoints.add(1);
            let epoch = self.under;
            let message = FromServer::from(Checkpoint {
                session,
                epoch,
                carried: carried(&state),
                received,
                sent,
            });
            packed(|bytes| message.encode(bytes))
        });
        [answer, checkpoint]
    }

    /// A control message of the edge; returns the answer, if it has one.
    fn order(&mut self, order: ToServer) -> Result<Option<Message>, Over> {
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
            // News that this game does nothing with.
            ToServer::Leaving(_)
            | ToServer::Suspended(_)
            | ToServer::Resumed(_)
            | ToServer::TransferResult(_)
            | ToServer::Unsupported(_) => None,
        };
        Ok(answer.map(|answer| packed(|bytes| answer.encode(bytes))))
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
        let state = match state.as_deref().map(read_state).transpose() {
            Ok(state) => state,
            // Another server of this world wrote what this one cannot read: no fault of the edge's.
            Err(error) => {
                tracing::warn!(%session, %error, "a player's state cannot be read");
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
        match shared.fences().freeze(self.link, session, epoch, transfer) {
            Ok(fence::Frozen {
                state,
                received,
                sent,
            }) => {
                shared.counters.frozen.add(1);
                Frozen {
                    session,
                    epoch,
                    transfer,
                    carried: carried(&state),
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

/// Edges carry states without looking into them; here they are JSON.
fn read_state(bytes: &[u8]) -> serde_json::Result<PlayerState> {
    serde_json::from_slice(bytes)
}

fn carried(state: &PlayerState) -> Carried {
    let bytes = serde_json::to_vec(state).expect("a struct of numbers and one text is always JSON");
    // Player ids are bounded, so it is far shorter than what must travel in parts.
    Carried::Inline(State::from(bytes))
}

/// Serves an edge's control link to its end.
pub(super) async fn control(shared: &Shared, mut socket: Socket, mut stop: watch::Receiver<bool>) {
    let over = tokio::select! {
        biased;
        () = stopped(&mut stop) => Over::Ours(1012, "the server stops".to_owned()),
        over = converse(shared, &mut socket) => over,
    };
    close(socket, over).await;
}

async fn converse(shared: &Shared, socket: &mut Socket) -> Over {
    let mut loads = interval(shared.config.load_interval.max(Duration::from_millis(10)));
    loads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let reply: ControlFromServer = tokio::select! {
            _ = loads.tick() => load(shared),
            message = socket.next() => {
                let message = match message {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => return fault(&error),
                    None => return Over::Theirs,
                };
                let bytes = match data(message) {
                    None => continue,
                    Some((true, _)) => return Over::Ours(1002, "link messages are binary".to_owned()),
                    Some((false, bytes)) => bytes,
                };
                let Some((&tag, rest)) = bytes.split_first() else {
                    return Over::Ours(1002, "a link message needs a tag".to_owned());
                };
                if Tag::from_byte(tag) != Some(Tag::Control) {
                    return Over::Ours(1002, format!("tag {tag}: not on a control link"));
                }
                match ControlToServer::decode(rest) {
                    Ok(ControlToServer::ControlPing(ping)) => ControlPong { at: ping.at }.into(),
                    // Nothing here needs time: players can be moved away at once.
                    Ok(ControlToServer::Drain(_)) => Draining {}.into(),
                    // This game's servers say nothing to each other.
                    Ok(
                        ControlToServer::Received(_)
                        | ControlToServer::Undeliverable(_)
                        | ControlToServer::Unsupported(_),
                    ) => continue,
                    Err(Error::Unknown { r#type }) => {
                        shared.counters.unsupported.add(1);
                        Unsupported::new(&r#type).into()
                    }
                    Err(error) => return broken(&error),
                }
            }
        };
        if socket
            .send(packed(|bytes| reply.encode(bytes)))
            .await
            .is_err()
        {
            return Over::Theirs;
        }
    }
}

/// The `load` message. A demo server does so little that its fill stands for its load.
fn load(shared: &Shared) -> ControlFromServer {
    let census = shared.fences().census(shared.now());
    let sessions = census.authority + census.frozen + census.adopted;
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
    let fill = sessions as f64 / shared.config.sessions_max.max(1) as f64;
    Load {
        sessions,
        cpu: Some(fill),
        memory: Some(fill),
        tick_ms: Some(0.0),
    }
    .into()
}

/// The close for a control message or a state that breaks the protocol; its reason names the field.
fn broken(error: &Error) -> Over {
    let mut why = error.to_string();
    why.truncate(why.floor_char_boundary(REASON_BYTES_MAX));
    Over::Ours(error.close_code().map_or(1002, |code| code.0), why)
}

/// A control message as it travels, written by `encode`.
fn packed(encode: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut bytes = Vec::with_capacity(256);
    encode(&mut bytes);
    Message::Binary(Bytes::from(bytes))
}
