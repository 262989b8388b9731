//! What clients hear while a script runs for long: the engine's thread is inside the script, and looks up now and then.
//!
//! Before a script runs the engine hands its sockets over to [`Busy`], which the script's interrupt asks ([`Watch`]); it
//! takes them back when the script has ended. Until a script has run for `busy-reply-threshold` nothing happens. From then on
//! clients are read now and then: they may kill the script, begin and give up transactions, stop the process; everything
//! else is refused with `BUSY`. Whoever waits for answers of commands before is not read: answers keep their order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atlas_kv::acl::User;
use atlas_kv::script::{Running, Verdict, Watch, tell_engines};
use atlas_kv::{ArgumentBuffer, Arguments, Reply as _, command};
use atlas_resp::request::{Limits, Progress};
use mio::net::TcpListener;
use mio::{Registry, Token};
use slab::Slab;

use crate::connection::{Connection, Io};
use crate::engine::{CONNECTIONS, Engine, READ_BYTES};
use crate::stream::Stream;
use crate::transaction::{Transaction, Watches};

/// How often clients are read while a script runs.
const ROUND: Duration = Duration::from_millis(10);
/// Clients that are taken in at once.
const ACCEPTS_MAX: usize = 64;
/// Bytes that one client may send meanwhile.
const INPUT_BYTES_MAX: usize = 1 << 20;

const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";

/// What the engine has handed over, shared with the interrupt.
pub(crate) type Shared = Arc<Mutex<Busy>>;

/// The engine's sockets while a script runs.
pub(crate) struct Busy {
    is_running: bool,
    threshold: Duration,
    began: Instant,
    /// When clients were read last; none before the script has run for long.
    looked: Option<Instant>,
    connections: Slab<Box<Connection>>,
    watches: Watches,
    listener: Option<TcpListener>,
    registry: Registry,
    limits: Limits,
    /// The user that connections begin as.
    default_user: Arc<User>,
    clients_max: usize,
    last_client: u64,
    /// Up to where answers may leave.
    written: u64,
    /// Whose script runs, if a client's.
    caller: Option<usize>,
    command: ArgumentBuffer,
    libraries: (usize, usize),
    /// Clients that came meanwhile, and those that are to be looked at again.
    taken_in: Vec<(u64, usize)>,
    seen: Vec<usize>,
    refused: u64,
    is_killed: bool,
    is_stopping: bool,
    end: atlas_runtime::Shutdown,
}

/// The keyspace's end of it.
pub(crate) struct Interrupt(pub(crate) Shared);

impl Watch for Interrupt {
    fn look(&mut self, running: &Running<'_>) -> Verdict {
        locked(&self.0).look(running)
    }
}

fn locked(shared: &Shared) -> MutexGuard<'_, Busy> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Busy {
    pub(crate) fn new(registry: Registry, end: atlas_runtime::Shutdown) -> Self {
        Self {
            is_running: false,
            threshold: Duration::ZERO,
            began: Instant::now(),
            looked: None,
            connections: Slab::new(),
            watches: Watches::default(),
            listener: None,
            registry,
            limits: Limits::default(),
            default_user: Arc::new(User::default_user()),
            clients_max: 0,
            last_client: 0,
            written: 0,
            caller: None,
            command: ArgumentBuffer::new(),
            libraries: (0, 0),
            taken_in: Vec::new(),
            seen: Vec::new(),
            refused: 0,
            is_killed: false,
            is_stopping: false,
            end,
        }
    }

    fn look(&mut self, running: &Running<'_>) -> Verdict {
        if !self.is_running || self.threshold.is_zero() {
            return Verdict::GoOn;
        }
        let now = Instant::now();
        match self.looked {
            None if now.saturating_duration_since(self.began) < self.threshold => {
                return Verdict::GoOn;
            }
            None => tracing::warn!(
                name = running.name,
                has_written = running.has_written,
                "a script runs for long; clients are answered that the store is busy"
            ),
            Some(looked) if now.saturating_duration_since(looked) < ROUND => {
                return Verdict::GoOn;
            }
            Some(_) => {}
        }
        self.looked = Some(now);
        self.round(running, now);
        if self.is_stopping {
            Verdict::Abandon
        } else if self.is_killed {
            Verdict::Kill
        } else {
            Verdict::GoOn
        }
    }

    /// Reads every client once, and answers.
    fn round(&mut self, running: &Running<'_>, now: Instant) {
        let mut connections = std::mem::take(&mut self.connections);
        self.take_in(&mut connections, now);
        for (key, connection) in &mut connections {
            // What was answered in this turn before the script waits for the turn's end.
            if connection.has_unsent() && connection.held_by <= self.written {
                let _ = connection.send();
            }
            let is_free = connection.hold.is_none()
                && !connection.is_closing
                && connection.in_flight == 0
                && connection.held_by <= self.written;
            if Some(key) == self.caller || !is_free {
                continue;
            }
            // Whatever is not dealt with here the engine looks at afterwards.
            self.seen.push(key);
            connection.is_readable = true;
            if Self::read(connection, now) {
                self.serve(key, connection, running);
                let _ = connection.send();
            }
        }
        self.connections = connections;
    }

    /// Takes new clients in; those that begin with a handshake wait until the script has ended.
    fn take_in(&mut self, connections: &mut Slab<Box<Connection>>, now: Instant) {
        for _ in 0..ACCEPTS_MAX {
            let Some(Ok((mut stream, address))) = self.listener.as_ref().map(TcpListener::accept)
            else {
                return;
            };
            if connections.len() >= self.clients_max {
                // It is turned away without a word, and may try again.
                continue;
            }
            // Answers are whole when they are written: waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            let entry = connections.vacant_entry();
            let token = Token(entry.key() + CONNECTIONS);
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            if self
                .registry
                .register(&mut stream, token, interest)
                .is_err()
            {
                continue;
            }
            self.last_client += 1;
            let user = Arc::clone(&self.default_user);
            let connection = Box::new(Connection::new(
                Stream::plain(stream),
                self.last_client,
                address,
                user,
                now,
            ));
            self.taken_in.push((self.last_client, entry.key()));
            entry.insert(connection);
        }
    }

    /// Reads what a client has sent; false if it sent nothing, or is gone.
    fn read(connection: &mut Connection, now: Instant) -> bool {
        let mut piece = vec![0; READ_BYTES];
        let mut has_read = !connection.input.is_empty();
        while connection.input.len() < INPUT_BYTES_MAX {
            match connection.receive(&mut piece) {
                Io::Bytes(count) => {
                    connection.input.extend_from_slice(&piece[..count]);
                    connection.used = now;
                    has_read = true;
                }
                Io::Blocked => break,
                Io::End | Io::Broken => {
                    connection.is_ended = true;
                    return false;
                }
            }
        }
        has_read
    }

    /// Answers the whole commands that a client has sent.
    fn serve(&mut self, key: usize, connection: &mut Connection, running: &Running<'_>) {
        let mut input = std::mem::take(&mut connection.input);
        let mut ranges = Vec::new();
        let limits = match connection.is_authenticated {
            true => self.limits,
            false => Limits::BEFORE_LOGIN,
        };
        while let Ok(Progress::Command) =
            connection.decoder.decode(&mut input, &limits, &mut ranges)
        {
            let arguments = Arguments::new(&input, &ranges);
            self.answer(key, connection, &arguments, running);
            if connection.is_closing || self.is_stopping {
                break;
            }
        }
        let consumed = connection.decoder.consumed().min(input.len());
        input.drain(..consumed);
        connection.decoder.discard(consumed);
        connection.input = input;
        connection.has_input = !connection.input.is_empty();
    }

    fn answer(
        &mut self,
        key: usize,
        connection: &mut Connection,
        arguments: &Arguments<'_>,
        running: &Running<'_>,
    ) {
        let is_eval = !running.is_function;
        let busy = if is_eval { BUSY_SCRIPT } else { BUSY_FUNCTION };
        if arguments.is(0, "auth") && arguments.len() == 2 && !connection.is_authenticated {
            match self.default_user.accepts(arguments.at(1)) {
                true => {
                    connection.become_user(Arc::clone(&self.default_user), true);
                    connection.output.ok();
                }
                false => connection
                    .output
                    .error("WRONGPASS invalid username-password pair or user is disabled."),
            }
            return;
        }
        if !connection.is_authenticated {
            self.refused += 1;
            return connection.output.error(crate::door::NOAUTH);
        }
        if let Ok(command) = command::resolve(arguments)
            && let Err(denied) = connection.user.check(command, arguments)
        {
            self.refused += 1;
            return connection
                .output
                .error(&crate::access::line(command, denied));
        }
        let is_kill = arguments.len() == 2 && arguments.is(1, "kill");
        if is_kill && (arguments.is(0, "script") || arguments.is(0, "function")) {
            let is_fitting = arguments.is(0, "script") == is_eval;
            if running.has_written {
                connection.output.error(UNKILLABLE);
            } else if is_fitting {
                self.is_killed = true;
                connection.output.ok();
            } else {
                connection.output.error(busy);
            }
        } else if !is_eval && arguments.is(0, "function") && arguments.is(1, "stats") {
            self.tell(connection, running);
        } else if arguments.is(0, "shutdown") && arguments.is(1, "nosave") {
            self.is_stopping = true;
            self.end.drain("SHUTDOWN");
            connection.is_closing = true;
        } else if arguments.is(0, "multi") && connection.transaction.is_none() {
            let transaction = Transaction::new(connection.database, Arc::clone(&connection.user));
            connection.transaction = Some(Box::new(transaction));
            connection.output.ok();
        } else if arguments.is(0, "discard") && connection.transaction.is_some() {
            self.end_transaction(key, connection);
            connection.output.ok();
        } else if arguments.is(0, "exec") && connection.transaction.is_some() {
            self.refused += 1;
            self.end_transaction(key, connection);
            let line = format!("EXECABORT Transaction discarded because of: {busy}");
            connection.output.error(&line);
        } else if arguments.is(0, "quit") {
            connection.output.ok();
            connection.is_closing = true;
        } else {
            self.refused += 1;
            if let Some(transaction) = &mut connection.transaction {
                transaction.is_broken = true;
            }
            let is_known = command::resolve(arguments);
            match is_known {
                Ok(_) => connection.output.error(busy),
                Err(error) => connection.output.error(&error.to_string()),
            }
        }
    }

    /// What `FUNCTION STATS` answers while a function runs.
    fn tell(&self, connection: &mut Connection, running: &Running<'_>) {
        let output = &mut connection.output;
        output.map(2);
        output.bulk(b"running_script");
        output.map(3);
        output.bulk(b"name");
        output.bulk(running.name.as_bytes());
        output.bulk(b"command");
        let command = self.command.arguments();
        output.array(command.len());
        command.iter().for_each(|argument| output.bulk(argument));
        output.bulk(b"duration_ms");
        output.integer(self.began.elapsed().as_millis() as i64);
        tell_engines(self.libraries, output);
    }

    fn end_transaction(&mut self, key: usize, connection: &mut Connection) {
        connection.transaction = None;
        connection.is_watch_broken = false;
        connection.watched_bytes = 0;
        for watched in std::mem::take(&mut connection.watched).into_keys() {
            self.watches.remove(&watched, key);
        }
    }
}

impl Engine {
    /// Hands the sockets over before a script runs.
    pub(crate) fn enter_script(&mut self, caller: Option<usize>, arguments: &Arguments<'_>) {
        let mut busy = locked(&self.busy);
        let busy = &mut *busy;
        busy.is_running = true;
        busy.threshold = self.live.busy_threshold;
        busy.began = Instant::now();
        busy.looked = None;
        busy.caller = caller;
        std::mem::swap(&mut busy.connections, &mut self.connections);
        std::mem::swap(&mut busy.watches, &mut self.watches);
        std::mem::swap(&mut busy.listener, &mut self.listener);
        busy.last_client = self.last_client;
        busy.written = self.written;
        busy.command.clear();
        arguments.iter().for_each(|one| busy.command.push(one));
    }

    /// Takes them back.
    pub(crate) fn leave_script(&mut self) {
        let mut busy = locked(&self.busy);
        busy.is_running = false;
        let busy = &mut *busy;
        std::mem::swap(&mut busy.connections, &mut self.connections);
        std::mem::swap(&mut busy.watches, &mut self.watches);
        std::mem::swap(&mut busy.listener, &mut self.listener);
        if busy.looked.take().is_none() {
            return;
        }
        self.last_client = busy.last_client;
        self.counts.errors += std::mem::take(&mut busy.refused);
        self.counts.connections += busy.taken_in.len() as u64;
        let by_client = &mut self.by_client;
        by_client.extend(busy.taken_in.drain(..));
        self.again.append(&mut busy.seen);
        busy.is_killed = false;
        let (is_stopping, command) = (busy.is_stopping, busy.command.arguments());
        tracing::warn!(
            took_ms = busy.began.elapsed().as_millis() as u64,
            command = command.name().escape_ascii().to_string(),
            "the script has ended"
        );
        self.resume.append(&mut self.again.clone());
        if is_stopping {
            self.is_abandoned = true;
        }
    }

    /// Tells whoever looks at scripts what may have changed since: done once a turn, before anything runs.
    pub(crate) fn prepare_busy(&mut self) {
        let mut busy = locked(&self.busy);
        busy.limits = self.live.limits;
        busy.default_user.clone_from(&self.default_user);
        busy.clients_max = self.live.clients_max;
        let memory = self.keyspace.script_memory();
        busy.libraries = (memory.libraries.0, memory.libraries.1);
    }
}
