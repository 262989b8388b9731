use super::access::{declared, exceptions};
use super::*;
use crate::codec::Reader;
use crate::command::{self, Flags};
use crate::keyspace::{Answers, Keyspace, Moment};
use crate::reply::{Answer, Collected};
use crate::{ArgumentBuffer, Arguments, Command, Effects, Loading, Reply, Settings};

mod rights;

/// What Redis says of its commands.
const GOLDEN: &str = include_str!("golden.txt");

fn all() -> impl Iterator<Item = &'static Command> {
    command::all().flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

fn row(name: &str) -> Option<[&'static str; 3]> {
    GOLDEN.lines().find_map(|line| {
        let mut fields = line.split('|').map(str::trim);
        // A subcommand's name has a bar of its own.
        let mut own = fields.next()?.to_owned();
        let mut rest: Vec<&str> = fields.collect();
        if rest.len() == 3 {
            own = format!("{own}|{}", rest.remove(0));
        }
        let (categories, access) = (*rest.first()?, *rest.get(1)?);
        (own == name).then_some(["", categories, access])
    })
}

/// The decision table's first half: what every command is, and does with its keys, is what Redis says of it.
#[test]
fn every_command_is_in_the_categories_that_redis_has_it_in() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for command in all() {
        let name = full_name(command);
        let Some([_, categories, access]) = row(name) else {
            continue;
        };
        // Of these there is no more yet than libraries ask for at their start.
        if name.starts_with("function|") {
            continue;
        }
        seen += 1;
        let held: Vec<&str> = Category::of(command).names().collect();
        let mut held = held.join(" ");
        if name == "wait" {
            // It waits, says 7.2.
            held = held.replace(" blocking", "");
        }
        if held != categories {
            wrong.push(format!("{name}: {held}, not {categories}"));
        }
        if !access.is_empty() {
            let letters = |access: Access| match access {
                Access::READ => "R",
                Access::WRITE => "W",
                one if one == Access::all() => "RW",
                _ => "-",
            };
            let (first, others) = declared(command);
            let held = format!("{} {}", letters(first), letters(others));
            // What varies is declared as the least.
            if !access.ends_with("varies") && held != access {
                wrong.push(format!("{name}: {held}, not {access}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 200, "{seen} rows are hardly all commands");
}

#[test]
fn exceptions_are_commands_of_redis() {
    for name in exceptions() {
        assert!(row(name).is_some(), "{name}");
    }
}

#[test]
fn commands_that_come_later_have_to_be_looked_at() {
    // What 7.2 brings is not in the table; its categories stand here.
    let categories = |name: &str| {
        let found = all().find(|command| full_name(command) == name);
        Category::of(found.unwrap()).names().collect::<Vec<_>>()
    };
    assert_eq!(categories("waitaof"), ["slow", "blocking", "connection"]);
    assert_eq!(categories("client|setinfo"), ["slow", "connection"]);
    let unknown: Vec<&str> = all()
        .map(full_name)
        .filter(|name| row(name).is_none())
        .filter(|name| !name.starts_with("debug|"))
        .collect();
    assert_eq!(
        unknown,
        ["client|no-touch", "client|setinfo", "waitaof"],
        "look up what Redis says of them"
    );
}
