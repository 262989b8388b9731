//! `EVAL` and its like, `SCRIPT`, and the declarations of `FUNCTION`.

use std::sync::Arc;

use super::cache::{Script, Sha};
use super::functions;
use crate::command::{Command, Flags, Group, Invocation, Keys};
use crate::context::Context;
use crate::view::View;
use crate::{Arguments, Error, Reply};

const KEYS: Keys = Keys::Counted { count: 2, also: 0 };
const ALWAYS: Flags = Flags::NOSCRIPT
    .union(Flags::STALE)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::MOVABLE_KEYS);
const MAY_WRITE: Flags = ALWAYS.union(Flags::MAY_REPLICATE);
const READS: Flags = ALWAYS.union(Flags::READONLY);

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    call(
        "eval",
        MAY_WRITE,
        "2.6.0",
        "Runs a script.",
        Invocation::Source,
    ),
    call(
        "eval_ro",
        READS,
        "7.0.0",
        "Runs a script that only reads.",
        Invocation::Source,
    ),
    call(
        "evalsha",
        MAY_WRITE,
        "2.6.0",
        "Runs a script that is known, by its SHA-1.",
        Invocation::Sha,
    ),
    call(
        "evalsha_ro",
        READS,
        "7.0.0",
        "Runs a script that is known and only reads, by its SHA-1.",
        Invocation::Sha,
    ),
    call(
        "fcall",
        MAY_WRITE,
        "7.0.0",
        "Runs a function.",
        Invocation::Function,
    ),
    call(
        "fcall_ro",
        READS,
        "7.0.0",
        "Runs a function that only reads.",
        Invocation::Function,
    ),
    Command::service(
        "script",
        -2,
        Group::Scripting,
        "2.6.0",
        "Commands about scripts.",
    )
    .subcommands(SCRIPT),
    Command::service(
        "function",
        -2,
        Group::Scripting,
        "7.0.0",
        "Commands about functions.",
    )
    .subcommands(functions::FUNCTION),
];

const SCRIPT: &[Command] = &[
    service("debug", 3, "3.2.0", "Refused: there is no debugger."),
    Command::read(
        "exists",
        -3,
        Group::Scripting,
        "2.6.0",
        "Tells whether scripts are known.",
        exists,
    )
    .flags(Flags::NOSCRIPT)
    .keys(Keys::None),
    Command::write(
        "flush",
        -2,
        Group::Scripting,
        "2.6.0",
        "Forgets all scripts.",
        flush,
    )
    .flags(Flags::NOSCRIPT)
    .keys(Keys::None),
    service("help", 2, "5.0.0", "Tells about the subcommands."),
    service(
        "kill",
        2,
        "2.6.0",
        "Ends the script that runs, if it has not written.",
    )
    .flags(Flags::NOSCRIPT),
    Command::write(
        "load",
        3,
        Group::Scripting,
        "2.6.0",
        "Makes a script known.",
        load,
    )
    .flags(Flags::NOSCRIPT.union(Flags::STALE))
    .keys(Keys::None)
    .would_write(|view, arguments| !view.keyspace.scripts.is_loaded(&Sha::of(arguments.at(2)))),
];

const fn call(
    name: &'static str,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
    invocation: Invocation,
) -> Command {
    Command::script(name, -3, Group::Scripting, since, summary, invocation)
        .flags(flags)
        .keys(KEYS)
}

pub(super) const fn service(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::service(name, arity, Group::Scripting, since, summary)
}

fn exists(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let names = arguments.skip(2);
    reply.array(names.len());
    for name in names.iter() {
        let is_known =
            Sha::named(name).is_some_and(|sha| view.keyspace.scripts.get(&sha).is_some());
        reply.integer(i64::from(is_known));
    }
    Ok(())
}

fn flush(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let is_right = match arguments.len() {
        2 => true,
        3 => arguments.is(2, "sync") || arguments.is(2, "async"),
        _ => false,
    };
    if !is_right {
        return Err(Error::fixed(
            "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
        ));
    }
    context.keyspace.scripts.clear();
    if let Some(engine) = &mut context.keyspace.engine {
        engine.clear();
    }
    reply.ok();
    Ok(())
}

fn load(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let source = arguments.at(2);
    let sha = Sha::of(source);
    let script = match context.keyspace.scripts.get(&sha) {
        Some(script) => Arc::clone(script),
        None => Arc::new(Script::new(sha, source)?),
    };
    context.keyspace.compile(&script)?;
    context.keyspace.scripts.add_loaded(&script);
    reply.bulk(sha.as_str().as_bytes());
    Ok(())
}
