//! One record of the log: what was decided to be done, with all that doing it again needs.

mod codec;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

/// What a record is. The number of each is its byte in the log.
///
/// Those that say so take the next index of their group; the others stand beside the indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Kind {
    /// A command of a client. Takes an index.
    Command = 1,
    /// Keys whose time is over. Takes an index.
    Expire = 2,
    /// Keys that make room for others. Takes an index.
    Evict = 3,
    /// Waiting clients are served from keys that a command touched without naming them. Takes an index.
    Serve = 4,
    /// The record whose index the first argument is (8 bytes, little-endian) is not applied. Takes an index.
    Skip = 5,
    /// Who belongs to the group. Takes an index.
    Membership = 6,
    /// The term that the node has seen and whom it voted for in it (`leader`); the newest counts.
    Vote = 7,
    /// Up to which index the group's records are committed, as far as the node knew; the newest counts.
    Committed = 8,
    /// The group's records from this index on do not count any more; the index comes again.
    Truncate = 9,
    /// A snapshot covers the group's records up to this index.
    Purge = 10,
    /// Nothing; a new leader's first. Takes an index.
    #[default]
    Blank = 11,
}

impl Kind {
    /// Every kind, by its number.
    pub const ALL: [Self; 11] = [
        Self::Command,
        Self::Expire,
        Self::Evict,
        Self::Serve,
        Self::Skip,
        Self::Membership,
        Self::Vote,
        Self::Committed,
        Self::Truncate,
        Self::Purge,
        Self::Blank,
    ];

    /// Whether such a record takes the next index of its group.
    #[must_use]
    pub const fn takes_index(self) -> bool {
        !matches!(
            self,
            Self::Vote | Self::Committed | Self::Truncate | Self::Purge
        )
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its name, as `atlas store dump` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Expire => "expire",
            Self::Evict => "evict",
            Self::Serve => "serve",
            Self::Skip => "skip",
            Self::Membership => "membership",
            Self::Vote => "vote",
            Self::Committed => "committed",
            Self::Truncate => "truncate",
            Self::Purge => "purge",
            Self::Blank => "blank",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record, borrowed from whoever encodes it or from the bytes that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record<'a> {
    /// The group that it belongs to.
    pub group: u64,
    /// The term of the leader that made it; 1 on a node that is alone.
    pub term: u64,
    /// That leader's node id; of a vote, whom it is for.
    pub leader: u64,
    /// Its index in the group, from 1; of kinds that take none, the index that they speak of.
    pub index: u64,
    /// What it is.
    pub kind: Kind,
    /// The database that the command runs in.
    pub database: u32,
    /// The user who sent it; empty is the default user.
    pub user: &'a [u8],
    /// The connection that sent it, as the leader numbers them; 0 is none.
    pub client: u64,
    /// Tells a command that is sent again from a new one; 0 is none.
    pub request_id: u128,
    /// How much work a script may do.
    pub fuel: u64,
    /// Bits for whoever applies it; kept as they are.
    pub flags: u32,
    /// The leader's clock: milliseconds since 1970.
    pub now_ms: u64,
    /// Where randomness begins; 0 is none.
    pub seed: u64,
    /// Waiting clients who may be served by it: the number of the wait, and how many of the arguments are its command;
    /// these stand behind the record's own.
    pub serve: &'a [(u64, u32)],
    /// The command's name and arguments, or what the kind has in their place.
    pub arguments: Arguments<'a>,
}

impl<'a> Record<'a> {
    /// Which index a record of kind `skip` leaves out.
    #[must_use]
    pub fn skipped_index(&self) -> Option<u64> {
        let bytes = self.arguments.get(0)?;
        (self.kind == Kind::Skip)
            .then(|| bytes.try_into().ok().map(u64::from_le_bytes))
            .flatten()
    }

    /// Appends the record's bytes to `to`, without its length in front. Nothing is appended if it fails.
    ///
    /// # Errors
    /// [`crate::Error::Record`]: it is 4 GiB or larger, or a range lies outside the arguments' bytes.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), crate::Error> {
        codec::encode(self, to)
    }

    /// Reads a record's bytes, all of them; lists are put into `scratch`, which is emptied first.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<Self, &'static str> {
        codec::decode(bytes, scratch)
    }

    /// A copy that owns what it has.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            record: Record {
                user: &[],
                serve: &[],
                arguments: Arguments::default(),
                ..*self
            },
            user: self.user.into(),
            serve: self.serve.into(),
            arguments: self.arguments.iter().map(Into::into).collect(),
        }
    }
}

/// Arguments as ranges of one run of bytes: from the first byte to the one behind the last.
#[derive(Clone, Copy, Default)]
pub struct Arguments<'a> {
    /// The bytes that the ranges are of; there may be others between them.
    pub bytes: &'a [u8],
    /// Of each argument where it begins, and where it ends (exclusive).
    pub ranges: &'a [Range<u32>],
}

impl<'a> Arguments<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Argument `at`, if there is one and its range lies within the bytes.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        let range = self.ranges.get(at)?;
        self.bytes.get(range.start as usize..range.end as usize)
    }

    /// All of them in order; ends at the first whose range lies outside the bytes.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let this = *self;
        (0..this.len()).map_while(move |at| this.get(at))
    }
}

impl PartialEq for Arguments<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Arguments<'_> {}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.iter()
                    .map(<[u8]>::escape_ascii)
                    .map(|text| text.to_string()),
            )
            .finish()
    }
}

/// Room for the lists of a record that is read; reused from record to record.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    ranges: Vec<Range<u32>>,
    serve: Vec<(u64, u32)>,
}

/// A record that owns what it has: what the log keeps of votes, and what tests compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    record: Record<'static>,
    user: Vec<u8>,
    serve: Vec<(u64, u32)>,
    arguments: Vec<Vec<u8>>,
}

impl OwnedRecord {
    /// The fields that are plain values; its lists are empty.
    #[must_use]
    pub const fn plain(&self) -> &Record<'static> {
        &self.record
    }

    /// The user who sent it.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// Waiting clients who may be served by it.
    #[must_use]
    pub fn serve(&self) -> &[(u64, u32)] {
        &self.serve
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &[Vec<u8>] {
        &self.arguments
    }

    /// Hands `use_it` the record.
    pub fn with<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        let mut bytes = Vec::new();
        let mut ranges = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(argument);
            ranges.push(start..bytes.len() as u32);
        }
        use_it(&Record {
            user: &self.user,
            serve: &self.serve,
            arguments: Arguments {
                bytes: &bytes,
                ranges: &ranges,
            },
            ..self.record
        })
    }
}
