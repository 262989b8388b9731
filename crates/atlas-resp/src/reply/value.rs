//! A reply as a value that owns its bytes.

use crate::encode::{Encoder, Protocol};

/// What a server answered. The null string and the null array of RESP2 are both [`Null`](Self::Null), as in RESP3.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A short text that is no data: `OK`.
    Simple(Vec<u8>),
    /// An error; it begins with its code: `ERR …`, `MOVED …`.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Yes or no.
    Boolean(bool),
    /// A double.
    Double(f64),
    /// An integer of any size, as its digits behind an optional sign.
    BigNumber(Vec<u8>),
    /// A text for people and its format.
    Verbatim {
        /// `txt`, `mkd`.
        format: [u8; 3],
        /// The text.
        text: Vec<u8>,
    },
    /// Values in an order.
    Array(Vec<Value>),
    /// Values in none.
    Set(Vec<Value>),
    /// Keys and their values, in the order in which they came.
    Map(Vec<(Value, Value)>),
    /// Something that nobody asked for at this moment: a message of pub/sub, an invalidation.
    Push(Vec<Value>),
    /// A value and what is said about it.
    Attributed {
        /// Keys and their values.
        attributes: Vec<(Value, Value)>,
        /// The value that they speak of.
        value: Box<Value>,
    },
}

impl Value {
    /// Writes the value as a server would. What RESP2 lacks is written as Redis does in its place.
    ///
    /// It recurses as deep as the value does: for values that were decoded, no deeper than
    /// [`depth_max`](super::Limits::depth_max).
    pub fn encode(&self, encoder: &mut Encoder<'_>) {
        match self {
            Self::Null => encoder.null(),
            Self::Simple(text) => encoder.simple(text),
            Self::Error(text) if has_line_end(text) => encoder.blob_error(text),
            Self::Error(text) => encoder.error(text),
            Self::Integer(number) => encoder.integer(*number),
            Self::Bulk(bytes) => encoder.bulk(bytes),
            Self::Boolean(truth) => encoder.boolean(*truth),
            Self::Double(number) => encoder.double(*number),
            Self::BigNumber(digits) => encoder.big_number(&String::from_utf8_lossy(digits)),
            Self::Verbatim { format, text } => encoder.verbatim(*format, text),
            Self::Array(values) => {
                encoder.array(values.len());
                all(values, encoder);
            }
            Self::Set(values) => {
                encoder.set(values.len());
                all(values, encoder);
            }
            Self::Map(entries) => {
                encoder.map(entries.len());
                pairs(entries, encoder);
            }
            Self::Push(values) => {
                encoder.push(values.len());
                all(values, encoder);
            }
            Self::Attributed { attributes, value } => {
                if encoder.attribute(attributes.len()) {
                    pairs(attributes, encoder);
                }
                value.encode(encoder);
            }
        }
    }

    /// The value as a server would write it.
    pub fn to_bytes(&self, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut Encoder::new(&mut out, protocol));
        out
    }

    /// The bytes of a text of any kind, errors excepted.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes)
            | Self::Bulk(bytes)
            | Self::BigNumber(bytes)
            | Self::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a text of any kind, errors excepted, without a copy.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Simple(bytes)
            | Self::Bulk(bytes)
            | Self::BigNumber(bytes)
            | Self::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// An integer; also one that RESP2 sends as a text, and a truth value, which RESP2 sends as an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Boolean(truth) => Some(i64::from(*truth)),
            text => crate::number::integer(text.as_bytes()?),
        }
    }

    /// A double; also one that RESP2 sends as a text, and an integer.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Self::Double(number) => Some(*number),
            Self::Integer(number) => Some(*number as f64),
            text => super::decoder::double(text.as_bytes()?).ok(),
        }
    }

    /// The elements of an array, a set or a push; of a map, its keys each followed by its value.
    pub fn into_elements(self) -> Option<Vec<Value>> {
        match self {
            Self::Array(values) | Self::Set(values) | Self::Push(values) => Some(values),
            Self::Map(pairs) => Some(
                pairs
                    .into_iter()
                    .flat_map(|(key, value)| [key, value])
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The pairs of a map; also of one that RESP2 sends as an array.
    pub fn into_pairs(self) -> Option<Vec<(Value, Value)>> {
        match self {
            Self::Map(pairs) => Some(pairs),
            Self::Array(values) if values.len() % 2 == 0 => Some(super::decoder::paired(values)),
            _ => None,
        }
    }
}

fn all(values: &[Value], encoder: &mut Encoder<'_>) {
    for value in values {
        value.encode(encoder);
    }
}

fn pairs(pairs: &[(Value, Value)], encoder: &mut Encoder<'_>) {
    for (key, value) in pairs {
        key.encode(encoder);
        value.encode(encoder);
    }
}

fn has_line_end(text: &[u8]) -> bool {
    memchr::memchr2(b'\r', b'\n', text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_read_alike() {
        let text = |text: &str| Value::Bulk(text.into());
        for value in [Value::Integer(7), text("7"), Value::Simple(b"7".to_vec())] {
            assert_eq!(
                (value.as_integer(), value.as_double()),
                (Some(7), Some(7.0))
            );
        }
        assert_eq!(Value::Boolean(true).as_integer(), Some(1));
        assert_eq!(text("1.5").as_double(), Value::Double(1.5).as_double());
        assert_eq!(text("inf").as_double(), Some(f64::INFINITY));
        assert_eq!(text("x").as_integer(), None);
        assert_eq!(Value::Error(b"7".to_vec()).as_integer(), None);
        assert_eq!(Value::Null.as_bytes(), None);
        assert_eq!(text("a").into_bytes(), Some(b"a".to_vec()));

        let map = Value::Map(vec![(text("a"), Value::Integer(1))]);
        let array = Value::Array(vec![text("a"), Value::Integer(1)]);
        assert_eq!(map.clone().into_elements(), array.clone().into_elements());
        assert_eq!(map.into_pairs(), array.into_pairs());
        assert_eq!(Value::Array(vec![Value::Null]).into_pairs(), None);
        assert_eq!(Value::Null.into_elements(), None);
    }
}
