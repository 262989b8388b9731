//! Commands on sets: tables of answers, models, and scans of what changes meanwhile.

use crate::reply::Answer;
use crate::testing::{Stage, shown};
use crate::{Moment, Settings};

mod algebra;
mod kept;
mod picking;
mod scans;
mod single;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// A stage with a string under `text`, a set of words under `w` and one of integers under `i`.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.run("set text value");
    stage.run("sadd w a b c");
    stage.run("sadd i 3 1 2");
    stage
}

/// Makes a set one that keeps its members in places: a long one comes and goes.
fn spread(stage: &mut Stage, key: &str) {
    let long = "x".repeat(2000);
    stage.run_bytes(["sadd", key, &long]);
    stage.run_bytes(["srem", key, &long]);
}

/// What `OBJECT ENCODING` would say.
fn encoding(stage: &Stage, key: &str) -> &'static str {
    let moment = Moment {
        database: 0,
        now_ms: stage.now_ms,
        seed: 0,
    };
    let view = stage.keyspace.view(moment, false);
    let entry = view.peek(key.as_bytes());
    entry.map_or("none", |entry| entry.value().encoding())
}

/// The elements of an answer, sorted.
fn sorted(answer: &Answer) -> Vec<String> {
    let (Answer::Set(elements) | Answer::Array(elements)) = answer else {
        panic!("not many: {answer:?}");
    };
    let mut elements: Vec<String> = elements.iter().map(shown).collect();
    elements.sort();
    elements
}

/// Settings under which no set of more than so many integers is called an integer set.
fn intset_max(entries: u64) -> Settings {
    Settings {
        set_intset_entries_max: entries,
        ..Settings::default()
    }
}
