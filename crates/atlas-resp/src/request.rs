//! What clients ask: commands, found in a buffer that the caller owns.
//!
//! The caller appends what it reads to one buffer and calls [`Decoder::decode`] until it says that the rest is
//! incomplete. Arguments are ranges of the buffer. What lies before [`Decoder::consumed`] may be thrown away, whenever it
//! suits the caller, who then tells the decoder by [`Decoder::discard`].
//!
//! ```
//! use atlas_resp::request::{Decoder, Limits, Progress};
//!
//! let mut buffer = b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n$4\r\nPI".to_vec();
//! let (mut decoder, limits, mut arguments) = (Decoder::default(), Limits::default(), Vec::new());
//! assert_eq!(decoder.decode(&mut buffer, &limits, &mut arguments), Ok(Progress::Command));
//! let words: Vec<&[u8]> = arguments.iter().map(|range| &buffer[range.start as usize..range.end as usize]).collect();
//! assert_eq!(words, [&b"ECHO"[..], b"hi"]);
//!
//! assert_eq!(decoder.decode(&mut buffer, &limits, &mut arguments), Ok(Progress::Incomplete { missing: 4 }));
//! let consumed = decoder.consumed();
//! buffer.drain(..consumed);
//! decoder.discard(consumed);
//! buffer.extend_from_slice(b"NG\r\n");
//! assert_eq!(decoder.decode(&mut buffer, &limits, &mut arguments), Ok(Progress::Command));
//! ```

mod ahead;
mod decoder;
mod inline;
mod limits;
mod violation;

pub use ahead::second_arguments;
pub use decoder::{Decoder, Progress};
pub use limits::Limits;
pub use violation::Violation;

/// True for the first word of a line that browsers send and clients of a store do not: `POST` and `Host:`.
///
/// Whoever can make a browser send a request to a store's port would have its body run as commands; such a connection is
/// closed without an answer. Lines are looked at by the decoder; whoever gets a command as an array of bulks may ask.
pub fn is_http(first: &[u8]) -> bool {
    first.eq_ignore_ascii_case(b"POST") || first.eq_ignore_ascii_case(b"Host:")
}
