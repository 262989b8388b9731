//! A command's arguments: byte ranges of one buffer.

use std::ops::Range;

/// The arguments of one command, its name first: ranges of a buffer that somebody else owns.
///
/// Every range lies inside the buffer; whoever builds it answers for that ([`Arguments::new`] checks in debug builds).
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    ranges: &'a [Range<u32>],
}

impl<'a> Arguments<'a> {
    /// Arguments that lie at `ranges` of `bytes`.
    pub fn new(bytes: &'a [u8], ranges: &'a [Range<u32>]) -> Self {
        debug_assert!(
            ranges
                .iter()
                .all(|range| range.start <= range.end && range.end as usize <= bytes.len()),
            "an argument lies outside its buffer"
        );
        Self { bytes, ranges }
    }

    /// How many there are, the name included.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True without even a name.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The argument at `position` (0 is the command's name), if there is one.
    pub fn get(&self, position: usize) -> Option<&'a [u8]> {
        let range = self.ranges.get(position)?;
        self.bytes.get(range.start as usize..range.end as usize)
    }

    /// The argument at `position`, which the command's arity says is there; empty otherwise.
    pub fn at(&self, position: usize) -> &'a [u8] {
        self.get(position).unwrap_or_default()
    }

    /// The command's name as it was sent.
    pub fn name(&self) -> &'a [u8] {
        self.at(0)
    }

    /// All arguments in order, the name first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + use<'a> {
        let bytes = self.bytes;
        self.ranges.iter().map(move |range| {
            bytes
                .get(range.start as usize..range.end as usize)
                .unwrap_or_default()
        })
    }

    /// The arguments from `position` on; none if there are not so many.
    pub fn skip(&self, position: usize) -> Self {
        self.part(position..self.len())
    }

    /// The arguments at `positions`, cut to those that exist.
    pub fn part(&self, positions: Range<usize>) -> Self {
        let end = positions.end.min(self.len());
        let start = positions.start.min(end);
        Self {
            bytes: self.bytes,
            ranges: &self.ranges[start..end],
        }
    }

    /// True if the argument at `position` is `word`, whatever the case of its ASCII letters.
    pub fn is(&self, position: usize, word: &str) -> bool {
        self.get(position)
            .is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The bytes of all arguments together.
    pub fn bytes_len(&self) -> usize {
        self.ranges
            .iter()
            .map(|range| (range.end - range.start) as usize)
            .sum()
    }
}

/// Arguments that own their bytes: a queued command, a record read back, a test's command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgumentBuffer {
    bytes: Vec<u8>,
    ranges: Vec<Range<u32>>,
}

impl ArgumentBuffer {
    /// A buffer without arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies the given arguments.
    pub fn of<A: AsRef<[u8]>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut buffer = Self::new();
        for argument in arguments {
            buffer.push(argument.as_ref());
        }
        buffer
    }

    /// Appends one argument.
    pub fn push(&mut self, argument: &[u8]) {
        let start = self.end();
        self.bytes.extend_from_slice(argument);
        self.ranges.push(start..self.end());
    }

    /// Forgets all arguments and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    /// The bytes that the arguments' ranges are of.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the bytes each argument is.
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.ranges
    }

    /// The arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::new(&self.bytes, &self.ranges)
    }

    fn end(&self) -> u32 {
        // Commands are at most a gigabyte: the decoder's limits see to it.
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }
}

impl From<Arguments<'_>> for ArgumentBuffer {
    fn from(arguments: Arguments<'_>) -> Self {
        Self::of(arguments.iter())
    }
}
