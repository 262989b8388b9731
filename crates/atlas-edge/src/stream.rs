//! The world's stream: where players are and what moved, for the map. Watchers that are too slow lose frames.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::api::TransferView;

/// Frames kept for the slowest watcher.
const FRAMES_MAX: usize = 256;

/// The players of one world at one worker.
#[derive(Clone, Debug)]
pub(crate) struct Players {
    pub(crate) worker: usize,
    pub(crate) world: Arc<str>,
    /// The start of the session's id, x, y, z, the server's name.
    pub(crate) players: Vec<(String, f64, f64, f64, String)>,
}

/// A transfer that ended.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) world: Arc<str>,
    pub(crate) view: TransferView,
}

/// One event of the stream.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Players(Arc<Players>),
    Transfer(Arc<Moved>),
}

/// The sending side.
pub(crate) struct Stream {
    sender: broadcast::Sender<Frame>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::channel(FRAMES_MAX).0,
        }
    }

    /// Whether anybody watches.
    pub(crate) fn watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Frame> {
        self.sender.subscribe()
    }

    pub(crate) fn players(&self, players: Players) {
        // Nobody watches any more: nothing is lost.
        let _ = self.sender.send(Frame::Players(Arc::new(players)));
    }

    pub(crate) fn transfer(&self, moved: Moved) {
        let _ = self.sender.send(Frame::Transfer(Arc::new(moved)));
    }
}
