//! What a script does to the state while it runs.

use crate::acl::Denied;
use crate::catalogue;
use crate::command::{self, Command, Flags, Handler};
use crate::effects::{Log, Message, Tally};
use crate::keyspace::{Keyspace, Moment};
use crate::number;
use crate::random::Random;
use crate::{Arguments, Effects, Error, Reply};

use super::{Running, Terms, Verdict};

/// How far a script may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// It is tried: where it would write it is stopped.
    Tried,
    /// It is applied.
    Applied,
}

/// The state and all that a script may know and do, held by it while it runs.
#[derive(Debug)]
pub struct Session {
    pub(super) keyspace: Keyspace,
    pub(super) effects: Effects,
    pub(super) random: Random,
    pub(super) database: u32,
    pub(super) now_ms: i64,
    pub(super) seed: u64,
    pub(super) reach: Reach,
    pub(super) terms: Terms,
    pub(super) is_read_only: bool,
    /// Memory is short, and the script does not say that it may write all the same.
    pub(super) is_memory_refused: bool,
    pub(super) has_written: bool,
    pub(super) is_stopped: bool,
    pub(super) is_killed: bool,
    /// It was stopped because the process ends.
    pub(super) is_abandoned: bool,
}

/// What became of a command of a script.
#[derive(Debug)]
pub enum Called {
    /// It was run and has answered; the answer may be an error.
    Answered,
    /// It was not run.
    Refused(Error),
    /// The script is to end at once: what it would do now is for its record to do.
    Stopped,
}

impl Session {
    /// Runs a command for the script and writes its answer to `reply`.
    pub fn call(&mut self, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Called {
        if self.is_stopped || self.is_killed {
            return Called::Stopped;
        }
        let command = match command::resolve(arguments) {
            Ok(command) => command,
            Err(error) => return Called::Refused(unresolved(&error, arguments)),
        };
        if let Err(error) = self.admit(command, arguments) {
            self.tally(command, |tally| tally.rejected += 1);
            return Called::Refused(error);
        }
        let called = match command.handler {
            Handler::Read(read) => {
                let moment = self.moment();
                let mut view = self.keyspace.view(moment, true);
                view.is_scripted = true;
                answered(command, read(&view, arguments, reply), reply)
            }
            Handler::Write(_) if self.reach == Reach::Tried => {
                return self.try_write(command, arguments, reply);
            }
            Handler::Write(_) => {
                self.has_written = true;
                let random = self.random.clone();
                let effects = &mut self.effects;
                let mut context =
                    self.keyspace
                        .context(command, self.database, random, false, effects);
                context.is_scripted = true;
                let is_fine = context.run(arguments, reply);
                self.random = context.random;
                is_fine
            }
            Handler::Service => answered(command, self.service(command, arguments, reply), reply),
            Handler::Script(_) => false,
        };
        self.tally(command, |tally| {
            tally.calls += 1;
            tally.failed += u64::from(!called);
        });
        Called::Answered
    }

    /// Looks up from work now and then; what is to become of the script.
    pub fn look(&mut self, name: &str, is_function: bool) -> Verdict {
        let Some(mut watch) = self.keyspace.watch.take() else {
            return Verdict::GoOn;
        };
        let verdict = watch.look(&Running {
            name,
            is_function,
            has_written: self.has_written,
        });
        self.keyspace.watch = Some(watch);
        match verdict {
            Verdict::GoOn => {}
            Verdict::Kill => self.is_killed = true,
            Verdict::Abandon => (self.is_stopped, self.is_abandoned) = (true, true),
        }
        verdict
    }

    /// True if the run was stopped: no answer is wanted, and what the script did so far does not count.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// True if somebody has killed the script.
    pub fn is_killed(&self) -> bool {
        self.is_killed
    }

    /// How much work the script may do.
    pub fn fuel(&self) -> u64 {
        self.terms.fuel
    }

    /// Where the script's random numbers begin.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Tells a line of the script's to the node's log.
    pub fn log(&mut self, level: u8, line: Vec<u8>) {
        if self.effects.logs.len() < LOGS_MAX {
            self.effects.logs.push(Log { level, line });
        }
    }

    /// Decides whether whoever runs the script may run a command.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may(&self, command: &Command, arguments: &Arguments<'_>) -> Result<(), Denied> {
        match &self.terms.user {
            Some(user) => user.check(command, arguments),
            None => Ok(()),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            database: self.database,
            now_ms: self.now_ms,
            seed: self.seed,
        }
    }

    /// Checks that a script may run a command.
    fn admit(&self, command: &Command, arguments: &Arguments<'_>) -> Result<(), Error> {
        if command.flags.contains(Flags::NOSCRIPT) {
            return Err(Error::fixed(
                "ERR This Redis command is not allowed from script",
            ));
        }
        if let Err(denied) = self.may(command, arguments) {
            return Err(Error::fixed(match denied {
                Denied::Command => {
                    "ERR The user executing the script can't run this command or subcommand"
                }
                Denied::Key(_) => {
                    "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
                }
                Denied::Channel(_) => {
                    "ERR The user executing the script can't publish to the channel mentioned in the command"
                }
            }));
        }
        let writes = command.flags.intersects(Flags::WRITE);
        if self.is_read_only && (writes || command.flags.contains(Flags::MAY_REPLICATE)) {
            return Err(Error::fixed(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        if writes && !self.has_written {
            if let Some(trouble) = &self.terms.trouble {
                return Err(Error::line(trouble.clone()));
            }
            if self.is_memory_refused && command.flags.contains(Flags::DENYOOM) {
                return Err(Error::fixed(
                    "OOM command not allowed when used memory > 'maxmemory'.",
                ));
            }
        }
        let waits = command
            .blocking
            .is_some_and(|blocking| matches!((blocking.timeout_ms)(arguments), Ok(Some(_))));
        if waits {
            return Err(Error::line(format!(
                "ERR {} command is not allowed with BLOCK option from scripts",
                command.name
            )));
        }
        Ok(())
    }

    /// Answers a command that may write if it would not; stops the script otherwise.
    fn try_write(
        &mut self,
        command: &'static Command,
        arguments: &Arguments<'_>,
        reply: &mut dyn Reply,
    ) -> Called {
        let moment = self.moment();
        let writes = command
            .would_write
            .is_none_or(|would_write| would_write(&self.keyspace.view(moment, false), arguments));
        if writes {
            self.is_stopped = true;
            return Called::Stopped;
        }
        let mut effects = Effects::default();
        let answer = self
            .keyspace
            .answer_to(true, command, moment, arguments, reply, &mut effects);
        let is_fine = answered(command, answer, reply);
        self.tally(command, |tally| {
            tally.calls += 1;
            tally.failed += u64::from(!is_fine);
        });
        Called::Answered
    }

    /// Answers a command that is not about keys.
    fn service(
        &mut self,
        command: &Command,
        arguments: &Arguments<'_>,
        reply: &mut dyn Reply,
    ) -> Result<(), Error> {
        match command.name {
            "ping" => match arguments.get(1) {
                _ if arguments.len() > 2 => return Err(command.arity_error()),
                Some(text) => reply.bulk(text),
                None => reply.simple("PONG"),
            },
            "echo" => reply.bulk(arguments.at(1)),
            "select" => {
                let number = number::integer(arguments.at(1)).ok_or(Error::NotInteger)?;
                let count = self.keyspace.database_count();
                self.database = u32::try_from(number)
                    .ok()
                    .filter(|&number| number < count)
                    .ok_or(Error::fixed("ERR DB index is out of range"))?;
                reply.ok();
            }
            "time" => {
                // The record's, not the clock's: every replay tells the same.
                reply.array(2);
                reply.bulk((self.now_ms / 1000).to_string().as_bytes());
                reply.bulk((self.now_ms % 1000 * 1000).to_string().as_bytes());
            }
            "publish" => {
                self.effects.published.push(Message {
                    channel: arguments.at(1).into(),
                    text: arguments.at(2).into(),
                });
                // Who listens differs from node to node.
                reply.integer(0);
            }
            _ => {
                return Err(Error::fixed(
                    "ERR This Redis command is not allowed from script",
                ));
            }
        }
        Ok(())
    }

    fn tally(&mut self, command: &Command, count: impl FnOnce(&mut Tally)) {
        let tallies = &mut self.effects.tallies;
        let at = tallies
            .iter()
            .position(|tally| tally.command == command.number);
        let at = at.unwrap_or_else(|| {
            tallies.push(Tally::of(command));
            tallies.len() - 1
        });
        count(&mut tallies[at]);
    }
}

/// Lines that one script may tell to the log.
const LOGS_MAX: usize = 100;

/// Writes an error as the answer, if it is one; true if it is none.
fn answered(command: &Command, result: Result<(), Error>, reply: &mut dyn Reply) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            command.answer_error(&error, reply);
            matches!(error, Error::WouldBlock)
        }
    }
}

/// What a script hears of a command that does not exist or has a wrong number of arguments.
fn unresolved(error: &Error, arguments: &Arguments<'_>) -> Error {
    match error {
        Error::Arity { .. } => {
            Error::fixed("ERR Wrong number of args calling Redis command from script")
        }
        // Of Redis's other commands scripts may not use any.
        _ if catalogue::is_command(arguments.name()) => {
            Error::fixed("ERR This Redis command is not allowed from script")
        }
        _ => Error::fixed("ERR Unknown Redis command called from script"),
    }
}
