//! Random commands, beside a model in which a stream is a map and a group two.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::Settings;
use crate::testing::{Stage, shown};

type Id = (u64, u64);

#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<Id, Vec<(String, String)>>,
    last: Id,
    /// The group's last id, and who has what and how often.
    read: Id,
    pending: BTreeMap<Id, (String, u64)>,
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u64, Vec<(u8, u16)>),
    Delete(Vec<(u64, u64)>),
    Length(usize),
    MinId(u64),
    Range(Id, Id, usize, bool),
    Read(u8, usize),
    History(u8, Id, usize),
    Acknowledge(Vec<Id>),
    Claim(u8, Vec<Id>),
    AutoClaim(u8, Id, usize),
    Pending(u8, Id, Id, usize),
    SetId(Id),
    RemoveConsumer(u8),
}

fn id() -> impl Strategy<Value = Id> {
    (0..60_u64, 0..3_u64)
}

fn step() -> impl Strategy<Value = Step> {
    let ids = || prop::collection::vec(id(), 1..6);
    let fields = prop_oneof![
        3 => any::<u16>().prop_map(|value| vec![(0, value)]),
        1 => prop::collection::vec((0..3_u8, any::<u16>()), 1..4),
    ];
    prop_oneof![
        8 => (0..2_u64, 0..3_u64, fields).prop_map(|(ms, seq, fields)| Step::Add(ms, seq, fields)),
        2 => ids().prop_map(Step::Delete),
        1 => (0..40_usize).prop_map(Step::Length),
        1 => (0..60_u64).prop_map(Step::MinId),
        3 => (id(), id(), 1..9_usize, any::<bool>())
            .prop_map(|(start, end, count, reverse)| Step::Range(start, end, count, reverse)),
        4 => (0..3_u8, 1..9_usize).prop_map(|(consumer, count)| Step::Read(consumer, count)),
        2 => (0..3_u8, id(), 1..9_usize).prop_map(|(consumer, id, count)| Step::History(consumer, id, count)),
        2 => ids().prop_map(Step::Acknowledge),
        1 => (0..3_u8, ids()).prop_map(|(consumer, ids)| Step::Claim(consumer, ids)),
        1 => (0..3_u8, id(), 1..9_usize).prop_map(|(consumer, id, count)| Step::AutoClaim(consumer, id, count)),
        2 => (0..4_u8, id(), id(), 0..9_usize)
            .prop_map(|(consumer, start, end, count)| Step::Pending(consumer, start, end, count)),
        1 => id().prop_map(Step::SetId),
        1 => (0..3_u8).prop_map(Step::RemoveConsumer),
    ]
}

fn text(id: Id) -> String {
    format!("{}-{}", id.0, id.1)
}

fn texts(ids: &[Id]) -> String {
    let ids: Vec<String> = ids.iter().map(|&id| text(id)).collect();
    ids.join(" ")
}

impl Model {
    fn entry(&self, id: Id) -> Option<String> {
        let fields = self.entries.get(&id)?;
        let fields: Vec<String> = fields
            .iter()
            .map(|(field, value)| format!("{field} {value}"))
            .collect();
        Some(format!("[{} [{}]]", text(id), fields.join(" ")))
    }

    fn list(&self, ids: impl IntoIterator<Item = Id>) -> String {
        let entries: Vec<String> = ids.into_iter().filter_map(|id| self.entry(id)).collect();
        format!("[{}]", entries.join(" "))
    }

    /// The command of a step, and what it answers.
    fn run(&mut self, step: &Step) -> (String, String) {
        match step {
            Step::Add(ms, seq, fields) => {
                let id = (
                    self.last.0 + ms,
                    seq + if *ms == 0 { self.last.1 + 1 } else { 0 },
                );
                self.last = id;
                let fields: Vec<(String, String)> = fields
                    .iter()
                    .map(|(field, value)| (format!("f{field}"), value.to_string()))
                    .collect();
                let words: Vec<String> = fields
                    .iter()
                    .map(|(field, value)| format!("{field} {value}"))
                    .collect();
                self.entries.insert(id, fields);
                (format!("xadd s {} {}", text(id), words.join(" ")), text(id))
            }
            Step::Delete(ids) => {
                let gone = ids.iter().filter(|id| self.entries.remove(id).is_some());
                (
                    format!("xdel s {}", texts(ids)),
                    format!(":{}", gone.count()),
                )
            }
            Step::Length(length) => {
                let gone = self.entries.len().saturating_sub(*length);
                for _ in 0..gone {
                    self.entries.pop_first();
                }
                (format!("xtrim s maxlen {length}"), format!(":{gone}"))
            }
            Step::MinId(ms) => {
                let kept = self.entries.split_off(&(*ms, 0));
                let gone = std::mem::replace(&mut self.entries, kept).len();
                (format!("xtrim s minid {ms}"), format!(":{gone}"))
            }
            Step::Range(start, end, count, reverse) => {
                let found = self.entries.keys().copied();
                let found = found.filter(|id| id >= start && id <= end);
                let (from, to) = (text(*start), text(*end));
                if *reverse {
                    let found: Vec<Id> = found.rev().take(*count).collect();
                    (
                        format!("xrevrange s {to} {from} count {count}"),
                        self.list(found),
                    )
                } else {
                    let found: Vec<Id> = found.take(*count).collect();
                    (
                        format!("xrange s {from} {to} count {count}"),
                        self.list(found),
                    )
                }
            }
            Step::Read(consumer, count) => {
                let found = self.entries.keys().copied();
                let found: Vec<Id> = found.filter(|&id| id > self.read).take(*count).collect();
                let answer = if found.is_empty() {
                    "(nil array)".to_owned()
                } else {
                    format!("[[s {}]]", self.list(found.iter().copied()))
                };
                for id in found {
                    self.read = id;
                    self.pending.insert(id, (format!("c{consumer}"), 1));
                }
                let line = format!("xreadgroup group g c{consumer} count {count} streams s >");
                (line, answer)
            }
            Step::History(consumer, after, count) => {
                let name = format!("c{consumer}");
                let mine = self
                    .pending
                    .iter_mut()
                    .filter(|(id, row)| row.0 == name && *id > after);
                let mut found = Vec::new();
                for (&id, row) in mine.take(*count) {
                    row.1 += u64::from(self.entries.contains_key(&id));
                    found.push(id);
                }
                let shown: Vec<String> = found
                    .iter()
                    .map(|&id| {
                        self.entry(id)
                            .unwrap_or(format!("[{} (nil array)]", text(id)))
                    })
                    .collect();
                let line = format!(
                    "xreadgroup group g {name} count {count} streams s {}",
                    text(*after)
                );
                (line, format!("[[s [{}]]]", shown.join(" ")))
            }
            Step::Acknowledge(ids) => {
                let gone = ids.iter().filter(|id| self.pending.remove(id).is_some());
                (
                    format!("xack s g {}", texts(ids)),
                    format!(":{}", gone.count()),
                )
            }
            Step::Claim(consumer, ids) => {
                let mut found = Vec::new();
                for &id in ids {
                    if !self.entries.contains_key(&id) {
                        self.pending.remove(&id);
                    } else if let Some(row) = self.pending.get_mut(&id) {
                        *row = (format!("c{consumer}"), row.1 + 1);
                        found.push(id);
                    }
                }
                let line = format!("xclaim s g c{consumer} 0 {}", texts(ids));
                (line, self.list(found))
            }
            Step::AutoClaim(consumer, start, count) => {
                let (mut found, mut gone) = (Vec::new(), Vec::new());
                let ids: Vec<Id> = self.pending.range(start..).map(|(&id, _)| id).collect();
                for &id in ids.iter().take(*count) {
                    if self.entries.contains_key(&id) {
                        let count = self.pending[&id].1 + 1;
                        self.pending.insert(id, (format!("c{consumer}"), count));
                        found.push(id);
                    } else {
                        self.pending.remove(&id);
                        gone.push(id);
                    }
                }
                let cursor = ids.get(*count).copied().unwrap_or_default();
                let line = format!(
                    "xautoclaim s g c{consumer} 0 {} count {count}",
                    text(*start)
                );
                let answer = format!("[{} {} [{}]]", text(cursor), self.list(found), texts(&gone));
                (line, answer)
            }
            Step::Pending(consumer, start, end, count) => {
                let name = format!("c{consumer}");
                let rows = self.pending.iter().filter(|(id, row)| {
                    *id >= start && *id <= end && (*consumer == 3 || row.0 == name)
                });
                let rows: Vec<String> = rows
                    .take(*count)
                    .map(|(&id, (name, count))| format!("[{} {name} :0 :{count}]", text(id)))
                    .collect();
                let mut line = format!("xpending s g {} {} {count}", text(*start), text(*end));
                if *consumer != 3 {
                    line.push_str(&format!(" {name}"));
                }
                (line, format!("[{}]", rows.join(" ")))
            }
            Step::SetId(id) => {
                self.read = *id;
                (format!("xgroup setid s g {}", text(*id)), "+OK".to_owned())
            }
            Step::RemoveConsumer(consumer) => {
                let name = format!("c{consumer}");
                let before = self.pending.len();
                self.pending.retain(|_, row| row.0 != name);
                let gone = before - self.pending.len();
                (format!("xgroup delconsumer s g {name}"), format!(":{gone}"))
            }
        }
    }
}

proptest! {
    #[test]
    fn streams_do_what_maps_do(
        block in prop_oneof![Just(1_u64), Just(4), Just(100)],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut stage = Stage::with(Settings { stream_node_entries_max: block, ..Settings::default() });
        stage.run("xgroup create s g 0 mkstream");
        let mut model = Model::default();
        for step in &steps {
            let (line, expected) = model.run(step);
            let answer = stage.run(&line);
            prop_assert_eq!(shown(&answer), expected, "{}", line);
            prop_assert_eq!(
                shown(&stage.run("xlen s")),
                format!(":{}", model.entries.len()),
                "{}", line
            );
        }
        let all: Vec<Id> = model.entries.keys().copied().collect();
        prop_assert_eq!(shown(&stage.run("xrange s - +")), model.list(all));
        stage.check_snapshot();
        // What is dumped and restored is the same, as far as it can be asked for.
        let crate::Answer::Bulk(payload) = stage.run("dump s") else {
            return Err(TestCaseError::fail("no payload"));
        };
        stage.run_bytes([b"restore", &b"copy"[..], b"0", &payload]);
        for line in ["xrange KEY - +", "xpending KEY g - + 1000", "xinfo groups KEY"] {
            let [one, other] = ["s", "copy"].map(|key| stage.run(&line.replace("KEY", key)));
            prop_assert_eq!(shown(&one), shown(&other));
        }
    }
}
