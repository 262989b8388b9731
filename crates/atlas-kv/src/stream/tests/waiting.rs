//! Clients that wait for entries.

use crate::command::{self, Handler};
use crate::reply::Collected;
use crate::testing::{Stage, shown};
use crate::{ArgumentBuffer, Error};

fn words(line: &str) -> ArgumentBuffer {
    ArgumentBuffer::of(line.split_ascii_whitespace())
}

/// The answers of those who waited, when a command is applied.
fn served(stage: &mut Stage, line: &str, waiting: &[(u64, &str)]) -> Vec<(u64, String)> {
    let (_, served) = stage.apply(&words(line), waiting);
    let served = served.iter();
    served
        .map(|(wait, answer)| (*wait, shown(answer)))
        .collect()
}

#[test]
fn who_waits_for_a_group_is_given_what_comes() {
    let mut stage = Stage::new();
    stage.run("xgroup create s g 0 mkstream");
    let one = "xreadgroup group g one block 0 streams s >";
    let two = "xreadgroup group g two block 0 count 1 streams s >";
    assert_eq!(
        served(&mut stage, "xadd s 1 a 1", &[(1, one), (2, two)]),
        [(1, "[[s [[1-0 [a 1]]]]]".to_owned())]
    );
    assert_eq!(served(&mut stage, "xlen s", &[(2, two)]), []);
    assert_eq!(
        served(&mut stage, "xadd s 2 a 2", &[(2, two), (3, one)]),
        [(2, "[[s [[2-0 [a 2]]]]]".to_owned())]
    );
    stage.check(&[("xpending s g", "[:2 1-0 2-0 [[one 1] [two 1]]]")]);
}

#[test]
fn who_waits_for_a_group_hears_that_it_is_gone() {
    let gone = "-UNBLOCKED the stream key no longer exists";
    let no_group = "-NOGROUP the consumer group this client was blocked on no longer exists";
    for (line, heard) in [
        ("del s", gone),
        ("set s value", gone),
        ("flushall", gone),
        ("rename other s", no_group),
        ("xgroup destroy s g", no_group),
        ("rename alike s", "[[s [[7-0 [a 1]]]]]"),
    ] {
        let mut stage = Stage::new();
        stage.run("xgroup create s g 0 mkstream");
        stage.run("xadd other 1 a 1");
        stage.run("xadd alike 7 a 1");
        stage.run("xgroup create alike g 0");
        let waiting = (1, "xreadgroup group g one block 0 streams s >");
        assert_eq!(
            served(&mut stage, line, &[waiting]),
            [(1, heard.to_owned())],
            "{line}"
        );
    }
}

#[test]
fn where_nobody_can_wait_the_answer_is_nothing() {
    let mut stage = Stage::new();
    stage.check(&[
        ("xgroup create s g 0 mkstream", "+OK"),
        ("xreadgroup group g c block 10 streams s >", "(nil array)"),
        ("xreadgroup group g c streams s >", "(nil array)"),
        ("xread streams s $", "(nil array)"),
        ("xreadgroup group g c block 10 streams s 0", "[[s []]]"),
    ]);
}

#[test]
fn what_is_read_from_now_on_is_said_with_the_last_id() {
    let mut stage = Stage::new();
    stage.run("xadd s 5-3 a 1");
    stage.run("set string 1");
    let line = words("xread count 2 block 0 streams s none string 7-0 $ $");
    let resolved = command::resolve(&line.arguments()).unwrap();
    let Handler::Read(read) = resolved.handler else {
        panic!("it reads");
    };
    let settled = resolved.blocking.unwrap().settled.unwrap();
    let moment = crate::Moment {
        database: 0,
        now_ms: 1,
        seed: 0,
    };
    let view = stage.keyspace.view(moment, false);
    let settled = settled(&view, &line.arguments());
    let expected = words("xread count 2 block 0 streams s none string 7-0 0-0 0-0");
    assert_eq!(settled, expected);
    let mut reply = Collected::default();
    let line = words("xread block 0 streams s $");
    assert_eq!(
        read(&view, &line.arguments(), &mut reply),
        Err(Error::WouldBlock)
    );
    assert!(reply.into_answers().is_empty());
}

#[test]
fn keys_and_times_are_found_among_the_options() {
    let keys = |line: &str| {
        let line = words(line);
        let command = command::resolve(&line.arguments()).unwrap();
        let mut positions = Vec::new();
        command.keys.find(&line.arguments(), &mut positions);
        let timeout_ms = (command.blocking.unwrap().timeout_ms)(&line.arguments());
        (positions, timeout_ms.map_err(|error| error.to_string()))
    };
    assert_eq!(keys("xread streams a b 0 0"), (vec![2, 3], Ok(None)));
    assert_eq!(keys("xread block 5 streams a 0"), (vec![4], Ok(Some(5))));
    assert_eq!(
        keys("xreadgroup group streams block block 0 streams a >"),
        (vec![7], Ok(Some(0)))
    );
    let negative = "ERR timeout is negative".to_owned();
    assert_eq!(keys("xread block -1 streams a 0"), (vec![], Err(negative)));
}
