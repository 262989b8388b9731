//! Ranges of sorted sets: by rank, by score, by member.

use crate::number;
use crate::sorted_set::SortedSet;
use crate::value::Collection;
use crate::{Arguments, Error};

/// What a range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Member,
}

/// An end of a range of scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreBound {
    score: f64,
    is_excluded: bool,
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug)]
pub(super) enum MemberBound<'a> {
    /// Below every member.
    Lowest,
    /// Above every member.
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

/// A range, its lower end first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Range<'a> {
    /// Ranks; negative ones count from the end.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Members(MemberBound<'a>, MemberBound<'a>),
}

/// Where a range lies in a sorted set: so many rows are skipped, so many belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) skip: usize,
    pub(super) count: usize,
}

impl<'a> Range<'a> {
    /// The range whose ends are the arguments at two positions.
    pub(super) fn parse(
        by: By,
        arguments: &Arguments<'a>,
        lower: usize,
        upper: usize,
    ) -> Result<Self, Error> {
        let (lower, upper) = (arguments.at(lower), arguments.at(upper));
        match by {
            By::Rank => {
                let lower = number::integer(lower).ok_or(Error::NotInteger)?;
                let upper = number::integer(upper).ok_or(Error::NotInteger)?;
                Ok(Self::Ranks(lower, upper))
            }
            By::Score => ScoreBound::parse(lower)
                .zip(ScoreBound::parse(upper))
                .map(|(lower, upper)| Self::Scores(lower, upper))
                .ok_or(Error::fixed("ERR min or max is not a float")),
            By::Member => MemberBound::parse(lower)
                .zip(MemberBound::parse(upper))
                .map(|(lower, upper)| Self::Members(lower, upper))
                .ok_or(Error::fixed("ERR min or max not valid string range item")),
        }
    }

    /// Where the range lies; counted from the last row down if `is_reverse`. Ranks count from there, too.
    pub(super) fn span(&self, set: &SortedSet, is_reverse: bool) -> Span {
        let len = set.len();
        let (start, end) = match *self {
            Self::Ranks(first, last) => {
                let (start, end) = (rank(first, len), rank(last.saturating_add(1), len));
                // The rank behind the last but one from the end is the end, not the beginning.
                let end = if last == -1 { len } else { end };
                return Span::new(start, end);
            }
            Self::Scores(lower, upper) => (
                set.rank_of_score(lower.score, lower.is_excluded),
                set.rank_of_score(upper.score, !upper.is_excluded),
            ),
            Self::Members(lower, upper) => (lower.start(set), upper.end(set)),
        };
        if is_reverse {
            Span::new(len - end, len - start)
        } else {
            Span::new(start, end)
        }
    }
}

/// A rank that may count from the end, cut to what there is.
fn rank(rank: i64, len: usize) -> usize {
    let distance = usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX);
    if rank < 0 {
        len.saturating_sub(distance)
    } else {
        distance.min(len)
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self {
            skip: start,
            count: end.saturating_sub(start),
        }
    }

    /// What is left of it behind `LIMIT`: a negative offset leaves nothing, a negative count all.
    pub(super) fn limited(self, offset: i64, count: i64) -> Self {
        let Ok(offset) = usize::try_from(offset) else {
            return Self { count: 0, ..self };
        };
        let left = self.count.saturating_sub(offset);
        Self {
            skip: self.skip.saturating_add(offset),
            count: usize::try_from(count).map_or(left, |count| left.min(count)),
        }
    }
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<Self> {
        let (text, is_excluded) = match text {
            [b'(', text @ ..] => (text, true),
            text => (text, false),
        };
        Some(Self {
            score: number::double(text).or_else(|| lenient(text))?,
            is_excluded,
        })
    }
}

/// What C's `strtod` reads as a number and a score may not be: nothing (which is nought), what has spaces before it, and
/// what is too large or too small.
fn lenient(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Some(0.0);
    }
    let parsed = std::str::from_utf8(text).ok()?.parse::<f64>();
    number::double(text).or_else(|| parsed.ok().filter(|score| !score.is_nan()))
}

impl<'a> MemberBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(Self::Lowest),
            b"+" => Some(Self::Highest),
            [b'[', member @ ..] => Some(Self::Included(member)),
            [b'(', member @ ..] => Some(Self::Excluded(member)),
            _ => None,
        }
    }

    /// The rank of the first row that is not below, as a lower end.
    fn start(self, set: &SortedSet) -> usize {
        match self {
            Self::Lowest => 0,
            Self::Highest => set.len(),
            Self::Included(member) => set.rank_of_member(member, false),
            Self::Excluded(member) => set.rank_of_member(member, true),
        }
    }

    /// The rank of the first row that is above, as an upper end.
    fn end(self, set: &SortedSet) -> usize {
        match self {
            Self::Lowest => 0,
            Self::Highest => set.len(),
            Self::Included(member) => set.rank_of_member(member, true),
            Self::Excluded(member) => set.rank_of_member(member, false),
        }
    }
}
