//! What must hold, one file each. They trust nothing of the machine's own view: what servers did and what the client
//! saw is all they judge by.

use atlas_base::Epoch;
use atlas_world::{Command, DetachReason, LinkId, Phase, Record, ServerId, Settings};

use super::{machine::Kind, player::Excuse, server::PlayerState};

mod acting;
mod authority;
mod closing;
mod counts;
mod ends;
mod epochs;
mod input;
mod liveness;
mod output;
mod plain_input;
mod plain_output;
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
    },
    /// The player was taken from the acting server, which had `state`; the client had sent `sent` messages.
    Left {
        reason: DetachReason,
        state: PlayerState,
        sent: u32,
    },
    /// A plain server read a client's message.
    PlainTook {
        link: LinkId,
        n: u32,
        /// It is a join that the edge said again.
        again: bool,
        /// How many joins the server has heard on this link before, and how many there are.
        joins: (u32, u32),
        /// A server where the player still is as this one hears of it, though it was to be left first.
        elsewhere: Option<usize>,
    },
    /// The client saw the output `serial` of a plain link.
    PlainShown {
        link: LinkId,
        serial: u64,
        /// An older link is still open.
        older_open: bool,
    },
    /// A plain server closed, after `said` messages to the client.
    PlainEnded { link: LinkId, said: u64 },
    /// A plain server that has the player closed it by itself; whether the session is over.
    Kicked { closed: bool },
    /// Another edge takes the session over: what this one's client sees and says is no matter any more.
    Rival,
    /// The edge's task died: nothing more may come of it.
    EdgeDied,
    /// The liveness phase is over. `state` is what the session's server has.
    End {
        closed: bool,
        settled: bool,
        phase: Phase,
        paused: bool,
        sent: u32,
        answered: u32,
        /// It was to be closed.
        kicked: bool,
        state: PlayerState,
    },
}

/// One invariant for one player.
trait Invariant {
    fn name(&self) -> &'static str;

    /// Whether it holds even after another edge has taken the session over, or this one has died.
    fn outlives(&self) -> bool {
        true
    }

    /// Judges a fact; the text says what is wrong.
    fn see(&mut self, now: u64, fact: &Fact<'_>) -> Result<(), String>;
}

/// All invariants, for each player.
pub(super) struct Oracle {
    players: Vec<Judges>,
}

/// Those of one player.
struct Judges {
    invariants: Vec<Box<dyn Invariant>>,
    /// Another edge has the session, or this one has died: the client is gone from here.
    client_left: bool,
}

impl Oracle {
    pub(super) fn new(kinds: &[Kind], settings: &Settings) -> Self {
        let all = |kind: &Kind| {
            let mut all: Vec<Box<dyn Invariant>> = vec![
                Box::new(closing::ClientStays::new(*kind, settings)),
                Box::new(epochs::EpochsOnce::default()),
                Box::new(record::RecordAgrees::default()),
                Box::new(ends::TransfersEnd::default()),
                Box::new(liveness::EverybodySettles),
            ];
            match kind {
                Kind::Cooperative => {
                    all.push(Box::new(authority::OneAuthority::default()));
                    all.push(Box::new(acting::OneActs));
                    all.push(Box::new(input::EachInputOnce::default()));
                    all.push(Box::new(output::OutputInOrder::default()));
                    all.push(Box::new(counts::CountsAgree));
                }
                Kind::Plain => {
                    all.push(Box::new(plain_input::OneServerReads::default()));
                    all.push(Box::new(plain_output::OutputToTheEnd::default()));
                }
            }
            Judges {
                invariants: all,
                client_left: false,
            }
        };
        Self {
            players: kinds.iter().map(all).collect(),
        }
    }

    /// The first broken invariant, as text.
    pub(super) fn see(&mut self, now: u64, player: usize, fact: &Fact<'_>) -> Option<String> {
        let Judges {
            invariants,
            client_left,
        } = &mut self.players[player];
        *client_left |= matches!(fact, Fact::Rival | Fact::EdgeDied);
        invariants
            .iter_mut()
            .filter(|invariant| !*client_left || invariant.outlives())
            .find_map(|invariant| {
                let wrong = invariant.see(now, fact).err()?;
                Some(format!("{}, player {player}: {wrong}", invariant.name()))
            })
    }
}
