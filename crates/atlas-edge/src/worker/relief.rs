//! What waits at the whole node has a bound: past it, those for whom most waits are closed.

use std::sync::atomic::Ordering;

use atlas_wire::frame::CloseCode;

use super::Worker;

/// What a client is told that was closed to make room.
pub(crate) const NO_ROOM: &str = "the edge has no room for what waits";

/// A session of this worker.
#[derive(Clone, Copy)]
enum Slot {
    Plain(usize),
    Movable(usize),
}

impl Worker {
    /// Closes sessions until this worker is within its share, if all workers together hold too much. Once a sweep.
    pub(super) fn relieve(&mut self) {
        let bound = usize::try_from(self.view.edge.limits.queued_bytes_max.0).unwrap_or(usize::MAX);
        let held = |worker: &crate::shared::Queued| {
            worker.inward.load(Ordering::Relaxed) + worker.outward.load(Ordering::Relaxed)
        };
        let own = held(&self.shared.queued[self.index]);
        let share = bound / self.shared.queued.len().max(1);
        if bound == 0 || own <= share || self.shared.queued.iter().map(held).sum::<usize>() <= bound
        {
            return;
        }
        let mut sessions: Vec<(usize, Slot)> = self
            .plain
            .iter()
            .map(|(key, session)| {
                let waits = session.client.backlog_bytes() + session.link.backlog_bytes();
                (waits, Slot::Plain(key))
            })
            .chain(self.movable.iter().map(|(key, session)| {
                let links = session
                    .links
                    .iter()
                    .filter_map(|link| self.links.get(*link));
                let waits =
                    session.queued_bytes() + links.map(|link| link.queued_bytes()).sum::<usize>();
                (waits, Slot::Movable(key))
            }))
            .filter(|(waits, _)| *waits > 0)
            .collect();
        sessions.sort_unstable_by_key(|(waits, _)| std::cmp::Reverse(*waits));
        let mut excess = own - share;
        let mut closed = 0;
        for (waits, slot) in sessions {
            match slot {
                Slot::Plain(key) => self.plain_close(key, CloseCode::TRY_AGAIN, NO_ROOM),
                Slot::Movable(key) => {
                    self.movable_refuse(key, CloseCode::TRY_AGAIN, NO_ROOM.to_owned());
                }
            }
            closed += 1;
            excess = excess.saturating_sub(waits);
            if excess == 0 {
                break;
            }
        }
        tracing::warn!(
            worker = self.index,
            queued_bytes = own,
            closed,
            "more waited than edge.limits.queued-bytes-max allows: those for whom most waited were closed"
        );
    }
}
