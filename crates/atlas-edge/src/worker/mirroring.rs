//! Copies of players' messages for a shadow server, where a world has one: into a bounded queue, or dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atlas_base::SessionId;
use atlas_runtime::metrics::IntCounter;
use atlas_wire::frame::{Opcode, Side};
use atlas_wire::upgrade::{Forwarding, Head};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Copied;

use super::Worker;
use super::assembler::{Assembler, Piece};
use super::carriage::{Carriage, Message, Read};
use super::plain::About;
use crate::mirror::{Copy, MESSAGE_COST_BYTES};

/// The worker's end of one session's copy.
pub(super) struct Mirror {
    sender: mpsc::UnboundedSender<Copied>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    copied: IntCounter,
    dropped: IntCounter,
    /// Whole messages out of a plain session's bytes; broken ones end the copy.
    input: Option<Assembler>,
}

impl Mirror {
    fn put(&self, text: bool, body: Vec<u8>) {
        let cost = body.len() + MESSAGE_COST_BYTES;
        let message = if text {
            String::from_utf8(body).ok().map(Copied::text)
        } else {
            Some(Copied::binary(body))
        };
        let room = self.waiting.load(Ordering::Relaxed) + cost <= self.waiting_max;
        let Some(message) = message.filter(|_| room) else {
            return self.dropped.inc();
        };
        // Only this thread adds, so the bound holds.
        self.waiting.fetch_add(cost, Ordering::Relaxed);
        if self.sender.send(message).is_ok() {
            self.copied.inc();
        } else {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.dropped.inc();
        }
    }

    fn take(&mut self, message: &Message<'_>) {
        let mut body = vec![0; message.length()];
        message.look(&mut body);
        self.put(message.text, body);
    }

    fn bytes(&mut self, received: &[u8], message_bytes_max: u64) {
        let Some(mut input) = self.input.take() else {
            return;
        };
        let buffer = input.take(received);
        let data = buffer.as_deref().unwrap_or(received);
        let mut consumed = 0;
        while let Ok(Some((piece, length))) = input.next(&data[consumed..], message_bytes_max) {
            consumed += length;
            match &piece {
                Piece::Part => {}
                Piece::Control(Opcode::Close, _) => return,
                Piece::Control(..) => {}
                Piece::Whole(..) | Piece::Joined(..) => {
                    if let Read::Message(message) = Carriage::Bare.read(&piece) {
                        self.take(&message);
                    }
                }
            }
        }
        input.keep(consumed, buffer, received);
        self.input = Some(input);
    }
}

impl Worker {
    /// Begins to copy a session, if its world has a shadow server.
    pub(super) fn mirror_begin(&mut self, about: &About, head: &Arc<Head>, forwarding: Forwarding) {
        let config = &about.world.config.mirror;
        if config.server.is_empty() {
            return;
        }
        let Some(server) = about.world.server_named(&config.server) else {
            return;
        };
        let counter = |outcome: &str| {
            let counters = &self.shared.metrics.mirrored;
            counters.with_label_values(&[&*about.world.name, outcome])
        };
        let (sender, messages) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let copy = Copy {
            world: Arc::clone(&about.world),
            server: Arc::clone(server),
            head: Arc::clone(head),
            forwarding,
            messages,
            waiting: Arc::clone(&waiting),
        };
        let mirror = Mirror {
            sender,
            waiting,
            waiting_max: usize::try_from(config.queue_bytes_max.0).unwrap_or(usize::MAX),
            copied: counter("copied"),
            dropped: counter("dropped"),
            input: Some(Assembler::new(Side::Client)),
        };
        // Where it does not fit the queue is closed, and what is not copied is counted.
        let _ = self.shared.mirrors.try_send(copy);
        self.mirrors.insert(about.id, mirror);
    }

    /// Copies what a plain session's client sent.
    #[cold]
    pub(super) fn mirror_bytes(&mut self, key: usize, received: &[u8]) {
        let Some(session) = self.plain.get(key) else {
            return;
        };
        if let Some(mirror) = self.mirrors.get_mut(&session.about.id) {
            mirror.bytes(received, self.message_bytes_max);
        }
    }

    /// Copies a message of a movable session's client.
    #[cold]
    pub(super) fn mirror_message(&mut self, key: usize, message: &Message<'_>) {
        let Some(session) = self.movable.get(key) else {
            return;
        };
        if let Some(mirror) = self.mirrors.get_mut(&session.about.id) {
            mirror.take(message);
        }
    }

    /// Ends a session's copy; what waits is still sent.
    pub(super) fn mirror_end(&mut self, session: SessionId) {
        if !self.mirrors.is_empty() {
            self.mirrors.remove(&session);
        }
    }
}
