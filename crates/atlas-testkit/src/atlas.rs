//! A running `atlas` binary: found or built, started with a ready file, stopped with its handle.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::process::{Exit, Process};

/// What `atlas` writes to its ready file once all of it listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// The process's id, as it sees itself.
    pub pid: i32,
    /// The binary's version.
    pub version: String,
    /// Name of each listener (`edge`, `admin`, …) to its address.
    pub listeners: BTreeMap<String, String>,
    /// The console's address with its token, if there is one.
    #[serde(default)]
    pub console: Option<String>,
}

impl Ready {
    /// The address of a listener.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if there is none of that name, or it is no socket address.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        let text = self.listeners.get(name).map_or("", String::as_str);
        text.parse().map_err(|_| {
            Error::unexpected(
                format!("an address for listener {name}"),
                format!("{self:?}"),
            )
        })
    }
}

/// How to start an `atlas`; see [`Atlas::command`].
#[derive(Debug)]
pub struct AtlasBuilder {
    binary: Option<PathBuf>,
    args: Vec<OsString>,
    variables: Vec<(String, Option<String>)>,
    files: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
}

impl AtlasBuilder {
    /// Uses this binary, as tests of the crate `atlas` know it from `env!("CARGO_BIN_EXE_atlas")`.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Adds an argument. `{dir}` in it becomes the run's temporary directory.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments; see [`arg`](Self::arg).
    pub fn args<I: Into<OsString>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the child.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), Some(value.into())));
        self
    }

    /// Writes a file of this name into the run's temporary directory before the start, and hands it over as `--config`
    /// if it is called `atlas.toml`.
    pub fn file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// Keeps the data in this directory instead of one that ends with the handle (for restarts).
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Starts it and waits for the ready file.
    ///
    /// The child gets `--ready-file`, the data directory (`ATLAS_NODE__DATA_DIR`), no `ATLAS_CONFIG` of ours, an
    /// `ATLAS_HOME` of its own, and any port for servers that register and for the store of `up`, unless a file or variable
    /// of it names one.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::Ended`] (with its stderr) if it ends first, [`Error::Late`] at the deadline.
    pub async fn start(self, deadline: Deadline) -> Result<Atlas> {
        let ready_name = "ready.json";
        let (mut process, dir, data_dir) = self.spawn(Some(ready_name))?;
        let ready_file = dir.path().join(ready_name);
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready_file) {
                let ready: Ready = serde_json::from_str(&text).map_err(|error| {
                    Error::unexpected("a whole ready file", format!("{error}: {text}"))
                })?;
                return Ok(Atlas {
                    process,
                    ready,
                    data_dir,
                    dir,
                });
            }
            if process.exit().is_some() {
                let exit = process.wait(deadline).await?;
                return Err(Error::Ended {
                    what: "atlas".to_owned(),
                    status: exit.to_string(),
                    awaited: "its ready file".to_owned(),
                    stderr: process.stderr(),
                });
            }
            if deadline.passed() {
                return Err(deadline.late("the ready file of atlas", process.stderr()));
            }
            deadline.rest().await;
        }
    }

    /// Runs it to its end, for commands that print and leave.
    ///
    /// # Errors
    /// [`Error::Start`]; [`Error::Late`] if it runs on.
    pub async fn output(self, deadline: Deadline) -> Result<(Exit, String, String)> {
        let (mut process, _dir, _data_dir) = self.spawn(None)?;
        let exit = process.wait(deadline).await?;
        Ok((exit, process.stdout(), process.stderr()))
    }

    fn spawn(self, ready_name: Option<&str>) -> Result<(Process, tempfile::TempDir, PathBuf)> {
        let dir = tempfile::Builder::new()
            .prefix("atlas-")
            .tempdir()
            .map_err(Error::io("making a temporary directory"))?;
        let data_dir = self.data_dir.unwrap_or_else(|| dir.path().join("data"));
        std::fs::create_dir_all(&data_dir).map_err(Error::io("making the data directory"))?;
        let fill = |arg: OsString| match arg.into_string() {
            Ok(text) => text.replace("{dir}", &dir.path().to_string_lossy()).into(),
            Err(raw) => raw,
        };
        let mut args: Vec<OsString> = self.args.into_iter().map(fill).collect();
        for (name, text) in &self.files {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map_err(Error::io(format!("writing {name}")))?;
            if name == "atlas.toml" {
                args.extend(["--config".into(), path.into()]);
            }
        }
        if let Some(name) = ready_name {
            args.extend(["--ready-file".into(), dir.path().join(name).into()]);
        }
        let mut variables = vec![
            ("ATLAS_CONFIG".to_owned(), None),
            (
                "ATLAS_HOME".to_owned(),
                Some(dir.path().join("home").to_string_lossy().into_owned()),
            ),
            (
                "ATLAS_NODE__DATA_DIR".to_owned(),
                Some(data_dir.to_string_lossy().into_owned()),
            ),
        ];
        if ready_name.is_some()
            && !self
                .files
                .iter()
                .any(|(_, text)| text.contains("registration"))
        {
            variables.push((
                "ATLAS_EDGE__REGISTRATION__LISTEN".to_owned(),
                Some("127.0.0.1:0".to_owned()),
            ));
        }
        let is_up = args.first().is_some_and(|first| first == "up");
        if is_up && !self.files.iter().any(|(_, text)| text.contains("[store]")) {
            let any = Some("127.0.0.1:0".to_owned());
            variables.push(("ATLAS_STORE__LISTEN".to_owned(), any));
        }
        variables.extend(self.variables);
        let binary = self.binary.map_or_else(find_binary, Ok)?;
        Ok((Process::start(&binary, &args, &variables)?, dir, data_dir))
    }
}

/// A running `atlas`; a [`Process`] that also knows its listeners and its admin API. Dropping it kills it.
#[derive(Debug)]
pub struct Atlas {
    process: Process,
    ready: Ready,
    data_dir: PathBuf,
    dir: tempfile::TempDir,
}

impl Atlas {
    /// Begins a start, with the first words of its command line: `Atlas::command(["up", "--demo"])`.
    pub fn command<I: Into<OsString>>(args: impl IntoIterator<Item = I>) -> AtlasBuilder {
        let builder = AtlasBuilder {
            binary: None,
            args: Vec::new(),
            variables: Vec::new(),
            files: Vec::new(),
            data_dir: None,
        };
        builder.args(args)
    }

    /// What its ready file said.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The address of one of its listeners.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it has none of that name.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        self.ready.listener(name)
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The run's temporary directory, where [`AtlasBuilder::file`] puts files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client of its admin API, with the token of `data-dir/admin.token`.
    ///
    /// # Errors
    /// [`Error::Unexpected`] without an `admin` listener, [`Error::Io`] if the token cannot be read.
    pub fn admin(&self) -> Result<Http> {
        let path = self.data_dir.join("admin.token");
        let token = std::fs::read_to_string(&path)
            .map_err(Error::io(format!("reading {}", path.display())))?;
        Ok(Http::new(self.listener("admin")?).with_token(token.trim()))
    }
}

impl Deref for Atlas {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Atlas {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The binary: named by `CARGO_BIN_EXE_atlas`, else beside this test's target directory, else built there.
fn find_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_atlas") {
        return Ok(path.into());
    }
    let this = std::env::current_exe().map_err(Error::io("finding the running test"))?;
    // target/<profile>/deps/<test>: the binary lies two folders up.
    let profile_dir = this
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."));
    let binary = profile_dir.join("atlas");
    if !binary.exists() {
        build_binary(profile_dir)?;
    }
    if binary.exists() {
        Ok(binary)
    } else {
        Err(Error::unexpected(
            binary.display().to_string(),
            "no such file",
        ))
    }
}

fn build_binary(profile_dir: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--package", "atlas", "--bin", "atlas"]);
    // The manifest is found from here, wherever the test runs.
    command
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    if let Some(target_dir) = profile_dir.parent() {
        command.arg("--target-dir").arg(target_dir);
    }
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().map_err(|source| Error::Start {
        program: PathBuf::from(cargo),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Ended {
        what: "cargo build".to_owned(),
        status: Exit::from(output.status).to_string(),
        awaited: "the atlas binary".to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the binary: the shell with a script. (A script file written here could still be open for writing
    /// in another thread's child when it is started.)
    fn script(text: &str) -> AtlasBuilder {
        Atlas::command(["-c", text, "atlas"]).binary("/bin/sh")
    }

    const WRITES_READY_FILE: &str = r#"
        while [ $# -gt 0 ]; do case "$1" in --ready-file) file=$2; shift;; *) echo "arg $1";; esac; shift; done
        echo secret > "$ATLAS_NODE__DATA_DIR/admin.token"; trap 'exit 0' TERM
        printf '{"pid":%s,"version":"9","listeners":{"admin":"127.0.0.1:1"},"console":"http://c/?token=t"}' $$ > "$file.new"
        mv "$file.new" "$file"; while :; do sleep 0.05; done"#;

    #[tokio::test]
    async fn a_start_waits_for_the_ready_file_and_reads_it() {
        let deadline = Deadline::seconds(10);
        let mut atlas = script(WRITES_READY_FILE)
            .args(["up", "{dir}/x"])
            .start(deadline)
            .await
            .unwrap();
        assert_eq!(atlas.ready().pid, atlas.pid());
        assert_eq!(atlas.listener("admin").unwrap().port(), 1);
        assert!(atlas.listener("edge").is_err());
        atlas.admin().unwrap();
        atlas.terminate().unwrap();
        assert_eq!(atlas.wait(deadline).await.unwrap(), Exit::Code(0));
        assert_eq!(
            atlas.stdout(),
            format!("arg up\narg {}/x\n", atlas.dir().display())
        );
    }

    #[tokio::test]
    async fn an_early_end_shows_stderr() {
        let error = script("echo 'atlas.toml:3: what' >&2; exit 2")
            .start(Deadline::seconds(10))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit code 2") && text.contains("atlas.toml:3: what"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_start_without_a_ready_file_is_late_and_ends_the_child() {
        let deadline = Deadline::after(std::time::Duration::from_millis(200));
        let error = script("exec sleep 600").start(deadline).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the ready file of atlas did not happen"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_command_that_prints_is_run_to_its_end() {
        let run = script("echo $1")
            .arg("config")
            .output(Deadline::seconds(10))
            .await
            .unwrap();
        assert_eq!(run, (Exit::Code(0), "config\n".to_owned(), String::new()));
    }
}
