//! `SORT` and `SORT_RO`.

use proptest::prelude::*;

use super::{changes, check, check_events, shown};
use crate::command;
use crate::testing::Stage;
use crate::{ArgumentBuffer, command::Keys};

#[test]
fn elements_are_sorted_as_numbers_or_text() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("sort none", "[]"),
            ("rpush list 3 -1 20 1.5 3", ":5"),
            ("sort list", "[-1 1.5 3 3 20]"),
            ("sort_ro list desc", "[20 3 3 1.5 -1]"),
            ("sort list alpha", "[-1 1.5 20 3 3]"),
            ("sort list ALPHA DESC", "[3 3 20 1.5 -1]"),
            ("sort list desc asc", "[-1 1.5 3 3 20]"),
            ("sadd set 10 9 8 1e3 -inf", ":5"),
            ("sort set", "[-inf 8 9 10 1e3]"),
            ("sadd numbers 10 9 8", ":3"),
            ("sort numbers desc", "[10 9 8]"),
            ("zadd sorted 1 30 2 20 3 10", ":3"),
            ("sort sorted", "[10 20 30]"),
            ("rpush hex 0x10 5", ":2"),
            ("sort hex", "[5 0x10]"),
        ],
    );
}

#[test]
fn limits_cut_a_piece_out() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush list 5 4 3 2 1", ":5"),
            ("sort list limit 1 2", "[2 3]"),
            ("sort list limit 0 0", "[]"),
            ("sort list limit 0 -1", "[1 2 3 4 5]"),
            ("sort list limit 2 -5", "[3 4 5]"),
            ("sort list limit -5 2", "[1 2]"),
            ("sort list limit 5 2", "[]"),
            ("sort list limit 4 9223372036854775807", "[5]"),
            ("sort list limit 9223372036854775807 1", "[]"),
            ("sort list by nosort limit 1 2", "[4 3]"),
            ("sort list by nosort desc limit 1 2", "[2 3]"),
            ("sort list by nosort limit 9 2", "[]"),
        ],
    );
}

#[test]
fn other_keys_decide_the_order_and_are_answered() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush list a b c d", ":4"),
            ("set weight:a 4", "+OK"),
            ("set weight:b 2.5", "+OK"),
            ("set weight:d -1", "+OK"),
            ("sort list by weight:*", "[d c b a]"),
            ("sort list by weight:* desc", "[a b c d]"),
            ("sort list by weight:* alpha", "[c d b a]"),
            (
                "sort list by weight:* get # get weight:* limit 0 2",
                "[d -1 c (nil)]",
            ),
            ("hset object:a rank 1 name one", ":2"),
            ("hset object:b rank 3 name three", ":2"),
            ("hset object:c rank 2 name two", ":2"),
            (
                "sort list by object:*->rank get object:*->name",
                "[(nil) one two three]",
            ),
            // A type that does not fit counts as nothing.
            (
                "sort list by weight:*->rank get object:*",
                "[(nil) (nil) (nil) (nil)]",
            ),
            ("sort list by nosort get fixed", "[(nil) (nil) (nil) (nil)]"),
            ("set x:a-> 100", "+OK"),
            ("sort list by nosort get x:*-> limit 0 1", "[100]"),
            (
                "sort list",
                "-ERR One or more scores can't be converted into double",
            ),
            ("set weight:c x", "+OK"),
            (
                "sort list by weight:*",
                "-ERR One or more scores can't be converted into double",
            ),
            // Equal weights: by the elements themselves.
            ("rpush equal c a b", ":3"),
            ("sort equal by none:*", "[a b c]"),
            ("sort equal by none:* desc", "[c b a]"),
        ],
    );
}

#[test]
fn without_an_order_elements_stay_as_they_are() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush list c a b", ":3"),
            ("sort list by nosort", "[c a b]"),
            ("sort list by nosort desc", "[b a c]"),
            ("zadd sorted 3 a 1 b 2 c", ":3"),
            ("sort sorted by nosort", "[b c a]"),
            ("sort sorted by nosort desc", "[a c b]"),
            ("sort sorted by nosort desc limit 1 1", "[c]"),
            ("sadd set d b a c", ":4"),
            ("sort set by nosort store kept", ":4"),
            ("lrange kept 0 -1", "[a b c d]"),
        ],
    );
}

#[test]
fn what_is_sorted_is_kept_as_a_list() {
    let mut stage = Stage::new();
    check(
        &mut stage,
        &[
            ("rpush list 2 3 1", ":3"),
            ("set kept text", "+OK"),
            ("expire kept 100", ":1"),
            ("sort list store kept", ":3"),
            ("lrange kept 0 -1", "[1 2 3]"),
            ("ttl kept", ":-1"),
            ("sort list limit 0 2 store list", ":2"),
            ("lrange list 0 -1", "[1 2]"),
            ("set w1 one", "+OK"),
            ("sort list get w* get # store kept", ":4"),
            ("lrange kept 0 -1", "[one 1  2]"),
            ("sort list limit 5 5 store kept", ":0"),
            ("exists kept", ":0"),
            ("sort none store kept", ":0"),
        ],
    );
    check_events(
        &mut stage,
        "sort list store kept",
        &["new kept", "sortstore kept"],
    );
    assert_eq!(changes(&stage), ["0 kept"]);
    assert_eq!(stage.effects.dirty, 2);
    check_events(&mut stage, "sort none store kept", &["del kept"]);
    check_events(&mut stage, "sort list", &[]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut stage = Stage::new();
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    check(
        &mut stage,
        &[
            ("set text 1", "+OK"),
            ("hset hash f v", ":1"),
            ("sort text", wrong),
            ("sort_ro hash", wrong),
            ("sort hash store text", wrong),
            ("get text", "1"),
            ("sort text something", "-ERR syntax error"),
            ("sort text limit 1", "-ERR syntax error"),
            ("sort text by", "-ERR syntax error"),
            ("sort text get", "-ERR syntax error"),
            ("sort text store", "-ERR syntax error"),
            ("sort_ro text store other", "-ERR syntax error"),
            (
                "sort text limit x 1",
                "-ERR value is not an integer or out of range",
            ),
            (
                "sort text limit 1 x",
                "-ERR value is not an integer or out of range",
            ),
        ],
    );
    stage.run_bytes(["rpush", "blanks", " 2", "1", ""]);
    check(&mut stage, &[("sort blanks", "[ 1  2]")]);
    stage.run_bytes(["rpush", "blanks", "3 "]);
    let answer = shown(&stage.run("sort blanks"));
    assert!(answer.starts_with("-ERR One or more scores"), "{answer}");
}

#[test]
fn its_keys_are_found() {
    for (line, expected) in [
        ("sort a", &[1][..]),
        ("sort a store b", &[1, 3]),
        ("sort a by store get store store c", &[1, 7]),
        ("sort a store b store c", &[1, 5]),
        ("sort a limit", &[1]),
    ] {
        let buffer = ArgumentBuffer::of(line.split(' '));
        let arguments = buffer.arguments();
        let command = command::resolve(&arguments).unwrap();
        assert!(matches!(command.keys, Keys::Function(_)));
        let mut positions = Vec::new();
        command.keys.find(&arguments, &mut positions);
        assert_eq!(positions, expected, "{line}");
    }
}

proptest! {
    #[test]
    fn numbers_are_sorted_like_numbers(
        numbers in prop::collection::vec(-1000..1000_i32, 1..40),
        start in 0..50_usize,
        count in 0..50_usize,
        is_descending: bool,
    ) {
        let mut stage = Stage::new();
        let mut command = vec!["rpush".to_owned(), "list".to_owned()];
        command.extend(numbers.iter().map(i32::to_string));
        stage.run_bytes(command);
        let mut expected = numbers;
        expected.sort_unstable();
        if is_descending {
            expected.reverse();
        }
        let expected: Vec<String> = expected
            .iter()
            .skip(start)
            .take(count)
            .map(i32::to_string)
            .collect();
        let order = if is_descending { "desc" } else { "asc" };
        let answer = stage.run(&format!("sort list {order} limit {start} {count}"));
        prop_assert_eq!(shown(&answer), format!("[{}]", expected.join(" ")));
    }
}
