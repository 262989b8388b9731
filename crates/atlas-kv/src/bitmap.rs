//! Strings as rows of bits: bit 0 is the highest of the first byte.

mod combine;
mod field;
mod search;

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::effects::Class;
use crate::view::View;
use crate::{Arguments, Error, Reply, number};

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    Command::read(
        "getbit",
        3,
        Group::Bitmap,
        "2.2.0",
        "Answers a bit of a string.",
        getbit,
    )
    .and(Flags::FAST),
    Command::write(
        "setbit",
        4,
        Group::Bitmap,
        "2.2.0",
        "Sets a bit of a string and answers the one before.",
        setbit,
    )
    .would_write(setbit_would_write),
    Command::read(
        "bitcount",
        -2,
        Group::Bitmap,
        "2.6.0",
        "Counts the bits of a string that are 1.",
        search::bitcount,
    ),
    Command::read(
        "bitpos",
        -3,
        Group::Bitmap,
        "2.8.7",
        "Finds the first bit of a string that is 1, or 0.",
        search::bitpos,
    ),
    Command::write(
        "bitop",
        -4,
        Group::Bitmap,
        "2.6.0",
        "Combines strings bit by bit.",
        combine::bitop,
    )
    .keys(Keys::Positions {
        first: 2,
        last: -1,
        step: 1,
    }),
    Command::write(
        "bitfield",
        -2,
        Group::Bitmap,
        "3.2.0",
        "Reads and changes integers of any width inside a string.",
        field::bitfield,
    )
    .would_write(field::would_write),
    Command::read(
        "bitfield_ro",
        -2,
        Group::Bitmap,
        "6.0.0",
        "Reads integers of any width inside a string.",
        field::bitfield_ro,
    )
    .and(Flags::FAST),
];

/// Reads a bit's position; `width` is that of the fields that `#` counts, or 0 where it is not allowed.
fn offset(text: &[u8], width: u32, bytes_max: u64) -> Result<u64, Error> {
    let (text, unit) = match text {
        [b'#', rest @ ..] if width > 0 => (rest, width),
        text => (text, 1),
    };
    number::integer(text)
        .and_then(|offset| offset.checked_mul(i64::from(unit)))
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset >> 3 < bytes_max)
        .ok_or(Error::fixed(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// The bit at a position; past the end all are 0.
fn bit(bytes: &[u8], offset: u64) -> bool {
    usize::try_from(offset / 8)
        .ok()
        .and_then(|position| bytes.get(position))
        .is_some_and(|byte| byte & mask(offset) != 0)
}

/// The bit of a position inside its byte.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

fn getbit(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let offset = offset(arguments.at(2), 0, view.settings().string_bytes_max)?;
    let bytes = view.string(arguments.at(1))?;
    let bytes = bytes.as_deref().unwrap_or_default();
    reply.integer(i64::from(bit(bytes, offset)));
    Ok(())
}

/// Where `SETBIT` sets which bit.
fn setting(arguments: &Arguments<'_>, bytes_max: u64) -> Result<(u64, bool), Error> {
    let offset = offset(arguments.at(2), 0, bytes_max)?;
    match number::integer(arguments.at(3)) {
        Some(0) => Ok((offset, false)),
        Some(1) => Ok((offset, true)),
        _ => Err(Error::fixed("ERR bit is not an integer or out of range")),
    }
}

fn setbit(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let (offset, is_one) = setting(arguments, context.settings().string_bytes_max)?;
    let position = (offset / 8) as usize;
    let sought = context.seek(key);
    let before = context.string_at(sought)?;
    let was_one = before.as_deref().is_some_and(|bytes| bit(bytes, offset));
    let is_longer = before.is_none_or(|bytes| bytes.len() <= position);
    if is_longer || was_one != is_one {
        context.edit_string_at(sought, key, position..position + 1, |part| {
            for byte in part {
                *byte = *byte & !mask(offset) | if is_one { mask(offset) } else { 0 };
            }
        });
        context.changed(key);
        context.notify(Class::STRING, "setbit", key);
    }
    reply.integer(i64::from(was_one));
    Ok(())
}

fn setbit_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let Ok((offset, is_one)) = setting(arguments, view.settings().string_bytes_max) else {
        return false;
    };
    match view.string(arguments.at(1)) {
        Ok(Some(bytes)) => bytes.len() as u64 <= offset / 8 || bit(&bytes, offset) != is_one,
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
