//! Doing what machines say, and telling the rest of the process what happened.

use std::sync::Arc;

use atlas_base::SessionId;
use atlas_wire::frame::CloseCode;
use atlas_world::{Command, Event, Order, Reason, TransferOutcome};
use tokio::sync::oneshot;

use super::dial::{DialFor, DialOwner};
use super::machine::Machine;
use super::plain::About;
use super::timers::Timer;
use super::{Again, Worker, orders};
use crate::api::{LinkName, PositionView, SessionView, TransferView};
use crate::mail::{SessionsFound, SessionsQuery};
use crate::stream::{Moved, Players};

/// Players shown in one frame of the world's stream, from each worker.
const PLAYERS_MAX: usize = 2000;

impl Worker {
    /// Does what a session's machine says.
    pub(super) fn perform(&mut self, key: usize, command: Command) {
        let Some(session) = self.movable.get(key) else {
            return;
        };
        let serial = session.about.serial;
        match command {
            Command::Dial { link, server } => {
                let world = session.about.world.clone();
                let Some(target) = world.server(server).cloned() else {
                    return self.movable_dial_failed(key, serial, link, true);
                };
                let order = DialFor {
                    world,
                    server: target,
                    head: Arc::clone(&session.head),
                    forwarding: session.forwarding,
                    session: session.about.id,
                    player: session.player.clone(),
                    asks_link: !session.machine.is_plain(),
                    owner: DialOwner::Movable { key, serial, link },
                };
                if self.dial(order).is_err() {
                    self.movable_dial_failed(key, serial, link, false);
                }
            }
            Command::Send { link, epoch, order } => {
                if matches!(order, Order::Ping) {
                    self.link_asked(key, link);
                }
                let Some(session) = self.movable.get(key) else {
                    return;
                };
                for message in orders::order(session, self.now, epoch, order) {
                    self.link_send_control(key, link, &message);
                }
            }
            Command::Deliver { link, message } => {
                self.join_record(key, &message);
                self.switch_asked(key);
                self.link_send(key, link, &message);
            }
            Command::CloseLink { link } => self.link_close(key, link),
            Command::Promote { server, link } => {
                if let Some(link) = self.link_key(key, link) {
                    self.again.push_back(Again::Link(link));
                }
                let session = &self.movable[key];
                let server = session.about.world.server(server).cloned();
                if let (Some(server), Some(session)) = (server, self.movable.get_mut(key)) {
                    let moved = session.about.server.id != server.id;
                    session.about.server = server;
                    if moved {
                        self.switch_begun(key);
                    }
                }
            }
            Command::CompareAndSet {
                request,
                expected,
                record,
            } => {
                let outcome = self
                    .shared
                    .directory_set(session.about.id, expected, record);
                self.happened
                    .push_back((key, serial, Event::Directory { request, outcome }));
            }
            Command::Read { request } => {
                let outcome = self.shared.directory_read(session.about.id);
                self.happened
                    .push_back((key, serial, Event::Directory { request, outcome }));
            }
            Command::SetTimer { timer, at } => {
                self.timers.set(at, Timer::Machine { key, serial, timer })
            }
            Command::PauseClient => self.movable[key].paused = true,
            Command::ResumeClient => {
                self.movable[key].paused = false;
                self.again.push_back(Again::MovableClient(key));
            }
            Command::CloseClient { code, reason } => {
                self.shared.metrics.closed(code, &reason);
                self.movable[key].farewell = Some((CloseCode(code), reason));
            }
            Command::NotifyReset {
                reason,
                lost_input,
                state_age,
            } => {
                let session_id = session.about.id;
                self.movable[key].lost_input += lost_input;
                self.stream_reset(key, reason, lost_input, state_age);
                // A client that does not speak `atlas.v1` cannot be told; the operator can.
                tracing::warn!(
                    session = %session_id, %reason, lost_input, state_age_ms = state_age.as_millis() as u64,
                    "a failover could not carry everything over",
                );
                self.shared.metrics.input_lost.inc_by(lost_input);
            }
            Command::Began { .. } => session.about.world.transfer_began(),
            // Messages are relayed whole here, so the client always stands between two.
            Command::HoldInput => self.happened.push_back((key, serial, Event::InputHeld)),
            Command::Ping { link, serial: ping } => self.link_ping(key, link, ping),
            Command::EndLink { link, code } => self.link_end(key, link, code),
            Command::Replay { link } => self.join_replay(key, link),
            Command::Ended {
                transfer,
                from,
                to,
                reason,
                outcome,
                why,
                held,
                ticket,
            } => {
                session.about.world.transfer_ended();
                let moved = TransferView {
                    session: session.about.id.to_string(),
                    player: session.player.as_deref().map(str::to_owned),
                    transfer: transfer.to_string(),
                    from: self.server_name(&session.about, from),
                    to: self.server_name(&session.about, to),
                    reason: reason.as_str().to_owned(),
                    outcome: outcome.as_str().to_owned(),
                    why: why.to_owned(),
                    held_ms: held.as_secs_f64() * 1000.0,
                };
                self.report_transfer(key, reason, outcome, moved, held, ticket);
            }
            Command::Refused { ticket, why } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // Whoever asked may have gone.
                    let _ = reply.send(Ok(TransferView::refused(
                        &session.about.id.to_string(),
                        why,
                    )));
                }
            }
        }
    }

    fn server_name(&self, about: &About, id: atlas_world::ServerId) -> String {
        about
            .world
            .server(id)
            .map_or_else(String::new, |server| server.config.name.clone())
    }

    fn report_transfer(
        &mut self,
        key: usize,
        reason: Reason,
        outcome: TransferOutcome,
        moved: TransferView,
        held: std::time::Duration,
        ticket: Option<u64>,
    ) {
        let world = &self.movable[key].about.world.name;
        let metrics = &self.shared.metrics;
        metrics
            .transfers
            .with_label_values(&[world, reason.as_str(), outcome.as_str()])
            .inc();
        if outcome == TransferOutcome::Done {
            metrics.hold_seconds.observe(held.as_secs_f64());
        }
        self.shared.stream.transfer(Moved {
            world: Arc::clone(world),
            view: moved.clone(),
        });
        if let Some(reply) = ticket.and_then(|ticket| self.tickets.remove(&ticket)) {
            let _ = reply.send(Ok(moved));
        }
    }

    /// A person asks for a transfer.
    pub(super) fn transfer_asked(
        &mut self,
        session: SessionId,
        server: &str,
        reply: oneshot::Sender<Result<TransferView, crate::Error>>,
    ) {
        let found = self
            .movable
            .iter()
            .find(|(_, candidate)| candidate.about.id == session);
        if let Some((key, found)) = found {
            let Some(target) = found.about.world.server_named(server) else {
                let error = crate::Error::UnknownServer {
                    world: found.about.world.name.to_string(),
                    server: server.to_owned(),
                };
                let _ = reply.send(Err(error));
                return;
            };
            let to = target.id;
            self.transfer_begin(key, to, Reason::Admin, reply);
        } else if self
            .plain
            .iter()
            .any(|(_, plain)| plain.about.id == session)
        {
            let view = TransferView::refused(
                &session.to_string(),
                "its server is plain, and the world has no join rule to move it by",
            );
            let _ = reply.send(Ok(view));
        } else {
            let _ = reply.send(Err(crate::Error::UnknownSession(session.to_string())));
        }
    }

    /// This worker's sessions that a query asks for, in the order of their ids.
    pub(super) fn sessions(&self, query: &SessionsQuery) -> SessionsFound {
        let plain = self.plain.iter().map(|(_, session)| {
            let seen = session.seen();
            let (player, position) = (
                seen.and_then(|seen| seen.player.as_deref()),
                seen.and_then(|seen| seen.position),
            );
            (&session.about, player, position, None)
        });
        let lost = |session: SessionId| {
            let key = self.keys.get(&session)?;
            Some(self.movable.get(*key)?.lost_input)
        };
        let movable = self.movable.iter().map(|(_, session)| {
            let machine = &session.machine;
            (
                &session.about,
                session.player.as_deref(),
                machine.position(),
                Some(machine),
            )
        });
        let mut found: Vec<_> = plain
            .chain(movable)
            .filter(|(about, player, ..)| {
                query
                    .world
                    .as_ref()
                    .is_none_or(|world| **world == *about.world.name)
                    && query
                        .server
                        .as_ref()
                        .is_none_or(|server| *server == about.server.config.name)
                    && query.search.as_ref().is_none_or(|words| {
                        player.is_some_and(|player| player.contains(words.as_str()))
                            || about.id.to_string().starts_with(words.as_str())
                            || about.address.to_string().starts_with(words.as_str())
                    })
            })
            .collect();
        let total = found.len();
        found.retain(|(about, ..)| query.after.is_none_or(|after| about.id > after));
        found.sort_unstable_by_key(|(about, ..)| about.id);
        found.truncate(query.limit);
        let items = found
            .into_iter()
            .map(|(about, player, position, machine)| SessionView {
                id: about.id.to_string(),
                world: about.world.name.to_string(),
                player: player.map(str::to_owned),
                server: about.server.config.name.clone(),
                epoch: machine.map_or(0, |machine| machine.epoch().0),
                phase: machine.map_or("settled".to_owned(), |machine| {
                    format!("{:?}", machine.phase()).to_lowercase()
                }),
                link: if machine.is_some_and(|machine| !machine.is_plain()) {
                    LinkName::Cooperative
                } else {
                    LinkName::Plain
                },
                client: about.address.to_string(),
                path: about.path.to_string(),
                position: position.map(PositionView::from),
                age_ms: self.now.saturating_since(about.since).as_millis() as u64,
                transfers: machine.map_or(0, Machine::transfers),
                messages_in: about.messages_in,
                messages_out: about.messages_out,
                lost_input: lost(about.id).unwrap_or(0),
            })
            .collect();
        SessionsFound { items, total }
    }

    /// Sends the players' places to those who watch.
    pub(super) fn report_players(&self) {
        let movable = self
            .movable
            .iter()
            .map(|(_, session)| (&session.about, session.machine.position()));
        let plain = self.plain.iter().map(|(_, session)| {
            (
                &session.about,
                session.seen().and_then(|seen| seen.position),
            )
        });
        let mut frames: Vec<Players> = Vec::new();
        for (about, position) in movable
            .chain(plain)
            .filter_map(|(about, at)| Some((about, at?)))
            .take(PLAYERS_MAX)
        {
            let world = &about.world.name;
            let index = frames
                .iter()
                .position(|frame| frame.world == *world)
                .unwrap_or_else(|| {
                    frames.push(Players {
                        worker: self.index,
                        world: Arc::clone(world),
                        players: Vec::new(),
                    });
                    frames.len() - 1
                });
            let mut id = about.id.to_string();
            id.truncate(8);
            frames[index].players.push((
                id,
                position.x,
                position.y,
                position.z,
                about.server.config.name.clone(),
            ));
        }
        for name in self.view.worlds.iter().map(|world| &world.name) {
            // An empty frame tells watchers that this worker's last player has left.
            if !frames.iter().any(|frame| frame.world == *name) {
                frames.push(Players {
                    worker: self.index,
                    world: Arc::clone(name),
                    players: Vec::new(),
                });
            }
        }
        for frame in frames {
            self.shared.stream.players(frame);
        }
    }
}
