//! The workspace as `cargo metadata` describes it: its root, its target folder and its packages with their floors.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::Error;
use crate::process;

/// The checkout that this chore runs in.
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The workspace's own packages.
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Where it stands in the house; none if the manifest does not say.
    pub(crate) floor: Option<Floor>,
    /// What it depends on.
    pub(crate) dependencies: Vec<Dependency>,
}

/// Where a crate stands: a floor of the house, or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Floor 0 (lowest) to 5 (the binary).
    Number(u64),
    /// Tests, simulation, benchmarks, chores: may import anything, and is imported only by tests.
    Side,
}

/// One entry of a manifest's dependency tables.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The package's name (not what it is renamed to).
    pub(crate) name: String,
    /// From `[dev-dependencies]`.
    pub(crate) only_for_tests: bool,
}

impl Workspace {
    /// Asks cargo about the workspace around this program.
    pub(crate) fn open() -> Result<Self, Error> {
        let mut command = process::cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
            command.current_dir(folder);
        }
        let text = process::text(&mut command)?;
        let value: Value = serde_json::from_str(&text).map_err(|source| Error::Json {
            what: "the output of `cargo metadata`".into(),
            source,
        })?;
        Ok(Self::from_metadata(&value))
    }

    fn from_metadata(value: &Value) -> Self {
        let path = |key: &str| PathBuf::from(value[key].as_str().unwrap_or_default());
        let packages = value["packages"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Self {
            root: path("workspace_root"),
            target: path("target_directory"),
            packages: packages.iter().map(Package::from_metadata).collect(),
        }
    }

    /// A command of cargo's, run in the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.root);
        command
    }

    /// Every file that is, or is about to be, part of the repository; paths are relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let text = process::text(Command::new("git").current_dir(&self.root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files: Vec<PathBuf> = text
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .filter(|path| self.root.join(path).is_file())
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

impl Package {
    fn from_metadata(value: &Value) -> Self {
        let manifest = Path::new(value["manifest_path"].as_str().unwrap_or_default());
        let dependencies = value["dependencies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let floor = &value["metadata"]["atlas"]["floor"];
        Self {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            folder: manifest.parent().unwrap_or(manifest).to_owned(),
            floor: match (floor.as_u64(), floor.as_str()) {
                (Some(number), _) => Some(Floor::Number(number)),
                (None, Some("side")) => Some(Floor::Side),
                _ => None,
            },
            dependencies: dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: dependency["name"].as_str().unwrap_or_default().to_owned(),
                    only_for_tests: dependency["kind"].as_str() == Some("dev"),
                })
                .collect(),
        }
    }
}
