//! The frozen bytes in `docs/formats/golden/state`: a state is written as they are, and what they say is read.
//!
//! A block is a line with its kind, then lines of up to 32 bytes. A new golden file is written with `ATLAS_GOLDEN=write`;
//! one that exists is never changed: a state that is written in another way needs another file.

use std::fmt::Write;
use std::path::PathBuf;

use atlas_kv::acl::User;
use atlas_kv::{
    Answers, ArgumentBuffer, Block, Discard, Effects, Interest, Keyspace, Loading, Moment, Reply,
    Settings,
};

const NAME: &str = "blocks.hex";
/// Streams came later.
const STREAMS: &str = "streams.hex";
/// And users.
const USERS: &str = "users.hex";

struct Nobody(Discard);

impl Answers for Nobody {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.0
    }
    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        &mut self.0
    }
}

/// A state with each form that a value has in a snapshot.
fn state() -> Keyspace {
    let settings = Settings {
        list_listpack_size: 30,
        ..Settings::default()
    };
    let many = |line: &str, make: &dyn Fn(u32) -> String| {
        let words: Vec<String> = (0..70).map(make).collect();
        format!("{line} {}", words.join(" "))
    };
    let lines = [
        (0, "set string value".to_owned()),
        (0, "append raw value".to_owned()),
        (0, "set number -12345".to_owned()),
        (1, "set expiring value pxat 1700000001000".to_owned()),
        (0, format!("set long {}", "long".repeat(600))),
        (0, "hset hash field value other 2".to_owned()),
        (0, format!("hset hash-large long {}", "x".repeat(65))),
        (
            0,
            many("hset hash-large", &|number| format!("f{number} {number}")),
        ),
        (0, "rpush list a b c".to_owned()),
        (0, many("rpush list-large", &|number| format!("e{number}"))),
        (0, "sadd set-integers -5 1 2 300".to_owned()),
        (0, "sadd set a b".to_owned()),
        (0, many("sadd set-large", &|number| format!("m{number}"))),
        (0, "zadd sorted 1 a 2.5 b -inf c".to_owned()),
        (
            0,
            many("zadd sorted-large", &|number| format!("{number} m{number}")),
        ),
    ];
    played(settings, &lines)
}

/// Streams with and without groups, small and of two blocks.
fn streams() -> Keyspace {
    let settings = Settings {
        stream_node_entries_max: 3,
        ..Settings::default()
    };
    let lines = [
        "xadd small 1-1 field value",
        "xadd small 1-2 field other",
        "xadd small 2-5 other 17 third word",
        "xdel small 1-2",
        "xadd empty maxlen 0 7-0 field value",
        "xadd large 1-1 field one",
        "xadd large 1-2 field two",
        "xadd large 1-3 field three",
        "xadd large * field four",
        "xgroup create large unread 0 entriesread 2",
        "xgroup create large group 1-1",
        "xgroup createconsumer large group idle",
        "xreadgroup group group reader count 2 streams large >",
        "xreadgroup group group other count 1 streams large >",
        "xack large group 1-3",
    ];
    let lines = lines.map(|line| (0, line.to_owned()));
    played(settings, &lines)
}

/// A key and users with every kind of rule.
fn users() -> Keyspace {
    let mut keyspace = played(Settings::default(), &[(0, "set a b".to_owned())]);
    let rules = [
        b"on".as_slice(),
        b">secret",
        b"~a*",
        b"%R~b",
        b"%W~c",
        b"&news",
        b"+@read",
        b"-get",
        b"+select|0",
        b"(+@all -@admin ~d &*)",
    ];
    let user = User::new(b"somebody", false).with(&rules, false).unwrap();
    let default = User::default_user().with(&["off", "sanitize-payload"], false);
    for user in [user, default.unwrap()] {
        let record = user.record();
        let (mut effects, mut answers) = (Effects::new(Interest::empty()), Nobody(Discard));
        keyspace.apply(MOMENT, &record.arguments(), &[], &mut answers, &mut effects);
        assert!(effects.users);
    }
    keyspace
}

const MOMENT: Moment = Moment {
    database: 0,
    now_ms: 1_700_000_000_000,
    seed: 1,
};

fn played(settings: Settings, lines: &[(u32, String)]) -> Keyspace {
    let mut keyspace = Keyspace::new(2, settings);
    for &(database, ref line) in lines {
        let buffer = ArgumentBuffer::of(line.split(' '));
        let moment = Moment { database, ..MOMENT };
        let mut effects = Effects::new(Interest::empty());
        let mut answers = Nobody(Discard);
        keyspace.apply(moment, &buffer.arguments(), &[], &mut answers, &mut effects);
        assert!(effects.dirty > 0, "{line}");
    }
    keyspace
}

fn written(keyspace: &mut Keyspace) -> Vec<Block> {
    assert!(keyspace.snapshot_begin());
    while !keyspace.snapshot_step(usize::MAX) {}
    keyspace.snapshot_take()
}

fn to_text(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        writeln!(text, "block of kind {}", block.kind).unwrap();
        for row in block.payload.chunks(32) {
            for byte in row {
                write!(text, "{byte:02x}").unwrap();
            }
            text.push('\n');
        }
    }
    text
}

fn from_text(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("block of kind ") {
            blocks.push(Block {
                kind: kind.parse().unwrap(),
                payload: Vec::new(),
            });
            continue;
        }
        let digits = line.as_bytes().chunks(2);
        let bytes = digits.map(|digits| {
            let digits = std::str::from_utf8(digits).unwrap();
            u8::from_str_radix(digits, 16).unwrap()
        });
        blocks.last_mut().unwrap().payload.extend(bytes);
    }
    blocks
}

#[test]
fn a_state_is_written_as_it_was_frozen_and_read_back() {
    check(NAME, state());
}

#[test]
fn streams_are_written_as_they_were_frozen_and_read_back() {
    check(STREAMS, streams());
}

#[test]
fn users_are_written_as_they_were_frozen_and_read_back() {
    check(USERS, users());
}

fn check(name: &str, mut keyspace: Keyspace) {
    let blocks = written(&mut keyspace);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/formats/golden/state")
        .join(name);
    if !path.exists() && std::env::var("ATLAS_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, to_text(&blocks)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(to_text(&blocks), text);
    let mut loading = Loading::new();
    for block in from_text(&text) {
        loading.block(block.kind, &block.payload).unwrap();
    }
    let loaded = loading.finish().unwrap();
    assert_eq!(loaded.state_hash(), keyspace.state_hash());
    assert_eq!(loaded.settings(), keyspace.settings());
    assert_eq!(loaded.users(), keyspace.users());
}
