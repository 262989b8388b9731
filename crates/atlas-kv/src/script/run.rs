//! Running scripts: finding what a call means, trying it, applying it.

use std::sync::Arc;

use super::cache::{Script, Sha};
use super::session::Reach;
use super::shebang::ScriptFlags;
use super::{Code, Occasion, Session, Terms, Watch};
use crate::command::{self, Command, Handler, Invocation};
use crate::keyspace::{Keyspace, Moment};
use crate::random::Random;
use crate::{ArgumentBuffer, Arguments, Effects, Error, Reply, number, transaction};

/// What a client hears of a SHA-1 that nobody knows.
const NOSCRIPT: Error = Error::fixed("NOSCRIPT No matching script. Please use EVAL.");
/// What it hears where nobody runs scripts.
const NO_ENGINE: Error = Error::fixed("ERR nothing runs scripts here");

/// What came of trying a script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tried {
    /// It only read, and has answered.
    Answered,
    /// It would write: a record is to run it from the start.
    WouldWrite,
    /// It was given up with the process.
    Abandoned,
}

/// What scripts take, for reports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ScriptMemory {
    /// Scripts that are known by their SHA-1, and the bytes of their sources.
    pub scripts: (usize, usize),
    /// Libraries, functions, and the bytes that they take.
    pub libraries: (usize, usize, usize),
    /// Bytes that the interpreter uses.
    pub interpreter: u64,
}

/// A call that was understood.
struct Call<'a> {
    code: Code,
    keys: Arguments<'a>,
    values: Arguments<'a>,
}

/// What a call's code says of itself: none for scripts that say nothing.
fn flags_of(code: &Code) -> Option<ScriptFlags> {
    match code {
        Code::Script(script) => script.flags,
        Code::Function(library, at) => library.functions.get(*at).map(|function| function.flags),
    }
}

/// True if a record of these arguments runs a script, alone or in a transaction.
pub fn is_scripted(arguments: &Arguments<'_>) -> bool {
    let is_one = |arguments: &Arguments<'_>| {
        command::find(arguments.name())
            .is_some_and(|command| matches!(command.handler, Handler::Script(_)))
    };
    if transaction::is_transaction(arguments) {
        return transaction::queued(arguments).any(|queued| is_one(&queued));
    }
    is_one(arguments)
}

/// True if a call of this command with these arguments may write, by what is known of the script: one that is not known
/// may.
pub fn may_script_write(keyspace: &Keyspace, command: &Command, arguments: &Arguments<'_>) -> bool {
    let Handler::Script(invocation) = command.handler else {
        return false;
    };
    if command.flags.contains(command::Flags::READONLY) {
        return false;
    }
    let flags = match invocation {
        Invocation::Source => super::shebang::of_script(arguments.at(1))
            .ok()
            .and_then(|(flags, _)| flags),
        Invocation::Sha => {
            Sha::named(arguments.at(1)).and_then(|sha| keyspace.scripts.get(&sha)?.flags)
        }
        Invocation::Function => keyspace
            .libraries
            .function(arguments.at(1))
            .and_then(|(library, at)| Some(library.functions.get(at)?.flags)),
    };
    !flags.is_some_and(|flags| flags.contains(ScriptFlags::NO_WRITES))
}

impl Keyspace {
    /// Gives the keyspace what runs scripts.
    pub fn set_engine(&mut self, engine: Box<dyn super::Scripts>) {
        self.engine = Some(engine);
    }

    /// Gives the keyspace who looks at scripts while they run.
    pub fn set_watch(&mut self, watch: Box<dyn Watch>) {
        self.watch = Some(watch);
    }

    /// What scripts take.
    pub fn script_memory(&self) -> ScriptMemory {
        let (libraries, functions) = self.libraries.counts();
        ScriptMemory {
            scripts: (self.scripts.len(), self.scripts.bytes()),
            libraries: (libraries, functions, self.libraries.bytes()),
            interpreter: self.engine.as_ref().map_or(0, |engine| engine.used_bytes()),
        }
    }

    /// Runs a script as far as it only reads; its answer is written if that is all of it. One that would write is
    /// stopped before it does.
    pub fn try_script(
        &mut self,
        command: &'static Command,
        moment: Moment,
        arguments: &Arguments<'_>,
        terms: &Terms,
        reply: &mut dyn Reply,
        effects: &mut Effects,
    ) -> Tried {
        let call = match self.call_of(command, arguments, Reach::Tried) {
            Ok(call) => call,
            Err(error) => {
                reply.error(&error.to_string());
                return Tried::Answered;
            }
        };
        let mut random = Random::new(moment.seed);
        let now_ms = moment.now_ms.max(self.clock_ms);
        let moment = Moment { now_ms, ..moment };
        let run = Run {
            command,
            moment,
            terms,
            reach: Reach::Tried,
        };
        let is_stopped = self.run_call(&run, &call, &mut random, reply, effects);
        match is_stopped {
            None => Tried::Answered,
            Some(true) => Tried::WouldWrite,
            Some(false) => Tried::Abandoned,
        }
    }

    /// What a record says for a call: a script that every node knows by its SHA-1 is named by that, another is written
    /// out. None if the arguments are right as they are.
    pub fn script_record(
        &self,
        command: &Command,
        arguments: &Arguments<'_>,
    ) -> Option<ArgumentBuffer> {
        let Handler::Script(Invocation::Sha) = command.handler else {
            return None;
        };
        let sha = Sha::named(arguments.at(1))?;
        if self.scripts.is_state(&sha) {
            return None;
        }
        let script = self.scripts.get(&sha)?;
        let mut record = ArgumentBuffer::of([&b"EVAL"[..], &script.source]);
        arguments.iter().skip(2).for_each(|one| record.push(one));
        Some(record)
    }

    /// Applies a script.
    pub(crate) fn apply_script(
        &mut self,
        command: &'static Command,
        occasion: Occasion<'_>,
        arguments: &Arguments<'_>,
        random: &mut Random,
        reply: &mut dyn Reply,
        effects: &mut Effects,
    ) {
        let call = match self.call_of(command, arguments, Reach::Applied) {
            Ok(call) => call,
            Err(error) => return reply.error(&error.to_string()),
        };
        if let (Code::Script(script), Handler::Script(Invocation::Source)) =
            (&call.code, command.handler)
        {
            // From now on records may name it.
            let gone = self.scripts.add_evaluated(script);
            self.forget(&gone);
        }
        let now_ms = self.clock_ms;
        let run = Run {
            command,
            moment: Moment {
                now_ms,
                ..occasion.moment
            },
            terms: occasion.terms,
            reach: Reach::Applied,
        };
        self.run_call(&run, &call, random, reply, effects);
    }

    pub(crate) fn forget(&mut self, gone: &[Sha]) {
        if let Some(engine) = &mut self.engine {
            gone.iter().for_each(|sha| engine.forget(sha));
        }
    }

    /// Has a script compiled.
    pub(crate) fn compile(&mut self, script: &Script) -> Result<(), Error> {
        let engine = self.engine.as_mut().ok_or(NO_ENGINE)?;
        engine.compile(script).map_err(|what| {
            Error::line(format!(
                "ERR Error compiling script (new function): {}",
                what.replace(['\r', '\n'], " ")
            ))
        })
    }

    /// The functions that a library's code registers.
    pub(crate) fn load_library(&mut self, code: &[u8]) -> Result<Vec<super::Function>, Error> {
        let engine = self.engine.as_mut().ok_or(NO_ENGINE)?;
        let line = |what: String| Error::line(format!("ERR {}", what.replace(['\r', '\n'], " ")));
        let functions = engine.load(code, super::LIBRARY_FUEL).map_err(line)?;
        if functions.is_empty() {
            return Err(Error::fixed("ERR No functions registered"));
        }
        Ok(functions)
    }

    /// Understands a call, in the order in which Redis looks at its parts.
    fn call_of<'a>(
        &mut self,
        command: &Command,
        arguments: &Arguments<'a>,
        reach: Reach,
    ) -> Result<Call<'a>, Error> {
        let Handler::Script(invocation) = command.handler else {
            return Err(Error::fixed("ERR this command runs no script"));
        };
        let name = arguments.at(1);
        let function = match invocation {
            Invocation::Sha if name.len() != 40 => return Err(NOSCRIPT),
            Invocation::Function => Some(
                self.libraries
                    .function(name)
                    .map(|(library, at)| Code::Function(Arc::clone(library), at))
                    .ok_or(Error::fixed("ERR Function not found"))?,
            ),
            _ => None,
        };
        let count = number::integer(arguments.at(2)).ok_or(match function {
            Some(_) => Error::fixed("ERR Bad number of keys provided"),
            None => Error::NotInteger,
        })?;
        let left = arguments.skip(3);
        if count > left.len() as i64 {
            return Err(Error::fixed(
                "ERR Number of keys can't be greater than number of args",
            ));
        }
        let count = usize::try_from(count)
            .map_err(|_| Error::fixed("ERR Number of keys can't be negative"))?;
        let code = match (function, invocation) {
            (Some(function), _) => function,
            (None, Invocation::Source) => Code::Script(self.script_of(name)?),
            (None, _) => {
                let sha = Sha::named(name).ok_or(NOSCRIPT)?;
                // What a record does depends on what every node knows.
                if reach == Reach::Applied && !self.scripts.is_state(&sha) {
                    return Err(NOSCRIPT);
                }
                let script = Arc::clone(self.scripts.get(&sha).ok_or(NOSCRIPT)?);
                self.compile(&script)?;
                Code::Script(script)
            }
        };
        Ok(Call {
            code,
            keys: left.part(0..count),
            values: left.skip(count),
        })
    }

    /// The script of a source, compiled.
    fn script_of(&mut self, source: &[u8]) -> Result<Arc<Script>, Error> {
        let sha = Sha::of(source);
        if let Some(known) = self.scripts.get(&sha) {
            let known = Arc::clone(known);
            self.compile(&known)?;
            return Ok(known);
        }
        let script = Arc::new(Script::new(sha, source)?);
        self.compile(&script)?;
        let gone = self.scripts.add_local(&script);
        self.forget(&gone);
        Ok(script)
    }

    /// Runs a call; none if it has answered, true if it was stopped at its first write, false if it was given up.
    fn run_call(
        &mut self,
        run: &Run<'_>,
        call: &Call<'_>,
        random: &mut Random,
        reply: &mut dyn Reply,
        effects: &mut Effects,
    ) -> Option<bool> {
        let is_read_only_command = run.command.flags.contains(command::Flags::READONLY);
        let flags = flags_of(&call.code);
        let never_writes = flags.is_some_and(|flags| flags.contains(ScriptFlags::NO_WRITES));
        let allows_oom = flags.is_some_and(|flags| flags.contains(ScriptFlags::ALLOW_OOM));
        if is_read_only_command && flags.is_some() && !never_writes {
            reply.error("ERR Can not execute a script with write flag using *_ro command.");
            return None;
        }
        if flags.is_some() && !never_writes {
            if let Some(trouble) = &run.terms.trouble {
                reply.error(trouble);
                return None;
            }
            if run.terms.is_out_of_memory && !allows_oom {
                reply.error("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'");
                return None;
            }
        }
        let Some(mut engine) = self.engine.take() else {
            reply.error(&NO_ENGINE.to_string());
            return None;
        };
        let session = Box::new(Session {
            keyspace: std::mem::replace(self, Self::hollow()),
            effects: std::mem::take(effects),
            random: random.clone(),
            database: run.moment.database,
            now_ms: run.moment.now_ms,
            seed: run.moment.seed,
            reach: run.reach,
            terms: run.terms.clone(),
            is_read_only: is_read_only_command || never_writes,
            is_memory_refused: run.terms.is_out_of_memory && !allows_oom,
            has_written: false,
            is_stopped: false,
            is_killed: false,
            is_abandoned: false,
        });
        let session = engine.run(&call.code, &call.keys, &call.values, session, reply);
        let session = *session;
        *self = session.keyspace;
        self.engine = Some(engine);
        *effects = session.effects;
        *random = session.random;
        let is_first_write = run.reach == Reach::Tried && !session.is_abandoned;
        session.is_stopped.then_some(is_first_write)
    }
}

/// How a call is run.
struct Run<'a> {
    command: &'static Command,
    moment: Moment,
    terms: &'a Terms,
    reach: Reach,
}
