//! A session with its world, told event by event; what it commands is read as short lines.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, Position, SessionId, TransferId, Velocity};

use crate::{
    Answer, Command, Directory as _, Event, LinkId, MemoryDirectory, Message, Outcome, Phase,
    Reason, Record, ServerId, Session, Settings, Timer,
    story::{World, line},
};

/// A session, its world and directory; directory requests are answered at once unless `mute`.
pub(super) struct Story {
    pub(super) session: Session,
    pub(super) world: World,
    pub(super) directory: MemoryDirectory,
    pub(super) now: Moment,
    pub(super) mute: bool,
    asked: Vec<Command>,
}

impl Story {
    /// A session settled at west on link 0.
    pub(super) fn settled() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let mut story = Self::born(settings);
        let lines = story.answer(0, 1, Answer::Attached { has_state: false });
        assert_eq!(lines, ["promote 0"]);
        assert_eq!(story.session.phase(), Phase::Settled);
        story
    }

    /// A session whose first server was sent `attach`.
    pub(super) fn attaching() -> Self {
        Self::born(Settings::default())
    }

    fn born(settings: Settings) -> Self {
        let now = Moment::from_millis(1_000);
        let mut out = Vec::new();
        let session = Session::begin(
            SessionId::from_u128(1),
            9,
            Arc::new(settings),
            LinkId(0),
            ServerId(0),
            now,
            &mut out,
        );
        let mut story = Self {
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
        assert_eq!(story.session.phase(), Phase::Born);
        assert_eq!(story.perform(out), ["attach(new) 0 @1"]);
        assert_eq!(story.session.phase(), Phase::Attaching);
        story
    }

    pub(super) fn step(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.session
            .step(self.now, event, &mut self.world, &mut out);
        self.perform(out)
    }

    pub(super) fn answer(&mut self, link: u32, epoch: u64, answer: Answer) -> Vec<String> {
        self.step(Event::Answer {
            link: LinkId(link),
            epoch: Epoch(epoch),
            answer,
        })
    }

    pub(super) fn opened(&mut self, link: u32) -> Vec<String> {
        self.step(Event::LinkOpened { link: LinkId(link) })
    }

    pub(super) fn lost(&mut self, link: u32) -> Vec<String> {
        self.step(Event::LinkClosed {
            link: LinkId(link),
            code: None,
            reason: String::new(),
        })
    }

    pub(super) fn refused(&mut self, link: u32) -> Vec<String> {
        self.step(Event::DialFailed {
            link: LinkId(link),
            refused: true,
        })
    }

    pub(super) fn input(&mut self, text: &str) -> Vec<String> {
        self.step(Event::Input(Message::from(text.as_bytes())))
    }

    pub(super) fn frozen(
        &mut self,
        link: u32,
        epoch: u64,
        transfer: u128,
        received: u64,
    ) -> Vec<String> {
        let state = b"state".as_slice().into();
        self.answer(
            link,
            epoch,
            Answer::Frozen {
                transfer: TransferId::from_u128(transfer),
                state,
                received,
                sent: 0,
            },
        )
    }

    pub(super) fn checkpoint(&mut self, link: u32, epoch: u64, received: u64) -> Vec<String> {
        let state = b"kept".as_slice().into();
        self.answer(
            link,
            epoch,
            Answer::Checkpoint {
                state,
                received,
                sent: 0,
            },
        )
    }

    /// The current step's timer fires.
    pub(super) fn late(&mut self) -> Vec<String> {
        let step = self.session.steps;
        self.step(Event::Timer(Timer::Step(step)))
    }

    pub(super) fn transfer(&mut self, to: u32) -> Vec<String> {
        self.step(Event::Transfer {
            to: ServerId(to),
            reason: Reason::Admin,
            ticket: 7,
        })
    }

    pub(super) fn position(&mut self, x: f64) -> Vec<String> {
        self.step(Event::Position {
            at: Position::new(x, 0.0, 0.0),
            velocity: Some(Velocity::default()),
        })
    }

    /// What is to be done, as lines; the directory's part is done.
    pub(super) fn perform(&mut self, commands: Vec<Command>) -> Vec<String> {
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
                Command::Read { request } => {
                    let outcome = self.directory.read(self.session.id);
                    lines.extend(self.step(Event::Directory { request, outcome }));
                }
                command => lines.extend(line(&command)),
            }
        }
        lines
    }

    /// The last request to the muted directory.
    pub(super) fn last_request(&self) -> (u64, Option<Record>) {
        match self.asked.last() {
            Some(Command::CompareAndSet {
                request, record, ..
            }) => (*request, Some(*record)),
            Some(Command::Read { request }) => (*request, None),
            other => panic!("nothing was asked: {other:?}"),
        }
    }

    pub(super) fn directory_says(&mut self, outcome: Outcome) -> Vec<String> {
        let (request, _) = self.last_request();
        self.step(Event::Directory { request, outcome })
    }
}

pub(super) fn id(bits: u128) -> TransferId {
    TransferId::from_u128(bits)
}
