//! `XPENDING`.

use crate::number::Decimal;
use crate::stream::commands::{integer, told};
use crate::stream::group::{Delivery, Group};
use crate::stream::id::Id;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Which deliveries are asked for one by one.
struct Query<'a> {
    idle_ms_min: i64,
    start: Id,
    end: Id,
    count_max: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(arguments: &Arguments<'a>) -> Result<Option<Self>, Error> {
        let len = arguments.len();
        if len == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&len) {
            return Err(Error::Syntax);
        }
        let mut at = 3;
        let mut idle_ms_min = 0;
        if arguments.is(3, "idle") {
            idle_ms_min = integer(arguments, 4)?;
            if len < 8 {
                return Err(Error::Syntax);
            }
            at += 2;
        }
        let count = integer(arguments, at + 2)?;
        Ok(Some(Self {
            idle_ms_min,
            start: Id::read_start(arguments.at(at))?,
            end: Id::read_end(arguments.at(at + 1))?,
            count_max: usize::try_from(count).unwrap_or_default(),
            consumer: arguments.get(at + 3),
        }))
    }

    /// Shows what is asked for.
    fn each(&self, group: &Group, now_ms: i64, mut show: impl FnMut(&Delivery)) {
        let is_idle = |row: &&Delivery| {
            self.idle_ms_min == 0 || now_ms.saturating_sub(row.time_ms) >= self.idle_ms_min
        };
        let Some(name) = self.consumer else {
            let rows = group.pending_from(self.start);
            let rows = rows.take_while(|row| row.id <= self.end);
            rows.filter(is_idle).take(self.count_max).for_each(show);
            return;
        };
        let consumer = group.consumer_number(name);
        if let Some(consumer) = consumer.and_then(|number| group.consumer(number))
            && self.start <= self.end
        {
            let ids = consumer.pending.range(self.start..=self.end);
            let rows = ids.filter_map(|&id| group.delivery(id));
            let rows = rows.filter(is_idle).take(self.count_max);
            rows.for_each(&mut show);
        }
    }
}

pub(super) fn xpending(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let query = Query::parse(arguments)?;
    let (key, name) = (arguments.at(1), arguments.at(2));
    let stream = view.stream(key)?;
    let Some(group) = stream.and_then(|stream| stream.group(name)) else {
        return Err(Error::line(format!(
            "NOGROUP No such key '{}' or consumer group '{}'",
            told(key),
            told(name)
        )));
    };
    let Some(query) = query else {
        summary(group, reply);
        return Ok(());
    };
    let now_ms = view.now_ms();
    let mut count = 0;
    query.each(group, now_ms, |_| count += 1);
    reply.array(count);
    query.each(group, now_ms, |row| {
        reply.array(4);
        row.id.answer(reply);
        let consumer = group.consumer(row.consumer);
        reply.bulk(consumer.map_or(b"", |consumer| &consumer.name));
        reply.integer(now_ms.saturating_sub(row.time_ms).max(0));
        reply.integer(row.count.cast_signed());
    });
    Ok(())
}

/// How much there is, from where to where, and of whom.
fn summary(group: &Group, reply: &mut dyn Reply) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    first.answer(reply);
    last.answer(reply);
    let busy = || {
        let consumers = group.consumers().map(|(_, consumer)| consumer);
        consumers.filter(|consumer| !consumer.pending.is_empty())
    };
    reply.array(busy().count());
    for consumer in busy() {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk(Decimal::new(consumer.pending.len() as i64).as_bytes());
    }
}
