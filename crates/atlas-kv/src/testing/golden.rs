//! Commands with the answers that Redis gave to them.
//!
//! A line is `COMMAND => ANSWER | EVENTS | CHANGES`. Words of the command are separated by spaces; `""` is an empty one,
//! `\xHH` a byte. Events are what Redis notified, changes what it added to `rdb_changes_since_last_save`; both are left out
//! where there were none. Answers are those of RESP3.

use crate::ArgumentBuffer;
use crate::command::{self, Handler};
use crate::reply::Answer;
use crate::testing::Stage;

impl Stage {
    /// Runs the commands of a golden file in order and demands Redis's answers, notifications and counts of changes.
    #[track_caller]
    pub(crate) fn check_golden(&mut self, golden: &str) {
        self.resp3 = true;
        let mut wrong = Vec::new();
        for (number, line) in golden.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((command, expected)) = line.split_once(" => ") else {
                panic!("line {}: no answer: {line}", number + 1);
            };
            let words: Vec<Vec<u8>> = command.split_ascii_whitespace().map(word).collect();
            let buffer = ArgumentBuffer::of(&words);
            self.effects.clear();
            let mut shown = shown(&self.run_bytes(&words));
            let is_read = command::resolve(&buffer.arguments())
                .is_ok_and(|command| matches!(command.handler, Handler::Read(_)));
            let events = self.events().join(", ");
            let dirty = self.effects.dirty;
            if !events.is_empty() || dirty > 0 {
                shown.push_str(&format!(" | {events} | {dirty}"));
            }
            // Reading does not remove what has expired: the store does, by a record of its own.
            let expected = match expected.split_once(" | expired ") {
                Some((answer, _)) if is_read => answer,
                _ => expected,
            };
            if shown != expected {
                let number = number + 1;
                wrong.push(format!(
                    "line {number}: {command}\n  here:  {shown}\n  Redis: {expected}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn word(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = if text == "\"\"" { "" } else { text };
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, after) = after.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn shown(answer: &Answer) -> String {
    let list = |answers: &[Answer]| answers.iter().map(shown).collect::<Vec<_>>().join(", ");
    match answer {
        Answer::Simple(text) => format!("+{text}"),
        Answer::Error(line) => format!("-{line}"),
        Answer::Integer(value) => format!(":{value}"),
        Answer::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Answer::Null | Answer::NullArray => "nil".into(),
        Answer::Double(value) => format!(",{value}"),
        Answer::Boolean(value) => format!("#{}", if *value { "t" } else { "f" }),
        Answer::Verbatim(_, bytes) => format!("={}", bytes.escape_ascii()),
        Answer::BigNumber(digits) => format!("({}", digits.escape_ascii()),
        Answer::Array(answers) => format!("[{}]", list(answers)),
        Answer::Set(answers) => format!("{{{}}}", list(answers)),
        Answer::Push(answers) => format!("<{}>", list(answers)),
        Answer::Map(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}
