//! Short byte strings without an allocation of their own.

use std::fmt;
use std::ops::Deref;

use crate::codec::{LoadError, Reader, put_bytes};
use crate::paged::Item;

/// Up to this many bytes lie in place: three words with their length and the variant's mark.
const HERE_BYTES_MAX: usize = 22;

/// Bytes of a member, a field or a field's value: short ones, which most are, lie in place.
#[derive(Clone)]
pub(crate) struct Bytes(Held);

#[derive(Clone)]
enum Held {
    Here {
        length: u8,
        bytes: [u8; HERE_BYTES_MAX],
    },
    Apart(Box<[u8]>),
}

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Held::Here { length, bytes } => &bytes[..usize::from(*length)],
            Held::Apart(bytes) => bytes,
        }
    }

    /// The bytes that lie elsewhere.
    pub(crate) fn apart_bytes(&self) -> usize {
        match &self.0 {
            Held::Here { .. } => 0,
            Held::Apart(bytes) => bytes.len(),
        }
    }
}

impl From<&[u8]> for Bytes {
    fn from(from: &[u8]) -> Self {
        let mut bytes = [0; HERE_BYTES_MAX];
        match bytes.get_mut(..from.len()) {
            Some(place) => {
                place.copy_from_slice(from);
                Self(Held::Here {
                    length: from.len() as u8,
                    bytes,
                })
            }
            None => Self(Held::Apart(from.into())),
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(self))
    }
}

impl Item for Bytes {
    fn encode(&mut self, out: &mut Vec<u8>, _: u32) {
        put_bytes(out, self);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        reader.bytes("a member").map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_are_kept() {
        assert_eq!(size_of::<Bytes>(), 24);
        for length in 0..100 {
            let text: Vec<u8> = (0..length).collect();
            let bytes = Bytes::from(&*text);
            assert_eq!(*bytes, *text);
            let is_apart = text.len() > HERE_BYTES_MAX;
            assert_eq!(bytes.apart_bytes(), if is_apart { text.len() } else { 0 });
        }
    }
}
