//! What the suite found, and where it differs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::file;
use crate::error::Error;

/// How a case ended: the suite's word for it and its word for the close, which are its verdict, and the close code that
/// came back. Where an end point cuts the connection without a word, the edge may have named a code before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    words: String,
    pub(super) code: String,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As a whole, so that it can be padded.
        format!("{} ({})", self.words, self.code).fmt(formatter)
    }
}

/// Verdicts of one case, by agent.
pub(super) type Verdicts = BTreeMap<String, BTreeMap<String, Verdict>>;

/// A case whose verdicts differ.
pub(super) struct Row {
    pub(super) case: String,
    pub(super) direct: Verdict,
    pub(super) edge: Verdict,
}

/// Reads the suite's index: agent, case, verdict.
pub(super) fn read(index: &Path) -> Result<Verdicts, Error> {
    let text = fs::read_to_string(index).map_err(file("read", index))?;
    let value: Value = serde_json::from_str(&text).map_err(|source| Error::Json {
        what: index.display().to_string(),
        source,
    })?;
    Ok(verdicts(&value))
}

fn verdicts(index: &Value) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for (agent, cases) in index.as_object().into_iter().flatten() {
        for (case, report) in cases.as_object().into_iter().flatten() {
            let word = |key: &str| report[key].as_str().unwrap_or("?").to_owned();
            let code = report["remoteCloseCode"].as_u64();
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            let words = format!("{}, close {}", word("behavior"), word("behaviorClose"));
            let verdict = Verdict { words, code };
            verdicts
                .entry(case.clone())
                .or_default()
                .insert(agent.clone(), verdict);
        }
    }
    verdicts
}

/// The cases whose verdicts are not the same, in the suite's order.
pub(super) fn differences(verdicts: &Verdicts) -> Vec<Row> {
    rows(verdicts, |direct, edge| direct.words != edge.words)
}

/// The cases that have the same verdict and another close code.
pub(super) fn other_codes(verdicts: &Verdicts) -> Vec<Row> {
    rows(verdicts, |direct, edge| {
        direct.words == edge.words && direct.code != edge.code
    })
}

fn rows(verdicts: &Verdicts, differs: impl Fn(&Verdict, &Verdict) -> bool) -> Vec<Row> {
    let verdict = |agents: &BTreeMap<String, Verdict>, agent: &str| {
        agents.get(agent).cloned().unwrap_or_else(|| Verdict {
            words: "not played".to_owned(),
            code: "no code".to_owned(),
        })
    };
    let mut rows: Vec<Row> = verdicts
        .iter()
        .map(|(case, agents)| Row {
            case: case.clone(),
            direct: verdict(agents, "direct"),
            edge: verdict(agents, "edge"),
        })
        .filter(|row| differs(&row.direct, &row.edge))
        .collect();
    rows.sort_by_key(|row| -> Vec<u32> { row.case.split('.').flat_map(str::parse).collect() });
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cases_that_differ_are_found_and_stand_in_order() {
        let ok = json!({"behavior": "OK", "behaviorClose": "OK", "remoteCloseCode": 1000});
        let failed = json!({"behavior": "FAILED", "behaviorClose": "OK", "remoteCloseCode": 1002});
        let silent = json!({"behavior": "OK", "behaviorClose": "OK", "remoteCloseCode": null});
        let index = json!({
            "direct": {"1.1.1": ok, "10.1.1": ok, "2.1": ok, "3.1": silent},
            "edge": {"1.1.1": ok, "10.1.1": failed, "2.1": silent},
        });
        let verdicts = verdicts(&index);
        let shown = |rows: Vec<Row>| -> Vec<String> {
            let line = |row: &Row| format!("{}: {} / {}", row.case, row.direct, row.edge);
            rows.iter().map(line).collect()
        };
        assert_eq!(
            shown(differences(&verdicts)),
            [
                "3.1: OK, close OK (no code) / not played (no code)",
                "10.1.1: OK, close OK (1000) / FAILED, close OK (1002)",
            ]
        );
        assert_eq!(
            shown(other_codes(&verdicts)),
            ["2.1: OK, close OK (1000) / OK, close OK (no code)"]
        );
    }
}
