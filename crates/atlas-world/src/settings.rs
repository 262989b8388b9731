//! The rules of a world's transfers.

use std::time::Duration;

/// The rules of a world's transfers: `[world.NAME.transfer]` in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How far past the border a position must lie before it moves the player, in world units.
    pub hysteresis: f64,
    /// The least time between two transfers of one session for [`Reason::Region`](crate::Reason::Region) and
    /// [`Reason::Balance`](crate::Reason::Balance); doubles with each failure, up to 32 times.
    pub min_interval: Duration,
    /// How long a dial may take.
    pub dial_timeout: Duration,
    /// How long a source may take to answer `freeze`.
    pub freeze_timeout: Duration,
    /// How long a target may take to answer `adopt`, and a server to answer `attach`.
    pub adopt_timeout: Duration,
    /// How long a target may take to answer `commit`.
    pub commit_timeout: Duration,
    /// After hearing nothing for so long an authority stops acting; a failover from a server that may live waits it
    /// out, and a quarter of it more for what is still on its way.
    pub lease: Duration,
    /// How long servers remember a player without a link; also how long a session looks for a server before its
    /// client is closed with 1013.
    pub orphan_window: Duration,
    /// How long an unknown outcome of a compare-and-set is read back before the client is closed with 1013.
    pub unknown_outcome_max: Duration,
    /// Bound of the client's input held during a transfer, and of the input kept for a failover, in bytes each. Past
    /// it the client is paused, and kept input is given up.
    pub held_input_bytes_max: usize,
    /// Positions that claim a faster movement than this move nobody, in world units a second; 0 is unbounded.
    pub max_speed: f64,
    /// A standby link is opened once the border is this near in time; zero never.
    pub preload_within: Duration,
    /// Plain servers: how long a source may take to answer the ping that tells it is empty, and then to close.
    pub linger: Duration,
    /// Plain servers: which comes first, leaving the one or joining the other.
    pub plain_order: PlainOrder,
}

/// In which order a plain player changes servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PlainOrder {
    /// The source is left before the target is joined: the player is never at both.
    #[default]
    LeaveFirst,
    /// The target is joined before the source is left: for games that need it. The player is at both for a moment.
    JoinFirst,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hysteresis: 25.0,
            min_interval: Duration::from_secs(2),
            dial_timeout: Duration::from_secs(1),
            freeze_timeout: Duration::from_secs(1),
            adopt_timeout: Duration::from_secs(1),
            commit_timeout: Duration::from_secs(1),
            lease: Duration::from_secs(5),
            orphan_window: Duration::from_secs(60),
            unknown_outcome_max: Duration::from_secs(30),
            held_input_bytes_max: 262_144,
            max_speed: 0.0,
            preload_within: Duration::from_secs(3),
            linger: Duration::from_millis(500),
            plain_order: PlainOrder::LeaveFirst,
        }
    }
}
