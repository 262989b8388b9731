//! What a writer does to its own keys, and what they hold then.

use std::collections::{BTreeMap, BTreeSet};

use super::Random;

/// Keys that live until then, in milliseconds since 1970, and a little longer.
const UNTIL_MS: u64 = 4_000_000_000_000;
/// Collections that are longer are removed soon.
const LENGTH_MAX: usize = 60;

/// What a key holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// A string, and when it ends.
    Text(String, Option<u64>),
    List(Vec<String>),
    Hash(BTreeMap<String, String>),
    Set(BTreeSet<String>),
    Sorted(BTreeMap<String, i64>),
}

/// The keys of one writer that live on, by their names without its own.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Model(pub(super) BTreeMap<&'static str, Content>);

/// One command on a writer's own keys.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Push(u64),
    Pop,
    Set(&'static str, u64),
    SetUntil(u64),
    /// Set, and gone a millisecond later.
    SetBriefly(&'static str, u64),
    Append(u64),
    Count,
    Field(u64, u64),
    RemoveField(u64),
    Member(u64),
    RemoveMember(u64),
    Score(u64, i64),
    Remove(&'static str),
    Rename,
}

/// A value: some are long, so that the log's files fill.
fn text(number: u64) -> String {
    let padding = if number.is_multiple_of(5) {
        (number * 37 % 1500) as usize
    } else {
        0
    };
    format!("{number}{}", "x".repeat(padding))
}

impl Step {
    /// Draws one.
    pub(super) fn draw(random: &mut Random, model: &Model, unique: u64) -> Self {
        let long = model
            .0
            .iter()
            .find(|(_, content)| content.length() > LENGTH_MAX);
        if let Some((key, _)) = long {
            return Self::Remove(key);
        }
        match random.below(18) {
            0..=2 => Self::Push(unique),
            3 => Self::Pop,
            4 => Self::Set("string", unique),
            5 => Self::Set("over", unique),
            6 => Self::SetUntil(unique),
            7 => Self::SetBriefly(["brief", "over"][random.below(2) as usize], unique),
            8 => Self::Append(unique),
            9 | 10 => Self::Count,
            11 => Self::Field(random.below(8), unique),
            12 => Self::RemoveField(random.below(8)),
            13 => Self::Member(unique),
            14 => Self::RemoveMember(unique.saturating_sub(random.below(20))),
            15 => Self::Score(random.below(8), random.below(20) as i64 - 10),
            16 => {
                let keys = [
                    "list", "string", "until", "text", "moved", "hash", "set", "sorted",
                ];
                Self::Remove(keys[random.below(8) as usize])
            }
            _ => Self::Rename,
        }
    }

    /// The command's words, for a writer whose keys begin with `prefix`.
    pub(super) fn words(&self, prefix: &str) -> Vec<String> {
        let key = |name: &str| format!("{prefix}{name}");
        let words: Vec<String> = match self {
            Self::Push(n) => vec!["rpush".into(), key("list"), text(*n)],
            Self::Pop => vec!["lpop".into(), key("list")],
            Self::Set(name, n) => vec!["set".into(), key(name), text(*n)],
            Self::SetUntil(n) => vec![
                "set".into(),
                key("until"),
                text(*n),
                "pxat".into(),
                (UNTIL_MS + n).to_string(),
            ],
            Self::SetBriefly(name, n) => {
                vec!["set".into(), key(name), text(*n), "px".into(), "1".into()]
            }
            Self::Append(n) => vec!["append".into(), key("text"), format!("{n},")],
            Self::Count => vec!["incr".into(), key("count")],
            Self::Field(f, n) => vec!["hset".into(), key("hash"), f.to_string(), text(*n)],
            Self::RemoveField(f) => vec!["hdel".into(), key("hash"), f.to_string()],
            Self::Member(n) => vec!["sadd".into(), key("set"), n.to_string()],
            Self::RemoveMember(n) => vec!["srem".into(), key("set"), n.to_string()],
            Self::Score(member, by) => vec![
                "zincrby".into(),
                key("sorted"),
                by.to_string(),
                member.to_string(),
            ],
            Self::Remove(name) => vec!["del".into(), key(name)],
            Self::Rename => vec!["rename".into(), key("text"), key("moved")],
        };
        words
    }

    /// Does it, and says what is answered.
    pub(super) fn apply(&self, model: &mut Model) -> String {
        match self {
            Self::Push(n) => {
                let Content::List(list) = model.entry("list", Content::List(Vec::new())) else {
                    return String::new();
                };
                list.push(text(*n));
                list.len().to_string()
            }
            Self::Pop => {
                let Some(Content::List(list)) = model.0.get_mut("list") else {
                    return "nil".into();
                };
                let first = list.remove(0);
                model.drop_empty("list");
                first
            }
            Self::Set(name, n) => {
                model.0.insert(name, Content::Text(text(*n), None));
                "OK".into()
            }
            Self::SetUntil(n) => {
                let content = Content::Text(text(*n), Some(UNTIL_MS + n));
                model.0.insert("until", content);
                "OK".into()
            }
            Self::SetBriefly(name, _) => {
                model.0.remove(name);
                "OK".into()
            }
            Self::Append(n) => {
                let Content::Text(all, _) = model.entry("text", Content::Text(String::new(), None))
                else {
                    return String::new();
                };
                *all += &format!("{n},");
                all.len().to_string()
            }
            Self::Count => {
                let Content::Text(count, _) =
                    model.entry("count", Content::Text("0".to_owned(), None))
                else {
                    return String::new();
                };
                *count = (count.parse::<u64>().unwrap_or(0) + 1).to_string();
                count.clone()
            }
            Self::Field(field, n) => {
                let Content::Hash(hash) = model.entry("hash", Content::Hash(BTreeMap::new()))
                else {
                    return String::new();
                };
                let old = hash.insert(field.to_string(), text(*n));
                u8::from(old.is_none()).to_string()
            }
            Self::RemoveField(field) => {
                let Some(Content::Hash(hash)) = model.0.get_mut("hash") else {
                    return "0".into();
                };
                let old = hash.remove(&field.to_string());
                model.drop_empty("hash");
                u8::from(old.is_some()).to_string()
            }
            Self::Member(n) => {
                let Content::Set(set) = model.entry("set", Content::Set(BTreeSet::new())) else {
                    return String::new();
                };
                u8::from(set.insert(n.to_string())).to_string()
            }
            Self::RemoveMember(n) => {
                let Some(Content::Set(set)) = model.0.get_mut("set") else {
                    return "0".into();
                };
                let was = set.remove(&n.to_string());
                model.drop_empty("set");
                u8::from(was).to_string()
            }
            Self::Score(member, by) => {
                let Content::Sorted(sorted) =
                    model.entry("sorted", Content::Sorted(BTreeMap::new()))
                else {
                    return String::new();
                };
                let score = sorted.entry(member.to_string()).or_default();
                *score += by;
                score.to_string()
            }
            Self::Remove(name) => u8::from(model.0.remove(name).is_some()).to_string(),
            Self::Rename => match model.0.remove("text") {
                Some(text) => {
                    model.0.insert("moved", text);
                    "OK".into()
                }
                None => "!ERR no such key".into(),
            },
        }
    }
}

impl Content {
    fn length(&self) -> usize {
        match self {
            Self::Text(text, _) => text.len() / 40,
            Self::List(list) => list.len(),
            Self::Hash(hash) => hash.len(),
            Self::Set(set) => set.len(),
            Self::Sorted(sorted) => sorted.len(),
        }
    }
}

impl Model {
    fn entry(&mut self, name: &'static str, empty: Content) -> &mut Content {
        self.0.entry(name).or_insert(empty)
    }

    fn drop_empty(&mut self, name: &str) {
        if self
            .0
            .get(name)
            .is_some_and(|content| content.length() == 0)
        {
            self.0.remove(name);
        }
    }

    /// Where two of them differ, for a person.
    pub(super) fn difference(&self, other: &Self) -> String {
        let keys: BTreeSet<&str> = self.0.keys().chain(other.0.keys()).copied().collect();
        let mut text = String::new();
        for key in keys {
            let (ours, theirs) = (self.0.get(key), other.0.get(key));
            if ours != theirs {
                let show = |content: Option<&Content>| {
                    let shown = format!("{content:?}").replace("xxxxxxxxxx", "x");
                    let from = shown.len().saturating_sub(300);
                    shown.get(from..).unwrap_or_default().to_owned()
                };
                text += &format!("\n  {key}: {}\n    but {}", show(ours), show(theirs));
            }
        }
        text
    }
}
