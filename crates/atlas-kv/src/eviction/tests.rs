//! What goes, by policy.

use std::collections::BTreeSet;

use super::*;
use crate::testing::Stage;
use crate::{Effects, Settings};

/// A state of `count` keys `key-NUMBER`, each used a second after the one before; every third expires, later keys
/// sooner.
fn stage(count: usize, access: Access) -> Stage {
    let mut stage = Stage::with(Settings {
        access,
        ..Settings::default()
    });
    stage.now_ms = 1_700_000_000_000;
    for number in 0..count {
        stage.now_ms += 1_000;
        stage.run(&format!("set key-{number} 1"));
        if number % 3 == 0 {
            let seconds = 10_000 + (count - number) * 60;
            stage.run(&format!("expire key-{number} {seconds}"));
        }
    }
    stage
}

fn candidates(stage: &Stage, policy: Policy, count: usize, seed: u64) -> Vec<usize> {
    stage
        .keyspace
        .eviction_candidates(policy, count, 5, stage.now_ms, seed)
        .into_iter()
        .map(|candidate| {
            let key = String::from_utf8(candidate.key).unwrap();
            key.strip_prefix("key-").unwrap().parse().unwrap()
        })
        .collect()
}

#[test]
fn policies_have_names() {
    for policy in Policy::ALL {
        assert_eq!(Policy::of_name(policy.name().as_bytes()), Some(policy));
    }
    assert_eq!(Policy::of_name(b"AllKeys-LRU"), Some(Policy::AllKeysLru));
    assert_eq!(Policy::of_name(b"allkeys"), None);
}

#[test]
fn nothing_goes_where_nothing_may() {
    let mut stage = Stage::new();
    for policy in Policy::ALL {
        assert!(candidates(&stage, policy, 10, 1).is_empty(), "{policy:?}");
    }
    stage.run("set key-1 1");
    for policy in Policy::ALL {
        let expected = usize::from(policy != Policy::NoEviction && !policy.is_volatile_only());
        assert_eq!(
            candidates(&stage, policy, 10, 1).len(),
            expected,
            "{policy:?}"
        );
        assert!(candidates(&stage, policy, 0, 1).is_empty());
    }
}

#[test]
fn small_states_are_looked_at_whole() {
    let stage = stage(30, Access::Recency);
    assert_eq!(
        candidates(&stage, Policy::AllKeysLru, 6, 1),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!(candidates(&stage, Policy::VolatileLru, 3, 1), [0, 3, 6]);
    assert_eq!(candidates(&stage, Policy::VolatileTtl, 3, 1), [27, 24, 21]);
    assert_eq!(candidates(&stage, Policy::VolatileTtl, 100, 1).len(), 10);
    assert_eq!(candidates(&stage, Policy::AllKeysRandom, 100, 1).len(), 30);
}

#[test]
fn the_least_used_go_first() {
    const KEYS: usize = 3_000;
    let stage = stage(KEYS, Access::Recency);
    for (policy, is_volatile) in [(Policy::AllKeysLru, false), (Policy::VolatileLru, true)] {
        let mut sum = 0;
        for seed in 0..20 {
            let chosen = candidates(&stage, policy, 16, seed);
            assert!(chosen.len() > 10, "{chosen:?}");
            assert!(chosen.is_sorted(), "the oldest come first");
            assert!(!is_volatile || chosen.iter().all(|number| number % 3 == 0));
            sum += chosen.iter().sum::<usize>() / chosen.len();
        }
        // The coldest fifth of a sample lies in the coldest fifth of all, on average at a tenth.
        assert!(sum / 20 < KEYS / 6, "{policy:?}: {}", sum / 20);
    }
}

#[test]
fn the_least_often_used_go_first() {
    let mut stage = stage(300, Access::Frequency);
    for number in 100..300 {
        for _ in 0..5 {
            stage.run(&format!("get key-{number}"));
        }
    }
    for policy in [Policy::AllKeysLfu, Policy::VolatileLfu] {
        let chosen = candidates(&stage, policy, 10, 7);
        let cold = chosen.iter().filter(|&&number| number < 100).count();
        assert!(cold >= 8, "{policy:?}: {chosen:?}");
    }
}

#[test]
fn a_seed_decides_and_changes_nothing() {
    let stage = stage(2_000, Access::Recency);
    let before = stage.keyspace.state_hash();
    for policy in Policy::ALL {
        assert_eq!(
            candidates(&stage, policy, 10, 3),
            candidates(&stage, policy, 10, 3),
            "{policy:?}"
        );
    }
    assert_ne!(
        candidates(&stage, Policy::AllKeysRandom, 10, 3),
        candidates(&stage, Policy::AllKeysRandom, 10, 4)
    );
    assert_eq!(stage.keyspace.state_hash(), before);
}

#[test]
fn every_key_is_picked_at_some_time() {
    let stage = stage(200, Access::Recency);
    for (policy, expected) in [(Policy::AllKeysRandom, 200), (Policy::VolatileRandom, 67)] {
        let picked: BTreeSet<usize> = (0..400)
            .flat_map(|seed| candidates(&stage, policy, 5, seed))
            .collect();
        assert_eq!(picked.len(), expected, "{policy:?}");
    }
}

#[test]
fn few_keys_that_expire_are_found_among_many() {
    let mut stage = Stage::new();
    for number in 0..5_000 {
        stage.run(&format!("set stays-{number} 1"));
    }
    // Some within seconds, some within days, one in a year.
    for (number, seconds) in [5, 6, 7, 100_000, 100_001, 200_000, 31_000_000]
        .iter()
        .enumerate()
    {
        stage.run(&format!("set key-{number} 1"));
        stage.run(&format!("expire key-{number} {seconds}"));
    }
    let picked: BTreeSet<usize> = (0..300)
        .flat_map(|seed| candidates(&stage, Policy::VolatileRandom, 2, seed))
        .collect();
    assert_eq!(picked.len(), 7, "{picked:?}");
    for seed in 0..50 {
        assert_eq!(candidates(&stage, Policy::VolatileLru, 2, seed).len(), 2);
    }
    assert_eq!(candidates(&stage, Policy::VolatileTtl, 2, 1), [0, 1]);
    // What is made to stay leaves a stale note behind.
    for number in 0..7 {
        stage.run(&format!("persist key-{number}"));
    }
    assert!(candidates(&stage, Policy::VolatileLru, 2, 1).is_empty());
    stage.run("expire key-3 50");
    assert_eq!(candidates(&stage, Policy::VolatileLru, 2, 1), [3]);
}

#[test]
fn databases_share_by_their_keys() {
    let mut stage = Stage::new();
    for number in 0..900 {
        stage.run(&format!("set key-{number} 1"));
    }
    stage.database = 5;
    for number in 0..100 {
        stage.run(&format!("set key-{number} 1"));
    }
    let chosen = stage
        .keyspace
        .eviction_candidates(Policy::AllKeysRandom, 100, 5, stage.now_ms, 1);
    let far = chosen.iter().filter(|candidate| candidate.database == 5);
    assert!((5..=20).contains(&far.count()));
}

#[test]
fn eviction_frees_until_nothing_is_left() {
    let mut stage = stage(500, Access::Recency);
    for (policy, left) in [(Policy::VolatileTtl, 333), (Policy::AllKeysLru, 0)] {
        let mut rounds = 0;
        loop {
            let chosen =
                stage
                    .keyspace
                    .eviction_candidates(policy, 16, 5, stage.now_ms, stage.seed);
            if chosen.is_empty() {
                break;
            }
            stage.seed += 1;
            rounds += 1;
            let mut effects = Effects::default();
            for candidate in chosen {
                stage.keyspace.evict(
                    candidate.database,
                    stage.now_ms,
                    policy.is_volatile_only(),
                    [candidate.key.as_slice()],
                    &mut effects,
                );
            }
        }
        assert_eq!(stage.keyspace.key_counts(0).0, left);
        assert!(rounds < 100, "{rounds} rounds");
    }
}
