//! `COMMAND`: what is known of commands, from the table that dispatch reads.

use atlas_kv::acl::Category;
use atlas_kv::command::{self, Flags, Group, Keys};
use atlas_kv::{Arguments, Command, Reply, glob};

use crate::connection::Output;
use crate::door::Request;
use crate::engine::Engine;

const FLAGS: [(Flags, &str); 18] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::MAY_REPLICATE, "may_replicate"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
    // These two are none of Redis's.
    (Flags::SUBSCRIBED, ""),
    (Flags::DANGEROUS, ""),
];

impl Engine {
    pub(super) fn command(&mut self, key: usize, found: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        let sub = if arguments.len() == 1 { "" } else { found.name };
        match sub {
            "" => self.with_output(key, |output| {
                output.array(command::all().count());
                command::all().for_each(|command| describe(command, "", output));
            }),
            "count" => self.with_output(key, |output| {
                output.integer(command::all().count() as i64);
            }),
            "info" => self.with_output(key, |output| {
                if arguments.len() == 2 {
                    output.array(command::all().count());
                    command::all().for_each(|command| describe(command, "", output));
                    return;
                }
                output.array(arguments.len() - 2);
                for name in arguments.iter().skip(2) {
                    match find(name) {
                        Some((command, container)) => describe(command, container, output),
                        None => output.null_array(),
                    }
                }
            }),
            "docs" => self.with_output(key, |output| docs(&arguments, output)),
            "list" => self.command_list(key, &arguments),
            "getkeys" => self.command_getkeys(key, &arguments),
            _ => self.help(
                key,
                "COMMAND",
                &[
                    "(no subcommand)",
                    "COUNT",
                    "DOCS [<command-name> ...]",
                    "GETKEYS <full-command>",
                    "INFO [<command-name> ...]",
                    "LIST",
                ],
            ),
        }
    }

    fn command_list(&mut self, key: usize, arguments: &Arguments<'_>) {
        let is_filtered = arguments.len() == 5
            && arguments.is(2, "filterby")
            && ["pattern", "aclcat", "module"]
                .iter()
                .any(|kind| arguments.is(3, kind));
        if arguments.len() != 2 && !is_filtered {
            return self.answer_error(key, "ERR syntax error");
        }
        let mut steps = glob::Steps::new();
        let mut fits = |command: &Command, name: &str| -> bool {
            if !is_filtered {
                return true;
            }
            if arguments.is(3, "pattern") {
                return glob::matches_caseless(arguments.at(4), name.as_bytes(), &mut steps)
                    .unwrap_or(false);
            }
            // No command is of a module.
            arguments.is(3, "aclcat")
                && Category::named(arguments.at(4))
                    .is_some_and(|wanted| Category::of(command).contains(wanted))
        };
        let mut names = Vec::new();
        for command in command::all() {
            let own = (command, command.name.to_owned());
            let subs = command.subcommands.iter();
            let subs = subs.map(|sub| (sub, full_name(sub, command.name)));
            names.extend(
                std::iter::once(own)
                    .chain(subs)
                    .filter_map(|(command, name)| fits(command, &name).then_some(name)),
            );
        }
        self.with_output(key, |output| {
            output.array(names.len());
            names.iter().for_each(|name| output.bulk(name.as_bytes()));
        });
    }

    fn command_getkeys(&mut self, key: usize, arguments: &Arguments<'_>) {
        let asked = arguments.skip(2);
        let found = match command::resolve(&asked) {
            Ok(found) => found,
            Err(error) => {
                let line = if error.to_string().starts_with("ERR unknown") {
                    "ERR Invalid command specified"
                } else {
                    "ERR Invalid number of arguments specified for command"
                };
                return self.answer_error(key, line);
            }
        };
        if matches!(found.keys, Keys::None) {
            return self.answer_error(key, "ERR The command has no key arguments");
        }
        let mut positions = Vec::new();
        found.keys.find(&asked, &mut positions);
        // A destination alone: the number of keys is none, or more than there are.
        let is_uncounted = matches!(found.keys, Keys::Counted { also, .. } if also != 0);
        if positions.len() <= usize::from(is_uncounted) {
            return self.answer_error(key, "ERR Invalid arguments specified for command");
        }
        self.with_output(key, |output| {
            output.array(positions.len());
            positions.iter().for_each(|&at| output.bulk(asked.at(at)));
        });
    }
}

/// A command by its name, or `container|name`, with the container's name.
fn find(name: &[u8]) -> Option<(&'static Command, &'static str)> {
    let Some(bar) = name.iter().position(|&byte| byte == b'|') else {
        return command::find(name).map(|command| (command, ""));
    };
    let container = command::find(&name[..bar])?;
    let wanted = &name[bar + 1..];
    let mut subs = container.subcommands.iter();
    let sub = subs.find(|sub| wanted.eq_ignore_ascii_case(sub.name.as_bytes()))?;
    Some((sub, container.name))
}

fn full_name(command: &Command, container: &str) -> String {
    if container.is_empty() {
        command.name.to_owned()
    } else {
        format!("{container}|{}", command.name)
    }
}

/// The first key's position, the last's and the step, as Redis tells them.
fn key_positions(command: &Command) -> (i64, i64, i64) {
    match command.keys {
        Keys::Positions { first, last, step } => {
            (i64::from(first), i64::from(last), i64::from(step))
        }
        Keys::Counted { also, .. } if also > 0 => (i64::from(also), i64::from(also), 1),
        Keys::None | Keys::Counted { .. } | Keys::Function(_) => (0, 0, 0),
    }
}

/// A command as `COMMAND INFO` shows it: ten fields.
fn describe(command: &Command, container: &str, output: &mut Output) {
    let (first, last, step) = key_positions(command);
    output.array(10);
    output.bulk(full_name(command, container).as_bytes());
    output.integer(i64::from(command.arity));
    let flags: Vec<&str> = FLAGS
        .iter()
        .filter(|(flag, name)| command.flags.contains(*flag) && !name.is_empty())
        .map(|(_, name)| *name)
        .chain(
            matches!(command.keys, Keys::Counted { .. } | Keys::Function(_))
                .then_some("movablekeys"),
        )
        .collect();
    output.set(flags.len());
    flags.iter().for_each(|flag| output.simple(flag));
    output.integer(first);
    output.integer(last);
    output.integer(step);
    let categories: Vec<&str> = Category::of(command).names().collect();
    output.set(categories.len());
    for category in categories {
        output.simple(&format!("@{category}"));
    }
    // Tips and key specifications are not kept.
    output.array(0);
    output.array(0);
    output.array(command.subcommands.len());
    for sub in command.subcommands {
        describe(sub, command.name, output);
    }
}

fn docs(arguments: &Arguments<'_>, output: &mut Output) {
    let asked: Vec<(&Command, &str)> = if arguments.len() == 2 {
        command::all().map(|command| (command, "")).collect()
    } else {
        arguments.iter().skip(2).filter_map(find).collect()
    };
    output.map(asked.len());
    for (command, container) in asked {
        output.bulk(full_name(command, container).as_bytes());
        document(command, output);
    }
}

fn document(command: &Command, output: &mut Output) {
    let has_subs = !command.subcommands.is_empty();
    output.map(3 + usize::from(has_subs));
    for (field, value) in [
        ("summary", command.summary),
        ("since", command.since),
        ("group", group(command.group)),
    ] {
        output.bulk(field.as_bytes());
        output.bulk(value.as_bytes());
    }
    if has_subs {
        output.bulk(b"subcommands");
        output.map(command.subcommands.len());
        for sub in command.subcommands {
            output.bulk(full_name(sub, command.name).as_bytes());
            document(sub, output);
        }
    }
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Bitmap => "bitmap",
        Group::Connection => "connection",
        Group::Generic => "generic",
        Group::Hash => "hash",
        Group::HyperLogLog => "hyperloglog",
        Group::List => "list",
        Group::PubSub => "pubsub",
        Group::Scripting => "scripting",
        Group::Server => "server",
        Group::Set => "set",
        Group::SortedSet => "sorted-set",
        Group::Stream => "stream",
        Group::String => "string",
        Group::Transactions => "transactions",
    }
}
