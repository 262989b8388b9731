//! Getting the suite: from Debian's source package of Redis, into the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::running::file;
use crate::workspace::Workspace;

/// Debian's packages that the suite runs with.
const PACKAGES: &[(&str, &str)] = &[("tclsh8.6", "tcl8.6"), ("redis-cli", "redis-tools")];

/// The folder of the suite, installed if it is not there.
pub(super) fn suite(workspace: &Workspace) -> Result<PathBuf, Error> {
    let folder = workspace.target.join("tools/redis-suite");
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(program, _)| !process::on_path(program))
        .map(|(_, package)| *package)
        .collect();
    let is_there = folder.join("tests/test_helper.tcl").is_file();
    if is_there && missing.is_empty() {
        return Ok(folder);
    }
    let is_root = process::text(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !process::on_path("apt-get") {
        return Err(Error::check(
            "the suite comes with Debian's source package of Redis: as root on Debian it is installed, elsewhere it cannot be had",
        ));
    }
    println!("installing the Redis project's tests");
    apt(&["update", "-qq"])?;
    if !missing.is_empty() {
        let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
        arguments.extend(missing);
        apt(&arguments)?;
    }
    if !is_there {
        unpack(&folder)?;
    }
    Ok(folder)
}

/// Fetches the source package and unpacks it; apt reads source packages only where its list says so, so a list of our own
/// is handed to it.
fn unpack(folder: &Path) -> Result<(), Error> {
    let _ = fs::remove_dir_all(folder);
    let fetched = folder.with_extension("new");
    let _ = fs::remove_dir_all(&fetched);
    fs::create_dir_all(fetched.join("lists/partial")).map_err(file("create", &fetched))?;
    let sources = fetched.join("sources.list");
    fs::write(&sources, source_lines()?).map_err(file("write", &sources))?;
    let options = [
        format!("Dir::Etc::SourceList={}", sources.display()),
        "Dir::Etc::SourceParts=-".to_owned(),
        format!("Dir::State::Lists={}", fetched.join("lists").display()),
    ];
    let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
    let with = |rest: &[&'static str]| -> Vec<String> {
        options
            .iter()
            .chain(rest)
            .map(|word| (*word).to_owned())
            .collect()
    };
    process::text(
        Command::new("apt-get")
            .args(with(&["update", "-qq"]))
            .current_dir(&fetched),
    )?;
    process::text(
        Command::new("apt-get")
            .args(with(&["source", "--download-only", "-qq", "redis"]))
            .current_dir(&fetched),
    )?;
    let archive = fs::read_dir(&fetched)
        .map_err(file("read", &fetched))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains(".orig.tar."))
        .ok_or_else(|| {
            Error::check("Debian's source package of Redis holds no original archive")
        })?;
    process::run(
        Command::new("tar")
            .arg("xf")
            .arg(&archive)
            .args(["--strip-components=1", "--directory"])
            .arg(&fetched),
    )?;
    let programs = fetched.join("src");
    fs::create_dir_all(&programs).map_err(file("create", &programs))?;
    for program in ["redis-cli", "redis-benchmark"] {
        let link = programs.join(program);
        let found = process::text(Command::new("which").arg(program))?;
        std::os::unix::fs::symlink(found.trim(), &link).map_err(file("create", &link))?;
    }
    fs::rename(&fetched, folder).map_err(file("rename", &fetched))
}

/// The machine's own package sources, as sources of source packages.
fn source_lines() -> Result<String, Error> {
    // Debian's own lists only: what else a machine takes packages from seldom has sources.
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut lines = one_line(&read("/etc/apt/sources.list.d/debian.sources"));
    for line in read("/etc/apt/sources.list").lines() {
        if line.starts_with("deb ") {
            lines.push_str(&line.replacen("deb ", "deb-src ", 1));
            lines.push('\n');
        }
    }
    if lines.is_empty() {
        return Err(Error::check(
            "neither /etc/apt/sources.list nor sources.list.d/debian.sources names a package source",
        ));
    }
    Ok(lines)
}

/// The stanzas of a `.sources` file as lines of a `sources.list`.
fn one_line(text: &str) -> String {
    let mut lines = String::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let (Some(addresses), Some(suites)) = (field("URIs"), field("Suites")) else {
            continue;
        };
        let key = field("Signed-By")
            .filter(|key| key.starts_with('/'))
            .map(|key| format!("[signed-by={key}] "))
            .unwrap_or_default();
        let components = field("Components").unwrap_or("main");
        for address in addresses.split_whitespace() {
            for suite in suites.split_whitespace() {
                lines.push_str(&format!("deb-src {key}{address} {suite} {components}\n"));
            }
        }
    }
    lines
}

fn apt(arguments: &[&str]) -> Result<(), Error> {
    process::text(
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_becomes_a_line_for_each_suite() {
        let text = "Types: deb\nURIs: http://mirror.example/debian\nSuites: a a-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/k.gpg\n";
        assert_eq!(
            one_line(text),
            "deb-src [signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian a main\n\
             deb-src [signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian a-updates main\n"
        );
    }
}
