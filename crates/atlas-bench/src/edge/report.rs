//! The figures of a measurement, and how they are printed.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

use serde_json::{Value, json};

use super::{MESSAGE_BYTES, Options, Target, each_connection};
use crate::load::Measured;
use crate::machine;
use crate::process::Memory;
use crate::statistics::Runs;

/// All figures of one measurement. Prints as tables for people; [`Report::json`] is for programs.
#[derive(Debug, Default)]
pub struct Report {
    caption: Vec<String>,
    notes: Vec<String>,
    failures: Vec<String>,
    round_trips: BTreeMap<(usize, usize), RoundTrips>,
    idle: BTreeMap<usize, Idle>,
    idle_count: usize,
}

#[derive(Debug, Default)]
struct RoundTrips {
    cpu_microseconds: Runs,
    rate: Runs,
    /// 50 %, 99 %, 99.9 %, in milliseconds.
    latency: [Runs; 3],
}

#[derive(Debug, Default)]
struct Idle {
    /// Resident bytes without and with the connections.
    resident: [Runs; 2],
    /// Bytes a connection: resident, proportional, private and written to.
    each: [Runs; 3],
}

const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        let mut report = Self::default();
        report.caption.push(format!(
            "{MESSAGE_BYTES} B messages, one under way on each connection; medians of {} runs of {} s; {} worker(s) each",
            options.runs, options.seconds, options.workers
        ));
        let version = |program: &str, argument: &str| -> Option<String> {
            let output = Command::new(crate::start::find(program)?)
                .arg(argument)
                .output()
                .ok()?;
            let text = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&text).lines().next()?.to_owned())
        };
        let versions = [version("nginx", "-v"), version("haproxy", "-v")];
        report.caption.extend(versions.into_iter().flatten());
        report
    }

    pub(super) fn machine(
        &mut self,
        cores: &[usize],
        target: &[usize],
        others: &[usize],
        open_files: u64,
    ) {
        self.caption.push(format!(
            "Linux {}, {} cores, {open_files} open files",
            machine::kernel(),
            cores.len()
        ));
        if target.is_empty() {
            self.note("targets and clients share all cores: no one is bound, figures of runs lie further apart");
        } else {
            self.caption.push(format!(
                "target on cores {target:?}; server and clients share cores {others:?}"
            ));
        }
    }

    /// Adds a line about what could not be done.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn failed(&mut self, target: Target, why: String) {
        let failure = format!("{target}: {why}");
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// True if a target failed in a run.
    pub fn notes_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    pub(super) fn round_trips(&mut self, target: Target, connections: usize, measured: &Measured) {
        let entry = self
            .round_trips
            .entry((connections, place(target)))
            .or_default();
        let count = measured.round_trips.max(1) as f64;
        if let Some(cpu) = measured.watched_cpu {
            entry.cpu_microseconds.push(cpu.as_secs_f64() * 1e6 / count);
        }
        entry
            .rate
            .push(measured.round_trips as f64 / measured.lasted.as_secs_f64());
        for (runs, percentile) in entry.latency.iter_mut().zip(PERCENTILES) {
            runs.push(measured.latency.value_at_percentile(percentile) as f64 / 1e6);
        }
    }

    pub(super) fn idle(&mut self, target: Target, count: usize, empty: Memory, full: Memory) {
        self.idle_count = count;
        let entry = self.idle.entry(place(target)).or_default();
        entry.resident[0].push(empty.resident as f64);
        entry.resident[1].push(full.resident as f64);
        for (runs, figure) in entry
            .each
            .iter_mut()
            .zip(each_connection(empty, full, count))
        {
            runs.push(figure);
        }
    }

    /// The figures for programs: for each target the medians, and the runs they are of.
    pub fn json(&self) -> Value {
        let runs = |runs: &Runs| json!({"median": runs.median(), "runs": runs.sorted()});
        let round_trips: Vec<Value> = self
            .round_trips
            .iter()
            .map(|(&(connections, place), entry)| {
                json!({
                    "target": Target::ALL[place].name(),
                    "connections": connections,
                    "cpu_us": runs(&entry.cpu_microseconds),
                    "per_second": runs(&entry.rate),
                    "p50_ms": runs(&entry.latency[0]),
                    "p99_ms": runs(&entry.latency[1]),
                    "p999_ms": runs(&entry.latency[2]),
                })
            })
            .collect();
        let idle: Vec<Value> = self
            .idle
            .iter()
            .map(|(&place, entry)| {
                json!({
                    "target": Target::ALL[place].name(),
                    "connections": self.idle_count,
                    "resident_empty_bytes": runs(&entry.resident[0]),
                    "resident_full_bytes": runs(&entry.resident[1]),
                    "resident_each_bytes": runs(&entry.each[0]),
                    "proportional_each_bytes": runs(&entry.each[1]),
                    "private_dirty_each_bytes": runs(&entry.each[2]),
                })
            })
            .collect();
        json!({
            "caption": self.caption, "notes": self.notes, "failures": self.failures,
            "round_trips": round_trips, "idle": idle,
        })
    }

    fn round_trip_table(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        connections: usize,
    ) -> fmt::Result {
        writeln!(formatter, "\n{connections} connections")?;
        writeln!(
            formatter,
            "{:<16} {:>10} {:>7} {:>8} {:>8} {:>11} {:>8} {:>9} {:>9} {:>9}",
            "",
            "CPU µs/rt",
            "± runs",
            "× nginx",
            "× haprx",
            "rt/s",
            "× nginx",
            "p50 ms",
            "p99 ms",
            "p99.9 ms"
        )?;
        let of = |target: Target| self.round_trips.get(&(connections, place(target)));
        let cpu = |target: Target| of(target).and_then(|entry| entry.cpu_microseconds.median());
        let rate = |target: Target| of(target).and_then(|entry| entry.rate.median());
        for target in Target::ALL {
            let Some(entry) = of(target) else { continue };
            writeln!(
                formatter,
                "{target:<16} {:>10} {:>7} {:>8} {:>8} {:>11} {:>8} {:>9} {:>9} {:>9}",
                figure(cpu(target), 2),
                entry
                    .cpu_microseconds
                    .spread_percent()
                    .map_or("–".into(), |percent| format!("{percent:.1} %")),
                figure(ratio(cpu(target), cpu(Target::Nginx)), 3),
                figure(ratio(cpu(target), cpu(Target::Haproxy)), 3),
                figure(rate(target), 0),
                figure(ratio(rate(target), rate(Target::Nginx)), 3),
                figure(entry.latency[0].median(), 3),
                figure(entry.latency[1].median(), 3),
                figure(entry.latency[2].median(), 3),
            )?;
        }
        if let Some(ratio) = ratio(cpu(Target::AtlasJson), cpu(Target::Atlas)) {
            writeln!(
                formatter,
                "atlas-json costs {ratio:.3} × atlas (opaque) in CPU"
            )?;
        }
        if let Some(ratio) = ratio(cpu(Target::AtlasJsonBelt), cpu(Target::Atlas)) {
            writeln!(
                formatter,
                "atlas-json-belt costs {ratio:.3} × atlas (opaque) in CPU"
            )?;
        }
        Ok(())
    }

    fn idle_table(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "\nmemory, {} idle connections; bytes a connection by three counts",
            self.idle_count
        )?;
        writeln!(
            formatter,
            "{:<16} {:>12} {:>12} {:>9} {:>9} {:>14} {:>8} {:>8}",
            "", "RSS at 0", "RSS then", "by RSS", "by PSS", "private dirty", "× nginx", "× haprx"
        )?;
        let each = |target: Target| {
            self.idle
                .get(&place(target))
                .and_then(|entry| entry.each[0].median())
        };
        for target in Target::ALL {
            let Some(entry) = self.idle.get(&place(target)) else {
                continue;
            };
            let kilobytes =
                |runs: &Runs| figure(runs.median().map(|bytes| bytes / 1024.0), 0) + " KiB";
            writeln!(
                formatter,
                "{target:<16} {:>12} {:>12} {:>9} {:>9} {:>14} {:>8} {:>8}",
                kilobytes(&entry.resident[0]),
                kilobytes(&entry.resident[1]),
                figure(entry.each[0].median(), 0),
                figure(entry.each[1].median(), 0),
                figure(entry.each[2].median(), 0),
                figure(ratio(each(target), each(Target::Nginx)), 3),
                figure(ratio(each(target), each(Target::Haproxy)), 3),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.caption {
            writeln!(formatter, "{line}")?;
        }
        let mut numbers: Vec<usize> = self
            .round_trips
            .keys()
            .map(|&(connections, _)| connections)
            .collect();
        numbers.dedup();
        for connections in numbers {
            self.round_trip_table(formatter, connections)?;
        }
        if !self.idle.is_empty() {
            self.idle_table(formatter)?;
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

/// The target's row.
fn place(target: Target) -> usize {
    Target::ALL
        .iter()
        .position(|&other| other == target)
        .unwrap_or_default()
}

fn ratio(figure: Option<f64>, to: Option<f64>) -> Option<f64> {
    let (figure, to) = (figure?, to?);
    (to != 0.0).then(|| figure / to)
}

fn figure(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("–".into(), |figure| format!("{figure:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::Histogram;

    use super::*;

    fn measured(round_trips: u64, cpu_ms: u64) -> Measured {
        let mut latency = Histogram::new_with_bounds(100, 1_000_000_000, 3).unwrap();
        latency.record_n(2_000_000, round_trips).unwrap();
        Measured {
            round_trips,
            lasted: Duration::from_secs(2),
            watched_cpu: Some(Duration::from_millis(cpu_ms)),
            latency,
        }
    }

    fn report() -> Report {
        let mut report = Report::default();
        for cpu_ms in [90, 100, 110] {
            report.round_trips(Target::Nginx, 100, &measured(10_000, cpu_ms));
            report.round_trips(Target::Atlas, 100, &measured(20_000, cpu_ms));
        }
        let memory = |resident| Memory {
            resident,
            ..Memory::default()
        };
        report.idle(Target::Haproxy, 1_000, memory(1_000_000), memory(5_000_000));
        report.idle(Target::Atlas, 1_000, memory(1_000_000), memory(2_000_000));
        report
    }

    #[test]
    fn medians_stand_beside_their_ratios() {
        let text = report().to_string();
        let row = |name: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect()
        };
        // CPU a round trip, spread, × nginx, × haproxy (not measured), rate.
        assert_eq!(
            row("nginx")[1..7],
            ["10.00", "20.0", "%", "1.000", "–", "5000"]
        );
        assert_eq!(
            row("atlas")[1..7],
            ["5.00", "20.0", "%", "0.500", "–", "10000"]
        );
        assert!(text.contains("1000 idle connections"), "{text}");
        let idle = text
            .lines()
            .rfind(|line| line.starts_with("atlas"))
            .unwrap();
        assert!(idle.contains("1000") && idle.ends_with("0.250"), "{idle}");
    }

    #[test]
    fn programs_get_every_run() {
        let json = report().json();
        assert_eq!(
            json["round_trips"][0]["cpu_us"]["runs"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        assert_eq!(json["idle"][1]["resident_each_bytes"]["median"], 1_000.0);
    }

    #[test]
    fn a_failure_is_named_and_makes_the_report_not_whole() {
        let mut report = report();
        assert!(!report.notes_failures());
        report.failed(Target::Nginx, "it ended".into());
        assert!(report.notes_failures() && report.to_string().contains("nginx: it ended"));
    }
}
