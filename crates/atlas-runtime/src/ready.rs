//! The file that says: all of it listens.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, private};

/// What the ready file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The process.
    pub pid: u32,
    /// The program's version.
    pub version: String,
    /// Each listener's address (`127.0.0.1:9000`) by its name (`edge`, `admin`, …).
    pub listeners: BTreeMap<String, String>,
    /// The console's address with the token, if there is a console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
}

impl Ready {
    /// What this process says, without listeners yet.
    #[must_use]
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            pid: std::process::id(),
            version: version.into(),
            listeners: BTreeMap::new(),
            console: None,
        }
    }
}

/// Writes the ready file: mode 0600, whole by a rename, so that whoever sees it can read all of it.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn write(path: &Path, ready: &Ready) -> Result<(), Error> {
    let mut content = serde_json::to_vec(ready).expect("strings and numbers become JSON");
    content.push(b'\n');
    private::write(path, &content)
}

/// Takes away what an earlier process left, so that nobody takes it for this one's.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn clear(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_private_whole_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/yet/ready.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "old, and readable by all").unwrap();
        let mut ready = Ready::new("1.2.3");
        ready.pid = 7;
        ready
            .listeners
            .insert("edge".into(), "127.0.0.1:9000".into());
        write(&path, &ready).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\"pid\":7,\"version\":\"1.2.3\",\"listeners\":{\"edge\":\"127.0.0.1:9000\"}}\n"
        );
        assert_eq!(serde_json::from_str::<Ready>(&text).unwrap(), ready);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        clear(&path).unwrap();
        assert!(!path.exists());
        clear(&path).unwrap();
        write(&path, &ready).unwrap();
        let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "nothing else is left in the folder");
    }

    #[test]
    fn an_impossible_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write(&file.join("ready.json"), &Ready::new("1"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot write ") && error.ends_with("/file/ready.json"),
            "{error}"
        );
    }
}
