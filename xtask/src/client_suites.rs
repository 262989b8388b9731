//! The own tests of what people reach Redis with (redis-py, ioredis, BullMQ), against Redis's server and against a store in
//! the same way.
//!
//! A test that holds with Redis and not with the store must be named in `client_suites/exceptions.txt` with its reason.
//! What is found stands in the book.

mod exceptions;
mod results;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::Error;
use crate::process;
use crate::running::file;
use crate::store_server::{StoreServer, built};
use crate::workspace::Workspace;
use exceptions::Judged;
use results::{Outcome, Results, differences, passed};
use suite::Suite;

/// What `cargo xtask client-suites` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this suite
    suite: Option<Suite>,
    /// Use this `atlas` instead of building one
    #[arg(long, value_name = "FILE")]
    atlas: Option<PathBuf>,
    /// Write what is found into the book; only of all suites
    #[arg(long, conflicts_with = "suite")]
    write: bool,
}

const PAGE: &str = "docs/internals/client-suites.md";
const BEGIN: &str = "<!-- results: written by `cargo xtask client-suites --write` -->\n";
const END: &str = "<!-- end of results -->\n";

/// What a suite found.
struct Found {
    suite: Suite,
    redis: Results,
    atlas: Results,
    judged: Judged,
}

/// Runs the suites and compares.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    if !process::on_path("redis-server") {
        println!("skipped: the clients' tests: redis-server is not installed");
        return Ok(());
    }
    let atlas = match &arguments.atlas {
        Some(atlas) => atlas.clone(),
        None => built(workspace)?,
    };
    let mut all = Vec::new();
    for suite in Suite::ALL {
        if arguments.suite.is_some_and(|chosen| chosen != suite) {
            continue;
        }
        let sources = match suite.install(workspace) {
            Ok(sources) => sources,
            Err(error) => {
                println!("skipped: {}: {error}", suite.title());
                continue;
            }
        };
        all.push(compare(workspace, suite, &sources, &atlas)?);
    }
    let is_bad =
        |found: &Found| !found.judged.unexplained.is_empty() || !found.judged.idle.is_empty();
    let bad: Vec<&str> = all
        .iter()
        .filter(|found| is_bad(found))
        .map(|found| found.suite.name())
        .collect();
    if !bad.is_empty() {
        return Err(Error::check(format!(
            "client_suites/exceptions.txt is not what was found: {}",
            bad.join(", ")
        )));
    }
    if arguments.write && all.len() == Suite::ALL.len() {
        write(workspace, &all)?;
    }
    Ok(())
}

fn compare(
    workspace: &Workspace,
    suite: Suite,
    sources: &Path,
    atlas: &Path,
) -> Result<Found, Error> {
    let folder = workspace
        .target
        .join("client-suite-runs")
        .join(suite.name());
    let _ = fs::remove_dir_all(&folder);
    let play = |name: &str, atlas: Option<&Path>, only: &[String]| {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(file("create", &folder))?;
        let began = Instant::now();
        let server = StoreServer::start(atlas, &folder)?;
        let results = suite.play(sources, server.port, only, &folder)?;
        println!(
            "{:<16} {:<6} {:>5} passed of {:>5} in {:>4.0} s",
            suite.title(),
            name,
            passed(&results),
            results.len(),
            began.elapsed().as_secs_f64()
        );
        Ok::<Results, Error>(results)
    };
    let play = &play;
    let (redis, ours) = if suite.shares() {
        std::thread::scope(|scope| {
            let redis = scope.spawn(|| play("redis", None, &[]));
            let ours = play("atlas", Some(atlas), &[]);
            let redis = redis
                .join()
                .unwrap_or_else(|_| Err(Error::check("the run against Redis was given up")));
            (redis, ours)
        })
    } else {
        (play("redis", None, &[]), play("atlas", Some(atlas), &[]))
    };
    let (mut redis, mut ours) = (redis?, ours?);
    let judged = exceptions::judge(suite.name(), differences(&redis, &ours))?;
    // Many of these tests wait for short times: what fails once on a busy machine is asked again, of either server.
    let again: Vec<String> = judged.unexplained.into_iter().map(|one| one.test).collect();
    if !again.is_empty() {
        println!("again: {} tests", again.len());
        ours.extend(play("again", Some(atlas), &again)?);
    }
    let behind = differences(&ours, &redis).into_iter().map(|one| one.test);
    let again: Vec<String> = behind
        .filter(|test| matches!(redis.get(test), Some(Outcome::Failed(_))))
        .collect();
    if !again.is_empty() {
        println!("again with Redis: {} tests", again.len());
        redis.extend(play("redis-again", None, &again)?);
    }
    // A test that Redis passes once and fails once says nothing.
    let judged = exceptions::judge(suite.name(), differences(&redis, &ours))?;
    let again: Vec<String> = judged.unexplained.into_iter().map(|one| one.test).collect();
    if !again.is_empty() {
        println!("asked of Redis a second time: {} tests", again.len());
        let failed = play("redis-twice", None, &again)?;
        redis.extend(failed.into_iter().filter(|(test, outcome)| {
            let fails = matches!(outcome, Outcome::Failed(_));
            if fails {
                println!("    fails with Redis now and then: {test}");
            }
            fails
        }));
    }
    let judged = exceptions::judge(suite.name(), differences(&redis, &ours))?;
    for (reason, count) in &judged.by_reason {
        println!("    {count:>4} behind Redis: {reason}");
    }
    for difference in &judged.unexplained {
        println!(
            "    unexplained: {}\n        {}",
            difference.test, difference.why
        );
    }
    for pattern in &judged.idle {
        println!("    an exception that explains nothing: {pattern}");
    }
    Ok(Found {
        suite,
        redis,
        atlas: ours,
        judged,
    })
}

/// Writes the results into the page.
fn write(workspace: &Workspace, all: &[Found]) -> Result<(), Error> {
    let path = workspace.root.join(PAGE);
    let page = fs::read_to_string(&path).map_err(file("read", &path))?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let Some((before, after)) = parts else {
        return Err(Error::check(format!("{PAGE} has no place for the results")));
    };
    let mut text = "| tests of | Redis 7.0 passes | the store passes | Redis passes and the store does not |\n|---|--:|--:|--:|\n".to_owned();
    for found in all {
        let behind: usize = found.judged.by_reason.values().sum();
        text.push_str(&format!(
            "| {} | {} | {} | {behind} |\n",
            found.suite.title(),
            passed(&found.redis),
            passed(&found.atlas),
        ));
    }
    text.push_str("\n| tests of | behind | because |\n|---|--:|---|\n");
    for found in all {
        for (reason, count) in &found.judged.by_reason {
            text.push_str(&format!(
                "| {} | {count} | {reason} |\n",
                found.suite.name()
            ));
        }
    }
    fs::write(&path, format!("{before}{BEGIN}\n{text}\n{END}{after}")).map_err(file("write", &path))
}
