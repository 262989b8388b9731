//! What must hold, one file each. They trust nothing of the machine's own view: what servers did and what the client
//! saw is all they judge by.

use atlas_base::Epoch;
use atlas_world::{Command, DetachReason, Phase, Record, ServerId, Settings};

use super::{player::Excuse, server::PlayerState};

mod acting;
mod authority;
mod closing;
mod counts;
mod ends;
mod epochs;
mod input;
mod liveness;
mod output;
mod record;

/// Something that happened to one player.
#[derive(Debug)]
pub(super) enum Fact<'a> {
    /// The machine commanded it.
    Command {
        command: &'a Command,
        excuse: &'a Excuse,
    },
    /// A server begins to act for the player, by `attach` or `commit`, or goes on after an abort.
    Acts {
        server: usize,
        epoch: Epoch,
        thawed: bool,
        /// The order is so old that the edge has long given it up: the server was stalled.
        late: bool,
        /// Another server that acts as well.
        other: Option<usize>,
    },
    /// The acting server took the client's message `n` into the state that was `before`.
    Applied { n: u32, before: PlayerState },
    /// The client saw an output.
    Shown {
        server: usize,
        epoch: Epoch,
        serial: u64,
    },
    /// `frozen` counts (received, sent) since the authority began.
    Counts {
        server: (u64, u64),
        edge: (u64, u64),
    },
    /// The directory stored a record.
    Stored { record: Record },
    /// The machine took an event.
    Stepped {
        phase: Phase,
        server: ServerId,
        truth: Option<Record>,
        /// Requests to the directory that are not over.
        pending: u32,
        /// No server has more places given back than taken.
        free_place: bool,
    },
    /// The player was taken from the acting server, which had `state`; the client had sent `sent` messages.
    Left {
        reason: DetachReason,
        state: PlayerState,
        sent: u32,
    },
    /// The liveness phase is over. `state` is what the session's server has.
    End {
        closed: bool,
        settled: bool,
        phase: Phase,
        paused: bool,
        sent: u32,
        answered: u32,
        state: PlayerState,
    },
}

/// One invariant for one player.
trait Invariant {
    fn name(&self) -> &'static str;

    /// Judges a fact; the text says what is wrong.
    fn see(&mut self, now: u64, fact: &Fact<'_>) -> Result<(), String>;
}

/// All invariants, for each player.
pub(super) struct Oracle {
    players: Vec<Vec<Box<dyn Invariant>>>,
}

impl Oracle {
    pub(super) fn new(players: usize, settings: &Settings) -> Self {
        let all = || -> Vec<Box<dyn Invariant>> {
            vec![
                Box::new(authority::OneAuthority::default()),
                Box::new(acting::OneActs),
                Box::new(input::EachInputOnce::default()),
                Box::new(output::OutputInOrder::default()),
                Box::new(counts::CountsAgree),
                Box::new(closing::ClientStays::new(settings)),
                Box::new(epochs::EpochsOnce::default()),
                Box::new(record::RecordAgrees::default()),
                Box::new(ends::TransfersEnd::default()),
                Box::new(liveness::EverybodySettles),
            ]
        };
        Self {
            players: (0..players).map(|_| all()).collect(),
        }
    }

    /// The first broken invariant, as text.
    pub(super) fn see(&mut self, now: u64, player: usize, fact: &Fact<'_>) -> Option<String> {
        self.players[player].iter_mut().find_map(|invariant| {
            let wrong = invariant.see(now, fact).err()?;
            Some(format!("{}, player {player}: {wrong}", invariant.name()))
        })
    }
}
