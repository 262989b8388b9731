//! The metrics of the process itself.

use std::{fs, time::Instant};

use super::{Kind, Registry};
use crate::Error;

/// Declares memory, descriptors, age and version. Where the system shows no `/proc`, the first two are absent.
pub(super) fn declare(registry: &Registry, version: &str) -> Result<(), Error> {
    let begun = Instant::now();
    let version = version.to_owned();
    registry.computed(
        Kind::Gauge,
        "atlas_node_info",
        "The running version; always 1.",
        &["version"],
        move || vec![(vec![version.clone()], 1.0)],
    )?;
    registry.computed(
        Kind::Gauge,
        "atlas_node_uptime_seconds",
        "Seconds since the process started.",
        &[],
        move || vec![(Vec::new(), begun.elapsed().as_secs_f64())],
    )?;
    registry.computed(
        Kind::Gauge,
        "atlas_node_resident_bytes",
        "Memory that the process holds.",
        &[],
        || {
            resident_bytes()
                .map(|bytes| (Vec::new(), bytes))
                .into_iter()
                .collect()
        },
    )?;
    registry.computed(
        Kind::Gauge,
        "atlas_node_descriptors",
        "File descriptors that the process has open.",
        &[],
        || {
            let count = fs::read_dir("/proc/self/fd").map(Iterator::count);
            // Reading the folder opens one more.
            count
                .map(|count| (Vec::new(), count.saturating_sub(1) as f64))
                .into_iter()
                .collect()
        },
    )
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
