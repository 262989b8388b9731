//! The transfer's simulation: no invariant breaks, planted bugs are found, a seed replays exactly.

use atlas_sim::transfer::{CannotPlant, Options, PLANTED, run, run_traced, sweep};

#[test]
fn three_hundred_seeds_break_nothing() {
    let sweep = sweep(0..300, &Options::default(), &mut |_| {});
    let texts: Vec<_> = sweep.failures.iter().map(|(_, text)| text).collect();
    assert!(texts.is_empty(), "{texts:#?}");
    assert_eq!(sweep.seeds, 300);
    assert!(sweep.transfers > 1_000, "{} transfers", sweep.transfers);
}

#[test]
fn each_planted_bug_is_found_and_its_failure_replays() {
    for name in PLANTED {
        let options = Options::default().planted(name).unwrap();
        let found = (0..1_000).find_map(|seed| run(seed, &options).violation.map(|it| (seed, it)));
        let Some((seed, text)) = found else {
            panic!("{name} was not found in 1,000 seeds");
        };
        assert_eq!(run(seed, &options).violation, Some(text.clone()), "{name}");
        let command = format!("cargo xtask sim transfer --seed {seed}");
        assert!(text.ends_with(&command), "{text}");
        assert_eq!(run(seed, &Options::default()).violation, None, "{name}");
    }
}

#[test]
fn unknown_bugs_cannot_be_planted() {
    assert_eq!(
        Options::default().planted("no-such-bug"),
        Err(CannotPlant::Unknown)
    );
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    let options = Options::default();
    let mut hashes = Vec::new();
    for seed in 0..50 {
        let first = run(seed, &options);
        assert_eq!(first, run(seed, &options), "seed {seed}");
        hashes.push(first.trace_hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 50, "different seeds give different traces");
    // Being watched changes nothing.
    let mut lines = 0;
    let watched = run_traced(7, &options, &mut |_| lines += 1);
    assert_eq!(watched, run(7, &options));
    assert!(lines > 100, "{lines} lines");
}

/// Larger and longer runs than the sweeps of every day.
#[test]
fn crowded_runs_break_nothing() {
    let mut options = Options::default();
    options.sessions_max = 50;
    options.servers_max = 6;
    options.span_ms_max = 60_000;
    let sweep = sweep(0..10, &options, &mut |_| {});
    let texts: Vec<_> = sweep.failures.iter().map(|(_, text)| text).collect();
    assert!(texts.is_empty(), "{texts:#?}");
}

/// Which kinds of fault a phase must have met, within a sweep that a person waits for.
#[test]
fn faults_strike_in_every_phase_of_a_transfer() {
    let sweep = sweep(0..300, &Options::default(), &mut |_| {});
    let holes = sweep.coverage.holes();
    for phase in ["settled", "preload", "freeze", "adopt", "decide", "commit"] {
        for fault in [
            "link lost",
            "link hung",
            "server crashed",
            "server stalled",
            "timer late",
        ] {
            assert!(
                !holes.contains(&(fault, phase)),
                "{fault} in {phase}\n{}",
                sweep.coverage
            );
        }
    }
}
