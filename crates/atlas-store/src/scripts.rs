//! Scripts at the door: they are tried as reads; those that would write become records.

use std::sync::Arc;

use atlas_kv::acl::User;
use atlas_kv::script::{Terms, Tried, may_script_write};
use atlas_kv::{ArgumentBuffer, Arguments, Command, Effects, Keyspace, Settings};
use atlas_wal::Kind;

use crate::busy::Interrupt;
use crate::connection::Output;
use crate::door::{Proposal, Request};
use crate::engine::{Engine, Stopping};

/// The bit of a record's flags that says that memory was short.
const OUT_OF_MEMORY: u32 = 1;

/// What somebody hears whose script would write and who may not do everything.
pub(crate) const RESTRICTED: &str =
    "NOPERM scripts that write are run only for users who may run every command on every key";

/// What a record says about the scripts in it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Scripted {
    pub(crate) fuel: u64,
    pub(crate) flags: u32,
}

impl Scripted {
    /// As the keyspace takes it.
    pub(crate) fn terms(self) -> Terms {
        let fuel = match self.fuel {
            0 => atlas_kv::script::FUEL,
            fuel => fuel,
        };
        Terms {
            fuel,
            is_out_of_memory: self.flags & OUT_OF_MEMORY != 0,
            trouble: None,
            user: None,
        }
    }
}

/// A state that runs scripts.
pub(crate) fn with_engine(mut keyspace: Keyspace) -> Keyspace {
    keyspace.set_engine(Box::new(atlas_script::Engine::default()));
    keyspace
}

/// An empty state that runs scripts.
pub(crate) fn keyspace(databases: u32, settings: Settings) -> Keyspace {
    with_engine(Keyspace::new(databases, settings))
}

impl Engine {
    /// Has scripts looked at while they run.
    pub(crate) fn watch_scripts(&mut self) {
        let interrupt = Interrupt(Arc::clone(&self.busy));
        self.keyspace.set_watch(Box::new(interrupt));
        self.prepare_busy();
    }

    /// What a record says about its scripts now.
    pub(crate) fn scripted(&mut self) -> Scripted {
        Scripted {
            fuel: self.config.script_fuel,
            flags: u32::from(self.is_out_of_memory()) * OUT_OF_MEMORY,
        }
    }

    /// What a script is tried with: it may be killed, so it may do as much as it likes.
    pub(crate) fn terms_of_trying(&mut self, key: usize) -> Terms {
        Terms {
            user: self.restricted(key),
            fuel: u64::MAX,
            is_out_of_memory: self.is_out_of_memory(),
            trouble: self.trouble.as_ref().map(crate::log::Trouble::line),
        }
    }

    /// The user of a connection, if that is somebody who may not do everything.
    pub(crate) fn restricted(&self, key: usize) -> Option<Arc<User>> {
        let user = &self.connections.get(key)?.user;
        (!user.is_unrestricted()).then(|| Arc::clone(user))
    }

    /// Deals with a command that runs a script.
    pub(crate) fn script_command(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) {
        let arguments = request.arguments();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let has_records = connection.in_flight > 0;
        let database = connection.database;
        if has_records && !may_script_write(&self.keyspace, command, &arguments) {
            self.wait_for_own_records(key, request);
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut output = std::mem::take(&mut connection.output);
        let before = output.bytes.len();
        let terms = self.terms_of_trying(key);
        let moment = self.moment(database);
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        effects.interest = atlas_kv::Interest::empty();
        self.enter_script(Some(key), &arguments);
        let tried = self.keyspace.try_script(
            command,
            moment,
            &arguments,
            &terms,
            &mut output,
            &mut effects,
        );
        self.leave_script();
        let is_answered = tried == Tried::Answered && !has_records;
        if is_answered {
            self.count_answer(&output, before);
        } else {
            output.bytes.truncate(before);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            if is_answered && connection.is_muted() {
                output.bytes.truncate(before);
            }
            connection.output = output;
        }
        if is_answered {
            self.after_scripts(&mut effects);
        }
        self.effects = effects;
        match tried {
            Tried::Answered if has_records => {
                // It has seen a state that its own records are going to change: it is tried again behind them.
                self.wait_for_own_records(key, request);
            }
            Tried::Answered | Tried::Abandoned => self.list(key),
            Tried::WouldWrite => self.propose_script(key, command, request),
        }
    }

    /// Makes a record of a script.
    fn propose_script(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        if let Some(trouble) = &self.trouble {
            let line = trouble.line();
            self.refuse(key, &line);
            return;
        }
        if self.restricted(key).is_some() {
            return self.refuse(key, RESTRICTED);
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (database, id) = (connection.database, connection.id);
        let record = self.keyspace.script_record(command, &request.arguments());
        let request = match &record {
            Some(record) => Request {
                bytes: record.bytes(),
                ranges: record.ranges(),
            },
            None => request,
        };
        let proposal = Proposal {
            kind: Kind::Command,
            client: Some((key, id)),
            database,
            now_ms: self.now_ms,
            needs_seed: true,
            request,
            // Nobody knows which keys it touches: those who wait are served by records of their own.
            waits: Vec::new(),
            services: &[],
            service_bytes: &[],
            scripted: Some(self.scripted()),
        };
        self.propose(&proposal, &[]);
    }

    /// Refuses a library that cannot be loaded whatever the state, so that it is not logged; true if so.
    pub(crate) fn refuses_library(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
    ) -> bool {
        if command.name != "load" || !arguments.is(0, "function") {
            return false;
        }
        let Some(error) = self.keyspace.library_refusal(arguments) else {
            return false;
        };
        self.refuse(key, &error.to_string());
        true
    }

    /// Does what scripts have left to be done outside the state.
    pub(crate) fn after_scripts(&mut self, effects: &mut Effects) {
        for message in std::mem::take(&mut effects.published) {
            self.publish(&message.channel, &message.text);
        }
        for log in std::mem::take(&mut effects.logs) {
            let line = String::from_utf8_lossy(&log.line).into_owned();
            match log.level {
                0 => tracing::debug!(line, "a script says"),
                1 | 2 => tracing::info!(line, "a script says"),
                _ => tracing::warn!(line, "a script says"),
            }
        }
        for tally in effects.tallies.drain(..) {
            self.statistics.tally(&tally);
        }
    }

    /// Counts an answer of a script that is an error.
    pub(crate) fn count_answer(&mut self, output: &Output, before: usize) {
        if output.bytes.get(before) == Some(&b'-') {
            self.counts.errors += 1;
        }
    }

    /// True if a call may write, by what is known of its script.
    pub(crate) fn script_writes(&self, command: &Command, arguments: &Arguments<'_>) -> bool {
        may_script_write(&self.keyspace, command, arguments)
    }

    /// What a transaction queues for a script: one that only this node knows by its name is written out.
    pub(crate) fn script_to_queue(
        &self,
        command: &Command,
        arguments: &Arguments<'_>,
    ) -> Option<ArgumentBuffer> {
        self.keyspace.script_record(command, arguments)
    }

    /// Ends the process's work on the state at once: a script was given up in the middle.
    pub(crate) fn abandon(&mut self) {
        if !self.is_abandoned || matches!(self.stopping, Stopping::Closing | Stopping::Closed) {
            return;
        }
        tracing::warn!("a script was given up: what is in the log is applied at the next start");
        self.keyspace.snapshot_abort();
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.close(key));
        self.log.close();
        self.stopping = Stopping::Closing;
    }
}
