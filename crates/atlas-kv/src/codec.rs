//! How values are written inside snapshot blocks: variable-length integers and length-prefixed bytes.

/// Why a block of a snapshot could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The block ends before its contents do.
    #[error("a block of kind {kind} ends inside {what}")]
    Short {
        /// The block's kind.
        kind: u16,
        /// What was being read.
        what: &'static str,
    },
    /// The block says something that cannot be.
    #[error("a block of kind {kind} holds {what}")]
    Impossible {
        /// The block's kind.
        kind: u16,
        /// What it says.
        what: &'static str,
    },
    /// The block is of a kind that this version does not know.
    #[error("no block of kind {kind} is known; a newer version wrote this snapshot")]
    Unknown {
        /// The block's kind.
        kind: u16,
    },
}

/// Appends an integer in groups of seven bits, lowest first.
pub(crate) fn put_integer(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer, small magnitudes short.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_integer(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_integer(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a floating-point number's bits.
pub(crate) fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Reads what the `put_` functions wrote.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    kind: u16,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: u16, bytes: &'a [u8]) -> Self {
        Self { kind, left: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn short(&self, what: &'static str) -> LoadError {
        LoadError::Short {
            kind: self.kind,
            what,
        }
    }

    pub(crate) fn impossible(&self, what: &'static str) -> LoadError {
        LoadError::Impossible {
            kind: self.kind,
            what,
        }
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, LoadError> {
        let (&first, left) = self.left.split_first().ok_or_else(|| self.short(what))?;
        self.left = left;
        Ok(first)
    }

    pub(crate) fn integer(&mut self, what: &'static str) -> Result<u64, LoadError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.impossible("an integer of more than 64 bits"))
    }

    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, LoadError> {
        let value = self.integer(what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], LoadError> {
        let length = self.integer(what)?;
        let length = usize::try_from(length).map_err(|_| self.short(what))?;
        if length > self.left.len() {
            return Err(self.short(what));
        }
        let (bytes, left) = self.left.split_at(length);
        self.left = left;
        Ok(bytes)
    }

    pub(crate) fn double(&mut self, what: &'static str) -> Result<f64, LoadError> {
        let (bits, left) = self
            .left
            .split_first_chunk::<8>()
            .ok_or_else(|| self.short(what))?;
        self.left = left;
        Ok(f64::from_bits(u64::from_le_bytes(*bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        for value in [0, 1, 127, 128, u64::MAX] {
            put_integer(&mut out, value);
        }
        for value in [0, -1, i64::MIN, i64::MAX] {
            put_signed(&mut out, value);
        }
        put_bytes(&mut out, b"bytes");
        put_double(&mut out, -0.5);
        let mut reader = Reader::new(1, &out);
        for value in [0, 1, 127, 128, u64::MAX] {
            assert_eq!(reader.integer("a number"), Ok(value));
        }
        for value in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(reader.signed("a number"), Ok(value));
        }
        assert_eq!(reader.bytes("bytes"), Ok(&b"bytes"[..]));
        assert_eq!(reader.double("a number"), Ok(-0.5));
        assert!(reader.is_empty());
        assert!(reader.byte("more").is_err());
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        let mut out = Vec::new();
        put_integer(&mut out, u64::MAX);
        assert_eq!(
            Reader::new(2, &out).bytes("a key"),
            Err(LoadError::Short {
                kind: 2,
                what: "a key"
            })
        );
    }
}
