//! A row of named, timed steps: all of them run, and the ones that failed are named at the end.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    failed: bool,
}

impl Steps {
    /// Runs one step, says its name before and its time after; a failure is kept and the row goes on.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<(), Error>) {
        println!("\n== {name}");
        let began = Instant::now();
        let result = step();
        let took = began.elapsed();
        if let Err(error) = &result {
            println!("error: {error}");
            let mut cause = std::error::Error::source(error);
            while let Some(inner) = cause {
                println!("  because: {inner}");
                cause = inner.source();
            }
        }
        println!(
            "== {name}: {} in {:.1} s",
            if result.is_ok() { "ok" } else { "FAILED" },
            took.as_secs_f64()
        );
        self.done.push(Step {
            name,
            took,
            failed: result.is_err(),
        });
    }

    /// Prints the table of steps.
    pub(crate) fn summary(&self) {
        println!("\n{:<12} {:>9}", "step", "seconds");
        for step in &self.done {
            let verdict = if step.failed { "  FAILED" } else { "" };
            println!(
                "{:<12} {:>9.1}{verdict}",
                step.name,
                step.took.as_secs_f64()
            );
        }
    }

    /// An error that names the failed steps, if there are any.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let failed: Vec<_> = self
            .done
            .iter()
            .filter(|step| step.failed)
            .map(|step| step.name)
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::check(format!("failed: {}", failed.join(", "))))
        }
    }
}
