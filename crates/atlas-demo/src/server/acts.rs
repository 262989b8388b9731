//! When a server acted for whom under which epoch, as `GET /acts` shows it: what tells, over several servers, whether
//! one of them acted when another already did.

use std::time::{SystemTime, UNIX_EPOCH};

use atlas_base::{Epoch, SessionId};
use serde::{Deserialize, Serialize};

use super::Shared;

/// A server's deeds for one session under one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server had the player.
    pub epoch: Epoch,
    /// When it acted first, in microseconds of the system's clock.
    pub first_us: u64,
    /// When it acted last.
    pub last_us: u64,
}

pub(super) fn of(shared: &Shared) -> Vec<Acted> {
    let acts = shared.fences().acts().into_iter();
    acts.map(|(session, epoch, first_us, last_us)| Acted {
        session,
        epoch,
        first_us,
        last_us,
    })
    .collect()
}

/// The system's clock, which all processes of a machine share.
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}
