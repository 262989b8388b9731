//! Which faults struck in which phase.

use std::fmt;

use atlas_world::Phase;

macro_rules! faults {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A fault, or something that a person, server or client does at the wrong time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Fault { $($variant),* }

        const FAULTS: &[&str] = &[$($name),*];
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
    LateTimer "timer late",
    FalseVerdict "health wrong",
    ClientClose "client closed",
    ServerKick "server kicked",
    AdminKick "person kicked",
    AdminTransfer "transfer asked",
    Request "server asked",
    Drain "server drained",
}

const PHASES: [(Phase, &str); 10] = [
    (Phase::Born, "born"),
    (Phase::Attaching, "attach"),
    (Phase::Settled, "settled"),
    (Phase::Preloading, "preload"),
    (Phase::Freezing, "freeze"),
    (Phase::Adopting, "adopt"),
    (Phase::Deciding, "decide"),
    (Phase::Committing, "commit"),
    (Phase::Aborting, "abort"),
    (Phase::FailingOver, "failover"),
];

/// How often each fault struck a session in each phase; `Display` is a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    counts: Vec<[u64; PHASES.len()]>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            counts: vec![[0; PHASES.len()]; FAULTS.len()],
        }
    }
}

impl Coverage {
    pub(super) fn count(&mut self, fault: Fault, phase: Phase) {
        if let Some(column) = PHASES.iter().position(|(it, _)| *it == phase) {
            self.counts[fault as usize][column] += 1;
        }
    }

    /// Adds the counts of other runs.
    pub fn add(&mut self, other: &Self) {
        for (row, more) in self.counts.iter_mut().zip(&other.counts) {
            for (count, more) in row.iter_mut().zip(more) {
                *count += more;
            }
        }
    }

    /// The pairs of fault and phase that never met.
    #[must_use]
    pub fn holes(&self) -> Vec<(&'static str, &'static str)> {
        let mut holes = Vec::new();
        for (row, fault) in self.counts.iter().zip(FAULTS) {
            for (count, (_, phase)) in row.iter().zip(PHASES) {
                if *count == 0 {
                    holes.push((*fault, phase));
                }
            }
        }
        holes
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<22}", "fault \\ phase")?;
        for (_, phase) in PHASES {
            write!(f, "{phase:>9}")?;
        }
        for (row, fault) in self.counts.iter().zip(FAULTS) {
            write!(f, "\n{fault:<22}")?;
            for count in row {
                write!(f, "{count:>9}")?;
            }
        }
        Ok(())
    }
}
