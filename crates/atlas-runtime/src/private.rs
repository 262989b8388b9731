//! Files that only this user may read, written whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::Error;

/// Writes `content` to `path` with mode 0600, by way of a neighbour and a rename: whoever reads sees the old file or
/// the whole new one. Folders above are made.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    attempt(path, content).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn attempt(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.new", std::process::id()));
    let neighbour = Path::new(&neighbour);
    // A left-over of a process with our id would keep its mode.
    match fs::remove_file(neighbour) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = create(neighbour).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(neighbour, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a left-over is replaced by the next attempt.
        let _ = fs::remove_file(neighbour);
    }
    written
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
