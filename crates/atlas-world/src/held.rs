//! The client's input while no server has the player. Shared by both kinds of sessions.

use std::collections::VecDeque;

use crate::{Command, Message};

/// Input that waits for a server, and the ends that come after it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    messages: VecDeque<Message>,
    bytes: usize,
    /// The client is gone, with its close code.
    pub(crate) closed: Option<Option<u16>>,
    /// The client is to be closed once a server has the player.
    pub(crate) kick: Option<(u16, String)>,
    /// The client is paused.
    paused: bool,
}

impl Held {
    /// Holds a message; past `bound` bytes the client is paused.
    pub(crate) fn hold(&mut self, message: Message, bound: usize, out: &mut Vec<Command>) {
        self.bytes += message.len();
        self.messages.push_back(message);
        if self.bytes > bound && !self.paused {
            self.paused = true;
            out.push(Command::PauseClient);
        }
    }

    /// All that is held, in order.
    pub(crate) fn take(&mut self) -> VecDeque<Message> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }

    /// What was taken is delivered: the client is read again.
    pub(crate) fn resume(&mut self, out: &mut Vec<Command>) {
        if self.paused {
            self.paused = false;
            out.push(Command::ResumeClient);
        }
    }

    /// Whether an end waits for a server.
    pub(crate) fn has_end(&self) -> bool {
        self.closed.is_some() || self.kick.is_some()
    }

    /// How many messages are held.
    pub(crate) fn count(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Whether no message is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What is held once more.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn copies(&self) -> impl Iterator<Item = Message> {
        self.messages.iter().cloned()
    }

    /// Forgets the messages.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn drop_messages(&mut self) {
        self.messages.clear();
    }
}
