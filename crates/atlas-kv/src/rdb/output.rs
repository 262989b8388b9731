//! Writing values.

use crate::hash::Hash;
use crate::list::List;
use crate::number::Decimal;
use crate::rdb::kind;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::value::{Collection, Object, ValueRef};

/// Appends a value behind its type.
pub(super) fn value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::String(bytes) => {
            out.push(kind::STRING);
            text(bytes, out);
        }
        ValueRef::Integer(integer) => {
            out.push(kind::STRING);
            text(Decimal::new(integer).as_bytes(), out);
        }
        ValueRef::Object(Object::LongString(string)) => {
            out.push(kind::STRING);
            text(string.as_bytes(), out);
        }
        ValueRef::Object(Object::Hash(hash)) => write_hash(hash, out),
        ValueRef::Object(Object::List(list)) => write_list(list, out),
        ValueRef::Object(Object::Set(set)) => write_set(set, out),
        ValueRef::Object(Object::SortedSet(set)) => write_sorted_set(set, out),
        ValueRef::Object(Object::Stream(stream)) => super::stream::write(stream, out),
    }
}

fn write_hash(hash: &Hash, out: &mut Vec<u8>) {
    out.push(kind::HASH);
    length(hash.len(), out);
    for (name, value) in hash.iter() {
        text(name, out);
        text(value, out);
    }
}

fn write_list(list: &List, out: &mut Vec<u8>) {
    out.push(kind::LIST);
    length(list.len(), out);
    for element in list.iter() {
        text(element, out);
    }
}

fn write_set(set: &Set, out: &mut Vec<u8>) {
    out.push(kind::SET);
    length(set.len(), out);
    for member in set.iter() {
        member.with_bytes(|member| text(member, out));
    }
}

fn write_sorted_set(set: &SortedSet, out: &mut Vec<u8>) {
    out.push(kind::SORTED_SET_2);
    length(set.len(), out);
    for row in set.iter() {
        text(&row.member, out);
        out.extend_from_slice(&row.score.to_le_bytes());
    }
}

/// Appends a length in as few bytes as the format has for it.
pub(super) fn length(length: usize, out: &mut Vec<u8>) {
    number(length as u64, out);
}

/// Appends any whole number in the same way.
pub(super) fn number(length: u64, out: &mut Vec<u8>) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&length.to_be_bytes());
            }
        },
    }
}

/// Appends a string; the decimal form of a small integer as that integer.
pub(super) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    // No 32-bit integer has more digits.
    let integer = (bytes.len() <= 11)
        .then(|| crate::number::integer(bytes))
        .flatten();
    let integer = integer.and_then(|integer| i32::try_from(integer).ok());
    let Some(integer) = integer else {
        length(bytes.len(), out);
        out.extend_from_slice(bytes);
        return;
    };
    if let Ok(integer) = i8::try_from(integer) {
        out.push(0xc0);
        out.extend_from_slice(&integer.to_le_bytes());
    } else if let Ok(integer) = i16::try_from(integer) {
        out.push(0xc1);
        out.extend_from_slice(&integer.to_le_bytes());
    } else {
        out.push(0xc2);
        out.extend_from_slice(&integer.to_le_bytes());
    }
}
