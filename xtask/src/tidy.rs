//! What compilers do not check: the floors, what pure code may name, docs, lengths, links, paths, reasons.
//!
//! Each rule is a function from text or metadata to problems, so that its tests feed it what must be found.

mod book;
mod floors;
mod links;
mod manifests;
mod paths;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::workspace::{Floor, Package, Workspace};

/// Something that is not as the rules have it: where, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    place: String,
    message: String,
}

impl Problem {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
        }
    }

    fn at(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{}:{line}", path.display()), message)
    }
}

/// Checks the whole repository; prints each problem and fails if there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let files = workspace.files()?;
    let mut problems = floors::check(&workspace.packages);
    for package in &workspace.packages {
        problems.extend(check_package(workspace, package)?);
    }
    let banned = paths::banned(&workspace.root);
    for file in &files {
        problems.extend(check_file(workspace, file, &banned));
    }
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.floor == Some(Floor::Number(1)))
    {
        problems.extend(check_pure(workspace, package, &files)?);
    }
    problems.extend(book::check(
        &read(&workspace.root.join(book::SUMMARY))?,
        &files,
    ));
    for problem in &problems {
        println!("{}: {}", problem.place, problem.message);
    }
    match problems.len() {
        0 => {
            println!(
                "{} files and {} crates are tidy",
                files.len(),
                workspace.packages.len()
            );
            Ok(())
        }
        count => Err(Error::check(format!("{count} untidy places"))),
    }
}

fn check_package(
    workspace: &Workspace,
    package: &crate::workspace::Package,
) -> Result<Vec<Problem>, Error> {
    let relative = |path: &Path| {
        path.strip_prefix(&workspace.root)
            .unwrap_or(path)
            .to_owned()
    };
    let manifest = package.folder.join("Cargo.toml");
    let mut problems = manifests::check(&relative(&manifest), &read(&manifest)?);
    let roots: Vec<PathBuf> = ["src/lib.rs", "src/main.rs"]
        .iter()
        .map(|path| package.folder.join(path))
        .filter(|path| path.is_file())
        .collect();
    for root in roots {
        problems.extend(sources::check_module_docs(&relative(&root), &read(&root)?));
    }
    Ok(problems)
}

fn check_file(workspace: &Workspace, file: &Path, banned: &[String]) -> Vec<Problem> {
    let Ok(text) = fs::read_to_string(workspace.root.join(file)) else {
        // Not text: pictures, golden bytes.
        return Vec::new();
    };
    let mut problems = paths::check(file, &text, banned);
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => {
            problems.extend(sources::check_length(file, &text));
            problems.extend(sources::check_reasons(file, &text));
        }
        Some("md") => problems.extend(links::check(file, &text, &workspace.root)),
        _ => {}
    }
    problems
}

/// The sources of a crate of floor 1, except its tests.
fn check_pure(
    workspace: &Workspace,
    package: &Package,
    files: &[PathBuf],
) -> Result<Vec<Problem>, Error> {
    let sources_folder = package.folder.join("src");
    let mut sources = Vec::new();
    for file in files {
        let path = workspace.root.join(file);
        if path.starts_with(&sources_folder)
            && path.extension().is_some_and(|extension| extension == "rs")
        {
            sources.push((file, read(&path)?));
        }
    }
    let of_tests: Vec<String> = sources
        .iter()
        .flat_map(|(_, text)| sources::test_modules(text))
        .collect();
    let is_test = |file: &Path| {
        file.iter().any(|part| {
            let part = part.to_string_lossy();
            of_tests
                .iter()
                .any(|module| part.trim_end_matches(".rs") == module)
        })
    };
    Ok(sources
        .iter()
        .filter(|(file, _)| !is_test(file))
        .flat_map(|(file, text)| sources::check_pure(file, text))
        .collect())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        action: "read",
        path: path.into(),
        source,
    })
}
