//! `atlas store import`: what a real redis-server has saved, and what is no such file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use atlas_testkit::redis::Redis;
use atlas_testkit::{Exit, Signal};

use crate::store::store;
use crate::store_files::{end, folder, path};
use crate::support::{assert_words, atlas, deadline, said};

/// Keys of every type, small and large, so that Redis writes every encoding that it has.
fn filling() -> String {
    let mut lines = String::new();
    let mut line = |text: String| {
        lines += &text;
        lines += "\r\n";
    };
    line("set greeting hello".into());
    line("set number 12345".into());
    line("set small -7".into());
    line(format!("set repeated {}", "x".repeat(5000)));
    line("set later soon px 100000000".into());
    line("set gone soon px 1".into());
    for at in 0..600 {
        line(format!("rpush list:large {at} {}", "y".repeat(at % 90)));
        line(format!("hset hash:large field-{at} {at}"));
        line(format!("sadd set:large member-{at}"));
        line(format!("sadd set:numbers:large {}", at * 7919));
        line(format!("zadd sorted:large {}.5 member-{at}", at % 50));
        line(format!(
            "xadd stream {}-1 field {at} other {}",
            at + 1,
            at * 3
        ));
    }
    line("rpush list 1 two 3.0".into());
    line("hset hash a 1 b two".into());
    line("sadd set a b c".into());
    line("sadd set:numbers 1 -200 70000".into());
    line("zadd sorted 1 a -inf b 2.25 c".into());
    line("expire hash 5000".into());
    line("xgroup create stream group 10-1".into());
    line("xreadgroup group group someone count 3 streams stream >".into());
    line("xdel stream 20-1".into());
    line("setbit bits 1000 1".into());
    line("select 5".into());
    line("set greeting elsewhere".into());
    lines
}

/// What both are asked; the answers must be equal, byte for byte.
const QUESTIONS: [&str; 28] = [
    "get greeting",
    "get number",
    "get small",
    "get repeated",
    "exists gone",
    "pexpiretime later",
    "lrange list:large 0 -1",
    "lrange list 0 -1",
    "hlen hash:large",
    "hmget hash:large field-0 field-599",
    "sort set:large alpha",
    "sort set:numbers:large",
    "sort set:numbers",
    "sort set alpha",
    "zrange sorted:large 0 -1 withscores",
    "zrange sorted 0 -1 withscores",
    "hgetall hash",
    "expiretime hash",
    "xrange stream - +",
    "xinfo groups stream",
    "xpending stream group",
    "getbit bits 1000",
    "object encoding list:large",
    "object encoding set:numbers",
    "object encoding hash",
    "object encoding sorted:large",
    "dbsize",
    "select 5\r\nget greeting\r\ndbsize",
];

fn answer(mut stream: TcpStream, question: &str) -> Vec<u8> {
    stream
        .write_all(format!("{question}\r\n").as_bytes())
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

async fn import(file: &Path, into: &Path) -> (Exit, String, String) {
    let command = atlas(&[
        "store",
        "import",
        path(file),
        "--into",
        path(into),
        "--json",
    ]);
    command.output(deadline()).await.unwrap()
}

#[tokio::test]
async fn what_redis_has_saved_is_there() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let filled = redis.answer(filling().as_bytes());
    assert!(!String::from_utf8_lossy(&filled).contains("-ERR"));
    let expected = QUESTIONS.map(|question| redis.answer(format!("{question}\r\n").as_bytes()));
    let compressed = redis.answer(b"save\r\n");
    assert_eq!(compressed, b"+OK\r\n");
    let folder = folder();
    let saved = redis.socket().with_file_name("dump.rdb");
    let files = ["compressed.rdb", "plain.rdb"].map(|name| folder.path().join(name));
    std::fs::copy(&saved, &files[0]).unwrap();
    let plain = redis.answer(b"config set rdbcompression no\r\nsave\r\n");
    assert_eq!(plain, b"+OK\r\n+OK\r\n");
    std::fs::copy(&saved, &files[1]).unwrap();
    for (number, file) in files.iter().enumerate() {
        let into = folder.path().join(format!("store-{number}"));
        let (exit, stdout, stderr) = import(file, &into).await;
        assert_eq!(exit, Exit::Code(0), "{stderr}");
        let said: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert!(
            said["redis_version"]
                .as_str()
                .unwrap()
                .starts_with(char::is_numeric)
        );
        assert_eq!(said["libraries_left_out"], 0);
        let mut node = store(&into, "every").await;
        let address = node.listener("store").unwrap();
        for (question, expected) in QUESTIONS.iter().zip(&expected) {
            let found = answer(TcpStream::connect(address).unwrap(), question);
            let [found, expected] = [&found, expected].map(|one| String::from_utf8_lossy(one));
            assert_eq!(found, expected, "{question}");
        }
        end(&mut node, Signal::TERM).await;
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_named_and_leaves_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text.rdb"), "*1\r\n$4\r\nPING\r\n").unwrap();
    std::fs::write(at("cut.rdb"), b"REDIS0011\xfe\x00\x00\x01k\x05val").unwrap();
    std::fs::write(
        at("good.rdb"),
        b"REDIS0011\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0",
    )
    .unwrap();
    let run = |file: &str| {
        let (file, into) = (at(file), at("into"));
        said(atlas(&[
            "store",
            "import",
            path(&file),
            "--into",
            path(&into),
        ]))
    };
    assert_words!("store_import_no_file", run("missing.rdb").await);
    assert_words!("store_import_other_file", run("text.rdb").await);
    assert_words!("store_import_cut", run("cut.rdb").await);
    assert!(!at("into").exists());
    assert_words!("store_import", run("good.rdb").await);
    assert_words!("store_import_twice", run("good.rdb").await);
}
