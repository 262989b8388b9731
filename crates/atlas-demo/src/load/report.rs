use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::tally::{Accounts, Percentiles, Tally};
use crate::walk::Movement;

/// What came of a load test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was dialled.
    pub url: String,
    /// How many clients were to connect.
    pub clients: u32,
    /// Messages a second of each, as asked for.
    pub rate_hz: f64,
    /// The messages' length, if they are not longer by themselves.
    pub message_bytes: usize,
    /// How the clients moved.
    pub movement: Movement,
    /// Whether answers were matched by number.
    pub verify: bool,
    /// From the first dial to the last message, in seconds.
    pub sending_s: f64,
    /// With the wait for the last answers.
    pub total_s: f64,
    /// Clients that connected.
    pub connected: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Numbered messages sent; the join of each client is not among them.
    pub sent: u64,
    /// Messages that had their answer.
    pub answered: u64,
    /// Messages that had none by the end of the wait or of their connection.
    pub lost: u64,
    /// Answers to messages that had theirs already.
    pub doubled: u64,
    /// Answers that came after one to a later message.
    pub reordered: u64,
    /// Answers to messages never sent.
    pub unexpected: u64,
    /// Answers whose count did not go on from the one before: state was lost or doubled. A player who
    /// is moved between plain servers has a new state there, which counts here.
    pub state_breaks: u64,
    /// Messages the servers say never came.
    pub server_gaps: u64,
    /// Messages the servers say came twice or late.
    pub server_doubles: u64,
    /// Messages not sent because too many were outstanding.
    pub held_back: u64,
    /// Connections that ended before the client ended them.
    pub closed: u64,
    /// The same by close code; 1005 = a close without a code, 1006 = no close at all.
    pub closed_by_code: BTreeMap<u16, u64>,
    /// The same by code and reason; numbers in a reason are `N`.
    #[serde(default)]
    pub closed_by_reason: BTreeMap<String, u64>,
    /// What was lost by what the edge said, and by what the players' states say; only if verified.
    #[serde(default)]
    pub accounts: Accounts,
    /// Always 0: clients do not come back.
    pub reconnects: u64,
    /// How often the next answer came from another server than the one before.
    pub server_changes: u64,
    /// Messages a second over the time of sending.
    pub sent_per_second: f64,
    /// Answers a second over the time of sending.
    pub answered_per_second: f64,
    /// From a message's leaving to its answer, in milliseconds.
    pub answer_ms: Percentiles,
    /// "First answer after a switch": the answer time of the first message that a new server
    /// answered, in milliseconds. A message that was held while the player moved has the rest of the
    /// hold in it.
    pub switch_answer_ms: Percentiles,
    /// From the old server's last answer to the new server's first, in milliseconds. The client's own
    /// interval between two messages is in it.
    pub switch_gap_ms: Percentiles,
    /// The first thing that went wrong, in words.
    pub first_error: Option<String>,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        tally: &Tally,
        sending: Duration,
        total: Duration,
    ) -> Self {
        let (sent, answered) = (tally.sent.get(), tally.answered.get());
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let rate = |count: u64| count as f64 / sending.as_secs_f64().max(0.001);
        Self {
            url: options.url.clone(),
            clients: options.clients,
            rate_hz: options.rate_hz,
            message_bytes: options.message_bytes,
            movement: options.movement,
            verify: options.verify,
            sending_s: sending.as_secs_f64(),
            total_s: total.as_secs_f64(),
            connected: tally.connected_total.get(),
            dials_failed: tally.dials_failed.get(),
            sent,
            answered,
            // Also counts those of a client that had to be cut off.
            lost: sent.saturating_sub(answered),
            doubled: tally.doubled.get(),
            reordered: tally.reordered.get(),
            unexpected: tally.unexpected.get(),
            state_breaks: tally.state_breaks.get(),
            server_gaps: tally.server_gaps.get(),
            server_doubles: tally.server_doubles.get(),
            held_back: tally.held_back.get(),
            closed: tally.closed.get(),
            closed_by_code: tally.closed_by_code(),
            closed_by_reason: tally.closed_by_reason(),
            accounts: tally.accounts(),
            reconnects: 0,
            server_changes: tally.server_changes.get(),
            sent_per_second: rate(sent),
            answered_per_second: rate(answered),
            answer_ms: tally.answer_times(),
            switch_answer_ms: tally.switch_answer_times(),
            switch_gap_ms: tally.switch_gaps(),
            first_error: tally.first_error(),
        }
    }

    /// Whether every client connected and stayed, and every message had exactly one answer, in order,
    /// from a state that was never lost or doubled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let faults = [
            self.dials_failed,
            self.lost,
            self.doubled,
            self.reordered,
            self.unexpected,
            self.state_breaks,
            self.server_gaps,
            self.server_doubles,
            self.closed,
        ];
        faults.iter().all(|&count| count == 0) && self.connected == u64::from(self.clients)
    }
}
