//! The same bytes at redis-server and at our decoder.

use atlas_resp::command;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::oracle::{Oracle, Verdict};

/// How many inputs are drawn for each server; `ATLAS_RESP_CASES` draws more.
const CASES: u64 = 3_000;

#[test]
fn redis_understands_requests_as_we_do() {
    let Some(oracle) = Oracle::start(false) else {
        return;
    };
    fixed(&oracle);
    drawn(&oracle);
}

#[test]
fn redis_holds_strangers_to_what_we_do() {
    let Some(oracle) = Oracle::start(true) else {
        return;
    };
    fixed(&oracle);
    drawn(&oracle);
}

/// Inputs in which each kind of answer occurs, so that none of them hangs on what is drawn.
fn fixed(oracle: &Oracle) {
    let rows: [&[u8]; 38] = [
        b"",
        b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
        b"*2\r\n$4\r\necho\r\n$2\r\nhi\r\necho \"a\\x41\\n\" \r\necho\r\n",
        b"*1\rX$4\rXechoXX",
        b"*0\r\n*-1\r\n\r\n\n echo a\n",
        b"*2\r\n$4\r\nECHO\r\n$2\r\nh",
        b"*x\r\n",
        b"*1e9\r\n",
        b"*+1\r\n",
        b"*01\r\n",
        b"*-0\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n$03\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$536870912\r\n",
        b"*11\r\n",
        b"*1\r\n$16384\r\n",
        b"*1\r\n$16385\r\n",
        b"*1\r\nfoo\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n\xff\r\n",
        b"*1\r\nfoo",
        b"\"\r\n",
        b"echo 'a'b\r\n",
        b"echo \"a\r\n",
        b"echo \\\"a\r\n",
        b"echo \"\\\r\n",
        b"a\x0bb \x0b\x0cc\td\r\n",
        b"e\rcho a\r\n",
        b"echo a\0b\r\necho c\r\n",
        b"*1\0\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\necho a\r\n",
        b"POST / HTTP/1.1\r\necho a\r\n",
        b"*1\r\n$3\r\nfoo\r\n*3\r\n$0\r\n\r\n$1\r\n\0\r\n$2\r\n\r\n\r\n",
        b"foo \"a b\" '' \"\\xff\" x\r\n",
    ];
    for input in rows {
        let verdict = oracle.judge(input);
        // `GET` is a command and its answer is nothing of ours.
        let unjudged = input.starts_with(b"GET");
        let expected = if unjudged {
            Verdict::Unjudged
        } else {
            Verdict::Same
        };
        assert_eq!(verdict, expected, "{}", input.escape_ascii());
    }
}

fn drawn(oracle: &Oracle) {
    let cases = std::env::var("ATLAS_RESP_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(CASES);
    let mut judged = 0;
    for seed in 0..cases {
        let input = draw(&mut StdRng::seed_from_u64(seed));
        match oracle.judge(&input) {
            Verdict::Same => judged += 1,
            Verdict::Unjudged => {}
            Verdict::Different(how) => panic!("seed {seed}\n{how}"),
        }
    }
    println!("{judged} of {cases} inputs were judged");
    assert!(
        judged * 10 > cases * 9,
        "only {judged} of {cases} were judged"
    );
}

/// Some commands and lines, then some changes of single places.
fn draw(random: &mut StdRng) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.random_range(1..5) {
        match random.random_range(0..4) {
            0 => input.extend(line(random)),
            _ => {
                let text = text(random, 20);
                let name = *[&b"ECHO"[..], b"echo", b"eCHo", b"x"]
                    .choose(random)
                    .unwrap();
                match random.random_range(0..6) {
                    0 => command(&mut input, [name]),
                    1 => command(&mut input, [name, &text, &text]),
                    _ => command(&mut input, [name, &text]),
                }
            }
        }
    }
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..=input.len());
        match random.random_range(0..4) {
            0 if at < input.len() => input[at] = byte(random),
            1 if at < input.len() => drop(input.remove(at)),
            2 => input.truncate(at),
            _ => {
                let token = token(random).to_vec();
                input.splice(at..at, token);
            }
        }
    }
    input
}

fn line(random: &mut StdRng) -> Vec<u8> {
    let mut line = b"echo ".to_vec();
    for _ in 0..random.random_range(0..8) {
        line.extend(match random.random_range(0..3) {
            0 => token(random).to_vec(),
            _ => vec![*b"ab \t\"'\\x4n\x0b".choose(random).unwrap()],
        });
    }
    line.extend_from_slice(if random.random() { b"\r\n" } else { b"\n" });
    line
}

fn text(random: &mut StdRng, length_max: usize) -> Vec<u8> {
    (0..random.random_range(0..=length_max))
        .map(|_| byte(random))
        .collect()
}

fn byte(random: &mut StdRng) -> u8 {
    match random.random_range(0..3) {
        0 => random.random(),
        _ => *b"\r\n*$-0129 \"'\\\0abx".choose(random).unwrap(),
    }
}

fn token(random: &mut StdRng) -> &'static [u8] {
    [
        &b"\r\n"[..],
        b"*",
        b"$",
        b"*1\r\n",
        b"$1\r\n",
        b"$4\r\nECHO\r\n",
        b"-",
        b"0",
        b"9999999999",
        b"\"",
        b"'",
        b"\\x4",
        b"\\",
        b"\0",
        b"\r",
        b"\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"$-1\r\n",
        b"echo a\n",
        b" ",
    ]
    .choose(random)
    .unwrap()
}
