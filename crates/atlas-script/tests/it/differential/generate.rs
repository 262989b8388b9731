//! Random scripts.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{one, quoted};

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.1",
    "1e15",
    "1e14",
    "99999999999999",
    "123456789.12345678",
    "1/3",
    "-0.5",
    "1e-5",
    "1e300",
    "2^31",
    "2^31-1",
    "-2^31",
    "2^32",
    "2^53",
    "2^63",
    "-2^63",
    "2^64",
    "1e308*10",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "-32",
    "-33",
    "-128",
    "-129",
    "-32768",
    "-32769",
    "4294967295",
    "4294967296",
    "3.5",
    "1e-300",
    "-0",
];

pub(super) fn number(random: &mut StdRng) -> String {
    match random.random_range(0..4) {
        0 => one(random, NUMBERS).to_owned(),
        1 => random.random_range(-1000..1000).to_string(),
        2 => format!("{:?}", random.random_range(-1e6..1e6)),
        _ => {
            let bits = f64::from_bits(random.random());
            if bits.is_finite() {
                format!("{bits:?}")
            } else {
                String::from("7")
            }
        }
    }
}

pub(super) fn bytes(random: &mut StdRng, most: usize) -> Vec<u8> {
    let length = random.random_range(0..=most);
    (0..length)
        .map(|_| match random.random_range(0..3) {
            0 => random.random(),
            1 => random.random_range(b'a'..=b'z'),
            _ => *b"\"\\/\n\t\0 {}[],:.%"[..]
                .get(random.random_range(0..15))
                .unwrap_or(&b'x'),
        })
        .collect()
}

/// A value whose tables have one key at most where their order would show.
fn value(random: &mut StdRng, depth: usize) -> String {
    match random.random_range(0..if depth == 0 { 5 } else { 8 }) {
        0 | 1 => number(random),
        2 => quoted(&bytes(random, 40)),
        3 => one(random, &["true", "false"]).to_owned(),
        4 => one(random, &["cjson.null", "nil", "{}"]).to_owned(),
        5 | 6 => {
            let count = random.random_range(0..20);
            let items: Vec<String> = (0..count).map(|_| value(random, depth - 1)).collect();
            format!("{{{}}}", items.join(","))
        }
        _ => {
            let key = match random.random_range(0..3) {
                0 => quoted(&bytes(random, 12)),
                1 => random.random_range(-3..30).to_string(),
                _ => String::from("1.5"),
            };
            format!("{{[{key}]={}}}", value(random, depth - 1))
        }
    }
}

pub(super) fn json_round_trip(random: &mut StdRng) -> String {
    let setting = match random.random_range(0..8) {
        0 => format!(
            "cjson.encode_number_precision({})",
            random.random_range(1..15)
        ),
        1 => String::from("cjson.encode_sparse_array(true)"),
        2 => String::from("cjson.encode_sparse_array(true, 1, 2)"),
        3 => String::from("cjson.encode_invalid_numbers(true)"),
        4 => String::from("cjson.encode_invalid_numbers('null')"),
        5 => format!("cjson.encode_max_depth({})", random.random_range(1..4)),
        _ => String::new(),
    };
    // Settings outlive a script in Redis: a copy of the library keeps them apart.
    let value = value(random, 3);
    format!(
        "local cjson = cjson.new() {setting} local j = cjson.encode({value}) return j, cjson.decode(j)"
    )
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "false",
    "1",
    "-1",
    "0",
    "01",
    "1.5",
    "1e5",
    "1e",
    ".5",
    "5.",
    "+1",
    "-",
    "0x1F",
    "0x",
    "inf",
    "-inf",
    "nan",
    "Infinity",
    "\"a\"",
    "\"\"",
    "\"\\n\"",
    "\"\\u0041\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\udc00\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"a",
    " ",
    "\t",
    "\n",
    "nul",
    "tru",
    "x",
    "\"\u{e9}\"",
    "\0",
    "{\"a\":1}",
    "[1,2]",
    "[[",
    "]]",
    "\"k\":",
    "1e400",
    "1e-400",
    "123456789012345678901234567890",
    "i",
    "N",
    "\\",
];

pub(super) fn json_text(random: &mut StdRng) -> String {
    let count = random.random_range(1..8);
    let text: String = match random.random_range(0..3) {
        0 => (0..count).map(|_| one(random, JSON)).collect(),
        1 => {
            let items: Vec<&str> = (0..count).map(|_| one(random, JSON)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let items: Vec<String> = (0..count)
                .map(|place| format!("\"{place}\":{}", one(random, JSON)))
                .collect();
            format!("{{{}}}", items.join(","))
        }
    };
    let mut text = text.into_bytes();
    if random.random_bool(0.2) && !text.is_empty() {
        let place = random.random_range(0..text.len());
        text[place] = random.random();
    }
    let strict = if random.random_bool(0.3) {
        "cjson.decode_invalid_numbers(false)"
    } else {
        ""
    };
    let depth = if random.random_bool(0.2) {
        "cjson.decode_max_depth(2)"
    } else {
        ""
    };
    format!(
        "local cjson = cjson.new() {strict} {depth} return cjson.decode({})",
        quoted(&text)
    )
}

pub(super) fn messagepack_round_trip(random: &mut StdRng) -> String {
    let values: Vec<String> = (0..random.random_range(1..4))
        .map(|_| value(random, 3))
        .collect();
    format!(
        "local p = cmsgpack.pack({}) return p, cmsgpack.unpack(p)",
        values.join(",")
    )
}

pub(super) fn messagepack_bytes(random: &mut StdRng) -> String {
    let length = random.random_range(0..12);
    let mut input = Vec::new();
    for _ in 0..length {
        match random.random_range(0..4) {
            0 => input.push(random.random()),
            1 => input.push(random.random_range(0xC0..=0xDF)),
            2 => input.push(random.random_range(0x80..=0xA4)),
            _ => input.extend_from_slice(&[0, 1]),
        }
    }
    let input = quoted(&input);
    match random.random_range(0..4) {
        0 => format!(
            "return cmsgpack.unpack_one({input}, {})",
            random.random_range(-1..5)
        ),
        1 => format!(
            "return cmsgpack.unpack_limit({input}, {}, {})",
            random.random_range(-1..4),
            random.random_range(-1..5)
        ),
        _ => format!("return cmsgpack.unpack({input})"),
    }
}

const LAYOUTS: &[&str] = &[
    "b",
    "B",
    "h",
    "H",
    "l",
    "L",
    "T",
    "i",
    "I",
    "i1",
    "i2",
    "i3",
    "i4",
    "i8",
    "i16",
    "I3",
    "I8",
    "f",
    "d",
    "x",
    "s",
    "c",
    "c0",
    "c2",
    "c5",
    ">",
    "<",
    "!",
    "!1",
    "!2",
    "!4",
    "!8",
    "!3",
    " ",
    "i33",
    "z",
    "i0",
    "bc0",
    "c99999999999",
    "I32",
];

pub(super) fn layout(random: &mut StdRng) -> String {
    let count = random.random_range(1..6);
    let format: String = (0..count).map(|_| one(random, LAYOUTS)).collect();
    match random.random_range(0..3) {
        0 => {
            // What passes 64 bits is left to the compiler in C.
            let values: Vec<String> = (0..random.random_range(0..7))
                .map(|_| match random.random_range(0..3) {
                    0 => quoted(&bytes(random, 8)),
                    1 => random.random_range(-100_000..100_000).to_string(),
                    _ => format!("{:?}", random.random_range(-1e18..1e18)),
                })
                .collect();
            format!(
                "return struct.pack('{format}'{}{})",
                if values.is_empty() { "" } else { "," },
                values.join(",")
            )
        }
        1 => format!("return struct.size('{format}')"),
        _ => {
            let data = quoted(&bytes(random, 40));
            let start = match random.random_range(0..4) {
                0 => format!(", {}", random.random_range(-2..6)),
                _ => String::new(),
            };
            format!("return struct.unpack('{format}', {data}{start})")
        }
    }
}

pub(super) fn bits(random: &mut StdRng) -> String {
    let function = one(
        random,
        &[
            "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror",
            "bswap", "tohex",
        ],
    );
    let values: Vec<String> = (0..random.random_range(0..4))
        .map(|_| match random.random_range(0..8) {
            0 => String::from("'12'"),
            1 => String::from("'x'"),
            2 => String::from("nil"),
            _ => number(random),
        })
        .collect();
    format!("return bit.{function}({})", values.join(","))
}

const ITEMS: &[&str] = &[
    "a", "b", ".", "%a", "%d", "%s", "%w", "%p", "%x", "%u", "%l", "%c", "%z", "%A", "%D", "%S",
    "%W", "[ab]", "[^ab]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "[%]x]", "(", ")", "()", "%1",
    "%2", "%b()", "%bab", "%f[a]", "%f[%w]", "$", "^", "%", "%%", "%.", "[", "[^", "[a", "x", " ",
    "-", "%f", "%b", "\0", "%-",
];

fn pattern(random: &mut StdRng) -> Vec<u8> {
    let mut pattern = String::new();
    if random.random_bool(0.2) {
        pattern.push('^');
    }
    for _ in 0..random.random_range(0..6) {
        pattern.push_str(one(random, ITEMS));
        pattern.push_str(one(random, &["", "", "", "*", "+", "-", "?"]));
    }
    pattern.into_bytes()
}

fn subject(random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..24);
    (0..length)
        .map(|_| {
            *b"aaabbbcx (). 09_AZ-\0\n%]"
                .get(random.random_range(0..24))
                .unwrap_or(&b'a')
        })
        .collect()
}

pub(super) fn patterns(random: &mut StdRng) -> String {
    let text = quoted(&subject(random));
    let pattern = quoted(&pattern(random));
    match random.random_range(0..7) {
        0 => format!("return string.find({text}, {pattern})"),
        1 => format!(
            "return string.find({text}, {pattern}, {})",
            random.random_range(-9..9)
        ),
        2 => format!("return string.match({text}, {pattern})"),
        3 => format!(
            "return ({text}):match({pattern}, {})",
            random.random_range(-9..9)
        ),
        4 => {
            let replacement = one(
                random,
                &["x", "<%0>", "%1", "%2%1", "%", "%%", "%a", "", "5"],
            );
            let most = one(random, &["", ", 0", ", 1", ", 2", ", -1", ", nil"]);
            format!(
                "return string.gsub({text}, {pattern}, {}{most})",
                quoted(replacement.as_bytes())
            )
        }
        5 => {
            let replacement = one(
                random,
                &[
                    "function(...) return select('#', ...) end",
                    "function(a) return a end",
                    "function() end",
                    "function() return false end",
                    "{a = 'A', b = 1, [1] = 'one'}",
                    "function(a, b) return b end",
                    "function() return {} end",
                    "5",
                ],
            );
            let most = one(random, &["", "", ", 1", ", 2"]);
            format!("return string.gsub({text}, {pattern}, {replacement}{most})")
        }
        _ => format!(
            "local r = {{}} for a, b in string.gmatch({text}, {pattern}) do r[#r + 1] = tostring(a) .. '|' .. tostring(b) end return r"
        ),
    }
}

pub(super) fn formats(random: &mut StdRng) -> String {
    let mut template = String::new();
    let mut values = Vec::new();
    for _ in 0..random.random_range(1..4) {
        template.push_str(one(random, &["", "x", "%%", " "]));
        template.push('%');
        for _ in 0..random.random_range(0..3) {
            template.push_str(one(random, &["-", "+", " ", "#", "0", ""]));
        }
        template.push_str(one(random, &["", "", "5", "12", "30", "99", "100"]));
        template.push_str(one(
            random,
            &["", "", ".", ".0", ".3", ".14", ".17", ".99", ".100"],
        ));
        let letter = one(
            random,
            &[
                "d", "i", "u", "o", "x", "X", "c", "e", "E", "f", "g", "G", "q", "s", "y", "a",
            ],
        );
        template.push_str(letter);
        values.push(match (letter, random.random_range(0..12)) {
            (_, 0) => String::from("nil"),
            (_, 1) => String::from("'12'"),
            ("s" | "q", _) => {
                let long = if random.random_bool(0.2) { 120 } else { 12 };
                quoted(&bytes(random, long))
            }
            // What passes the range of an integer is left to the compiler in C.
            ("d" | "i" | "u" | "o" | "x" | "X" | "c", _) => {
                random.random_range(-100_000..100_000).to_string()
            }
            _ => number(random),
        });
    }
    if random.random_bool(0.05) {
        values.pop();
    }
    let comma = if values.is_empty() { "" } else { ", " };
    format!(
        "return string.format('{template}'{comma}{})",
        values.join(", ")
    )
}
