//! Packs from where they lie: so far a folder on this machine.
//!
//! Entry points:
//! - [`Folder::open`] opens a pack's folder as an [`atlas_pack::Tree`];
//! - [`read`] reads the pack in a folder, and everything that is wrong with it.
//!
//! Invariants:
//! - nothing of a pack is run, and nothing in its folder is written;
//! - no link is followed below the folder, not even one that is put there while it is read.

mod error;
mod folder;

use std::path::Path;

pub use error::Error;
pub use folder::Folder;

/// Reads the pack in a folder.
///
/// # Errors
/// [`Error::NoPack`] if it holds no `pack.toml`, [`Error::Read`] if it cannot be listed. What is wrong with the pack is
/// in its findings.
pub fn read(folder: &Path) -> Result<atlas_pack::Source, Error> {
    let tree = Folder::open(folder)?;
    if !folder.join("pack.toml").is_file() {
        return Err(Error::NoPack {
            folder: folder.to_owned(),
            near: near(folder),
        });
    }
    let limits = atlas_pack::Limits::default();
    atlas_pack::Source::read(&tree, &limits).map_err(|source| match source.kind() {
        std::io::ErrorKind::QuotaExceeded => Error::TooManyFiles {
            folder: folder.to_owned(),
            files_max: limits.files_max,
        },
        _ => Error::Read {
            path: folder.to_owned(),
            source,
        },
    })
}

/// Packs that somebody who named this folder may have meant: in it, or one that it lies in.
fn near(folder: &Path) -> Vec<std::path::PathBuf> {
    let above = folder.canonicalize().ok().and_then(|path| {
        let mut above = path.ancestors().skip(1);
        above
            .find(|path| path.join("pack.toml").is_file())
            .map(Path::to_owned)
    });
    if let Some(above) = above {
        return vec![above];
    }
    let mut found = Vec::new();
    let start = match folder.as_os_str() == "." {
        true => std::path::PathBuf::new(),
        false => folder.to_owned(),
    };
    let mut folders = vec![(start, 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        let here = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &folder,
        };
        let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
        for entry in entries {
            looked_at += 1;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name() != ".git" && looked_at < 2_000 {
                let path = folder.join(entry.file_name());
                if path.join("pack.toml").is_file() {
                    found.push(path);
                } else if depth < 3 {
                    folders.push((path, depth + 1));
                }
            }
        }
    }
    found.sort();
    found
}
