//! `ZRANDMEMBER` and `ZSCAN`.

use crate::number::DoubleText;
use crate::random::Random;
use crate::sample::Sample;
use crate::scan;
use crate::sorted_set::read::{answer_row, begin_rows};
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

pub(super) fn zrandmember(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut random = Random::new(view.seed);
    let Some(count) = arguments.get(2) else {
        let set = view.sorted_set(arguments.at(1))?;
        match set.and_then(|set| set.at(random.below(set.len()))) {
            Some(row) => reply.bulk(&row.member),
            None => reply.null(),
        }
        return Ok(());
    };
    let mut sample = Sample::parse(count)?;
    let with_scores = match arguments.len() {
        3 => false,
        4 if arguments.is(3, "withscores") => true,
        _ => return Err(Error::Syntax),
    };
    if with_scores {
        sample = sample.of_pairs()?;
    }
    let set = view.sorted_set(arguments.at(1))?;
    let picks = sample.pick(set.map_or(0, Collection::len), random)?;
    begin_rows(reply, picks.len(), with_scores);
    for row in picks.filter_map(|position| set?.at(position)) {
        answer_row(reply, &row.member, row.score, with_scores);
    }
    Ok(())
}

pub(super) fn zscan(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let cursor = scan::cursor(arguments.at(2))?;
    let Some(set) = view.sorted_set(arguments.at(1))? else {
        scan::answer(reply, 0, 0);
        return Ok(());
    };
    let mut options = scan::Options::parse(arguments, 3, false)?;
    // What Redis would keep in one piece it answers in one piece.
    let count = if set.is_listpack() {
        set.len()
    } else {
        options.count
    };
    let visited = scan::positions(cursor, set.len(), count);
    let next = visited.start as u64;
    let mut rows = Vec::new();
    for row in visited.rev().filter_map(|position| set.at(position)) {
        if options.wants(&row.member)? {
            rows.push(row);
        }
    }
    scan::answer(reply, next, rows.len() * 2);
    for row in rows {
        reply.bulk(&row.member);
        reply.bulk(DoubleText::new(row.score).as_bytes());
    }
    Ok(())
}
