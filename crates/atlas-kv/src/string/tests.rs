use proptest::prelude::*;

use crate::Loading;
use crate::reply::Answer;
use crate::settings::Settings;
use crate::testing::Stage;

#[test]
fn answers_are_those_of_redis() {
    Stage::new().check_golden(include_str!("redis-7.0.txt"));
    Stage::new().check_golden(include_str!("redis-7.0-encodings.txt"));
}

#[test]
fn a_string_is_never_longer_than_the_settings_say() {
    let mut stage = Stage::with(Settings {
        string_bytes_max: 100,
        ..Settings::default()
    });
    let refused =
        Answer::Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)".to_owned());
    assert_eq!(stage.run("setrange k 99 ab"), refused);
    assert_eq!(stage.run("exists k"), Answer::Integer(0));
    assert_eq!(stage.run("setrange k 98 ab"), Answer::Integer(100));
    assert_eq!(stage.run("append k c"), refused);
    assert_eq!(stage.run("setbit k 799 1"), Answer::Integer(0));
    let offset = Answer::Error("ERR bit offset is not an integer or out of range".to_owned());
    assert_eq!(stage.run("setbit k 800 1"), offset);
    assert_eq!(stage.run("bitfield k set u8 #100 1"), offset);
    // As in Redis, a field that begins inside may end outside.
    assert_eq!(
        stage.run("bitfield k set u8 799 1"),
        Answer::Array(vec![Answer::Integer(1 << 7)])
    );
    assert_eq!(
        stage.run("set l aaaaaaaaaa"),
        Answer::Simple("OK".to_owned())
    );
    assert_eq!(
        stage.run("lcs l l"),
        Answer::Error(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
                .to_owned()
        )
    );
}

#[test]
fn a_change_of_a_long_string_costs_a_snapshot_one_piece() {
    let mut stage = Stage::new();
    stage.run("setrange k 999999 x");
    let expected = stage.keyspace.state_hash();
    assert!(stage.keyspace.snapshot_begin());
    let mut blocks = stage.keyspace.snapshot_take();
    stage.run("setrange k 500000 changed");
    stage.run("append k more");
    stage.run("setbit k 0 1");
    // The page of the entry, and three pieces of 16 KiB, the last of them short.
    let bytes = stage.keyspace.snapshot_bytes();
    assert!((33_000..50_000).contains(&bytes), "{bytes}");
    while !stage.keyspace.snapshot_step(1) {
        blocks.extend(stage.keyspace.snapshot_take());
    }
    blocks.extend(stage.keyspace.snapshot_take());
    let mut loading = Loading::new();
    for block in blocks {
        assert!(block.payload.len() < 17_000);
        loading.block(block.kind, &block.payload).unwrap();
    }
    assert_eq!(loading.finish().unwrap().state_hash(), expected);
}

/// Commands on two keys, as lines.
fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![Just("a"), Just("b")];
    let long = (b'a'..=b'z', 1..3000_usize)
        .prop_map(|(byte, length)| char::from(byte).to_string().repeat(length));
    let word = prop_oneof!["[a-z]{1,8}", "-?[0-9]{1,6}", long];
    let index = prop_oneof![-10..10_i64, -4000..4000_i64];
    prop_oneof![
        (key.clone(), word.clone()).prop_map(|(key, word)| format!("set {key} {word}")),
        (key.clone(), word.clone()).prop_map(|(key, word)| format!("append {key} {word}")),
        (key.clone(), 0..3000_u32, word)
            .prop_map(|(key, offset, word)| format!("setrange {key} {offset} {word}")),
        (key.clone(), index.clone(), index)
            .prop_map(|(key, start, end)| format!("getrange {key} {start} {end}")),
        key.clone().prop_map(|key| format!("strlen {key}")),
        key.clone().prop_map(|key| format!("getdel {key}")),
        (key, -1000..1000_i64).prop_map(|(key, by)| format!("incrby {key} {by}")),
    ]
}

/// What a string of bytes does.
#[derive(Default)]
struct Model(std::collections::BTreeMap<String, Vec<u8>>);

impl Model {
    fn run(&mut self, line: &str) -> Answer {
        let words: Vec<&str> = line.split(' ').collect();
        let key = words[1].to_owned();
        let held = self.0.get(&key).cloned();
        let bytes = held.clone().unwrap_or_default();
        let integer = |word: &str| word.parse::<i64>().unwrap();
        match words[0] {
            "set" => {
                self.0.insert(key, words[2].into());
                Answer::Simple("OK".to_owned())
            }
            "append" | "setrange" => {
                let (offset, word) = match words[..] {
                    [_, _, word] => (bytes.len(), word),
                    [_, _, offset, word] => (integer(offset) as usize, word),
                    _ => unreachable!(),
                };
                let mut bytes = bytes;
                bytes.resize(bytes.len().max(offset + word.len()), 0);
                bytes[offset..offset + word.len()].copy_from_slice(word.as_bytes());
                let length = bytes.len() as i64;
                self.0.insert(key, bytes);
                Answer::Integer(length)
            }
            "getrange" => {
                let length = bytes.len() as i64;
                let place = |word| {
                    let index = integer(word);
                    if index < 0 {
                        (length + index).max(0)
                    } else {
                        index
                    }
                };
                let (start, end) = (place(words[2]), place(words[3]));
                let is_backwards = integer(words[2]) < 0 && integer(words[3]) < integer(words[2]);
                let part = (0..length)
                    .filter(|index| (start..=end).contains(index) && !is_backwards)
                    .map(|index| bytes[index as usize]);
                Answer::bulk(part.collect::<Vec<u8>>())
            }
            "strlen" => Answer::Integer(bytes.len() as i64),
            "getdel" => self.0.remove(&key).map_or(Answer::Null, Answer::Bulk),
            "incrby" => {
                let text = held.as_deref().unwrap_or(b"0");
                let text = String::from_utf8_lossy(text);
                match text.parse::<i64>() {
                    Ok(value) if value.to_string() == text => {
                        let value = value + integer(words[2]);
                        self.0.insert(key, value.to_string().into_bytes());
                        Answer::Integer(value)
                    }
                    _ => Answer::Error("ERR value is not an integer or out of range".to_owned()),
                }
            }
            _ => unreachable!(),
        }
    }
}

/// All lengths, as the definition says them.
fn lcs_len(left: &[u8], right: &[u8]) -> i64 {
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (row, byte) in left.iter().enumerate() {
        for (column, other) in right.iter().enumerate() {
            table[row + 1][column + 1] = if byte == other {
                table[row][column] + 1
            } else {
                i64::max(table[row][column + 1], table[row + 1][column])
            };
        }
    }
    table[left.len()][right.len()]
}

fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn strings_do_what_bytes_do(lines in prop::collection::vec(line(), 1..60)) {
        let mut stage = Stage::new();
        let mut model = Model::default();
        for line in lines {
            prop_assert_eq!(stage.run(&line), model.run(&line), "{}", line);
        }
        stage.check_snapshot();
    }

    #[test]
    fn the_longest_subsequence_is_one(left in "[a-d]{0,40}", right in "[a-d]{0,40}") {
        let mut stage = Stage::new();
        stage.run_bytes(["mset", "l", &left, "r", &right]);
        let Answer::Bulk(shared) = stage.run("lcs l r") else { panic!() };
        prop_assert!(is_subsequence(&shared, left.as_bytes()));
        prop_assert!(is_subsequence(&shared, right.as_bytes()));
        let length = lcs_len(left.as_bytes(), right.as_bytes());
        prop_assert_eq!(shared.len() as i64, length);
        prop_assert_eq!(stage.run("lcs l r len"), Answer::Integer(length));
    }
}
