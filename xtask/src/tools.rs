//! The programs that chores need beside cargo: an installed one is used, a missing one is built once into the target
//! folder, so that neither the home nor the system is touched.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// The oldest cargo-deny that reads our `deny.toml`.
const DENY_VERSION_MIN: (u64, u64) = (0, 18);
/// The oldest cargo-nextest that reads our `.config/nextest.toml`.
const NEXTEST_VERSION_MIN: (u64, u64) = (0, 9);

/// Finds cargo-deny, or builds it.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Error> {
    find(workspace, "cargo-deny", &["--version"], DENY_VERSION_MIN)
        .map_or_else(|| install(workspace, "cargo-deny"), Ok)
}

/// Finds cargo-nextest, or builds it; none if it can be neither found nor built.
pub(crate) fn cargo_nextest(workspace: &Workspace) -> Option<PathBuf> {
    find(
        workspace,
        "cargo-nextest",
        &["nextest", "--version"],
        NEXTEST_VERSION_MIN,
    )
    .or_else(|| {
        install(workspace, "cargo-nextest")
            .map_err(|error| {
                println!("nextest is missing and could not be built ({error}); using cargo test")
            })
            .ok()
    })
}

fn tools_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

fn find(workspace: &Workspace, name: &str, ask: &[&str], least: (u64, u64)) -> Option<PathBuf> {
    let home =
        std::env::var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin").join(name));
    [
        Some(tools_folder(workspace).join("bin").join(name)),
        home,
        Some(PathBuf::from(name)),
    ]
    .into_iter()
    .flatten()
    .find(|program| {
        process::output(Command::new(program).args(ask)).is_ok_and(|output| {
            output.status.success()
                && version(&String::from_utf8_lossy(&output.stdout))
                    .is_some_and(|found| found >= least)
        })
    })
}

/// The first `MAJOR.MINOR` in a program's version line.
fn version(text: &str) -> Option<(u64, u64)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

fn install(workspace: &Workspace, name: &str) -> Result<PathBuf, Error> {
    let folder = tools_folder(workspace);
    println!(
        "{name} is missing or too old: building it once into {}",
        folder.display()
    );
    process::run(
        workspace
            .cargo()
            // Unoptimised: it runs for seconds and is built in half the time.
            .args(["install", "--locked", "--quiet", "--debug", "--root"])
            .arg(&folder)
            .arg(name)
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )?;
    Ok(folder.join("bin").join(name))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        assert_eq!(version("cargo-deny 0.20.2"), Some((0, 20)));
        assert_eq!(
            version("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)"),
            Some((0, 9))
        );
        assert_eq!(version("what?"), None);
        assert!((0, 20) > super::DENY_VERSION_MIN);
    }
}
