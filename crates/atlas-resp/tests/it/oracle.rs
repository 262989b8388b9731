//! What redis-server must answer to bytes if it understands them as our decoder does.
//!
//! Every command is either `ECHO`, whose answer shows its argument, or unknown, and then the error shows its words: the
//! answers tell exactly how the bytes were cut into commands and words.

use std::collections::HashSet;
use std::ops::Range;

use atlas_resp::request::{Decoder, Limits, Progress, Violation};
use atlas_resp::{Encoder, Protocol, reply};

use super::redis::Redis;

/// How much a stranger may be answered for sure. Redis closes the connection of one who has more waiting, and what waits is
/// lost.
const STRANGER_BYTES_MAX: usize = 1024;

/// A redis-server, and which names it takes for commands.
pub(crate) struct Oracle {
    redis: Redis,
    known: HashSet<Vec<u8>>,
    limits: Limits,
}

/// Whether an input could be judged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Redis understood it as we do.
    Same,
    /// The input holds what cannot be compared.
    Unjudged,
    /// It did not: what is expected, and what was answered.
    Different(String),
}

/// What must be answered.
struct Expected {
    /// To the commands.
    commands: Vec<u8>,
    /// And what ended them.
    violation: Option<Violation>,
}

impl Expected {
    fn all(&self) -> Vec<u8> {
        let mut all = self.commands.clone();
        match self.violation {
            None | Some(Violation::ZeroByte) => {}
            Some(violation) => violation.reply(&mut Encoder::new(&mut all, Protocol::Resp2)),
        }
        all
    }
}

impl Oracle {
    /// None where there is no redis-server.
    pub(crate) fn start(before_login: bool) -> Option<Self> {
        let arguments: &[&str] = if before_login {
            &["--requirepass", "secret"]
        } else {
            &[]
        };
        let redis = Redis::start(arguments)?;
        let login: &[u8] = if before_login {
            b"AUTH secret\r\n"
        } else {
            b""
        };
        let answer = redis.answer(&[login, b"COMMAND LIST\r\n"].concat());
        let mut decoder = reply::Decoder::new(reply::Limits::default());
        let skipped = if before_login { b"+OK\r\n".len() } else { 0 };
        let (_, names) = decoder.decode(&answer[skipped..]).expect("a reply");
        let Some(reply::Value::Array(names)) = names else {
            panic!("no list of commands but {}", answer.escape_ascii());
        };
        let known = names
            .iter()
            .filter_map(reply::Value::as_bytes)
            .map(<[u8]>::to_ascii_lowercase);
        Some(Self {
            known: known.collect(),
            redis,
            limits: if before_login {
                Limits::BEFORE_LOGIN
            } else {
                Limits::default()
            },
        })
    }

    /// Sends the bytes to redis-server and compares.
    pub(crate) fn judge(&self, input: &[u8]) -> Verdict {
        let Some(expected) = self.expected(input) else {
            return Verdict::Unjudged;
        };
        let answer = self.redis.answer(input);
        let same = match expected.violation {
            // It closes at once, and what it was about to answer is lost.
            Some(Violation::Http) => answer.is_empty() || answer == expected.commands,
            // It searches for the end of a line no further than a zero byte, and then waits for ever.
            Some(_) if input.contains(&0) && answer == expected.commands => true,
            _ => answer == expected.all(),
        };
        if same {
            return Verdict::Same;
        }
        let cut_off = self.limits.before_login && expected.commands.len() > STRANGER_BYTES_MAX;
        if cut_off && expected.all().starts_with(&answer) {
            return Verdict::Unjudged;
        }
        Verdict::Different(format!(
            "input    {}\nexpected {}\nanswered {}",
            input.escape_ascii(),
            expected.all().escape_ascii(),
            answer.escape_ascii()
        ))
    }

    /// None if it cannot be told.
    fn expected(&self, input: &[u8]) -> Option<Expected> {
        let mut buffer = input.to_vec();
        let (mut decoder, mut arguments) = (Decoder::default(), Vec::new());
        let mut commands = Vec::new();
        let violation = loop {
            match decoder.decode(&mut buffer, &self.limits, &mut arguments) {
                Ok(Progress::Command) => {
                    let words: Vec<&[u8]> =
                        arguments.iter().map(|range| word(&buffer, range)).collect();
                    self.answer(&words, &mut Encoder::new(&mut commands, Protocol::Resp2))?;
                }
                Ok(Progress::Incomplete { .. }) => break None,
                Err(violation) => break Some(violation),
            }
        };
        // As it was sent: a line's words are resolved in place.
        let rest = &input[decoder.consumed()..];
        violation
            .is_none_or(|violation| told(violation, rest))
            .then_some(Expected {
                commands,
                violation,
            })
    }

    fn answer(&self, words: &[&[u8]], encoder: &mut Encoder<'_>) -> Option<()> {
        let (name, rest) = words.split_first()?;
        if name.eq_ignore_ascii_case(b"echo") {
            match rest {
                [_] if self.limits.before_login => encoder.error("NOAUTH Authentication required."),
                [text] => encoder.bulk(text),
                _ => encoder.error("ERR wrong number of arguments for 'echo' command"),
            }
            return Some(());
        }
        // Anything may happen on other commands; and an HTTP request as an array of bulks closes the connection.
        if self.known.contains(&name.to_ascii_lowercase()) || atlas_resp::request::is_http(name) {
            return None;
        }
        let mut shown = Vec::new();
        for text in rest {
            if shown.len() >= 128 {
                break;
            }
            let room = 128 - shown.len();
            shown.push(b'\'');
            shown.extend(c_string(text, room));
            shown.extend(b"' ");
        }
        let name = c_string(name, 128).to_vec();
        encoder.error(
            [
                &b"ERR unknown command '"[..],
                &name,
                b"', with args beginning with: ",
                &shown,
            ]
            .concat(),
        );
        Some(())
    }
}

/// False where Redis is known to do otherwise and cannot be compared: it takes more arguments than a million, and
/// bounds neither the words of a stranger's line nor the whole of a stranger's command.
fn told(violation: Violation, rest: &[u8]) -> bool {
    match violation {
        Violation::MultibulkLength => {
            let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit());
            let count = digits.fold(0_u64, |count, digit| {
                count
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit - b'0'))
            });
            !(1024 * 1024..=i32::MAX as u64).contains(&count)
        }
        Violation::UnauthenticatedMultibulkLength => rest.first() == Some(&b'*'),
        Violation::InlineLine | Violation::MultibulkLine | Violation::BulkLine => false,
        Violation::UnauthenticatedBulkLength => rest.len() < 16 * 1024,
        _ => true,
    }
}

fn word<'a>(buffer: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &buffer[range.start as usize..range.end as usize]
}

/// What C prints of a text: up to a zero byte, and `room` bytes at most.
fn c_string(text: &[u8], room: usize) -> &[u8] {
    let end = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len());
    &text[..end.min(room)]
}
