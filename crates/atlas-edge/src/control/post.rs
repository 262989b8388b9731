//! Messages between servers: to a server, to the server of a region, to the authority of a session.
//!
//! Each sender's messages are delivered one after the other, so that those of each pair of servers arrive in the order
//! sent, whatever they are addressed to; one to a session that is being moved keeps those behind it waiting, for a
//! bounded time. Each is delivered at most once: what was handed to a connection is never sent again.

use std::sync::Arc;

use atlas_base::SessionId;
use atlas_wire::link::{Address, ControlToServer, Received, Send, Sender, Undeliverable};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::link::Over;
use super::{Key, find};
use crate::mail::Mail;
use crate::servers::World;
use crate::shared::Shared;
use crate::worker::Ask;

/// Why a message is refused at once.
pub(super) const TOO_MANY: &str = "too many messages wait";

/// A message to a server, on its way, and who is told if it does not get there.
pub(super) struct Letter {
    received: Received,
    from: Key,
    id: String,
}

impl Letter {
    /// What the target is sent.
    pub(super) fn into_message(self) -> ControlToServer {
        self.received.into()
    }

    /// Tells the sender that it did not get there.
    pub(super) fn undeliverable(self, shared: &Shared, reason: &str) {
        refuse(shared, &self.from, self.id, reason);
    }
}

/// Tells a sender that its message reaches nobody.
pub(super) fn refuse(shared: &Shared, from: &Key, id: String, reason: &str) {
    let metrics = &shared.metrics.control;
    metrics.messages.with_label_values(&["undeliverable"]).inc();
    if let Some(open) = shared.controls.get(from) {
        let reason = reason.to_owned();
        // A sender that takes nothing does not hear of it either.
        let _ = open.orders.try_send(Undeliverable { id, reason }.into());
    }
}

/// Delivers what a server sends, until its link ends.
pub(super) async fn deliver_all(
    shared: &Arc<Shared>,
    from: &Key,
    name: &str,
    mut sent: mpsc::Receiver<Send>,
) -> Over {
    while let Some(send) = sent.recv().await {
        let id = send.id.clone();
        if let Err(reason) = deliver(shared, from, name, send).await {
            refuse(shared, from, id, reason);
        }
    }
    Over::Lost(None)
}

async fn deliver(shared: &Shared, from: &Key, name: &str, send: Send) -> Result<(), &'static str> {
    let view = shared.view.load_full();
    let (world, _) = find(&view, from).ok_or("the sender is gone")?;
    let to = match &send.to {
        Address::Server(server) => world.server_named(server).ok_or("no such server")?.id,
        Address::Region(region) => {
            let server = world.server_named(region);
            let server = server.filter(|server| server.region.is_some());
            server.ok_or("no such region")?.id
        }
        Address::Session(session) => {
            let found = whereabouts(shared, &world, *session);
            let wait = *world.config.messages.wait;
            let found = timeout(wait, found)
                .await
                .map_err(|_| "the session did not settle in time")?;
            found.ok_or("no such session")?
        }
    };
    let key = (Arc::clone(&world.name), to);
    let Some(open) = shared.controls.get(&key) else {
        return Err("the server has no control link");
    };
    let letter = Letter {
        received: Received {
            from: Sender {
                server: name.to_owned(),
            },
            to: send.to,
            body: send.body,
        },
        from: from.clone(),
        id: send.id,
    };
    open.letters.try_send(letter).map_err(|_| TOO_MANY)
}

/// The server of a session, once it is settled; none if nobody has it in this world.
async fn whereabouts(
    shared: &Shared,
    world: &World,
    session: SessionId,
) -> Option<atlas_world::ServerId> {
    let mut answers = Vec::with_capacity(shared.mailboxes.len());
    for mailbox in &shared.mailboxes {
        let (reply, answer) = oneshot::channel();
        mailbox.send(Mail::Ask(Ask::Find { session, reply }));
        answers.push(answer);
    }
    // One worker has the session and answers when it is settled; the others do not know it.
    let mut found = None;
    for answer in answers {
        if let Ok(Some((of, server))) = answer.await {
            found = (of == world.name).then_some(server);
        }
    }
    found
}
