use super::*;
use crate::rdb;
use crate::testing::Stage;
use crate::{Answer, Settings};

const NOW_MS: i64 = 1_000_000;

/// A file with these items behind the head, sealed.
fn file(version: u16, items: &[&[u8]]) -> Vec<u8> {
    let mut file = format!("REDIS{version:04}").into_bytes();
    items.iter().for_each(|item| file.extend_from_slice(item));
    file.push(opcode::END);
    if version >= VERSION_CHECKED {
        file.extend_from_slice(&CHECKSUM.checksum(&file).to_le_bytes());
    }
    file
}

fn text(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// A key with the value that `commands` make.
fn key(key: &str, commands: &[&str]) -> Vec<u8> {
    let mut stage = Stage::new();
    commands.iter().for_each(|command| drop(stage.run(command)));
    let Answer::Bulk(payload) = stage.run("dump k") else {
        panic!("{commands:?} make no k");
    };
    let body = &payload[..payload.len() - rdb::FOOTER_BYTES];
    [&body[..1], &text(key), &body[1..]].concat()
}

fn string(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// Reads a file in pieces of so many bytes.
fn read(file: &[u8], piece: usize) -> std::result::Result<(Keyspace, Imported), ImportError> {
    let mut keyspace = Keyspace::new(2, Settings::default());
    let mut import = Import::new(NOW_MS);
    let (mut begin, mut end) = (0, 0);
    while !import.is_done() {
        end = (end + piece).min(file.len());
        begin += import.take(&mut keyspace, &file[begin..end], end == file.len())?;
    }
    assert_eq!(begin as u64, import.offset());
    Ok((keyspace, import.imported().clone()))
}

fn wrong(file: &[u8]) -> String {
    read(file, file.len()).unwrap_err().to_string()
}

fn rich() -> Vec<u8> {
    let expires = |at: i64| [&[opcode::EXPIRY_MS], at.to_le_bytes().as_slice()].concat();
    let seconds = |at: i32| [&[opcode::EXPIRY_SECONDS], at.to_le_bytes().as_slice()].concat();
    let items = [
        [vec![opcode::AUXILIARY], text("redis-ver"), text("7.0.15")].concat(),
        [vec![opcode::AUXILIARY], text("aof-base"), vec![0xc0, 0]].concat(),
        vec![opcode::DATABASE, 0],
        vec![opcode::SIZES, 5, 2],
        string("plain", "value"),
        key("list", &["rpush k a b c"]),
        key("hash", &["hset k a 1 b 2"]),
        key("sorted", &["zadd k 1 a 2.5 b"]),
        key("stream", &["xadd k 1-1 a b", "xgroup create k g 0"]),
        [expires(NOW_MS + 5), string("later", "x")].concat(),
        [expires(NOW_MS), string("gone", "x")].concat(),
        vec![opcode::DATABASE, 1],
        [seconds(2_000), key("set", &["sadd k 1 2 3"])].concat(),
        [vec![opcode::IDLE, 7], string("idle", "x")].concat(),
        [vec![opcode::FREQUENCY, 7], string("often", "x")].concat(),
    ];
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    file(11, &items)
}

#[test]
fn a_file_becomes_a_state_however_it_comes() {
    let file = rich();
    let (whole, imported) = read(&file, file.len()).unwrap();
    assert_eq!(imported.keys, 9);
    assert_eq!(imported.expired, 1);
    assert_eq!(imported.redis_version.as_deref(), Some("7.0.15"));
    assert_eq!((whole.key_counts(0), whole.key_counts(1)), ((6, 1), (3, 1)));
    for piece in [1, 7, 64] {
        let (in_pieces, counted) = read(&file, piece).unwrap();
        assert_eq!(in_pieces.state_hash(), whole.state_hash(), "{piece}");
        assert_eq!(counted, imported);
    }
    let mut stage = Stage::new();
    stage.keyspace = whole;
    assert_eq!(stage.run("get plain"), Answer::bulk("value"));
    assert_eq!(stage.run("pexpiretime later"), Answer::Integer(NOW_MS + 5));
    assert_eq!(stage.run("lrange list 0 -1"), stage.run("sort list alpha"));
    assert_eq!(stage.run("zscore sorted b"), Answer::Double(2.5));
    assert_eq!(stage.run("xlen stream"), Answer::Integer(1));
}

#[test]
fn what_modules_and_functions_left_is_counted_and_left_out() {
    // `ReJSON-RL` in version 3, as its documentation has it, and what a module writes: a number, a double, a text.
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id = b"ReJSON-RL".iter().fold(0_u64, |id, letter| {
        id << 6 | letters.iter().position(|one| one == letter).unwrap() as u64
    }) << 10
        | 3;
    let id = [&[0x81], id.to_be_bytes().as_slice()].concat();
    let content = [
        vec![2, 5, 4],
        1.5_f64.to_le_bytes().to_vec(),
        vec![5],
        text("{}"),
        vec![0],
    ]
    .concat();
    let file = file(
        9,
        &[
            &[&[opcode::MODULE], id.as_slice(), &[2, 1], &content].concat(),
            &[
                &[opcode::MODULE_VALUE],
                text("json").as_slice(),
                &id,
                &content,
            ]
            .concat(),
            &[vec![opcode::FUNCTIONS], text("#!lua name=x")].concat(),
            &string("plain", "value"),
        ],
    );
    let (_, imported) = read(&file, 5).unwrap();
    assert_eq!(imported.of_modules, [("ReJSON-RL".to_owned(), 1)]);
    assert_eq!((imported.keys, imported.libraries), (1, 1));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let plain = string("plain", "value");
    let good = file(11, &[&plain]);
    assert!(wrong(b"*3\r\n$3\r\nSET").contains("at byte 0: this is no file of Redis's"));
    assert!(wrong(b"REDIS0099").contains("version 99"));
    assert!(wrong(b"REDIS0000").contains("version 0"));
    let twice = wrong(&file(11, &[&plain, &plain]));
    assert_eq!(twice, "at byte 22: the key `plain` is in database 0 twice");
    let other = wrong(&file(11, &[&[opcode::DATABASE, 2]]));
    assert!(
        other.contains("database 2, and the store has 2 (0 to 1)"),
        "{other}"
    );
    let module = [&[opcode::MODULE_VALUE_1], text("m").as_slice(), &[1]].concat();
    assert!(wrong(&file(9, &[&module])).contains("`m` holds what a module"));
    let unknown = [&[99], text("k").as_slice(), &[1]].concat();
    assert!(wrong(&file(11, &[&unknown])).contains("`k` holds what cannot be read (type 99)"));
    let mut flipped = good.clone();
    flipped[18] ^= 1;
    assert!(
        wrong(&flipped).contains("the checksum"),
        "{}",
        wrong(&flipped)
    );
    // Redis may be told to write no checksum, and old versions had none.
    let end = good.len() - CHECKSUM_BYTES;
    let mut unchecked = good.clone();
    unchecked[end..].fill(0);
    assert!(read(&unchecked, 3).is_ok());
    assert!(read(&file(4, &[&plain]), 3).is_ok());
}

#[test]
fn a_file_that_was_cut_off_is_found_wherever_it_ends() {
    let file = rich();
    for length in 0..file.len() {
        let cut = read(&file[..length], length.max(1));
        assert!(cut.is_err(), "{length}");
    }
}

#[test]
fn no_damage_does_more_than_be_refused() {
    let file = rich();
    let mut accepted = 0;
    for at in 0..file.len() - CHECKSUM_BYTES {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            // Even where the checksum is none.
            let end = damaged.len() - CHECKSUM_BYTES;
            damaged[end..].fill(0);
            accepted += u32::from(read(&damaged, damaged.len()).is_ok());
        }
    }
    assert!(accepted > 0, "a value's bytes may be any");
}
