//! Which faults struck in which phase, for each kind of session.

use std::fmt;

use atlas_world::Phase;

use super::machine::Kind;

macro_rules! faults {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A fault, or something that a person, server or client does at the wrong time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Fault { $($variant),* }

        /// All of them, with their names.
        pub(super) const FAULTS: &[(Fault, &str)] = &[$((Fault::$variant, $name)),*];
    };
}

faults! {
    LostLink "link lost",
    HungLink "link hung",
    Crash "server crashed",
    Stall "server stalled",
    Refusal "server refused",
    SlowAnswer "answer late",
    DoubledAnswer "answer doubled",
    LateOrder "order late",
    DoubledOrder "order doubled",
    NoPong "pong missing",
    NoClose "close unanswered",
    CutMessage "output cut",
    LongInput "input unfinished",
    Chatter "output from a standby",
    StaleEpoch "epoch stale",
    FailedDial "dial failed",
    CasRefused "store refused",
    CasLost "store lost",
    CasUnanswered "store unanswered",
    CasLate "store late",
    ReadUnknown "read unanswered",
    Outage "directory away",
    EdgeStall "edge stalled",
    EdgeCrash "edge crashed in a step",
    Rival "another edge takes over",
    LateTimer "timer late",
    FalseVerdict "health wrong",
    ClientClose "client closed",
    ServerKick "server kicked",
    AdminKick "person kicked",
    AdminTransfer "transfer asked",
    Request "server asked",
    Drain "server drained",
}

/// The phases, in the order of the table.
pub(super) const PHASES: [(Phase, &str); 11] = [
    (Phase::Born, "born"),
    (Phase::Attaching, "attach"),
    (Phase::Settled, "settled"),
    (Phase::Preloading, "preload"),
    (Phase::Freezing, "freeze"),
    (Phase::Adopting, "adopt"),
    (Phase::Leaving, "leave"),
    (Phase::Deciding, "decide"),
    (Phase::Committing, "commit"),
    (Phase::Aborting, "abort"),
    (Phase::FailingOver, "failover"),
];

/// Both kinds, with their names.
pub(super) const KINDS: [(Kind, &str); 2] =
    [(Kind::Cooperative, "cooperative"), (Kind::Plain, "plain")];

/// Whether sessions of this kind can meet the fault at all.
pub(super) fn meets(kind: Kind, fault: Fault) -> bool {
    use Fault::{
        Chatter, CutMessage, DoubledAnswer, DoubledOrder, LateOrder, LongInput, NoClose, NoPong,
        Refusal, Request, SlowAnswer, StaleEpoch,
    };
    match fault {
        Refusal | SlowAnswer | DoubledAnswer | LateOrder | DoubledOrder | StaleEpoch | Request => {
            kind == Kind::Cooperative
        }
        NoPong | NoClose | CutMessage | LongInput => kind == Kind::Plain,
        Chatter => true,
        _ => true,
    }
}

/// Whether sessions of this kind are ever in this phase.
pub(super) fn knows(kind: Kind, phase: Phase) -> bool {
    match phase {
        Phase::Leaving => kind == Kind::Plain,
        Phase::Attaching | Phase::Adopting | Phase::Committing | Phase::Aborting => {
            kind == Kind::Cooperative
        }
        _ => true,
    }
}

/// Why the fault cannot strike a session of this kind in this phase, whatever is drawn; none if it can.
pub(super) fn impossible(kind: Kind, fault: Fault, phase: Phase) -> Option<&'static str> {
    use Phase::{
        Aborting, Adopting, Attaching, Born, Committing, Deciding, FailingOver, Freezing, Leaving,
        Preloading, Settled,
    };
    let plain = kind == Kind::Plain;
    match fault {
        Fault::CasRefused | Fault::CasLost | Fault::CasUnanswered | Fault::ReadUnknown => {
            (!matches!(phase, Born | Deciding | Aborting | FailingOver))
                .then_some("nothing is asked of the directory")
        }
        Fault::FailedDial => match phase {
            Born | Preloading | FailingOver => None,
            _ => Some("nothing is dialled"),
        },
        Fault::Refusal | Fault::LateOrder => match phase {
            Born | Deciding | Aborting => Some("every order has its answer"),
            _ => None,
        },
        Fault::Chatter => match phase {
            Settled => Some("no link but the server's is open"),
            Aborting => Some("no link but the frozen server's is open"),
            Preloading if plain => Some("no link but the server's is open"),
            _ => None,
        },
        Fault::NoPong => (phase != Freezing).then_some("no pong is waited for"),
        Fault::NoClose => (phase != Leaving).then_some("no close is waited for"),
        Fault::CutMessage => match phase {
            Born | Deciding | FailingOver => Some("no link is read"),
            _ => None,
        },
        Fault::LongInput => match phase {
            Born | Leaving => Some("the client stands between messages"),
            _ => None,
        },
        _ => None,
    }
    .filter(|_| !matches!(phase, Attaching | Adopting | Committing) || !plain)
}

/// How often each fault struck a session of each kind in each phase; `Display` is a table, with `–` where a pair cannot
/// be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    counts: [Vec<[u64; PHASES.len()]>; 2],
}

/// A kind, a fault and a phase, by name.
pub type Pair = (&'static str, &'static str, &'static str);

impl Default for Coverage {
    fn default() -> Self {
        let none = || vec![[0; PHASES.len()]; FAULTS.len()];
        Self {
            counts: [none(), none()],
        }
    }
}

impl Coverage {
    pub(super) fn count(&mut self, kind: Kind, fault: Fault, phase: Phase) {
        if let Some(column) = PHASES.iter().position(|(it, _)| *it == phase) {
            self.counts[kind as usize][fault as usize][column] += 1;
        }
    }

    /// Adds the counts of other runs.
    pub fn add(&mut self, other: &Self) {
        for (table, more) in self.counts.iter_mut().zip(&other.counts) {
            for (row, more) in table.iter_mut().zip(more) {
                for (count, more) in row.iter_mut().zip(more) {
                    *count += more;
                }
            }
        }
    }

    /// Every pair of fault and phase that a kind of session has, with how often it was met and why it cannot be.
    fn pairs(&self) -> impl Iterator<Item = (Pair, u64, Option<&'static str>)> + '_ {
        KINDS.into_iter().flat_map(move |(kind, kind_name)| {
            FAULTS
                .iter()
                .filter(move |(fault, _)| meets(kind, *fault))
                .flat_map(move |(fault, fault_name)| {
                    PHASES
                        .iter()
                        .enumerate()
                        .filter(move |(_, (phase, _))| knows(kind, *phase))
                        .map(move |(column, (phase, phase_name))| {
                            (
                                (kind_name, *fault_name, *phase_name),
                                self.counts[kind as usize][*fault as usize][column],
                                impossible(kind, *fault, *phase),
                            )
                        })
                })
        })
    }

    /// The pairs that can be and never met.
    #[must_use]
    pub fn holes(&self) -> Vec<Pair> {
        self.pairs()
            .filter(|(_, count, reason)| *count == 0 && reason.is_none())
            .map(|(pair, ..)| pair)
            .collect()
    }

    /// The pairs said to be impossible that met all the same: the reason is wrong.
    #[must_use]
    pub fn wrong(&self) -> Vec<Pair> {
        self.pairs()
            .filter(|(_, count, reason)| *count > 0 && reason.is_some())
            .map(|(pair, ..)| pair)
            .collect()
    }

    /// The pairs that cannot be, with the reason.
    #[must_use]
    pub fn reasons(&self) -> Vec<(Pair, &'static str)> {
        self.pairs()
            .filter_map(|(pair, _, reason)| Some((pair, reason?)))
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, name) in KINDS {
            if kind != Kind::Cooperative {
                write!(f, "\n\n")?;
            }
            write!(f, "{:<24}", format!("{name}: fault \\ phase"))?;
            for (phase, name) in PHASES {
                if knows(kind, phase) {
                    write!(f, "{name:>9}")?;
                }
            }
            for (fault, name) in FAULTS {
                if !meets(kind, *fault) {
                    continue;
                }
                write!(f, "\n{name:<24}")?;
                for (column, (phase, _)) in PHASES.iter().enumerate() {
                    if !knows(kind, *phase) {
                        continue;
                    }
                    let count = self.counts[kind as usize][*fault as usize][column];
                    match impossible(kind, *fault, *phase) {
                        Some(_) if count == 0 => write!(f, "{:>9}", "–")?,
                        _ => write!(f, "{count:>9}")?,
                    }
                }
            }
        }
        Ok(())
    }
}
