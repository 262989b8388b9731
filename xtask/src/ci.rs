//! The gate: every step runs, also after a failed one, and the last line counts tests.

use crate::counts::Counts;
use crate::error::Error;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{docs, process, test, tidy, tools};

/// Runs the gate; prints a table of steps and, last, `N passed, N failed, N skipped`.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.run("format", || {
        process::run(workspace.cargo().args(["fmt", "--all", "--", "--check"]))?;
        process::run(workspace.cargo().args([
            "fmt",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--",
            "--check",
        ]))
    });
    steps.run("clippy", || {
        process::run(workspace.cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))?;
        process::run(workspace.cargo().args([
            "clippy",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            &workspace.target.display().to_string(),
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.run("tidy", || tidy::run(workspace));
    steps.run("docs", || docs::check(workspace));
    steps.run("deny", || {
        let deny = tools::cargo_deny(workspace)?;
        process::run(
            std::process::Command::new(deny)
                .current_dir(&workspace.root)
                .args([
                    "--workspace",
                    "check",
                    "--hide-inclusion-graph",
                    "bans",
                    "licenses",
                    "sources",
                ]),
        )
    });
    steps.run("rustdoc", || {
        process::run(
            workspace
                .cargo()
                .args([
                    "doc",
                    "--workspace",
                    "--no-deps",
                    "--document-private-items",
                ])
                // Private items are documented too, so links to them lead somewhere.
                .env(
                    "RUSTDOCFLAGS",
                    "-D warnings -A rustdoc::private-intra-doc-links",
                ),
        )
    });
    let mut counts = Counts::default();
    steps.run("test", || {
        counts = test::count(workspace, &test::Arguments::default())?;
        counts.verdict()
    });
    steps.summary();
    println!("\n{counts}");
    steps.verdict()
}
