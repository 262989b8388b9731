//! Between the machine's words and the wire's: orders out, answers in.

use atlas_base::{Epoch, Moment};
use atlas_wire::link::{
    self, Abort, Adopt, Attach, Carried, Client, ClientPresence, Commit, Detach, Freeze,
    FromServer, Leaving, Ping, Preload, StateId, StateJoiner, ToServer, TransferResult,
    Unsupported,
};
use atlas_world::{
    Answer, AttachReason, Destination, DetachReason, Order, Reason, RequestOutcome, State,
};

use super::movable::Movable;
use crate::servers::World;

/// The wire's messages for one order, each with its tag: parts of a large state first, then the message itself.
pub(super) fn order(about: &Movable, now: Moment, epoch: Epoch, order: Order) -> Vec<Vec<u8>> {
    let session = about.about.id;
    let settings = &about.about.world.settings;
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (lease_ms, orphan_window_ms) = (millis(settings.lease), millis(settings.orphan_window));
    let player = about.player.as_deref().map(str::to_owned);
    let mut messages = Vec::new();
    let mut carry = |state: State, id: u128| {
        Carried::new(state, StateId(id), |part| messages.push(part.to_vec()))
    };
    let message = match order {
        Order::Attach {
            reason,
            state,
            position,
        } => ToServer::Attach(Attach {
            session,
            epoch,
            reason: match reason {
                AttachReason::New => link::AttachReason::New,
                AttachReason::Failover => link::AttachReason::Failover,
            },
            player,
            client: Client {
                address: about.about.address.ip(),
            },
            position,
            carried: match state {
                Some(state) => carry(state, session.as_u128() ^ u128::from(epoch.0)),
                None => Carried::Nothing,
            },
            lease_ms,
            orphan_window_ms,
        }),
        Order::Detach { reason, code } => ToServer::Detach(Detach {
            session,
            epoch,
            reason: match reason {
                DetachReason::Closed => link::DetachReason::Closed,
                DetachReason::Timeout => link::DetachReason::Timeout,
                DetachReason::Kicked => link::DetachReason::Kicked,
                DetachReason::Transferred => link::DetachReason::Transferred,
                DetachReason::Drained => link::DetachReason::Drained,
            },
            code,
        }),
        Order::Preload {
            transfer,
            position,
            velocity,
            arrives_in,
        } => ToServer::Preload(Preload {
            session,
            epoch,
            transfer,
            player,
            position,
            velocity,
            arrives_in_ms: millis(arrives_in),
        }),
        Order::Freeze { transfer } => ToServer::Freeze(Freeze {
            session,
            epoch,
            transfer,
        }),
        Order::Adopt {
            transfer,
            state,
            position,
        } => ToServer::Adopt(Adopt {
            session,
            epoch,
            transfer,
            player,
            carried: carry(state, transfer.as_u128()),
            position,
            lease_ms,
            orphan_window_ms,
        }),
        Order::Commit {
            transfer,
            client_present,
        } => ToServer::Commit(Commit {
            session,
            epoch,
            transfer,
            client: if client_present {
                ClientPresence::Present
            } else {
                ClientPresence::Away
            },
        }),
        Order::Abort { transfer } => ToServer::Abort(Abort {
            session,
            epoch,
            transfer,
        }),
        Order::Leaving {
            reason,
            expected_in,
        } => ToServer::Leaving(Leaving {
            session,
            epoch,
            reason: match reason {
                Reason::Region => link::MoveReason::Region,
                Reason::Balance => link::MoveReason::Balance,
                Reason::Drain => link::MoveReason::Drain,
                Reason::Failover => link::MoveReason::Failover,
                Reason::Admin => link::MoveReason::Admin,
                Reason::Requested => link::MoveReason::Requested,
            },
            expected_in_ms: millis(expected_in),
        }),
        Order::TransferResult { id, outcome, why } => ToServer::TransferResult(TransferResult {
            session,
            epoch,
            id: id.into_string(),
            outcome: match outcome {
                RequestOutcome::Done => link::Outcome::Done,
                RequestOutcome::Refused => link::Outcome::Refused,
                RequestOutcome::Superseded => link::Outcome::Superseded,
                RequestOutcome::Failed => link::Outcome::Failed,
            },
            reason: (!why.is_empty()).then(|| why.to_owned()),
        }),
        Order::Ping => ToServer::Ping(Ping {
            session,
            epoch,
            at: now.as_millis(),
        }),
    };
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    messages.push(encoded);
    messages
}

/// The answer to a control message whose type is not known.
pub(super) fn unsupported(r#type: &str, target: &mut Vec<u8>) {
    ToServer::Unsupported(Unsupported::new(r#type)).encode(target);
}

/// What a server's message means to the machine: its epoch and its answer. None if it means nothing to it.
pub(super) fn answer(
    message: FromServer,
    world: &World,
    parts: &mut StateJoiner,
) -> Result<Option<(Epoch, Answer)>, link::Error> {
    let Some(epoch) = message.epoch() else {
        return Ok(None);
    };
    let mut join = |carried: Carried| parts.take(carried).map(Option::unwrap_or_default);
    let answer = match message {
        FromServer::Attached(attached) => Answer::Attached {
            has_state: attached.has_state,
        },
        FromServer::Refused(refused) => Answer::Refused {
            reason: refused.reason,
            newest: refused.newest,
        },
        FromServer::Preloaded(_) => Answer::Preloaded,
        FromServer::Frozen(frozen) => Answer::Frozen {
            transfer: frozen.transfer,
            state: join(frozen.carried)?,
            received: frozen.received,
            sent: frozen.sent,
        },
        FromServer::Adopted(adopted) => Answer::Adopted {
            transfer: adopted.transfer,
        },
        FromServer::Committed(committed) => Answer::Committed {
            transfer: committed.transfer,
        },
        FromServer::Checkpoint(checkpoint) => Answer::Checkpoint {
            state: join(checkpoint.carried)?,
            received: checkpoint.received,
            sent: checkpoint.sent,
        },
        FromServer::TransferRequest(request) => Answer::TransferRequest {
            to: match &request.to {
                link::Destination::Server(name) | link::Destination::Region(name) => world
                    .server_named(name)
                    .map_or(Destination::Unknown, |server| {
                        Destination::Server(server.id)
                    }),
                link::Destination::Position(at) => Destination::Position(*at),
            },
            id: request.id.into(),
            reason: request.reason,
        },
        FromServer::Kick(kick) => Answer::Kick {
            code: kick.code,
            reason: kick.reason,
        },
        FromServer::Report(report) => Answer::Position {
            at: report.position,
            velocity: report.velocity,
        },
        // A pong has done its work by coming: the server has heard the ping.
        FromServer::Pong(_) | FromServer::Unsupported(_) => return Ok(None),
    };
    Ok(Some((epoch, answer)))
}
