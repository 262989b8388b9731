//! The tests that may fail with the store, each with its reason.

use std::collections::BTreeMap;

use super::results::Difference;
use crate::error::Error;

const EXCEPTIONS: &str = include_str!("exceptions.txt");

/// A line of `exceptions.txt`: which tests of which suite, and why.
#[derive(Debug)]
struct Exception {
    suite: &'static str,
    pattern: &'static str,
    reason: &'static str,
}

/// What the list says of differences.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// How many there are for each reason.
    pub(super) by_reason: BTreeMap<&'static str, usize>,
    /// Those that the list does not explain.
    pub(super) unexplained: Vec<Difference>,
    /// Lines that explain nothing any more.
    pub(super) idle: Vec<&'static str>,
}

/// Looks every difference up.
pub(super) fn judge(suite: &str, differences: Vec<Difference>) -> Result<Judged, Error> {
    let exceptions: Vec<Exception> = read()?
        .into_iter()
        .filter(|exception| exception.suite == suite)
        .collect();
    let mut used = vec![false; exceptions.len()];
    let mut judged = Judged::default();
    for difference in differences {
        let found = exceptions
            .iter()
            .position(|exception| matches(exception.pattern, &difference.test));
        match found {
            Some(at) => {
                used[at] = true;
                *judged.by_reason.entry(exceptions[at].reason).or_default() += 1;
            }
            None => judged.unexplained.push(difference),
        }
    }
    let idle = exceptions.iter().zip(used).filter(|(_, used)| !used);
    judged.idle = idle.map(|(exception, _)| exception.pattern).collect();
    Ok(judged)
}

fn read() -> Result<Vec<Exception>, Error> {
    let lines = EXCEPTIONS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.splitn(3, " | ").collect();
            match parts[..] {
                [suite, pattern, reason] if !reason.trim().is_empty() => Ok(Exception {
                    suite,
                    pattern,
                    reason,
                }),
                _ => Err(Error::check(format!(
                    "client_suites/exceptions.txt: no reason behind a bar in {line:?}"
                ))),
            }
        })
        .collect()
}

/// True if the text is the pattern, of which each `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_has_a_suite_and_a_reason() {
        for exception in read().unwrap() {
            assert!(
                ["redis-py", "ioredis", "bullmq"].contains(&exception.suite),
                "{exception:?}"
            );
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("a*c", "abc"));
        assert!(matches("a*", "a"));
        assert!(matches("*b*d", "abcd"));
        assert!(matches("abc", "abc"));
        assert!(!matches("abc", "abcd"));
        assert!(!matches("a*bc*bc", "abc"));
        assert!(!matches("b*", "abc"));
    }

    #[test]
    fn what_no_line_explains_and_lines_that_explain_nothing_are_told() {
        let difference = |test: &str| Difference {
            test: test.to_owned(),
            why: String::new(),
        };
        let known = difference("functional/commands/lolwut.ts: any");
        let judged = judge("ioredis", vec![difference("no such test"), known]).unwrap();
        assert_eq!(judged.unexplained.len(), 1);
        assert_eq!(judged.by_reason["decoration"], 1);
        let lines = read().unwrap();
        let own = lines.iter().filter(|one| one.suite == "ioredis").count();
        assert_eq!(judged.idle.len(), own - 1);
    }
}
