//! Requests: however the bytes are cut, the same commands are found; arguments lie inside of what was sent and apart;
//! and what was understood, written again, is understood the same.

#![cfg_attr(fuzzing, no_main)]

use std::ops::Range;

use atlas_resp::command;
use atlas_resp::request::{Decoder, Limits, Progress, Violation};

type Words = Vec<Vec<u8>>;

// The first byte chooses the limits and the size of the pieces.
atlas_fuzz::target!(|data| {
    let Some((&first, input)) = data.split_first() else {
        return;
    };
    let limits = match first % 3 {
        0 => Limits::default(),
        1 => Limits::BEFORE_LOGIN,
        _ => Limits {
            arguments_max: 4,
            bulk_bytes_max: 20,
            inline_bytes_max: 30,
            command_bytes_max: 60,
            before_login: false,
        },
    };
    let whole = understood([input], &limits);
    let size = usize::from(first / 3) + 1;
    assert_eq!(understood(input.chunks(size), &limits), whole);
    let mut again = Vec::new();
    for words in &whole.0 {
        command(&mut again, words);
    }
    assert_eq!(
        understood([&again[..]], &Limits::default()),
        (whole.0, None)
    );
});

fn understood<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> (Vec<Words>, Option<Violation>) {
    let (mut decoder, mut buffer, mut arguments) = (Decoder::default(), Vec::new(), Vec::new());
    let mut commands = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let before = decoder.consumed();
            match decoder.decode(&mut buffer, limits, &mut arguments) {
                Ok(Progress::Command) => {
                    check(&arguments, before..decoder.consumed(), limits);
                    let word = |range: &Range<u32>| {
                        buffer[range.start as usize..range.end as usize].to_vec()
                    };
                    commands.push(arguments.iter().map(word).collect());
                }
                Ok(Progress::Incomplete { missing }) => {
                    assert!(missing > 0);
                    break;
                }
                Err(violation) => return (commands, Some(violation)),
            }
        }
        let consumed = decoder.consumed();
        buffer.drain(..consumed);
        decoder.discard(consumed);
        arguments = vec![7..9; 3];
    }
    (commands, None)
}

fn check(arguments: &[Range<u32>], command: Range<usize>, limits: &Limits) {
    assert!(!arguments.is_empty());
    assert!(arguments.len() <= limits.arguments_max as usize);
    let mut end = command.start as u32;
    for range in arguments {
        assert!(range.start >= end && range.end >= range.start);
        end = range.end;
    }
    assert!(end as usize <= command.end);
}
