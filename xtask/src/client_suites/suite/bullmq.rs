//! BullMQ's tests: jobs that are added, worked on, repeated, given up, by some fifty scripts of Lua.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::unpack;
use crate::error::Error;
use crate::process;
use crate::running::file;
use crate::workspace::Workspace;

/// How the archive of its repository begins.
pub(super) const ARCHIVE: &str = "bullmq-6.2.0-";
/// vitest's configuration and where it lies below the suite's folder: beside what it imports.
pub(super) const CONFIGURATION: (&str, &str) =
    ("sources/suite.config.mjs", include_str!("../bullmq.mjs"));
/// What its tests need of its development's dependencies; the others check its style and build its pages.
const NEEDS: &[&str] = &[
    "@types/node",
    "@types/pg",
    "@types/semver",
    "fast-glob",
    "ioredis",
    "minimatch",
    "moment",
    "pg",
    "progress",
    "redis",
    "rrule",
    "sinon",
    "test-console",
    "ts-node",
    "typescript",
    "vitest",
];

pub(super) fn install(workspace: &Workspace, folder: &Path) -> Result<(), Error> {
    let sources = unpack(workspace, ARCHIVE, folder)?;
    let manifest = sources.join("package.json");
    let text = fs::read_to_string(&manifest).map_err(file("read", &manifest))?;
    let trimmed = trim(&text)?;
    fs::write(&manifest, trimmed).map_err(file("write", &manifest))?;
    // npm takes the versions of what these need from the lock file of yarn.
    let script = "npm install --ignore-scripts --no-audit --no-fund --silent
        npx ts-node --transpile-only --project tsconfig-cjs.json scripts/generateRawScripts.ts
        node scripts/commandTransform.js ./rawScripts ./src/scripts
        npx tsc --project tsconfig-cjs.json";
    process::text(
        Command::new("sh")
            .args(["-e", "-c", script])
            .current_dir(&sources),
    )
    .map(drop)
}

/// The manifest with the dependencies that the tests need.
fn trim(manifest: &str) -> Result<String, Error> {
    let wrong = |error: serde_json::Error| Error::check(format!("BullMQ's package.json: {error}"));
    let mut manifest: Value = serde_json::from_str(manifest).map_err(wrong)?;
    if let Some(all) = manifest["devDependencies"].as_object_mut() {
        all.retain(|name, _| NEEDS.contains(&name.as_str()));
    }
    serde_json::to_string_pretty(&manifest).map_err(wrong)
}

pub(super) fn play(command: &mut Command, folder: &Path, only: &[String]) {
    let hook = folder.join("port.cjs");
    command
        .args(["npx", "vitest", "run", "--config", "suite.config.mjs"])
        // The processes and threads that jobs are worked on in are led to the port, too.
        .env("NODE_OPTIONS", format!("--require \"{}\"", hook.display()))
        .current_dir(folder.join("sources"));
    if only.is_empty() {
        return;
    }
    let parts = || only.iter().filter_map(|test| test.split_once(": "));
    let files: BTreeSet<&str> = parts().map(|(file, _)| file).collect();
    // vitest knows a test by its titles with spaces between them.
    let titles: BTreeSet<String> = parts()
        .map(|(_, titles)| escaped(&titles.replace(" > ", " ")))
        .collect();
    let titles: Vec<String> = titles.into_iter().collect();
    command
        .args(files)
        .arg("--testNamePattern")
        .arg(format!("^({})$", titles.join("|")));
}

/// The text as a regular expression that matches only itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if !letter.is_alphanumeric() && letter != ' ' {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_keeps_what_the_tests_need() {
        let manifest = r#"{"devDependencies": {"vitepress": "2", "vitest": "4"}, "dependencies": {"semver": "7"}}"#;
        let trimmed: Value = serde_json::from_str(&trim(manifest).unwrap()).unwrap();
        assert_eq!(
            trimmed["devDependencies"],
            serde_json::json!({"vitest": "4"})
        );
        assert_eq!(trimmed["dependencies"]["semver"], "7");
        assert!(trim("{").is_err());
    }

    #[test]
    fn a_title_is_matched_letter_by_letter() {
        assert_eq!(escaped("a (b) c.d"), r"a \(b\) c\.d");
    }
}
