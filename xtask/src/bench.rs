//! Benchmarks: builds what is measured and the measuring program, then runs it.

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask bench` understands: a benchmark's name, then its own flags.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which benchmark
    #[arg(value_parser = ["edge", "store"])]
    name: String,
    /// The benchmark's own flags (`cargo xtask bench NAME --help` lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Builds in release mode and runs the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    process::run(workspace.cargo().args([
        "build",
        "--release",
        "--package",
        "atlas-bench",
        "--example",
        "measure",
    ]))?;
    process::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "atlas"]),
    )?;
    let programs = workspace.target.join("release");
    let mut measure = std::process::Command::new(programs.join("examples/measure"));
    measure
        .current_dir(&workspace.root)
        .arg(&arguments.name)
        .arg("--atlas")
        .arg(programs.join("atlas"));
    if arguments.name == "store" {
        measure
            .arg("--bullmq")
            .arg(workspace.target.join("tools/bullmq-bench"));
    }
    process::run(measure.args(&arguments.flags))
}
