//! A connection's answers keep the order of its commands, whatever has to wait for the disk.

use atlas_resp::reply::Value;
use atlas_store::{Fsync, StoreConfig};

use crate::support::{Running, shown};

#[test]
fn a_read_between_writes_sees_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    for fsync in [Fsync::Every, Fsync::Interval, Fsync::None] {
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let store = Running::with(folder.path(), config);
        let mut client = store.client();
        client.send("set a 1\nget a\nset a 2\nget a\nping\nnothing\nget a\nselect 1\nget a\nselect 0\nget a");
        let answers: Vec<String> = (0..11).map(|_| shown(&client.receive())).collect();
        assert_eq!(
            answers,
            [
                "OK",
                "1",
                "OK",
                "2",
                "PONG",
                "!ERR unknown command 'nothing', with args beginning with: ",
                "2",
                "OK",
                "nil",
                "OK",
                "2"
            ]
        );
    }
}

#[test]
fn long_pipelines_of_many_clients_are_answered_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let listen = store.listen;
    let clients: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                let mut client = crate::support::Client::connect(listen);
                for round in 0..20 {
                    let mut lines = String::new();
                    for at in 0..100 {
                        lines += &format!("set {number}:{at} {round}\nget {number}:{at}\n");
                    }
                    client.send(&lines);
                    for at in 0..100 {
                        assert_eq!(client.receive(), Value::Simple(b"OK".to_vec()));
                        let value = round.to_string().into_bytes();
                        assert_eq!(client.receive(), Value::Bulk(value), "{number}:{at}");
                    }
                }
            })
        })
        .collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
}

#[test]
fn commands_in_pieces_and_inline_commands_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nGET a\r\n" {
        client.send_bytes(&[*byte]);
    }
    assert_eq!(shown(&client.receive()), "OK");
    assert_eq!(shown(&client.receive()), "hello");
    let large = vec![b'x'; 3_000_000];
    assert_eq!(client.run_bytes(&[b"set", b"large", &large]), "OK");
    let got = client.run("get large");
    assert!(got.len() == large.len() && got.bytes().all(|byte| byte == b'x'));
}

#[test]
fn a_broken_protocol_is_told_and_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    for (sent, answer) in [
        (
            "*3\r\n$3\r\nset\r\n$1\r\na\r\n$-5\r\n",
            "!ERR Protocol error: invalid bulk length",
        ),
        ("*1e9\r\n", "!ERR Protocol error: invalid multibulk length"),
    ] {
        let mut client = store.client();
        client.send_bytes(b"*3\r\n$3\r\nset\r\n$1\r\nb\r\n$1\r\nc\r\n");
        client.send_bytes(sent.as_bytes());
        assert_eq!(shown(&client.receive()), "OK");
        assert_eq!(shown(&client.receive()), answer);
        assert_eq!(client.try_receive(), None);
    }
    let mut browser = store.client();
    browser.send_bytes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n");
    assert_eq!(browser.try_receive(), None);
}
