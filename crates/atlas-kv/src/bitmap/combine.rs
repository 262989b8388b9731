//! `BITOP`: strings combined bit by bit.

use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::value::Value;
use crate::{Arguments, Error, Reply};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    const NAMED: [(&'static str, Self); 4] = [
        ("and", Self::And),
        ("or", Self::Or),
        ("xor", Self::Xor),
        ("not", Self::Not),
    ];

    /// Works `other` into `result`, which is as long as the longest string; what a string lacks counts as zeros.
    fn apply(self, result: &mut [u8], other: &[u8]) {
        let (shared, rest) = result.split_at_mut(other.len().min(result.len()));
        let pairs = shared.iter_mut().zip(other);
        match self {
            Self::And => {
                pairs.for_each(|(to, from)| *to &= from);
                rest.fill(0);
            }
            Self::Or => pairs.for_each(|(to, from)| *to |= from),
            Self::Xor => pairs.for_each(|(to, from)| *to ^= from),
            Self::Not => {}
        }
    }
}

pub(super) fn bitop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let operation = Operation::NAMED
        .iter()
        .find(|(name, _)| arguments.is(1, name))
        .map(|&(_, operation)| operation)
        .ok_or(Error::Syntax)?;
    if operation == Operation::Not && arguments.len() != 4 {
        return Err(Error::fixed(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let view = context.view();
    let mut len = 0;
    for source in arguments.skip(3).iter() {
        len = view.string(source)?.map_or(0, |bytes| bytes.len()).max(len);
    }
    let mut result = Vec::with_capacity(len);
    for (position, source) in arguments.skip(3).iter().enumerate() {
        let bytes = view.string(source)?;
        let bytes = bytes.as_deref().unwrap_or_default();
        if position == 0 {
            result.extend_from_slice(bytes);
            result.resize(len, 0);
        } else {
            operation.apply(&mut result, bytes);
        }
    }
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let target = arguments.at(2);
    if len > 0 {
        context.set(target, Value::String(result), Expiry::Never);
        // As if it had been changed in place: `OBJECT ENCODING` tells.
        context.edit_string(target, 0..0, |_| {});
        context.changed(target);
        context.notify(Class::STRING, "set", target);
    } else if context.remove(target) {
        context.changed(target);
        context.notify(Class::GENERIC, "del", target);
    }
    reply.integer(len as i64);
    Ok(())
}
