//! `FUNCTION`: libraries come, are listed, are taken elsewhere and go.

use std::sync::Arc;

use super::commands::service;
use super::library::{Libraries, Library};
use super::shebang;
use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::keyspace::Keyspace;
use crate::view::View;
use crate::{Arguments, Error, Reply, glob, rdb};

const READS: Flags = Flags::NOSCRIPT;
const WRITES: Flags = Flags::NOSCRIPT.union(Flags::WRITE);
const TAKES_MEMORY: Flags = WRITES.union(Flags::DENYOOM);

pub(super) const FUNCTION: &[Command] = &[
    write("delete", 3, "Removes a library.", delete)
        .flags(WRITES)
        .would_write(|view, arguments| view.keyspace.libraries.get(arguments.at(2)).is_some()),
    read(
        "dump",
        2,
        "Answers all libraries in Redis's own format.",
        dump,
    ),
    write("flush", -2, "Removes all libraries.", flush)
        .flags(WRITES)
        .would_write(|view, arguments| {
            !view.keyspace.libraries.is_empty() && flush_is_right(arguments).is_ok()
        }),
    service("help", 2, "7.0.0", "Tells about the subcommands."),
    service(
        "kill",
        2,
        "7.0.0",
        "Ends the function that runs, if it has not written.",
    )
    .flags(READS),
    read(
        "list",
        -2,
        "Tells about libraries and their functions.",
        list,
    ),
    write("load", -3, "Makes a library.", load).flags(TAKES_MEMORY),
    write(
        "restore",
        -3,
        "Takes libraries in Redis's own format.",
        restore,
    )
    .flags(TAKES_MEMORY),
    read("stats", 2, "Counts libraries and functions.", stats),
];

const fn read(
    name: &'static str,
    arity: i16,
    summary: &'static str,
    run: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::Scripting, "7.0.0", summary, run)
        .flags(READS)
        .keys(Keys::None)
}

const fn write(
    name: &'static str,
    arity: i16,
    summary: &'static str,
    run: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::Scripting, "7.0.0", summary, run).keys(Keys::None)
}

/// The options and the source of `FUNCTION LOAD`.
fn load_arguments<'a>(arguments: &Arguments<'a>) -> Result<(bool, &'a [u8]), Error> {
    let last = arguments.len() - 1;
    let mut replaces = false;
    for position in 2..last {
        if !arguments.is(position, "replace") {
            return Err(Error::line(format!(
                "ERR Unknown option given: {}",
                crate::command::shown(arguments.at(position), 128)
            )));
        }
        replaces = true;
    }
    if last < 2 {
        return Err(Error::fixed("ERR Function code is missing"));
    }
    Ok((replaces, arguments.at(last)))
}

/// The library of a source, whose code is run once.
fn library(keyspace: &mut Keyspace, source: &[u8]) -> Result<Library, Error> {
    let (name, begin) = shebang::of_library(source)?;
    let functions = keyspace.load_library(&source[begin..])?;
    Ok(Library::new(name, source, begin, functions))
}

impl Keyspace {
    /// Why a `FUNCTION LOAD` cannot be, whatever the state: it need not be logged then. Its code is run.
    pub fn library_refusal(&mut self, arguments: &Arguments<'_>) -> Option<Error> {
        let (_, source) = load_arguments(arguments).ok()?;
        library(self, source).err()
    }
}

fn load(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (replaces, source) = load_arguments(arguments)?;
    let (name, _) = shebang::of_library(source)?;
    if !replaces && context.keyspace.libraries.get(name.as_bytes()).is_some() {
        return Err(Error::line(format!("ERR Library '{name}' already exists")));
    }
    let library = library(context.keyspace, source)?;
    context
        .keyspace
        .libraries
        .add(Arc::new(library), replaces)?;
    context.changed_more(1);
    reply.bulk(name.as_bytes());
    Ok(())
}

fn delete(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let name = String::from_utf8_lossy(arguments.at(2));
    if !context.keyspace.libraries.remove(&name) {
        return Err(Error::fixed("ERR Library not found"));
    }
    context.changed_more(1);
    reply.ok();
    Ok(())
}

fn flush_is_right(arguments: &Arguments<'_>) -> Result<(), Error> {
    match arguments.len() {
        2 => Ok(()),
        3 if arguments.is(2, "sync") || arguments.is(2, "async") => Ok(()),
        3 => Err(Error::fixed(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        )),
        _ => Err(wrong_subcommand("flush")),
    }
}

fn flush(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    flush_is_right(arguments)?;
    context.keyspace.libraries = Libraries::default();
    context.changed_more(1);
    reply.ok();
    Ok(())
}

fn wrong_subcommand(name: &str) -> Error {
    Error::line(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try FUNCTION HELP."
    ))
}

fn list(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let (mut has_code, mut pattern) = (false, None);
    let mut position = 2;
    while position < arguments.len() {
        if !has_code && arguments.is(position, "withcode") {
            has_code = true;
        } else if pattern.is_none() && arguments.is(position, "libraryname") {
            position += 1;
            pattern = Some(
                arguments
                    .get(position)
                    .ok_or(Error::fixed("ERR library name argument was not given"))?,
            );
        } else {
            return Err(Error::line(format!(
                "ERR Unknown argument {}",
                crate::command::shown(arguments.at(position), 128)
            )));
        }
        position += 1;
    }
    let mut steps = glob::Steps::new();
    let mut libraries = Vec::new();
    for library in view.keyspace.libraries.all() {
        let is_wanted = match pattern {
            None => true,
            Some(pattern) => glob::matches_caseless(pattern, library.name.as_bytes(), &mut steps)?,
        };
        if is_wanted {
            libraries.push(library);
        }
    }
    reply.array(libraries.len());
    for library in libraries {
        tell(library, has_code, reply);
    }
    Ok(())
}

fn tell(library: &Library, has_code: bool, reply: &mut dyn Reply) {
    reply.map(if has_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(function.name.as_bytes());
        reply.bulk(b"description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        reply.set(function.flags.names().count());
        function.flags.names().for_each(|name| reply.simple(name));
    }
    if has_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.source);
    }
}

fn stats(view: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    reply.map(2);
    reply.bulk(b"running_script");
    // Whoever asks while one runs is answered elsewhere.
    reply.null();
    tell_engines(view.keyspace.libraries.counts(), reply);
    Ok(())
}

/// Tells what the one engine has.
pub fn tell_engines((libraries, functions): (usize, usize), reply: &mut dyn Reply) {
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(libraries as i64);
    reply.bulk(b"functions_count");
    reply.integer(functions as i64);
}

fn dump(view: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let sources = view
        .keyspace
        .libraries
        .all()
        .map(|library| &*library.source);
    reply.bulk(&rdb::dump_functions(sources));
    Ok(())
}

fn restore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len() > 4 {
        return Err(wrong_subcommand("restore"));
    }
    let (mut replaces, mut flushes) = (false, false);
    match arguments.get(3) {
        None => {}
        Some(_) if arguments.is(3, "append") => {}
        Some(_) if arguments.is(3, "replace") => replaces = true,
        Some(_) if arguments.is(3, "flush") => flushes = true,
        Some(_) => {
            return Err(Error::fixed(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    }
    let string_bytes_max = context.settings().string_bytes_max;
    let sources = rdb::restore_functions(arguments.at(2), string_bytes_max)?;
    let mut restored = Libraries::default();
    for source in sources {
        let library = library(context.keyspace, &source)?;
        restored.add(Arc::new(library), false)?;
    }
    if flushes {
        context.keyspace.libraries = restored;
    } else {
        context.keyspace.libraries.join(&restored, replaces)?;
    }
    context.changed_more(1);
    reply.ok();
    Ok(())
}
