//! The figures of a measurement, and how they are printed.

use std::fmt;
use std::process::Command;

use serde_json::{Value, json};

use super::{Options, Target};
use crate::machine;
use crate::start::find;
use crate::statistics::Runs;

/// All figures of one measurement. Prints as a table for people; [`Report::json`] is for programs.
#[derive(Debug, Default)]
pub struct Report {
    caption: Vec<String>,
    notes: Vec<String>,
    failures: Vec<String>,
    lines: Vec<Line>,
}

/// One figure of one case, for both targets.
#[derive(Debug)]
struct Line {
    case: String,
    figure: &'static str,
    reach: &'static str,
    runs: [Runs; 2],
}

impl Report {
    pub(super) fn new(options: &Options, target_cores: &[usize], other_cores: &[usize]) -> Self {
        let mut report = Self::default();
        report.caption.push(format!(
            "medians of {} runs; {} keys of 16 B, values of 64 B, rates over {} s",
            options.runs, options.keys, options.seconds
        ));
        let version = find("redis-server").and_then(|path| {
            let output = Command::new(path).arg("--version").output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        });
        report.caption.extend(version);
        let cores = if target_cores.is_empty() {
            "targets and clients share all cores".to_owned()
        } else {
            format!("target on cores {target_cores:?}, clients on {other_cores:?}")
        };
        report
            .caption
            .push(format!("Linux {}; {cores}", machine::kernel()));
        report
    }

    /// Adds a line about what could not be done.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn failed(&mut self, failure: String) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// True if a target failed in a run.
    pub fn notes_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Adds one run's figure. `reach` is what the ratio to Redis has to be, unless it says otherwise.
    pub(super) fn figure(
        &mut self,
        case: &str,
        figure: &'static str,
        reach: &'static str,
        target: Target,
        value: f64,
    ) {
        let is_it = |line: &Line| line.case == case && line.figure == figure;
        let at = self.lines.iter().position(is_it).unwrap_or_else(|| {
            self.lines.push(Line {
                case: case.to_owned(),
                figure,
                reach,
                runs: Default::default(),
            });
            self.lines.len() - 1
        });
        self.lines[at].runs[target as usize].push(value);
    }

    /// The figures for programs: the medians, and the runs they are of.
    pub fn json(&self) -> Value {
        let runs = |runs: &Runs| json!({"median": runs.median(), "runs": runs.sorted()});
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "case": line.case,
                    "figure": line.figure,
                    "reach": line.reach,
                    "redis": runs(&line.runs[Target::Redis as usize]),
                    "atlas": runs(&line.runs[Target::Atlas as usize]),
                    "ratio": line.ratio(),
                })
            })
            .collect();
        json!({"caption": self.caption, "notes": self.notes, "failures": self.failures, "figures": lines})
    }
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        let redis = self.runs[Target::Redis as usize].median()?;
        let atlas = self.runs[Target::Atlas as usize].median()?;
        (redis != 0.0).then(|| atlas / redis)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.caption {
            writeln!(formatter, "{line}")?;
        }
        writeln!(
            formatter,
            "\n{:<36} {:>12} {:>7} {:>12} {:>7} {:>8}  reach",
            "", "redis", "spread", "atlas", "spread", "× redis"
        )?;
        let mut case = "";
        for line in &self.lines {
            if line.case != case {
                case = &line.case;
                writeln!(formatter, "{case}")?;
            }
            let [redis, atlas] = &line.runs;
            let spread = |runs: &Runs| {
                runs.spread_percent()
                    .map_or("–".into(), |percent| format!("{percent:.0} %"))
            };
            writeln!(
                formatter,
                "  {:<34} {:>12} {:>7} {:>12} {:>7} {:>8}  {}",
                line.figure,
                number(redis.median()),
                spread(redis),
                number(atlas.median()),
                spread(atlas),
                line.ratio()
                    .map_or("–".into(), |ratio| format!("{ratio:.2}")),
                line.reach,
            )?;
        }
        for note in &self.notes {
            writeln!(formatter, "\nnote: {note}")?;
        }
        for failure in &self.failures {
            writeln!(formatter, "\nfailed: {failure}")?;
        }
        Ok(())
    }
}

/// Three digits that count, more before the point if there are more.
fn number(figure: Option<f64>) -> String {
    figure.map_or("–".into(), |figure| {
        let digits = if figure.abs() >= 100.0 {
            0
        } else if figure.abs() >= 10.0 {
            1
        } else {
            2
        };
        format!("{figure:.digits$}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        for (redis, atlas) in [(9.0, 4.0), (10.0, 5.0), (11.0, 6.0)] {
            report.figure("a case", "CPU µs", "≤ 1.0", Target::Redis, redis);
            report.figure("a case", "CPU µs", "≤ 1.0", Target::Atlas, atlas);
        }
        report.figure("a case", "a second", "≥ 1.0", Target::Atlas, 123_456.0);
        report
    }

    #[test]
    fn medians_stand_beside_their_ratio() {
        let text = report().to_string();
        let row = |name: &str| -> String {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("CPU"), "CPU µs 10.0 20 % 5.00 40 % 0.50 ≤ 1.0");
        assert_eq!(row("a second"), "a second – – 123456 0 % – ≥ 1.0");
    }

    #[test]
    fn programs_get_every_run() {
        let json = report().json();
        assert_eq!(
            json["figures"][0]["redis"]["runs"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        assert_eq!(json["figures"][0]["ratio"], 0.5);
    }

    #[test]
    fn a_failure_makes_the_report_not_whole() {
        let mut report = report();
        assert!(!report.notes_failures());
        report.failed("commands: redis: it ended".into());
        assert!(report.notes_failures() && report.to_string().contains("it ended"));
    }
}
