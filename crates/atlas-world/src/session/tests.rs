//! The machine, step by step: each test is a story whose commands are read as short lines. The simulator in
//! `atlas-sim` drives the machine through everything else.

use std::time::Duration;

use atlas_base::Velocity;

use super::*;
use crate::{Answer, Destination, Directory as _, Outcome, Timer};

mod late;
mod story;

use story::{Story, id};

#[test]
fn a_settled_session_is_small() {
    assert!(size_of::<Session>() <= 256, "{}", size_of::<Session>());
}

#[test]
fn a_transfer_hands_over_everything_in_order() {
    let mut story = Story::settled();
    assert_eq!(story.session.forwards(), Some(LinkId(0)));
    story.session.forwarded(3);
    assert_eq!(
        story.transfer(1),
        ["began admin 1", "dial 1 server 1", "leaving 0 @1"]
    );
    assert_eq!(story.session.phase(), Phase::Preloading);
    assert_eq!(story.input("a"), ["deliver 0 a"]);
    assert_eq!(story.opened(1), ["freeze 0 @2"]);
    assert!(story.session.forwards().is_none() && story.session.accepts_output(LinkId(0)));
    assert!(story.input("b").is_empty());
    assert_eq!(story.frozen(0, 2, 1, 4), ["adopt 1 @2"]);
    assert!(!story.session.accepts_output(LinkId(0)) && !story.session.accepts_output(LinkId(1)));
    assert_eq!(
        story.answer(1, 2, Answer::Adopted { transfer: id(1) }),
        ["commit(true) 1 @2"]
    );
    assert_eq!(story.session.phase(), Phase::Committing);
    assert!(story.input("c").is_empty());
    assert_eq!(
        story.answer(1, 2, Answer::Committed { transfer: id(1) }),
        [
            "promote 1",
            "deliver 1 b",
            "deliver 1 c",
            "detach(transferred) 0 @2",
            "close 0",
            "ended done"
        ]
    );
    assert!(story.session.accepts_output(LinkId(1)) && !story.session.accepts_output(LinkId(0)));
    assert_eq!(story.session.received(), 2);
    assert_eq!(story.world.places, [0, 1, 0]);
    assert_eq!(
        story.step(Event::ClientClosed { code: Some(1000) }),
        ["detach(closed) 1 @2", "close 1"]
    );
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn each_step_before_the_decision_can_be_undone() {
    // What is done to fail the step, and the lines it gives.
    type Failure = fn(&mut Story) -> Vec<String>;
    let freezing: &[Failure] = &[|story| story.late(), |story| story.lost(1)];
    let adopting: &[Failure] = &[
        |story| story.late(),
        |story| story.lost(1),
        |story| {
            let reason = "full".into();
            story.answer(
                1,
                2,
                Answer::Refused {
                    reason,
                    newest: None,
                },
            )
        },
    ];
    for (frozen, failures) in [(false, freezing), (true, adopting)] {
        for (index, fail) in failures.iter().enumerate() {
            let mut story = Story::settled();
            story.transfer(1);
            story.opened(1);
            story.input("held");
            if frozen {
                story.frozen(0, 2, 1, 0);
            }
            let lines = fail(&mut story);
            let tail = ["abort 0 @2", "deliver 0 held", "ended aborted"];
            assert!(
                lines.ends_with(&tail.map(String::from)),
                "{frozen} {index}: {lines:?}"
            );
            assert_eq!(story.session.phase(), Phase::Settled);
            assert_eq!(story.world.places, [1, 0, 0]);
            // The next attempt uses another epoch.
            story.transfer(1);
            assert_eq!(story.opened(2), ["freeze 0 @3"]);
        }
    }
}

#[test]
fn an_unknown_outcome_is_read_back() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    story.mute = true;
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    let moved = story.last_request().1;
    assert!(story.directory_says(Outcome::Unknown).is_empty());
    assert_eq!(story.last_request().1, None, "it is read");
    assert_eq!(
        story.directory_says(Outcome::Is(moved)),
        ["commit(true) 1 @2"]
    );
}

#[test]
fn an_abort_of_an_unknown_outcome_must_win() {
    let mut story = Story::settled();
    let old = story.directory.read(story.session.id);
    let Outcome::Is(old) = old else { panic!() };
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    story.mute = true;
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    story.directory_says(Outcome::Unknown);
    assert!(story.lost(1).is_empty(), "the source must not act yet");
    assert!(story.directory_says(Outcome::Is(old)).is_empty());
    story.late();
    assert_eq!(story.session.phase(), Phase::Aborting);
    let (_, undo) = story.last_request();
    assert_eq!(
        undo.map(|it| (it.server, it.epoch)),
        Some((ServerId(0), Epoch(3)))
    );
    assert_eq!(
        story.directory_says(Outcome::Won),
        ["abort 0 @2", "ended aborted"]
    );
}

#[test]
fn an_outcome_unknown_for_too_long_closes_the_client() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    story.mute = true;
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    let serial = match &story.session.work {
        Work::Handover(handover) => handover.decision.as_ref().map(|it| it.serial).unwrap(),
        other => panic!("{other:?}"),
    };
    let lines = story.step(Event::Timer(Timer::Outcome(serial)));
    assert!(lines.contains(&"close client 1013".to_owned()), "{lines:?}");
    assert!(lines.contains(&"ended failed".to_owned()));
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_target_lost_after_the_decision_falls_back_to_the_source() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.input("held");
    story.frozen(0, 2, 1, 0);
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    // It may act: it is dialled once more, and as the dial is refused its lease needs no waiting.
    assert_eq!(story.lost(1), ["ended failed", "dial 2 server 1"]);
    assert_eq!(story.refused(2), ["began failover 0", "adopt 0 @3"]);
    assert_eq!(
        story.answer(0, 3, Answer::Adopted { transfer: id(2) }),
        ["commit(true) 0 @3"]
    );
    assert_eq!(
        story.answer(0, 3, Answer::Committed { transfer: id(2) }),
        ["promote 0", "deliver 0 held", "ended done"]
    );
    assert_eq!(story.world.places, [1, 0, 0]);
}

#[test]
fn a_failover_waits_the_lease_out_and_replays() {
    let mut story = Story::settled();
    story.session.forwarded(4);
    story.checkpoint(0, 1, 3);
    assert_eq!(
        story.session.forwards(),
        None,
        "what is delivered now is kept"
    );
    story.input("e");
    story.input("f");
    story.checkpoint(0, 1, 5);
    assert_eq!(story.lost(0), ["dial 1 server 0"]);
    assert_eq!(story.session.phase(), Phase::FailingOver);
    assert!(story.input("g").is_empty());
    assert_eq!(story.late(), ["close 1"], "no answer: it may live");
    story.now = story.now + Duration::from_millis(6_250);
    assert_eq!(
        story.late(),
        ["dial 2 server 1", "began failover 1"],
        "the lease is over"
    );
    assert_eq!(story.opened(2), ["attach(failover, state) 2 @2"]);
    assert_eq!(
        story.answer(2, 2, Answer::Attached { has_state: true }),
        ["promote 2", "deliver 2 f", "deliver 2 g", "ended done"]
    );
    assert_eq!(story.world.places, [0, 1, 0]);
}

#[test]
fn a_failover_names_what_it_loses() {
    // Without any checkpoint.
    let mut story = Story::settled();
    story.session.forwarded(4);
    story.lost(0);
    story.refused(1);
    story.opened(2);
    assert_eq!(
        story.answer(2, 2, Answer::Attached { has_state: false }),
        ["promote 2", "reset 4", "ended done"]
    );
    // With a checkpoint, and more input since than is kept.
    let mut story = Story::with(Settings {
        held_input_bytes_max: 8,
        ..Settings::default()
    });
    story.checkpoint(0, 1, 0);
    for _ in 0..5 {
        story.input("four");
    }
    assert_eq!(
        story.session.forwards(),
        Some(LinkId(0)),
        "nothing is kept until the next one"
    );
    story.checkpoint(0, 1, 2);
    story.input("kept");
    story.lost(0);
    story.refused(1);
    story.opened(2);
    assert_eq!(
        story.answer(2, 2, Answer::Attached { has_state: false }),
        ["promote 2", "deliver 2 kept", "reset 3", "ended done"]
    );
}

#[test]
fn a_living_server_gets_its_player_back_at_once() {
    let mut story = Story::settled();
    story.checkpoint(0, 1, 0);
    story.lost(0);
    assert_eq!(
        story.opened(1),
        ["began failover 0", "attach(failover, state) 1 @2"]
    );
    let lines = story.answer(1, 2, Answer::Attached { has_state: true });
    assert_eq!(lines, ["promote 1", "ended done"]);
    assert_eq!(story.session.transfers(), 0);
    assert_eq!(story.world.places, [1, 0, 0]);
}

/// Found by the simulator: a lost server that answered its second dial but refused the player was taken for gone, and
/// another acted while it still did.
#[test]
fn a_living_server_that_refuses_its_player_is_waited_out() {
    let mut story = Story::settled();
    story.lost(0);
    story.opened(1);
    let reason = "full".into();
    let lines = story.answer(
        1,
        2,
        Answer::Refused {
            reason,
            newest: None,
        },
    );
    assert_eq!(lines, ["close 1", "ended failed"], "nobody else yet");
    story.now = story.now + Duration::from_millis(6_250);
    assert_eq!(story.late(), ["dial 2 server 1", "began failover 1"]);
}

#[test]
fn without_any_server_the_client_waits_for_the_orphan_window() {
    let mut story = Story::settled();
    story.world.closed_to = vec![ServerId(0), ServerId(1), ServerId(2)];
    story.lost(0);
    assert!(story.refused(1).is_empty());
    for _ in 0..20 {
        story.now = story.now + Duration::from_secs(3);
        assert!(story.late().is_empty(), "{:?}", story.now);
    }
    // One that comes back within it takes the player.
    let mut other = Story::settled();
    other.world.closed_to = vec![ServerId(0), ServerId(1), ServerId(2)];
    other.lost(0);
    other.refused(1);
    other.world.closed_to.clear();
    assert_eq!(other.late(), ["dial 2 server 0", "began failover 0"]);

    story.input("held");
    story.now = story.now + Duration::from_secs(1);
    assert_eq!(story.late(), ["reset 1", "close client 1013"]);
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_stale_epoch_is_gone_past() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    let stale = |newest| Answer::Refused {
        reason: "stale".into(),
        newest: Some(Epoch(newest)),
    };
    assert_eq!(story.answer(1, 2, stale(8)), ["adopt 1 @9"]);
    assert!(
        story.answer(1, 2, stale(12)).is_empty(),
        "an answer to what was asked before"
    );
    assert_eq!(
        story.answer(1, 9, Answer::Adopted { transfer: id(1) }),
        ["commit(true) 1 @9"]
    );
}

/// Found by the simulator with two edges: an edge whose session was taken over went past the newer edge's epoch, and
/// could have pushed the player from the server that it rightly was at.
#[test]
fn an_epoch_of_another_edge_is_not_gone_past() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.input("held");
    story.frozen(0, 2, 1, 0);
    let record = story.session.ledger.record.taken_over(77);
    assert_eq!((record.owner, record.generation), (77, 2));
    let reason = "stale".into();
    let newest = Some(record.epoch);
    assert_eq!(
        story.answer(1, 2, Answer::Refused { reason, newest }),
        [
            "abort 1 @2",
            "close 1",
            "abort 0 @2",
            "deliver 0 held",
            "ended aborted"
        ]
    );
    story.transfer(1);
    assert_eq!(story.opened(2), ["freeze 0 @3"]);
}

#[test]
fn two_servers_lost_soon_close_the_session() {
    let mut story = Story::settled();
    story.now = story.now + Duration::from_secs(60);
    for (link, epoch) in [(0, 2), (2, 3)] {
        let lines = story.lost(link);
        assert!(
            !lines.iter().any(|line| line.starts_with("close client")),
            "{lines:?}"
        );
        story.refused(link + 1);
        story.opened(link + 2);
        story.answer(link + 2, epoch, Answer::Attached { has_state: false });
        assert_eq!(story.session.phase(), Phase::Settled);
    }
    story.session.forwarded(2);
    assert_eq!(story.lost(4), ["reset 2", "close client 1011"]);
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_client_that_closes_inside_a_transfer_is_its_last_item() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.input("last");
    assert!(
        story
            .step(Event::ClientClosed { code: Some(1001) })
            .is_empty()
    );
    story.frozen(0, 2, 1, 0);
    assert_eq!(
        story.answer(1, 2, Answer::Adopted { transfer: id(1) }),
        ["commit(false) 1 @2"]
    );
    assert_eq!(
        story.answer(1, 2, Answer::Committed { transfer: id(1) }),
        [
            "promote 1",
            "deliver 1 last",
            "detach(transferred) 0 @2",
            "close 0",
            "ended done",
            "detach(closed) 1 @2",
            "close 1"
        ]
    );
    assert_eq!(story.session.phase(), Phase::Closed);
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn kicks() {
    let kick = || Answer::Kick {
        code: 4000,
        reason: "cheating".into(),
    };
    let admin = || Event::Kick {
        code: 4001,
        reason: "asked".into(),
    };
    let mut story = Story::settled();
    assert_eq!(
        story.answer(0, 1, kick()),
        ["detach(kicked) 0 @1", "close 0", "close client 4000"]
    );
    // A frozen source has no say; a person waits for the commit.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    assert!(story.answer(0, 2, kick()).is_empty());
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    assert!(story.step(admin()).is_empty());
    let lines = story.answer(1, 2, Answer::Committed { transfer: id(1) });
    assert!(
        lines.ends_with(&["detach(kicked) 1 @2", "close 1", "close client 4001"].map(String::from))
    );
    // Before the decision a person's kick undoes the transfer.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.input("held");
    let lines = story.step(admin());
    assert_eq!(
        lines,
        [
            "close 1",
            "abort 0 @2",
            "deliver 0 held",
            "ended aborted",
            "detach(kicked) 0 @2",
            "close 0",
            "close client 4001"
        ]
    );
}

#[test]
fn held_input_is_bounded_by_pausing_the_client() {
    let mut story = Story::with(Settings {
        held_input_bytes_max: 8,
        ..Settings::default()
    });
    story.transfer(1);
    story.opened(1);
    assert!(story.input("12345678").is_empty());
    assert_eq!(story.input("9"), ["pause"]);
    assert!(story.input("late").is_empty());
    let lines = story.late();
    assert!(
        lines.ends_with(&["deliver 0 late", "resume", "ended aborted"].map(String::from)),
        "{lines:?}"
    );
}

#[test]
fn a_crossing_waits_for_hysteresis_and_interval() {
    let mut story = Story::settled();
    story.world.places = vec![1, 0, 0];
    for x in [-100.0, 0.0, 24.0, f64::NAN, f64::INFINITY, 1e308] {
        assert!(story.position(x).is_empty(), "{x}");
    }
    assert_eq!(
        story.position(26.0),
        ["began region 1", "dial 1 server 1", "leaving 0 @1"]
    );
    let lines = story.refused(1);
    assert_eq!(lines, ["ended aborted"]);
    // The second attempt waits two intervals, and comes without a further position.
    story.now = story.now + Duration::from_millis(3_999);
    assert!(story.step(Event::Timer(Timer::Recheck)).is_empty());
    story.now = story.now + Duration::from_millis(1);
    let lines = story.step(Event::Timer(Timer::Recheck));
    assert_eq!(lines[0], "began region 1");
}

#[test]
fn a_near_border_opens_a_standby_link() {
    let mut story = Story::settled();
    let walk = |story: &mut Story, x, speed| {
        story.step(Event::Position {
            at: Position::new(x, 0.0, 0.0),
            velocity: Some(Velocity::new(speed, 0.0, 0.0)),
        })
    };
    assert!(walk(&mut story, -500.0, 20.0).is_empty());
    assert!(story.session.wants_position(story.now) && !story.session.wants_position(story.now));
    assert_eq!(walk(&mut story, -20.0, 20.0), ["dial 1 server 1"]);
    assert_eq!(story.session.phase(), Phase::Preloading);
    assert_eq!(story.session.forwards(), Some(LinkId(0)));
    assert!(story.session.wants_position(story.now) && story.session.wants_position(story.now));
    assert_eq!(story.opened(1), ["preload 1 @1"]);
    // Crossing uses it; turning back gives it up.
    assert_eq!(
        walk(&mut story, 26.0, 20.0),
        ["began region 1", "freeze 0 @2"]
    );

    let mut story = Story::settled();
    walk(&mut story, -20.0, 20.0);
    story.opened(1);
    assert_eq!(walk(&mut story, -300.0, -20.0), ["abort 1 @1", "close 1"]);
    assert_eq!(story.session.phase(), Phase::Settled);
}

#[test]
fn positions_that_are_too_fast_move_nobody() {
    let mut story = Story::with(Settings {
        max_speed: 10.0,
        ..Settings::default()
    });
    story.position(-100.0);
    assert!(story.position(100.0).is_empty());
    assert_eq!(
        story.session.position(),
        Some(Position::new(-100.0, 0.0, 0.0))
    );
}

#[test]
fn a_server_can_ask_for_a_transfer() {
    let mut story = Story::settled();
    let ask = |to| Answer::TransferRequest {
        id: "r1".into(),
        to,
        reason: "arena".into(),
    };
    let unknown = story.answer(0, 1, ask(Destination::Unknown));
    assert_eq!(unknown, ["result(refused) 0 @1"]);
    let there = Destination::Position(Position::new(5.0, 0.0, 0.0));
    assert_eq!(story.answer(0, 1, ask(there))[0], "began requested 1");
    let twice = story.answer(0, 1, ask(there));
    assert_eq!(twice, ["result(superseded) 0 @1"]);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    story.answer(1, 2, Answer::Adopted { transfer: id(1) });
    let lines = story.answer(1, 2, Answer::Committed { transfer: id(1) });
    assert!(lines.contains(&"result(done) 0 @2".to_owned()), "{lines:?}");
}

#[test]
fn the_lease_is_renewed_only_when_nothing_else_does() {
    let mut story = Story::settled();
    assert!(
        story.step(Event::Timer(Timer::Lease)).is_empty(),
        "it was just attached"
    );
    assert_eq!(story.step(Event::Timer(Timer::Lease)), ["ping 0 @1"]);
    story.session.forwarded(1);
    assert!(story.step(Event::Timer(Timer::Lease)).is_empty());
    assert_eq!(story.step(Event::Timer(Timer::Lease)), ["ping 0 @1"]);
}

#[test]
fn a_request_that_cannot_be_met_is_refused_at_once() {
    let mut story = Story::settled();
    assert_eq!(story.transfer(0), ["refused: the player is already there"]);
    story.world.closed_to.push(ServerId(1));
    assert_eq!(story.transfer(1), ["refused: the target takes no players"]);
    story.step(Event::ClientClosed { code: None });
    assert_eq!(story.transfer(2), ["refused: the session is over"]);
}

fn given(state: &[u8]) -> Event {
    Event::Given {
        state: state.into(),
    }
}

#[test]
fn what_the_player_left_behind_is_given_by_a_newer_attach_before_the_next_message() {
    let mut story = Story::settled();
    story.session.forwarded(2);
    assert_eq!(story.step(given(b"old")), ["attach(new, state) 0 @2"]);
    assert!(story.input("a").is_empty(), "held until it is attached");
    assert!(
        story.session.accepts_output(LinkId(0)),
        "it is the authority all along"
    );
    assert_eq!(
        story.answer(0, 2, Answer::Attached { has_state: true }),
        ["promote 0", "deliver 0 a"]
    );
    assert_eq!(story.session.phase(), Phase::Settled);
    assert_eq!(story.session.received(), 1, "counted since this attach");
    assert_eq!(story.world.places, [1, 0, 0]);
    // Until the server's own checkpoint it is the newest state there is, and what it lacks is named.
    assert_eq!(story.refused(0), ["dial 1 server 1", "began failover 1"]);
    assert_eq!(story.opened(1), ["attach(failover, state) 1 @3"]);
    assert_eq!(
        story.answer(1, 3, Answer::Attached { has_state: true }),
        ["promote 1", "reset 1", "ended done"]
    );
}

#[test]
fn a_state_that_comes_while_attach_is_under_way_follows_it() {
    let mut story = Story::attaching();
    assert!(story.step(given(b"old")).is_empty());
    assert!(story.input("a").is_empty());
    assert_eq!(
        story.answer(0, 1, Answer::Attached { has_state: false }),
        ["promote 0", "attach(new, state) 0 @2"]
    );
    assert_eq!(
        story.answer(0, 2, Answer::Attached { has_state: true }),
        ["promote 0", "deliver 0 a"]
    );
    assert_eq!(story.world.places, [1, 0, 0]);
    assert_eq!(
        story.step(Event::ClientClosed { code: Some(1000) }),
        ["detach(closed) 0 @2", "close 0"]
    );
    assert_eq!(story.world.places, [0, 0, 0]);
    assert_eq!(story.session.take_state().as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_server_that_does_not_take_the_state_goes_on_without_it() {
    let mut story = Story::settled();
    story.step(given(b"old"));
    story.input("a");
    let refused = Answer::Refused {
        reason: "unreadable".into(),
        newest: None,
    };
    assert_eq!(story.answer(0, 2, refused), ["deliver 0 a"]);
    assert_eq!(story.session.phase(), Phase::Settled);
    assert_eq!(story.session.forwards(), Some(LinkId(0)));
    assert_eq!(story.world.places, [1, 0, 0]);
    assert_eq!(story.session.take_state(), None);
}

#[test]
fn a_server_that_is_lost_over_the_state_is_a_lost_authority() {
    for decided in [false, true] {
        let mut story = Story::settled();
        story.session.forwarded(3);
        story.mute = !decided;
        story.step(given(b"old"));
        // It may act still: its lease is waited out, and it is asked whether it lives.
        assert_eq!(story.lost(0), ["dial 1 server 0"], "decided: {decided}");
        story.mute = false;
        assert_eq!(story.world.places, [0, 0, 0]);
        assert_eq!(story.refused(1), ["dial 2 server 1", "began failover 1"]);
        assert_eq!(story.opened(2), ["attach(failover, state) 2 @3"]);
        assert_eq!(
            story.answer(2, 3, Answer::Attached { has_state: true }),
            ["promote 2", "reset 3", "ended done"]
        );
        assert_eq!(story.world.places, [0, 1, 0]);
    }
}

#[test]
fn kicks_and_closes_while_the_state_is_given_reach_the_server() {
    let mut story = Story::settled();
    story.step(given(b"old"));
    let kick = Answer::Kick {
        code: 4000,
        reason: "cheating".into(),
    };
    assert_eq!(
        story.answer(0, 1, kick),
        ["detach(kicked) 0 @2", "close 0", "close client 4000"]
    );
    assert_eq!(story.world.places, [0, 0, 0]);

    let mut story = Story::settled();
    story.mute = true;
    story.step(given(b"old"));
    let kick = Event::Kick {
        code: 1012,
        reason: String::new(),
    };
    assert_eq!(
        story.step(kick),
        ["detach(drained) 0 @1", "close 0", "close client 1012"]
    );

    let mut story = Story::settled();
    story.step(given(b"old"));
    story.input("a");
    assert!(story.step(Event::ClientClosed { code: None }).is_empty());
    assert_eq!(
        story.answer(0, 2, Answer::Attached { has_state: true }),
        [
            "promote 0",
            "deliver 0 a",
            "detach(timeout) 0 @2",
            "close 0"
        ]
    );
}

#[test]
fn a_player_who_is_being_moved_is_given_nothing() {
    let mut story = Story::settled();
    story.transfer(1);
    assert!(!story.session.takes_state());
    assert!(story.step(given(b"old")).is_empty());
}

#[test]
fn a_session_that_ends_without_a_server_names_what_no_state_contains() {
    // The newest state has 3 of 5 messages, of which 2 were kept for a failover; one more waits for a server.
    let mut story = Story::settled();
    story.session.forwarded(3);
    story.answer(
        0,
        1,
        Answer::Checkpoint {
            state: b"three".as_slice().into(),
            received: 3,
            sent: 0,
        },
    );
    story.input("four");
    story.input("five");
    story.world.closed_to = vec![ServerId(0), ServerId(1), ServerId(2)];
    story.refused(0);
    story.input("six");
    let kick = Event::Kick {
        code: 1012,
        reason: String::new(),
    };
    assert_eq!(story.step(kick), ["reset 3", "close client 1012"]);
    assert_eq!(story.session.take_state().as_deref(), Some(&b"three"[..]));

    // A state that seems to kill servers is carried on by nobody, so nothing of it survives.
    let mut story = Story::settled();
    story.session.forwarded(1);
    story.lost(0);
    story.refused(1);
    story.opened(2);
    story.answer(2, 2, Answer::Attached { has_state: false });
    story.session.forwarded(3);
    story.answer(
        2,
        2,
        Answer::Checkpoint {
            state: b"deadly".as_slice().into(),
            received: 3,
            sent: 0,
        },
    );
    assert_eq!(story.lost(2), ["reset 3", "close client 1011"]);
    assert_eq!(story.session.take_state(), None);
}

#[test]
fn where_enough_is_under_way_transfers_wait_settled_and_failovers_do_not() {
    let mut story = Story::settled();
    story.now = story.now + Duration::from_secs(60);
    story.world.busy = true;
    assert_eq!(
        story.transfer(1),
        ["refused: as many transfers as may be are under way"]
    );
    assert!(story.position(100.0).is_empty());
    assert_eq!(story.session.phase(), Phase::Settled);
    assert!(story.step(Event::Timer(Timer::Recheck)).is_empty());
    story.world.busy = false;
    assert_eq!(
        story.step(Event::Timer(Timer::Recheck)),
        ["began region 1", "dial 1 server 1", "leaving 0 @1"]
    );
    let mut story = Story::settled();
    story.world.busy = true;
    assert_eq!(story.refused(0), ["dial 1 server 1", "began failover 1"]);
}
