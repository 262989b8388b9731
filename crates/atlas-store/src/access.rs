//! Who is behind a connection, what that user may do, and what follows when users change.
//!
//! The decision about a command is made at the door; a user's rights are those of the last record that was applied.

use std::collections::VecDeque;
use std::sync::Arc;

use atlas_kv::acl::{Denied, Password, User, Users, full_name};
use atlas_kv::{ArgumentBuffer, Arguments, Command};
use atlas_wal::Kind;

use crate::connection::{Connection, Hold};
use crate::door::{Proposal, Request};
use crate::engine::{Engine, Live};
use crate::waiting::Ending;

/// The admin API's own connections log in by this name, with what is made up at each start.
pub(crate) const ADMIN_API: &str = "admin-api";
/// Entries of the log of refusals that are looked at for one to which another belongs.
const LOOKED_AT_MAX: usize = 10;
/// Refusals of the same within this time are one entry.
const SAME_WITHIN_MS: i64 = 60_000;
/// Of what was refused so many bytes are kept.
const OBJECT_BYTES_MAX: usize = 1024;

/// Where a command came from that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// A connection.
    Client,
    /// A transaction's, queued or run.
    Transaction,
    /// A script.
    #[expect(dead_code, reason = "scripts come later")]
    Script,
}

impl Origin {
    /// Its name in `ACL LOG`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "toplevel",
            Self::Transaction => "multi",
            Self::Script => "lua",
        }
    }
}

/// Something that was refused for want of rights.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) id: u64,
    pub(crate) count: i64,
    pub(crate) reason: &'static str,
    pub(crate) origin: Origin,
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) client: String,
}

/// The log of refusals, the newest first. It is this node's own.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) entries: VecDeque<Refusal>,
    next: u64,
}

impl Refusals {
    fn add(&mut self, mut refusal: Refusal, entries_max: usize) {
        refusal.object.truncate(OBJECT_BYTES_MAX);
        refusal.user.truncate(OBJECT_BYTES_MAX);
        let same = self.entries.iter().take(LOOKED_AT_MAX).position(|held| {
            held.reason == refusal.reason
                && held.origin == refusal.origin
                && refusal.updated_ms - held.updated_ms <= SAME_WITHIN_MS
                && held.object == refusal.object
                && held.user == refusal.user
        });
        if let Some(mut held) = same.and_then(|at| self.entries.remove(at)) {
            held.count += 1;
            held.updated_ms = refusal.updated_ms;
            held.client = refusal.client;
            self.entries.push_front(held);
        } else {
            refusal.id = self.next;
            self.next += 1;
            self.entries.push_front(refusal);
        }
        self.entries.truncate(entries_max);
    }
}

/// The error for a command that was refused.
pub(crate) fn line(command: &Command, denied: Denied) -> String {
    match denied {
        Denied::Command => format!(
            "NOPERM this user has no permissions to run the '{}' command",
            full_name(command)
        ),
        Denied::Key(_) => {
            "NOPERM this user has no permissions to access one of the keys used as arguments"
                .to_owned()
        }
        Denied::Channel(_) => {
            "NOPERM this user has no permissions to access one of the channels used as arguments"
                .to_owned()
        }
    }
}

/// The user `default` as it is in force: with the password that the configuration gives, if it gives one.
pub(crate) fn default_user(users: &Users, live: &Live) -> Arc<User> {
    let held = users.get(User::DEFAULT).cloned();
    let held = held.unwrap_or_else(|| Arc::new(User::default_user()));
    match &live.password {
        Some(password) => Arc::new(held.with_password(Password::of(password))),
        None => held,
    }
}

/// The user of the admin API, which may do everything and that no rule is about.
pub(crate) fn admin_user() -> Arc<User> {
    let user = User::new(ADMIN_API.as_bytes(), true);
    // These are rules.
    let all = user.with(&["on", "allkeys", "allcommands"], true);
    Arc::new(all.unwrap_or(user))
}

impl Engine {
    /// The user of a name as it is in force on this node.
    pub(crate) fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        if name == User::DEFAULT {
            return Some(&self.default_user);
        }
        self.keyspace.users().get(name)
    }

    /// All users as they are in force on this node.
    pub(crate) fn users_in_force(&self) -> Users {
        let mut users = self.keyspace.users().clone();
        users.put(User::clone(&self.default_user));
        users
    }

    /// True if a connection's user may run a command. If not, that is noted; the error is the caller's to answer.
    ///
    /// # Errors
    /// The error.
    pub(crate) fn permit(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
        origin: Origin,
    ) -> Result<(), String> {
        let Some(connection) = self.connections.get(key) else {
            return Ok(());
        };
        if connection.user.is_unrestricted() {
            return Ok(());
        }
        if let Some(line) = connection.user.sort_refusal(command, arguments)
            && connection.user.check(command, arguments).is_ok()
        {
            return Err(line.to_owned());
        }
        match connection.user.check(command, arguments) {
            Ok(()) => Ok(()),
            Err(denied) => {
                self.denied(key, command, arguments, denied, origin);
                Err(line(command, denied))
            }
        }
    }

    /// Notes that a command was refused.
    pub(crate) fn denied(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
        denied: Denied,
        origin: Origin,
    ) {
        let object = match denied {
            Denied::Command => full_name(command).as_bytes(),
            Denied::Key(at) | Denied::Channel(at) => arguments.at(at),
        };
        let user = self.connections.get(key).map(|one| one.user.clone());
        let name = user.as_ref().map_or(User::DEFAULT, |user| user.name());
        self.note_refusal(key, denied.reason(), origin, object, name);
    }

    /// Notes that somebody was refused something.
    pub(crate) fn note_refusal(
        &mut self,
        key: usize,
        reason: &'static str,
        origin: Origin,
        object: &[u8],
        user: &[u8],
    ) {
        let client = self.connections.get(key).map(|one| self.line(one));
        let refusal = Refusal {
            id: 0,
            count: 1,
            reason,
            origin,
            object: object.to_vec(),
            user: user.to_vec(),
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            client: client.unwrap_or_default(),
        };
        self.refusals.add(refusal, self.live.acl_log_entries_max);
    }

    /// Makes a record that changes users, of which `next` are those that there are then. Whoever asked is answered by its
    /// effect, and goes on with its next command once that is there.
    pub(crate) fn change_users(&mut self, key: usize, record: &ArgumentBuffer, next: Users) {
        if let Some(trouble) = &self.trouble {
            let line = trouble.line();
            return self.answer_error(key, &line);
        }
        self.users = next;
        let client = self.connections.get(key).map(|one| (key, one.id));
        // Within a transaction the answer comes behind the transaction's own record.
        let client = client.filter(|_| !self.is_in_transaction);
        let proposal = Proposal {
            kind: Kind::Command,
            client,
            database: 0,
            now_ms: self.now_ms,
            needs_seed: false,
            request: Request {
                bytes: record.bytes(),
                ranges: record.ranges(),
            },
            waits: Vec::new(),
            services: &[],
            service_bytes: &[],
            scripted: None,
        };
        let index = self.next_index;
        self.propose(&proposal, &[]);
        if self.next_index == index {
            // It was refused: nothing changes.
            self.users = self.keyspace.users().clone();
            return;
        }
        // What it sends next may be about the users as they are then.
        if client.is_some()
            && let Some(connection) = self.connections.get_mut(key)
            && connection.in_flight > 0
        {
            connection.hold = Some(Box::new(Hold::Landing));
        }
    }

    /// Makes a record that takes from the user `default` the passwords that records gave it.
    pub(crate) fn take_passwords(&mut self) {
        let held = self.users.get(User::DEFAULT);
        // This is a rule.
        if let Some(Ok(user)) = held.map(|user| user.with(&["nopass"], false)) {
            let record = user.record();
            let mut next = self.users.clone();
            next.put(user);
            self.change_users(usize::MAX, &record, next);
        }
    }

    /// Puts users in force after a record or a setting has changed them. `asking` is the connection that asked for it:
    /// if it is to be cut it has its answer first.
    pub(crate) fn users_changed(&mut self, asking: Option<usize>) {
        if self
            .drops_password_at
            .is_some_and(|index| index <= self.applied_index)
        {
            self.drops_password_at = None;
            self.live.password = None;
        }
        let default = default_user(self.keyspace.users(), &self.live);
        if *default != *self.default_user {
            self.default_user = default;
        }
        let (mut cut, mut changed) = (Vec::new(), Vec::new());
        let users = self.keyspace.users();
        for (key, connection) in &mut self.connections {
            if Arc::ptr_eq(&connection.user, &self.admin_user) {
                continue;
            }
            let name = connection.user.name();
            let now = match name == User::DEFAULT {
                true => Some(&self.default_user),
                false => users.get(name),
            };
            let Some(now) = now else {
                cut.push(key);
                continue;
            };
            if Arc::ptr_eq(now, &connection.user) {
                continue;
            }
            connection.user = Arc::clone(now);
            connection.is_authenticated |= now.is_open() && name_is_default(connection);
            connection.settle_trust();
            if hears_too_much(connection) {
                cut.push(key);
            } else {
                changed.push(key);
            }
        }
        for key in changed {
            self.look_at_wait(key);
        }
        for key in cut {
            if asking == Some(key) {
                self.close_after_answers(key);
            } else {
                self.close(key);
            }
        }
    }

    /// Ends the wait of a client whose user may no longer run what it waits with.
    fn look_at_wait(&mut self, key: usize) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let Some(Hold::Wait(wait)) = connection.hold.as_deref() else {
            return;
        };
        let wait = *wait;
        let Some(found) = self.waiting.get(wait) else {
            return;
        };
        let arguments = found.arguments.arguments();
        if let Err(denied) = connection.user.check(found.command, &arguments) {
            let (command, arguments) = (found.command, found.arguments.clone());
            let arguments = arguments.arguments();
            self.denied(key, command, &arguments, denied, Origin::Client);
            self.end_wait(wait, Ending::Denied(denied));
        }
    }
}

fn name_is_default(connection: &Connection) -> bool {
    connection.user.name() == User::DEFAULT
}

/// True if a connection listens to what its user may not hear.
fn hears_too_much(connection: &Connection) -> bool {
    let Some(subscriptions) = &connection.subscriptions else {
        return false;
    };
    let user = &connection.user;
    let mut channels = subscriptions.channels.iter();
    let mut patterns = subscriptions.patterns.iter();
    channels.any(|channel| !user.may_hear(channel, false))
        || patterns.any(|pattern| !user.may_hear(pattern, true))
}

/// True if an argument is a password or may hold one: nobody is shown it.
pub(crate) fn is_secret(arguments: &Arguments<'_>, at: usize) -> bool {
    match at {
        0 => false,
        _ if arguments.is(0, "auth") => true,
        _ if arguments.is(0, "acl") => arguments.is(1, "setuser") && at > 1,
        _ if arguments.is(0, "config") => {
            arguments.is(1, "set") && arguments.is(at - 1, "requirepass")
        }
        _ if arguments.is(0, "hello") => {
            arguments.is(at - 1, "auth") || at > 1 && arguments.is(at - 2, "auth")
        }
        _ if arguments.is(0, "migrate") => {
            arguments.is(at - 1, "auth")
                || arguments.is(at - 1, "auth2")
                || at > 1 && arguments.is(at - 2, "auth2")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str, at_ms: i64) -> Refusal {
        Refusal {
            id: 0,
            count: 1,
            reason: "key",
            origin: Origin::Client,
            object: object.into(),
            user: b"a".to_vec(),
            created_ms: at_ms,
            updated_ms: at_ms,
            client: String::new(),
        }
    }

    #[test]
    fn the_same_refusal_is_counted_and_old_ones_go() {
        let mut refusals = Refusals::default();
        refusals.add(refusal("one", 0), 3);
        refusals.add(refusal("two", 1), 3);
        refusals.add(refusal("one", 2), 3);
        let held = |refusals: &Refusals| -> Vec<(u64, i64, Vec<u8>)> {
            let entries = refusals.entries.iter();
            entries
                .map(|one| (one.id, one.count, one.object.clone()))
                .collect()
        };
        assert_eq!(
            held(&refusals),
            [(0, 2, b"one".to_vec()), (1, 1, b"two".to_vec())]
        );
        // Later than a minute it is another.
        refusals.add(refusal("one", SAME_WITHIN_MS + 3), 3);
        assert_eq!(refusals.entries[0].id, 2);
        refusals.add(refusal(&"x".repeat(5000), 0), 3);
        assert_eq!(refusals.entries.len(), 3);
        assert_eq!(refusals.entries[0].object.len(), OBJECT_BYTES_MAX);
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = |line: &str| -> Vec<String> {
            let buffer = ArgumentBuffer::of(line.split(' '));
            let arguments = buffer.arguments();
            let all = arguments.iter().enumerate();
            all.map(|(at, word)| match is_secret(&arguments, at) {
                true => "*".to_owned(),
                false => String::from_utf8_lossy(word).into_owned(),
            })
            .collect()
        };
        for (given, seen) in [
            ("AUTH secret", "AUTH *"),
            ("auth me secret", "auth * *"),
            (
                "hello 3 auth me secret setname x",
                "hello 3 auth * * setname x",
            ),
            ("acl setuser me >secret", "acl setuser * *"),
            ("acl getuser me", "acl getuser me"),
            (
                "config set port 1 requirepass secret",
                "config set port 1 requirepass *",
            ),
            (
                "migrate a 1 k 0 9 auth2 me secret keys a",
                "migrate a 1 k 0 9 auth2 * * keys a",
            ),
            ("set auth secret", "set auth secret"),
        ] {
            assert_eq!(shown(given).join(" "), seen, "{given}");
        }
    }
}
