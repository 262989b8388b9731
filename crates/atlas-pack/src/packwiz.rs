//! The packwiz format: `pack.toml`, the index, and metafiles, read out of [`Document`](crate::Document)s.
//!
//! Reading goes on after a mistake, so that an author is told all of them at once; a value that a pack needs and that is
//! missing or wrong makes the whole file unreadable. Keys that nobody knows are left alone.

mod index;
mod metafile;
mod pack;
mod reader;

pub use index::{Index, IndexEntry};
pub use metafile::{
    CurseForge, Download, GitHub, Metafile, Mode, Modrinth, Optional, Side, Update,
};
pub use pack::{Loader, Pack};
pub use reader::At;

/// True for the name of a metafile; older packs have others, which the index marks.
#[must_use]
pub fn is_metafile_name(name: &str) -> bool {
    name.len() > ".pw.toml".len() && name.ends_with(".pw.toml")
}
