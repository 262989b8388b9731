//! Links inside the documents resolve: to a file, and to a heading where they name one.

use std::fs;
use std::path::Path;

use super::Problem;

/// Checks every inline link of one Markdown file; `root` is the repository's folder.
pub(super) fn check(file: &Path, text: &str, root: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    let folder = file.parent().unwrap_or(Path::new(""));
    for (number, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let linked = if path.is_empty() {
            root.join(file)
        } else {
            root.join(folder).join(path)
        };
        if !path.is_empty() && !linked.exists() {
            problems.push(Problem::at(
                file,
                number,
                format!("links to {path}, which does not exist"),
            ));
        } else if !anchor.is_empty()
            && linked
                .extension()
                .is_some_and(|extension| extension == "md")
        {
            let there = if path.is_empty() {
                text.to_owned()
            } else {
                fs::read_to_string(&linked).unwrap_or_default()
            };
            if !headings(&there).iter().any(|heading| heading == anchor) {
                problems.push(Problem::at(
                    file,
                    number,
                    format!("links to {target}, where no heading reads so"),
                ));
            }
        }
    }
    problems
}

/// The targets of `[text](target)` and `[name]: target`, with their line numbers, outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        if let Some((name, target)) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            && !name.contains(']')
        {
            found.push((
                number,
                target
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ));
            continue;
        }
        let mut rest = line.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((number, target.trim_matches(['<', '>']).to_owned()));
            rest = &rest[end..];
        }
    }
    found
}

/// The headings as their anchors are spelled.
fn headings(text: &str) -> Vec<String> {
    prose(text)
        .filter_map(|(_, line)| {
            let title = line.trim_start_matches('#');
            (title.len() < line.len() && title.starts_with(' ')).then(|| anchor(title))
        })
        .collect()
}

fn anchor(title: &str) -> String {
    title
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|character| match character {
            ' ' | '-' => Some('-'),
            '_' => Some('_'),
            other if other.is_alphanumeric() => Some(other),
            _ => None,
        })
        .collect()
}

/// The numbered lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`')
        .enumerate()
        .filter(|(index, _)| index % 2 == 0)
        .map(|(_, part)| part)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](b.md) and ![c](d.png \"t\")\n`[no](x)`\n```\n[no](y)\n```\n[ref]: e.md#f\n";
        assert_eq!(
            links(text),
            [
                (1, "b.md".into()),
                (1, "d.png".into()),
                (6, "e.md#f".into())
            ]
        );
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(
            headings("# A message's way\n## `code` & more\n#no\n"),
            ["a-messages-way", "code--more"]
        );
    }

    #[test]
    fn dead_files_and_dead_headings_are_problems() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "# Here\n[x](Cargo.toml) [y](nothing.md) [h](#here) [n](#there) [w](https://example.org/)\n";
        let problems = check(Path::new("page.md"), text, root);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].message.contains("nothing.md"));
        assert!(problems[1].message.contains("#there"));
    }
}
