//! The suite's program `wstest`: one on the path, or one that is installed into the target folder.
//!
//! The suite needs Python 2.7, which systems have ceased to bring along. One that is there is used; on Debian the last
//! packages of it are unpacked into the target folder, by apt in folders of its own. The system is left as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::file;
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What pip needs to install anything for Python 2.7.
const INSTALLERS: &[&str] = &["pip==20.3.4", "setuptools==44.1.1", "wheel==0.37.1"];
/// The suite's own requirements, as old as it needs them.
const REQUIREMENTS: &[&str] = &[
    "autobahn==0.10.9",
    "txaio==2.1.0",
    "twisted==20.3.0",
    "cryptography==2.9.2",
    "pyopenssl==19.1.0",
    "wsaccel==0.6.2",
    "zope.interface==5.2.0",
    "unittest2",
    "service_identity==18.1.0",
    "markupsafe==1.1.1",
    "jinja2==2.11.3",
    "werkzeug==1.0.1",
    "klein==17.10.0",
];
const SUITE: &str = "autobahntestsuite==0.8.2";
/// Debian's last release with Python 2.7, and what of it is unpacked.
const DEBIAN_RELEASE: &str = "bullseye";
const DEBIAN_PACKAGES: &[&str] = &[
    "python2.7",
    "python2.7-minimal",
    "python2.7-dev",
    "libpython2.7",
    "libpython2.7-minimal",
    "libpython2.7-stdlib",
    "libpython2.7-dev",
    "libssl1.1",
    "libffi7",
];

/// Finds the suite's program, or installs it.
pub(super) fn program(workspace: &Workspace) -> Result<PathBuf, Error> {
    if process::answers("wstest", "--help") {
        return Ok("wstest".into());
    }
    let folder = workspace.target.join("tools/autobahn");
    let program = folder.join("wstest");
    if !process::answers(&program.to_string_lossy(), "--help") {
        println!("installing the Autobahn suite into {}", folder.display());
        install(&folder, &program).map_err(|error| {
            Error::check(format!(
                "the Autobahn suite could not be installed: {error}\n\
                 put its program `wstest` on the path (PyPI: autobahntestsuite, for Python 2.7)"
            ))
        })?;
    }
    Ok(program)
}

fn install(folder: &Path, program: &Path) -> Result<(), Error> {
    // What an interrupted installation left is of no use.
    let _ = fs::remove_dir_all(folder);
    let (pip, site) = (folder.join("pip"), folder.join("site"));
    fs::create_dir_all(&pip).map_err(file("create", &pip))?;
    let python = match Python::find() {
        Some(python) => python,
        None => Python::unpack(&folder.join("python"))?,
    };
    process::text(
        Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
            .arg(&pip)
            .args(INSTALLERS),
    )?;
    for wheel in files(&pip, ".whl")? {
        let mut unzip = Command::new("python3");
        process::text(unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&pip))?;
    }
    let install = |words: &[&str]| {
        process::text(
            python
                .command(&[&pip])
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-warn-script-location",
                ])
                .args(["--no-build-isolation", "--target"])
                .arg(&site)
                .args(words),
        )
    };
    install(REQUIREMENTS)?;
    // Its own list of requirements asks for older ones, which do not build any more.
    install(&["--no-deps", SUITE])?;
    let package = site.join("zope/__init__.py");
    fs::write(&package, "").map_err(file("write", &package))?;
    let script = python.script(&[&site, &pip]);
    fs::write(program, script).map_err(file("write", program))?;
    process::text(Command::new("chmod").arg("+x").arg(program)).map(drop)
}

/// A Python 2.7 and what it takes to run it.
struct Python {
    program: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Python {
    /// One that is installed, by the system or by pyenv.
    fn find() -> Option<Self> {
        let mut programs = vec!["python2.7".into(), "/usr/bin/python2.7".into()];
        if let Ok(root) = process::text(Command::new("pyenv").arg("root")) {
            let versions = PathBuf::from(root.trim()).join("versions");
            let found = fs::read_dir(versions).into_iter().flatten().flatten();
            programs.extend(found.map(|version| version.path().join("bin/python2.7")));
        }
        let pythons = programs.into_iter().map(|program| Self {
            program,
            variables: Vec::new(),
        });
        pythons.into_iter().find(Self::works)
    }

    /// Unpacks Debian's last one into a folder.
    fn unpack(folder: &Path) -> Result<Self, Error> {
        if !process::on_path("apt-get") || !process::on_path("dpkg-deb") {
            return Err(Error::check("Python 2.7 is missing, and this is no Debian"));
        }
        let mirror = mirror().ok_or_else(|| {
            Error::check("Python 2.7 is missing, and apt's sources name no mirror of Debian")
        })?;
        for part in ["lists/partial", "cache/archives/partial", "packages"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(file("create", &part))?;
        }
        let (sources, packages) = (folder.join("sources.list"), folder.join("packages"));
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let line = format!("deb [signed-by={keys}] {mirror} {DEBIAN_RELEASE} main\n");
        fs::write(&sources, line).map_err(file("write", &sources))?;
        let apt = || {
            let mut apt = Command::new("apt-get");
            let folder = folder.display();
            for option in [
                format!("Dir::Etc::SourceList={folder}/sources.list"),
                "Dir::Etc::SourceParts=-".to_owned(),
                format!("Dir::State::Lists={folder}/lists"),
                "Dir::State::Status=/dev/null".to_owned(),
                format!("Dir::Cache={folder}/cache"),
                "Dir::Etc::Preferences=/dev/null".to_owned(),
                "Dir::Etc::PreferencesParts=-".to_owned(),
                // The folder need not be readable for apt's own user.
                "APT::Sandbox::User=".to_owned(),
            ] {
                apt.arg("-o").arg(option);
            }
            apt.arg("-qq").current_dir(&packages);
            apt
        };
        process::text(apt().arg("update"))?;
        process::text(apt().arg("download").args(DEBIAN_PACKAGES))?;
        for package in files(&packages, ".deb")? {
            let mut unpack = Command::new("dpkg-deb");
            process::text(unpack.arg("-x").arg(package).arg(folder))?;
        }
        let machine = process::text(Command::new("dpkg-architecture").arg("-qDEB_HOST_MULTIARCH"));
        let machine = machine.unwrap_or_else(|_| format!("{}-linux-gnu", std::env::consts::ARCH));
        let home = folder.join("usr");
        let python = Self {
            program: home.join("bin/python2.7"),
            variables: vec![
                ("LD_LIBRARY_PATH", home.join("lib").join(machine.trim())),
                ("CPATH", home.join("include")),
                ("PYTHONHOME", home),
            ],
        };
        if python.works() {
            return Ok(python);
        }
        Err(Error::check(
            "the Python 2.7 that was unpacked does not run",
        ))
    }

    fn works(&self) -> bool {
        let mut command = self.command(&[]);
        let output = process::output(command.args(["-c", "import ctypes, ssl"]));
        output.is_ok_and(|output| output.status.success())
    }

    fn command(&self, modules: &[&Path]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("PYTHONPATH", joined(modules));
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// A shell script that is `wstest`.
    fn script(&self, modules: &[&Path]) -> String {
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in &self.variables {
            script += &format!("export {name}='{}'\n", value.display());
        }
        script
            + &format!(
                "export PYTHONPATH='{}'\nexec '{}' -c \"import sys; sys.argv[0] = 'wstest'; \
                 from autobahntestsuite.wstest import run; run()\" \"$@\"\n",
                joined(modules),
                self.program.display(),
            )
    }
}

fn joined(folders: &[&Path]) -> String {
    let folders = folders.iter().map(|folder| folder.display().to_string());
    folders.collect::<Vec<_>>().join(":")
}

/// The mirror that this system's own packages come from.
fn mirror() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    mirror_in(
        &read("/etc/apt/sources.list.d/debian.sources"),
        &read("/etc/apt/sources.list"),
    )
}

fn mirror_in(sources: &str, list: &str) -> Option<String> {
    let field = sources.lines().find_map(|line| line.strip_prefix("URIs:"));
    let entry = || {
        let entries = list.lines().filter(|line| line.starts_with("deb "));
        entries
            .flat_map(str::split_whitespace)
            .find(|word| word.contains("://") && !word.contains("security"))
    };
    let found = field.and_then(|uris| uris.split_whitespace().next());
    found.or_else(entry).map(str::to_owned)
}

/// The files of a folder whose names end so.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(file("read", folder))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_forms_of_sources() {
        let sources = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n";
        let list = "# deb http://old.example/x y\n\
                    deb [signed-by=/k.gpg] http://list.example/debian-security trixie main\n\
                    deb [signed-by=/k.gpg] http://list.example/debian trixie main\n";
        let found = |sources, list| mirror_in(sources, list);
        assert_eq!(
            found(sources, list).as_deref(),
            Some("http://mirror.example/debian")
        );
        assert_eq!(
            found("", list).as_deref(),
            Some("http://list.example/debian")
        );
        assert_eq!(found("", ""), None);
    }
}
