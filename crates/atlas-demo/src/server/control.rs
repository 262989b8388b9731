//! An edge's control link: health, load, drains, messages between servers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atlas_wire::link::{
    Address, ControlFromServer, ControlPong, ControlToServer, Draining, Error, Load, Send,
    Unsupported, Wait,
};
use atlas_wire::tag::Tag;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::counters::Counters;
use super::link::{broken, packed};
use super::{Over, Shared, Socket, close, data, fault, stopped};

/// Messages that wait for one control link.
const QUEUE_MAX: usize = 1024;

/// The open control links: one for each edge.
#[derive(Debug, Default)]
pub(super) struct Controls {
    queues: Mutex<BTreeMap<u64, mpsc::Sender<ControlFromServer>>>,
    /// Names links and messages.
    serial: AtomicU64,
}

impl Controls {
    fn enter(&self) -> (u64, mpsc::Receiver<ControlFromServer>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let link = self.serial.fetch_add(1, Ordering::Relaxed);
        self.queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link, sender);
        (link, receiver)
    }

    fn leave(&self, link: u64) {
        self.queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link);
    }

    /// Sends a message to another server, through the edge that has been here longest. Without one, or if it is too
    /// slow, the message is dropped and counted.
    pub(super) fn send(&self, to: Address, body: String, counters: &Counters) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let message = Send {
            id: format!("m-{serial}"),
            to,
            body,
        };
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queues
            .first_key_value()
            .is_some_and(|(_, queue)| queue.try_send(message.into()).is_ok());
        if sent {
            counters.messages_sent.add(1);
        } else {
            counters.messages_undeliverable.add(1);
        }
    }
}

/// Serves an edge's control link to its end.
pub(super) async fn serve(shared: &Shared, mut socket: Socket, mut stop: watch::Receiver<bool>) {
    shared.counters.controls.add(1);
    let (link, mut queue) = shared.controls.enter();
    let over = tokio::select! {
        biased;
        () = stopped(&mut stop) => Over::Ours(1012, "the server stops".to_owned()),
        over = converse(shared, &mut socket, &mut queue) => over,
    };
    shared.controls.leave(link);
    close(socket, over).await;
}

async fn converse(
    shared: &Shared,
    socket: &mut Socket,
    queue: &mut mpsc::Receiver<ControlFromServer>,
) -> Over {
    let mut loads = interval(shared.config.load_interval.max(Duration::from_millis(10)));
    loads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When the time that was asked for is over.
    let mut ready: Option<Instant> = None;
    loop {
        let waited = async {
            match ready {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let reply: ControlFromServer = tokio::select! {
            _ = loads.tick() => load(shared),
            Some(message) = queue.recv() => message,
            () = waited => {
                ready = None;
                Draining {}.into()
            }
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
                    Ok(ControlToServer::Drain(_)) => {
                        shared.counters.drains.add(1);
                        let wait = shared.config.drain_wait;
                        if wait.is_zero() {
                            Draining {}.into()
                        } else {
                            ready = Some(Instant::now() + wait);
                            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                            Wait { ms, reason: "a match is on".to_owned() }.into()
                        }
                    }
                    Ok(ControlToServer::Received(_)) => {
                        shared.counters.messages_received.add(1);
                        continue;
                    }
                    Ok(ControlToServer::Undeliverable(_)) => {
                        shared.counters.messages_undeliverable.add(1);
                        continue;
                    }
                    Ok(ControlToServer::Unsupported(_)) => continue,
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
