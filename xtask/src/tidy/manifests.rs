//! What every manifest of ours says.

use std::path::Path;

use super::Problem;

/// Checks one crate's manifest: the workspace's lints are inherited, a description stands there.
pub(super) fn check(path: &Path, text: &str) -> Vec<Problem> {
    let place = path.display().to_string();
    let Ok(manifest) = text.parse::<toml::Table>() else {
        return vec![Problem::new(place, "is not readable as TOML")];
    };
    let mut problems = Vec::new();
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if inherits != Some(true) {
        problems.push(Problem::new(
            &place,
            "does not inherit the lints; add `[lints]` with `workspace = true`",
        ));
    }
    let package = manifest.get("package");
    if package
        .and_then(|package| package.get("description"))
        .is_none()
    {
        problems.push(Problem::new(
            &place,
            "has no description; say in one line what the crate is for",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_inherits_lints_and_says_what_it_is() {
        let whole = "[package]\nname = \"a\"\ndescription = \"b\"\n[lints]\nworkspace = true\n";
        let cases = [
            (whole.to_owned(), 0),
            (whole.replace("workspace = true", "workspace = false"), 1),
            (whole.replace("[lints]\nworkspace = true\n", ""), 1),
            (whole.replace("description = \"b\"\n", ""), 1),
            ("[package".to_owned(), 1),
        ];
        for (text, problems) in cases {
            assert_eq!(
                check(Path::new("Cargo.toml"), &text).len(),
                problems,
                "{text}"
            );
        }
    }
}
