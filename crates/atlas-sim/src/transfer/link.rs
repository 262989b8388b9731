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
    /// A join message that the edge replays.
    Join(u32),
    Ping(u32),
    /// The edge's close frame.
    End(u16),
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
    Pong(u32),
    /// A plain server's close frame.
    End(u16),
    Close,
    /// The connection is lost in the middle of a message to the client.
    Cut,
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
    /// Nothing on it reaches the server until then.
    pub(super) late_until: u64,
    /// Another edge's: nobody listens.
    pub(super) rival: bool,
    /// The newest order that its server took, but for pings, and the answer to it.
    pub(super) last_order: Option<(Epoch, Option<Answer>)>,
    pub(super) up: VecDeque<(u64, Up)>,
    pub(super) down: VecDeque<Down>,
    pub(super) up_due: u64,
    pub(super) down_due: u64,
    /// A plain link's items that have come and are not read yet.
    pub(super) unread: usize,
    pub(super) side: PlainSide,
}

/// What a plain server keeps of a connection.
#[derive(Debug, Default)]
pub(super) struct PlainSide {
    /// The server has heard of the player.
    pub(super) present: bool,
    /// How many joins it has heard.
    pub(super) joins: u32,
    /// The server has closed, or was told that the edge has.
    pub(super) closed: bool,
    /// It closed by itself, before it was told to.
    pub(super) kicked: bool,
    /// Messages to the client so far.
    pub(super) serial: u64,
    /// The newest client message.
    pub(super) last: u32,
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
            late_until: 0,
            rival: false,
            last_order: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_due: 0,
            down_due: 0,
            unread: 0,
            side: PlainSide::default(),
        }
    }

    /// Whether something can still come over it.
    pub(super) fn is_open(&self) -> bool {
        self.opened && self.edge_has_it && !self.broken && !self.hung
    }
}
