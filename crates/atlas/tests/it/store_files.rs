//! `atlas store check` and its neighbours on the files of real stores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atlas_testkit::{Atlas, Exit, Signal};
use serde_json::Value;

use crate::store::{Client, store};
use crate::support::{assert_words, atlas, deadline, said, stdout};

/// A folder whose name the words of tests leave out.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("atlas-").tempdir().unwrap()
}

/// Every file below `folder` with what it holds: two of these are equal if nothing was touched.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A store's files after these commands and a kill.
pub(crate) async fn killed(folder: &Path, commands: &[&str]) {
    let mut node = store(folder, "every").await;
    say(&node, commands);
    end(&mut node, Signal::KILL).await;
}

fn say(node: &Atlas, commands: &[&str]) -> Client {
    let mut client = Client::connect(node.listener("store").unwrap());
    for command in commands {
        let answer = client.ask(command);
        assert!(!answer.starts_with('-'), "{command}: {answer}");
    }
    client
}

pub(crate) async fn end(node: &mut Atlas, signal: Signal) {
    node.signal(signal).unwrap();
    node.wait(deadline()).await.unwrap();
}

pub(crate) fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

async fn check(folder: &Path) -> (Exit, Value) {
    let command = atlas(&["store", "check", path(folder), "--json"]);
    let (exit, stdout, stderr) = command.output(deadline()).await.unwrap();
    let value = serde_json::from_str(&stdout);
    (
        exit,
        value.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")),
    )
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("store/00000000000000000001.log")
}

#[tokio::test]
async fn check_says_what_is_whole_torn_and_damaged() {
    let folder = folder();
    let at = folder.path();
    let mut node = store(at, "every").await;
    let commands = ["set greeting hello", "rpush list 1 2 3", "save", "incr n"];
    let mut client = say(&node, &commands);
    let (exit, live) = check(at).await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(live["in_use"], true);
    assert_eq!(live["outcome"], "whole");
    assert_eq!(client.ask("incr n"), ":2");
    end(&mut node, Signal::TERM).await;
    let before = contents(at);
    assert_words!(
        "store_check",
        said(atlas(&["store", "check", path(at)])).await
    );
    let (exit, whole) = check(&at.join("store")).await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(whole["in_use"], false);
    assert_eq!(whole["groups"][0]["snapshots"][0], 3);
    assert_eq!(whole["groups"][0]["last_index"], 5);

    // Bytes of a frame that never came to be durable.
    let end = whole["files"][0]["bytes"].as_u64().unwrap() as usize;
    let file = segment(at);
    let bytes = before[&file].clone();
    let mut torn = bytes.clone();
    torn[end..end + 4].copy_from_slice(b"AFRM");
    std::fs::write(&file, &torn).unwrap();
    assert_words!(
        "store_check_torn",
        said(atlas(&["store", "check", path(at)])).await
    );
    let (exit, report) = check(at).await;
    assert_eq!((exit, &report["outcome"]), (Exit::Code(0), &"torn".into()));
    assert_eq!(report["torn"][0]["offset"], end);

    let mut damaged = bytes.clone();
    damaged[4_200] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    assert_words!(
        "store_check_damaged",
        said(atlas(&["store", "check", path(at)])).await
    );
    let (exit, report) = check(at).await;
    assert_eq!(
        (exit, &report["outcome"]),
        (Exit::Code(1), &"damaged".into())
    );
    assert_eq!(report["problems"][0]["file"], "00000000000000000001.log");
    assert!(report["problems"][0]["offset"].as_u64().unwrap() <= 4_200);

    // A snapshot that nothing stands in for.
    std::fs::write(&file, &bytes).unwrap();
    let snapshot = before
        .keys()
        .find(|name| name.ends_with("00000000000000000000-00000000000000000003.snapshot"));
    let snapshot = snapshot.unwrap();
    let mut damaged = before[snapshot].clone();
    damaged[300] ^= 1;
    std::fs::write(snapshot, &damaged).unwrap();
    assert_words!(
        "store_check_snapshot",
        said(atlas(&["store", "check", path(at)])).await
    );
    std::fs::write(snapshot, &before[snapshot]).unwrap();
    assert_eq!(contents(at), before, "checking changes nothing");
}

#[tokio::test]
async fn check_names_what_is_no_store() {
    let folder = folder();
    let nothing = atlas(&["store", "check", path(folder.path())]);
    assert_words!("store_check_nothing", said(nothing).await);
    let missing = folder.path().join("missing");
    let (exit, ..) = atlas(&["store", "check", path(&missing)])
        .output(deadline())
        .await
        .unwrap();
    assert_eq!(exit, Exit::Code(2));
    // Without a folder: where the configuration has it.
    killed(folder.path(), &["set a b"]).await;
    let text = stdout(atlas(&["store", "check"]).data_dir(folder.path())).await;
    assert!(text.ends_with("whole\n"), "{text}");
}

/// All that a store holds, as its own clients see it.
async fn digest(folder: &Path) -> (String, String) {
    let mut node = store(folder, "every").await;
    let mut client = Client::connect(node.listener("store").unwrap());
    let seen = (client.ask("debug digest"), client.ask("dbsize"));
    end(&mut node, Signal::TERM).await;
    seen
}

#[tokio::test]
async fn what_is_dumped_is_restored_elsewhere() {
    let folder = folder();
    let at = folder.path().join("first");
    let commands = [
        "set greeting hello",
        "rpush list 1 2 3",
        "sadd set a b c 4",
        "spop set",
        "save",
        "hset hash f v g w",
        "set soon x px 1",
        "zadd zset 1.5 m",
        "spop set",
    ];
    killed(&at, &commands).await;
    let before = contents(&at);
    let lines = stdout(atlas(&["store", "dump", path(&at)])).await;
    assert_eq!(contents(&at), before, "dumping changes nothing");
    assert!(
        lines.contains(r#""cmd":"hset","key":"hash","args":["hash","f","v","g","w"]"#),
        "{lines}"
    );
    let file = folder.path().join("log.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let copy = folder.path().join("copy");
    let restore = || {
        atlas(&[
            "store",
            "restore",
            "--from-json",
            path(&file),
            "--into",
            path(&copy),
        ])
    };
    assert_words!("store_restore_json", said(restore()).await);
    assert_eq!(digest(&copy).await, digest(&at).await);
    let before = contents(&copy);
    assert_words!("store_restore_exists", said(restore()).await);
    assert_eq!(contents(&copy), before, "nothing is written over");
    std::fs::write(&file, &lines[..lines.len() - 30]).unwrap();
    let other = folder.path().join("other");
    let cut = atlas(&[
        "store",
        "restore",
        "--from-json",
        path(&file),
        "--into",
        path(&other),
    ]);
    assert_words!("store_restore_cut", said(cut).await);
    assert!(!other.join("store").exists());
    assert_words!(
        "store_restore_nothing",
        said(atlas(&["store", "restore", "--into", path(&other)])).await
    );
}

#[tokio::test]
async fn a_record_is_skipped_for_good() {
    let folder = folder();
    let at = folder.path();
    let mut node = store(at, "every").await;
    say(&node, &["set a 1", "flushall", "set b 2"]);
    let busy = atlas(&["store", "skip", "3", path(at)]);
    assert_words!("store_skip_busy", said(busy).await);
    end(&mut node, Signal::KILL).await;
    let skip = || atlas(&["store", "skip", "3", path(at)]);
    let (exit, line, stderr) = skip().output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(0), "{stderr}");
    assert!(line.contains(r#""cmd":"flushall""#), "{line}");
    assert_words!("store_skip_again", said(skip()).await);
    let mut node = store(at, "every").await;
    let mut client = Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("get a"), "1");
    assert_eq!(client.ask("get b"), "2");
    end(&mut node, Signal::TERM).await;
}

#[tokio::test]
async fn a_running_store_is_backed_up_and_restored_to_a_moment() {
    let folder = folder();
    let at = folder.path().join("data");
    let to = folder.path().join("backup");
    let mut node = store(&at, "every").await;
    let mut client = say(&node, &["set n 1", "rpush list a"]);
    let backup = || atlas(&["store", "backup", path(&at), "--to", path(&to), "--json"]);
    let taken = |text: &str| serde_json::from_str::<Value>(text).unwrap()["taken_ms"].clone();
    let first = taken(&stdout(backup()).await);
    assert_eq!(client.ask("set n 2"), "+OK");
    assert_eq!(client.ask("save"), "+OK");
    assert_eq!(client.ask("rpush list b"), ":2");
    stdout(backup()).await;
    assert_eq!(client.ask("set n 3"), "+OK");
    let restored = folder.path().join("first");
    let restore = |into: &Path, point: &[&str]| {
        let mut words = vec![
            "store",
            "restore",
            "--from",
            path(&to),
            "--into",
            path(into),
        ];
        words.extend(point);
        atlas(&words)
    };
    stdout(restore(&restored, &["--at", &first.to_string()])).await;
    let mut copy = store(&restored, "every").await;
    let mut of_copy = say(&copy, &["incr n"]);
    assert_eq!(of_copy.ask("get n"), "2");
    assert_eq!(of_copy.ask("llen list"), ":1");
    let text = stdout(restore(&folder.path().join("second"), &[])).await;
    assert!(text.contains("the state after record 5"), "{text}");
    let mut second = store(&folder.path().join("second"), "every").await;
    let mut of_second = say(&second, &[]);
    assert_eq!(of_second.ask("get n"), "2");
    assert_eq!(of_second.ask("llen list"), ":2");
    let outside = restore(&folder.path().join("third"), &["--index", "77"]);
    assert_words!("store_restore_outside", said(outside).await);
    let wrong = restore(&folder.path().join("third"), &["--at", "yesterday"]);
    assert_words!("store_restore_when", said(wrong).await);
    let list = stdout(atlas(&["store", "restore", "--from", path(&to), "--list"])).await;
    assert!(
        list.contains("run-00001") && list.contains("1 to 5"),
        "{list}"
    );
    for node in [&mut node, &mut copy, &mut second] {
        end(node, Signal::TERM).await;
    }
}
