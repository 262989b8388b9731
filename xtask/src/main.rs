//! The workspace's chores, one command each: `cargo xtask ci | test | tidy | docs | fresh | sim | bench | autobahn |
//! chaos | soak | durability | fuzz | redis-suite | client-suites`.
//!
//! The gate (`ci`) only reads and runs; what it finds is mended by other commands (`cargo fmt`, `cargo xtask docs`).
//! Everything here shells out to cargo and prints: it is the one crate besides the binary that does.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore's output is its purpose"
)]

mod autobahn;
mod bench;
mod ci;
mod client_suites;
mod counts;
mod docs;
mod durability;
mod endurance;
mod error;
mod fresh;
mod fuzz;
mod oracle;
mod peers;
mod process;
mod redis_suite;
mod running;
mod sdk;
mod sim;
mod steps;
mod store_server;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::workspace::Workspace;

/// The workspace's chores
#[derive(Parser)]
#[command(name = "cargo xtask", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run the whole gate: format, lints, tidy, docs, licences, rustdoc, tests
    Ci,
    /// Run every test: unit, integration, documentation, and the simulator's short form
    Test(test::Arguments),
    /// Check what compilers do not: floors, module docs, file lengths, links, reasons
    Tidy,
    /// Write the generated reference pages (and the book, where mdbook is installed)
    Docs(docs::Arguments),
    /// Run the README's commands in a clean clone with an empty home and target directory
    Fresh(fresh::Arguments),
    /// Run the seeded simulation
    Sim(sim::Arguments),
    /// Measure beside peers and print a table
    Bench(bench::Arguments),
    /// Compare the Autobahn suite's verdicts through the edge with direct ones
    Autobahn(autobahn::Arguments),
    /// Kill, stall and drain servers under players, and compare what all sides tell
    Chaos(endurance::Chaos),
    /// Run players for long: reloads without end, borders crossed all the time
    Soak(endurance::Soak),
    /// Kill stores, cut their power, break their disks, and look for what they have answered
    Durability(durability::Arguments),
    /// Feed damaged input to what reads it: every fuzz target, or one
    Fuzz(fuzz::Arguments),
    /// Play random commands to the store and to redis-server, and compare what they answer
    Oracle(oracle::Arguments),
    /// Run the Redis project's own tests against the store
    RedisSuite(redis_suite::Arguments),
    /// Run client libraries' own tests against Redis and against the store, and compare
    ClientSuites(client_suites::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                eprintln!("  because: {inner}");
                cause = inner.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let workspace = Workspace::open()?;
    match arguments.chore {
        Chore::Ci => ci::run(&workspace),
        Chore::Test(arguments) => test::run(&workspace, &arguments),
        Chore::Tidy => tidy::run(&workspace),
        Chore::Docs(arguments) => docs::run(&workspace, &arguments),
        Chore::Fresh(arguments) => fresh::run(&workspace, &arguments),
        Chore::Sim(arguments) => sim::run(&workspace, &arguments),
        Chore::Bench(arguments) => bench::run(&workspace, &arguments),
        Chore::Autobahn(arguments) => autobahn::run(&workspace, &arguments),
        Chore::Chaos(arguments) => endurance::chaos(&workspace, &arguments),
        Chore::Soak(arguments) => endurance::soak(&workspace, &arguments),
        Chore::Durability(arguments) => durability::run(&workspace, &arguments),
        Chore::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
        Chore::Oracle(arguments) => oracle::run(&workspace, &arguments),
        Chore::RedisSuite(arguments) => redis_suite::run(&workspace, &arguments),
        Chore::ClientSuites(arguments) => client_suites::run(&workspace, &arguments),
    }
}
