//! A state from the lines of a dump.

use std::io::{BufRead, Read};
use std::path::Path;

use atlas_kv::{Effects, Keyspace, Loading, Settings, command, transaction};
use atlas_wal::{Kind, Record};

use super::fresh::{Made, make, target};
use super::line::{DUMP, END, Line, SNAPSHOT, VERSION};
use crate::bugs::Bugs;
use crate::error::Error;
use crate::recovery::replay_one;
use crate::scripts;
use crate::snapshot::{APPLY_LEVEL, Joining};

/// The longest line: a record of less than 4 GiB, a third more as base64.
const LINE_BYTES_MAX: u64 = 6 << 30;

/// Makes a store in the data directory `into` from the lines of a dump. `databases` is how many databases it has, unless
/// a snapshot in the lines says so.
///
/// # Errors
/// [`Error::Line`] names the line; [`Error::Exists`]: a store is never written over; [`Error::Panicked`]; whatever the
/// disk says. Nothing is left behind.
pub fn restore_lines(input: &mut dyn BufRead, into: &Path, databases: u32) -> Result<Made, Error> {
    target(into)?;
    let mut reading = Reading {
        state: State::Begun,
        databases,
        last: 0,
        line: 0,
        has_head: false,
        is_ended: false,
        effects: Effects::default(),
    };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut limited = (&mut *input).take(LINE_BYTES_MAX);
        let count = limited
            .read_until(b'\n', &mut bytes)
            .map_err(|source| super::file("read", "the dump", source))?;
        if count == 0 {
            break;
        }
        reading.line += 1;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = reading.line;
        let wrong = |what| Error::Line { line: number, what };
        if bytes.len() as u64 == LINE_BYTES_MAX {
            return Err(wrong("is longer than any that a dump has".to_owned()));
        }
        let line: Line =
            serde_json::from_slice(&bytes).map_err(|error| wrong(unreadable(&error)))?;
        reading.take(line).map_err(|error| match error {
            Wrong::Line(what) => wrong(what),
            Wrong::Other(error) => error,
        })?;
    }
    let line = reading.line;
    if reading.has_head && !reading.is_ended {
        let what = "is the last, and none of kind `end` came: this dump is cut off".to_owned();
        return Err(Error::Line { line, what });
    }
    let last = reading.last;
    match reading.state {
        State::Begun => Err(Error::Line {
            line,
            what: "is the last, and there was nothing to restore".to_owned(),
        }),
        State::Loading(loading, _) => make(into, finish(*loading, line)?, last),
        State::Applying(keyspace) => make(into, *keyspace, last),
    }
}

enum State {
    Begun,
    Loading(Box<Loading>, Joining),
    Applying(Box<Keyspace>),
}

struct Reading {
    state: State,
    databases: u32,
    last: u64,
    line: u64,
    has_head: bool,
    is_ended: bool,
    effects: Effects,
}

enum Wrong {
    Line(String),
    Other(Error),
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Line(what)
    }
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Reading {
    fn take(&mut self, line: Line) -> Result<(), Wrong> {
        if self.is_ended {
            return Err("comes behind the end of the dump".to_owned().into());
        }
        match line.kind.as_str() {
            DUMP => self.head(&line),
            SNAPSHOT => self.block(&line),
            END => self.end(&line),
            _ => match line.record_kind() {
                Some(kind) => self.record(kind, &line),
                None => Err(format!("has the kind `{}`, which is not known", line.kind).into()),
            },
        }
    }

    fn head(&mut self, line: &Line) -> Result<(), Wrong> {
        if self.has_head || !matches!(self.state, State::Begun) {
            return Err("is a second head".to_owned().into());
        }
        for (what, found, known) in [
            ("version", line.version, VERSION),
            ("apply level", line.apply_level, APPLY_LEVEL),
        ] {
            if found.unwrap_or(1) > known {
                let found = found.unwrap_or_default();
                return Err(format!(
                    "says {what} {found}, and this atlas knows up to {known}; use the one that wrote it"
                )
                .into());
            }
        }
        self.has_head = true;
        Ok(())
    }

    fn block(&mut self, line: &Line) -> Result<(), Wrong> {
        let (Some(kind), Some(payload), Some(index)) = (line.block, &line.payload, line.index)
        else {
            return Err("has no `block`, `payload` or `index`".to_owned().into());
        };
        if matches!(self.state, State::Begun) {
            self.state = State::Loading(Box::default(), Joining::default());
            self.last = index;
        }
        let State::Loading(loading, joining) = &mut self.state else {
            return Err("is of a snapshot, and comes behind records"
                .to_owned()
                .into());
        };
        if self.last != index {
            return Err(format!("is of a snapshot of index {index}, not {}", self.last).into());
        }
        joining
            .block(kind, &payload.0, |kind, payload| {
                loading.block(kind, payload)
            })
            .map_err(|error| format!("holds no part of a snapshot here: {error}").into())
    }

    /// The state that records are applied to.
    fn keyspace(&mut self) -> Result<&mut Keyspace, Error> {
        let state = std::mem::replace(&mut self.state, State::Begun);
        self.state = State::Applying(match state {
            State::Begun => Box::new(scripts::keyspace(self.databases, Settings::default())),
            State::Loading(loading, _) => Box::new(finish(*loading, self.line)?),
            State::Applying(keyspace) => keyspace,
        });
        match &mut self.state {
            State::Applying(keyspace) => Ok(keyspace),
            State::Begun | State::Loading(..) => unreachable!("it was set a moment ago"),
        }
    }

    fn record(&mut self, kind: Kind, line: &Line) -> Result<(), Wrong> {
        let next = self.last + 1;
        let index = line.index.unwrap_or(next);
        if index != next && self.last == 0 {
            return Err(format!(
                "has index {index}, and nothing came before it; a dump with `--from` is a part"
            )
            .into());
        }
        if index != next {
            return Err(format!("has index {index}, and {next} should come next").into());
        }
        let arguments = line.arguments()?;
        let now_ms = line.now_ms.unwrap_or_else(super::now_ms);
        let seed = line.seed()?;
        let database = line.db.unwrap_or_default();
        let keyspace = self.keyspace()?;
        let count = keyspace.database_count();
        if database >= count {
            return Err(format!(
                "is about database {database}, and there are {count}: raise `store.databases`"
            )
            .into());
        }
        if kind == Kind::Command && !line.skipped {
            let arguments = arguments.arguments();
            if !transaction::is_transaction(&arguments)
                && line.serve.is_empty()
                && let Err(error) = command::resolve(&arguments)
            {
                return Err(format!("is no command: {error}").into());
            }
        }
        self.last = index;
        if line.skipped {
            return Ok(());
        }
        let record = Record {
            index,
            kind,
            database,
            now_ms,
            seed,
            serve: &line.serve,
            arguments: atlas_wal::Arguments {
                bytes: arguments.bytes(),
                ranges: arguments.ranges(),
            },
            ..Record::default()
        };
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        let applied = replay_one(&record, self.keyspace()?, &mut effects, Bugs::default());
        self.effects = effects;
        applied.map_err(Wrong::Other)
    }

    fn end(&mut self, line: &Line) -> Result<(), Wrong> {
        if line.index.is_some_and(|index| index != self.last)
            || line.lines.is_some_and(|lines| lines != self.line)
        {
            return Err(format!(
                "says that the dump has other lines than came: the last index was {}",
                self.last
            )
            .into());
        }
        self.is_ended = true;
        Ok(())
    }
}

/// What is wrong with a line that is no JSON of ours; which line it is stands before it.
fn unreadable(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "is cut off".to_owned();
    }
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    format!("cannot be read: {what}, at its byte {}", error.column())
}

fn finish(loading: Loading, line: u64) -> Result<Keyspace, Error> {
    let whole = loading.finish().map(scripts::with_engine);
    whole.map_err(|error| Error::Line {
        line,
        what: format!("ends a snapshot that is not whole: {error}"),
    })
}
