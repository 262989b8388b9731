//! Snapshots of a state that goes on changing.

use proptest::prelude::*;

use super::*;
use crate::list::tests as list;
use crate::testing::Stage;

/// Commands that change everything there is in every way; each type adds its own.
fn command() -> impl Strategy<Value = Vec<String>> {
    let key = || "[a-e]".prop_map(|name| format!("key-{name}"));
    let member = || (0..300_u32).prop_map(|number| format!("m{number}"));
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    prop_oneof![
        string(key().boxed()),
        on_keys().prop_map(words),
        (key(), any::<u16>()).prop_map(|(key, value)| vec!["set".into(), key, value.to_string()]),
        (key(), prop::collection::vec(member(), 1..60)).prop_map(|(key, members)| {
            let mut words = vec!["hset".to_owned(), key];
            for member in members {
                words.push(member.clone());
                words.push(format!("value of {member}"));
            }
            words
        }),
        (key(), prop::collection::vec(member(), 1..40)).prop_map(|(key, members)| {
            let mut words = vec!["hdel".to_owned(), key];
            words.extend(members);
            words
        }),
        set_command(),
        sorted_set_command(),
        stream_command(),
        list::command(),
        (key(), "list-[a-c]").prop_map(|(key, list)| vec!["rename".into(), list, key]),
    ]
}

/// Commands on sets: of words and of integers, few and many, and from one form to another.
fn set_command() -> impl Strategy<Value = Vec<String>> {
    let key = || "[a-d]".prop_map(|name| format!("set-{name}"));
    let word = || (0..300_u32).prop_map(|number| format!("m{number}"));
    let number = || (0..700_u32).prop_map(|number| number.to_string());
    let words = |most| prop::collection::vec(word(), 1..most);
    let numbers = |most| prop::collection::vec(number(), 1..most);
    let line = |name: &'static str| {
        move |(key, rest): (String, Vec<String>)| [vec![name.to_owned(), key], rest].concat()
    };
    prop_oneof![
        3 => (key(), numbers(200)).prop_map(line("sadd")),
        1 => (key(), words(60)).prop_map(line("sadd")),
        2 => (key(), numbers(100)).prop_map(line("srem")),
        1 => (key(), words(60)).prop_map(line("srem")),
        1 => (key(), (1..300_u32).prop_map(|count| vec![count.to_string()])).prop_map(line("spop")),
        1 => (key(), prop::collection::vec(key(), 1..3)).prop_map(line("sunionstore")),
        1 => (key(), prop::collection::vec(key(), 1..3)).prop_map(line("sinterstore")),
        1 => (key(), prop::collection::vec(key(), 1..3)).prop_map(line("sdiffstore")),
        1 => (key(), key(), number()).prop_map(|(from, to, member)| vec!["smove".into(), from, to, member]),
        1 => (key(), key()).prop_map(|(from, to)| vec!["rename".into(), from, to]),
        1 => (key(), key()).prop_map(|(from, to)| vec!["copy".into(), from, to, "replace".into()]),
    ]
}

/// Commands that make sorted sets small and large, and change them by member and by range.
fn sorted_set_command() -> impl Strategy<Value = Vec<String>> {
    let key = "[a-d]".prop_map(|name| format!("sorted-{name}"));
    let rows = |count| prop::collection::vec((-9..9_i32, 0..300_u32), count);
    let added = |options: &'static str| {
        move |rows: Vec<(i32, u32)>| {
            let rows = rows
                .iter()
                .map(|(score, number)| format!("{score} m{number}"));
            format!("zadd {options}{}", rows.collect::<Vec<_>>().join(" "))
        }
    };
    let arguments = prop_oneof![
        rows(1..90).prop_map(added("")),
        rows(1..90).prop_map(added("gt ")),
        rows(1..90).prop_map(|rows| {
            let rows = rows.iter().map(|(_, number)| format!("m{number}"));
            format!("zrem {}", rows.collect::<Vec<_>>().join(" "))
        }),
        (-9..9_i32, 0..300_u32).prop_map(|(by, number)| format!("zincrby {by} m{number}")),
        (0..200_u32, 0..60_u32)
            .prop_map(|(from, count)| format!("zremrangebyrank {from} {}", from + count)),
        (-9..9_i32).prop_map(|score| format!("zremrangebyscore {score} {score}")),
        (0..50_u32).prop_map(|count| format!("zpopmax {count}")),
        "[a-d]".prop_map(|other| format!("zunionstore 2 sorted-a sorted-{other}")),
        "[a-d]".prop_map(|other| format!("zinterstore 2 sorted-{other} set-{other}")),
        "[a-d]".prop_map(|other| format!("zrangestore sorted-{other} 3 -3")),
    ];
    (key, arguments).prop_map(|(key, arguments)| {
        let mut words: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        words.insert(1, key);
        words
    })
}

/// Commands on streams with groups: entries of few and many bytes, in one block and in many.
fn stream_command() -> impl Strategy<Value = Vec<String>> {
    let key = "[a-c]".prop_map(|name| format!("stream-{name}"));
    let id = || (1..200_u32).prop_map(|ms| format!("{ms}"));
    let ids = || prop::collection::vec(id(), 1..30).prop_map(|ids| ids.join(" "));
    let consumer = || "[a-c]".prop_map(|name| format!("consumer-{name}"));
    let arguments = prop_oneof![
        4 => (prop_oneof![0..20_usize, 0..700_usize], 0..4_u8).prop_map(|(length, field)| {
            format!("xadd KEY * field-{field} {}", "v".repeat(length))
        }),
        3 => id().prop_map(|id| format!("xadd KEY {id}-* field value other {id}")),
        1 => (0..150_u32).prop_map(|length| format!("xadd KEY maxlen {length} * field value")),
        1 => (0..150_u32).prop_map(|length| format!("xtrim KEY maxlen ~ {length}")),
        1 => id().prop_map(|id| format!("xtrim KEY minid {id}")),
        1 => ids().prop_map(|ids| format!("xdel KEY {ids}")),
        1 => Just("xsetid KEY 99999999-1".to_owned()),
        2 => id().prop_map(|id| format!("xgroup create KEY group {id} mkstream")),
        1 => id().prop_map(|id| format!("xgroup setid KEY group {id}")),
        1 => Just("xgroup destroy KEY group".to_owned()),
        1 => consumer().prop_map(|name| format!("xgroup delconsumer KEY group {name}")),
        4 => (consumer(), 1..150_u32)
            .prop_map(|(name, count)| format!("xreadgroup group group {name} count {count} streams KEY >")),
        2 => consumer()
            .prop_map(|name| format!("xreadgroup group group {name} count 5 streams KEY 0")),
        2 => ids().prop_map(|ids| format!("xack KEY group {ids}")),
        1 => (consumer(), ids()).prop_map(|(name, ids)| format!("xclaim KEY group {name} 0 {ids} force")),
        1 => consumer().prop_map(|name| format!("xautoclaim KEY group {name} 0 0 count 20")),
        1 => "[a-c]".prop_map(|other| format!("copy KEY stream-{other} replace")),
        1 => "[a-c]".prop_map(|other| format!("rename KEY stream-{other}")),
    ];
    (key, arguments).prop_map(|(key, arguments)| {
        let words = arguments.split(' ');
        words
            .map(|word| {
                if word == "KEY" {
                    key.clone()
                } else {
                    word.to_owned()
                }
            })
            .collect()
    })
}

/// Many entries in a stream, some of which are delivered.
fn long_stream() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1..400_usize, 1..300_usize).prop_map(|(entries, delivered)| {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
        let mut lines: Vec<Vec<String>> = (1..=entries)
            .map(|id| words(&format!("xadd stream-a {id} field value-{id} other {id}")))
            .collect();
        lines.push(words("xgroup create stream-a group 0"));
        lines.push(words(&format!(
            "xreadgroup group group consumer-a count {delivered} streams stream-a >"
        )));
        lines
    })
}

/// Commands that make strings and change parts of them, some of many pieces.
fn string(key: BoxedStrategy<String>) -> impl Strategy<Value = Vec<String>> {
    let line = |key: String, line: String| {
        let mut words = line.split(' ').map(str::to_owned);
        let mut command = vec![words.next().unwrap(), key];
        command.extend(words);
        command
    };
    let offset = prop_oneof![0..2_000_usize, 0..80_000_usize];
    let arguments = prop_oneof![
        (0..40_000_usize).prop_map(|length| format!("set {}", "s".repeat(length))),
        (1..40_000_usize).prop_map(|length| format!("append {}", "a".repeat(length))),
        (offset.clone(), 1..20_000_usize)
            .prop_map(|(offset, length)| format!("setrange {offset} {}", "r".repeat(length))),
        (offset.clone(), 0..2_u8).prop_map(|(offset, bit)| format!("setbit {offset} {bit}")),
        offset.prop_map(|offset| format!("bitfield set u63 {offset} 12345 incrby i7 9 5")),
        Just("incr".to_owned()),
        Just("getdel".to_owned()),
        Just("setnx fresh".to_owned()),
        Just("getex ex 100".to_owned()),
    ];
    (key, arguments).prop_map(move |(key, arguments)| line(key, arguments))
}

/// Commands that move whole values, or whole databases.
fn on_keys() -> impl Strategy<Value = String> {
    let key = || "[a-e]".prop_map(|name| format!("key-{name}"));
    prop_oneof![
        2 => (key(), key()).prop_map(|(from, to)| format!("rename {from} {to}")),
        2 => (key(), key()).prop_map(|(from, to)| format!("copy {from} {to} replace")),
        1 => (key(), 0..3).prop_map(|(key, to)| format!("copy {key} {key} db {to}")),
        1 => (key(), 0..3).prop_map(|(key, to)| format!("move {key} {to}")),
        1 => key().prop_map(|key| format!("unlink {key}")),
        1 => (key(), 1..9).prop_map(|(key, seconds)| format!("expire {key} {seconds}")),
        1 => (0..3, 0..3).prop_map(|(one, other)| format!("swapdb {one} {other}")),
        1 => Just("flushdb".to_owned()),
    ]
}

/// Runs commands, begins a snapshot, and goes on with others, each of which is followed by some steps of the snapshot. It
/// must be the state when it began.
fn check(
    mut stage: Stage,
    before: Vec<Vec<String>>,
    during: Vec<(Vec<String>, usize)>,
) -> Result<(), TestCaseError> {
    let after: Vec<Vec<String>> = during.iter().map(|(command, _)| command.clone()).collect();
    for command in before {
        stage.run_bytes(command);
    }
    let expected = stage.keyspace.state_hash();
    prop_assert!(stage.keyspace.snapshot_begin());
    let mut loading = Loading::new();
    for (command, steps) in during {
        stage.run_bytes(command);
        for _ in 0..steps {
            stage.keyspace.snapshot_step(1);
            for block in stage.keyspace.snapshot_take() {
                loading.block(block.kind, &block.payload).unwrap();
            }
        }
    }
    while !stage.keyspace.snapshot_step(100) {
        for block in stage.keyspace.snapshot_take() {
            loading.block(block.kind, &block.payload).unwrap();
        }
    }
    for block in stage.keyspace.snapshot_take() {
        loading.block(block.kind, &block.payload).unwrap();
    }
    let loaded = loading.finish().unwrap();
    prop_assert_eq!(loaded.state_hash(), expected);
    // And the state it went on to can be written as well.
    stage.check_snapshot();
    // So can what was read, once it has gone on.
    stage.keyspace = loaded;
    for command in after {
        stage.run_bytes(command);
    }
    stage.check_snapshot();
    Ok(())
}

/// A store that had been started from a snapshot gave the names of small collections that it had read to new ones. Once
/// both were large, one snapshot had the pages of both under one name, and could not be read.
#[test]
fn collections_that_were_read_keep_their_names() {
    let grow = |stage: &mut Stage, key: &str| {
        for count in 0..300 {
            stage.run(&format!("rpush {key} {count}"));
        }
    };
    let mut stage = Stage::new();
    stage.run("rpush old 1");
    assert!(stage.keyspace.snapshot_begin());
    while !stage.keyspace.snapshot_step(100) {}
    let mut loading = Loading::new();
    for block in stage.keyspace.snapshot_take() {
        loading.block(block.kind, &block.payload).unwrap();
    }
    stage.keyspace = loading.finish().unwrap();
    grow(&mut stage, "new");
    grow(&mut stage, "old");
    stage.check_snapshot();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_is_the_state_when_it_began(
        before in prop::collection::vec(command(), 0..40),
        during in prop::collection::vec((command(), 0..3_usize), 0..40),
    ) {
        check(Stage::new(), before, during)?;
    }

    #[test]
    fn lists_of_many_nodes_are_as_they_were_when_it_began(
        list_listpack_size in list::few_elements_a_node(),
        long in list::long_lists(),
        changes in prop::collection::vec(list::command(), 0..20),
        during in prop::collection::vec((list::command(), 0..6_usize), 0..60),
    ) {
        let before = long.into_iter().chain(changes).collect();
        let stage = Stage::with(Settings { list_listpack_size, ..Settings::default() });
        check(stage, before, during)?;
    }

    #[test]
    fn streams_of_many_blocks_are_as_they_were_when_it_began(
        long in long_stream(),
        changes in prop::collection::vec(stream_command(), 0..20),
        during in prop::collection::vec((stream_command(), 0..6_usize), 0..60),
    ) {
        let before = long.into_iter().chain(changes).collect();
        let settings = Settings { stream_node_entries_max: 7, ..Settings::default() };
        check(Stage::with(settings), before, during)?;
    }

    #[test]
    fn sets_of_every_form_are_as_they_were_when_it_began(
        integers in prop::collection::vec(prop_oneof![Just(60), Just(64), Just(65), Just(300), Just(512)], 4),
        changes in prop::collection::vec(set_command(), 0..3),
        during in prop::collection::vec((set_command(), 0..2_usize), 0..20),
    ) {
        let sets = ["a", "b", "c", "d"].iter().zip(integers).map(|(name, count)| {
            let words = ["sadd".to_owned(), format!("set-{name}")].into_iter();
            words.chain((0..count).map(|number: u32| number.to_string())).collect()
        });
        check(Stage::new(), sets.chain(changes).collect(), during)?;
    }
}
