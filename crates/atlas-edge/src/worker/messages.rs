//! What the rest of the process asks a worker about sessions: where one is, who is at a server, that one be moved, closed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use atlas_base::SessionId;
use atlas_wire::frame::CloseCode;
use atlas_world::{Event, Phase, Reason, ServerId, Surroundings as _};
use rand::RngExt as _;
use tokio::sync::oneshot;

use super::Worker;
use super::balance::{Far, Stander};
use super::movable::{Around, Movable};
use super::plain::About;
use crate::api::TransferView;

/// A question about sessions. Whoever asks may go before the answer comes.
pub(crate) enum Ask {
    /// Which server is a session's authority; answered once it is settled, or with none if it is not here.
    Find {
        session: SessionId,
        reply: oneshot::Sender<Option<(Arc<str>, ServerId)>>,
    },
    /// Who is at a server.
    Residents {
        world: Arc<str>,
        server: ServerId,
        reply: oneshot::Sender<Vec<Resident>>,
    },
    /// Moves a session away from a server that is emptied; answered with how it ended. An error if it is not there.
    MoveAway {
        session: SessionId,
        from: ServerId,
        reply: oneshot::Sender<Result<TransferView, crate::Error>>,
    },
    /// Who is at a server and can be moved at all, for balance.
    Standers {
        world: Arc<str>,
        server: ServerId,
        reply: oneshot::Sender<Vec<Stander>>,
    },
    /// Some of those who have a much nearer server among `open`.
    Far {
        world: Arc<str>,
        open: Arc<[ServerId]>,
        reply: oneshot::Sender<Vec<Far>>,
    },
    /// Moves a session for balance; answered with how it ended. An error if it is not there.
    Move {
        session: SessionId,
        from: ServerId,
        to: ServerId,
        reply: oneshot::Sender<Result<TransferView, crate::Error>>,
    },
    /// Closes a session's client; answered with whether it is here.
    Kick {
        session: SessionId,
        code: u16,
        reason: Arc<str>,
        reply: oneshot::Sender<bool>,
    },
    /// Closes the clients of all who are at a server and are not being moved away just now (or of `all` at once), with a
    /// word when to come back: spread over `spread`. Answered with who these were.
    Cut {
        world: Arc<str>,
        server: ServerId,
        all: bool,
        except: Arc<HashSet<SessionId>>,
        spread: Duration,
        reply: oneshot::Sender<Vec<SessionId>>,
    },
}

/// A session at a server that is emptied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Resident {
    pub(crate) session: SessionId,
    /// How long the client has said nothing.
    pub(crate) idle: Duration,
    /// Whether it can be moved at all.
    pub(crate) movable: bool,
}

/// Somebody who waits for a session to settle.
pub(super) struct Finding {
    session: SessionId,
    reply: oneshot::Sender<Option<(Arc<str>, ServerId)>>,
}

impl Worker {
    pub(super) fn answer(&mut self, ask: Ask) {
        // Whoever asked may have gone, here and below.
        match ask {
            Ask::Find { session, reply } => self.find(Finding { session, reply }),
            Ask::Residents {
                world,
                server,
                reply,
            } => {
                let _ = reply.send(self.residents(&world, server));
            }
            Ask::MoveAway {
                session,
                from,
                reply,
            } => self.move_away(session, from, reply),
            Ask::Standers {
                world,
                server,
                reply,
            } => {
                let _ = reply.send(self.standers(&world, server));
            }
            Ask::Far { world, open, reply } => {
                let _ = reply.send(self.far(&world, &open));
            }
            Ask::Move {
                session,
                from,
                to,
                reply,
            } => self.move_for_balance(session, from, to, reply),
            Ask::Kick {
                session,
                code,
                reason,
                reply,
            } => {
                let _ = reply.send(self.kick(session, code, &reason));
            }
            Ask::Cut {
                world,
                server,
                all,
                except,
                spread,
                reply,
            } => {
                let _ = reply.send(self.cut(&world, server, all, &except, spread));
            }
        }
    }

    fn find(&mut self, finding: Finding) {
        let Some(session) = self.movable_of(finding.session) else {
            let _ = finding.reply.send(None);
            return;
        };
        let about = &session.about;
        match session.machine.phase() {
            Phase::Settled | Phase::Preloading => {
                let at = (Arc::clone(&about.world.name), about.server.id);
                let _ = finding.reply.send(Some(at));
            }
            _ => self.findings.push(finding),
        }
    }

    /// Looks again after those who wait for a session to settle.
    pub(super) fn findings_go_on(&mut self) {
        for finding in std::mem::take(&mut self.findings) {
            if !finding.reply.is_closed() {
                self.find(finding);
            }
        }
    }

    fn movable_of(&self, session: SessionId) -> Option<&Movable> {
        let key = self.keys.get(&session)?;
        self.movable.get(*key).map(|session| &**session)
    }

    fn residents(&self, world: &str, server: ServerId) -> Vec<Resident> {
        let movable = self
            .movable
            .iter()
            .filter(|(_, session)| is_at(&session.about, world, server))
            .map(|(_, session)| Resident {
                session: session.about.id,
                idle: self.now.saturating_since(session.heard),
                movable: true,
            });
        let plain = self
            .plain
            .iter()
            .filter(|(_, session)| is_at(&session.about, world, server))
            .map(|(_, session)| Resident {
                session: session.about.id,
                idle: Duration::ZERO,
                movable: false,
            });
        movable.chain(plain).collect()
    }

    fn move_away(
        &mut self,
        session: SessionId,
        from: ServerId,
        reply: oneshot::Sender<Result<TransferView, crate::Error>>,
    ) {
        let found = self.keys.get(&session).copied();
        let found = found.and_then(|key| Some((key, self.movable.get(key)?)));
        let Some((key, found)) = found.filter(|(_, found)| found.about.server.id == from) else {
            let _ = reply.send(Err(crate::Error::UnknownSession(session.to_string())));
            return;
        };
        let at = found.machine.position();
        let mut around = Around {
            world: &found.about.world,
            placement: &mut self.placement,
            random: &mut self.random,
            player: found.player.as_deref(),
            server: &found.about.server,
            head: &found.head,
            forwarding: &found.forwarding,
        };
        let target = around
            .choose(&[from], at)
            .filter(|target| around.may_enter(*target));
        let Some(to) = target else {
            let refused = TransferView::refused(&session.to_string(), "no other server takes it");
            let _ = reply.send(Ok(refused));
            return;
        };
        self.transfer_begin(key, to, Reason::Drain, reply);
    }

    fn kick(&mut self, session: SessionId, code: u16, reason: &str) -> bool {
        if let Some(key) = self.keys.get(&session).copied() {
            self.movable_kick(key, code, reason.to_owned());
            return true;
        }
        let plain = self
            .plain
            .iter()
            .find(|(_, plain)| plain.about.id == session);
        let Some((key, _)) = plain else {
            return false;
        };
        self.plain_close(key, CloseCode(code), reason);
        true
    }

    fn movable_kick(&mut self, key: usize, code: u16, reason: String) {
        if let Some(session) = self.movable.get(key) {
            let serial = session.about.serial;
            self.happened
                .push_back((key, serial, Event::Kick { code, reason }));
        }
    }

    fn cut(
        &mut self,
        world: &str,
        server: ServerId,
        all: bool,
        except: &HashSet<SessionId>,
        spread: Duration,
    ) -> Vec<SessionId> {
        let is_due = |about: &About| is_at(about, world, server) && !except.contains(&about.id);
        let movable: Vec<(usize, SessionId)> = self
            .movable
            .iter()
            .filter(|(_, session)| {
                let stays = matches!(session.machine.phase(), Phase::Settled | Phase::Preloading);
                is_due(&session.about) && (all || stays)
            })
            .map(|(key, session)| (key, session.about.id))
            .collect();
        let plain: Vec<(usize, SessionId)> = self
            .plain
            .iter()
            .filter(|(_, session)| is_due(&session.about))
            .map(|(key, session)| (key, session.about.id))
            .collect();
        let cut = movable.iter().chain(&plain).map(|(_, id)| *id).collect();
        for (key, _) in movable {
            let reason = self.come_back(spread);
            self.movable_kick(key, CloseCode::RESTART.0, reason);
        }
        for (key, _) in plain {
            let reason = self.come_back(spread);
            self.plain_close(key, CloseCode::RESTART, &reason);
        }
        cut
    }

    /// What a client that is closed for maintenance is told: when to come back, not all at once.
    fn come_back(&mut self, spread: Duration) -> String {
        let most = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
        let ms = self.random.random_range(0..most);
        format!("the server is being emptied; come back in {ms} ms")
    }
}

fn is_at(about: &About, world: &str, server: ServerId) -> bool {
    about.server.id == server && *about.world.name == *world
}
