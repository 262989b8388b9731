//! `DUMP` and `RESTORE`.

use crate::command::{Command, Flags, Group};
use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::settings::Access;
use crate::view::View;
use crate::{Arguments, Error, Reply, number, rdb};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::read(
        "dump",
        2,
        Group::Generic,
        "2.6.0",
        "Answers what a key holds in Redis's own format.",
        dump,
    ),
    Command::write(
        "restore",
        -4,
        Group::Generic,
        "2.6.0",
        "Sets a key to a value in Redis's own format.",
        restore,
    )
    .and(Flags::DANGEROUS)
    .would_write(|view, arguments| {
        !view.exists(arguments.at(1))
            || Options::read(arguments).is_ok_and(|options| options.is_replacing)
    }),
];

fn dump(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    match view.entry(arguments.at(1)) {
        Some(entry) => reply.bulk(&rdb::dump(entry.value())),
        None => reply.null(),
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Options {
    is_replacing: bool,
    is_absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl Options {
    fn read(arguments: &Arguments<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut position = 4;
        while position < arguments.len() {
            let value = arguments.get(position + 1);
            let integer = |value| number::integer(value).ok_or(Error::NotInteger);
            match value {
                _ if arguments.is(position, "replace") => options.is_replacing = true,
                _ if arguments.is(position, "absttl") => options.is_absolute = true,
                Some(value)
                    if arguments.is(position, "idletime") && options.frequency.is_none() =>
                {
                    let seconds = integer(value)?;
                    if seconds < 0 {
                        return Err(Error::fixed("ERR Invalid IDLETIME value, must be >= 0"));
                    }
                    options.idle_seconds = Some(seconds);
                    position += 1;
                }
                Some(value) if arguments.is(position, "freq") && options.idle_seconds.is_none() => {
                    let frequency = u8::try_from(integer(value)?).map_err(|_| {
                        Error::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    })?;
                    options.frequency = Some(frequency);
                    position += 1;
                }
                _ => return Err(Error::Syntax),
            }
            position += 1;
        }
        Ok(options)
    }
}

fn restore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let options = Options::read(arguments)?;
    let key = arguments.at(1);
    let is_there = context.exists(key);
    if is_there && !options.is_replacing {
        return Err(Error::fixed("BUSYKEY Target key name already exists."));
    }
    let time_ms = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
    if time_ms < 0 {
        return Err(Error::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let keyspace = &mut *context.keyspace;
    let value = rdb::restore(arguments.at(3), &keyspace.settings, &mut keyspace.slice)?;
    let expire_ms = match time_ms {
        0 => None,
        _ if options.is_absolute => Some(time_ms),
        _ => Some(time_ms.saturating_add(context.now_ms)),
    };
    if expire_ms.is_some_and(|expire_ms| expire_ms <= context.now_ms) {
        if context.remove(key) {
            context.changed(key);
            context.notify(Class::GENERIC, "del", key);
        }
        reply.ok();
        return Ok(());
    }
    context.set(key, value, Expiry::of(expire_ms));
    if is_there {
        // The place is kept, so that scans find the key; for listeners it was removed and came anew.
        context.notify(Class::NEW, "new", key);
    }
    let now = context.access;
    let mark = match (context.settings().access, &options) {
        (Access::Recency, options) => options.idle_seconds.map(|seconds| {
            // A mark wraps around as the clock of marks does.
            now.wrapping_sub(seconds.min(i64::from(u32::MAX)) as u32)
        }),
        (Access::Frequency, options) => {
            let frequency = options.frequency;
            frequency.map(|frequency| now | u32::from(frequency))
        }
    };
    if let (Some(mark), Some(entry)) = (mark, context.entry(key)) {
        entry.set_access(mark);
    }
    context.changed(key);
    context.notify(Class::GENERIC, "restore", key);
    reply.ok();
    Ok(())
}
