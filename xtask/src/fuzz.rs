//! Fuzzing on stable Rust: libFuzzer, with the coverage passes that the compiler's back end has, and no sanitizer.
//!
//! A target is a file in `fuzz/src/bin`; nothing here names one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counts::Counts;
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What the compiler adds to the code: counters of edges, their places, and the operands of comparisons, so that the
/// fuzzer sees how near it came.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1";

/// What `cargo xtask fuzz` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which target; every one after the other if not said
    target: Option<String>,
    /// How long each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The largest input that is tried
    #[arg(long, default_value_t = 4096)]
    bytes_max: u64,
    /// Bring what earlier runs found into `fuzz/corpus`, reduced to what reaches something new, and run nothing
    #[arg(long)]
    merge: bool,
}

/// Builds the targets with coverage and runs them; a crash is an error that names its input.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let folder = workspace.root.join("fuzz");
    let known = targets(&folder)?;
    let chosen: Vec<&String> = match &arguments.target {
        None => known.iter().collect(),
        Some(name) => match known.iter().find(|target| *target == name) {
            Some(target) => vec![target],
            None => {
                return Err(Error::check(format!(
                    "no fuzz target {name}; there are {}",
                    known.join(", ")
                )));
            }
        },
    };
    for target in chosen {
        let program = build(workspace, &folder, target)?;
        let run = Run {
            target,
            program: &program,
            kept: folder.join("corpus").join(target),
            found: created(workspace.target.join("fuzz").join(target).join("corpus"))?,
            crashes: created(workspace.target.join("fuzz").join(target).join("crashes"))?,
            dictionary: folder.join("dictionaries").join(target),
        };
        if arguments.merge {
            run.merge()?;
        } else {
            run.fuzz(arguments)?;
        }
    }
    Ok(())
}

/// Builds the targets without coverage and replays their corpora, as tests.
pub(crate) fn replay(workspace: &Workspace) -> Result<Counts, Error> {
    println!("fuzz: replaying the corpora");
    let target = workspace.target.display().to_string();
    crate::test::captured(
        workspace,
        &[
            "test",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            &target,
            "--no-fail-fast",
            "--",
            "--show-output",
        ],
    )
}

/// The names of the files in `src/bin`.
fn targets(folder: &Path) -> Result<Vec<String>, Error> {
    let path = folder.join("src/bin");
    let entries = fs::read_dir(&path).map_err(|source| Error::File {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == "rs").then_some(name)
        })
        .collect();
    names.sort();
    Ok(names)
}

fn build(workspace: &Workspace, folder: &Path, target: &str) -> Result<PathBuf, Error> {
    let host = host()?;
    let mut command = workspace.cargo();
    command
        .current_dir(folder)
        // The flags are for the target only: programs that build others are no targets.
        .args(["build", "--release", "--bin", target, "--target", &host])
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("RUSTFLAGS", FLAGS);
    process::run(&mut command)?;
    Ok(workspace.target.join(host).join("release").join(target))
}

/// The machine that this is, as the compiler names it.
fn host() -> Result<String, Error> {
    let version = process::text(Command::new("rustc").arg("-vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| Error::check("`rustc -vV` names no host"))
}

fn created(path: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&path).map_err(|source| Error::File {
        action: "create",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// One target, built, and its folders.
struct Run<'a> {
    target: &'a str,
    program: &'a Path,
    /// In the repository.
    kept: PathBuf,
    /// What runs on this machine found.
    found: PathBuf,
    crashes: PathBuf,
    dictionary: PathBuf,
}

impl Run<'_> {
    fn fuzz(&self, arguments: &Arguments) -> Result<(), Error> {
        println!("fuzz: {} for {} s", self.target, arguments.seconds);
        let mut command = Command::new(self.program);
        command
            // The first folder takes what is found.
            .arg(&self.found)
            .arg(&self.kept)
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-max_len={}", arguments.bytes_max))
            .arg(format!("-artifact_prefix={}/", self.crashes.display()))
            .args([
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
                "-verbosity=0",
            ]);
        if self.dictionary.is_file() {
            command.arg(format!("-dict={}", self.dictionary.display()));
        }
        process::run(&mut command).inspect_err(|_| {
            println!(
                "fuzz: {} failed; its input lies in {}",
                self.target,
                self.crashes.display()
            );
        })
    }

    fn merge(&self) -> Result<(), Error> {
        println!("fuzz: merging what {} found", self.target);
        process::run(
            Command::new(self.program)
                .args(["-merge=1", "-verbosity=0"])
                .arg(&self.kept)
                .arg(&self.found),
        )
    }
}
