//! The libraries beside those of redis-server: the same script in both, the same text out of both.

use std::fmt::Write as _;

use atlas_testkit::redis::Redis;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{run, show};

mod generate;
mod written;

/// Shows what a function gave, or what it raised, as text; the same in both.
const SHOW: &str = r#"
local function hex(s) return (s:gsub('[^%w %p]', function(c) return '\\' .. string.byte(c) end)) end
local function show(v)
  local t = type(v)
  if t == 'string' then return '"' .. hex(v) .. '"' end
  if t == 'number' then return string.format('%.17g', v) end
  if t == 'userdata' then return tostring(v) end
  if t ~= 'table' then return t == 'function' and t or tostring(v) end
  local keys = {}
  for k, w in pairs(v) do keys[#keys + 1] = show(k) .. '=' .. show(w) end
  table.sort(keys)
  return '{' .. table.concat(keys, ',') .. '}'
end
local function shown(...)
  local all = {}
  for i = 1, select('#', ...) do all[i] = show((select(i, ...))) end
  return table.concat(all, ' ')
end
"#;

/// What both say to one script.
struct Both {
    redis: Redis,
    sandbox: atlas_script::Sandbox,
    differences: Vec<String>,
    compared: usize,
    /// Whether the place in front of an error counts.
    exact: bool,
}

impl Both {
    fn start() -> Option<Self> {
        Some(Self {
            redis: Redis::start(&[])?,
            sandbox: crate::sandbox(),
            differences: Vec::new(),
            compared: 0,
            exact: true,
        })
    }

    /// Compares scripts; each is the body of a function.
    fn compare(&mut self, bodies: &[String]) {
        for bodies in bodies.chunks(200) {
            let scripts: Vec<String> = bodies
                .iter()
                .map(|body| format!("{SHOW} return shown(pcall(function() {body} end))"))
                .collect();
            let mut input = Vec::new();
            for script in &scripts {
                let mut head = String::new();
                let _ = write!(
                    head,
                    "*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n",
                    script.len()
                );
                input.extend_from_slice(head.as_bytes());
            }
            let answers = self.redis.answer(&input);
            let mut rest = &answers[..];
            for (body, script) in bodies.iter().zip(&scripts) {
                let theirs = next_answer(&mut rest);
                let ours = match run(&self.sandbox, script) {
                    Ok(values) => match values.front() {
                        Some(mlua::Value::String(text)) => text.as_bytes().to_vec(),
                        other => format!("{other:?}").into_bytes(),
                    },
                    Err(error) => format!("error: {error}").into_bytes(),
                };
                self.compared += 1;
                if ours != theirs
                    && (self.exact || String::from_utf8_lossy(&ours) != without_place(&theirs))
                {
                    self.differences.push(format!(
                        "{}\n  ours:   {}\n  theirs: {}",
                        body.escape_debug(),
                        String::from_utf8_lossy(&ours),
                        String::from_utf8_lossy(&theirs)
                    ));
                }
            }
        }
    }

    fn assert_alike(&self) {
        let first: Vec<_> = self
            .differences
            .iter()
            .take(40)
            .map(String::as_str)
            .collect();
        assert!(
            self.differences.is_empty(),
            "{} of {} differ:\n{}",
            self.differences.len(),
            self.compared,
            first.join("\n")
        );
    }
}

/// Without the place of an error, which a function of ours does not know if it is written in Lua and called last.
fn without_place(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).replace("user_script:19: ", "")
}

/// Takes an answer off the front: a bulk string, or an error as it is.
fn next_answer(rest: &mut &[u8]) -> Vec<u8> {
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .expect("a whole answer");
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    match line.first() {
        Some(b'$') => {
            let length: usize = std::str::from_utf8(&line[1..])
                .expect("digits")
                .parse()
                .expect("a length");
            let body = rest[..length].to_vec();
            *rest = &rest[length + 2..];
            body
        }
        _ => line.to_vec(),
    }
}

#[test]
fn what_is_written_down_is_answered_as_by_redis() {
    let Some(mut both) = Both::start() else {
        return;
    };
    let bodies: Vec<String> = written::BODIES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect();
    both.compare(&bodies);
    both.exact = false;
    both.compare(&written::LOOSE.map(String::from));
    both.assert_alike();
}

#[test]
fn what_is_known_to_differ_does() {
    let Some(mut both) = Both::start() else {
        return;
    };
    for (body, answer) in written::DIFFERENT {
        both.compare(&[(*body).to_owned()]);
        let ours = show(
            &both.sandbox,
            &format!("{SHOW} return shown(pcall(function() {body} end))"),
        );
        assert_eq!(ours, *answer, "{body}");
    }
    assert_eq!(
        both.differences.len(),
        written::DIFFERENT.len(),
        "{:?}",
        both.differences
    );
}

/// Random scripts of one kind, from a seed that names them.
fn compare_random(seed: u64, count: usize, exact: bool, body: impl Fn(&mut StdRng) -> String) {
    let Some(mut both) = Both::start() else {
        return;
    };
    both.exact = exact;
    let mut random = StdRng::seed_from_u64(seed);
    let bodies: Vec<String> = (0..count).map(|_| body(&mut random)).collect();
    both.compare(&bodies);
    both.assert_alike();
}

#[test]
fn random_values_through_json() {
    compare_random(1, 1500, true, generate::json_round_trip);
}

#[test]
fn random_texts_as_json() {
    compare_random(2, 2000, true, generate::json_text);
}

#[test]
fn random_values_through_messagepack() {
    compare_random(3, 1500, true, generate::messagepack_round_trip);
}

#[test]
fn random_bytes_as_messagepack() {
    compare_random(4, 2000, true, generate::messagepack_bytes);
}

#[test]
fn random_layouts_of_struct() {
    compare_random(5, 2000, true, generate::layout);
}

#[test]
fn random_bits() {
    compare_random(6, 1500, true, generate::bits);
}

#[test]
fn random_patterns() {
    compare_random(7, 4000, false, generate::patterns);
}

#[test]
fn random_formats() {
    compare_random(8, 3000, true, generate::formats);
}

/// A script as Lua source: bytes as decimal escapes.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("'");
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || *byte == b' ' {
            text.push(*byte as char);
        } else {
            let _ = write!(text, "\\{byte:03}");
        }
    }
    text.push('\'');
    text
}

/// One of a list.
fn one<'a, T: ?Sized>(random: &mut StdRng, of: &[&'a T]) -> &'a T {
    of[random.random_range(0..of.len())]
}
