//! The plain machine, step by step: each test is a story whose commands are read as short lines. The simulator in
//! `atlas-sim` drives the machine through everything else.

use std::sync::Arc;

use atlas_base::Velocity;

use super::*;
use crate::{
    Directory as _, MemoryDirectory, Message, Outcome, PlainOrder, Timer,
    story::{World, line},
};

/// A session, its world and directory; directory requests are answered at once unless `mute`.
struct Story {
    session: PlainSession,
    world: World,
    directory: MemoryDirectory,
    now: Moment,
    mute: bool,
    asked: Vec<Command>,
}

impl Story {
    /// A session settled at west on link 0.
    fn settled() -> Self {
        Self::with(Settings::default())
    }

    fn join_first() -> Self {
        Self::with(Settings {
            plain_order: PlainOrder::JoinFirst,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        let (mut story, out) = Self::unborn(settings);
        assert_eq!(story.session.phase(), Phase::Born);
        assert_eq!(story.perform(out), ["promote 0"]);
        assert_eq!(story.session.phase(), Phase::Settled);
        story
    }

    fn unborn(settings: Settings) -> (Self, Vec<Command>) {
        let now = Moment::from_millis(1_000);
        let mut out = Vec::new();
        let session = PlainSession::begin(
            SessionId::from_u128(1),
            9,
            Arc::new(settings),
            LinkId(0),
            ServerId(0),
            now,
            &mut out,
        );
        let story = Self {
            session,
            world: World {
                places: vec![1, 0, 0],
                ..World::default()
            },
            directory: MemoryDirectory::default(),
            now,
            mute: false,
            asked: Vec::new(),
        };
        (story, out)
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.session
            .step(self.now, event, &mut self.world, &mut out);
        self.perform(out)
    }

    fn perform(&mut self, commands: Vec<Command>) -> Vec<String> {
        let mut lines = Vec::new();
        for command in commands {
            match command {
                Command::CompareAndSet { .. } | Command::Read { .. } if self.mute => {
                    self.asked.push(command);
                }
                Command::CompareAndSet {
                    request,
                    expected,
                    record,
                } => {
                    let id = self.session.id;
                    let outcome = self.directory.compare_and_set(id, expected, record);
                    lines.extend(self.step(Event::Directory { request, outcome }));
                }
                command => lines.extend(line(&command)),
            }
        }
        lines
    }

    fn directory_says(&mut self, outcome: Outcome) -> Vec<String> {
        let request = match self.asked.last() {
            Some(Command::CompareAndSet { request, .. } | Command::Read { request }) => *request,
            other => panic!("nothing was asked: {other:?}"),
        };
        self.step(Event::Directory { request, outcome })
    }

    fn opened(&mut self, link: u32) -> Vec<String> {
        self.step(Event::LinkOpened { link: LinkId(link) })
    }

    /// The server closes the link with `code`, or it is lost (0).
    fn closed(&mut self, link: u32, code: u16) -> Vec<String> {
        self.step(Event::LinkClosed {
            link: LinkId(link),
            code: (code != 0).then_some(code),
            reason: String::new(),
        })
    }

    fn refused(&mut self, link: u32) -> Vec<String> {
        self.step(Event::DialFailed {
            link: LinkId(link),
            refused: true,
        })
    }

    fn input(&mut self, text: &str) -> Vec<String> {
        self.step(Event::Input(Message::from(text.as_bytes())))
    }

    fn pong(&mut self, link: u32) -> Vec<String> {
        let serial = self.session.steps;
        self.step(Event::Pong {
            link: LinkId(link),
            serial,
        })
    }

    fn late(&mut self) -> Vec<String> {
        let step = self.session.steps;
        self.step(Event::Timer(Timer::Step(step)))
    }

    fn transfer(&mut self, to: u32) -> Vec<String> {
        self.step(Event::Transfer {
            to: ServerId(to),
            reason: Reason::Admin,
            ticket: 7,
        })
    }

    /// The transfer to 1, up to where the source was told to close, with `b` held.
    fn leaving(&mut self) {
        self.transfer(1);
        self.opened(1);
        self.step(Event::InputHeld);
        self.input("b");
        let lines = self.pong(0);
        assert_eq!(lines, ["end 0 1000"]);
        assert_eq!(self.session.phase(), Phase::Leaving);
    }
}

#[test]
fn a_settled_session_is_small() {
    assert!(
        size_of::<PlainSession>() <= 240,
        "{}",
        size_of::<PlainSession>()
    );
}

#[test]
fn leaving_first_the_player_is_never_at_both() {
    let mut story = Story::settled();
    story.session.forwarded(3);
    assert_eq!(
        story.transfer(1),
        ["began admin 1", "dial 1 server 1"],
        "the source has the player until the target answered"
    );
    assert_eq!(story.session.phase(), Phase::Preloading);
    assert_eq!(story.session.forwards(), Some(LinkId(0)));
    assert_eq!(story.opened(1), ["hold"]);
    assert_eq!(story.session.phase(), Phase::Freezing);
    assert_eq!(story.session.forwards(), None);
    assert_eq!(story.step(Event::InputHeld), ["ping 0"]);
    assert!(story.input("b").is_empty());
    assert!(story.session.accepts_output(LinkId(0)));
    assert_eq!(story.pong(0), ["end 0 1000"]);
    assert!(story.input("c").is_empty());
    assert!(story.session.accepts_output(LinkId(0)) && !story.session.accepts_output(LinkId(1)));
    assert_eq!(
        story.closed(0, 1000),
        [
            "promote 1",
            "replay 1",
            "deliver 1 b",
            "deliver 1 c",
            "ended done"
        ]
    );
    assert_eq!(story.session.phase(), Phase::Settled);
    assert_eq!(story.session.forwards(), Some(LinkId(1)));
    assert!(story.session.accepts_output(LinkId(1)) && !story.session.accepts_output(LinkId(0)));
    assert_eq!(story.session.received(), 2);
    assert_eq!(story.session.epoch(), Epoch(2));
    assert_eq!(story.session.transfers(), 1);
    assert_eq!(story.world.places, [0, 1, 0]);
    let Outcome::Is(Some(record)) = story.directory.read(story.session.id) else {
        panic!()
    };
    assert_eq!(
        (record.server, record.previous),
        (ServerId(1), Some(ServerId(0)))
    );
}

#[test]
fn a_pong_to_an_aborted_moves_ping_does_not_say_that_the_source_is_empty() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    let old = story.session.steps;
    assert_eq!(story.closed(1, 0), ["ended aborted"]);
    story.session.forwarded(1);
    assert_eq!(story.transfer(1), ["began admin 1", "dial 2 server 1"]);
    story.opened(2);
    assert_eq!(story.step(Event::InputHeld), ["ping 0"]);
    let late = Event::Pong {
        link: LinkId(0),
        serial: old,
    };
    assert!(story.step(late).is_empty());
    assert_eq!(story.pong(0), ["end 0 1000"]);
}

#[test]
fn joining_first_replays_before_the_source_is_asked_to_empty() {
    let mut story = Story::join_first();
    story.transfer(1);
    story.opened(1);
    assert_eq!(story.step(Event::InputHeld), ["replay 1", "ping 0"]);
    story.input("b");
    story.pong(0);
    assert!(!story.session.accepts_output(LinkId(1)));
    assert_eq!(
        story.closed(0, 1000),
        ["promote 1", "deliver 1 b", "ended done"]
    );
}

#[test]
fn a_source_that_answers_neither_ping_nor_close_is_left_all_the_same() {
    let mut story = Story::settled();
    story.session.forwarded(4);
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    story.input("b");
    assert_eq!(story.late(), ["end 0 1000"]);
    assert_eq!(
        story.late(),
        [
            "close 0",
            "promote 1",
            "replay 1",
            "reset 4",
            "deliver 1 b",
            "ended done"
        ],
        "nothing says that it read the four"
    );
    // One that answered the ping has read them.
    let mut story = Story::settled();
    story.session.forwarded(4);
    story.leaving();
    assert!(!story.late().contains(&"reset 4".to_owned()));
    assert_eq!(story.world.places, [0, 1, 0]);
}

#[test]
fn a_source_lost_while_it_is_left_has_read_what_it_was_given_only_if_it_answered_the_ping() {
    for (answers, reset) in [(false, true), (true, false)] {
        let mut story = Story::settled();
        story.session.forwarded(4);
        story.transfer(1);
        story.opened(1);
        story.step(Event::InputHeld);
        let end = if answers { story.pong(0) } else { story.late() };
        assert_eq!(end, ["end 0 1000"]);
        let named = story.closed(0, 0).contains(&"reset 4".to_owned());
        assert_eq!(named, reset, "answers: {answers}");
    }
}

#[test]
fn each_step_before_the_source_is_left_can_be_undone() {
    type Failure = fn(&mut Story) -> Vec<String>;
    let dialing: &[Failure] = &[|story| story.refused(1), |story| story.late()];
    let holding: &[Failure] = &[|story| story.closed(1, 0), |story| story.late()];
    let emptying: &[Failure] = &[|story| story.closed(1, 1013)];
    for (stage, failures) in [(0, dialing), (1, holding), (2, emptying)] {
        for (index, fail) in failures.iter().enumerate() {
            for mut story in [Story::settled(), Story::join_first()] {
                story.transfer(1);
                let mut expected = vec!["ended aborted"];
                if stage > 0 {
                    story.opened(1);
                }
                if stage > 1 {
                    story.step(Event::InputHeld);
                    story.input("held");
                    expected.insert(0, "deliver 0 held");
                }
                let lines = fail(&mut story);
                let tail: Vec<_> = expected.iter().map(ToString::to_string).collect();
                assert!(lines.ends_with(&tail), "{stage} {index}: {lines:?}");
                assert_eq!(story.session.phase(), Phase::Settled);
                assert_eq!(story.session.forwards(), Some(LinkId(0)));
                assert_eq!(story.world.places, [1, 0, 0]);
                // And it can be begun again.
                assert_eq!(story.transfer(1)[0], "began admin 1");
            }
        }
    }
}

#[test]
fn a_target_lost_after_the_source_was_left_is_followed_by_others_once_each() {
    // While the source's last words come.
    let mut story = Story::settled();
    story.leaving();
    assert_eq!(story.closed(1, 0), ["ended failed"]);
    assert!(story.session.accepts_output(LinkId(0)));
    // The source is a server like any other then.
    assert_eq!(
        story.closed(0, 1000),
        ["dial 2 server 0", "began failover 0"]
    );
    assert_eq!(story.refused(2), ["ended failed"]);
    assert_eq!(story.session.phase(), Phase::FailingOver);
    assert_eq!(story.late(), ["dial 3 server 2", "began failover 2"]);
    assert_eq!(
        story.opened(3),
        ["promote 3", "replay 3", "deliver 3 b", "ended done"]
    );
    assert_eq!(story.world.places, [0, 0, 1]);

    // When nobody is left.
    let mut story = Story::settled();
    story.leaving();
    story.world.closed_to = vec![ServerId(0), ServerId(2)];
    story.closed(1, 0);
    assert_eq!(story.closed(0, 1000), ["reset 1", "close client 1012"]);
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_close_that_came_before_ours_is_a_kick() {
    for stage in 0..3 {
        let mut story = Story::settled();
        if stage > 0 {
            story.transfer(1);
        }
        if stage > 1 {
            story.opened(1);
            story.step(Event::InputHeld);
        }
        let lines = story.closed(0, 4000);
        assert_eq!(lines.last().unwrap(), "close client 4000", "{stage}");
        assert_eq!(story.session.phase(), Phase::Closed);
        assert_eq!(story.world.places, [0, 0, 0], "{stage}");
    }
    // One that crossed ours is known by a code that only a game would use.
    let mut story = Story::settled();
    story.leaving();
    assert_eq!(
        story.closed(0, 4000),
        ["reset 1", "close 1", "ended failed", "close client 4000"]
    );
}

#[test]
fn a_lost_server_is_followed_by_another_that_the_player_joins() {
    let mut story = Story::settled();
    story.session.forwarded(5);
    assert_eq!(
        story.closed(0, 0),
        ["dial 1 server 1", "began failover 1"],
        "nobody's lease is to be waited for"
    );
    assert_eq!(story.session.phase(), Phase::FailingOver);
    assert!(story.input("a").is_empty());
    assert_eq!(
        story.opened(1),
        [
            "promote 1",
            "replay 1",
            "reset 5",
            "deliver 1 a",
            "ended done"
        ]
    );
    assert_eq!(story.world.places, [0, 1, 0]);
}

#[test]
fn a_lost_link_leads_back_to_its_server_if_there_is_no_other() {
    let mut story = Story::settled();
    story.world.closed_to = vec![ServerId(1), ServerId(2)];
    assert_eq!(story.closed(0, 0), ["dial 1 server 0", "began failover 0"]);
    assert_eq!(
        story.refused(1),
        ["ended failed"],
        "it is tried once, after a pause nobody is left"
    );
    assert_eq!(story.late(), ["close client 1012"]);
    // One that cannot live is not tried.
    let mut story = Story::settled();
    story.world.closed_to = vec![ServerId(1), ServerId(2)];
    let lines = story.step(Event::ServerDown {
        server: ServerId(0),
        refused: true,
    });
    assert_eq!(lines, ["close 0", "close client 1012"]);
}

#[test]
fn a_source_lost_in_a_transfer_is_gone_on_without() {
    // While the target is dialled.
    let mut story = Story::settled();
    story.transfer(1);
    assert!(story.closed(0, 0).is_empty());
    assert_eq!(story.session.phase(), Phase::FailingOver);
    assert_eq!(
        story.opened(1),
        ["promote 1", "replay 1", "reset 0", "ended done"]
    );
    assert_eq!(story.world.places, [0, 1, 0]);
    // While it empties.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    story.input("b");
    assert_eq!(
        story.closed(0, 0),
        [
            "promote 1",
            "replay 1",
            "reset 0",
            "deliver 1 b",
            "ended done"
        ]
    );
}

#[test]
fn without_its_join_a_session_stays_and_goes_with_its_server() {
    let mut story = Story::settled();
    story.session.pin();
    assert_eq!(
        story.transfer(1),
        ["refused: what the player joined with is not recorded"]
    );
    assert_eq!(story.closed(0, 0), ["close client 1012"]);
    // Also if that turns out while the target is dialled.
    let mut story = Story::settled();
    story.transfer(1);
    story.session.pin();
    assert_eq!(story.opened(1), ["close 1", "ended aborted"]);
    assert_eq!(story.world.places, [1, 0, 0]);
}

#[test]
fn two_servers_lost_soon_close_the_session() {
    let mut story = Story::settled();
    story.closed(0, 0);
    story.opened(1);
    assert_eq!(story.session.phase(), Phase::Settled);
    assert_eq!(story.closed(1, 0), ["close client 1011"]);
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn an_unknown_outcome_is_read_back_and_bounded() {
    let mut story = Story::settled();
    story.leaving();
    story.mute = true;
    assert!(story.closed(0, 1000).is_empty());
    assert_eq!(story.session.phase(), Phase::Deciding);
    let Some(Command::CompareAndSet { record, .. }) = story.asked.last().cloned() else {
        panic!()
    };
    assert!(story.directory_says(Outcome::Unknown).is_empty());
    assert!(matches!(story.asked.last(), Some(Command::Read { .. })));
    assert_eq!(
        story.directory_says(Outcome::Is(Some(record))),
        ["promote 1", "replay 1", "deliver 1 b", "ended done"]
    );

    let mut story = Story::settled();
    story.leaving();
    story.mute = true;
    story.closed(0, 1000);
    let serial = match &story.session.work {
        Work::Moving(it) => it.decision.as_ref().map(|it| it.serial).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        story.step(Event::Timer(Timer::Outcome(serial))),
        ["reset 1", "close 1", "ended failed", "close client 1013"]
    );
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn another_edge_that_owns_the_session_ends_it_here() {
    let mut story = Story::settled();
    story.leaving();
    story.mute = true;
    story.closed(0, 1000);
    let Some(Command::CompareAndSet { record, .. }) = story.asked.last().cloned() else {
        panic!()
    };
    let foreign = crate::Record {
        owner: 10,
        generation: 2,
        ..record
    };
    assert_eq!(
        story.directory_says(Outcome::Lost(Some(foreign))),
        ["reset 1", "close 1", "ended failed", "close client 1012"]
    );
}

#[test]
fn nothing_goes_either_way_before_the_birth_is_stored() {
    let (mut story, out) = Story::unborn(Settings::default());
    story.mute = true;
    story.perform(out);
    assert!(!story.session.accepts_output(LinkId(0)) && story.session.forwards().is_none());
    assert!(story.input("join").is_empty());
    story.directory_says(Outcome::Unknown);
    assert_eq!(
        story.directory_says(Outcome::Is(None)),
        Vec::<String>::new(),
        "it is asked for again"
    );
    story.late();
    assert_eq!(
        story.directory_says(Outcome::Won),
        ["promote 0", "deliver 0 join"],
        "a join that was held is not recorded yet"
    );
    // A server lost before it is replaced without any failover to tell of.
    let (mut story, out) = Story::unborn(Settings::default());
    story.mute = true;
    story.perform(out);
    assert_eq!(story.closed(0, 0), ["dial 1 server 1"]);
    story.opened(1);
    assert_eq!(story.directory_says(Outcome::Won), ["promote 1"]);
    assert_eq!(story.world.places, [0, 1, 0]);
}

#[test]
fn a_client_that_closes_gets_the_servers_last_words() {
    let mut story = Story::settled();
    assert_eq!(
        story.step(Event::ClientClosed { code: Some(1000) }),
        ["end 0 1000"]
    );
    assert!(story.session.accepts_output(LinkId(0)) && story.session.forwards().is_none());
    assert_eq!(story.transfer(1), ["refused: the client is gone"]);
    assert_eq!(story.closed(0, 1000), ["close client 1000"]);
    assert_eq!(story.session.phase(), Phase::Closed);
    assert_eq!(story.world.places, [0, 0, 0]);
    // A server that does not close is not waited for for ever.
    let mut story = Story::settled();
    story.step(Event::ClientClosed { code: Some(1001) });
    assert_eq!(story.late(), ["close 0", "close client 1001"]);
    // Nobody is there to hear them.
    let mut story = Story::settled();
    assert_eq!(story.step(Event::ClientClosed { code: None }), ["close 0"]);
}

#[test]
fn a_client_that_closes_inside_a_transfer_is_its_last_item() {
    // Before the source is left it is undone.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    story.input("last");
    assert_eq!(
        story.step(Event::ClientClosed { code: Some(1001) }),
        ["close 1", "deliver 0 last", "ended aborted", "end 0 1001"]
    );
    // After it the target hears the last words.
    let mut story = Story::settled();
    story.leaving();
    assert!(
        story
            .step(Event::ClientClosed { code: Some(1001) })
            .is_empty()
    );
    assert_eq!(
        story.closed(0, 1000),
        [
            "promote 1",
            "replay 1",
            "deliver 1 b",
            "ended done",
            "end 1 1001"
        ]
    );
    // If there are none, nobody has to be joined.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    story.pong(0);
    assert_eq!(
        story.step(Event::ClientClosed { code: None }),
        ["close 0", "close 1", "ended failed"]
    );
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_person_can_kick_at_any_time() {
    let kick = || Event::Kick {
        code: 4001,
        reason: "asked".into(),
    };
    let mut story = Story::settled();
    assert_eq!(story.step(kick()), ["close 0", "close client 4001"]);
    let mut story = Story::settled();
    story.transfer(1);
    assert_eq!(
        story.step(kick()),
        ["close 1", "ended aborted", "close 0", "close client 4001"]
    );
    let mut story = Story::settled();
    story.leaving();
    assert!(story.step(kick()).is_empty());
    assert_eq!(
        story.closed(0, 1000).last().unwrap(),
        "close client 4001",
        "what was held is delivered first"
    );
    assert_eq!(story.world.places, [0, 0, 0]);
}

#[test]
fn a_message_cut_in_the_middle_ends_the_client() {
    let mut story = Story::settled();
    let cut = |story: &mut Story, link| story.step(Event::LinkCut { link: LinkId(link) });
    assert_eq!(cut(&mut story, 0), ["close client 1012"]);
    let mut story = Story::settled();
    story.leaving();
    assert_eq!(
        cut(&mut story, 0),
        ["reset 1", "close 1", "ended failed", "close client 1012"]
    );
    // Of a target nothing was shown yet.
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    assert_eq!(cut(&mut story, 1), ["ended aborted"]);
}

#[test]
fn held_input_is_bounded_by_pausing_the_client() {
    let mut story = Story::with(Settings {
        held_input_bytes_max: 8,
        ..Settings::default()
    });
    story.transfer(1);
    story.opened(1);
    story.step(Event::InputHeld);
    assert!(story.input("12345678").is_empty());
    assert_eq!(story.input("9"), ["pause"]);
    assert!(story.input("late").is_empty());
    let lines = story.closed(1, 0);
    assert!(
        lines.ends_with(&["deliver 0 late", "resume", "ended aborted"].map(String::from)),
        "{lines:?}"
    );
}

#[test]
fn a_crossing_waits_for_hysteresis_interval_and_belief() {
    let mut story = Story::with(Settings {
        max_speed: 1_000.0,
        ..Settings::default()
    });
    let position = |story: &mut Story, x| {
        story.step(Event::Position {
            at: Position::new(x, 0.0, 0.0),
            velocity: Some(Velocity::default()),
        })
    };
    for x in [-100.0, 0.0, 24.0, 5_000.0, f64::NAN] {
        assert!(position(&mut story, x).is_empty(), "{x}");
    }
    assert_eq!(
        position(&mut story, 26.0),
        ["began region 1", "dial 1 server 1"]
    );
    assert_eq!(story.refused(1), ["ended aborted"]);
    story.now = story.now + std::time::Duration::from_millis(3_999);
    assert!(story.step(Event::Timer(Timer::Recheck)).is_empty());
    story.now = story.now + std::time::Duration::from_millis(1);
    let lines = story.step(Event::Timer(Timer::Recheck));
    assert_eq!(lines[0], "began region 1");
}

#[test]
fn late_timers_and_foreign_links_change_nothing() {
    let mut story = Story::settled();
    story.transfer(1);
    let step = story.session.steps;
    story.opened(1);
    assert!(story.step(Event::Timer(Timer::Step(step))).is_empty());
    assert!(story.pong(0).is_empty(), "nothing was asked yet");
    assert!(story.closed(9, 1000).is_empty());
    story.step(Event::InputHeld);
    assert!(story.pong(1).is_empty());
    assert!(story.step(Event::InputHeld).is_empty());
    assert_eq!(story.session.phase(), Phase::Freezing);
}
