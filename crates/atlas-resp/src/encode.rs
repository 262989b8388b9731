//! Writing replies, and the requests of clients.

use memchr::memchr2;

use crate::double::write_double;

/// Which protocol a connection speaks; `HELLO` changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What every client speaks before it says `HELLO 3`.
    #[default]
    Resp2,
    /// With maps, sets, doubles, booleans and pushes.
    Resp3,
}

/// Writes replies behind what a buffer holds. What RESP2 lacks is written as Redis does in its place.
///
/// Aggregates are written as their header; the caller writes their elements next, and owes as many as it announced.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Encoder<'a> {
    /// An encoder that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The protocol that is written.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// `+OK`, the commonest answer.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A short text that is no data: `OK`, `PONG`, `QUEUED`. Line ends in it become blanks.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// An error; `text` begins with its code: `ERR syntax error`. Line ends in it become blanks.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// An error of any bytes; in RESP2 as [`error`](Self::error).
    pub fn blob_error(&mut self, text: impl AsRef<[u8]>) {
        match self.protocol {
            Protocol::Resp2 => self.error(text),
            Protocol::Resp3 => self.blob(b'!', text.as_ref()),
        }
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// Bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        self.blob(b'$', bytes.as_ref());
    }

    /// An integer as bytes: how commands answer numbers that are values.
    pub fn bulk_integer(&mut self, value: i64) {
        self.blob(b'$', itoa::Buffer::new().format(value).as_bytes());
    }

    /// Nothing, where bytes could stand.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Nothing, where an array could stand.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Yes or no; in RESP2 the integers 1 and 0.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// A double, see [`write_double`]; in RESP2 as bytes.
    pub fn double(&mut self, value: f64) {
        match self.protocol {
            Protocol::Resp3 => {
                self.out.push(b',');
                write_double(value, self.out);
                self.end();
            }
            Protocol::Resp2 => {
                // The length comes first and is known last: two digits are kept free for it.
                let start = self.out.len();
                self.out.extend_from_slice(b"$00\r\n");
                write_double(value, self.out);
                let length = (self.out.len() - start - 5) as u8;
                let (tens, ones) = (b'0' + length / 10, b'0' + length % 10);
                if let Some([_, first, second, ..]) = self.out.get_mut(start..) {
                    (*first, *second) = (tens, ones);
                }
                if tens == b'0' {
                    self.out.remove(start + 1);
                }
                self.end();
            }
        }
    }

    /// An integer of any size, as its decimal digits behind an optional sign; in RESP2 as bytes.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// A text for people, with its format in three letters (`txt`, `mkd`); in RESP2 its bytes alone.
    pub fn verbatim(&mut self, format: [u8; 3], text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.number(b'=', text.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.end();
            }
        }
    }

    /// The header of an array of `count` elements.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.number(b'*', count);
    }

    /// The header of a map of `pairs` keys, each followed by its value; in RESP2 an array of twice as many elements.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', pairs * 2),
            Protocol::Resp3 => self.number(b'%', pairs),
        }
    }

    /// The header of a set; in RESP2 an array.
    pub fn set(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', count),
            Protocol::Resp3 => self.number(b'~', count),
        }
    }

    /// The header of something that nobody asked for at this moment: a message of pub/sub, an invalidation; in RESP2 an
    /// array.
    pub fn push(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', count),
            Protocol::Resp3 => self.number(b'>', count),
        }
    }

    /// The header of `pairs` attributes of the reply that follows them. False in RESP2, which has none: then the pairs
    /// must not be written either.
    #[must_use]
    pub fn attribute(&mut self, pairs: usize) -> bool {
        if self.protocol == Protocol::Resp3 {
            self.number(b'|', pairs);
        }
        self.protocol == Protocol::Resp3
    }

    #[inline]
    fn number(&mut self, kind: u8, number: impl itoa::Integer) {
        self.out.push(kind);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.end();
    }

    #[inline]
    fn blob(&mut self, kind: u8, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 16);
        self.number(kind, bytes.len());
        self.out.extend_from_slice(bytes);
        self.end();
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        if memchr2(b'\r', b'\n', text).is_none() {
            self.out.extend_from_slice(text);
        } else {
            // A line end inside would let whoever chose the text write replies of their own.
            self.out.extend(text.iter().map(|&byte| match byte {
                b'\r' | b'\n' => b' ',
                other => other,
            }));
        }
        self.end();
    }

    #[inline]
    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes a request: an array of bulks.
pub fn command<A: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    arguments: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
) {
    let arguments = arguments.into_iter();
    let mut encoder = Encoder::new(out, Protocol::Resp2);
    encoder.array(arguments.len());
    for argument in arguments {
        encoder.bulk(argument);
    }
}

#[cfg(test)]
mod tests;
