//! The header fields of a request or an answer, kept as the bytes that came.

use std::fmt;

use memchr::{memchr2_iter, memmem};

/// The most header fields that any limit can allow.
pub const HEADERS_MAX: usize = 128;

/// Bounds of a request's or an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a whole head, its empty line included.
    pub head_bytes_max: usize,
    /// The most header fields; at most [`HEADERS_MAX`].
    pub headers_max: usize,
}

impl Default for Limits {
    /// 16 KiB and 100 fields.
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            headers_max: 100,
        }
    }
}

/// Where a piece of the head lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The place of `piece`, which is a part of `whole`.
    fn of(whole: &[u8], piece: &[u8]) -> Self {
        let start = piece.as_ptr().addr() - whole.as_ptr().addr();
        Self {
            start: start as u32,
            end: (start + piece.len()) as u32,
        }
    }

    fn of_text(whole: &[u8], piece: &str) -> Self {
        Self::of(whole, piece.as_bytes())
    }
}

/// The header fields of a head, in the order in which they came.
#[derive(Clone)]
pub struct Fields {
    bytes: Box<[u8]>,
    spans: Box<[(Span, Span)]>,
}

/// A head's first line and fields before they are looked at.
pub(super) struct Lines {
    pub(super) first: [Span; 2],
    pub(super) fields: Fields,
    pub(super) length: usize,
}

impl Fields {
    /// All fields: name as it was written, value without the blanks around it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.spans
            .iter()
            .map(|(name, value)| (self.text(*name), self.at(*value)))
    }

    /// The values of all fields of this name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The first value of this name, if it is text.
    pub fn first(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The elements of a comma-separated list that may be spread over several fields of this name; elements that are
    /// not text and empty ones are left out.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .filter_map(|element| std::str::from_utf8(element).ok())
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }

    /// Whether a list has this element, whatever its case.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.list(name)
            .any(|other| other.eq_ignore_ascii_case(element))
    }

    /// How many fields there are of this name.
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// How many bytes of memory the fields hold.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.spans)
    }

    pub(super) fn at(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }

    pub(super) fn text(&self, span: Span) -> &str {
        // Only spans that the parser gave as text come here.
        std::str::from_utf8(self.at(span)).unwrap_or_default()
    }
}

impl fmt::Debug for Fields {
    /// Names only: values carry cookies and tokens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Why a head could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLong,
    TooMany,
    Version,
    Malformed(&'static str),
}

/// Finds the end of a head (with its empty line) in what has come so far: None if it goes on.
///
/// Lines end with CR LF and nothing else; a bare CR or LF is refused as soon as it is there, since the next hop might
/// read it as the end of a line.
pub(super) fn head_end(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
    let within = &bytes[..bytes.len().min(limits.head_bytes_max)];
    let end = memmem::find(within, b"\r\n\r\n").map(|at| at + 4);
    let lines = &within[..end.unwrap_or(within.len())];
    for at in memchr2_iter(b'\r', b'\n', lines) {
        let paired = match lines[at] {
            b'\r' => lines.get(at + 1).is_none_or(|next| *next == b'\n'),
            _ => at > 0 && lines[at - 1] == b'\r',
        };
        if !paired {
            return Err(Fault::Malformed("a line must end with CR LF"));
        }
    }
    match end {
        None if within.len() < bytes.len() || within.len() == limits.head_bytes_max => {
            Err(Fault::TooLong)
        }
        end => Ok(end),
    }
}

/// Reads a request's lines; `head` is whole and ends with its empty line.
pub(super) fn request_lines(head: &[u8], limits: &Limits) -> Result<Lines, Fault> {
    let mut buffer = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut buffer[..limits.headers_max.min(HEADERS_MAX)]);
    let length = whole(request.parse(head))?;
    let (Some(method), Some(path), Some(version)) = (request.method, request.path, request.version)
    else {
        return Err(Fault::Malformed("no request line"));
    };
    if version != 1 {
        return Err(Fault::Version);
    }
    let first = [Span::of_text(head, method), Span::of_text(head, path)];
    Ok(Lines {
        first,
        fields: keep(head, request.headers),
        length,
    })
}

/// Reads an answer's lines and its status; `head` is whole and ends with its empty line.
pub(super) fn answer_lines(head: &[u8], limits: &Limits) -> Result<(u16, Fields), Fault> {
    let mut buffer = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut buffer[..limits.headers_max.min(HEADERS_MAX)]);
    whole(answer.parse(head))?;
    let (Some(status), Some(version)) = (answer.code, answer.version) else {
        return Err(Fault::Malformed("no status line"));
    };
    if version != 1 {
        return Err(Fault::Version);
    }
    Ok((status, keep(head, answer.headers)))
}

fn whole(status: httparse::Result<usize>) -> Result<usize, Fault> {
    match status {
        Ok(httparse::Status::Complete(length)) => Ok(length),
        Ok(httparse::Status::Partial) => Err(Fault::Malformed("the head has no end")),
        Err(error) => Err(match error {
            httparse::Error::TooManyHeaders => Fault::TooMany,
            httparse::Error::Version => Fault::Version,
            httparse::Error::HeaderName => {
                Fault::Malformed("a header name has a character that is not allowed")
            }
            httparse::Error::HeaderValue => {
                Fault::Malformed("a header value has a character that is not allowed")
            }
            httparse::Error::NewLine => Fault::Malformed("a line must end with CR LF"),
            httparse::Error::Token => {
                Fault::Malformed("the first line has a character that is not allowed")
            }
            httparse::Error::Status => {
                Fault::Malformed("the status is not a number of three digits")
            }
        }),
    }
}

fn keep(head: &[u8], headers: &[httparse::Header<'_>]) -> Fields {
    let spans = headers
        .iter()
        .map(|header| {
            (
                Span::of_text(head, header.name),
                Span::of(head, header.value),
            )
        })
        .collect();
    Fields {
        bytes: head.into(),
        spans,
    }
}
