//! A client and its session.

use atlas_base::{Epoch, Position};
use atlas_world::{Message, Session};

use crate::random::Random;

#[derive(Debug)]
pub(super) struct Player {
    pub(super) session: Option<Session>,
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
}

impl Player {
    pub(super) fn new(at: Position, speed: f64) -> Self {
        Self {
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
