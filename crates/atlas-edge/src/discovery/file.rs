//! Servers from a watched file: `world.NAME.discovery.file`, TOML with `[[servers]]`.
//!
//! The file is looked at once a second and read when its time or size has changed. One that cannot be read, or whose
//! servers cannot stand beside the world's others, changes nothing and is complained about once.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::Error;
use crate::config::{ServerConfig, WorldConfig, server_problems};
use crate::servers::{Entry, Source};
use crate::shared::Shared;

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Largest file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Servers {
    #[serde(default)]
    servers: Vec<ServerConfig>,
}

/// Reads the file of a world and looks up its servers' hosts, which blocks. None: there is no such file (yet).
///
/// # Errors
/// [`Error::Discovery`] with what is wrong with the file, [`Error::Resolve`].
pub(crate) fn read(path: &Path, world: &WorldConfig) -> Result<Option<Vec<Entry>>, Error> {
    let wrong = |why: String| Error::Discovery {
        file: path.to_owned(),
        why,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong("is longer than 4 MiB".to_owned()));
    }
    let Servers { servers } =
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    let problems = server_problems(&servers, world);
    if !problems.is_empty() {
        let lines: Vec<_> = problems
            .into_iter()
            .map(|(key, what)| format!("{key} {what}"))
            .collect();
        return Err(wrong(lines.join("; ")));
    }
    Entry::resolve_all(&servers, Source::File).map(Some)
}

/// When a file was written, and how long it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// What was last seen of a world's file.
#[derive(Default)]
struct Seen {
    path: PathBuf,
    stamp: Option<Stamp>,
    complaint: String,
}

/// Watches the files of all worlds until the edge is gone.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = HashMap::new();
    loop {
        ticks.tick().await;
        let config = Arc::clone(shared.told().config());
        if config.worlds.values().all(|world| path(world).is_none()) {
            seen.clear();
            continue;
        }
        let shared = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || {
            seen.retain(|name, _| config.worlds.contains_key(name));
            for (name, world) in &config.worlds {
                if let Some(path) = path(world) {
                    look(&shared, name, path, seen.entry(name.clone()).or_default());
                }
            }
            seen
        });
        // A look that panicked is begun anew.
        seen = looked.await.unwrap_or_default();
    }
}

/// The file of a world, if it has one.
pub(crate) fn path(world: &WorldConfig) -> Option<&Path> {
    let path = world.discovery.file.as_path();
    (!path.as_os_str().is_empty()).then_some(path)
}

/// Looks at the file of one world, and takes it in if it is not what it was.
fn look(shared: &Shared, name: &str, path: &Path, seen: &mut Seen) {
    if seen.path != path {
        *seen = Seen {
            path: path.to_owned(),
            ..Seen::default()
        };
    }
    let found = std::fs::metadata(path);
    let stamp = found.as_ref().ok().map(|data| Stamp {
        modified: data.modified().ok(),
        bytes: data.len(),
    });
    if stamp.is_some() && stamp == seen.stamp {
        return;
    }
    match take_in(shared, name, path) {
        Ok(None) => {
            seen.stamp = None;
            if seen.complaint.is_empty() {
                tracing::warn!(
                    world = name,
                    file = %path.display(),
                    "the discovery file is not there; servers stay as they are"
                );
                seen.complaint = "missing".to_owned();
            }
        }
        Ok(Some(Taken { servers, changed })) => {
            if changed {
                tracing::info!(
                    world = name,
                    servers,
                    file = %path.display(),
                    "the discovery file was read"
                );
            }
            seen.complaint.clear();
            seen.stamp = stamp;
        }
        Err(error) => {
            let failures = &shared.metrics.discovery_failures;
            failures.with_label_values(&[name]).inc();
            let complaint = chain(&error);
            if complaint != seen.complaint {
                tracing::error!(
                    world = name,
                    error = complaint,
                    "the discovery file changes nothing"
                );
                seen.complaint = complaint;
            }
            // A host that cannot be resolved may be found later; a broken file stays broken until it is written again.
            seen.stamp = stamp.filter(|_| !matches!(error, Error::Resolve { .. }));
        }
    }
}

/// What a file that was read brought.
struct Taken {
    servers: usize,
    changed: bool,
}

/// Reads the file and tells of its servers; none if there is no file.
fn take_in(shared: &Shared, name: &str, path: &Path) -> Result<Option<Taken>, Error> {
    let config = Arc::clone(shared.told().config());
    let Some(world) = config.worlds.get(name) else {
        return Ok(None);
    };
    let Some(entries) = read(path, world)? else {
        return Ok(None);
    };
    let servers = entries.len();
    let (changed, ..) = shared.change(|roster| {
        // Meanwhile the configuration may have let go of the file.
        let current = roster.config().worlds.get(name).and_then(self::path) == Some(path);
        let changed = current && roster.of(name, Source::File) != entries;
        if changed {
            roster.tell(name, Source::File, entries);
        }
        Ok(changed)
    })?;
    Ok(Some(Taken { servers, changed }))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Option<Vec<Entry>>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.toml");
        std::fs::write(&path, text).unwrap();
        read(&path, &WorldConfig::default())
    }

    #[test]
    fn servers_are_written_as_in_the_configuration() {
        let text = r#"
            [[servers]]
            name = "west"
            address = "ws://127.0.0.1:7001/ws"
            capacity = 10
            slow-start = "5s"
            region = { min = [-1000, -1000, -1000], max = [0, 1000, 1000] }
            labels = { version = "a" }

            [[servers]]
            name = "east"
            address = "ws://127.0.0.1:7002"
        "#;
        let entries = read_text(text).unwrap().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].config.capacity, 10);
        assert_eq!(entries[0].target.port(), 7001);
        assert!(read_text("").unwrap().unwrap().is_empty());
        let nowhere = read(Path::new("/nowhere/at/all"), &WorldConfig::default());
        assert!(nowhere.unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let server = |rest: &str| format!("[[servers]]\nname = \"a\"\n{rest}\n");
        let good = server("address = \"ws://127.0.0.1:1\"");
        for (text, why) in [
            ("nonsense".to_owned(), "line 1"),
            (server(""), "address"),
            (server("address = \"ws://127.0.0.1:1\"\nport = 1"), "port"),
            (
                server("address = \"http://127.0.0.1:1\""),
                "write ws://HOST:PORT",
            ),
            (good.clone() + &good, "servers[1].name `a` is already"),
            (
                format!("{good}region = {{ min = [0, 0, 0], max = [1, 1, 1] }}\n"),
                "at least 100",
            ),
            (
                format!("{good}location = {{ lat = 91.0, lon = 0.0 }}\n"),
                "no place on the globe",
            ),
            (format!("# {}", "x".repeat(5 << 20)), "longer than 4 MiB"),
        ] {
            let error = read_text(&text).err().unwrap().to_string();
            assert!(
                error.contains("servers.toml") && error.contains(why),
                "{error}"
            );
        }
    }
}
