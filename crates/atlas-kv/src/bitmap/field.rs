//! `BITFIELD`: integers of any width anywhere in a string.

use crate::bitmap::offset;
use crate::context::Context;
use crate::effects::Class;
use crate::view::View;
use crate::{Arguments, Error, Reply, number};

/// What happens to a number that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// It loses its upper bits.
    Wrap,
    /// It becomes the nearest that fits.
    Saturate,
    /// It is not written.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// Where a field lies and how wide it is.
#[derive(Clone, Copy, Debug)]
struct Field {
    is_signed: bool,
    bits: u32,
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Operation {
    /// Reads all operations of a command.
    fn all(arguments: &Arguments<'_>, bytes_max: u64) -> Result<Vec<Self>, Error> {
        let mut operations = Vec::new();
        let mut overflow = Overflow::Wrap;
        let mut position = 2;
        while position < arguments.len() {
            let follow = arguments.len() - position - 1;
            if arguments.is(position, "overflow") && follow >= 1 {
                overflow = Overflow::of(arguments, position + 1)?;
                position += 2;
                continue;
            }
            let takes_value = match arguments.at(position) {
                word if word.eq_ignore_ascii_case(b"get") && follow >= 2 => false,
                word if word.eq_ignore_ascii_case(b"set") && follow >= 3 => true,
                word if word.eq_ignore_ascii_case(b"incrby") && follow >= 3 => true,
                _ => return Err(Error::Syntax),
            };
            let field = Field::of(
                arguments.at(position + 1),
                arguments.at(position + 2),
                bytes_max,
            )?;
            let action = if takes_value {
                let value = number::integer(arguments.at(position + 3)).ok_or(Error::NotInteger)?;
                if arguments.is(position, "set") {
                    Action::Set(value)
                } else {
                    Action::Add(value)
                }
            } else {
                Action::Get
            };
            operations.push(Self {
                field,
                action,
                overflow,
            });
            position += 3 + usize::from(takes_value);
        }
        Ok(operations)
    }

    /// The number that the field holds afterwards and the one to answer, from the one before; none if it must not be
    /// written.
    fn outcome(&self, before: i64) -> Option<(i64, i64)> {
        let wanted = match self.action {
            Action::Get => return Some((before, before)),
            // A negative number for an unsigned field is a very large one.
            Action::Set(value) if !self.field.is_signed => i128::from(value as u64),
            Action::Set(value) => i128::from(value),
            Action::Add(value) => i128::from(before) + i128::from(value),
        };
        let (min, max) = self.field.limits();
        let after = if (min..=max).contains(&wanted) {
            wanted as i64
        } else {
            match self.overflow {
                Overflow::Wrap => self.field.cut(wanted as u64),
                Overflow::Saturate => wanted.clamp(min, max) as i64,
                Overflow::Fail => return None,
            }
        };
        let answer = match self.action {
            Action::Set(_) => before,
            _ => after,
        };
        Some((after, answer))
    }
}

impl Overflow {
    fn of(arguments: &Arguments<'_>, position: usize) -> Result<Self, Error> {
        let named = [
            ("wrap", Self::Wrap),
            ("sat", Self::Saturate),
            ("fail", Self::Fail),
        ];
        named
            .iter()
            .find(|(name, _)| arguments.is(position, name))
            .map(|&(_, overflow)| overflow)
            .ok_or(Error::fixed("ERR Invalid OVERFLOW type specified"))
    }
}

impl Field {
    fn of(kind: &[u8], at: &[u8], bytes_max: u64) -> Result<Self, Error> {
        const WRONG: Error = Error::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (is_signed, width) = match kind {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return Err(WRONG),
        };
        let bits_max = if is_signed { 64 } else { 63 };
        let bits = match number::integer(width) {
            Some(bits) if (1..=bits_max).contains(&bits) => bits as u32,
            _ => return Err(WRONG),
        };
        Ok(Self {
            is_signed,
            bits,
            offset: offset(at, bits, bytes_max)?,
        })
    }

    fn limits(self) -> (i128, i128) {
        if self.is_signed {
            let half = 1_i128 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// The number that the field's bits mean if they are the lowest ones of `bits`.
    fn cut(self, bits: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.is_signed {
            (bits << unused) as i64 >> unused
        } else {
            (bits << unused >> unused) as i64
        }
    }

    /// The first byte of the field, and the byte past its last.
    fn bytes(self) -> (usize, usize) {
        let end = self.offset + u64::from(self.bits);
        ((self.offset / 8) as usize, end.div_ceil(8) as usize)
    }

    /// How far the field's last bit lies from the end of its bytes.
    fn shift(self) -> u32 {
        let (_, end) = self.bytes();
        (end as u64 * 8 - self.offset - u64::from(self.bits)) as u32
    }

    fn read(self, bytes: &[u8]) -> i64 {
        let (start, end) = self.bytes();
        let part = (start..end).map(|position| bytes.get(position).copied().unwrap_or_default());
        let held = part.fold(0_u128, |held, byte| held << 8 | u128::from(byte));
        self.cut((held >> self.shift()) as u64)
    }

    /// Writes the field into its own bytes.
    fn write(self, bytes: &mut [u8], value: i64) {
        let mask = (u128::MAX >> (128 - self.bits)) << self.shift();
        let value = (value as u64 as u128) << self.shift() & mask;
        for (position, byte) in bytes.iter_mut().rev().enumerate() {
            let (mask, value) = (mask >> (position * 8), value >> (position * 8));
            *byte = *byte & !(mask as u8) | value as u8;
        }
    }
}

pub(super) fn bitfield_ro(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let operations = Operation::all(arguments, view.settings().string_bytes_max)?;
    if operations.iter().any(|it| it.action != Action::Get) {
        return Err(Error::fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    answer(view, arguments, &operations, reply)
}

/// Answers fields that are only read.
fn answer(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    operations: &[Operation],
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let bytes = view.string(arguments.at(1))?;
    let bytes = bytes.as_deref().unwrap_or_default();
    reply.array(operations.len());
    for operation in operations {
        reply.integer(operation.field.read(bytes));
    }
    Ok(())
}

pub(super) fn would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    Operation::all(arguments, view.settings().string_bytes_max)
        .is_ok_and(|operations| operations.iter().any(|it| it.action != Action::Get))
}

pub(super) fn bitfield(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let operations = Operation::all(arguments, context.settings().string_bytes_max)?;
    let end = operations
        .iter()
        .filter(|operation| operation.action != Action::Get)
        .map(|operation| operation.field.bytes().1)
        .max();
    let Some(end) = end else {
        return answer(&context.view(), arguments, &operations, reply);
    };
    let before = context.string(key)?.map(|bytes| bytes.len());
    let is_longer = before.is_none_or(|before| before < end);
    if is_longer {
        context.edit_string(key, end..end, |_| {});
    }
    let mut changes = 0;
    reply.array(operations.len());
    for operation in &operations {
        let field = operation.field;
        let before = context.string(key)?.map_or(0, |bytes| field.read(&bytes));
        let Some((after, answer)) = operation.outcome(before) else {
            reply.null();
            continue;
        };
        reply.integer(answer);
        if operation.action == Action::Get {
            continue;
        }
        if after != before {
            let (start, end) = field.bytes();
            context.edit_string(key, start..end, |bytes| field.write(bytes, after));
        }
        changes += u64::from(is_longer || after != before);
    }
    if changes > 0 {
        context.changed(key);
        context.changed_more(changes - 1);
        context.notify(Class::STRING, "setbit", key);
    }
    Ok(())
}
