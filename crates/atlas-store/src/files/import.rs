//! A state from a file of Redis's.

use std::io::Read;
use std::path::Path;

use atlas_kv::{Import, Imported, Keyspace, Settings};

use super::fresh::{Made, make, target};
use super::now_ms;
use crate::error::Error;

/// So much of the file is read at once; where a value is larger, twice as much until it fits.
const PIECE_BYTES: usize = 4 << 20;

/// Makes a store in the data directory `into` of what `input`, a file that Redis wrote (`dump.rdb`), has. `from` is how
/// errors name it, `databases` how many databases the store has. In memory are the state and its largest value as it stands in
/// the file.
///
/// # Errors
/// [`Error::Import`] says where in the file what is wrong; [`Error::Exists`]: a store is never written over; whatever the disk
/// says. Nothing is left behind.
pub fn import(
    input: &mut dyn Read,
    from: &Path,
    into: &Path,
    databases: u32,
) -> Result<(Made, Imported), Error> {
    target(into)?;
    let mut keyspace = Keyspace::new(databases, Settings::default());
    let mut import = Import::new(now_ms() as i64);
    let mut bytes = Vec::new();
    let mut wanted = PIECE_BYTES;
    while !import.is_done() {
        let missing = wanted.saturating_sub(bytes.len()) as u64;
        let read = (&mut *input)
            .take(missing)
            .read_to_end(&mut bytes)
            .map_err(|source| super::file("read", from, source))?;
        let is_all = (read as u64) < missing;
        let taken = import
            .take(&mut keyspace, &bytes, is_all)
            .map_err(|source| Error::Import {
                path: from.to_owned(),
                source,
            })?;
        wanted = if taken == 0 {
            bytes.len() * 2
        } else {
            PIECE_BYTES
        };
        bytes.drain(..taken);
    }
    let made = make(into, keyspace, 1)?;
    Ok((made, import.imported().clone()))
}
