//! Values in Redis's own format, as `DUMP` answers them and `RESTORE` takes them.
//!
//! A payload is a byte for the type, the value, the version of the format (two bytes) and a CRC-64 of all before. What is
//! written are the plain types that Redis 4 and everything later reads, streams as Redis 7.0 and later does. What is read is
//! every encoding of these types that Redis 2.6 to 7.2 writes. A payload comes from a client and is not believed: every length is checked against what is
//! there before anything is made of it, nothing nests, and whatever does not fit exactly is refused.

pub(crate) mod file;
mod functions;
mod input;
mod lzf;
mod output;
mod packed;
mod stream;

use crc::{CRC_64_REDIS, Crc, Table};

use crate::Error;
use crate::hash::Hash;
use crate::list::{End, Fill, List};
use crate::set::Set;
use crate::settings::Settings;
use crate::slice::Slice;
use crate::sorted_set::SortedSet;
use crate::value::{Object, Value, ValueRef};

pub(crate) use functions::{dump_functions, restore_functions};
use input::Input;

/// The version written: the first with sorted sets in binary.
const VERSION_WRITTEN: u16 = 8;
/// The version written with streams: the first that knows how many entries they had, that of Redis 7.0.
const VERSION_OF_STREAMS: u16 = 10;
/// The newest version read: that of Redis 7.2.
const VERSION_MAX: u16 = 11;
/// The version and the checksum behind a value.
pub(crate) const FOOTER_BYTES: usize = 10;
const CHECKSUM_BYTES: usize = 8;

static CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Types as payloads begin.
mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const SORTED_SET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const SORTED_SET_2: u8 = 5;
    pub(super) const HASH_ZIPMAP: u8 = 9;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const SORTED_SET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    pub(super) const LIST_QUICKLIST: u8 = 14;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const SORTED_SET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    pub(super) const STREAM: u8 = 15;
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const SET_LISTPACK: u8 = 20;
    pub(super) const STREAM_3: u8 = 21;
}

/// A payload that does not hold what it should; which of the many ways does not matter to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// What takes elements one by one.
type Take<'t> = dyn FnMut(&[u8]) -> Result<()> + 't;
/// What takes names with values.
type TakePair<'t> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 't;
/// What takes members with scores.
type TakeScored<'t> = dyn FnMut(&[u8], f64) -> Result<()> + 't;

/// The payload of a value.
pub(crate) fn dump(value: ValueRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    output::value(value, &mut out);
    let version = match value {
        ValueRef::Object(Object::Stream(_)) => VERSION_OF_STREAMS,
        _ => VERSION_WRITTEN,
    };
    out.extend_from_slice(&version.to_le_bytes());
    let checksum = CHECKSUM.checksum(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// True if a payload ends as it should: by a version that is known and the right checksum.
pub(crate) fn is_sealed(payload: &[u8]) -> bool {
    let Some((checked, checksum)) = payload.split_last_chunk::<CHECKSUM_BYTES>() else {
        return false;
    };
    let Some((_, version)) = checked.split_last_chunk() else {
        return false;
    };
    u16::from_le_bytes(*version) <= VERSION_MAX
        && CHECKSUM.checksum(checked) == u64::from_le_bytes(*checksum)
}

/// The value of a payload.
///
/// # Errors
/// If the payload's end is not right, or it does not hold a value of a type that is known.
pub(crate) fn restore(
    payload: &[u8],
    settings: &Settings,
    slice: &mut Slice,
) -> std::result::Result<Value, Error> {
    if !is_sealed(payload) {
        return Err(Error::fixed(
            "ERR DUMP payload version or checksum are wrong",
        ));
    }
    let body = &payload[..payload.len() - FOOTER_BYTES];
    value(body, settings, slice).map_err(|Malformed| Error::fixed("ERR Bad data format"))
}

fn value(body: &[u8], settings: &Settings, slice: &mut Slice) -> Result<Value> {
    let mut input = Input::new(body, settings.string_bytes_max);
    let kind = input.byte()?;
    let value = value_of(kind, &mut input, settings, slice)?;
    must(input.is_empty())?;
    Ok(value)
}

/// Reads a value of a type.
fn value_of(
    kind: u8,
    input: &mut Input<'_>,
    settings: &Settings,
    slice: &mut Slice,
) -> Result<Value> {
    Ok(match kind {
        kind::STRING => Value::string(input.text()?.as_bytes()),
        kind @ (kind::HASH | kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK) => {
            let mut hash = Hash::new(slice);
            pairs(kind, input, &mut |name, value| {
                must(hash.set(name, value, settings, slice))
            })?;
            filled(Object::Hash(hash))?
        }
        kind
        @ (kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2) => {
            let mut list = List::new(slice);
            let fill = Fill::of(settings.list_listpack_size);
            elements(kind, input, &mut |element| {
                list.push(End::Right, element, fill, slice);
                Ok(())
            })?;
            filled(Object::List(list))?
        }
        kind @ (kind::SET | kind::SET_INTSET | kind::SET_LISTPACK) => {
            let mut set = Set::new(slice);
            elements(kind, input, &mut |member| {
                must(set.add(member, settings, slice))
            })?;
            filled(Object::Set(set))?
        }
        kind @ (kind::SORTED_SET
        | kind::SORTED_SET_2
        | kind::SORTED_SET_ZIPLIST
        | kind::SORTED_SET_LISTPACK) => {
            let is_packed = matches!(kind, kind::SORTED_SET_ZIPLIST | kind::SORTED_SET_LISTPACK);
            let mut set = if is_packed {
                SortedSet::new(slice)
            } else {
                SortedSet::unpacked(slice)
            };
            scored(kind, input, &mut |member, score| {
                let absent = set.look(member).err().ok_or(Malformed)?;
                set.insert(absent, member, score, settings, slice);
                Ok(())
            })?;
            if !is_packed {
                set.pack(settings, slice);
            }
            filled(Object::SortedSet(set))?
        }
        kind @ (kind::STREAM | kind::STREAM_2 | kind::STREAM_3) => {
            let stream = stream::read(kind, input, slice)?;
            Value::Object(Box::new(Object::Stream(stream)))
        }
        _ => return Err(Malformed),
    })
}

fn must(is_so: bool) -> Result<()> {
    if is_so { Ok(()) } else { Err(Malformed) }
}

/// A collection, which must not be empty.
fn filled(object: Object) -> Result<Value> {
    must(object.len() > 0)?;
    Ok(Value::Object(Box::new(object)))
}

/// Reads names with values.
fn pairs(kind: u8, input: &mut Input<'_>, take: &mut TakePair<'_>) -> Result<()> {
    match kind {
        kind::HASH => {
            for _ in 0..input.length()? {
                let name = input.text()?;
                let value = input.text()?;
                take(name.as_bytes(), value.as_bytes())?;
            }
            Ok(())
        }
        kind::HASH_ZIPMAP => packed::zipmap(input.text()?.as_bytes(), take),
        _ => {
            let packed = input.text()?;
            let mut name: Option<Vec<u8>> = None;
            let mut take_one = |element: &[u8]| match name.take() {
                None => {
                    name = Some(element.to_vec());
                    Ok(())
                }
                Some(name) => take(&name, element),
            };
            match kind {
                kind::HASH_ZIPLIST | kind::SORTED_SET_ZIPLIST => {
                    packed::ziplist(packed.as_bytes(), &mut take_one)?;
                }
                _ => packed::listpack(packed.as_bytes(), &mut take_one)?,
            }
            must(name.is_none())
        }
    }
}

/// Reads members with scores.
fn scored(kind: u8, input: &mut Input<'_>, take: &mut TakeScored<'_>) -> Result<()> {
    match kind {
        kind::SORTED_SET | kind::SORTED_SET_2 => {
            for _ in 0..input.length()? {
                let member = input.text()?;
                let score = if kind == kind::SORTED_SET {
                    input.double_text()?
                } else {
                    input.double()?
                };
                must(!score.is_nan())?;
                take(member.as_bytes(), score)?;
            }
            Ok(())
        }
        _ => pairs(kind, input, &mut |member, score| {
            take(member, crate::number::double(score).ok_or(Malformed)?)
        }),
    }
}

/// Reads elements.
fn elements(kind: u8, input: &mut Input<'_>, take: &mut Take<'_>) -> Result<()> {
    match kind {
        kind::LIST | kind::SET => {
            for _ in 0..input.length()? {
                take(input.text()?.as_bytes())?;
            }
            Ok(())
        }
        kind::LIST_QUICKLIST => {
            for _ in 0..input.length()? {
                packed::ziplist(input.text()?.as_bytes(), take)?;
            }
            Ok(())
        }
        kind::LIST_QUICKLIST_2 => {
            for _ in 0..input.length()? {
                let container = input.length()?;
                let node = input.text()?;
                must(!node.as_bytes().is_empty())?;
                match container {
                    1 => take(node.as_bytes())?,
                    2 => packed::listpack(node.as_bytes(), take)?,
                    _ => return Err(Malformed),
                }
            }
            Ok(())
        }
        kind::LIST_ZIPLIST => packed::ziplist(input.text()?.as_bytes(), take),
        kind::SET_INTSET => packed::intset(input.text()?.as_bytes(), take),
        _ => packed::listpack(input.text()?.as_bytes(), take),
    }
}

#[cfg(test)]
mod tests;
