//! The transfer's simulation: no invariant breaks, planted bugs are found, a seed replays exactly.

use atlas_sim::transfer::{CannotPlant, Options, PLANTED, run, run_traced, sweep};

/// The same seeds always, so that a red test is red again; `cargo xtask ci` runs more of them.
const SEEDS: u64 = 2_000;

/// Nothing breaks, what is said to be impossible never happens, and the everyday faults strike every phase.
#[test]
fn two_thousand_seeds_break_nothing() {
    let sweep = sweep(0..SEEDS, &Options::default(), &mut |_| {});
    let texts: Vec<_> = sweep.failures.iter().map(|(_, text)| text).collect();
    assert!(texts.is_empty(), "{texts:#?}");
    assert_eq!(sweep.seeds, SEEDS);
    assert!(sweep.transfers > 10_000, "{} transfers", sweep.transfers);
    assert_eq!(sweep.coverage.wrong(), [], "\n{}", sweep.coverage);
    // Undoing a decision is rare: the long form meets everything there, these seeds do not.
    let holes = sweep.coverage.holes();
    let common = |(_, fault, phase): &&(&str, &str, &str)| {
        *phase != "abort"
            && ["link lost", "link hung", "server crashed", "timer late"].contains(fault)
    };
    let missed: Vec<_> = holes.iter().filter(common).collect();
    assert!(missed.is_empty(), "{missed:?}\n{}", sweep.coverage);
    assert!(holes.len() < 20, "{holes:?}");
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
        let command = format!("cargo xtask sim transfer --seed {seed} --planted {name}");
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

/// Larger and longer runs than most.
#[test]
fn crowded_runs_break_nothing() {
    let mut options = Options::default();
    options.span_ms_max = 60_000;
    let mut seen = 0;
    for seed in 0..400 {
        let outcome = run(seed, &options);
        assert_eq!(outcome.violation, None);
        seen = seen.max(outcome.sessions);
    }
    assert!(seen > 30, "no run was crowded: {seen} sessions at most");
}

/// Every pair that can be has a column in the table, every other one a dash and a reason.
#[test]
fn the_table_says_what_cannot_be() {
    let coverage = run(0, &Options::default()).coverage;
    let table = coverage.to_string();
    let dashes = table.matches('–').count();
    assert_eq!(dashes, coverage.reasons().len(), "\n{table}");
    assert!(coverage.reasons().iter().all(|(_, why)| !why.is_empty()));
    for phase in [
        "born", "attach", "freeze", "adopt", "decide", "leave", "commit", "abort", "failover",
    ] {
        assert!(table.contains(phase), "{phase}\n{table}");
    }
}
