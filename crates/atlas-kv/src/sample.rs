//! What `SRANDMEMBER`, `HRANDFIELD` and `ZRANDMEMBER` share: how many elements are picked, and which.

use std::ops::Range;

use crate::random::Random;
use crate::{Error, number};

/// Picks with repetition that one command may ask for. An answer may repeat what little there is any number of times, so
/// that nothing else would bound it.
const REPEATED_MAX: u64 = 1 << 20;

/// How many elements are to be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// So many different ones, or all.
    Distinct(u64),
    /// So many, each picked among all.
    Repeated(u64),
}

impl Sample {
    /// Reads a count: a negative one picks with repetition.
    pub(crate) fn parse(argument: &[u8]) -> Result<Self, Error> {
        match number::integer(argument).ok_or(Error::NotInteger)? {
            i64::MIN => Err(Error::fixed(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            )),
            count if count < 0 => Ok(Self::Repeated(count.unsigned_abs())),
            count => Ok(Self::Distinct(count.unsigned_abs())),
        }
    }

    /// Refuses a count whose double would be no count, as Redis does where each element is answered with a value.
    pub(crate) fn of_pairs(self) -> Result<Self, Error> {
        let (Self::Distinct(count) | Self::Repeated(count)) = self;
        if count > i64::MAX.unsigned_abs() / 2 {
            return Err(Error::OutOfRange);
        }
        Ok(self)
    }

    /// Picks among positions below `length`.
    ///
    /// # Errors
    /// If it asks for more repetition than is allowed.
    pub(crate) fn pick(self, length: usize, mut random: Random) -> Result<Picks, Error> {
        match self {
            _ if length == 0 => Ok(Picks::All(0..0)),
            Self::Distinct(count) if count >= length as u64 => Ok(Picks::All(0..length)),
            Self::Distinct(count) => {
                let picks = random.distinct(count as usize, length);
                Ok(Picks::Distinct(picks.into_iter()))
            }
            Self::Repeated(count) if count > REPEATED_MAX => Err(Error::OutOfRange),
            Self::Repeated(count) => Ok(Picks::Repeated {
                left: count as usize,
                length,
                random,
            }),
        }
    }
}

/// The positions picked.
#[derive(Debug)]
pub(crate) enum Picks {
    All(Range<usize>),
    Distinct(std::vec::IntoIter<u32>),
    Repeated {
        left: usize,
        length: usize,
        random: Random,
    },
}

impl Iterator for Picks {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(range) => range.next(),
            Self::Distinct(picks) => picks.next().map(|pick| pick as usize),
            Self::Repeated {
                left,
                length,
                random,
            } => {
                *left = left.checked_sub(1)?;
                Some(random.below(*length))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Self::All(range) => range.len(),
            Self::Distinct(picks) => picks.len(),
            Self::Repeated { left, .. } => *left,
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Picks {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_checked() {
        let parse = |text: &str| Sample::parse(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(parse("3"), Ok(Sample::Distinct(3)));
        assert_eq!(parse("-3"), Ok(Sample::Repeated(3)));
        assert_eq!(
            parse("x"),
            Err("ERR value is not an integer or out of range".into())
        );
        assert_eq!(
            parse("-9223372036854775808"),
            Err("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807".into())
        );
        let pairs = |count| Sample::Repeated(count).of_pairs().is_ok();
        assert!(pairs(i64::MAX as u64 / 2));
        assert!(!pairs(i64::MAX as u64 / 2 + 1));
    }

    #[test]
    fn picks_are_as_many_as_asked() {
        let pick = |sample: Sample, length| {
            let picks = sample.pick(length, Random::new(1)).unwrap();
            let told = picks.len();
            let picks: Vec<usize> = picks.collect();
            assert_eq!(picks.len(), told);
            assert!(picks.iter().all(|&pick| pick < length));
            picks
        };
        assert_eq!(pick(Sample::Distinct(u64::MAX), 3), [0, 1, 2]);
        assert_eq!(pick(Sample::Distinct(0), 3), []);
        assert_eq!(pick(Sample::Distinct(2), 3).len(), 2);
        assert_eq!(pick(Sample::Repeated(10), 3).len(), 10);
        // Where there is nothing, any number of repetitions is nothing.
        assert_eq!(pick(Sample::Repeated(u64::MAX), 0), []);
        assert!(
            Sample::Repeated(REPEATED_MAX + 1)
                .pick(3, Random::new(1))
                .is_err()
        );
    }
}
