use super::*;
use crate::echo;

fn echo_server() -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        echo::serve(&[SocketAddr::from(([127, 0, 0, 1], 0))], |bound| {
            sender.send(bound[0]).unwrap()
        })
    });
    receiver.recv_timeout(Duration::from_secs(5)).unwrap()
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        address,
        first: Some(|_| "hello".into()),
        message: "x".repeat(64),
        patience: Duration::from_secs(5),
    }
}

#[test]
fn a_fleet_counts_round_trips_and_the_processor_time_they_took() {
    let mut fleet = Fleet::connect(&plan(echo_server()), 20).unwrap();
    let measured = fleet
        .measure(
            Duration::ZERO,
            Duration::from_millis(100),
            Some(std::process::id()),
        )
        .unwrap();
    assert!(measured.round_trips > 20, "{}", measured.round_trips);
    assert_eq!(measured.latency.len(), measured.round_trips);
    assert!(measured.watched_cpu.is_some());
    // Again on the same connections: none is left with a message under way.
    assert!(
        fleet
            .measure(Duration::ZERO, Duration::from_millis(20), None)
            .unwrap()
            .round_trips
            > 0
    );
}

#[test]
fn a_server_that_answers_no_websocket_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut request);
    });
    let error = Fleet::connect(&plan(address), 1).err().unwrap();
    assert!(error.to_string().contains("404"), "{error}");
}

#[test]
fn an_answer_that_is_not_what_was_sent_is_an_error() {
    let mut fleet = Fleet::connect(&plan(echo_server()), 1).unwrap();
    fleet.answer[5] ^= 1;
    let error = fleet
        .measure(Duration::ZERO, Duration::from_secs(1), None)
        .unwrap_err();
    assert!(error.to_string().contains("another answer"), "{error}");
}
