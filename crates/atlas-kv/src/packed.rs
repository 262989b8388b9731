//! A few names with values in one run of bytes.

use crate::codec::{LoadError, Reader, put_integer};

/// Names with values in the order they came, found by walking. For few and short ones: one allocation holds them all,
/// and a walk through it costs no more than one look elsewhere.
///
/// The bytes are what snapshots hold: for each name and value its length in groups of seven bits, then the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    bytes: Vec<u8>,
    count: usize,
}

/// Where a name and its value lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    start: usize,
    value: usize,
    end: usize,
}

impl Pairs {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The bytes that names, values and their lengths take.
    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (name, behind) = text_at(&self.bytes, at)?;
            let (value, behind) = text_at(&self.bytes, behind)?;
            at = behind;
            Some((name, value))
        })
    }

    /// Where the pair at a position below [`Self::len`] lies.
    pub(crate) fn place_at(&self, position: usize) -> Option<Place> {
        let mut start = 0;
        for _ in 0..position {
            let (_, value) = text_at(&self.bytes, start)?;
            (_, start) = text_at(&self.bytes, value)?;
        }
        let (_, value) = text_at(&self.bytes, start)?;
        let (_, end) = text_at(&self.bytes, value)?;
        Some(Place { start, value, end })
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Place> {
        let mut start = 0;
        loop {
            let (found, value) = text_at(&self.bytes, start)?;
            let (_, end) = text_at(&self.bytes, value)?;
            if found == name {
                return Some(Place { start, value, end });
            }
            start = end;
        }
    }

    pub(crate) fn name(&self, place: Place) -> &[u8] {
        text_at(&self.bytes, place.start).map_or(&[], |(name, _)| name)
    }

    pub(crate) fn value(&self, place: Place) -> &[u8] {
        text_at(&self.bytes, place.value).map_or(&[], |(value, _)| value)
    }

    pub(crate) fn replace(&mut self, place: Place, value: &[u8]) {
        let head = Head::of(value.len());
        let (head, length) = (head.as_bytes(), head.as_bytes().len() + value.len());
        if length == place.end - place.value {
            // Of the same length, and so behind a head of the same length.
            self.bytes[place.end - value.len()..place.end].copy_from_slice(value);
            return;
        }
        self.make_room(length);
        let new = head.iter().chain(value).copied();
        self.bytes.splice(place.value..place.end, new);
    }

    /// Adds a name that is not there yet.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let heads = [name, value].map(|text| Head::of(text.len()));
        let heads_bytes: usize = heads.iter().map(|head| head.as_bytes().len()).sum();
        self.make_room(heads_bytes + name.len() + value.len());
        for (head, text) in heads.iter().zip([name, value]) {
            self.bytes.extend_from_slice(head.as_bytes());
            self.bytes.extend_from_slice(text);
        }
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, place: Place) {
        self.bytes.drain(place.start..place.end);
        self.count -= 1;
        if self.bytes.len() * 2 < self.bytes.capacity() {
            self.bytes.shrink_to(self.bytes.len());
        }
    }

    /// Appends the number of pairs, then their bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_integer(out, self.count as u64);
        out.extend_from_slice(&self.bytes);
    }

    /// Reads what [`Self::encode`] wrote; a name that is there twice is refused.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let mut pairs = Self::default();
        for _ in 0..reader.integer("a length")? {
            let name = reader.bytes("a name")?;
            let value = reader.bytes("a name's value")?;
            if pairs.find(name).is_some() {
                return Err(reader.impossible("a name twice"));
            }
            pairs.push(name, value);
        }
        Ok(pairs)
    }

    fn make_room(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            // An eighth to spare: doubling would give back what this form saves.
            self.bytes.reserve_exact(more + self.bytes.len() / 8);
        }
    }
}

/// A length in groups of seven bits.
struct Head {
    bytes: [u8; 10],
    length: usize,
}

impl Head {
    fn of(mut value: usize) -> Self {
        let mut bytes = [0; 10];
        let mut length = 0;
        while value >= 0x80 {
            bytes[length] = value as u8 | 0x80;
            value >>= 7;
            length += 1;
        }
        bytes[length] = value as u8;
        Self {
            bytes,
            length: length + 1,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The text whose length stands at `at`, and what comes behind it; none at the end.
fn text_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = *bytes.get(at)?;
    let mut start = at + 1;
    let mut length = usize::from(first & 0x7f);
    if first >= 0x80 {
        let mut shift = 7;
        loop {
            let byte = *bytes.get(start)?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            start += 1;
            if byte < 0x80 {
                break;
            }
        }
    }
    let end = start + length;
    Some((bytes.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_act_as_a_list(
            changes in prop::collection::vec((any::<bool>(), 0..12_u8, 0..300_usize), 0..60),
        ) {
            let mut pairs = Pairs::default();
            let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            for (is_set, name, length) in changes {
                let name = vec![name; usize::from(name) * 20];
                let value = vec![b'v'; length];
                let known = model.iter().position(|(other, _)| *other == name);
                let place = pairs.find(&name);
                prop_assert_eq!(place.is_some(), known.is_some());
                match (is_set, place, known) {
                    (true, Some(place), Some(known)) => {
                        prop_assert_eq!(pairs.value(place), &*model[known].1);
                        pairs.replace(place, &value);
                        model[known].1 = value;
                    }
                    (true, ..) => {
                        pairs.push(&name, &value);
                        model.push((name, value));
                    }
                    (false, Some(place), Some(known)) => {
                        pairs.remove(place);
                        model.remove(known);
                    }
                    _ => {}
                }
                let held: Vec<(Vec<u8>, Vec<u8>)> = pairs
                    .iter()
                    .map(|(name, value)| (name.to_vec(), value.to_vec()))
                    .collect();
                prop_assert_eq!(&held, &model);
                prop_assert_eq!(pairs.len(), model.len());
                for (position, (name, value)) in model.iter().enumerate() {
                    let place = pairs.place_at(position).unwrap();
                    prop_assert_eq!(pairs.name(place), &**name);
                    prop_assert_eq!(pairs.value(place), &**value);
                }
                prop_assert!(pairs.place_at(model.len()).is_none());
            }
            let mut out = Vec::new();
            pairs.encode(&mut out);
            let mut reader = Reader::new(1, &out);
            let read = Pairs::decode(&mut reader).unwrap();
            prop_assert!(reader.is_empty());
            prop_assert_eq!(read.bytes, pairs.bytes);
            for length in 0..out.len() {
                prop_assert!(Pairs::decode(&mut Reader::new(1, &out[..length])).is_err());
            }
        }
    }

    #[test]
    fn a_name_twice_is_refused() {
        let mut pairs = Pairs::default();
        pairs.push(b"a", b"1");
        pairs.push(b"a", b"2");
        let mut out = Vec::new();
        pairs.encode(&mut out);
        assert!(Pairs::decode(&mut Reader::new(1, &out)).is_err());
    }
}
