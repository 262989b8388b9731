//! All users: a part of the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::user::User;
use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;
use crate::{ArgumentBuffer, Arguments, Error};

/// How many users there may be.
pub const USERS_MAX: usize = 10_000;

/// All users, by their names. There is always one called `default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(BTreeMap<Box<[u8]>, Arc<User>>);

impl Default for Users {
    fn default() -> Self {
        let mut users = Self(BTreeMap::new());
        users.put(User::default_user());
        users
    }
}

/// True if the record's arguments change users.
pub(crate) fn is_change(arguments: &Arguments<'_>) -> bool {
    arguments.is(0, "acl")
}

impl Users {
    /// The user of a name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.0.get(name)
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.0.values()
    }

    /// Puts a user in the place of the one of its name, if there is one.
    pub fn put(&mut self, user: User) {
        self.0.insert(user.name().into(), Arc::new(user));
    }

    /// Removes a user; false if there is none of the name. `default` stays.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        name != User::DEFAULT && self.0.remove(name).is_some()
    }

    /// The record that makes these users, whoever was there before.
    pub fn record(&self) -> ArgumentBuffer {
        let mut record = ArgumentBuffer::of(["ACL", "LOAD"]);
        for user in self.iter() {
            record.push(&user.line());
        }
        record
    }

    /// The record that removes users.
    pub fn removal<'a>(names: impl Iterator<Item = &'a [u8]>) -> ArgumentBuffer {
        let mut record = ArgumentBuffer::of(["ACL", "DELUSER"]);
        names.for_each(|name| record.push(name));
        record
    }

    /// Does what a record says; how many users it removed, if that is what it does.
    pub(crate) fn change(&mut self, arguments: &Arguments<'_>) -> Result<Option<i64>, Error> {
        if arguments.is(1, "setuser") {
            let user = User::of_record(arguments).map_err(|_| strange())?;
            self.put(user);
        } else if arguments.is(1, "deluser") {
            let names = arguments.iter().skip(2);
            return Ok(Some(names.filter(|name| self.remove(name)).count() as i64));
        } else if arguments.is(1, "load") {
            let mut users = Self::default();
            for line in arguments.iter().skip(2) {
                users.put(of_line(line).ok_or_else(strange)?);
            }
            *self = users;
        } else {
            return Err(strange());
        }
        Ok(None)
    }

    /// True if they are those that a store begins with.
    fn are_first(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        if self.are_first() {
            return;
        }
        digest.integer(self.0.len() as u64);
        for user in self.iter() {
            digest.bytes(&user.line());
        }
    }

    /// Writes them, if anybody has changed them.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        if self.are_first() {
            return None;
        }
        let mut out = Vec::new();
        put_integer(&mut out, self.0.len() as u64);
        for user in self.iter() {
            put_bytes(&mut out, user.name());
            let rules = user.rules();
            put_integer(&mut out, rules.len() as u64);
            rules.iter().for_each(|rule| put_bytes(&mut out, rule));
        }
        Some(out)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let mut users = Self(BTreeMap::new());
        for _ in 0..reader.integer("the number of users")? {
            let name = reader.bytes("a user's name")?;
            let mut rules = Vec::new();
            for _ in 0..reader.integer("the number of a user's rules")? {
                rules.push(reader.bytes("a user's rule")?);
            }
            let user = User::restored(name, rules);
            let user = user.map_err(|_| reader.impossible("a user with a rule that is none"))?;
            if !User::is_name(name) || users.get(name).is_some() {
                return Err(reader.impossible("a user twice, or of no possible name"));
            }
            users.put(user);
        }
        if users.get(User::DEFAULT).is_none() {
            return Err(reader.impossible("users without the one called default"));
        }
        Ok(users)
    }
}

/// The user of a line of a record.
fn of_line(line: &[u8]) -> Option<User> {
    let rest = line.strip_prefix(b"user ")?;
    let mut words = rest.split(|&byte| byte == b' ');
    let name = words.next()?;
    let rules = super::rules::joined_of(words).ok()?;
    User::restored(name, rules.iter().map(Vec::as_slice)).ok()
}

fn strange() -> Error {
    Error::fixed("ERR a record changes users in a way that is not known")
}
