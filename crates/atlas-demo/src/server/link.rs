//! An edge's links: one for each session, and one control link.

use std::time::Duration;

use atlas_base::{Epoch, SessionId};
use atlas_wire::tag::Tag;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::control::{self, NodeOrder, Order, Times, Trouble, What};
use super::fence::{Frozen, Link, Terms};
use super::plain::{Effect, apply};
use super::{Over, Shared, Socket, close, data, fault, stopped};
use crate::messages::{ClientMessage, PlayerState};

/// After so many messages the answers are flushed, even if more input waits.
const BATCH_MAX: usize = 64;
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
            Some(Tag::Control) => match Order::read(rest) {
                Ok(order) => self.order(order).map(|reply| [reply, None]),
                Err(Trouble::Unsupported(kind)) => {
                    self.shared.counters.unsupported.add(1);
                    Ok([
                        Some(packed(&json!({"type": "unsupported", "unsupported": kind}))),
                        None,
                    ])
                }
                Err(Trouble::Malformed(why)) => Err(malformed(why)),
            },
            Some(Tag::StatePart) => Err(Over::Ours(
                1002,
                "tag 4: this game's states are never so large".to_owned(),
            )),
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
        let checkpoint = due.then(|| Frozen {
            state: act.state.clone(),
            received,
            sent,
        });
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
        let checkpoint = checkpoint.map(|held| {
            counters.checkpoints.add(1);
            packed(&control::checkpoint(session, self.under, &held))
        });
        [answer, checkpoint]
    }

    /// A control message of the edge; returns the answer, if it has one.
    fn order(&mut self, order: Order) -> Result<Option<Message>, Over> {
        let session = order.session;
        if *self.session.get_or_insert(session) != session {
            return Err(Over::Ours(
                1002,
                "session: a link is for one session only".to_owned(),
            ));
        }
        let (shared, link, epoch) = (self.shared, self.link, order.epoch);
        let counters = &shared.counters;
        let now = shared.now();
        let terms = |state: &Option<PlayerState>, times: Times| Terms {
            link,
            session,
            epoch,
            state: state.clone(),
            lease: times.lease,
            orphan_window: times.orphan_window,
        };
        let answer = match &order.what {
            What::Attach {
                player,
                state,
                terms: times,
            } => {
                let taken = shared.fences().attach(now, terms(state, *times));
                taken.map(|taken| {
                    if let Some(older) = taken.superseded {
                        shared.supersede(older);
                    }
                    tracing::debug!(%session, %epoch, player = player.as_deref().unwrap_or(""), "attached");
                    counters.attached.add(1);
                    Some(control::attached(session, epoch, taken.has_state))
                })
            }
            What::Adopt {
                transfer,
                state,
                terms: times,
            } => {
                let taken = shared.fences().adopt(now, terms(state, *times), *transfer);
                taken.map(|taken| {
                    if let Some(older) = taken.superseded {
                        shared.supersede(older);
                    }
                    counters.adopted.add(1);
                    Some(control::done("adopted", session, epoch, *transfer))
                })
            }
            What::Commit { transfer } => shared
                .fences()
                .commit(now, link, session, epoch, *transfer)
                .map(|()| {
                    counters.committed.add(1);
                    Some(control::done("committed", session, epoch, *transfer))
                }),
            What::Freeze { transfer } => shared
                .fences()
                .freeze(link, session, epoch, *transfer)
                .map(|held| {
                    counters.frozen.add(1);
                    Some(control::frozen(session, epoch, *transfer, &held))
                }),
            What::Abort { transfer } => {
                let undone = shared.fences().abort(link, session, epoch, *transfer);
                counters.aborted.add(u64::from(undone));
                Ok(None)
            }
            What::Detach => {
                let gone = shared.fences().detach(now, link, session, epoch);
                counters.detached.add(u64::from(gone));
                Ok(None)
            }
            What::Preload { transfer } => {
                counters.preloaded.add(1);
                Ok(Some(control::preloaded(session, epoch, *transfer)))
            }
            What::Ping { at } => Ok(Some(control::pong(session, epoch, at))),
            What::News => Ok(None),
        };
        if answer.is_ok() && matches!(order.what, What::Attach { .. } | What::Commit { .. }) {
            self.under = epoch;
        }
        let answer = answer.unwrap_or_else(|refused| {
            counters.refused.add(1);
            Some(control::refused(&order, refused))
        });
        Ok(answer.as_ref().map(packed))
    }
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
        let reply = tokio::select! {
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
                match NodeOrder::read(rest) {
                    Ok(NodeOrder::Ping { at }) => json!({"type": "pong", "at": at}),
                    // Nothing here needs time: players can be moved away at once.
                    Ok(NodeOrder::Drain) => json!({"type": "draining"}),
                    Err(Trouble::Unsupported(kind)) => {
                        shared.counters.unsupported.add(1);
                        json!({"type": "unsupported", "unsupported": kind})
                    }
                    Err(Trouble::Malformed(why)) => return malformed(why),
                }
            }
        };
        if socket.send(packed(&reply)).await.is_err() {
            return Over::Theirs;
        }
    }
}

/// The `load` message. A demo server does so little that its fill stands for its load.
fn load(shared: &Shared) -> Value {
    let census = shared.fences().census(shared.now());
    let sessions = census.authority + census.frozen + census.adopted;
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
    let fill = sessions as f64 / shared.config.sessions_max.max(1) as f64;
    json!({"type": "load", "sessions": sessions, "cpu": fill, "memory": fill, "tick_ms": 0.0})
}

fn malformed(mut why: String) -> Over {
    why.truncate(why.floor_char_boundary(REASON_BYTES_MAX));
    Over::Ours(1002, why)
}

/// A control message as it travels: its tag, then JSON.
fn packed(json: &Value) -> Message {
    let mut bytes = vec![Tag::Control.byte()];
    // Writing JSON into a Vec cannot fail.
    let _ = serde_json::to_writer(&mut bytes, json);
    Message::Binary(Bytes::from(bytes))
}
