//! Replies: however the bytes are cut, the same values are found; and what was understood, written again, is understood
//! the same.

#![cfg_attr(fuzzing, no_main)]

use atlas_resp::Protocol;
use atlas_resp::reply::{Decoder, Limits, Malformed, Value};

const LIMITS: Limits = Limits {
    line_bytes_max: 200,
    reply_bytes_max: 10_000,
    elements_max: 1_000,
    depth_max: 10,
};

// The first byte is the size of the pieces.
atlas_fuzz::target!(|data| {
    let Some((&first, input)) = data.split_first() else {
        return;
    };
    let whole = understood([input]);
    let pieces = understood(input.chunks(usize::from(first) + 1));
    // Compared as text, because nan is equal to nothing.
    assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    let again: Vec<u8> = whole
        .0
        .iter()
        .flat_map(|value| value.to_bytes(Protocol::Resp3))
        .collect();
    let (values, _) = understood([&again[..]]);
    // An error that was sent as a blob is written as a line, where it fits; the value is the same.
    assert_eq!(format!("{values:?}"), format!("{:?}", whole.0));
});

fn understood<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Value>, Option<Malformed>) {
    let (mut decoder, mut buffer, mut values) = (Decoder::new(LIMITS), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&buffer) {
                Ok((used, value)) => {
                    buffer.drain(..used);
                    match value {
                        Some(value) => values.push(value),
                        None => break,
                    }
                }
                Err(malformed) => return (values, Some(malformed)),
            }
        }
    }
    (values, None)
}
