//! Random pipelines of every built command, from many connections, beside redis-server: it answers as the store does, but
//! for what [`rules`] lists. Here in the short form; `cargo xtask oracle` runs the long one, and replays a seed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests say what they expect by unwrapping, and a found difference is printed"
)]

#[path = "../../../atlas-kv/tests/it/grammar.rs"]
mod grammar;

mod peer;
mod play;
mod rules;
mod shrink;
mod steps;
mod store;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use atlas_testkit::redis::Redis;

use crate::play::{Player, State};
use crate::steps::{Settings, Step};
use crate::store::Store;

/// Commands of one history; the state is empty when it begins.
const HISTORY: usize = 10_000;
/// Histories of one store: each of its starts replays all of them.
const STORE: u64 = 6;
/// How many the gate's short form has, and its seed: always the same, so that a red gate is red again.
const SHORT: usize = 30_000;
const SHORT_SEED: u64 = 5;
/// Steps between two looks at everything that is there.
const LOOKED_AFTER: usize = 40;
/// How long a failing history is cut down.
const SHRINKING: Duration = Duration::from_secs(30);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn random_pipelines_are_answered_as_redis_answers_them() {
    let Some(redis) = Redis::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let commands = number("ATLAS_ORACLE_COMMANDS").map_or(SHORT, |number| number as usize);
    let first = number("ATLAS_ORACLE_SEED").unwrap_or(SHORT_SEED);
    let mut store = Store::start().await;
    let began = Instant::now();
    let (mut sent, mut pushes, mut seed) = (0, 0, first);
    let mut accepted = BTreeSet::new();
    while sent < commands {
        let settings = Settings::of(seed);
        let length = HISTORY.min(commands - sent);
        let steps = steps::draw(seed, length, settings);
        let result = play(
            &store,
            &redis,
            settings,
            &steps,
            LOOKED_AFTER,
            &mut accepted,
        );
        match result {
            Ok(state) => {
                sent += state.sent;
                pushes += state.pushes;
            }
            Err(difference) => {
                println!(
                    "seed {seed}: {difference}\n\nin\n{}\n\nreplay: cargo xtask oracle --seed {seed} --commands {length}",
                    steps[difference.step]
                );
                let limit = Instant::now() + SHRINKING;
                let mut ignored = BTreeSet::new();
                // Where they went apart, which may be long before anybody saw it.
                let result = play(&store, &redis, settings, &steps, 1, &mut ignored);
                let difference = result.err().unwrap_or_else(|| difference.clone());
                let steps = shrink::shrink(&steps[..=difference.step], limit, |steps| {
                    let all = usize::MAX;
                    let result = play(&store, &redis, settings, steps, all, &mut ignored);
                    let is_silence = |what: &str| what.contains("no answer");
                    // What is left may wait, on both, where the whole would not.
                    result
                        .err()
                        .filter(|found| is_silence(&found.what) == is_silence(&difference.what))
                        .map(|difference| difference.to_string())
                });
                panic!(
                    "the store and redis-server differ: {difference}\n\nthe least that shows it:\n{steps}"
                );
            }
        }
        // What was logged gives the same state again.
        let before = store.digest();
        store.kill_and_start().await;
        assert_eq!(store.digest(), before, "seed {seed}: after a restart");
        seed += 1;
        if (seed - first).is_multiple_of(STORE) {
            store = Store::start().await;
        }
    }
    let took = began.elapsed();
    println!(
        "{sent} commands of {} histories from seed {first}, {pushes} messages: every answer as redis-server's ({took:.0?})",
        seed - first
    );
    if commands >= SHORT {
        let missing: Vec<String> = steps::names()
            .into_iter()
            .filter(|name| !accepted.contains(name) && !rules::NEVER_ACCEPTED.contains(&&**name))
            .collect();
        assert!(missing.is_empty(), "never accepted: {missing:?}");
    }
}

/// Plays steps from an empty state, and compares all that is there after so many of them each.
fn play(
    store: &Store,
    redis: &Redis,
    settings: Settings,
    steps: &[Step],
    looked_after: usize,
    accepted: &mut BTreeSet<String>,
) -> Result<State, play::Difference> {
    let mut player = Player::new(store, redis, settings);
    for (at, step) in steps.iter().enumerate() {
        player
            .step(step)
            .and_then(|()| match (at + 1) % looked_after {
                0 => player.look(),
                _ => Ok(()),
            })
            .map_err(|what| play::Difference { step: at, what })?;
    }
    let state = player.finish().map_err(|what| play::Difference {
        step: steps.len().saturating_sub(1),
        what,
    })?;
    accepted.extend(state.accepted.iter().cloned());
    Ok(state)
}
