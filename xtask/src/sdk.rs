//! The SDK's own tests, where Node and npm are at hand.

use std::process::Command;

use crate::counts::Counts;
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// The oldest Node that the SDK's `package.json` allows.
const NODE_MAJOR_MIN: u64 = 20;
const FOLDER: &str = "sdk/server-typescript";

/// Builds and tests the SDK; without Node its tests are one skipped test.
pub(crate) fn test(workspace: &Workspace) -> Result<Counts, Error> {
    let folder = workspace.root.join(FOLDER);
    if let Some(reason) = missing() {
        println!("skipped: the TypeScript SDK's tests: {reason}");
        return Ok(Counts {
            skipped: 1,
            ..Counts::default()
        });
    }
    println!("sdk: npm test in {FOLDER}");
    process::run(
        Command::new("npm")
            .args(["ci", "--silent"])
            .current_dir(&folder),
    )?;
    let mut command = Command::new("npm");
    let output = process::output(
        command
            .args(["test", "--silent"])
            .current_dir(&folder)
            .env("NO_COLOR", "1"),
    )?;
    let text = String::from_utf8_lossy(&output.stdout);
    let counts = counted(&text).filter(|counts| output.status.success() || counts.failed > 0);
    if !output.status.success() {
        println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    counts.ok_or_else(|| Error::Failed {
        command: process::line(&command),
        status: output.status.to_string(),
    })
}

fn missing() -> Option<String> {
    let Ok(version) = process::text(Command::new("node").arg("--version")) else {
        return Some("node is not installed".into());
    };
    if major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
        return Some(format!(
            "node {} is older than {NODE_MAJOR_MIN}",
            version.trim()
        ));
    }
    (!process::answers("npm", "--version")).then(|| "npm is not installed".into())
}

/// The major number of `v20.20.2`.
fn major(version: &str) -> Option<u64> {
    version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Reads the last lines of node's test runner: `# pass 12`, `# fail 0`, `# skipped 1`.
fn counted(output: &str) -> Option<Counts> {
    let number = |name: &str| {
        output.lines().rev().find_map(|line| {
            let line = line.trim_start_matches(['#', 'ℹ', ' ']);
            line.strip_prefix(name)?.trim().parse::<u64>().ok()
        })
    };
    Some(Counts {
        passed: number("pass ")?,
        failed: number("fail ")? + number("cancelled ").unwrap_or(0),
        skipped: number("skipped ").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_s_summary_is_read() {
        let output = "# Subtest: x\nok 1 - pass 9\n1..3\n# tests 3\n# suites 0\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 0\n";
        assert_eq!(
            counted(output),
            Some(Counts {
                passed: 2,
                failed: 1,
                skipped: 0
            })
        );
        assert_eq!(
            counted("ℹ pass 4\nℹ fail 0\nℹ cancelled 1\n"),
            Some(Counts {
                passed: 4,
                failed: 1,
                skipped: 0
            })
        );
        assert_eq!(counted("npm error"), None);
    }

    #[test]
    fn node_s_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major(""), None);
    }
}
