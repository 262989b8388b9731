//! Counting tests from what the runners print.

use std::fmt;
use std::ops::AddAssign;

use crate::error::Error;

/// Tests by how they ended; prints as `N passed, N failed, N skipped`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u64,
    /// Ran and did not hold, or could not be run although they should.
    pub(crate) failed: u64,
    /// Did not run here: ignored, or missing a peer and saying so.
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads the JUnit report of nextest: `tests`, `failures`, `errors` of the root, minus tests that skipped
    /// themselves, plus those that the runner did not run (`not_run`).
    pub(crate) fn from_junit(report: &str, not_run: u64) -> Self {
        let root = report
            .split("<testsuites")
            .nth(1)
            .and_then(|rest| rest.split('>').next())
            .unwrap_or_default();
        let number = |name: &str| -> u64 {
            root.split(&format!(" {name}=\""))
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0)
        };
        let failed = number("failures") + number("errors");
        let skipped_themselves = report
            .split("<testcase ")
            .skip(1)
            .filter(|case| !case.contains("<failure") && !case.contains("<error"))
            .filter(|case| case.lines().any(|line| skip_reason(line).is_some()))
            .count() as u64;
        Self {
            passed: (number("tests") - failed.min(number("tests")))
                .saturating_sub(skipped_themselves),
            failed,
            skipped: skipped_themselves + not_run,
        }
    }

    /// Reads what `cargo test -- --show-output` prints: its `test result:` lines and `skipped:` lines.
    pub(crate) fn from_cargo_test(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            if let Some(result) = line.trim_start().strip_prefix("test result: ") {
                let number = |what: &str| -> u64 {
                    result
                        .split([';', '.'])
                        .find_map(|part| part.trim().strip_suffix(what))
                        .and_then(|digits| digits.trim().parse().ok())
                        .unwrap_or(0)
                };
                counts.passed += number("passed");
                counts.failed += number("failed");
                counts.skipped += number("ignored");
            }
        }
        // A test that skipped itself was counted as passed by the runner.
        let skipped_themselves = output
            .lines()
            .filter(|line| skip_reason(line).is_some())
            .count() as u64;
        counts.passed = counts.passed.saturating_sub(skipped_themselves);
        counts.skipped += skipped_themselves;
        counts
    }

    /// An error if a test failed, or if there was none.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        match self {
            Self {
                failed: 0,
                passed: 0,
                ..
            } => Err(Error::check("no test ran")),
            Self { failed: 0, .. } => Ok(()),
            Self { failed, .. } => Err(Error::check(format!("{failed} tests failed"))),
        }
    }
}

/// The reason in a line by which a test says that it did not run: `skipped: REASON`.
pub(crate) fn skip_reason(line: &str) -> Option<&str> {
    let (before, reason) = line.split_once("skipped: ")?;
    // In a report the line may follow an opening tag.
    let at_start = before.trim().is_empty() || before.trim_end().ends_with('>');
    (at_start && !reason.trim().is_empty()).then(|| reason.trim())
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests;
