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
