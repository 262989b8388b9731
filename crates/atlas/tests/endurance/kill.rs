//! A store that is killed under load again and again has all that it answered, in every mode: a killed process takes
//! nothing with it that the system has.

use std::path::Path;
use std::time::{Duration, Instant};

use atlas_testkit::history::{History, Load, Promise, Random, Verdict};
use atlas_testkit::{Atlas, Deadline};
use tokio::runtime::Runtime;

use crate::extent::variable;

/// Long enough for a debug build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a store with files so small that snapshots come and go under the load.
pub(crate) fn start(runtime: &Runtime, folder: &Path, fsync: &str) -> Atlas {
    let address = "127.0.0.1:0";
    let flags = [
        "--listen",
        address,
        "--admin-listen",
        address,
        "--fsync",
        fsync,
    ];
    let builder = Atlas::command(["store"])
        .args(flags)
        .binary(env!("CARGO_BIN_EXE_atlas"))
        .variable("ATLAS_STORE__LOG_SEGMENT_BYTES", "1MiB")
        .variable("ATLAS_STORE__SNAPSHOT_INTERVAL", "300ms")
        .variable("ATLAS_STORE__FSYNC_INTERVAL", "50ms")
        .data_dir(folder);
    let started = async { builder.start(Deadline::after(PATIENCE)).await };
    runtime.block_on(started).unwrap()
}

pub(crate) fn end(runtime: &Runtime, mut node: Atlas) {
    let ended = async { node.wait(Deadline::after(PATIENCE)).await };
    runtime.block_on(ended).unwrap();
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The clients of one life of the store.
pub(crate) fn load(random: &mut Random) -> Load {
    Load {
        actions_max: u64::MAX,
        batch_max: [1, 4, 16, 64][random.below(4) as usize],
        readers: 1,
        consumers: 2,
        is_read_durable: true,
    }
}

/// How far a life goes: some end at once, some after thousands of answers.
pub(crate) fn enough(random: &mut Random) -> u64 {
    match random.below(6) {
        0 => random.below(5),
        1..=3 => random.below(2_000),
        _ => random.below(8_000),
    }
}

pub(crate) fn add(sum: &mut Verdict, verdict: &Verdict) {
    sum.answered += verdict.answered;
    sum.lost += verdict.lost;
    sum.refused += verdict.refused;
    sum.unanswered_kept += verdict.unanswered_kept;
}

fn cycles(fsync: &str) {
    let cycles = variable("ATLAS_ENDURANCE_CYCLES").unwrap_or(5);
    let seed = variable("ATLAS_ENDURANCE_SEED").unwrap_or(1);
    let (begun, runtime, folder) = (Instant::now(), runtime(), tempfile::tempdir().unwrap());
    let mut random = Random::new(seed);
    let mut history = History::new(random.next(), 6);
    let mut sum = Verdict::default();
    for cycle in 0..=cycles {
        let mut node = start(&runtime, folder.path(), fsync);
        let address = node.listener("store").unwrap();
        let looked = history.verify(address, Promise::Everything);
        let verdict = match looked {
            Ok(verdict) => verdict,
            Err(problem) => panic!(
                "fsync {fsync}, seed {seed}, cycle {cycle}: {problem}\nits files: {}",
                folder.keep().display()
            ),
        };
        add(&mut sum, &verdict);
        if cycle == cycles {
            node.terminate().unwrap();
            end(&runtime, node);
            break;
        }
        let (mut load, enough) = (load(&mut random), enough(&mut random));
        // What is read in the other modes may be taken back.
        load.is_read_durable = fsync == "every";
        let lived = history.live(address, &load, |progress| {
            let in_time = progress.wait(enough, PATIENCE, || false);
            node.kill().unwrap();
            in_time
        });
        let in_time =
            lived.unwrap_or_else(|problem| panic!("fsync {fsync}, cycle {cycle}: {problem}"));
        assert!(in_time, "{enough} answers did not come");
        end(&runtime, node);
    }
    println!(
        "fsync {fsync}: {cycles} kills, {} answered, {} lost, {} under way were kept; {:.0} s",
        sum.answered,
        sum.lost,
        sum.unanswered_kept,
        begun.elapsed().as_secs_f64()
    );
    assert_eq!((sum.lost, sum.refused), (0, 0));
}

#[test]
fn a_killed_store_that_syncs_each_write_has_what_it_answered() {
    cycles("every");
}

#[test]
fn a_killed_store_that_syncs_at_intervals_has_what_it_answered() {
    cycles("interval");
}

#[test]
fn a_killed_store_that_leaves_it_to_the_system_has_what_it_answered() {
    cycles("none");
}
