//! A game server that keeps the fencing rules of `docs/formats/link.md`.

use atlas_base::{Epoch, TransferId};
use atlas_world::{Answer, Order, State};

use super::link::Down;

/// A game server: what it forgets when it crashes.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) up: bool,
    /// A crashed machine answers nothing; a crashed process has its dials refused.
    pub(super) machine_gone: bool,
    pub(super) incarnation: u32,
    /// It does nothing until then.
    pub(super) stalled_until: u64,
    /// By player.
    pub(super) seats: Vec<Seat>,
}

impl Server {
    pub(super) fn new(players: usize) -> Self {
        Self {
            up: true,
            machine_gone: false,
            incarnation: 0,
            stalled_until: 0,
            seats: vec![Seat::default(); players],
        }
    }

    pub(super) fn crash(&mut self, machine_gone: bool) {
        self.up = false;
        self.machine_gone = machine_gone;
        self.incarnation += 1;
        self.stalled_until = 0;
        self.seats.fill(Seat::default());
    }
}

/// One player at a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Seat {
    /// The highest epoch of any message accepted, over all links.
    pub(super) newest: Epoch,
    /// The highest epoch under which the player was attached or adopted here.
    pub(super) taken: Epoch,
    pub(super) role: Role,
    /// The epoch that the server acts, or acted last, under.
    pub(super) epoch: Epoch,
    pub(super) link: Option<usize>,
    pub(super) state: PlayerState,
    /// When the last thing heard was heard, and when it had been sent.
    pub(super) heard_at: u64,
    pub(super) heard_sent_at: u64,
    pub(super) received: u64,
    /// Messages to the client since `attach` or `commit`.
    pub(super) sent: u64,
    pub(super) checkpointed_at: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Role {
    #[default]
    None,
    Adopted {
        transfer: TransferId,
        state: PlayerState,
    },
    Acting,
    Frozen {
        transfer: TransferId,
    },
}

/// A player's state: which of its messages are in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PlayerState {
    /// The number of the newest message in it.
    pub(super) last: u32,
    /// How many messages are in it.
    pub(super) applied: u32,
}

impl PlayerState {
    pub(super) fn to_state(self) -> State {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.last.to_le_bytes());
        bytes[4..].copy_from_slice(&self.applied.to_le_bytes());
        State::from(bytes.as_slice())
    }

    fn from_state(state: &State) -> Self {
        let word = |from: usize| {
            state
                .get(from..from + 4)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        Self {
            last: word(0),
            applied: word(4),
        }
    }
}

/// What an order did at the server.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) answer: Option<Answer>,
    /// The server acts for the player from now on.
    pub(super) acts: bool,
    /// The player was taken from the acting server.
    pub(super) left: bool,
    /// An older link that the order closes.
    pub(super) closes: Option<usize>,
}

impl Seat {
    /// Whether the server acts for the player at `now`, by its own clock.
    pub(super) fn acts(&self, now: u64, lease_ms: u64) -> bool {
        self.role == Role::Acting && now < self.heard_at + lease_ms
    }

    /// Takes an order that came on `link`; `refuse` makes a server say no where it may.
    pub(super) fn take(
        &mut self,
        link: usize,
        epoch: Epoch,
        order: &Order,
        refuse: bool,
    ) -> Effect {
        let mut effect = Effect {
            answer: None,
            acts: false,
            left: false,
            closes: None,
        };
        let refused = |reason: &str, newest: Option<Epoch>| {
            Some(Answer::Refused {
                reason: reason.into(),
                newest,
            })
        };
        let newest = self.newest.max(self.taken);
        let holds = self.link == Some(link);
        let stale = epoch < self.newest || !holds;
        match order {
            Order::Attach { .. } | Order::Adopt { .. }
                if epoch <= self.taken || epoch < self.newest =>
            {
                effect.answer = refused("stale", Some(newest));
            }
            Order::Attach { .. } | Order::Adopt { .. } if refuse => {
                effect.answer = refused("full", None);
            }
            Order::Attach { state, .. } => {
                effect.closes = self.move_to(link, epoch);
                self.role = Role::Acting;
                self.epoch = epoch;
                self.state = state
                    .as_ref()
                    .map(PlayerState::from_state)
                    .unwrap_or_default();
                (self.received, self.sent) = (0, 0);
                effect.acts = true;
                effect.answer = Some(Answer::Attached {
                    has_state: state.is_some(),
                });
            }
            Order::Adopt {
                transfer, state, ..
            } => {
                effect.closes = self.move_to(link, epoch);
                self.role = Role::Adopted {
                    transfer: *transfer,
                    state: PlayerState::from_state(state),
                };
                effect.answer = Some(Answer::Adopted {
                    transfer: *transfer,
                });
            }
            Order::Freeze { .. } | Order::Commit { .. } if stale => {
                effect.answer = refused("stale", Some(newest));
            }
            Order::Freeze { transfer } => match self.role {
                Role::Acting | Role::Frozen { .. } if !refuse => {
                    self.newest = epoch;
                    self.role = Role::Frozen {
                        transfer: *transfer,
                    };
                    effect.answer = Some(Answer::Frozen {
                        transfer: *transfer,
                        state: self.state.to_state(),
                        received: self.received,
                        sent: self.sent,
                    });
                }
                _ => effect.answer = refused("busy", None),
            },
            Order::Commit { transfer, .. } => match self.role {
                Role::Adopted {
                    transfer: adopted,
                    state,
                } if adopted == *transfer && epoch == self.taken && !refuse => {
                    self.role = Role::Acting;
                    self.epoch = epoch;
                    self.state = state;
                    (self.received, self.sent) = (0, 0);
                    effect.acts = true;
                    effect.answer = Some(Answer::Committed {
                        transfer: *transfer,
                    });
                }
                Role::Adopted { .. } if refuse => {
                    self.role = Role::None;
                    effect.answer = refused("forgotten", None);
                }
                _ => effect.answer = refused("not adopted", None),
            },
            Order::Abort { .. } | Order::Detach { .. } if stale => {}
            Order::Abort { transfer } => match self.role {
                Role::Frozen { transfer: frozen } if frozen == *transfer => {
                    self.newest = epoch;
                    self.role = Role::Acting;
                    self.epoch = epoch;
                    effect.acts = true;
                }
                Role::Adopted {
                    transfer: adopted, ..
                } if adopted == *transfer => {
                    self.newest = epoch;
                    self.role = Role::None;
                }
                _ => {}
            },
            Order::Detach { .. } => {
                self.newest = epoch;
                effect.left = self.role == Role::Acting;
                self.role = Role::None;
            }
            Order::Preload { .. } => effect.answer = Some(Answer::Preloaded),
            Order::Leaving { .. } | Order::TransferResult { .. } | Order::Ping => {}
        }
        effect
    }

    fn move_to(&mut self, link: usize, epoch: Epoch) -> Option<usize> {
        self.newest = epoch;
        self.taken = epoch;
        self.link.replace(link).filter(|older| *older != link)
    }

    /// Knows the epoch of another edge's attempt.
    pub(super) fn knows(&mut self, epoch: Epoch) {
        self.newest = self.newest.max(epoch);
        self.taken = self.taken.max(epoch);
    }

    /// The next message to the client.
    pub(super) fn output(&mut self) -> Down {
        self.sent += 1;
        Down::Data {
            epoch: self.epoch,
            serial: self.sent,
            answers: self.state.last,
        }
    }
}
