//! Parts of strings: `GETRANGE`, `SETRANGE`, `APPEND`.

use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::view::View;
use crate::{Arguments, Error, Reply, number};

pub(super) fn get(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let start = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
    let end = number::integer(arguments.at(3)).ok_or(Error::NotInteger)?;
    let bytes = view.string(arguments.at(1))?;
    let bytes = bytes.as_deref().unwrap_or_default();
    reply.bulk(part(bytes, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative positions count from the end.
fn part(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = bytes.len() as i64;
    let from_end = |position: i64| {
        if position < 0 {
            len.saturating_add(position).max(0)
        } else {
            position
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        return &[];
    }
    bytes.get(start as usize..=end as usize).unwrap_or_default()
}

pub(super) fn append(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, value) = (arguments.at(1), arguments.at(2));
    let sought = context.seek(key);
    let before = context.string_at(sought)?.map(|bytes| bytes.len());
    let len = match before {
        None => {
            context.set_string_at(sought, key, value, Expiry::Never);
            value.len()
        }
        Some(before) => {
            let len = checked_len(context, before, value.len())?;
            context.edit_string_at(sought, key, before..len, |place| {
                place.copy_from_slice(value);
            });
            len
        }
    };
    context.changed(key);
    context.notify(Class::STRING, "append", key);
    reply.integer(len as i64);
    Ok(())
}

pub(super) fn set(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, value) = (arguments.at(1), arguments.at(3));
    let offset = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
    let Ok(offset) = usize::try_from(offset) else {
        return Err(Error::fixed("ERR offset is out of range"));
    };
    let sought = context.seek(key);
    let before = context.string_at(sought)?.map_or(0, |bytes| bytes.len());
    if value.is_empty() {
        reply.integer(before as i64);
        return Ok(());
    }
    let end = checked_len(context, offset, value.len())?;
    let len = context.edit_string_at(sought, key, offset..end, |place| {
        place.copy_from_slice(value);
    });
    context.changed(key);
    context.notify(Class::STRING, "setrange", key);
    reply.integer(len as i64);
    Ok(())
}

pub(super) fn set_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    // Looking at a key that has expired removes it.
    !arguments.at(3).is_empty() || view.holds(arguments.at(1)) && !view.exists(arguments.at(1))
}

/// The length of a string of `before` bytes with `more` behind them, if one may be so long.
fn checked_len(context: &Context<'_>, before: usize, more: usize) -> Result<usize, Error> {
    before
        .checked_add(more)
        .filter(|&len| len as u64 <= context.settings().string_bytes_max)
        .ok_or(Error::fixed(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ))
}
