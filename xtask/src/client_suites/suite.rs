//! The suites: where their tests come from, and how they are run against a port.

mod bullmq;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::results::{Results, read};
use crate::error::Error;
use crate::process;
use crate::running::file;
use crate::workspace::Workspace;

const REDIS_PY_PLUGIN: &str = include_str!("redis_py.py");
/// Leads a program of Node to the port of the run.
const PORT_HOOK: &str = include_str!("port.cjs");
const IOREDIS_REPORTER: &str = include_str!("ioredis.cjs");
/// redis-py's version on PyPI.
const REDIS_PY: &str = "7.4.1";
/// What its tests need beside it.
const REDIS_PY_NEEDS: &[&str] = &[
    "pytest==9.2.0",
    "pytest-asyncio==1.5.0",
    "pytest-timeout==2.4.0",
];
/// Its files that talk to a server; the others look only at the library, or need a cluster, a sentinel, modules, TLS.
const REDIS_PY_FILES: &[&str] = &[
    "tests/test_asyncio/test_commands.py",
    "tests/test_asyncio/test_connection.py",
    "tests/test_asyncio/test_connection_pool.py",
    "tests/test_asyncio/test_encoding.py",
    "tests/test_asyncio/test_lock.py",
    "tests/test_asyncio/test_monitor.py",
    "tests/test_asyncio/test_pipeline.py",
    "tests/test_asyncio/test_pubsub.py",
    "tests/test_asyncio/test_scripting.py",
    "tests/test_cache.py",
    "tests/test_commands.py",
    "tests/test_connection.py",
    "tests/test_connection_pool.py",
    "tests/test_encoding.py",
    "tests/test_function.py",
    "tests/test_lock.py",
    "tests/test_max_connections_error.py",
    "tests/test_monitor.py",
    "tests/test_multiprocessing.py",
    "tests/test_pipeline.py",
    "tests/test_pubsub.py",
    "tests/test_scripting.py",
];
/// The folder with the archives of repositories beside the checkout.
const ARCHIVES: &str = "../shared/data/clients";
/// How ioredis's archive begins.
const IOREDIS_ARCHIVE: &str = "ioredis-6.0.0-";
/// How long a suite may take, in seconds.
const RUN_SECONDS: &str = "1800";

/// A client library's own tests.
#[derive(Clone, Copy, Debug, clap::ValueEnum, PartialEq, Eq)]
pub(crate) enum Suite {
    /// redis-py's, for Python
    RedisPy,
    /// ioredis's, for Node
    Ioredis,
    /// BullMQ's, a queue of jobs for Node
    Bullmq,
}

impl Suite {
    pub(super) const ALL: [Self; 3] = [Self::RedisPy, Self::Ioredis, Self::Bullmq];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RedisPy => "redis-py",
            Self::Ioredis => "ioredis",
            Self::Bullmq => "bullmq",
        }
    }

    /// True if two runs do not disturb each other: ioredis's tests open servers of their own on fixed ports.
    pub(super) fn shares(self) -> bool {
        self != Self::Ioredis
    }

    /// Its name with its version.
    pub(super) fn title(self) -> String {
        match self {
            Self::RedisPy => format!("redis-py {REDIS_PY}"),
            Self::Ioredis => format!("ioredis {}", version(IOREDIS_ARCHIVE)),
            Self::Bullmq => format!("BullMQ {}", version(bullmq::ARCHIVE)),
        }
    }

    /// Installs it into the target folder if it is not there; its folder.
    pub(super) fn install(self, workspace: &Workspace) -> Result<PathBuf, Error> {
        let folder = workspace.target.join("tools").join(self.name());
        let done = folder.join("installed");
        if !done.is_file() {
            println!("installing {} into {}", self.title(), folder.display());
            // What an interrupted installation left is of no use.
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).map_err(file("create", &folder))?;
            match self {
                Self::RedisPy => install_redis_py(&folder)?,
                Self::Ioredis => install_ioredis(workspace, &folder)?,
                Self::Bullmq => bullmq::install(workspace, &folder)?,
            }
            fs::write(&done, self.title()).map_err(file("write", &done))?;
        }
        let hooks: &[(&str, &str)] = match self {
            Self::RedisPy => &[("redis_py_port.py", REDIS_PY_PLUGIN)],
            Self::Ioredis => &[("port.cjs", PORT_HOOK), ("reporter.cjs", IOREDIS_REPORTER)],
            Self::Bullmq => &[
                ("port.cjs", PORT_HOOK),
                (bullmq::CONFIGURATION.0, bullmq::CONFIGURATION.1),
            ],
        };
        for (name, text) in hooks {
            let hook = folder.join(name);
            fs::write(&hook, text).map_err(file("write", &hook))?;
        }
        Ok(folder)
    }

    /// Runs it, or only some tests of it, against a port; `to` is where its report and output lie.
    pub(super) fn play(
        self,
        folder: &Path,
        port: u16,
        only: &[String],
        to: &Path,
    ) -> Result<Results, Error> {
        let report = to.join(format!(
            "report-{}.jsonl",
            if only.is_empty() { "all" } else { "again" }
        ));
        let mut command = Command::new("timeout");
        command
            .arg(RUN_SECONDS)
            .env("CLIENT_SUITE_PORT", port.to_string())
            .env("CLIENT_SUITE_REPORT", &report);
        match self {
            Self::RedisPy => redis_py(&mut command, folder, port, only),
            Self::Ioredis => ioredis(&mut command, folder, only),
            Self::Bullmq => bullmq::play(&mut command, folder, only),
        }
        // Tests that fail are the report's matter, not the exit code's.
        let output = process::output(&mut command)?;
        let said = report.with_extension("txt");
        let text = [output.stdout, output.stderr].concat();
        fs::write(&said, &text).map_err(file("write", &said))?;
        if !report.is_file() {
            let text = String::from_utf8_lossy(&text);
            let last: Vec<&str> = text.lines().rev().take(20).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            return Err(Error::check(format!(
                "{} told of no test:\n{}",
                self.title(),
                last.join("\n")
            )));
        }
        let mut results = read(&report)?;
        if !only.is_empty() {
            // What a run leaves out, or plays because it lies in the same file, was not asked.
            results.retain(|test, _| only.contains(test));
        }
        Ok(results)
    }
}

fn install_redis_py(folder: &Path) -> Result<(), Error> {
    let (sources, venv) = (folder.join("sources"), folder.join("venv"));
    fs::create_dir_all(&sources).map_err(file("create", &sources))?;
    process::text(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let wanted = format!("redis=={REDIS_PY}");
    let pip = || {
        let mut command = Command::new(venv.join("bin/python"));
        command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        command
    };
    process::text(pip().arg("install").args(REDIS_PY_NEEDS).arg(&wanted))?;
    // The tests are in the source distribution only.
    process::text(
        pip()
            .args(["download", "--no-deps", "--no-binary", "redis", "--dest"])
            .arg(folder)
            .arg(&wanted),
    )?;
    process::text(
        Command::new("tar")
            .arg("xzf")
            .arg(folder.join(format!("redis-{REDIS_PY}.tar.gz")))
            .args(["--strip-components=1", "--directory"])
            .arg(&sources),
    )
    .map(drop)
}

fn install_ioredis(workspace: &Workspace, folder: &Path) -> Result<(), Error> {
    let sources = unpack(workspace, IOREDIS_ARCHIVE, folder)?;
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    process::text(
        Command::new("npm")
            .arg("ci")
            .args(quiet)
            .current_dir(&sources),
    )
    .map(drop)
}

/// The version in how an archive's name begins, `NAME-VERSION-`.
fn version(archive: &str) -> &str {
    let parts = archive.trim_end_matches('-').split_once('-');
    parts.map_or(archive, |(_, version)| version)
}

/// Unpacks the archive whose name begins so into the folder `sources`.
fn unpack(workspace: &Workspace, begins: &str, folder: &Path) -> Result<PathBuf, Error> {
    let beside = workspace.root.join(ARCHIVES);
    // A worktree lies elsewhere than the checkout that it is of.
    let common = process::text(
        Command::new("git")
            .args(["rev-parse", "--path-format=absolute", "--git-common-dir"])
            .current_dir(&workspace.root),
    );
    let checkout = common.map(|path| PathBuf::from(path.trim()).join("..").join(ARCHIVES));
    let archive = [Some(beside), checkout.ok()]
        .into_iter()
        .flatten()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(begins))
        })
        .ok_or_else(|| {
            Error::check(format!(
                "its tests are in its repository only: put `{begins}*.tar.xz` into {ARCHIVES}"
            ))
        })?;
    let sources = folder.join("sources");
    fs::create_dir_all(&sources).map_err(file("create", &sources))?;
    process::text(
        Command::new("tar")
            .arg("xf")
            .arg(&archive)
            .args(["--strip-components=1", "--directory"])
            .arg(&sources),
    )?;
    Ok(sources)
}

fn redis_py(command: &mut Command, folder: &Path, port: u16, only: &[String]) {
    command
        .arg(folder.join("venv/bin/python"))
        .args([
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-p",
            "redis_py_port",
            "-p",
            "no:cacheprovider",
        ])
        .args([
            "--timeout",
            "60",
            "--redis-url",
            &format!("redis://127.0.0.1:{port}/0"),
        ])
        .args([
            "-m",
            "not onlycluster and not redismod and not ssl and not cp_integration",
        ])
        .env("PYTHONPATH", folder)
        .current_dir(folder.join("sources"));
    if only.is_empty() {
        command.args(REDIS_PY_FILES);
    } else {
        command.args(only);
    }
}

fn ioredis(command: &mut Command, folder: &Path, only: &[String]) {
    command
        .args(["npx", "mocha", "--require"])
        .arg(folder.join("port.cjs"))
        .arg("--reporter")
        .arg(folder.join("reporter.cjs"))
        .arg("test/helpers/*.ts")
        .env("TS_NODE_TRANSPILE_ONLY", "true")
        .env("NODE_ENV", "test")
        .current_dir(folder.join("sources"));
    if only.is_empty() {
        // Sentinels are servers that the tests make up themselves.
        command
            .args(["--ignore", "test/functional/sentinel*.ts"])
            .args(["test/functional/*.ts", "test/functional/commands/*.ts"]);
    } else {
        // Tests are named by their file; each file is small.
        let files: std::collections::BTreeSet<String> = only
            .iter()
            .filter_map(|test| Some(format!("test/{}", test.split_once(": ")?.0)))
            .collect();
        command.args(files);
    }
}
