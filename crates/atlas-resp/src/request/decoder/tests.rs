use proptest::prelude::*;

use super::*;
use crate::Encoder;

type Words = Vec<Vec<u8>>;

/// What a client that sent all of these pieces, and nothing more, asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Understood {
    commands: Vec<Words>,
    violation: Option<Violation>,
}

/// Feeds the pieces one after the other and throws away what is consumed after each, as a connection does.
fn fed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Understood {
    let mut understood = Understood {
        commands: Vec::new(),
        violation: None,
    };
    let (mut decoder, mut buffer, mut arguments) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer, limits, &mut arguments) {
                Ok(Progress::Command) => understood.commands.push(words(&buffer, &arguments)),
                Ok(Progress::Incomplete { missing }) => {
                    assert!(missing > 0);
                    break;
                }
                Err(violation) => {
                    understood.violation = Some(violation);
                    return understood;
                }
            }
        }
        let consumed = decoder.consumed();
        buffer.drain(..consumed);
        decoder.discard(consumed);
        // Between two pieces the list may serve other connections.
        arguments = vec![7..9; 3];
    }
    understood
}

fn words(buffer: &[u8], arguments: &[Range<u32>]) -> Words {
    arguments
        .iter()
        .map(|range| buffer[range.start as usize..range.end as usize].to_vec())
        .collect()
}

fn understood(input: &[u8]) -> Understood {
    let whole = fed([input], &Limits::default());
    assert_eq!(
        fed(input.chunks(1), &Limits::default()),
        whole,
        "byte by byte: {}",
        input.escape_ascii()
    );
    whole
}

#[test]
fn every_shape_of_a_request_is_understood() {
    type Command<'a> = &'a [&'a [u8]];
    let rows: [(&[u8], &[Command<'_>]); 34] = [
        (b"", &[]),
        (b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]),
        (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", &[&[b"ECHO", b""]]),
        (
            b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n*1\r\n",
            &[&[b"ECHO", b"\r\n*1"]],
        ),
        (b"*0\r\n*-1\r\n*-7\r\n*1\r\n$1\r\na\r\n", &[&[b"a"]]),
        (
            b"*1\r\n$1\r\na\r\nb\r\n*1\r\n$1\r\nc\r\n",
            &[&[b"a"], &[b"b"], &[b"c"]],
        ),
        // Line ends of a header and of an argument are not looked at closely.
        (b"*1\rX$1\rXaXX", &[&[b"a"]]),
        (b"*1\r\n$1\r\n", &[]),
        (b"*1\r\n$1\r\na", &[]),
        (b"*1\r\n$1\r\na\r", &[]),
        (b"*1\r", &[]),
        (b"PING\r\n", &[&[b"PING"]]),
        (b"PING\n", &[&[b"PING"]]),
        (b"\r\n\n  \r\n \t \nPING\r\n", &[&[b"PING"]]),
        (b"  SET\tk  v \r\n", &[&[b"SET", b"k", b"v"]]),
        (b"SET k", &[]),
        (b"$3\r\n", &[&[b"$3"]]),
        (b"a\x0bb\r\n", &[&[b"a\x0bb"]]),
        (b"\x0b\x0ca\r\n", &[&[b"a"]]),
        (b"a\rb\r\n", &[&[b"a", b"b"]]),
        (b"ECHO \"a b\"\r\n", &[&[b"ECHO", b"a b"]]),
        (b"ECHO \"\"\r\n", &[&[b"ECHO", b""]]),
        (b"ECHO ''\r\n", &[&[b"ECHO", b""]]),
        (br#"ECHO "\n\r\t\b\a\\\"\x41\xfF\xg\q""#, &[]),
        (
            b"ECHO \"\\n\\r\\t\\b\\a\\\\\\\"\\x41\\xfF\\xg\\q\"\n",
            &[&[b"ECHO", b"\n\r\t\x08\x07\\\"A\xffxgq"]],
        ),
        (b"ECHO 'it\\'s \\n \"'\n", &[&[b"ECHO", b"it's \\n \""]]),
        (b"ECHO a\"b c\"\n", &[&[b"ECHO", b"ab c"]]),
        (b"ECHO a'b c'\n", &[&[b"ECHO", b"ab c"]]),
        (b"ECHO \"a\"\tb\n", &[&[b"ECHO", b"a", b"b"]]),
        (b"ECHO \\\"\n\"\n", &[]),
        (b"ECHO \xff\xfe\n", &[&[b"ECHO", b"\xff\xfe"]]),
        (b"GET / HTTP/1.1\r\n", &[&[b"GET", b"/", b"HTTP/1.1"]]),
        (b"a\n\"b\"\n'c'\nd\n", &[&[b"a"], &[b"b"], &[b"c"], &[b"d"]]),
        (b"posts\nhost\n", &[&[b"posts"], &[b"host"]]),
    ];
    for (input, expected) in rows {
        let understood = understood(input);
        if input == b"ECHO \\\"\n\"\n" {
            // A backslash outside of quotes is no escape: the quote behind it opens.
            assert_eq!(understood.violation, Some(Violation::UnbalancedQuotes));
            continue;
        }
        assert_eq!(understood.violation, None, "{}", input.escape_ascii());
        assert_eq!(
            understood.commands,
            expected
                .iter()
                .map(|command| command.iter().map(|word| word.to_vec()).collect())
                .collect::<Vec<Words>>(),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn every_violation_is_worded_as_redis_words_it() {
    let long_line = vec![b'a'; 65_537];
    let long_count = [&b"*"[..], &vec![b'1'; 65_536]].concat();
    let long_bulk = [&b"*1\r\n$"[..], &vec![b'1'; 65_536]].concat();
    let rows: [(&[u8], &str); 40] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*1e9\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*2147483647\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\x002\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-5\r\n", "invalid bulk length"),
        (b"*1\r\n$-0\r\n", "invalid bulk length"),
        (b"*1\r\n$03\r\n", "invalid bulk length"),
        (b"*1\r\n$1e3\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n3\r\nfoo\r\n", "expected '$', got '3'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*2\r\n$1\r\na\r\n:1\r\n", "expected '$', got ':'"),
        (b"\"\r\n", "unbalanced quotes in request"),
        (b"'\r\n", "unbalanced quotes in request"),
        (b"a \"b\r\n", "unbalanced quotes in request"),
        (b"\"a\"b\r\n", "unbalanced quotes in request"),
        (b"'a'b\r\n", "unbalanced quotes in request"),
        (b"\"a\\\r\n", "unbalanced quotes in request"),
        (b"a\0b\r\n", "zero byte in inline request"),
        (&long_line, "too big inline request"),
        (&long_count, "too big mbulk count string"),
        (&long_bulk, "too big bulk count string"),
        (b"GET / HTTP/1.1\r\nhOst: x\r\n\r\n", "http request"),
    ];
    for (input, text) in rows {
        let violation = understood(input).violation.unwrap();
        assert_eq!(violation.to_string(), text, "{}", input.escape_ascii());
    }
    assert_eq!(
        understood(b"post / HTTP/1.1\r\n").violation,
        Some(Violation::Http)
    );
}

#[test]
fn a_violation_is_answered_once_and_http_not_at_all() {
    let answer = |violation: Violation| {
        let mut out = Vec::new();
        violation.reply(&mut Encoder::new(&mut out, crate::Protocol::Resp2));
        out
    };
    assert_eq!(
        answer(Violation::BulkLength),
        b"-ERR Protocol error: invalid bulk length\r\n"
    );
    assert_eq!(
        answer(Violation::ExpectedBulk { got: 0xff }),
        b"-ERR Protocol error: expected '$', got '\xff'\r\n"
    );
    assert_eq!(
        answer(Violation::ExpectedBulk { got: b'\r' }),
        b"-ERR Protocol error: expected '$', got ' '\r\n"
    );
    assert_eq!(answer(Violation::Http), b"");
}

#[test]
fn what_came_before_a_violation_is_understood() {
    let input = b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n*1\r\n$4\r\nPING\r\n";
    let seen = understood(input);
    assert_eq!(seen.commands.len(), 2);
    assert_eq!(seen.violation, Some(Violation::BulkLength));
}

#[test]
fn a_violation_is_found_again_if_the_caller_goes_on() {
    let mut buffer = b"*2\r\n$1\r\na\r\n$x\r\n".to_vec();
    let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
    for _ in 0..3 {
        assert_eq!(
            decoder.decode(&mut buffer, &Limits::default(), &mut arguments),
            Err(Violation::BulkLength)
        );
    }
}

#[test]
fn strangers_are_held_to_less() {
    let refused = |input: &[u8]| {
        let whole = fed([input], &Limits::BEFORE_LOGIN);
        assert_eq!(fed(input.chunks(1), &Limits::BEFORE_LOGIN), whole);
        whole.violation.map(|violation| violation.to_string())
    };
    let ten = [&b"*10\r\n"[..], &b"$1\r\na\r\n".repeat(10)].concat();
    let bulk = |length: usize| {
        [
            format!("*1\r\n${length}\r\n").into_bytes(),
            vec![b'a'; length],
            b"\r\n".to_vec(),
        ]
        .concat()
    };
    let long = |count: usize| {
        let mut input = format!("*{count}\r\n").into_bytes();
        for _ in 0..count {
            input.extend(b"$16384\r\n");
            input.extend(vec![b'a'; 16_384]);
            input.extend(b"\r\n");
        }
        input
    };
    assert_eq!(refused(&ten), None);
    assert_eq!(refused(&bulk(16_384)), None);
    assert_eq!(refused(&long(3)), None);
    let rows: [(&[u8], &str); 11] = [
        (b"*11\r\n", "unauthenticated multibulk length"),
        (b"*2147483647\r\n", "unauthenticated multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        (b"*1\r\n$536870912\r\n", "unauthenticated bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (
            b"1 2 3 4 5 6 7 8 9 10 11\r\n",
            "unauthenticated multibulk length",
        ),
        (&long(4), "unauthenticated bulk length"),
        (&[b'a'; 16_385], "too big inline request"),
        (&[b'*'; 16_385], "too big mbulk count string"),
    ];
    for (input, text) in rows {
        assert_eq!(refused(input).as_deref(), Some(text));
    }
}

#[test]
fn limits_change_between_two_commands_of_one_buffer() {
    let mut buffer = Vec::new();
    crate::command(&mut buffer, ["AUTH", "password"]);
    crate::command(&mut buffer, vec!["x"; 100]);
    let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
    assert_eq!(
        decoder.decode(&mut buffer, &Limits::BEFORE_LOGIN, &mut arguments),
        Ok(Progress::Command)
    );
    assert_eq!(
        decoder.decode(&mut buffer, &Limits::default(), &mut arguments),
        Ok(Progress::Command)
    );
    assert_eq!(arguments.len(), 100);
}

#[test]
fn a_whole_command_is_bounded() {
    let limits = Limits {
        command_bytes_max: 100,
        ..Limits::default()
    };
    let command = |last: usize| {
        let mut input = Vec::new();
        crate::command(&mut input, [vec![b'a'; 50], vec![b'b'; last]]);
        input
    };
    // 4 for the count, 5 + 50 + 2, 5 + 32 + 2.
    assert_eq!(command(32).len(), 100);
    assert_eq!(fed([&command(32)[..]], &limits).violation, None);
    assert_eq!(
        fed([&command(33)[..]], &limits).violation,
        Some(Violation::Command)
    );
    // Seventeen arguments cannot be sent in a hundred bytes.
    assert_eq!(
        fed([&b"*17\r\n"[..]], &limits).violation,
        Some(Violation::MultibulkLength)
    );
    // The command before does not count.
    let twice = [command(32), command(32)].concat();
    assert_eq!(fed(twice.chunks(7), &limits).commands.len(), 2);
}

#[test]
fn what_is_missing_is_told() {
    let missing = |input: &[u8]| {
        let mut arguments = Vec::new();
        match Decoder::default().decode(&mut input.to_vec(), &Limits::default(), &mut arguments) {
            Ok(Progress::Incomplete { missing }) => missing,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(missing(b""), 1);
    assert_eq!(missing(b"*1\r\n"), 1);
    assert_eq!(missing(b"*1\r\n$5\r\n"), 7);
    assert_eq!(missing(b"*1\r\n$5\r\nabcde\r"), 1);
    assert_eq!(missing(b"*1\r\n$536870912\r\na"), 536_870_913);
}

#[test]
fn a_part_that_was_understood_is_not_looked_at_again() {
    let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
    let limits = Limits::default();
    let mut buffer = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nab".to_vec();
    let incomplete = decoder.decode(&mut buffer, &limits, &mut arguments);
    assert_eq!(incomplete, Ok(Progress::Incomplete { missing: 3 }));
    // Headers that were read may change: nobody reads them again.
    buffer[..4].copy_from_slice(b"????");
    buffer[4..8].copy_from_slice(b"????");
    buffer.extend_from_slice(b"c\r\n");
    assert_eq!(
        decoder.decode(&mut buffer, &limits, &mut arguments),
        Ok(Progress::Command)
    );
    assert_eq!(words(&buffer, &arguments), [&b"SET"[..], b"k", b"abc"]);

    let mut buffer = vec![b'a'; 1000];
    let mut decoder = Decoder::default();
    let incomplete = decoder.decode(&mut buffer, &limits, &mut arguments);
    assert_eq!(incomplete, Ok(Progress::Incomplete { missing: 1 }));
    buffer[500] = b'\n';
    buffer.extend_from_slice(b"\n");
    assert_eq!(
        decoder.decode(&mut buffer, &limits, &mut arguments),
        Ok(Progress::Command)
    );
    assert_eq!(decoder.consumed(), 1001);
}

#[test]
#[should_panic(expected = "only 4 are consumed")]
fn bytes_of_a_command_in_progress_must_not_be_removed() {
    let mut decoder = Decoder::default();
    let mut buffer = b"*0\r\n*1\r\n$5\r\n".to_vec();
    let _ = decoder.decode(&mut buffer, &Limits::default(), &mut Vec::new());
    decoder.discard(5);
}

/// A command as its words, or an inline line, or bytes of the protocol in some order.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::collection::vec(any::<u8>(), 0..12);
    let command = prop::collection::vec(word, 0..5).prop_map(|words| {
        let mut out = Vec::new();
        crate::command(&mut out, &words);
        out
    });
    let line = "[ a-c\"'\\\\x0-9\t]{0,12}\r?\n".prop_map(String::into_bytes);
    let tokens = prop::collection::vec(
        prop::sample::select(vec![
            &b"*"[..],
            b"$",
            b"\r\n",
            b"\r",
            b"\n",
            b"-",
            b"0",
            b"1",
            b"2",
            b"9",
            b"a",
            b"\0",
            b" ",
            b"\"",
            b"'",
            b"\\",
            b"post",
            b"host:",
            b"*1\r\n$1\r\n",
        ]),
        0..8,
    )
    .prop_map(|tokens| tokens.concat());
    prop::collection::vec(prop_oneof![4 => command, 2 => line, 1 => tokens], 0..6)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_commands(input in input(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        for limits in [Limits::default(), Limits::BEFORE_LOGIN] {
            let whole = fed([&input[..]], &limits);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut last = 0;
            for cut in cuts {
                pieces.push(&input[last..cut]);
                last = cut;
            }
            pieces.push(&input[last..]);
            prop_assert_eq!(fed(pieces, &limits), whole.clone());
            prop_assert_eq!(fed(input.chunks(1), &limits), whole);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(commands in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 0..6)) {
        let mut input = Vec::new();
        for words in &commands {
            crate::command(&mut input, words);
        }
        let understood = fed([&input[..]], &Limits::default());
        prop_assert_eq!(understood, Understood { commands, violation: None });
    }

    #[test]
    fn any_bytes_are_understood_or_refused(input in prop::collection::vec(any::<u8>(), 0..200), size in 1..50_usize) {
        prop_assert_eq!(fed(input.chunks(size), &Limits::default()), fed([&input[..]], &Limits::default()));
    }
}
