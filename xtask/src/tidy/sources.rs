//! Rules about Rust files: module docs, length, reasons of exceptions, and what pure code may not name.

use std::path::Path;

use super::Problem;

/// More lines than this and a file has a seam.
const LINES_MAX: usize = 800;

/// Names that do input or output, or ask a clock. Floor 1 is handed the time and its bytes.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    // Addresses of std::net are mere values; what opens them is not.
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "ToSocketAddrs",
    "std::net::*",
    "std::fs",
    "std::io::stdin",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
];

/// A crate's root begins with its documentation.
pub(super) fn check_module_docs(file: &Path, text: &str) -> Vec<Problem> {
    if text
        .lines()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("//!"))
    {
        Vec::new()
    } else {
        vec![Problem::at(
            file,
            1,
            "has no module docs; begin with `//!`: role, entry points, invariants",
        )]
    }
}

/// Files are short enough to be read.
pub(super) fn check_length(file: &Path, text: &str) -> Vec<Problem> {
    match text.lines().count() {
        lines if lines > LINES_MAX => {
            vec![Problem::new(
                file.display().to_string(),
                format!("has {lines} lines, {LINES_MAX} at most; find the seam"),
            )]
        }
        _ => Vec::new(),
    }
}

/// Every `allow(…)` and `expect(…)` attribute carries a reason.
pub(super) fn check_reasons(file: &Path, text: &str) -> Vec<Problem> {
    let code = code_only(text);
    let mut problems = Vec::new();
    for opening in ["[allow(", "[expect(", ", allow(", ", expect("] {
        for (at, _) in code.match_indices(opening) {
            // A second attribute of `cfg_attr` only: other calls in arguments look alike.
            let line_start = code[..at].rfind('\n').map_or(0, |newline| newline + 1);
            if opening.starts_with(',') && !code[line_start..at].contains("cfg_attr(") {
                continue;
            }
            let end = code[at..]
                .find(']')
                .map_or(code.len(), |length| at + length);
            if !code[at..end].contains("reason =") {
                let line = code[..at].matches('\n').count() + 1;
                problems.push(Problem::at(
                    file,
                    line,
                    "an exception without its reason; add `reason = \"…\"`",
                ));
            }
        }
    }
    problems
}

/// The names of the modules that are built for tests only: `#[cfg(test)] mod NAME;`.
pub(super) fn test_modules(text: &str) -> Vec<String> {
    code_only(text)
        .split("#[cfg(test)]")
        .skip(1)
        .filter_map(|after| {
            let declared = after.trim_start().strip_prefix("mod ")?;
            let name = declared.split(';').next()?;
            (!name.contains('{')).then(|| name.trim().to_owned())
        })
        .collect()
}

/// Floor 1 names nothing that does input or output or reads a clock.
pub(super) fn check_pure(file: &Path, text: &str) -> Vec<Problem> {
    let code = code_only(text);
    // By custom the tests inside a file are its end.
    let code = code
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let mut problems = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let grouped = line
            .trim_start()
            .strip_prefix("use std::{")
            .map(|rest| rest.replace(['{', '}', ',', ';'], " "));
        for name in IMPURE {
            let short = name.strip_prefix("std::").unwrap_or("\u{0}");
            let in_group = grouped.as_deref().is_some_and(|names| {
                names
                    .split_whitespace()
                    .any(|word| word == short || word.starts_with(&format!("{short}::")))
            });
            if in_group || names(line, name) {
                problems.push(Problem::at(
                    file,
                    number + 1,
                    format!(
                        "names {name} on floor 1, which decides and never acts; hand the value in"
                    ),
                ));
            }
        }
    }
    problems
}

/// True if the line has this path as whole words.
fn names(line: &str, path: &str) -> bool {
    let part_of_word =
        |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(path).any(|(at, _)| {
        !part_of_word(line[..at].chars().next_back())
            && !part_of_word(line[at + path.len()..].chars().next())
    })
}

/// The text with comments and the insides of string literals blanked; lines stay where they are.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest, code.chars().next_back()) {
            length
        } else if first == '"' {
            string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            // The quote as a character: it opens no string.
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(
            rest[..skipped]
                .chars()
                .filter(|&character| character == '\n'),
        );
        rest = &rest[skipped..];
    }
    code
}

/// The length of the string literal that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal that begins here, if one does.
fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|character| character.is_alphanumeric() || character == '_')
        && before != Some('b')
    {
        return None;
    }
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    hashes[count..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(count));
    let opening = 1 + count + 1;
    Some(
        text[opening..]
            .find(&closing)
            .map_or(text.len(), |at| opening + at + closing.len()),
    )
}

#[cfg(test)]
mod tests;
