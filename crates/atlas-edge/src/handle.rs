//! The one way in: asks a running edge things and tells it to stop.

use std::sync::Arc;
use std::time::Duration;

use atlas_base::SessionId;
use tokio::sync::{broadcast, oneshot};

use crate::Error;
use crate::api::{ServerView, SessionView, SessionsPage, TransferView, WorldView};
use crate::mail::{Mail, SessionsQuery};
use crate::shared::Shared;
use crate::stream::Frame;
use crate::worker::Ask;

/// Most sessions on one page.
pub(crate) const PAGE_MAX: usize = 1000;

/// A cheap handle of a running edge.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// All worlds with their servers.
    pub fn worlds(&self) -> Vec<WorldView> {
        let view = self.shared.view.load();
        let now = self.shared.now();
        let worlds = view.worlds.iter().map(|world| WorldView {
            name: world.name.to_string(),
            dialect: world.dialect.name().to_owned(),
            balance: world.config.balance.name().to_owned(),
            servers: world
                .shown()
                .map(|server| {
                    let key = (Arc::clone(&world.name), server.id);
                    ServerView::of(world, server, self.shared.drains.shown(&key, now))
                })
                .collect(),
        });
        worlds.collect()
    }

    /// All servers of all worlds.
    pub fn servers(&self) -> Vec<ServerView> {
        self.worlds()
            .into_iter()
            .flat_map(|world| world.servers)
            .collect()
    }

    /// Players connected, those on their way included.
    pub fn connections(&self) -> usize {
        self.shared
            .connections
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A page of the sessions that a query asks for.
    ///
    /// # Errors
    /// [`Error::Stopping`] if the edge is stopping.
    pub(crate) async fn sessions(&self, query: SessionsQuery) -> Result<SessionsPage, Error> {
        let limit = query.limit.clamp(1, PAGE_MAX);
        let query = Arc::new(SessionsQuery {
            limit: limit + 1,
            ..query
        });
        let mut replies = Vec::new();
        for mailbox in &self.shared.mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.send(Mail::Sessions {
                query: query.clone(),
                reply,
            });
            replies.push(answer);
        }
        let (mut items, mut total) = (Vec::new(), 0);
        for reply in replies {
            let found = reply.await.map_err(|_| Error::Stopping)?;
            items.extend(found.items);
            total += found.total;
        }
        items.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.id.clone());
        Ok(SessionsPage { items, next, total })
    }

    /// One session by its whole id.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], [`Error::Stopping`].
    pub(crate) async fn session(&self, id: SessionId) -> Result<SessionView, Error> {
        let text = id.to_string();
        let query = SessionsQuery {
            search: Some(text.clone()),
            limit: 1,
            ..SessionsQuery::default()
        };
        let found = self.sessions(query).await?.items.pop();
        found
            .filter(|session| session.id == text)
            .ok_or(Error::UnknownSession(text))
    }

    /// Moves a session to a server and waits for the outcome.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], [`Error::UnknownServer`], [`Error::Stopping`].
    pub async fn transfer(&self, session: SessionId, server: &str) -> Result<TransferView, Error> {
        let mut replies = Vec::new();
        for mailbox in &self.shared.mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.send(Mail::Transfer {
                session,
                server: server.to_owned(),
                reply,
            });
            replies.push(answer);
        }
        // One worker has the session; the others do not know it.
        let mut unknown = Error::Stopping;
        for reply in replies {
            match reply.await {
                Ok(Err(error @ Error::UnknownSession(_))) => unknown = error,
                Ok(answer) => return answer,
                Err(_) => {}
            }
        }
        Err(unknown)
    }

    /// Closes a session's client with a code and a reason.
    ///
    /// # Errors
    /// [`Error::UnknownSession`].
    pub async fn kick(&self, session: SessionId, code: u16, reason: &str) -> Result<(), Error> {
        let reason: Arc<str> = reason.into();
        let mut replies = Vec::new();
        for mailbox in &self.shared.mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.send(Mail::Ask(Ask::Kick {
                session,
                code,
                reason: Arc::clone(&reason),
                reply,
            }));
            replies.push(answer);
        }
        for reply in replies {
            if reply.await.unwrap_or(false) {
                return Ok(());
            }
        }
        Err(Error::UnknownSession(session.to_string()))
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Frame> {
        self.shared.stream.watch()
    }

    /// Tells the edge to stop: nobody new, everybody told to come back; whoever is left after `drain` is cut.
    pub fn stop(&self, drain: Duration) {
        let deadline = self.shared.now() + drain;
        for mailbox in &self.shared.mailboxes {
            mailbox.send(Mail::Stop { deadline });
        }
    }
}
