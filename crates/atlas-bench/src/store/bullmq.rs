//! BullMQ, a queue of jobs that is made of Lua scripts: installed once, then run beside a target.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Error;
use crate::start::program;

/// What lies in its folder.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("bullmq/package.json")),
    (
        "package-lock.json",
        include_str!("bullmq/package-lock.json"),
    ),
    ("jobs.mjs", include_str!("bullmq/jobs.mjs")),
];

/// Jobs a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Added, fifty at once.
    pub(super) added: f64,
    /// Worked on, fifty at once, when all are there.
    pub(super) worked: f64,
    /// Added and worked on at the same time, from the first one added to the last one done.
    pub(super) through: f64,
}

/// Installs BullMQ into a folder if it is not there, and runs as many jobs against a store three times.
///
/// # Errors
/// If Node or npm are missing, or a job is lost, fails, or is worked on twice.
pub(super) fn run(folder: &Path, address: SocketAddr, jobs: u64) -> Result<Rates, Error> {
    install(folder)?;
    let output = Command::new(program("node")?)
        .current_dir(folder)
        .arg("jobs.mjs")
        .args([address.port().to_string(), jobs.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::system("start node"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rates: Value = serde_json::from_str(&said).unwrap_or_default();
    let rate = |name: &str| {
        rates[name].as_f64().ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            Error::peer("BullMQ", format!("told no rate: {complaint}"))
        })
    };
    Ok(Rates {
        added: rate("added")?,
        worked: rate("worked")?,
        through: rate("through")?,
    })
}

fn install(folder: &Path) -> Result<(), Error> {
    let is_current = |(name, text): &(&str, &str)| {
        fs::read_to_string(folder.join(name)).is_ok_and(|found| found == *text)
    };
    let installed = folder.join("installed");
    if installed.is_file() && FILES.iter().all(is_current) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(folder);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| Error::File {
                action: "write",
                path,
                source,
            })
    };
    for (name, text) in FILES {
        write(name, text)?;
    }
    let output = Command::new(program("npm")?)
        .current_dir(folder)
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::system("start npm"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::peer("npm ci", complaint));
    }
    write("installed", "")
}
