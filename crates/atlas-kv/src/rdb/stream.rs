//! Streams: blocks as list packs, then what is known of the whole, then groups with consumers and deliveries.
//!
//! A block's list pack says how many entries it has and how many were deleted, names the fields of its first entry, a 0,
//! and then has for each entry flags, how far its id is from the block's, its fields if they are others, its values, and
//! how many pieces that were.

use crate::rdb::input::Input;
use crate::rdb::output::{length, number, text};
use crate::rdb::packed::{ListPack, Packing};
use crate::rdb::{Malformed, Result, kind, must};
use crate::slice::Slice;
use crate::stream::{Delivery, Group, Id, NEVER_MS, Stream};
use crate::value::Collection;

/// Flags of an entry.
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Fields that an entry has at most: no command has so many arguments.
const FIELDS_MAX: u64 = 1 << 20;
/// In place of a count that is not known.
const UNKNOWN: u64 = u64::MAX;

/// Appends a stream behind its type.
pub(super) fn write(stream: &Stream, out: &mut Vec<u8>) {
    out.push(kind::STREAM_2);
    length(stream.blocks().len(), out);
    for block in stream.blocks() {
        let mut packing = Packing::new();
        packing.integer(block.entries().len() as i64);
        packing.integer(0);
        packing.integer(block.fields().len() as i64);
        block.fields().for_each(|field| packing.text(field));
        packing.integer(0);
        for entry in block.entries() {
            let is_same = entry.has_shared_fields();
            packing.integer(if is_same { SAME_FIELDS } else { 0 });
            let seq = entry.id.seq.wrapping_sub(block.first.seq);
            packing.integer((entry.id.ms - block.first.ms).cast_signed());
            packing.integer(seq.cast_signed());
            if !is_same {
                packing.integer(entry.count as i64);
            }
            for (field, value) in entry.pairs() {
                if !is_same {
                    packing.text(field);
                }
                packing.text(value);
            }
            let pieces = if is_same {
                entry.count + 3
            } else {
                entry.count * 2 + 4
            };
            packing.integer(pieces as i64);
        }
        length(16, out);
        raw_id(block.first, out);
        let packed = packing.finish();
        length(packed.len(), out);
        out.extend_from_slice(&packed);
    }
    length(stream.len(), out);
    let first = stream.first_entry_id().unwrap_or_default();
    for id in [stream.last_id(), first, stream.max_deleted_id()] {
        number(id.ms, out);
        number(id.seq, out);
    }
    number(stream.entries_added(), out);
    length(stream.groups().len(), out);
    stream.groups().for_each(|group| write_group(group, out));
}

fn write_group(group: &Group, out: &mut Vec<u8>) {
    text(&group.name, out);
    number(group.last_id().ms, out);
    number(group.last_id().seq, out);
    number(group.entries_read().unwrap_or(UNKNOWN), out);
    length(group.pending_len(), out);
    for row in group.pending_from(Id::MIN) {
        raw_id(row.id, out);
        out.extend_from_slice(&row.time_ms.to_le_bytes());
        number(row.count, out);
    }
    length(group.consumers().len(), out);
    for (_, consumer) in group.consumers() {
        text(&consumer.name, out);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        length(consumer.pending.len(), out);
        consumer.pending.iter().for_each(|&id| raw_id(id, out));
    }
}

fn raw_id(id: Id, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.ms.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
}

/// Reads a stream behind its type.
pub(super) fn read(kind: u8, input: &mut Input<'_>, slice: &mut Slice) -> Result<Stream> {
    let mut stream = Stream::new(slice);
    for _ in 0..input.length()? {
        read_block(&mut stream, input, slice)?;
    }
    must(input.length()? == stream.len() as u64)?;
    let last = read_id(input)?;
    must(stream.last_entry_id() <= Some(last) || stream.len() == 0)?;
    stream.set_last_id(last);
    if kind == kind::STREAM {
        stream.set_entries_added(stream.len() as u64);
    } else {
        // Where the first entry is can be seen.
        read_id(input)?;
        stream.set_max_deleted_id(read_id(input)?);
        stream.set_entries_added(input.length()?);
    }
    for _ in 0..input.length()? {
        read_group(kind, &mut stream, input, slice)?;
    }
    Ok(stream)
}

fn read_block(stream: &mut Stream, input: &mut Input<'_>, slice: &mut Slice) -> Result<()> {
    let key = input.text()?;
    let key: &[u8; 16] = key.as_bytes().try_into().map_err(|_| Malformed)?;
    let first = id_of(*key);
    let packed = input.text()?;
    let mut packed = ListPack::new(packed.as_bytes())?;
    let entries = count(packed.integer()?)?;
    let deleted = u32::try_from(packed.integer()?).map_err(|_| Malformed)?;
    let names = count(packed.integer()?)?;
    must(names <= FIELDS_MAX)?;
    let mut shared = Vec::new();
    for _ in 0..names {
        shared.push((packed.text()?, Default::default()));
    }
    must(packed.integer()? == 0)?;
    must(stream.last_entry_id().is_none_or(|last| last < first))?;
    stream.begin_block(first, &*shared, deleted, slice);
    let (mut found, mut marked) = (0, 0);
    let mut before = None;
    while found + marked < entries.saturating_add(u64::from(deleted)) {
        let flags = packed.integer()?;
        let id = Id {
            ms: first.ms.wrapping_add_signed(packed.integer()?),
            seq: first.seq.wrapping_add_signed(packed.integer()?),
        };
        must(id >= first && before.is_none_or(|before| before < id))?;
        before = Some(id);
        let is_same = flags & SAME_FIELDS != 0;
        let fields = if is_same {
            names
        } else {
            count(packed.integer()?)?
        };
        must(fields <= FIELDS_MAX)?;
        let mut pairs = Vec::new();
        for position in 0..fields as usize {
            let field = match shared.get(position) {
                Some((name, _)) if is_same => name.clone(),
                _ => packed.text()?,
            };
            pairs.push((field, packed.text()?));
        }
        let pieces = if is_same { fields + 3 } else { fields * 2 + 4 };
        must(count(packed.integer()?)? == pieces)?;
        if flags & DELETED != 0 {
            marked += 1;
        } else {
            found += 1;
            stream.append(id, &*pairs, slice);
        }
    }
    must(packed.next()?.is_none() && found == entries)?;
    stream.end_block();
    Ok(())
}

fn read_group(
    kind: u8,
    stream: &mut Stream,
    input: &mut Input<'_>,
    slice: &mut Slice,
) -> Result<()> {
    let name = input.text()?;
    let last = read_id(input)?;
    let read = match kind {
        kind::STREAM => stream.facts().added_until(last),
        _ => Some(input.length()?).filter(|&read| read != UNKNOWN),
    };
    let group = stream.add_group(name.as_bytes(), last, read, slice);
    let group = group.ok_or(Malformed)?;
    let mut rows = std::collections::BTreeMap::new();
    for _ in 0..input.length()? {
        let id = id_of(input.raw()?);
        let time_ms = i64::from_le_bytes(input.raw()?);
        let count = input.length()?;
        must(rows.insert(id, (time_ms, count)).is_none())?;
    }
    for _ in 0..input.length()? {
        let name = input.text()?;
        let name = name.as_bytes();
        must(group.consumer_number(name).is_none())?;
        let seen_ms = i64::from_le_bytes(input.raw()?);
        let active_ms = match kind {
            kind::STREAM_3 => i64::from_le_bytes(input.raw()?),
            _ => seen_ms,
        };
        let number = group.add_consumer(name, seen_ms, active_ms.max(NEVER_MS), slice);
        for _ in 0..input.length()? {
            let id = id_of(input.raw()?);
            let (time_ms, count) = rows.remove(&id).ok_or(Malformed)?;
            let delivery = Delivery {
                id,
                time_ms,
                count,
                consumer: number,
            };
            group.deliver(delivery, slice);
        }
    }
    // Whatever was delivered is somebody's.
    must(rows.is_empty())
}

fn read_id(input: &mut Input<'_>) -> Result<Id> {
    Ok(Id {
        ms: input.length()?,
        seq: input.length()?,
    })
}

fn id_of(bytes: [u8; 16]) -> Id {
    let both = u128::from_be_bytes(bytes);
    Id {
        ms: (both >> 64) as u64,
        seq: both as u64,
    }
}

fn count(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Malformed)
}
