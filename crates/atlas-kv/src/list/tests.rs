//! Lists by their commands.

mod answers;
mod waiting;

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::Settings;
use crate::reply::Answer;
use crate::slice::kind;
use crate::testing::Stage;

/// Settings by which even a short list has many nodes.
pub(crate) fn few_elements_a_node() -> impl Strategy<Value = i64> {
    select(vec![1, 2, 5])
}

/// Commands on few lists that change them in every way, ends and middle.
pub(crate) fn command() -> impl Strategy<Value = Vec<String>> {
    let key = || "[a-c]".prop_map(|name| format!("list-{name}"));
    let end = || select(vec!["left", "right"]);
    let index = || -260..260_i64;
    let element = || {
        let long = (0..40_u32).prop_map(|number| format!("{number:<200}"));
        let short = (0..40_u32).prop_map(|number| format!("e{number}"));
        prop_oneof![8 => short, 1 => long]
    };
    let words = |words: &[&str]| {
        words
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    };
    // Runs of one element fill nodes that `LREM` empties at once.
    let run = (element(), 1..25_usize).prop_map(|(element, length)| vec![element; length]);
    let elements = prop_oneof![2 => prop::collection::vec(element(), 1..50), 1 => run];
    let push = (
        select(vec!["lpush", "rpush", "lpushx", "rpushx"]),
        key(),
        elements,
    );
    prop_oneof![
        8 => push.prop_map(move |(name, key, mut elements)| {
            let mut all = words(&[name, &key]);
            all.append(&mut elements);
            all
        }),
        2 => (select(vec!["lpop", "rpop"]), key()).prop_map(move |(name, key)| words(&[name, &key])),
        1 => (select(vec!["lpop", "rpop"]), key(), 0..60_u32)
            .prop_map(move |(name, key, count)| words(&[name, &key, &count.to_string()])),
        6 => (key(), index(), element())
            .prop_map(move |(key, index, element)| words(&["lset", &key, &index.to_string(), &element])),
        10 => (key(), select(vec!["before", "after"]), element(), element())
            .prop_map(move |(key, side, pivot, element)| words(&["linsert", &key, side, &pivot, &element])),
        8 => (key(), -8..8_i64, element())
            .prop_map(move |(key, count, element)| words(&["lrem", &key, &count.to_string(), &element])),
        1 => (key(), -260..8_i64, 100..260_i64)
            .prop_map(move |(key, start, stop)| words(&["ltrim", &key, &start.to_string(), &stop.to_string()])),
        1 => (key(), index(), index())
            .prop_map(move |(key, start, stop)| words(&["ltrim", &key, &start.to_string(), &stop.to_string()])),
        2 => (select(vec!["lmove", "blmove"]), key(), key(), end(), end()).prop_map(
            move |(name, source, destination, from, to)| {
                let mut all = words(&[name, &source, &destination, from, to]);
                all.extend((name == "blmove").then(|| "0".to_owned()));
                all
            }
        ),
        1 => (key(), key()).prop_map(move |(source, destination)| words(&["rpoplpush", &source, &destination])),
        1 => (key(), key()).prop_map(move |(source, destination)| words(&["brpoplpush", &source, &destination, "1"])),
        1 => (key(), key(), end(), 1..40_u32).prop_map(move |(one, two, end, count)| {
            words(&["lmpop", "2", &one, &two, end, "count", &count.to_string()])
        }),
        1 => (key(), key(), end(), 1..9_u32).prop_map(move |(one, two, end, count)| {
            words(&["blmpop", "0", "2", &one, &two, end, "count", &count.to_string()])
        }),
        1 => (select(vec!["blpop", "brpop"]), key(), key())
            .prop_map(move |(name, one, two)| words(&[name, &one, &two, "0"])),
        1 => (key(), key()).prop_map(move |(one, two)| words(&["rename", &one, &two])),
        1 => (key(), key()).prop_map(move |(one, two)| words(&["copy", &one, &two, "replace"])),
        1 => key().prop_map(move |key| words(&["del", &key])),
    ]
}

/// Commands that make long lists.
pub(crate) fn long_lists() -> impl Strategy<Value = Vec<Vec<String>>> {
    let element = || (0..40_u32).prop_map(|number| format!("e{number}"));
    prop::collection::vec(prop::collection::vec(element(), 0..300), 3).prop_map(|lists| {
        let keys = ["list-a", "list-b", "list-c"].into_iter();
        keys.zip(lists)
            .map(|(key, mut elements)| {
                elements.splice(0..0, ["rpush".to_owned(), key.to_owned()]);
                elements
            })
            .collect()
    })
}

/// Lists as a plain program would keep them.
#[derive(Default)]
struct Model {
    lists: [VecDeque<String>; 3],
}

impl Model {
    fn list(&mut self, key: &str) -> &mut VecDeque<String> {
        &mut self.lists[usize::from(key.as_bytes()[5] - b'a')]
    }

    fn push(&mut self, key: &str, end: &str, element: String) {
        match end {
            "left" => self.list(key).push_front(element),
            _ => self.list(key).push_back(element),
        }
    }

    fn pop(&mut self, key: &str, end: &str, count: usize) -> Vec<String> {
        let list = self.list(key);
        let count = count.min(list.len());
        let mut next = || match end {
            "left" => list.pop_front(),
            _ => list.pop_back(),
        };
        (0..count).filter_map(|_| next()).collect()
    }

    fn range(&mut self, key: &str, start: &str, stop: &str) -> Vec<String> {
        let list = self.list(key);
        let len = list.len() as i64;
        let from = |text: &str| {
            let index: i64 = text.parse().unwrap();
            if index < 0 { index + len } else { index }
        };
        let (start, stop) = (from(start), from(stop));
        let elements = list.iter().enumerate();
        let within = elements.filter(|&(index, _)| (start..=stop).contains(&(index as i64)));
        within.map(|(_, element)| element.clone()).collect()
    }

    fn shift(&mut self, from: (&str, &str), to: (&str, &str)) -> Answer {
        match self.pop(from.0, from.1, 1).pop() {
            None => Answer::Null,
            Some(element) => {
                self.push(to.0, to.1, element.clone());
                Answer::bulk(element)
            }
        }
    }

    fn pop_first(&mut self, keys: [&str; 2], end: &str, count: usize, is_plain: bool) -> Answer {
        for key in keys {
            let popped = self.pop(key, end, count);
            let popped = match is_plain {
                _ if popped.is_empty() => continue,
                true => Answer::bulk(&popped[0]),
                false => Answer::bulks(popped),
            };
            return Answer::Array(vec![Answer::bulk(key), popped]);
        }
        Answer::NullArray
    }

    fn run(&mut self, command: &[String]) -> Answer {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let len = |list: &VecDeque<String>| Answer::Integer(list.len() as i64);
        let number = |text: &str| text.parse::<i64>().unwrap();
        match words[..] {
            ["lpushx" | "rpushx", key, ..] if self.list(key).is_empty() => Answer::Integer(0),
            [
                "lpush" | "rpush" | "lpushx" | "rpushx",
                key,
                ref elements @ ..,
            ] => {
                let end = if words[0].starts_with('l') {
                    "left"
                } else {
                    "right"
                };
                for element in elements {
                    self.push(key, end, (*element).to_owned());
                }
                len(self.list(key))
            }
            [name @ ("lpop" | "rpop"), key, ref count @ ..] => {
                let end = if name == "lpop" { "left" } else { "right" };
                let is_there = !self.list(key).is_empty();
                match count.first() {
                    None => self
                        .pop(key, end, 1)
                        .pop()
                        .map_or(Answer::Null, Answer::bulk),
                    Some(_) if !is_there => Answer::NullArray,
                    Some(count) => Answer::bulks(self.pop(key, end, number(count) as usize)),
                }
            }
            ["lset", key, index, element] => {
                let list = self.list(key);
                let index = number(index);
                let at = if index < 0 {
                    index + list.len() as i64
                } else {
                    index
                };
                if list.is_empty() {
                    return Answer::Error("ERR no such key".to_owned());
                }
                match usize::try_from(at).ok().and_then(|at| list.get_mut(at)) {
                    None => Answer::Error("ERR index out of range".to_owned()),
                    Some(place) => {
                        *place = element.to_owned();
                        Answer::Simple("OK".to_owned())
                    }
                }
            }
            ["linsert", key, side, pivot, element] => {
                let list = self.list(key);
                if list.is_empty() {
                    return Answer::Integer(0);
                }
                match list.iter().position(|other| other == pivot) {
                    None => Answer::Integer(-1),
                    Some(at) => {
                        list.insert(at + usize::from(side == "after"), element.to_owned());
                        len(list)
                    }
                }
            }
            ["lrem", key, count, element] => {
                let list = self.list(key);
                let count = number(count);
                let before = list.len();
                let mut left = if count == 0 {
                    usize::MAX
                } else {
                    count.unsigned_abs() as usize
                };
                let mut keep = |other: &String| {
                    let goes = left > 0 && other == element;
                    left -= usize::from(goes);
                    !goes
                };
                if count < 0 {
                    let mut kept: VecDeque<String> = VecDeque::new();
                    for other in list.drain(..).rev() {
                        if keep(&other) {
                            kept.push_front(other);
                        }
                    }
                    *list = kept;
                } else {
                    list.retain(keep);
                }
                Answer::Integer((before - list.len()) as i64)
            }
            ["ltrim", key, start, stop] => {
                *self.list(key) = self.range(key, start, stop).into();
                Answer::Simple("OK".to_owned())
            }
            ["lmove" | "blmove", source, destination, from, to, ..] => {
                self.shift((source, from), (destination, to))
            }
            ["rpoplpush" | "brpoplpush", source, destination, ..] => {
                self.shift((source, "right"), (destination, "left"))
            }
            ["lmpop", "2", one, two, end, "count", count]
            | ["blmpop", "0", "2", one, two, end, "count", count] => {
                self.pop_first([one, two], end, number(count) as usize, false)
            }
            ["blpop", one, two, "0"] => self.pop_first([one, two], "left", 1, true),
            ["brpop", one, two, "0"] => self.pop_first([one, two], "right", 1, true),
            ["rename", one, two] => {
                let list = self.list(one).clone();
                if list.is_empty() {
                    return Answer::Error("ERR no such key".to_owned());
                }
                self.list(one).clear();
                *self.list(two) = list;
                Answer::Simple("OK".to_owned())
            }
            ["copy", one, two, "replace"] if one == two => {
                Answer::Error("ERR source and destination objects are the same".to_owned())
            }
            ["copy", one, two, "replace"] => {
                let list = self.list(one).clone();
                let is_there = !list.is_empty();
                if is_there {
                    *self.list(two) = list;
                }
                Answer::Integer(i64::from(is_there))
            }
            ["del", key] => {
                let was_there = !self.list(key).is_empty();
                self.list(key).clear();
                Answer::Integer(i64::from(was_there))
            }
            _ => panic!("{words:?}"),
        }
    }
}

fn node_size() -> impl Strategy<Value = i64> {
    select(vec![-5, -2, -1, 0, 1, 5, 16, 1000])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lists_answer_as_a_deque_would(
        node_size in node_size(),
        commands in prop::collection::vec(command(), 0..120),
        places in prop::collection::vec((-260..260_i64, -260..260_i64), 4),
    ) {
        let mut stage = Stage::with(Settings { list_listpack_size: node_size, ..Settings::default() });
        let mut model = Model::default();
        for command in commands {
            let expected = model.run(&command);
            prop_assert_eq!(stage.run_bytes(&command), expected, "{:?}", command);
        }
        for key in ["list-a", "list-b", "list-c"] {
            let expected = model.list(key).clone();
            prop_assert_eq!(stage.run(&format!("llen {key}")), Answer::Integer(expected.len() as i64));
            prop_assert_eq!(stage.run(&format!("lrange {key} 0 -1")), Answer::bulks(&expected));
            for (start, stop) in &places {
                let (start, stop) = (start.to_string(), stop.to_string());
                prop_assert_eq!(
                    stage.run_bytes(["lrange", key, &start, &stop]),
                    Answer::bulks(model.range(key, &start, &stop))
                );
                let one = model.range(key, &start, &start).pop();
                prop_assert_eq!(
                    stage.run_bytes(["lindex", key, &start]),
                    one.map_or(Answer::Null, Answer::bulk)
                );
            }
        }
        stage.check_snapshot();
    }
}

fn nodes(stage: &Stage, key: &str) -> Vec<(usize, usize)> {
    let moment = crate::Moment {
        database: 0,
        now_ms: 0,
        seed: 0,
    };
    let view = stage.keyspace.view(moment, false);
    let list = view.list(key.as_bytes()).unwrap().unwrap();
    list.nodes
        .iter()
        .map(|node| (node.len(), node.bytes_len()))
        .collect()
}

#[test]
fn nodes_are_filled_as_the_setting_says() {
    let cases: [(i64, usize, usize, &[usize]); 6] = [
        (4, 10, 3, &[4, 4, 2]),
        (1, 3, 3, &[1, 1, 1]),
        (0, 3, 3, &[1, 1, 1]),
        // Whatever the count, a node of several elements is not larger than 8 KiB.
        (100, 5, 3000, &[2, 2, 1]),
        (-1, 5, 1500, &[2, 2, 1]),
        (-2, 3, 9000, &[1, 1, 1]),
    ];
    for (size, count, bytes, expected) in cases {
        let mut stage = Stage::with(Settings {
            list_listpack_size: size,
            ..Settings::default()
        });
        for name in ["rpush", "lpush"] {
            for _ in 0..count {
                stage.run_bytes([name, name, &"x".repeat(bytes)]);
            }
        }
        let lengths: Vec<usize> = nodes(&stage, "rpush").iter().map(|node| node.0).collect();
        assert_eq!(lengths, expected, "{size}");
        let lengths: Vec<usize> = nodes(&stage, "lpush")
            .iter()
            .rev()
            .map(|node| node.0)
            .collect();
        assert_eq!(lengths, expected, "{size}");
    }
}

#[test]
fn nodes_stay_bounded_and_are_joined() {
    let mut stage = Stage::new();
    stage.run("rpush l pivot");
    for number in 0..4000 {
        let side = if number % 3 == 0 { "after" } else { "before" };
        stage.run(&format!("linsert l {side} pivot element-{number:020}"));
    }
    // A large element in the middle gets a node of its own.
    stage.run_bytes(["lset", "l", "2000", &"x".repeat(100_000)]);
    let held = nodes(&stage, "l");
    assert!(
        held.iter()
            .all(|&(count, bytes)| bytes <= 8192 || count == 1),
        "{held:?}"
    );
    assert!(held.len() < 40, "{held:?}");
    for number in 0..4000 {
        if number % 50 != 0 {
            stage.run(&format!("lrem l 0 element-{number:020}"));
        }
    }
    let memory_bytes: usize = {
        let moment = crate::Moment {
            database: 0,
            now_ms: 0,
            seed: 0,
        };
        let view = stage.keyspace.view(moment, false);
        view.list(b"l").unwrap().unwrap().memory_bytes()
    };
    assert!(memory_bytes < 120_000, "{memory_bytes}");
}

#[test]
fn what_is_cut_off_goes_where_it_delays_nobody() {
    let mut stage = Stage::with(Settings {
        list_listpack_size: 4,
        ..Settings::default()
    });
    for number in 0..400 {
        stage.run(&format!("rpush l {number}"));
    }
    stage.run("ltrim l 100 -101");
    assert!(!stage.effects.garbage.is_empty());
    assert_eq!(stage.run("llen l"), Answer::Integer(200));
    assert_eq!(stage.run("lindex l 0"), Answer::bulk("100"));
    assert_eq!(stage.run("lindex l -1"), Answer::bulk("299"));
    // In a snapshot they are still written, without more waiting at once than what was changed.
    let before = stage.keyspace.state_hash();
    assert!(stage.keyspace.snapshot_begin());
    stage.run("ltrim l 50 -51");
    stage.run("lpop l 99");
    assert!(
        stage.keyspace.snapshot_bytes() < 400,
        "{}",
        stage.keyspace.snapshot_bytes()
    );
    let mut loading = crate::Loading::new();
    let mut is_done = false;
    while !is_done {
        is_done = stage.keyspace.snapshot_step(1);
        for block in stage.keyspace.snapshot_take() {
            loading.block(block.kind, &block.payload).unwrap();
        }
    }
    assert_eq!(loading.finish().unwrap().state_hash(), before);
}

#[test]
fn a_damaged_order_of_nodes_is_refused() {
    let mut stage = Stage::with(Settings {
        list_listpack_size: 1,
        ..Settings::default()
    });
    stage.run("rpush l a b c d");
    assert!(stage.keyspace.snapshot_begin());
    while !stage.keyspace.snapshot_step(1 << 20) {}
    let blocks = stage.keyspace.snapshot_take();
    let is_page = |block: &crate::Block| block.kind == kind::OBJECT;
    let pages: Vec<usize> = (0..blocks.len())
        .filter(|&at| is_page(&blocks[at]))
        .collect();
    assert_eq!(pages.len(), 4);
    let load = |blocks: &[crate::Block]| {
        let mut loading = crate::Loading::new();
        for block in blocks {
            loading.block(block.kind, &block.payload)?;
        }
        loading.finish().map(|keyspace| keyspace.state_hash())
    };
    let expected = load(&blocks).unwrap();
    // In whatever order they come.
    let mut turned = blocks.clone();
    turned.swap(pages[0], pages[2]);
    assert_eq!(load(&turned), Ok(expected));
    // One missing, one twice, a circle.
    let mut damaged = blocks.clone();
    damaged.remove(pages[1]);
    assert!(load(&damaged).is_err());
    let mut damaged = blocks.clone();
    damaged.push(blocks[pages[1]].clone());
    assert!(load(&damaged).is_err());
    for page in pages {
        // A page is the object's name (two bytes), its number, and its successor's.
        for next in 0..6 {
            let mut damaged = blocks.clone();
            let payload = &mut damaged[page].payload;
            let is_same = std::mem::replace(&mut payload[3], next) == next;
            assert_eq!(load(&damaged).is_ok(), is_same, "{page} {next}");
        }
    }
}
