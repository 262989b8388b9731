//! The book's table of contents names every page once.

use std::path::{Path, PathBuf};

use super::Problem;

/// The table of contents.
pub(super) const SUMMARY: &str = "docs/SUMMARY.md";

/// Checks the text of `SUMMARY` against the files of the repository.
pub(super) fn check(summary: &str, files: &[PathBuf]) -> Vec<Problem> {
    let folder = Path::new(SUMMARY).parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for file in files {
        let Ok(page) = file.strip_prefix(folder) else {
            continue;
        };
        if page.extension().is_none_or(|extension| extension != "md") || file == Path::new(SUMMARY)
        {
            continue;
        }
        let link = format!("({})", page.display());
        let message = match summary.matches(&link).count() {
            0 => "is not in the table of contents, so nobody finds it",
            1 => continue,
            _ => "is in the table of contents more than once",
        };
        problems.push(Problem::new(file.display().to_string(), message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_listed_once() {
        let files = [
            "docs/SUMMARY.md",
            "docs/a.md",
            "docs/b/c.md",
            "docs/p.png",
            "README.md",
        ]
        .map(PathBuf::from);
        assert_eq!(check("[A](a.md)\n- [C](b/c.md)\n", &files), []);
        assert_eq!(check("[A](a.md)\n", &files).len(), 1);
        assert_eq!(
            check("[A](a.md)\n[A](a.md)\n- [C](b/c.md)\n", &files).len(),
            1
        );
    }
}
