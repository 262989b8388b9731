//! The measuring program: `cargo xtask bench NAME` builds and calls it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "progress and tables are what a benchmark is for"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atlas_bench::edge::{self, Options, Target};
use atlas_bench::load::{Fleet, Plan};
use atlas_bench::store::{self, Row};
use atlas_bench::{Error, echo, machine};
use clap::{Parser, Subcommand};

/// Measure beside peers and print a table
#[derive(Parser)]
#[command(name = "cargo xtask bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Measure the edge beside nginx and HAProxy
    Edge(EdgeArguments),
    /// Measure the store beside Redis
    Store(StoreArguments),
    /// Send every message back (the server behind the targets)
    #[command(hide = true)]
    Echo {
        /// Addresses to listen on
        #[arg(long, required = true)]
        listen: Vec<SocketAddr>,
    },
    /// Measure round trips to one address, without starting anything
    #[command(hide = true)]
    Load {
        /// Where the WebSocket server listens
        address: SocketAddr,
        /// How many players
        #[arg(long, default_value_t = 100)]
        connections: usize,
        /// How long
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Take this process's processor time
        #[arg(long)]
        watch: Option<u32>,
    },
}

#[derive(clap::Args)]
struct EdgeArguments {
    /// The edge's program
    #[arg(long, default_value = "target/release/atlas")]
    atlas: PathBuf,
    /// How many times each target takes its turn
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Numbers of connections to measure round trips with
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 9000])]
    connections: Vec<usize>,
    /// Idle connections to measure memory with; 0 leaves memory out
    #[arg(long, default_value_t = 9000)]
    idle: usize,
    /// Seconds that count of each measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Worker processes or threads of each target
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_values_t = Target::USUAL)]
    targets: Vec<Target>,
    /// Bind nobody to cores
    #[arg(long)]
    unpinned: bool,
    /// One short run with 100 connections and 1,000 idle ones: to see that it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Write the figures as JSON here too
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(clap::Args)]
struct StoreArguments {
    /// The store's program
    #[arg(long, default_value = "target/release/atlas")]
    atlas: PathBuf,
    /// How many times each target takes its turn
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds that count of each measurement of rates
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// What is asked
    #[arg(long, value_delimiter = ',', default_values_t = Row::ALL)]
    rows: Vec<Row>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_values_t = store::Target::ALL)]
    targets: Vec<store::Target>,
    /// Keys that the clients choose from
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Where data and logs are kept meanwhile: on the disk that is to be measured
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Where BullMQ is installed, or will be
    #[arg(long, default_value = "target/tools/bullmq-bench")]
    bullmq: PathBuf,
    /// Bind nobody to cores
    #[arg(long)]
    unpinned: bool,
    /// One short run with small data: to see that it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Write the figures as JSON here too
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().benchmark) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(cause) = std::error::Error::source(&error) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(benchmark: Benchmark) -> Result<(), Error> {
    match benchmark {
        Benchmark::Edge(arguments) => measure_edge(arguments),
        Benchmark::Store(arguments) => measure_store(arguments),
        Benchmark::Echo { listen } => {
            machine::raise_open_files();
            echo::serve(&listen, |bound| println!("{bound:?}"))
        }
        Benchmark::Load {
            address,
            connections,
            seconds,
            watch,
        } => {
            machine::raise_open_files();
            let message = "x".repeat(edge::MESSAGE_BYTES);
            let plan = Plan {
                address,
                first: None,
                message,
                patience: Duration::from_secs(60),
            };
            let mut fleet = Fleet::connect(&plan, connections)?;
            let length = Duration::from_secs_f64(seconds);
            let measured = fleet.measure(length.div_f64(4.0), length, watch)?;
            println!(
                "{:.0} round trips a second",
                measured.round_trips as f64 / measured.lasted.as_secs_f64()
            );
            for percentile in [50.0, 99.0, 99.9] {
                let milliseconds = measured.latency.value_at_percentile(percentile) as f64 / 1e6;
                println!("p{percentile}: {milliseconds:.3} ms");
            }
            if let Some(cpu) = measured.watched_cpu {
                println!(
                    "{:.2} µs CPU a round trip",
                    cpu.as_secs_f64() * 1e6 / measured.round_trips.max(1) as f64
                );
            }
            Ok(())
        }
    }
}

fn measure_edge(arguments: EdgeArguments) -> Result<(), Error> {
    let mut options = Options {
        atlas: arguments.atlas,
        runs: arguments.runs.max(1),
        connections: arguments.connections,
        idle: arguments.idle,
        seconds: arguments.seconds,
        workers: arguments.workers.max(1),
        targets: arguments.targets,
        pinned: !arguments.unpinned,
    };
    if arguments.quick {
        options.runs = 1;
        options.connections = vec![100];
        options.idle = options.idle.min(1000);
        options.seconds = 1.0;
    }
    let report = edge::run(&options)?;
    finish(
        &report,
        &report.json(),
        arguments.json,
        report.notes_failures(),
    )
}

fn measure_store(arguments: StoreArguments) -> Result<(), Error> {
    let mut options = store::Options {
        atlas: arguments.atlas,
        runs: arguments.runs.max(1),
        seconds: arguments.seconds,
        rows: arguments.rows,
        targets: arguments.targets,
        pinned: !arguments.unpinned,
        keys: arguments.keys,
        scale: 1000,
        folder: arguments.folder,
        bullmq: arguments.bullmq,
    };
    if arguments.quick {
        options.runs = 1;
        options.seconds = 0.5;
        options.keys = 10_000;
        options.scale = 20;
    }
    let report = store::run(&options)?;
    finish(
        &report,
        &report.json(),
        arguments.json,
        report.notes_failures(),
    )
}

/// Prints a report, and writes it where it was asked for.
fn finish(
    report: &dyn std::fmt::Display,
    figures: &serde_json::Value,
    json: Option<PathBuf>,
    failed: bool,
) -> Result<(), Error> {
    println!("{report}");
    if let Some(path) = json {
        let text = format!("{figures:#}\n");
        std::fs::write(&path, text).map_err(|source| Error::File {
            action: "write",
            path,
            source,
        })?;
    }
    if failed {
        return Err(Error::Peer {
            who: "the measurement".into(),
            what: "is not whole".into(),
        });
    }
    Ok(())
}
