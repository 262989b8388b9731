//! Modpacks as data: what a pack's source says, whether its paths and hashes hold, and what is wrong with it.
//!
//! Entry points:
//! - [`Document`] is one TOML file of a pack: read with the places of its values, edited and written back so that every
//!   byte that was not meant to change stays;
//! - [`packwiz`] reads `pack.toml`, `index.toml` and metafiles out of documents;
//! - [`exchange`] reads and writes the JSON files of Modrinth's and CurseForge's archives;
//! - [`Source`] reads a whole pack out of a [`Tree`], and collects a [`Finding`] for everything that is wrong;
//! - [`merge::merge`] brings a pack's new configuration file and the player's edits of the old one together, key by key;
//! - [`PackPath`] is a path that is safe to write on every system, [`Names`] finds paths that some system takes for one;
//! - [`JavaRange`] is the Java that a version of the game runs on;
//! - [`struct@Hash`] and [`Hasher`] are the hashes that packs use, murmur2 as CurseForge computes it included.
//!
//! Invariants:
//! - everything here is pure: bytes come in through [`Tree`], and equal trees give equal answers in equal order;
//! - what others wrote is bounded before it is read ([`Limits`]), and whatever it holds, nothing panics;
//! - a [`PackPath`] never leaves the folder that it is joined to.

mod check;
mod document;
mod error;
pub mod exchange;
mod finding;
mod hash;
mod ignored;
mod java;
mod limits;
pub mod merge;
mod names;
pub mod packwiz;
mod path;
mod source;
mod tree;

pub use document::{Document, Place};
pub use error::Error;
pub use finding::{Finding, Severity};
pub use hash::{Hash, HashFormat, Hasher};
pub use ignored::Ignored;
pub use java::{JavaFit, JavaRange};
pub use limits::Limits;
pub use names::{Clash, Names};
pub use path::PackPath;
pub use source::{Item, Origin, Source};
pub use tree::{Entry, Kind, MemoryTree, Tree};
