//! Equal histories end in equal states: in another process, with other addresses and another order in every hash table,
//! even if that process was restarted from a snapshot on the way.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use atlas_kv::{Block, Loading};

use crate::grammar::LINES;
use crate::history::{History, Player, find, table};

/// Histories that are played, and records of each.
const HISTORIES: u64 = 4;
const RECORDS: usize = 3000;
/// States are compared after so many records each.
const STRIDE: usize = 250;
/// Where the other process takes its snapshot, and where it has written it and ends.
const CUT: usize = 750;
const END: usize = 1250;

/// Tells the other process what to play, and where its files are.
const SEED: &str = "ATLAS_KV_HISTORY_SEED";
const FOLDER: &str = "ATLAS_KV_HISTORY_FOLDER";

#[test]
fn another_process_ends_in_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut accepted = BTreeSet::new();
    for seed in 0..HISTORIES {
        let before = start("before_the_restart", seed, folder);
        let mut player = Player::new();
        let pages = play(&mut player, seed, 0..RECORDS, |_, _| {});
        accepted.append(&mut player.accepted);
        join(before);
        join(start("after_the_restart", seed, folder));
        let others = [
            ("before", &pages[..END / STRIDE]),
            ("after", &pages[CUT / STRIDE..]),
        ];
        for (name, expected) in others {
            let found = fs::read_to_string(folder.join(name)).unwrap();
            let found: Vec<&str> = found.lines().collect();
            assert_eq!(found, expected, "history {seed}, {name} the restart");
        }
    }
    // A history that is refused everything proves nothing.
    let missing: Vec<String> = table()
        .iter()
        .map(|names| names.join("|"))
        .filter(|names| !accepted.contains(names) && !names.contains("help"))
        .collect();
    assert!(missing.is_empty(), "never accepted: {missing:?}");
}

#[test]
fn the_grammar_knows_every_command() {
    let lines: Vec<&Vec<&str>> = LINES.iter().map(|line| &line.names).collect();
    let missing: Vec<Vec<&str>> = table()
        .into_iter()
        .filter(|names| !lines.contains(&names) && names.last() != Some(&"help"))
        .collect();
    assert!(
        missing.is_empty(),
        "add to tests/it/grammar.rs: {missing:?}"
    );
    assert!(find(&["get"]).is_some());
}

#[test]
#[ignore = "the other process: it is told by its environment what to do"]
fn before_the_restart() {
    let Some((seed, folder)) = told() else { return };
    let mut blocks: Vec<Block> = Vec::new();
    let pages = play(&mut Player::new(), seed, 0..END, |position, keyspace| {
        if position == CUT {
            assert!(keyspace.snapshot_begin());
        }
        // Commands go on while it is written.
        if keyspace.is_snapshot_running() {
            keyspace.snapshot_step(2000);
        }
        blocks.append(&mut keyspace.snapshot_take());
        if position == END - 1 {
            while !keyspace.snapshot_step(1 << 20) {}
            blocks.append(&mut keyspace.snapshot_take());
        }
    });
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend_from_slice(&block.kind.to_le_bytes());
        bytes.extend_from_slice(&(block.payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&block.payload);
    }
    fs::write(folder.join("snapshot"), bytes).unwrap();
    fs::write(folder.join("before"), pages.join("\n")).unwrap();
}

#[test]
#[ignore = "the other process after its restart"]
fn after_the_restart() {
    let Some((seed, folder)) = told() else { return };
    let bytes = fs::read(folder.join("snapshot")).unwrap();
    let mut loading = Loading::new();
    let mut rest = &bytes[..];
    while let Some((kind, after)) = rest.split_first_chunk::<2>() {
        let (length, after) = after.split_first_chunk::<8>().unwrap();
        let (payload, after) = after.split_at(u64::from_le_bytes(*length) as usize);
        loading.block(u16::from_le_bytes(*kind), payload).unwrap();
        rest = after;
    }
    let mut player = Player::with(loading.finish().unwrap());
    // Half of the pages are read as RESP3: it goes on where the other left off.
    if (CUT / STRIDE) % 2 == 1 {
        player.turn_page();
    }
    let pages = play(&mut player, seed, CUT..RECORDS, |_, _| {});
    fs::write(folder.join("after"), pages.join("\n")).unwrap();
}

/// Plays records of a history. A page for each stride tells the state at its end, and what was answered in it.
fn play(
    player: &mut Player,
    seed: u64,
    records: std::ops::Range<usize>,
    mut between: impl FnMut(usize, &mut atlas_kv::Keyspace),
) -> Vec<String> {
    let mut pages = Vec::new();
    let history = History::new(seed);
    for (position, record) in history.enumerate().take(records.end).skip(records.start) {
        between(position, &mut player.keyspace);
        player.play(&record);
        if (position + 1) % STRIDE == 0 {
            let state = player.keyspace.state_hash();
            let answers = player.turn_page();
            let keys: Vec<usize> = (0..4)
                .map(|database| player.keyspace.key_counts(database).0)
                .collect();
            pages.push(format!(
                "{position}: state {state:x}, answers {answers:x}, keys {keys:?}"
            ));
        }
    }
    pages
}

/// Starts this very program again, to run one of its tests.
fn start(test: &str, seed: u64, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([&format!("determinism::{test}"), "--exact", "--ignored"])
        .env(SEED, seed.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn join(child: Child) {
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

/// What the process that started this one wants. Its hash tables are ordered in another way.
fn told() -> Option<(u64, PathBuf)> {
    let seed = env::var(SEED).ok()?.parse().ok()?;
    assert!(atlas_kv::seed(seed + u64::from(std::process::id())));
    Some((seed, env::var_os(FOLDER)?.into()))
}
