//! The known differences: what may differ in an answer, command by command. Everything else is equal byte for byte.
//!
//! `docs/internals/oracle.md` lists them with their reasons.

use atlas_resp::reply::Value;

use crate::peer::{Answer, Words};

/// How two answers are compared that are not the same bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// They differ.
    Exact,
    /// Elements in any order.
    Unordered,
    /// Pairs in any order.
    Pairs,
    /// A cursor, and elements or pairs in any order.
    Scan { of_pairs: bool },
    /// Numbers may be written otherwise.
    Doubles,
    /// Integers of the same sign that are so near.
    Near(i64),
    /// Elements of what the command before it listed, as many.
    Picks,
    /// Both something, or both nothing, or both errors.
    Shape,
    /// Names of encodings.
    Encoding,
    /// All but the version and the connection's number.
    Hello,
}

/// Commands that both refuse, always.
pub(crate) const NEVER_ACCEPTED: &[&str] = &["object|freq", "auth", "client|setinfo"];

/// The name, of a container's with its subcommand.
pub(crate) fn name(words: &[Vec<u8>]) -> String {
    let lower = |word: &Vec<u8>| String::from_utf8_lossy(word).to_lowercase();
    let name = words.first().map(lower).unwrap_or_default();
    match (name.as_str(), words.get(1)) {
        (
            "object" | "memory" | "debug" | "client" | "command" | "config" | "pubsub" | "slowlog"
            | "latency",
            Some(sub),
        ) => format!("{name}|{}", lower(sub)),
        _ => name,
    }
}

fn has(words: &[Vec<u8>], option: &str) -> bool {
    words
        .iter()
        .skip(1)
        .any(|word| word.eq_ignore_ascii_case(option.as_bytes()))
}

/// The rule of a command.
pub(crate) fn rule(words: &[Vec<u8>]) -> Rule {
    match name(words).as_str() {
        "smembers" | "sinter" | "sunion" | "sdiff" | "hkeys" | "hvals" | "keys"
        | "pubsub|channels" => Rule::Unordered,
        "hgetall" | "config|get" => Rule::Pairs,
        "scan" | "sscan" => Rule::Scan { of_pairs: false },
        "hscan" | "zscan" => Rule::Scan { of_pairs: true },
        "srandmember" | "hrandfield" | "zrandmember" | "randomkey" | "spop" => Rule::Picks,
        "sort" | "sort_ro" if has(words, "limit") => Rule::Shape,
        "sort" | "sort_ro" => Rule::Unordered,
        "ttl" | "expiretime" => Rule::Near(5),
        "pttl" | "pexpiretime" => Rule::Near(5000),
        "dump" | "debug|object" | "debug|digest" | "debug|digest-value" | "memory|usage"
        | "memory|doctor" | "object|idletime" | "object|refcount" | "object|help" | "time"
        | "lastsave" | "client|id" | "slowlog|len" | "latency|latest" => Rule::Shape,
        "object|encoding" => Rule::Encoding,
        "hello" => Rule::Hello,
        name if name.starts_with('z') || name.starts_with("bz") => Rule::Doubles,
        _ => Rule::Exact,
    }
}

/// True of a message that says that a key has expired: each server notices when it does.
pub(crate) fn is_of_expiry(message: &[u8]) -> bool {
    message.windows(7).any(|part| part == b"expired")
}

/// True of what is not sent at all: the two would go apart, and rightly so.
pub(crate) fn is_unlike(words: &[Vec<u8>]) -> bool {
    match name(words).as_str() {
        // 7.2 refuses this one number.
        "lpos" => return has(words, "-9223372036854775808"),
        // A time to live that goes past the end of time is over at once there.
        "restore" | "restore-asking" => return words.get(2).is_some_and(|ttl| ttl.len() > 12),
        // 7.2 has an option more.
        "zrank" | "zrevrank" => return words.len() > 3,
        // 7.0 wants one more argument.
        "command|getkeys" => return words.len() == 3,
        _ => {}
    }
    // Among equal weights the order is open, and a list would keep it.
    let name = name(words);
    if name.ends_with("scan") {
        let cursor = words.get(if name == "scan" { 1 } else { 2 });
        let cursor = cursor.and_then(|word| std::str::from_utf8(word).ok());
        return cursor.is_some_and(|text| text != "0" && text.trim().parse::<i64>().is_ok());
    }
    name.starts_with("sort") && has(words, "alpha") && has(words, "by") && has(words, "store")
}

/// What is sent before a command: what lists all that it may pick from, or what makes its answer certain.
pub(crate) fn before(words: &[Vec<u8>]) -> Vec<Words> {
    let key = words
        .get(1)
        .map_or("", |key| std::str::from_utf8(key).unwrap_or(""));
    let lines: Vec<Vec<&str>> = match name(words).as_str() {
        "srandmember" | "spop" => vec![vec!["smembers", key]],
        "hrandfield" => vec![vec!["hgetall", key]],
        "zrandmember" => vec![vec!["zrange", key, "0", "-1", "withscores"]],
        "randomkey" => vec![vec!["keys", "*"]],
        // Its time is the product of their lengths: seconds, without optimisation.
        "lcs" => {
            let other = words
                .get(2)
                .map_or("", |key| std::str::from_utf8(key).unwrap_or(""));
            let mut line = vec![
                "mset",
                key,
                "ohmytext long enough",
                other,
                "mynewtext enough",
            ];
            if key == other {
                line.truncate(3);
            }
            vec![line]
        }
        // Ranges of members are those of equal scores only.
        name if name.contains("lex") || has(words, "bylex") => {
            let mut fill = vec!["zadd", key];
            for member in ["m2", "m0", "m17", "m1", "m11", "m3", "m5"] {
                fill.extend(["7", member]);
            }
            vec![vec!["del", key], fill]
        }
        _ => Vec::new(),
    };
    lines
        .into_iter()
        .map(|line| {
            line.into_iter()
                .map(|word| word.as_bytes().to_vec())
                .collect()
        })
        .collect()
}

/// True if two answers to a command are as they may be. `before` is what the store answered to the command before.
pub(crate) fn agree(words: &[Vec<u8>], ours: &Answer, redis: &Answer, before: &Value) -> bool {
    ours.bytes == redis.bytes || same(rule(words), &ours.value, &redis.value, before)
}

/// As [`agree`], of answers inside a transaction's.
pub(crate) fn same(rule: Rule, ours: &Value, redis: &Value, before: &Value) -> bool {
    if ours == redis {
        return true;
    }
    if let (Value::Error(ours), Value::Error(redis)) = (ours, redis) {
        // What is above all numbers is negative for 7.0.
        let is_timeout = |line: &[u8]| line.starts_with(b"ERR timeout is ");
        return is_timeout(ours) && is_timeout(redis);
    }
    if is_error(ours) || is_error(redis) {
        return false;
    }
    match rule {
        Rule::Exact => false,
        Rule::Unordered => sorted(ours) == sorted(redis) && sorted(ours).is_some(),
        Rule::Pairs => pairs(ours) == pairs(redis) && pairs(ours).is_some(),
        Rule::Scan { of_pairs } => match (ours, redis) {
            (Value::Array(ours), Value::Array(redis)) if ours.len() == 2 && redis.len() == 2 => {
                let (mine, its) = (&ours[1], &redis[1]);
                let is_same = if of_pairs {
                    pairs(mine) == pairs(its)
                } else {
                    sorted(mine) == sorted(its)
                };
                ours[0] == redis[0] && is_same
            }
            _ => false,
        },
        Rule::Doubles => doubles(ours) == doubles(redis),
        Rule::Near(far) => match (ours, redis) {
            (Value::Integer(ours), Value::Integer(redis)) => {
                ours.signum() == redis.signum() && (ours - redis).abs() <= far && *ours >= 0
            }
            _ => false,
        },
        Rule::Picks => {
            let (mut all, mut picked) = (Vec::new(), Vec::new());
            leaves(before, &mut all);
            leaves(ours, &mut picked);
            length(ours) == length(redis) && picked.iter().all(|one| all.contains(one))
        }
        Rule::Shape => length(ours) == length(redis),
        Rule::Encoding => match (ours, redis) {
            // Redis 7.2 has compact forms for small lists and sets that 7.0 has not.
            (Value::Bulk(ours), Value::Bulk(redis)) => {
                // `SORT` makes a skip list of a small sorted set there.
                let large = [&b"quicklist"[..], b"hashtable", b"skiplist"];
                let is_compact = ours == b"listpack" && large.contains(&redis.as_slice());
                // A string that was changed in place is raw there whatever its length.
                let is_changed = matches!(&ours[..], b"embstr" | b"int") && redis == b"raw";
                is_compact || is_changed
            }
            _ => false,
        },
        Rule::Hello => told(ours) == told(redis),
    }
}

fn is_error(value: &Value) -> bool {
    matches!(value, Value::Error(_))
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut atlas_resp::Encoder::new(
        &mut bytes,
        atlas_resp::Protocol::Resp3,
    ));
    bytes
}

fn sorted(value: &Value) -> Option<Vec<Vec<u8>>> {
    let (Value::Array(values) | Value::Set(values)) = value else {
        return None;
    };
    let mut all: Vec<Vec<u8>> = values.iter().map(bytes).collect();
    all.sort();
    Some(all)
}

fn pairs(value: &Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = match value {
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| (bytes(key), bytes(&doubles(value))))
            .collect(),
        Value::Array(values) if values.len() % 2 == 0 => values
            .chunks(2)
            .map(|pair| (bytes(&pair[0]), bytes(&doubles(&pair[1]))))
            .collect(),
        _ => return None,
    };
    all.sort();
    Some(all)
}

/// The same with all that reads as a number as a double.
fn doubles(value: &Value) -> Value {
    let all = |values: &[Value]| values.iter().map(doubles).collect();
    match value {
        Value::Bulk(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|number: &f64| !number.is_nan())
            .map_or_else(|| value.clone(), Value::Double),
        Value::Array(values) => Value::Array(all(values)),
        Value::Set(values) => Value::Set(all(values)),
        other => other.clone(),
    }
}

fn leaves<'a>(value: &'a Value, all: &mut Vec<&'a [u8]>) {
    match value {
        Value::Bulk(bytes) => all.push(bytes),
        Value::Array(values) | Value::Set(values) => {
            values.iter().for_each(|value| leaves(value, all));
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            leaves(key, all);
            leaves(value, all);
        }),
        _ => {}
    }
}

/// How long an aggregate is; of others, whether they are there.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Null => None,
        Value::Array(values) | Value::Set(values) | Value::Push(values) => Some(values.len()),
        Value::Map(pairs) => Some(pairs.len()),
        _ => Some(0),
    }
}

/// What `HELLO` tells, without what is each server's own.
fn told(value: &Value) -> Vec<Vec<u8>> {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = match value {
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| (bytes(key), bytes(value)))
            .collect(),
        Value::Array(values) => values
            .chunks(2)
            .map(|pair| (bytes(&pair[0]), pair.get(1).map(bytes).unwrap_or_default()))
            .collect(),
        _ => return Vec::new(),
    };
    pairs
        .into_iter()
        .map(|(key, value)| {
            let is_own = key.ends_with(b"version\r\n") || key.ends_with(b"id\r\n");
            if is_own { key } else { [key, value].concat() }
        })
        .collect()
}
