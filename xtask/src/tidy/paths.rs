//! No path of somebody's machine in anything that is committed.

use std::path::Path;

use super::Problem;

/// What must not appear: home folders, and the place of this very checkout.
pub(super) fn banned(root: &Path) -> Vec<String> {
    // Put together here so that this file does not contain them.
    let mut banned: Vec<String> = ["home", "root", "Users", "work"]
        .iter()
        .map(|folder| format!("/{folder}/"))
        .collect();
    banned.push(root.display().to_string());
    banned
}

/// Finds the banned beginnings where a path starts (not inside a longer one, an address or a pattern).
pub(super) fn check(file: &Path, text: &str, banned: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for beginning in banned {
            let found = line.match_indices(beginning.as_str()).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|character| {
                    !character.is_alphanumeric() && !"/._-*})]>$".contains(character)
                })
            });
            if found {
                problems.push(Problem::at(
                    file,
                    number + 1,
                    format!("names a path of one machine ({beginning}…); use a relative one or a variable"),
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found_and_others_are_not() {
        let banned = banned(Path::new("/srv/checkout"));
        let home = format!("/{}/ann/atlas", "home");
        let cases = [
            (format!("cd {home}"), 1),
            (format!("\"{home}\""), 1),
            ("let root = \"/srv/checkout/target\";".into(), 1),
            (format!("TARGET={home}"), 1),
            ("see docs/home/page.md".into(), 0),
            ("https://example.org/home/x".into(), 0),
            ("data-dir = \"/var/lib/atlas\"".into(), 0),
        ];
        for (line, expected) in cases {
            assert_eq!(
                check(Path::new("x"), &line, &banned).len(),
                expected,
                "{line}"
            );
        }
    }
}
