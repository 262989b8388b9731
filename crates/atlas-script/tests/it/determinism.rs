//! Random scripts end in equal states: in another process, with other addresses, restarted from a snapshot on the way, and
//! without having been tried before.

use std::env;
use std::fmt::Write as _;
use std::process::Command;

use atlas_kv::Loading;

use crate::engine::Stage;

const RECORDS: u64 = 600;
/// States are compared after so many records each.
const STRIDE: u64 = 50;
const SEED: &str = "ATLAS_SCRIPT_HISTORY_SEED";

/// Draws numbers (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What scripts are made of; `K` and `V` stand for a key and a value.
const STATEMENTS: &[&str] = &[
    "redis.call('set', K, V)",
    "redis.call('append', 's'..K, tostring(V))",
    "redis.call('incrby', 'n'..K, math.random(1000))",
    "redis.call('rpush', 'l'..K, V, math.random())",
    "redis.call('sadd', 'e'..K, V, V..'x', V..'y')",
    "redis.call('zadd', 'z'..K, math.random(), V)",
    "redis.call('hset', 'h'..K, V, redis.call('time')[2])",
    "redis.pcall('incr', 'l'..K)",
    "redis.call('spop', 'e'..K, 2)",
    "redis.call('set', 'r'..K, tostring(redis.call('srandmember', 'e'..K)))",
    "redis.call('set', 'j'..K, cjson.encode({a = V, b = {1, 2, V}, c = redis.call('exists', K)}))",
    "redis.call('set', 'p'..K, cmsgpack.pack({[V] = K, x = 1, y = {V}}))",
    "for k, v in pairs({a = 1, b = 2, c = 3, [V] = 4}) do redis.call('rpush', 'o'..K, k, v) end",
    "local t = {} for i = 1, 50 do t['k'..i] = i end for k in pairs(t) do redis.call('append', 'q'..K, k) end",
    "redis.call('set', 'a'..K, tostring({})..tostring(print == nil))",
    "local u = {} for i = 1, 20 do u[i] = math.random(100) end table.sort(u) redis.call('rpush', 't'..K, unpack(u))",
    "redis.call('pexpire', K, math.random(5000))",
    "if redis.call('exists', K) == 1 then redis.call('del', K) end",
    "redis.call('set', 'f'..K, string.format('%.14g %5.2f %x', math.sin(V:len()), 2 ^ 0.5, 255))",
    "pcall(function() redis.call('set', 'before'..K, 1) error('x') end)",
    "error({err = 'MINE '..V})",
    "while true do redis.call('append', 'w'..K, 'x') end",
    "local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) redis.call('rpush', 'c'..K, c(), c(), c())",
    "redis.call('set', 'g'..K, (('abc'):gsub('%w', function(x) return x..V end)))",
    "redis.call('sort', 'e'..K, 'by', 'nosort', 'store', 'd'..K)",
    "seen = (seen or 0) + 1",
];

/// A record: a script of some statements, a call by name, a library, a function.
fn record(draw: &mut Draw, known: &mut Vec<String>) -> Vec<String> {
    let key = format!("k{}", draw.below(6));
    let value = format!("v{}", draw.below(9));
    let body = |draw: &mut Draw| {
        let mut body = String::new();
        for _ in 0..=draw.below(3) {
            let statement = draw.of(STATEMENTS);
            let _ = writeln!(body, "do {statement} end");
        }
        body + "return redis.call('exists', K)"
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match draw.below(12) {
        0 => {
            let body = body(draw);
            let name = format!("lib{}", draw.below(3));
            let source = format!(
                "#!lua name={name}\nlocal count = 0\nredis.register_function('{name}', function(keys, args)\n\
                 local K, V = keys[1], args[1]\ncount = count + 1\nredis.call('rpush', 'count', count)\n{body}\nend)"
            );
            words(&["function", "load", "replace", &source])
        }
        1 => words(&["fcall", &format!("lib{}", draw.below(3)), "1", &key, &value]),
        2 => words(&["script", "load", &format!("return {}", draw.below(5))]),
        3 if draw.below(10) == 0 => words(&["script", "flush"]),
        4 | 5 if !known.is_empty() => {
            let sha = known[draw.below(known.len() as u64) as usize].clone();
            words(&["evalsha", &sha, "1", &key, &value])
        }
        _ => {
            let source = format!("local K, V = KEYS[1], ARGV[1]\n{}", body(draw));
            let sha = atlas_kv::script::Sha::of(source.as_bytes());
            known.push(sha.as_str().to_owned());
            known.truncate(40);
            words(&["eval", &source, "1", &key, &value])
        }
    }
}

/// Plays a history; what each stride ended in.
fn play(seed: u64, is_other: bool) -> Vec<String> {
    let (mut draw, mut known) = (Draw(seed), Vec::new());
    let mut stage = Stage::new();
    let mut pages = Vec::new();
    let mut answers = String::new();
    for position in 0..RECORDS {
        let record = record(&mut draw, &mut known);
        let words: Vec<&str> = record.iter().map(String::as_str).collect();
        stage.now_ms += (draw.below(300)) as i64;
        stage.terms.fuel = 20_000 + draw.below(20_000);
        let is_script = matches!(words[0], "eval" | "evalsha" | "fcall");
        // One process tries scripts before it applies them, as the node does that a client is connected to.
        if is_script && !is_other {
            stage.attempt(&words);
        }
        let _ = writeln!(answers, "{:?}", stage.apply(&words));
        if is_other && position == RECORDS / 2 {
            assert!(stage.keyspace.snapshot_begin());
            while !stage.keyspace.snapshot_step(1 << 20) {}
            let mut loading = Loading::new();
            for block in stage.keyspace.snapshot_take() {
                loading.block(block.kind, &block.payload).unwrap();
            }
            let restarted = Stage::with(loading.finish().unwrap());
            stage.keyspace = restarted.keyspace;
        }
        if (position + 1) % STRIDE == 0 {
            let state = stage.keyspace.state_hash();
            let keys = stage.keyspace.key_counts(0).0;
            let told = atlas_kv::script::Sha::of(answers.as_bytes());
            pages.push(format!(
                "{position}: state {state:x}, answers {told}, keys {keys}"
            ));
            answers.clear();
        }
    }
    pages
}

#[test]
fn another_process_ends_in_the_same_state() {
    for seed in 0..3 {
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "determinism::the_other_process",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(SEED, seed.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let others: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("page ").map(|(_, page)| page))
            .collect();
        let own = play(seed, false);
        assert_eq!(own, others, "seed {seed}\n{text}");
        // A history that leaves nothing proves nothing.
        assert!(
            own.last()
                .unwrap()
                .rsplit_once(' ')
                .unwrap()
                .1
                .parse::<u64>()
                .unwrap()
                > 30
        );
    }
}

#[test]
#[ignore = "the other process: it is told by its environment what to do"]
fn the_other_process() {
    let Ok(seed) = env::var(SEED) else { return };
    for page in play(seed.parse().unwrap(), true) {
        println!("page {page}");
    }
}
