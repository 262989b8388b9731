use proptest::prelude::*;

use super::*;

fn pool(weights: &[u32]) -> Vec<Candidate> {
    (1..)
        .zip(weights)
        .map(|(key, &weight)| Candidate {
            key,
            weight,
            ..Candidate::default()
        })
        .collect()
}

fn picks(algorithm: Algorithm, pool: &[Candidate], count: u64) -> Vec<usize> {
    let mut chooser = Chooser::new();
    (0..count)
        .map(|turn| {
            chooser
                .choose(algorithm, pool, Some(scatter(turn)), scatter(turn))
                .unwrap()
        })
        .collect()
}

fn counts(picks: &[usize], size: usize) -> Vec<usize> {
    (0..size)
        .map(|index| picks.iter().filter(|&&pick| pick == index).count())
        .collect()
}

#[test]
fn least_connections_goes_by_sessions_for_weight() {
    let table: [(&[(u32, u32)], usize); 4] = [
        (&[(1, 5), (1, 4), (1, 6)], 1),
        (&[(1, 5), (2, 8), (1, 4)], 1),
        (&[(10, 90), (1, 10)], 0),
        (&[(1, 0), (4, 2)], 1),
    ];
    for algorithm in [
        Algorithm::LeastConnections,
        Algorithm::Spatial,
        Algorithm::Geographic,
    ] {
        for (entries, expected) in table {
            let mut pool = pool(&entries.iter().map(|entry| entry.0).collect::<Vec<_>>());
            for (candidate, entry) in pool.iter_mut().zip(entries) {
                candidate.sessions = entry.1;
            }
            for random in 0..20 {
                let got = Chooser::new().choose(algorithm, &pool, None, random);
                assert_eq!(got, Some(expected), "{algorithm} {entries:?}");
            }
        }
    }
}

#[test]
fn least_connections_fills_an_empty_pool_evenly() {
    let mut pool = pool(&[1, 1, 1]);
    let mut chooser = Chooser::new();
    for turn in 0..300 {
        let index = chooser
            .choose(Algorithm::LeastConnections, &pool, None, scatter(turn))
            .unwrap();
        pool[index].sessions += 1;
    }
    assert_eq!(
        pool.iter().map(|one| one.sessions).collect::<Vec<_>>(),
        [100, 100, 100]
    );
    let first: Vec<_> = picks(Algorithm::LeastConnections, &pool, 3000);
    assert!(
        counts(&first, 3).iter().all(|&count| count > 800),
        "ties are drawn evenly: {:?}",
        counts(&first, 3)
    );
}

#[test]
fn round_robin_takes_turns_whatever_the_weights() {
    assert_eq!(
        picks(Algorithm::RoundRobin, &pool(&[5, 1, 9]), 7),
        [0, 1, 2, 0, 1, 2, 0]
    );
    let mut some = pool(&[1, 1, 1, 1]);
    some[2].accepts = false;
    assert_eq!(picks(Algorithm::RoundRobin, &some, 6), [0, 1, 3, 0, 1, 3]);
}

#[test]
fn round_robin_goes_on_when_the_pool_changes() {
    let mut chooser = Chooser::new();
    let all = pool(&[1, 1, 1]);
    let mut turn = |pool: &[Candidate]| {
        pool[chooser
            .choose(Algorithm::RoundRobin, pool, None, 0)
            .unwrap()]
        .key
    };
    assert_eq!([turn(&all), turn(&all)], [1, 2]);
    // The first one left: positions shift, credit does not, and the two that stay share what comes.
    assert_eq!(turn(&all[1..]), 3);
    let seconds = (0..10).filter(|_| turn(&all[1..]) == 2).count();
    assert!((4..=6).contains(&seconds), "{seconds} of 10");
}

#[test]
fn weighted_interleaves_by_weight() {
    assert_eq!(
        picks(Algorithm::Weighted, &pool(&[5, 1, 1]), 7),
        [0, 0, 1, 0, 2, 0, 0]
    );
    assert_eq!(
        counts(&picks(Algorithm::Weighted, &pool(&[3, 2, 1]), 600), 3),
        [300, 200, 100]
    );
}

#[test]
fn a_cold_server_gets_a_tenth() {
    let mut pool = pool(&[1, 1]);
    pool[1].warmth = 0.1;
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::Weighted,
        Algorithm::Random,
        Algorithm::ConsistentHash,
    ] {
        let got = counts(&picks(algorithm, &pool, 11_000), 2)[1];
        assert!((800..1200).contains(&got), "{algorithm}: {got} of 11000");
    }
    pool[1].warmth = f64::NAN;
    assert!(counts(&picks(Algorithm::Weighted, &pool, 1100), 2)[1] <= 101);
}

#[test]
fn random_is_even_and_power_of_two_prefers_the_emptier() {
    let mut pool = pool(&[1, 1, 1, 1]);
    for algorithm in [Algorithm::Random, Algorithm::PowerOfTwo] {
        let got = counts(&picks(algorithm, &pool, 8000), 4);
        assert!(
            got.iter().all(|count| (1800..2200).contains(count)),
            "{algorithm}: {got:?}"
        );
    }
    pool[2].sessions = 50;
    let got = counts(&picks(Algorithm::PowerOfTwo, &pool, 8000), 4);
    assert_eq!(
        got[2], 0,
        "the fullest loses against whichever the other is"
    );
}

#[test]
fn least_load_goes_by_report_then_by_sessions() {
    type Entry = (Option<f64>, u32, Option<u32>);
    let table: [(&[Entry], usize); 5] = [
        (&[(Some(0.9), 1, None), (Some(0.2), 500, None)], 1),
        (&[(Some(0.21), 7, None), (Some(0.23), 3, None)], 1),
        (&[(None, 90, Some(100)), (None, 10, Some(100))], 1),
        (&[(None, 0, None), (Some(0.3), 9, None)], 1),
        (&[(Some(f64::NAN), 90, Some(100)), (Some(0.6), 0, None)], 1),
    ];
    for (entries, expected) in table {
        let pool: Vec<Candidate> = (0..)
            .zip(entries)
            .map(|(key, &(load, sessions, capacity))| Candidate {
                key,
                load,
                sessions,
                capacity,
                ..Candidate::default()
            })
            .collect();
        assert_eq!(
            Chooser::new().choose(Algorithm::LeastLoad, &pool, None, 7),
            Some(expected),
            "{entries:?}"
        );
    }
}

#[test]
fn consistent_hash_follows_weights_and_falls_back_without_a_key() {
    let pool = pool(&[1, 3]);
    let got = counts(&picks(Algorithm::ConsistentHash, &pool, 8000), 2)[0];
    assert!((1850..2150).contains(&got), "{got} of 8000");
    let mut chooser = Chooser::new();
    let without: Vec<_> = (0..100)
        .filter_map(|turn| chooser.choose(Algorithm::ConsistentHash, &pool, None, scatter(turn)))
        .collect();
    assert!(without.contains(&0) && without.contains(&1));
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    (
        1..6_u32,
        0.0..=1.0_f64,
        prop::option::of(0..50_u32),
        0..50_u32,
        prop::option::of(0.0..2.0_f64),
        any::<bool>(),
    )
        .prop_map(
            |(weight, warmth, capacity, sessions, load, accepts)| Candidate {
                key: 0,
                weight: weight - 1,
                warmth,
                capacity,
                sessions,
                load,
                accepts,
            },
        )
}

fn any_pool() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(any_candidate(), 0..12).prop_map(|mut pool| {
        for (candidate, key) in pool.iter_mut().zip(1..) {
            candidate.key = key;
        }
        pool
    })
}

proptest! {
    #[test]
    fn only_open_candidates_are_chosen_and_one_is_if_there_is_one(
        pools in prop::collection::vec(any_pool(), 1..6),
        randoms in prop::collection::vec(any::<u64>(), 1..20),
    ) {
        for algorithm in Algorithm::ALL {
            let mut chooser = Chooser::new();
            let mut twin = Chooser::new();
            for pool in &pools {
                for &random in &randoms {
                    let got = chooser.choose(algorithm, pool, Some(random), random);
                    prop_assert_eq!(got.is_some(), pool.iter().any(Candidate::open));
                    prop_assert!(got.is_none_or(|index| pool[index].open()));
                    prop_assert_eq!(got, twin.choose(algorithm, pool, Some(random), random));
                }
                prop_assert!(chooser.turns.len() <= pool.len(), "memory is bounded by the pool");
            }
        }
    }

    #[test]
    fn consistent_hash_moves_only_what_it_must(
        weights in prop::collection::vec(1..5_u32, 2..10),
        leaver in any::<prop::sample::Index>(),
        turn in any::<prop::sample::Index>(),
        keys in prop::collection::vec(any::<u64>(), 50),
    ) {
        let before = pool(&weights);
        let gone = leaver.index(before.len());
        let mut after = before.clone();
        after.remove(gone);
        after.rotate_left(turn.index(before.len() - 1));
        let owner = |pool: &[Candidate], key| {
            Chooser::new().choose(Algorithm::ConsistentHash, pool, Some(key), 0).map(|index| pool[index].key)
        };
        for key in keys {
            let (old, new) = (owner(&before, key), owner(&after, key));
            if old != Some(before[gone].key) {
                prop_assert_eq!(old, new, "a key moved that did not have to, or the order mattered");
            }
            // Closed is as good as gone.
            let mut closed = before.clone();
            closed[gone].accepts = false;
            prop_assert_eq!(owner(&closed, key), new);
        }
    }

    #[test]
    fn turns_are_shared_fairly(weights in prop::collection::vec(1..6_u32, 1..8)) {
        let total: u32 = weights.iter().sum();
        let got = counts(&picks(Algorithm::Weighted, &pool(&weights), u64::from(total) * 3), weights.len());
        let expected: Vec<usize> = weights.iter().map(|&weight| weight as usize * 3).collect();
        prop_assert_eq!(got, expected);
    }
}
