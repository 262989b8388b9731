//! A client and its session.

use std::collections::BTreeSet;

use atlas_base::{Epoch, Position};
use atlas_world::{LinkId, Message};

use super::machine::{Kind, Machine};
use crate::random::Random;

#[derive(Debug)]
pub(super) struct Player {
    pub(super) kind: Kind,
    pub(super) session: Option<Machine>,
    /// The session's links, by `LinkId`.
    pub(super) links: Vec<usize>,
    /// What the directory holds of the session.
    pub(super) truth: Option<atlas_world::Record>,
    /// Requests to the directory that are not over, those of a lost or late answer included.
    pub(super) requests: u32,
    /// The number of the last message sent.
    pub(super) sent: u32,
    /// The newest own message that an output answered.
    pub(super) answered: u32,
    /// Messages read from the client before it was paused.
    pub(super) slack: u32,
    pub(super) paused: bool,
    pub(super) gone: bool,
    pub(super) at: Position,
    /// Along x, in world units a second.
    pub(super) speed: f64,
    pub(super) moved_at: u64,
    pub(super) excuse: Excuse,
    /// A person, or the end of a drain, closes it.
    pub(super) kicked: bool,
    /// How many of its first messages are joins, for plain servers.
    pub(super) joins: u32,
    /// The joins that the edge has recorded, as they were sent.
    pub(super) recorded: Vec<u32>,
    /// Whether its join is too long to be recorded.
    pub(super) pinned: bool,
    /// The message that the client is in the middle of, and the link that got its beginning.
    pub(super) begun: Option<(LinkId, u32)>,
    /// The machine wants to hear when the client stands between two messages.
    pub(super) hold_asked: bool,
    /// The edge dies after so many more commands.
    pub(super) dies_after: Option<u64>,
    /// Requests to the directory that are held back, by their index.
    pub(super) late_requests: Vec<usize>,
}

/// What may excuse closing the client.
#[derive(Debug, Clone, Default)]
pub(super) struct Excuse {
    /// Codes that a server or a person kicked it with.
    pub(super) kicks: Vec<u16>,
    /// When the newest attempt first asked the directory.
    pub(super) asked_at: u64,
    pub(super) asked_epoch: Epoch,
    /// When a server was last told to act, and how many were in all.
    pub(super) given_at: u64,
    pub(super) given: u32,
    /// Another edge took the session over.
    pub(super) rival: bool,
    /// A message to the client was cut in the middle.
    pub(super) cut: bool,
    /// Servers dialled since one had the player last.
    pub(super) dialled: BTreeSet<usize>,
    /// Every server that would take the player now was dialled, or is the one that was lost.
    pub(super) nobody: bool,
    /// The client has closed by itself.
    pub(super) gone: bool,
    /// The session cannot be moved.
    pub(super) pinned: bool,
}

impl Player {
    pub(super) fn new(kind: Kind, at: Position, speed: f64) -> Self {
        Self {
            kind,
            session: None,
            links: Vec::new(),
            truth: None,
            requests: 0,
            sent: 0,
            answered: 0,
            slack: 0,
            paused: false,
            gone: false,
            at,
            speed,
            moved_at: 0,
            excuse: Excuse::default(),
            kicked: false,
            joins: 0,
            recorded: Vec::new(),
            pinned: false,
            begun: None,
            hold_asked: false,
            dies_after: None,
            late_requests: Vec::new(),
        }
    }

    /// Walks on to `now`, turning round at the world's ends and now and then in between.
    pub(super) fn walk(&mut self, now: u64, width: f64, random: &mut Random) {
        let seconds = (now - self.moved_at) as f64 / 1_000.0;
        self.moved_at = now;
        self.at.x += self.speed * seconds;
        if random.chance(300)
            || (self.at.x < 10.0 && self.speed < 0.0)
            || (self.at.x > width - 10.0 && self.speed > 0.0)
        {
            self.speed = -self.speed;
        }
    }

    /// The next message.
    pub(super) fn message(&mut self) -> (u32, Message) {
        self.sent += 1;
        (self.sent, Box::from(self.sent.to_le_bytes()))
    }
}

/// The number of a message.
pub(super) fn number(message: &[u8]) -> u32 {
    message
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
