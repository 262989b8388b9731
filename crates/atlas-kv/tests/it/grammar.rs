//! What commands look like: a line a command, from which arguments are drawn.
//!
//! Words in lower case stand for themselves. `[…]` may be left out, `(a|b)` and `[a|b]` are one of several, `{…}` comes
//! once to four times. A letter is drawn:
//!
//! | | |
//! |---|---|
//! | `K` `A` | a key, mostly of the command's type; of any type |
//! | `#` | a number of keys, then the keys |
//! | `V` `M` | a value, a member or field |
//! | `I` `N` `F` | an integer, a small count, a floating-point number |
//! | `S` `L` | a bound of scores, of members |
//! | `O` | a position of a bit |
//! | `T` `E` | seconds to wait, seconds to live |
//! | `P` `D` | a pattern, a value as `DUMP` writes it |
//! | `X` `G` `C` | an entry's id, a group of consumers, a consumer |
//!
//! The tests of `atlas` that play beside redis-server draw from it, too.

use std::sync::LazyLock;

use atlas_kv::{
    Answer, Answers, ArgumentBuffer, Collected, Effects, Keyspace, Moment, Reply, Settings,
};

/// Random numbers that a seed determines.
pub(crate) struct Draw {
    state: u64,
    is_timeless: bool,
}

impl Draw {
    #[allow(dead_code, reason = "what plays beside a server takes the other one")]
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            is_timeless: false,
        }
    }

    /// Draws no time that could pass: what waits does so for ever, what lives does so for long.
    #[allow(dead_code, reason = "histories have a clock of their own")]
    pub(crate) fn timeless(seed: u64) -> Self {
        Self {
            state: seed,
            is_timeless: true,
        }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// A number below `often`, or once in four times below `seldom`.
    fn mostly_below(&mut self, often: usize, seldom: usize) -> usize {
        let bound = if self.once_in(4) { seldom } else { often };
        self.below(bound)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// The types of keys: their names begin so.
const TYPES: [char; 7] = ['s', 'p', 'h', 'l', 't', 'z', 'x'];
/// Keys of each type.
const KEYS: usize = 8;

/// Commands whose second word is a subcommand.
const CONTAINERS: [&str; 11] = [
    "client", "command", "config", "debug", "latency", "memory", "object", "pubsub", "slowlog",
    "xgroup", "xinfo",
];

/// Commands by the type of their keys. A container's subcommands stand with both words.
const COMMANDS: &[(char, &[&str])] = &[
    ('s', STRINGS),
    ('p', COUNTERS),
    ('h', HASHES),
    ('l', LISTS),
    ('t', SETS),
    ('z', SORTED_SETS),
    ('x', STREAMS),
    ('*', KEYS_OF_ANY_TYPE),
];

const STRINGS: &[&str] = &[
    "get K",
    "mget {K}",
    "strlen K",
    "getrange K I I",
    "substr K I I",
    "lcs K K [len|idx [withmatchlen] [minmatchlen N]]",
    "set K V [ex E|px E|pxat 1700000400000|exat 1700000400|keepttl] [nx|xx] [get]",
    "setnx K V",
    "setex K E V",
    "psetex K E V",
    "getset K V",
    "getdel K",
    "getex K [ex E|px E|persist|pxat 1700000400000]",
    "mset {K V}",
    "msetnx {K V}",
    "append K V",
    "setrange K N V",
    "setrange K 30000 V",
    "incr K",
    "decr K",
    "incrby K I",
    "decrby K I",
    "incrbyfloat K F",
    "getbit K O",
    "setbit K O (0|1)",
    "bitcount K [I I [bit|byte]]",
    "bitpos K (0|1) [I [I [bit|byte]]]",
    "bitop (and|or|xor) K {K}",
    "bitop not K K",
    "bitfield K {[overflow (wrap|sat|fail)] (get u7 O|set i9 O I|incrby u13 O I)}",
    "bitfield_ro K {get (u5|i64) O}",
];

const COUNTERS: &[&str] = &[
    "pfadd K {M}",
    "pfadd K {V}",
    "pfcount {K}",
    "pfmerge K {K}",
    "pfdebug (getreg|decode|encoding|todense) K",
    "pfselftest",
    "getrange K 8 15",
];

const HASHES: &[&str] = &[
    "hset K {M V}",
    "hmset K {M V}",
    "hsetnx K M V",
    "hget K M",
    "hmget K {M}",
    "hgetall K",
    "hkeys K",
    "hvals K",
    "hlen K",
    "hexists K M",
    "hstrlen K M",
    "hdel K {M}",
    "hincrby K M I",
    "hincrbyfloat K M F",
    "hrandfield K [I [withvalues]]",
    "hscan K N [match P] [count N]",
];

const LISTS: &[&str] = &[
    "lpush K {V}",
    "rpush K {V}",
    "lpushx K {V}",
    "rpushx K {V}",
    "lpop K [N]",
    "rpop K [N]",
    "llen K",
    "lindex K I",
    "lrange K I I",
    "linsert K (before|after) M M",
    "lset K I V",
    "lrem K I M",
    "ltrim K I -1",
    "lpos K M [rank 1] [count N] [maxlen N]",
    "lmove K K (left|right) (left|right)",
    "rpoplpush K K",
    "lmpop # (left|right) [count N]",
    "blpop {K} T",
    "brpop {K} T",
    "blmove K K (left|right) (left|right) T",
    "brpoplpush K K T",
    "blmpop T # (left|right) [count N]",
];

const SETS: &[&str] = &[
    "sadd K {M}",
    "sadd K {I}",
    "srem K {M}",
    "smembers K",
    "sismember K M",
    "smismember K {M}",
    "scard K",
    "spop K [N]",
    "srandmember K [I]",
    "smove K K M",
    "sinter {K}",
    "sintercard # [limit N]",
    "sunion {K}",
    "sdiff {K}",
    "sinterstore K {K}",
    "sunionstore K {K}",
    "sdiffstore K {K}",
    "sscan K N [match P] [count N]",
];

const SORTED_SETS: &[&str] = &[
    "zadd K [nx|xx|gt|lt] [ch] {F M}",
    "zadd K incr F M",
    "zincrby K F M",
    "zrem K {M}",
    "zcard K",
    "zscore K M",
    "zmscore K {M}",
    "zcount K S S",
    "zlexcount K L L",
    "zrank K M",
    "zrevrank K M",
    "zrange K I I [rev] [withscores]",
    "zrange K S S byscore [limit N N] [withscores]",
    "zrange K L L bylex [limit N N]",
    "zrangestore K K I I",
    "zrangestore K K S S byscore",
    "zrangebyscore K S S [withscores] [limit N N]",
    "zrevrangebyscore K S S [withscores]",
    "zrangebylex K L L [limit N N]",
    "zrevrangebylex K L L",
    "zrevrange K I I [withscores]",
    "zremrangebyrank K I I",
    "zremrangebyscore K S S",
    "zremrangebylex K L L",
    "zpopmin K [N]",
    "zpopmax K [N]",
    "zmpop # (min|max) [count N]",
    "bzpopmin {K} T",
    "bzpopmax {K} T",
    "bzmpop T # (min|max) [count N]",
    "zunion # [aggregate (sum|min|max)] [withscores]",
    "zinter # [aggregate (sum|min|max)] [withscores]",
    "zdiff # [withscores]",
    "zintercard # [limit N]",
    "zunionstore K # [aggregate (sum|min|max)]",
    "zinterstore K # [aggregate (sum|min|max)]",
    "zdiffstore K #",
    "zrandmember K [I [withscores]]",
    "zscan K N [match P] [count N]",
    "geoadd K {1.5 F M}",
    "geohash K {M}",
    "geopos K {M}",
    "geodist K M M [km]",
    "georadius K 1 1 1000 km [withdist] [count N] [asc]",
    "georadius_ro K 1 1 1000 km [withcoord] [withhash]",
    "georadiusbymember K M 1000 km [desc]",
    "georadiusbymember_ro K M 1000 km",
    "geosearch K fromlonlat 1 1 byradius 1000 km [asc]",
    "geosearchstore K K fromlonlat 1 1 byradius 1000 km",
];

const STREAMS: &[&str] = &[
    "xadd K [nomkstream] [maxlen [~] N|minid X] (X|X|X|9-*|*) {M V}",
    "xadd K (X|*) {field V}",
    "xtrim K maxlen [=|~] N",
    "xtrim K minid ~ X [limit N]",
    "xdel K {X}",
    "xsetid K (X|X|1800000000000-0) [entriesadded I] [maxdeletedid X]",
    "xlen K",
    "xrange K (-|X) (+|X) [count N]",
    "xrevrange K (+|X) (-|X) [count N]",
    "xread [count N] [block N] streams K X",
    "xread [count N] streams K K X X",
    "xgroup create K G X mkstream [entriesread N]",
    "xgroup create K G (X|$)",
    "xgroup setid K G X [entriesread I]",
    "xgroup destroy K G",
    "xgroup createconsumer K G C",
    "xgroup delconsumer K G C",
    "xreadgroup group G C [count N] [block N] [noack] streams K >",
    "xreadgroup group G C [count N] streams K X",
    "xreadgroup group G C [count N] streams K K > >",
    "xack K G {X}",
    "xpending K G [[idle N] - + N [C]]",
    "xclaim K G C (0|N) {X} [idle N] [retrycount N] [force] [justid] [lastid X]",
    "xautoclaim K G C (0|N) X [count N] [justid]",
    "xinfo stream K [full [count N]]",
    "xinfo groups K",
    "xinfo consumers K G",
];

const KEYS_OF_ANY_TYPE: &[&str] = &[
    "del {A}",
    "unlink {A}",
    "exists {A}",
    "touch {A}",
    "type A",
    "keys P",
    "scan N [match P] [count N] [type (string|hash|list|set|zset|stream)]",
    "randomkey",
    "dbsize",
    "rename A A",
    "renamenx A A",
    "copy A A [db N] [replace]",
    "move A N",
    "swapdb 1 2",
    "flushdb [async|sync]",
    "flushall [async|sync]",
    "expire A E [nx|xx|gt|lt]",
    "pexpire A E [nx|xx|gt|lt]",
    "expireat A 1700000400 [nx|xx]",
    "pexpireat A 1700000400000 [nx|xx]",
    "ttl A",
    "pttl A",
    "expiretime A",
    "pexpiretime A",
    "persist A",
    "dump A",
    "restore A E D [replace]",
    "restore A 0 D [replace] [idletime N]",
    "restore-asking A 0 D [replace]",
    "sort A [by (nosort|w*)] [limit N N] [get #] [asc|desc] [alpha] [store A]",
    "sort_ro A [by nosort] [alpha]",
    "object encoding A",
    "object refcount A",
    "object idletime A",
    "object freq A",
    "object help",
    "memory usage A [samples N]",
    "memory doctor",
    "debug object A",
    "debug digest",
    "debug digest-value {A}",
];

/// A command's names (a container's with its subcommand), the type of its keys, and the rest of its line.
pub(crate) struct Line {
    pub(crate) names: Vec<&'static str>,
    kind: char,
    rest: &'static str,
}

/// Every line of the grammar.
pub(crate) static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let lines = COMMANDS
        .iter()
        .flat_map(|&(kind, lines)| lines.iter().map(move |line| Line::new(kind, line)));
    lines.collect()
});

impl Line {
    /// A line as it is written above, about keys of a type.
    pub(crate) fn new(kind: char, line: &'static str) -> Self {
        let (name, mut rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut names = vec![name];
        if CONTAINERS.contains(&name) {
            let (subcommand, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
            names.push(subcommand);
            rest = arguments;
        }
        Self { names, kind, rest }
    }

    /// Draws a command.
    pub(crate) fn draw(&self, draw: &mut Draw) -> ArgumentBuffer {
        let mut buffer = ArgumentBuffer::of(&self.names);
        self.sequence(self.rest, draw, &mut buffer);
        buffer
    }

    fn sequence(&self, text: &str, draw: &mut Draw, out: &mut ArgumentBuffer) {
        for item in split(text, ' ') {
            let inner = || item.get(1..item.len() - 1).unwrap_or_default();
            match item.chars().next() {
                None => {}
                Some('[') if draw.once_in(2) => {}
                Some('[' | '(') => {
                    let alternatives = split(inner(), '|');
                    let chosen = *draw.of(&alternatives);
                    self.sequence(chosen, draw, out);
                }
                Some('{') => {
                    for _ in 0..=draw.below(4) {
                        self.sequence(inner(), draw, out);
                    }
                }
                Some('#') => {
                    let count = 1 + draw.below(3);
                    out.push(count.to_string().as_bytes());
                    for _ in 0..count {
                        out.push(self.key(draw).as_bytes());
                    }
                }
                Some('K') => out.push(self.key(draw).as_bytes()),
                Some(letter) if item.len() == 1 && letter.is_ascii_uppercase() => {
                    out.push(&word(letter, draw));
                }
                Some(_) => out.push(item.as_bytes()),
            }
        }
    }

    fn key(&self, draw: &mut Draw) -> String {
        if self.kind == '*' || draw.once_in(20) {
            return any_key(draw);
        }
        format!("{}{}", self.kind, draw.below(KEYS))
    }
}

/// A key of any type, or one that nothing is ever put under.
pub(crate) fn any_key(draw: &mut Draw) -> String {
    if draw.once_in(10) {
        return "none".to_owned();
    }
    format!("{}{}", draw.of(&TYPES), draw.below(KEYS))
}

fn word(letter: char, draw: &mut Draw) -> Vec<u8> {
    let text = match letter {
        'A' => any_key(draw),
        'V' if draw.once_in(30) => "long ".repeat(draw.below(8000)),
        'V' if draw.once_in(3) => (draw.below(2000) as i64 - 1000).to_string(),
        'V' => "v".repeat(draw.below(70)),
        'M' => format!("m{}", draw.mostly_below(12, 400)),
        'I' => (draw.mostly_below(12, 1000) as i64 - 6).to_string(),
        'N' => (1 + draw.below(5)).to_string(),
        'F' if draw.once_in(9) => format!("{}e{}", draw.below(99), draw.below(9)),
        'F' => format!("{}.{}", draw.below(80), draw.below(100)),
        'S' if draw.once_in(4) => (*draw.of(&["-inf", "+inf", "0", "(1.5"])).to_owned(),
        'S' => draw.below(80).to_string(),
        'L' if draw.once_in(4) => (*draw.of(&["-", "+"])).to_owned(),
        'L' => format!("{}m{}", draw.of(&["[", "("]), draw.below(20)),
        'O' => draw.mostly_below(300, 300_000).to_string(),
        'T' if draw.is_timeless => "0".to_owned(),
        'T' => "0.1".to_owned(),
        // Far enough from each other that no delay changes which is later, in seconds or milliseconds.
        'E' if draw.is_timeless => ((1 + draw.below(900)) * 1_000_000).to_string(),
        'E' => (1 + draw.below(2000)).to_string(),
        'P' => (*draw.of(&["*", "m1*", "?[0-4]", "[^s]*"])).to_owned(),
        'X' if draw.once_in(4) => draw.below(40).to_string(),
        'X' => format!("{}-{}", draw.below(40), draw.below(3)),
        'G' => format!("g{}", draw.below(2)),
        'C' => format!("c{}", draw.below(3)),
        'D' => return draw.of(&DUMPED).clone(),
        letter => panic!("the grammar's {letter} means nothing"),
    };
    text.into_bytes()
}

/// Splits at a byte outside of all brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (position, letter) in text.char_indices() {
        match letter {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            letter if letter == at && depth == 0 => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

struct One(Collected);

impl Answers for One {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.0
    }

    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        &mut self.0
    }
}

/// Values of every type that is built, as `DUMP` writes them.
static DUMPED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut keyspace = Keyspace::new(1, Settings::default());
    let moment = Moment {
        database: 0,
        now_ms: 0,
        seed: 0,
    };
    let mut run = |line: &str| {
        let buffer = ArgumentBuffer::of(line.split(' '));
        let mut answers = One(Collected::default());
        let arguments = buffer.arguments();
        let mut effects = Effects::default();
        keyspace.apply(moment, &arguments, &[], &mut answers, &mut effects);
        answers.0.into_answers().pop()
    };
    for line in [
        "set s value",
        "set i 17",
        "pfadd p a b c",
        "hset h a 1 b 2",
        "rpush l a b c",
        "sadd t a b",
        "sadd n 1 2 3",
        "zadd z 1 a 2.5 b",
        "xadd x 1-1 a 1 b 2",
        "xadd x 3-0 c 3",
        "xgroup create x g0 0",
        "xreadgroup group g0 c0 streams x >",
    ] {
        run(line);
    }
    let keys = ["s", "i", "p", "h", "l", "t", "n", "z", "x"];
    let dumps = keys
        .iter()
        .filter_map(|key| match run(&format!("dump {key}")) {
            Some(Answer::Bulk(bytes)) => Some(bytes),
            _ => None,
        });
    dumps.collect()
});
