//! Payloads that Redis wrote, and what is left of them after damage.

mod streams;

use super::*;
use crate::random::Random;
use crate::reply::Answer;
use crate::testing::Stage;

/// Payloads of Redis 7.0.15, whole.
const WHOLE: [(&str, &str); 13] = [
    ("string", "000568656c6c6f0a006372df766534200a"),
    ("number", "00c1c7cf0a0067eda236b4db26d0"),
    (
        "large number",
        "0013393232333337323033363835343737353830370a003a657e9481e85f22",
    ),
    (
        "compressed",
        "00c30b40780361626361e069020162630a00c494a1702ae23e06",
    ),
    (
        "list",
        "120102c32c406c1d6c0000000700816102816202c12c02f178ec03f270110104f400f2052a01201c0309e04678e03c\
         000148ff0a00c863e7927b48e5ee",
    ),
    (
        "list with a plain node",
        "120202c3407a633607362300000100f02820060079e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff\
         00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff\
         00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e00e000246adff020d0d0000000100847461696c\
         05ff0a00af151b42cc36fe7d",
    ),
    (
        "list of three nodes",
        "1203020b0b000000020001010201ff020b0b000000020003010401ff02090900000001000501ff0a00bdb9438775a1\
         f021",
    ),
    (
        "set of integers",
        "0b20080000000300000090eefeffffffffff030000000000000000f2052a010000000a008d6e06554c70df58",
    ),
    ("set", "02030162c00701610a002d3ad4bcce3d99a4"),
    (
        "hash",
        "1012120000000400816602817602816e022a01ff0a00ff30e87f7262d991",
    ),
    (
        "large hash",
        "04010166c3094041017676e034000176760a003d71be523786cf45",
    ),
    (
        "sorted set",
        "111d1d0000000600816202842d696e660581610283312e35048163020701ff0a0051045ee1e370efe5",
    ),
    (
        "large sorted set",
        "05030162000000000000f07f0161000000000000f83f01630000000000001cc00a007c059dd86f2fc761",
    ),
];

/// Bodies in the encodings of older versions, checked with Redis 7.0.15.
const OLDER: [(&str, &str); 9] = [
    ("0101c200000080", "-2147483648"),
    ("01030161c0ffc10080", "a -1 -32768"),
    (
        "0e0210100000000d000000020000016103f2ff0e0e0000000a0000000100000163ff",
        "a 1 c",
    ),
    ("0202016d016e", "m n"),
    ("0b0c0200000002000000fbff0700", "-5 7"),
    ("0b10040000000200000090eefeff07000000", "-70000 7"),
    (
        "0304016103312e350162fe0163ff0164052d31653130",
        "a=1.5 b=inf c=-inf d=-10000000000",
    ),
    (
        "0c18180000001500000004000001610303312e3505016203f8ff",
        "a=1.5 b=7",
    ),
    ("0d151500000012000000040000016603017603f402f5ff", "f=v 3=4"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn seal(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = body.to_vec();
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = CHECKSUM.checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// What a body of a collection holds, one word an element.
fn words(body: &[u8]) -> Result<String> {
    let mut words: Vec<String> = Vec::new();
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut input = Input::new(body, 1 << 20);
    let kind = input.byte()?;
    match kind {
        kind::STRING => words.push(show(input.text()?.as_bytes())),
        kind::LIST
        | kind::LIST_ZIPLIST
        | kind::LIST_QUICKLIST
        | kind::LIST_QUICKLIST_2
        | kind::SET
        | kind::SET_INTSET
        | kind::SET_LISTPACK => elements(kind, &mut input, &mut |element| {
            words.push(show(element));
            Ok(())
        })?,
        kind::SORTED_SET
        | kind::SORTED_SET_2
        | kind::SORTED_SET_ZIPLIST
        | kind::SORTED_SET_LISTPACK => scored(kind, &mut input, &mut |member, score| {
            words.push(format!("{}={score}", show(member)));
            Ok(())
        })?,
        _ => pairs(kind, &mut input, &mut |name, value| {
            words.push(format!("{}={}", show(name), show(value)));
            Ok(())
        })?,
    }
    assert!(input.is_empty());
    Ok(words.join(" "))
}

#[test]
fn what_redis_writes_is_read() {
    let x = "x".repeat(70);
    let y = "y".repeat(9000);
    let v = "v".repeat(65);
    let expected = [
        "hello",
        "-12345",
        "9223372036854775807",
        &"abc".repeat(40),
        &format!("a b 300 -5000 70000 5000000000 {x}"),
        &format!("{y} tail"),
        "1 2 3 4 5",
        "-70000 3 5000000000",
        "b 7 a",
        "f=v n=42",
        &format!("f={v}"),
        "b=-inf a=1.5 c=7",
        "b=inf a=1.5 c=-7",
    ];
    for ((name, hex), expected) in WHOLE.iter().zip(expected) {
        let payload = bytes(hex);
        assert!(is_sealed(&payload), "{name}");
        let body = &payload[..payload.len() - FOOTER_BYTES];
        assert_eq!(words(body).as_deref(), Ok(expected), "{name}");
    }
}

#[test]
fn what_older_versions_write_is_read() {
    for (hex, expected) in OLDER {
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&bytes(hex)).as_deref(), Ok(&*expected), "{hex}");
    }
    // Every form that a zip list has for integers, and two for text.
    let mut body = bytes(
        "0a40b3b30000009c000000120000016103f102fd02fe0d03feff03fe8003fe7f03c0800004c0008004c0ff7f04f00000\
         8005f0ffff7f05d00000008006d0ffffff7f06e000000000000000800ae0ffffffffffffff7f0a4046",
    );
    body.extend_from_slice(&[b'x'; 70]);
    body.extend_from_slice(&bytes("4914"));
    body.extend_from_slice(&[b'y'; 20]);
    body.push(0xff);
    let expected = format!(
        "a 0 12 13 -1 -128 127 128 -32768 32767 -8388608 8388607 -2147483648 2147483647 \
         -9223372036854775808 9223372036854775807 {} {}",
        "x".repeat(70),
        "y".repeat(20),
    );
    assert_eq!(words(&body), Ok(expected));
    let long = "w".repeat(300);
    // Three free bytes behind each value.
    let mut zipmap = bytes("020166010376000000 0167fe2c01000003");
    zipmap.extend_from_slice(long.as_bytes());
    zipmap.extend_from_slice(&[0, 0, 0, 255]);
    let mut body = bytes("094141");
    body.extend_from_slice(&zipmap);
    assert_eq!(words(&body), Ok(format!("f=v g={long}")));
}

#[test]
fn what_is_dumped_is_restored() {
    let mut stage = Stage::new();
    for line in [
        "set text some-text",
        "set number 42",
        "set negative -129",
        "set half -32769",
        "set whole 2147483648",
        "hset hash a 1 b two",
        "sadd set a 7 b",
        "sadd integers 1 -5 70000",
    ] {
        stage.run(line);
    }
    stage.run_bytes(["set", "long", &"x".repeat(70_000)]);
    stage.run_bytes(["set", "middle", &"y".repeat(200)]);
    for number in 0..1000 {
        stage.run(&format!("hset large field-{number} {number}"));
        stage.run(&format!("rpush many element-{number} {number}"));
        stage.run(&format!("zadd ranked {number} member-{number}"));
        stage.run(&format!("sadd members member-{number}"));
    }
    for key in [
        "text", "number", "negative", "half", "whole", "long", "middle", "hash", "large", "set",
        "integers",
    ] {
        let Answer::Bulk(payload) = stage.run_bytes(["dump", key]) else {
            panic!("{key} has no payload");
        };
        let before = stage.run_bytes(["debug", "digest-value", key]);
        stage.run_bytes(["del", key]);
        let command: [&[u8]; 4] = [b"restore", key.as_bytes(), b"0", &payload];
        assert_eq!(
            stage.run_bytes(command),
            Answer::Simple("OK".into()),
            "{key}"
        );
        assert_eq!(
            stage.run_bytes(["debug", "digest-value", key]),
            before,
            "{key}"
        );
        let again = stage.run_bytes(["dump", key]);
        assert_eq!(again, Answer::Bulk(payload), "{key}");
    }
}

#[test]
fn a_footer_that_is_wrong_is_refused() {
    let good = bytes(WHOLE[0].1);
    assert!(is_sealed(&good));
    for length in 0..good.len() {
        assert!(!is_sealed(&good[..length]), "{length}");
    }
    for position in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[position / 8] ^= 1 << (position % 8);
        assert!(!is_sealed(&flipped), "{position}");
    }
    assert!(is_sealed(&seal(b"", VERSION_MAX)));
    assert!(!is_sealed(&seal(b"", VERSION_MAX + 1)));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut stage = Stage::new();
    for (what, hex) in [
        ("nothing", ""),
        ("a string without a length", "00"),
        ("a string of 2^63 bytes", "00818000000000000000"),
        ("a string of 2^32 bytes", "0080ffffffff"),
        ("a string of 2^64 - 1 bytes", "0081ffffffffffffffff"),
        ("a length of no known form", "0082"),
        ("a special form that nobody has", "00c4"),
        ("bytes behind the value", "00016161"),
        ("compressed text said to be huge", "00c30280ffffffff0061"),
        ("compressed text too long", "00c302020061"),
        ("a hash of 2^64 - 1 fields", "0481ffffffffffffffff"),
        ("a hash of 2^32 - 1 fields", "0480ffffffff0161016201630164"),
        ("an empty hash", "0400"),
        ("an empty list pack", "100707000000 0000ff"),
        ("a field twice", "04020166017601660177"),
        ("a field without a value", "1009090000000100816602ff"),
        (
            "a list pack with a wrong size",
            "1012130000000400816602817602816e022a01ff",
        ),
        (
            "a list pack with a wrong count",
            "1012120000000300816602817602816e022a01ff",
        ),
        (
            "a list pack without its end",
            "1012120000000400816602817602816e022a0101",
        ),
        (
            "a list pack with a wrong back length",
            "1012120000000400816603817602816e022a01ff",
        ),
        (
            "a zip list with a wrong tail",
            "0d151500000011000000040000016603017603f402f5ff",
        ),
        (
            "a zip list with a wrong count",
            "0d151500000012000000050000016603017603f402f5ff",
        ),
        (
            "a zip list with a wrong predecessor",
            "0d151500000012000000040000016602017603f402f5ff",
        ),
        ("a stream", "0f00000000"),
        ("a stream of 7.0", "1300000000"),
        ("a module's value", "0700"),
        ("a library of functions", "f50161"),
        ("no type", "ff"),
    ] {
        let payload = seal(&bytes(hex), 10);
        let command: [&[u8]; 4] = [b"restore", b"key", b"0", &payload];
        assert_eq!(
            stage.run_bytes(command),
            Answer::Error("ERR Bad data format".into()),
            "{what}"
        );
        assert_eq!(stage.run("dbsize"), Answer::Integer(0), "{what}");
    }
    // And the pieces that types unknown here would read.
    for (what, hex) in [
        ("integers out of order", "0b0c02000000020000000700fbff"),
        ("an integer twice", "0b0c0200000002000000fbfffbff"),
        (
            "integers of three bytes",
            "0b0e0300000002000000fbff00070000",
        ),
        ("too few integers", "0b0c0200000003000000fbff0700"),
        ("a score that is none", "03010161fd"),
        ("a score that is text", "0301016103616263"),
        ("a score in bits that is none", "05010161000000000000f87f"),
        ("a node of no known kind", "1201030161"),
        ("a plain node without bytes", "12010100"),
    ] {
        assert_eq!(words(&bytes(hex)), Err(Malformed), "{what}");
    }
}

/// A payload with some bytes of its body changed, removed or doubled, under a valid checksum.
fn mutated(body: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 16] = [
        0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xe0, 0xf0, 0xf4, 0xfe, 0xff, 0x10,
    ];
    let mut body = body.to_vec();
    for _ in 0..=random.below(4) {
        let position = random.below(body.len());
        match random.below(6) {
            0 => body[position] ^= 1 << random.below(8),
            1 => body[position] = random.bits() as u8,
            2 => body[position] = TELLING[random.below(TELLING.len())],
            3 => body.insert(position, TELLING[random.below(TELLING.len())]),
            4 if body.len() > 1 => drop(body.remove(position)),
            _ => {
                let end = (position + random.below(12)).min(body.len());
                let piece = body[position..end].to_vec();
                let at = random.below(body.len());
                body.splice(at..at, piece);
            }
        }
    }
    seal(&body, 10)
}

/// Damages payloads and restores them: refused, or as harmless as any other value, and never larger than its payload
/// allows.
///
/// `asked` are lines whose answers about `key` tell values apart.
fn damage(bodies: &[Vec<u8>], asked: &[&str], count: usize, seed: u64) {
    // What a byte can become: compressed text of the shortest elements there are, each with its own allocation.
    const BYTES_A_BYTE: usize = 88 * 64;
    let mut random = Random::new(seed);
    let (mut refused, mut taken) = (0, 0);
    let mut stage = Stage::new();
    for number in 0..count {
        let body = &bodies[random.below(bodies.len())];
        let payload = mutated(body, &mut random);
        let command: [&[u8]; 5] = [b"restore", b"key", b"0", &payload, b"replace"];
        match stage.run_bytes(command) {
            Answer::Error(line) => {
                assert_eq!(line, "ERR Bad data format", "{payload:x?}");
                refused += 1;
                continue;
            }
            answer => assert_eq!(answer, Answer::Simple("OK".into()), "{payload:x?}"),
        }
        taken += 1;
        let Answer::Integer(memory) = stage.run("memory usage key") else {
            panic!("no memory told of {payload:x?}");
        };
        assert!(
            memory as usize <= 1024 + payload.len() * BYTES_A_BYTE,
            "{memory} bytes of {payload:x?}"
        );
        // The value is whole: it can be written and read back, in both formats, and is the same then.
        let before: Vec<Answer> = asked.iter().map(|line| stage.run(line)).collect();
        let Answer::Bulk(written) = stage.run("dump key") else {
            panic!("no payload of {payload:x?}");
        };
        let command: [&[u8]; 5] = [b"restore", b"key", b"0", &written, b"replace"];
        assert_eq!(stage.run_bytes(command), Answer::Simple("OK".into()));
        let after: Vec<Answer> = asked.iter().map(|line| stage.run(line)).collect();
        assert_eq!(after, before, "{payload:x?}");
        if number % 64 == 0 {
            stage.check_snapshot();
        }
    }
    // A test that only ever sees one of the two would tell nothing.
    assert!(
        refused > count / 4 && taken > count / 20,
        "{refused} refused, {taken} taken"
    );
}

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for (_, hex) in WHOLE {
        let payload = bytes(hex);
        bodies.push(payload[..payload.len() - FOOTER_BYTES].to_vec());
    }
    bodies.extend(OLDER.iter().map(|(hex, _)| bytes(hex)));
    bodies
}

#[test]
fn damaged_payloads_are_refused_or_harmless() {
    damage(&bodies(), &["debug digest-value key"], 2_000, 1);
}

#[test]
#[ignore = "the long form: a hundred thousand payloads"]
fn many_damaged_payloads_are_refused_or_harmless() {
    damage(&bodies(), &["debug digest-value key"], 100_000, 2);
}
