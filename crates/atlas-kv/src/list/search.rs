//! `LPOS`: where an element stands.

use crate::list::List;
use crate::list::commands::integer;
use crate::number;
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// What `LPOS` looks for beside the element.
struct Search {
    /// Which match is the first to be told.
    rank: u64,
    /// From the end.
    is_reverse: bool,
    /// How many to tell, 0 for all; none for one that is told alone.
    count: Option<u64>,
    /// How many elements to look at; 0 for all.
    length_max: u64,
}

impl Search {
    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        let mut search = Self {
            rank: 1,
            is_reverse: false,
            count: None,
            length_max: 0,
        };
        let mut position = 3;
        while position < arguments.len() {
            let value = position + 1;
            if value >= arguments.len() {
                return Err(Error::Syntax);
            }
            let natural = |line| {
                number::integer(arguments.at(value))
                    .and_then(|number| u64::try_from(number).ok())
                    .ok_or(Error::fixed(line))
            };
            if arguments.is(position, "rank") {
                let rank = integer(arguments, value)?;
                if rank == 0 {
                    return Err(Error::fixed(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
                if rank == i64::MIN {
                    return Err(Error::fixed(
                        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
                    ));
                }
                search.rank = rank.unsigned_abs();
                search.is_reverse = rank < 0;
            } else if arguments.is(position, "count") {
                search.count = Some(natural("ERR COUNT can't be negative")?);
            } else if arguments.is(position, "maxlen") {
                search.length_max = natural("ERR MAXLEN can't be negative")?;
            } else {
                return Err(Error::Syntax);
            }
            position += 2;
        }
        Ok(search)
    }

    /// The places of the matches, in the order in which they are found.
    fn run(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let limit = |bound: u64| match bound {
            0 => usize::MAX,
            bound => usize::try_from(bound).unwrap_or(usize::MAX),
        };
        let skip = limit(self.rank) - 1;
        let take = self.count.map_or(1, limit);
        let length_max = limit(self.length_max);
        if self.is_reverse {
            let last = list.len().saturating_sub(1);
            let elements = list.iter().rev().take(length_max).enumerate();
            let matches = elements.filter(|&(_, other)| other == element);
            let matches = matches.map(|(index, _)| last - index);
            matches.skip(skip).take(take).collect()
        } else {
            let elements = list.iter().take(length_max).enumerate();
            let matches = elements.filter(|&(_, other)| other == element);
            let matches = matches.map(|(index, _)| index);
            matches.skip(skip).take(take).collect()
        }
    }
}

pub(super) fn lpos(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let search = Search::parse(arguments)?;
    let list = view.list(arguments.at(1))?;
    let found = list.map_or_else(Vec::new, |list| search.run(list, arguments.at(2)));
    match (search.count, found.first()) {
        (Some(_), _) => {
            reply.array(found.len());
            for place in found {
                reply.integer(place as i64);
            }
        }
        (None, Some(&place)) => reply.integer(place as i64),
        (None, None) => reply.null(),
    }
    Ok(())
}
