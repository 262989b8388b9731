//! Input that nobody should send, and what it may cost: bytes allocated, and time.

use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use atlas_resp::reply::{self, Malformed};
use atlas_resp::request::{Decoder, Limits, Progress, Violation};
use atlas_resp::{Encoder, Protocol, command};

/// What one call may take; each of them is far below.
const TIME_MAX: Duration = Duration::from_secs(1);

fn measured<T>(run: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let began = Instant::now();
    let info = measure(|| result = Some(run()));
    assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
    (result.unwrap(), info)
}

/// Decodes one buffer until it is used up or refused.
fn decode(buffer: &mut [u8], limits: &Limits) -> Result<usize, Violation> {
    let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
    let mut commands = 0;
    while decoder.decode(buffer, limits, &mut arguments)? == Progress::Command {
        commands += 1;
    }
    Ok(commands)
}

fn refused_without_memory(input: &str, limits: &Limits, violation: Violation) {
    let mut buffer = input.as_bytes().to_vec();
    let (result, info) = measured(|| decode(&mut buffer, limits));
    assert_eq!(result, Err(violation), "{input:?}");
    // A word or two of arguments that came before.
    assert!(info.bytes_max <= 128, "{input:?} allocated {info:?}");
}

#[test]
fn a_count_of_2147483647_is_refused_and_nothing_allocated() {
    refused_without_memory(
        "*2147483647\r\n",
        &Limits::default(),
        Violation::MultibulkLength,
    );
    refused_without_memory(
        "*2147483647\r\n",
        &Limits::BEFORE_LOGIN,
        Violation::UnauthenticatedMultibulkLength,
    );
}

#[test]
fn the_largest_count_that_is_allowed_allocates_nothing_before_arguments_come() {
    let mut buffer = b"*1048576\r\n$1\r\na\r\n$1\r\nb".to_vec();
    let (result, info) = measured(|| decode(&mut buffer, &Limits::default()));
    assert_eq!(result, Ok(0));
    assert!(info.bytes_max <= 128, "{info:?}");
}

#[test]
fn a_bulk_of_536870913_bytes_is_refused_and_nothing_allocated() {
    refused_without_memory(
        "*1\r\n$536870913\r\n",
        &Limits::default(),
        Violation::BulkLength,
    );
    refused_without_memory(
        "*1\r\n$536870913\r\n",
        &Limits::BEFORE_LOGIN,
        Violation::BulkLength,
    );
}

#[test]
fn the_largest_bulk_that_is_allowed_allocates_nothing_before_it_comes() {
    let mut buffer = b"*2\r\n$3\r\nSET\r\n$536870912\r\nabc".to_vec();
    let (result, info) = measured(|| decode(&mut buffer, &Limits::default()));
    assert_eq!(result, Ok(0));
    assert!(info.bytes_max <= 128, "{info:?}");
}

#[test]
fn a_bulk_of_minus_5_bytes_is_refused() {
    refused_without_memory("*1\r\n$-5\r\n", &Limits::default(), Violation::BulkLength);
    refused_without_memory(
        "*1\r\n$-5\r\n",
        &Limits::BEFORE_LOGIN,
        Violation::BulkLength,
    );
}

#[test]
fn a_count_of_1e9_is_refused() {
    refused_without_memory("*1e9\r\n", &Limits::default(), Violation::MultibulkLength);
    refused_without_memory(
        "*1e9\r\n",
        &Limits::BEFORE_LOGIN,
        Violation::MultibulkLength,
    );
}

#[test]
fn eleven_arguments_and_16385_bytes_are_refused_before_login() {
    let limits = Limits::BEFORE_LOGIN;
    refused_without_memory(
        "*11\r\n",
        &limits,
        Violation::UnauthenticatedMultibulkLength,
    );
    refused_without_memory(
        "*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        &limits,
        Violation::UnauthenticatedBulkLength,
    );
}

/// A connection's buffer grows with what comes; the decoder refuses as soon as the limit is passed, so that the caller
/// never holds more than the limit and one read.
#[test]
fn a_line_of_64_mib_without_an_end_is_refused_at_the_limit() {
    for (first, limits, violation) in [
        (b'a', Limits::default(), Violation::InlineLine),
        (b'*', Limits::default(), Violation::MultibulkLine),
        (b'a', Limits::BEFORE_LOGIN, Violation::InlineLine),
    ] {
        let piece = vec![first; 4096];
        let ((fed, result), info) = measured(|| {
            let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
            let mut buffer = Vec::new();
            for _ in 0..64 * 1024 * 1024 / piece.len() {
                buffer.extend_from_slice(&piece);
                let result = decoder.decode(&mut buffer, &limits, &mut arguments);
                if result.is_err() {
                    return (buffer.len(), result);
                }
            }
            (buffer.len(), Ok(Progress::Command))
        });
        assert_eq!(result, Err(violation));
        assert!(fed <= limits.inline_bytes_max as usize + piece.len());
        assert!(
            info.bytes_max <= 4 * u64::from(limits.inline_bytes_max),
            "{info:?}"
        );
    }
}

/// Byte by byte, a line or a header is looked at once, so that a slow sender does not cost more than a fast one.
#[test]
fn a_slow_sender_costs_no_more_than_a_fast_one() {
    for first in [b'a', b'*'] {
        let (result, _) = measured(|| {
            let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
            let mut buffer = Vec::new();
            loop {
                buffer.push(first);
                if let Err(violation) =
                    decoder.decode(&mut buffer, &Limits::default(), &mut arguments)
                {
                    return violation;
                }
            }
        });
        assert!(matches!(
            result,
            Violation::InlineLine | Violation::MultibulkLine
        ));
    }
}

/// The list of a half-received command grows with what came, and is given back when it is complete.
#[test]
fn a_million_arguments_in_small_pieces_cost_their_ranges() {
    let mut whole = Vec::new();
    command(&mut whole, vec!["x"; 200_000]);
    let (_, info) = measured(|| {
        let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
        let mut buffer = Vec::with_capacity(whole.len());
        for piece in whole.chunks(1000) {
            buffer.extend_from_slice(piece);
            let progress = decoder
                .decode(&mut buffer, &Limits::default(), &mut arguments)
                .unwrap();
            assert_eq!(progress == Progress::Command, buffer.len() == whole.len());
        }
        assert_eq!(arguments.len(), 200_000);
    });
    let bound = whole.len() as u64 + 4 * 8 * 200_000;
    assert!(info.bytes_max <= bound, "{info:?}, {bound} at most");
}

#[test]
fn a_million_empty_commands_are_passed_over() {
    let mut buffer = b"*0\r\n\r\n".repeat(1_000_000);
    let (result, info) = measured(|| decode(&mut buffer, &Limits::default()));
    assert_eq!(result, Ok(0));
    assert_eq!(info.bytes_max, 0);
}

#[test]
fn a_pipeline_is_decoded_and_answered_without_an_allocation() {
    let mut buffer = Vec::new();
    for _ in 0..1000 {
        command(&mut buffer, ["SET", "key", "value"]);
        buffer.extend_from_slice(b"SET key \"a value\"\r\n");
    }
    let mut arguments = Vec::with_capacity(3);
    let mut out = Vec::with_capacity(1024 * 1024);
    let (_, info) = measured(|| {
        let mut decoder = Decoder::default();
        let mut encoder = Encoder::new(&mut out, Protocol::Resp2);
        while decoder.decode(&mut buffer, &Limits::default(), &mut arguments)
            == Ok(Progress::Command)
        {
            encoder.integer(arguments.len() as i64);
            encoder.bulk("value");
            encoder.double(3.25);
            encoder.null();
        }
    });
    assert_eq!(info.count_total, 0);
    assert!(out.len() > 2000 * 20);
}

#[test]
fn a_reply_nested_10000_deep_is_refused_and_no_stack_grows() {
    for open in [
        "*1\r\n",
        "%1\r\n:1\r\n",
        "|1\r\n:1\r\n:1\r\n",
        "~1\r\n",
        ">1\r\n",
    ] {
        let input = open.repeat(10_000);
        let (result, info) = measured(|| {
            let mut decoder = reply::Decoder::new(reply::Limits::default());
            decoder.decode(input.as_bytes())
        });
        assert_eq!(
            result,
            Err(Malformed::DepthLimit { depth_max: 64 }),
            "{open:?}"
        );
        // What lies below may be as wide as its bytes; the list of each level is made for what can lie in them.
        assert!(info.bytes_max <= 16 * 64 * input.len() as u64, "{info:?}");
    }
}

#[test]
fn lengths_of_a_reply_are_not_believed() {
    for (input, malformed) in [
        (
            "*2147483647\r\n",
            Malformed::ElementsLimit {
                elements_max: 16 * 1024 * 1024,
            },
        ),
        (
            "%9223372036854775807\r\n",
            Malformed::ElementsLimit {
                elements_max: 16 * 1024 * 1024,
            },
        ),
        (
            "$9223372036854775807\r\n",
            Malformed::BytesLimit {
                reply_bytes_max: 1024 * 1024 * 1024,
            },
        ),
        (
            "=99999999999\r\n",
            Malformed::BytesLimit {
                reply_bytes_max: 1024 * 1024 * 1024,
            },
        ),
    ] {
        let (result, info) =
            measured(|| reply::Decoder::new(reply::Limits::default()).decode(input.as_bytes()));
        assert_eq!(result, Err(malformed), "{input:?}");
        assert_eq!(info.bytes_max, 0, "{input:?}");
    }
    for input in [
        "*16777216\r\n:1\r\n",
        "$1000000000\r\nabc",
        "*1\r\n*16000000\r\n",
    ] {
        let (result, info) =
            measured(|| reply::Decoder::new(reply::Limits::default()).decode(input.as_bytes()));
        assert_eq!(result.map(|(_, value)| value), Ok(None), "{input:?}");
        assert!(info.bytes_max <= 2048, "{input:?}: {info:?}");
    }
}
