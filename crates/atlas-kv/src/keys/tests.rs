//! Tables of commands and answers.

use crate::effects::Change;
use crate::reply::Answer;
use crate::testing::Stage;

mod databases;
mod existence;
mod inspection;
mod lifetime;
mod moving;
mod scanning;
mod serialized;
mod sort;

/// An answer as a line: `+OK`, `:1`, `value`, `(nil)`, `-ERR …`, `[a b]`.
pub(super) fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Simple(text) => format!("+{text}"),
        Answer::Error(line) => format!("-{line}"),
        Answer::Integer(value) => format!(":{value}"),
        Answer::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Answer::Null => "(nil)".into(),
        Answer::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(shown).collect();
            format!("[{}]", elements.join(" "))
        }
        other => format!("{other:?}"),
    }
}

/// Runs lines in order; each must answer what stands beside it.
pub(super) fn check(stage: &mut Stage, table: &[(&str, &str)]) {
    for (line, expected) in table {
        let answer = stage.run(line);
        assert_eq!(shown(&answer), *expected, "{line}");
    }
}

/// Runs a line; it must tell these notifications.
pub(super) fn check_events(stage: &mut Stage, line: &str, events: &[&str]) {
    stage.run(line);
    assert_eq!(stage.events(), events, "{line}");
}

/// The keys and databases that the last command changed, as `DATABASE KEY` or `DATABASE`.
pub(super) fn changes(stage: &Stage) -> Vec<String> {
    let changes = stage.effects.changes.iter();
    changes
        .map(|change| match change {
            Change::Key { database, key } => {
                format!("{database} {}", String::from_utf8_lossy(key))
            }
            Change::Database(database) => database.to_string(),
        })
        .collect()
}
