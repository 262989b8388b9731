//! A connection between the edge and a server: ordered both ways, until it breaks.

use std::collections::VecDeque;

use atlas_base::Epoch;
use atlas_world::{Answer, LinkId, Order};

/// To the server.
#[derive(Debug)]
pub(super) enum Up {
    Order {
        epoch: Epoch,
        order: Order,
    },
    /// A client's message, by its number.
    Data(u32),
    Close,
}

/// To the edge.
#[derive(Debug, Clone)]
pub(super) enum Down {
    Answer {
        epoch: Epoch,
        answer: Answer,
    },
    /// A message for the client: the authority's epoch, its count under it, and the newest client message it answers.
    Data {
        epoch: Epoch,
        serial: u64,
        answers: u32,
    },
    Close,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) player: usize,
    pub(super) id: LinkId,
    pub(super) server: usize,
    /// The server's incarnation that the link is to.
    pub(super) incarnation: u32,
    /// The edge has neither closed it nor heard of its end.
    pub(super) edge_has_it: bool,
    pub(super) opened: bool,
    /// Nothing more gets onto it.
    pub(super) broken: bool,
    /// Nothing on it arrives, until it breaks.
    pub(super) hung: bool,
    pub(super) up: VecDeque<(u64, Up)>,
    pub(super) down: VecDeque<Down>,
    pub(super) up_due: u64,
    pub(super) down_due: u64,
}

impl Link {
    pub(super) fn new(player: usize, id: LinkId, server: usize) -> Self {
        Self {
            player,
            id,
            server,
            incarnation: 0,
            edge_has_it: true,
            opened: false,
            broken: false,
            hung: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_due: 0,
            down_due: 0,
        }
    }
}
