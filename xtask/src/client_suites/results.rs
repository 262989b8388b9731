//! How the tests of a suite ended, and where two servers differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::running::file;

/// How a test ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Passed,
    Skipped,
    /// With the first line of why.
    Failed(String),
}

/// Outcomes by test.
pub(super) type Results = BTreeMap<String, Outcome>;

/// Reads lines of `{"test", "outcome", "message"}`. A test of which several are told ended as the worst of them.
pub(super) fn read(path: &Path) -> Result<Results, Error> {
    let text = fs::read_to_string(path).map_err(file("read", path))?;
    let mut results = Results::new();
    for line in text.lines() {
        // The last line may have been cut by the end of the run.
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let said = |key: &str| value[key].as_str().unwrap_or_default();
        let outcome = match said("outcome") {
            "passed" => Outcome::Passed,
            "skipped" => Outcome::Skipped,
            _ => Outcome::Failed(
                said("message")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        let kept = results
            .entry(said("test").to_owned())
            .or_insert(Outcome::Passed);
        if !matches!(kept, Outcome::Failed(_)) && outcome != Outcome::Passed {
            *kept = outcome;
        }
    }
    Ok(results)
}

/// Tests that passed.
pub(super) fn passed(results: &Results) -> usize {
    let passed = results.values().filter(|one| **one == Outcome::Passed);
    passed.count()
}

/// A test that holds with Redis and not with the store; one that Redis is not asked is here if it fails with the store.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) test: String,
    pub(super) why: String,
}

/// Where the store is behind Redis.
pub(super) fn differences(redis: &Results, atlas: &Results) -> Vec<Difference> {
    let names: std::collections::BTreeSet<&String> = redis.keys().chain(atlas.keys()).collect();
    let difference = |test: &&String| {
        let why = match (redis.get(*test), atlas.get(*test)) {
            (_, Some(Outcome::Passed)) | (Some(Outcome::Failed(_)), _) => return None,
            // Left out for both, or for the store only because of the version that it tells.
            (Some(Outcome::Skipped) | None, Some(Outcome::Skipped) | None) => return None,
            (_, Some(Outcome::Failed(why))) => why.clone(),
            (_, Some(Outcome::Skipped)) => "skipped".to_owned(),
            (_, None) => "did not run".to_owned(),
        };
        Some(Difference {
            test: (*test).clone(),
            why,
        })
    };
    names.iter().filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_behind_if_redis_passes_it_and_the_store_does_not() {
        let failed = || Outcome::Failed("no".to_owned());
        let results = |all: [Option<Outcome>; 6]| -> Results {
            let named = all.into_iter().enumerate();
            named
                .filter_map(|(at, outcome)| Some((at.to_string(), outcome?)))
                .collect()
        };
        use Outcome::{Passed, Skipped};
        let redis = results([
            Some(Passed),
            Some(Passed),
            Some(Passed),
            Some(failed()),
            Some(Skipped),
            None,
        ]);
        let atlas = results([
            Some(Passed),
            Some(failed()),
            None,
            Some(failed()),
            Some(failed()),
            Some(Skipped),
        ]);
        let found: Vec<String> = differences(&redis, &atlas)
            .into_iter()
            .map(|one| one.test)
            .collect();
        assert_eq!(found, ["1", "2", "4"]);
        assert_eq!(passed(&redis), 3);
    }
}
