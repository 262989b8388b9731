//! One line of a dump: a record, or a block of a snapshot, as JSON.

use std::fmt;

use atlas_kv::{ArgumentBuffer, Arguments};
use atlas_wal::{Kind, Record};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The version of the lines.
pub(super) const VERSION: u32 = 1;

/// Bytes: as text if they are UTF-8, else as `{"base64": "…"}`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Text(pub(super) Vec<u8>);

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, or {\"base64\": \"…\"}")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.as_bytes().to_vec()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(text.into_bytes()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(number.to_string().into_bytes()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(number.to_string().into_bytes()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some((key, text)) = map.next_entry::<String, String>()? else {
                    return Err(A::Error::missing_field("base64"));
                };
                if key != "base64" || map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("bytes have `base64` and nothing else"));
                }
                let bytes = STANDARD.decode(&text);
                bytes
                    .map(Text)
                    .map_err(|error| A::Error::custom(format!("no base64: {error}")))
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

/// A line. Which fields it has depends on its kind; `docs/operate/store-files.md` says what they mean.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u64>,
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) db: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cmd: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Vec<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) now_ms: Option<u64>,
    /// Hexadecimal, because it has more digits than a JSON number keeps everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) serve: Vec<(u64, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skips: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) skipped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flags: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leader: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) block: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) apply_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<u64>,
}

/// The kind of the first line of a dump.
pub(super) const DUMP: &str = "dump";
/// The kind of a block of a snapshot.
pub(super) const SNAPSHOT: &str = "snapshot";
/// The kind of the last line of a dump.
pub(super) const END: &str = "end";

impl Line {
    /// The line of a record; `node` is the node whose log it is.
    pub(super) fn of(record: &Record<'_>, node: u64, skipped: bool) -> Self {
        let some = |number: u64| (number != 0).then_some(number);
        let mut args: Vec<Text> = record.arguments.iter().map(Text::from).collect();
        let mut line = Self {
            index: Some(record.index),
            kind: record.kind.name().to_owned(),
            db: Some(record.database),
            now_ms: Some(record.now_ms),
            seed: some(record.seed).map(|seed| format!("{seed:016x}")),
            serve: record.serve.to_vec(),
            skips: record.skipped_index(),
            skipped,
            user: (!record.user.is_empty()).then(|| record.user.into()),
            client: some(record.client),
            request_id: (record.request_id != 0).then(|| format!("{:032x}", record.request_id)),
            fuel: some(record.fuel),
            flags: (record.flags != 0).then_some(record.flags),
            term: (record.term != 1).then_some(record.term),
            leader: (record.leader != node).then_some(record.leader),
            ..Self::default()
        };
        if record.kind == Kind::Command && !args.is_empty() {
            line.read_out(record);
            line.cmd = Some(args.remove(0));
        }
        line.args = Some(args);
        line
    }

    /// What people look for: the first key, and of commands about one string its value and how long it lives.
    fn read_out(&mut self, record: &Record<'_>) {
        let arguments = Arguments::new(record.arguments.bytes, record.arguments.ranges);
        let Ok(command) = atlas_kv::command::resolve(&arguments) else {
            return;
        };
        let mut positions = Vec::new();
        command.keys.find(&arguments, &mut positions);
        let key = positions.first().and_then(|&at| arguments.get(at));
        self.key = key.map(Text::from);
        let now_ms = record.now_ms as i64;
        let number = |at| arguments.get(at).and_then(atlas_kv::integer);
        let until = |at: Option<i64>| at.map(|at| at.saturating_sub(now_ms));
        let seconds = |at| number(at).map(|seconds: i64| seconds.saturating_mul(1000));
        let (value, ttl) = match command.name {
            "set" => (Some(2), Some(0)),
            "getset" | "setnx" => (Some(2), Some(0)),
            "append" => (Some(2), None),
            "setex" => (Some(3), seconds(2)),
            "psetex" => (Some(3), number(2)),
            "expire" => (None, seconds(2)),
            "pexpire" => (None, number(2)),
            "expireat" => (None, until(seconds(2))),
            "pexpireat" => (None, until(number(2))),
            "persist" => (None, Some(0)),
            _ => (None, None),
        };
        self.value = value.and_then(|at| arguments.get(at)).map(Text::from);
        self.ttl = ttl;
        if command.name == "set" {
            for at in 3..arguments.len() {
                self.ttl = match () {
                    () if arguments.is(at, "EX") => seconds(at + 1),
                    () if arguments.is(at, "PX") => number(at + 1),
                    () if arguments.is(at, "EXAT") => until(seconds(at + 1)),
                    () if arguments.is(at, "PXAT") => until(number(at + 1)),
                    () if arguments.is(at, "KEEPTTL") => None,
                    () => continue,
                };
            }
        }
    }

    /// The record's arguments: its command's name and those that follow.
    pub(super) fn arguments(&self) -> Result<ArgumentBuffer, String> {
        let Some(args) = &self.args else {
            return Err("has no `args`".to_owned());
        };
        if self.kind == Kind::Command.name() && self.cmd.is_none() {
            return Err("is a command without its name, `cmd`".to_owned());
        }
        let all = self.cmd.iter().chain(args);
        let bytes: usize = all.clone().map(|argument| argument.0.len()).sum();
        if u32::try_from(bytes).is_err() {
            return Err("has 4 GiB of arguments or more".to_owned());
        }
        Ok(ArgumentBuffer::of(all.map(|argument| &argument.0)))
    }

    /// What the record is, if it is one.
    pub(super) fn record_kind(&self) -> Option<Kind> {
        let mut kinds = Kind::ALL.into_iter();
        kinds.find(|kind| kind.name() == self.kind && kind.takes_index())
    }

    /// Where randomness begins.
    pub(super) fn seed(&self) -> Result<u64, String> {
        match &self.seed {
            None => Ok(0),
            Some(text) => u64::from_str_radix(text, 16)
                .map_err(|_| format!("has the seed `{text}`, which is no hexadecimal number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&[u8]], now_ms: u64) -> Line {
        let buffer = ArgumentBuffer::of(words);
        let record = Record {
            term: 1,
            leader: 7,
            index: 5,
            kind: Kind::Command,
            now_ms,
            arguments: atlas_wal::Arguments {
                bytes: buffer.bytes(),
                ranges: buffer.ranges(),
            },
            ..Record::default()
        };
        Line::of(&record, 7, false)
    }

    fn json(words: &[&[u8]], now_ms: u64) -> String {
        serde_json::to_string(&line(words, now_ms)).unwrap()
    }

    #[test]
    fn a_line_reads_as_the_design_says() {
        assert_eq!(
            json(&[b"SET", b"foo", b"bar"], 1_700_000_000_000),
            r#"{"index":5,"kind":"command","db":0,"cmd":"SET","key":"foo","value":"bar","ttl":0,"args":["foo","bar"],"now_ms":1700000000000}"#
        );
        assert_eq!(
            json(&[b"set", b"\xff", b"b", b"nx", b"ex", b"10"], 5),
            r#"{"index":5,"kind":"command","db":0,"cmd":"set","key":{"base64":"/w=="},"value":"b","ttl":10000,"args":[{"base64":"/w=="},"b","nx","ex","10"],"now_ms":5}"#
        );
        assert_eq!(line(&[b"PEXPIREAT", b"k", b"12"], 5).ttl, Some(7));
        assert_eq!(line(&[b"HSET", b"k", b"f", b"v"], 5).value, None);
        assert_eq!(line(&[b"NOSUCH"], 5).key, None);
    }

    #[test]
    fn every_field_comes_back() {
        for words in [
            [b"SET".as_slice(), b"", b"\x00\xfe"],
            [b"LPUSH", "\u{1F980}\n\"".as_bytes(), b"{\"base64\":\"\"}"],
        ] {
            let text = json(&words, 9);
            let read: Line = serde_json::from_str(&text).unwrap();
            let buffer = read.arguments().unwrap();
            assert_eq!(buffer, ArgumentBuffer::of(words), "{text}");
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let wrong = |text: &str| match serde_json::from_str::<Line>(text) {
            Ok(line) => line.arguments().unwrap_err(),
            Err(error) => error.to_string(),
        };
        for (text, part) in [
            (r#"{"kind":"command","cmd":"SET"}"#, "no `args`"),
            (r#"{"kind":"command","args":["k"]}"#, "`cmd`"),
            (r#"{"kind":"command","cmd":{"base65":""}}"#, "`base64`"),
            (r#"{"kind":"command","cmd":{"base64":"?"}}"#, "no base64"),
            (r#"{"kind":"command","cmd":[]}"#, "a text, a whole number"),
            (r#"{"kind":"command","argz":[]}"#, "argz"),
        ] {
            assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
        }
        let numbers: Line =
            serde_json::from_str(r#"{"kind":"command","cmd":"SET","args":["k",-1,7]}"#).unwrap();
        assert_eq!(
            numbers.arguments().unwrap(),
            ArgumentBuffer::of(["SET", "k", "-1", "7"])
        );
    }
}
