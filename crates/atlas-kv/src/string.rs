//! Strings.

use crate::command::{Command, Flags, Group};
use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::number::Decimal;
use crate::value::ValueRef;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    Command::read("get", 2, Group::String, "1.0.0", "Answers a string.", get).and(Flags::FAST),
    Command::write("set", -3, Group::String, "1.0.0", "Sets a string.", set),
];

fn get(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    match view.entry(arguments.at(1)).map(|entry| entry.value()) {
        None => reply.null(),
        Some(ValueRef::String(bytes)) => reply.bulk(bytes),
        Some(ValueRef::Integer(integer)) => reply.bulk(Decimal::new(integer).as_bytes()),
        Some(ValueRef::Object(_)) => return Err(Error::WrongType),
    }
    Ok(())
}

fn set(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len() > 3 {
        return Err(Error::Syntax);
    }
    let key = arguments.at(1);
    context.set_string(key, arguments.at(2), Expiry::Never);
    context.changed(key);
    context.notify(Class::STRING, "set", key);
    reply.ok();
    Ok(())
}
