//! Commands on keys whatever they hold, and on whole databases.

pub(crate) mod databases;
pub(crate) mod existence;
pub(crate) mod inspection;
pub(crate) mod lifetime;
pub(crate) mod moving;
pub(crate) mod scanning;
pub(crate) mod serialized;
pub(crate) mod sort;

use crate::{Error, number};

/// The number of a database as an argument says it.
///
/// # Errors
/// If it is no integer, or no database has that number.
fn database(argument: &[u8], count: usize) -> Result<u32, Error> {
    let number = small_integer(argument)?;
    u32::try_from(number)
        .ok()
        .filter(|&number| (number as usize) < count)
        .ok_or(NO_DATABASE)
}

/// An integer of 32 bits.
fn small_integer(argument: &[u8]) -> Result<i32, Error> {
    let number = number::integer(argument).ok_or(Error::NotInteger)?;
    i32::try_from(number).map_err(|_| {
        Error::fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })
}

const NO_DATABASE: Error = Error::fixed("ERR DB index is out of range");
const SAME_OBJECT: Error = Error::fixed("ERR source and destination objects are the same");

#[cfg(test)]
mod tests;
