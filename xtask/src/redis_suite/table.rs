//! The table of results in the book: written by the chore, compared with each whole run.

use std::fs;
use std::path::PathBuf;

use super::Row;
use crate::error::Error;
use crate::running::file;
use crate::workspace::Workspace;

const PAGE: &str = "docs/internals/redis-suite.md";
const BEGIN: &str = "<!-- results: written by `cargo xtask redis-suite --write` -->\n";
const END: &str = "<!-- end of results -->\n";

/// The table as the page has it.
pub(super) fn render(rows: &[Row]) -> String {
    let mut text =
        "| file | Redis passes | left out | the store passes |\n|---|--:|--:|--:|\n".to_owned();
    let mut line = |file: &str, redis: usize, skipped: usize, passed: usize| {
        text.push_str(&format!("| {file} | {redis} | {skipped} | {passed} |\n"));
    };
    for row in rows {
        line(
            &format!("`{}`", row.file),
            row.redis,
            row.skipped,
            row.outcome.passed,
        );
    }
    let sum = |of: fn(&Row) -> usize| rows.iter().map(of).sum();
    line(
        "all",
        sum(|row| row.redis),
        sum(|row| row.skipped),
        sum(|row| row.outcome.passed),
    );
    text
}

/// Writes the table into the page.
pub(super) fn write(workspace: &Workspace, rows: &[Row]) -> Result<(), Error> {
    let (path, text) = page(workspace)?;
    let (before, _, after) = parts(&text)?;
    let text = format!("{before}{BEGIN}\n{}\n{END}{after}", render(rows));
    fs::write(&path, text).map_err(file("write", &path))
}

/// An error if the page has another table.
pub(super) fn check(workspace: &Workspace, rows: &[Row]) -> Result<(), Error> {
    let (_, text) = page(workspace)?;
    let (_, table, _) = parts(&text)?;
    if table.trim() == render(rows).trim() {
        return Ok(());
    }
    Err(Error::check(format!(
        "the table in {PAGE} is not what this run says; `cargo xtask redis-suite --write` writes it anew"
    )))
}

fn page(workspace: &Workspace) -> Result<(PathBuf, String), Error> {
    let path = workspace.root.join(PAGE);
    let text = fs::read_to_string(&path).map_err(file("read", &path))?;
    Ok((path, text))
}

/// What stands before the table, the table, and what stands behind it.
fn parts(text: &str) -> Result<(&str, &str, &str), Error> {
    let found = text.split_once(BEGIN).and_then(|(before, rest)| {
        rest.split_once(END)
            .map(|(table, after)| (before, table, after))
    });
    found.ok_or_else(|| Error::check(format!("{PAGE} has no place for the table of results")))
}
