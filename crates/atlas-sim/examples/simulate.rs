//! The simulation from the command line; `cargo xtask sim` builds and calls it.
//!
//! An example and not a binary, so that the bugs it can plant are built in here and nowhere else.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "progress and tables are what this program is for"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use atlas_sim::transfer::{self, FAILURES_MAX, Options, PLANTED, Sweep};

/// Seeds that a thread takes at a time.
const PORTION: u64 = 32;
/// A planted bug must be found within so many seeds.
const PLANTED_SEEDS: u64 = 1_000;
/// From so many seeds on, every pair that can be must have been met.
const SEEDS_FOR_ALL_PAIRS: u64 = 20_000;
/// Seeds that are run twice to see that their traces are equal.
const TWICE: u64 = 100;

/// What the command line says; `cargo xtask sim` has checked most of it.
struct Arguments {
    from: u64,
    seeds: u64,
    seed: Option<u64>,
    short: bool,
    options: Options,
    planted: Option<String>,
    threads: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    let good = match (&arguments.planted, arguments.seed) {
        (_, Some(seed)) => replay(seed, &arguments.options),
        _ if arguments.short => short(&arguments),
        (Some(name), None) => hunt(name, arguments.from, arguments.seeds),
        (None, None) => {
            let sweep = sweep(&arguments);
            report(&sweep)
        }
    };
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            from: 0,
            seeds: 10_000,
            seed: None,
            short: false,
            options: Options::default(),
            planted: None,
            threads: None,
        };
        while let Some(flag) = words.next() {
            if flag == "--short" {
                arguments.short = true;
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{flag} needs a value"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("{flag} needs a number, not {value:?}"))
            };
            match flag.as_str() {
                "--from" => arguments.from = number()?,
                "--seeds" => arguments.seeds = number()?,
                "--seed" => arguments.seed = Some(number()?),
                "--sessions" => arguments.options.sessions_max = number()?.max(1),
                "--servers" => arguments.options.servers_max = number()?.max(2),
                "--span-ms" => arguments.options.span_ms_max = number()?.max(5_000),
                "--threads" => arguments.threads = Some(number()?.max(1)),
                "--planted" => arguments.planted = Some(value),
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        if let Some(name) = &arguments.planted {
            arguments.options = arguments
                .options
                .clone()
                .planted(name)
                .map_err(|error| error.to_string())?;
        }
        Ok(arguments)
    }
}

/// Runs one seed with its trace on standard output.
fn replay(seed: u64, options: &Options) -> bool {
    let outcome = transfer::run_traced(seed, options, &mut |line| println!("{line}"));
    println!(
        "seed {seed}: {} events, {} transfers, trace {:016x}",
        outcome.events, outcome.transfers, outcome.trace_hash
    );
    match &outcome.violation {
        Some(violation) => println!("broken: {violation}"),
        None => println!("no invariant broken"),
    }
    outcome.violation.is_none()
}

/// Runs many seeds on all cores (or as many as asked for), with a line of progress a second.
fn sweep(arguments: &Arguments) -> Sweep {
    let (from, seeds, options) = (arguments.from, arguments.seeds, &arguments.options);
    let end = from.saturating_add(seeds);
    let next = AtomicU64::new(from);
    let total = Mutex::new(Sweep::default());
    let began = Instant::now();
    let said = Mutex::new(began);
    let work = || {
        loop {
            let first = next.fetch_add(PORTION, Ordering::Relaxed);
            let enough = total
                .lock()
                .is_ok_and(|total| total.failures.len() >= FAILURES_MAX);
            if first >= end || enough {
                return;
            }
            let part = transfer::sweep(first..end.min(first + PORTION), options, &mut |_| ());
            let (Ok(mut total), Ok(mut said)) = (total.lock(), said.lock()) else {
                return;
            };
            add(&mut total, part);
            if said.elapsed() > Duration::from_secs(1) {
                *said = Instant::now();
                let rate = total.seeds as f64 / began.elapsed().as_secs_f64();
                eprintln!(
                    "{:>9} of {seeds} seeds, {rate:.0} a second, {} failed",
                    total.seeds,
                    total.failures.len()
                );
            }
        }
    };
    let cores = || std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let threads = arguments.threads.unwrap_or_else(cores);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut sweep = total.into_inner().unwrap_or_default();
    sweep.failures.sort();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} seeds, {} events, {} transfers in {seconds:.1} s ({:.0} events a second)",
        sweep.seeds,
        sweep.events,
        sweep.transfers,
        sweep.events as f64 / seconds
    );
    sweep
}

fn add(total: &mut Sweep, part: Sweep) {
    total.seeds += part.seeds;
    total.events += part.events;
    total.transfers += part.transfers;
    total.coverage.add(&part.coverage);
    total.failures.extend(part.failures);
}

/// The table of faults and phases, what never met, and what failed; true if all is well.
fn report(sweep: &Sweep) -> bool {
    let coverage = &sweep.coverage;
    println!("\n{coverage}");
    println!("\n– cannot be:");
    lines(
        coverage
            .reasons()
            .into_iter()
            .map(|((kind, fault, phase), why)| (format!("{kind}: {fault}: {why}"), phase)),
    );
    let holes = coverage.holes();
    if !holes.is_empty() {
        println!("\nnever met:");
        lines(
            holes
                .iter()
                .map(|(kind, fault, phase)| (format!("{kind}: {fault}"), *phase)),
        );
    }
    let wrong = coverage.wrong();
    if !wrong.is_empty() {
        println!("\nmet though said to be impossible:");
        lines(
            wrong
                .iter()
                .map(|(kind, fault, phase)| (format!("{kind}: {fault}"), *phase)),
        );
    }
    for (_, violation) in &sweep.failures {
        println!("\n{violation}");
    }
    println!("\n{} of {} seeds failed", sweep.failures.len(), sweep.seeds);
    let covered = holes.is_empty() || sweep.seeds < SEEDS_FOR_ALL_PAIRS;
    sweep.failures.is_empty() && wrong.is_empty() && covered
}

/// A line for each subject, with its phases.
fn lines<'a>(pairs: impl Iterator<Item = (String, &'a str)>) {
    let mut subjects: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (subject, phase) in pairs {
        subjects.entry(subject).or_default().push(phase);
    }
    for (subject, phases) in subjects {
        println!("{subject} ({})", phases.join(", "));
    }
}

/// Looks for a planted bug; true if it was found.
fn hunt(name: &str, from: u64, seeds: u64) -> bool {
    let options = match Options::default().planted(name) {
        Ok(options) => options,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    for seed in from..from.saturating_add(seeds) {
        if let Some(violation) = transfer::run(seed, &options).violation {
            let what = violation.lines().next().unwrap_or_default();
            println!("planted {name}: found by {what}");
            println!("replay: {}", options.replay(seed));
            return true;
        }
    }
    println!("planted {name}: NOT found within {seeds} seeds");
    false
}

/// What the gate runs: fixed seeds without a broken invariant, equal traces, every planted bug found.
fn short(arguments: &Arguments) -> bool {
    let clean = sweep(arguments);
    let mut verdicts = vec![("no invariant broken".to_owned(), clean.failures.is_empty())];
    for (_, violation) in &clean.failures {
        println!("{violation}");
    }
    let holes = clean.coverage.holes();
    let covered = holes.is_empty() || clean.seeds < SEEDS_FOR_ALL_PAIRS;
    verdicts.push(("every fault met every phase it can".to_owned(), covered));
    let wrong = clean.coverage.wrong();
    verdicts.push(("none met one it cannot".to_owned(), wrong.is_empty()));
    for (kind, fault, phase) in holes.iter().filter(|_| !covered).chain(&wrong) {
        println!("{kind}: {fault}: {phase}");
    }
    let equal = (arguments.from..arguments.from + TWICE).all(|seed| {
        let trace = || transfer::run(seed, &arguments.options).trace_hash;
        let same = trace() == trace();
        if !same {
            println!("seed {seed} has another trace the second time");
        }
        same
    });
    verdicts.push(("equal seeds, equal traces".to_owned(), equal));
    for name in PLANTED {
        verdicts.push((
            format!("planted {name} is found"),
            hunt(name, arguments.from, PLANTED_SEEDS),
        ));
    }
    for (what, good) in &verdicts {
        println!("{} {what}", if *good { "ok    " } else { "FAILED" });
    }
    let passed = verdicts.iter().filter(|(_, good)| *good).count();
    println!("{passed} passed, {} failed", verdicts.len() - passed);
    passed == verdicts.len()
}
