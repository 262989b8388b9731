//! What a command that writes acts on.

use std::ops::Range;

use crate::command::Command;
use crate::database::Place;
use crate::effects::{Change, Class, Effects, Event, Interest};
use crate::entry::Entry;
use crate::error::Error;
use crate::keyspace::Keyspace;
use crate::random::Random;
use crate::settings::Settings;
use crate::slice::Slice;
use crate::value::{Object, Value, ValueRef};
use crate::view::View;

/// The state as a command acts on it: one database selected, at the moment that its record names, with random numbers
/// from the record's seed. Nothing else may decide what it does.
pub struct Context<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) effects: &'a mut Effects,
    pub(crate) database: u32,
    pub(crate) now_ms: i64,
    pub(crate) access: u32,
    pub(crate) random: Random,
    /// True while a client that waited is being served: what would be an error for its command may be no reason to wake
    /// it.
    pub(crate) is_serving: bool,
    /// A script runs the command.
    pub(crate) is_scripted: bool,
    /// The command that runs.
    pub(crate) command: &'static Command,
}

/// A collection under its key, to be changed, with what its changes need.
pub(crate) struct Held<'a> {
    pub(crate) object: &'a mut Object,
    pub(crate) slice: &'a mut Slice,
    pub(crate) settings: &'a Settings,
}

/// Where [`Context::seek`] looked for a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    place: Place,
    position: Option<u32>,
}

impl Sought {
    /// True if there is the key.
    pub(crate) fn is_found(self) -> bool {
        self.position.is_some()
    }
}

/// What becomes of an entry's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The key does not expire any more.
    Never,
    /// As before.
    Keep,
    /// At this many milliseconds since 1970.
    At(i64),
}

impl Expiry {
    /// As a value had it that comes with its own.
    pub(crate) fn of(expire_ms: Option<i64>) -> Self {
        expire_ms.map_or(Self::Never, Self::At)
    }
}

impl Context<'_> {
    /// The same state for reading; reads in a command that writes count as uses too.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            keyspace: self.keyspace,
            database: self.database,
            now_ms: self.now_ms,
            access: Some(self.access),
            seed: 0,
            is_scripted: self.is_scripted,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.keyspace.settings
    }

    /// True if the key exists. A key whose time has come is removed.
    pub(crate) fn exists(&mut self, key: &[u8]) -> bool {
        self.locate(key).is_some()
    }

    /// The entry of a key. A key whose time has come is removed.
    pub(crate) fn entry(&mut self, key: &[u8]) -> Option<&Entry> {
        let (place, position) = self.locate(key)?;
        self.entry_at(place, position)
    }

    /// The value that [`Self::seek`] found.
    pub(crate) fn value_at(&self, sought: Sought) -> Option<ValueRef<'_>> {
        let entry = self.entry_at(sought.place, sought.position?)?;
        Some(entry.value())
    }

    /// The entry that [`Self::locate`] found.
    pub(crate) fn entry_at(&self, place: Place, position: u32) -> Option<&Entry> {
        let keyspace = &*self.keyspace;
        let entry = keyspace.databases[self.database as usize].get(place, position)?;
        keyspace.used(entry, self.access);
        Some(entry)
    }

    /// The collection at a key, to be changed; none if there is no key or it holds a string.
    pub(crate) fn object_mut(&mut self, key: &[u8]) -> Option<Held<'_>> {
        let (place, position) = self.locate(key)?;
        let keyspace = &mut *self.keyspace;
        let entry = keyspace.databases[self.database as usize].get_mut(
            place,
            position,
            &mut keyspace.slice,
        )?;
        Some(Held {
            object: entry.object_mut()?,
            slice: &mut keyspace.slice,
            settings: &keyspace.settings,
        })
    }

    /// The collection at a key, to be changed, found with one look: none if there is no key, an error if it holds a
    /// string. Counts as a use.
    pub(crate) fn held(&mut self, key: &[u8]) -> Result<Option<Held<'_>>, Error> {
        match self.locate(key) {
            None => Ok(None),
            Some((place, position)) => self.held_at(place, position).map(Some),
        }
    }

    /// The same, with a new collection where there is no key. The caller puts something into it: an empty collection
    /// must not stay.
    pub(crate) fn held_or_new(
        &mut self,
        key: &[u8],
        make: impl FnOnce(&mut Slice) -> Object,
    ) -> Result<Held<'_>, Error> {
        let sought = self.seek(key);
        if let Some(position) = sought.position {
            return self.held_at(sought.place, position);
        }
        let object = make(&mut self.keyspace.slice);
        let value = Value::Object(Box::new(object));
        let position = self.insert(sought.place, key, Expiry::Never, SetTo::Value(value));
        self.held_at(sought.place, position)
    }

    /// Hands a part of the string at `key` to `change`, and returns how long the string is. It is made longer with zeros
    /// as far as that takes, and made if there is no such key. Whoever calls has seen to it that the key holds no
    /// collection, and that a string may be so long.
    pub(crate) fn edit_string(
        &mut self,
        key: &[u8],
        part: Range<usize>,
        change: impl FnOnce(&mut [u8]),
    ) -> usize {
        let sought = self.seek(key);
        self.edit_string_at(sought, key, part, change)
    }

    /// The same where [`Self::seek`] has looked already.
    pub(crate) fn edit_string_at(
        &mut self,
        sought: Sought,
        key: &[u8],
        part: Range<usize>,
        change: impl FnOnce(&mut [u8]),
    ) -> usize {
        let place = sought.place;
        let position = match sought.position {
            Some(position) => position,
            None => self.insert(place, key, Expiry::Never, SetTo::String(b"")),
        };
        let keyspace = &mut *self.keyspace;
        keyspace.databases[self.database as usize]
            .get_mut(place, position, &mut keyspace.slice)
            .and_then(|entry| entry.edit_string(part, &mut keyspace.slice, change))
            .unwrap_or_default()
    }

    /// Hands all of the string that [`Self::seek`] found to `change`, or of an empty one where it found nothing: what lies
    /// from the position on that comes with the bytes. It may make it longer or shorter, but not empty. Whoever calls has
    /// seen to it that the key holds no collection.
    pub(crate) fn edit_whole_string_at(
        &mut self,
        sought: Sought,
        key: &[u8],
        change: impl FnOnce(&mut Vec<u8>, usize),
    ) {
        let place = sought.place;
        let position = match sought.position {
            Some(position) => position,
            None => self.insert(place, key, Expiry::Never, SetTo::String(b"")),
        };
        let keyspace = &mut *self.keyspace;
        let entry = keyspace.databases[self.database as usize].get_mut(
            place,
            position,
            &mut keyspace.slice,
        );
        if let Some(entry) = entry {
            entry.edit_whole_string(&mut keyspace.slice, change);
        }
    }

    /// Sets a key to a value, whatever was there. The caller says what happened with [`Self::changed`] and
    /// [`Self::notify`].
    pub(crate) fn set(&mut self, key: &[u8], value: Value, expiry: Expiry) {
        let sought = self.seek(key);
        self.set_at(sought, key, value, expiry);
    }

    /// The same where [`Self::seek`] has looked already.
    pub(crate) fn set_at(&mut self, sought: Sought, key: &[u8], value: Value, expiry: Expiry) {
        self.store(sought, key, expiry, SetTo::Value(value));
    }

    /// Sets a key to a string as it came, whatever was there, where [`Self::seek`] has looked already.
    pub(crate) fn set_string_at(
        &mut self,
        sought: Sought,
        key: &[u8],
        value: &[u8],
        expiry: Expiry,
    ) {
        self.store(sought, key, expiry, SetTo::String(value));
    }

    /// Sets when the entry that [`Self::locate`] found expires.
    pub(crate) fn set_expire_ms_at(&mut self, place: Place, position: u32, expire_ms: Option<i64>) {
        let keyspace = &mut *self.keyspace;
        keyspace.databases[self.database as usize].change(
            place,
            position,
            &mut keyspace.slice,
            |entry, _| entry.set_expire_ms(expire_ms),
        );
    }

    /// Sets when a key expires; false if there is no such key.
    pub(crate) fn set_expire_ms(&mut self, key: &[u8], expire_ms: Option<i64>) -> bool {
        let Some((place, position)) = self.locate(key) else {
            return false;
        };
        self.set_expire_ms_at(place, position, expire_ms);
        true
    }

    /// Removes a key; true if it was there. The caller says what happened.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some((place, position)) = self.locate(key) else {
            return false;
        };
        self.remove_at(place, position);
        true
    }

    /// Removes the key that [`Self::seek`] found; true if it found it.
    pub(crate) fn remove_sought(&mut self, sought: Sought) -> bool {
        if let Some(position) = sought.position {
            self.remove_at(sought.place, position);
        }
        sought.is_found()
    }

    /// Takes the value away from under its key, and when it was to expire.
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<(Value, Option<i64>)> {
        let (place, position) = self.locate(key)?;
        let keyspace = &mut *self.keyspace;
        let entry = keyspace.databases[self.database as usize].remove(
            place,
            position,
            &mut keyspace.slice,
        )?;
        let expire_ms = entry.expire_ms();
        Some((entry.into_value(), expire_ms))
    }

    /// A copy of what a key holds, and when the key is to expire.
    pub(crate) fn duplicate(&mut self, key: &[u8]) -> Option<(Value, Option<i64>)> {
        let (place, position) = self.locate(key)?;
        let keyspace = &mut *self.keyspace;
        let entry = keyspace.databases[self.database as usize].get(place, position)?;
        let value = entry.value().duplicate(&mut keyspace.slice);
        Some((value, entry.expire_ms()))
    }

    /// Does something in another database, which must exist.
    pub(crate) fn in_database<T>(&mut self, database: u32, act: impl FnOnce(&mut Self) -> T) -> T {
        let selected = std::mem::replace(&mut self.database, database);
        let done = act(self);
        self.database = selected;
        done
    }

    /// Removes the key if its collection has become empty; true if so. Tells the event `del`.
    pub(crate) fn remove_if_empty(&mut self, key: &[u8]) -> bool {
        let is_empty = self
            .object_mut(key)
            .is_some_and(|held| held.object.len() == 0);
        if is_empty {
            self.remove(key);
            self.notify(Class::GENERIC, "del", key);
        }
        is_empty
    }

    /// Says that a key's value or existence changed: whoever watches or waits for it hears of it.
    pub(crate) fn changed(&mut self, key: &[u8]) {
        self.effects.dirty += 1;
        self.modified(key);
    }

    /// As [`Self::changed`], without counting it: `RENAME` changes two keys and counts one change.
    pub(crate) fn modified(&mut self, key: &[u8]) {
        if self.effects.interest.contains(Interest::KEYS) {
            self.effects.changes.push(Change::Key {
                database: self.database,
                key: key.into(),
            });
        }
    }

    /// Says that more than one thing changed under the keys already told.
    pub(crate) fn changed_more(&mut self, count: u64) {
        self.effects.dirty += count;
    }

    /// Tells a keyspace notification.
    pub(crate) fn notify(&mut self, class: Class, name: &'static str, key: &[u8]) {
        if self.effects.interest.contains(Interest::EVENTS) {
            self.effects.events.push(Event {
                class,
                name,
                database: self.database,
                key: key.into(),
            });
        }
    }

    /// Where a key lies, until something is removed. A key whose time has come is removed.
    pub(crate) fn locate(&mut self, key: &[u8]) -> Option<(Place, u32)> {
        let sought = self.seek(key);
        Some((sought.place, sought.position?))
    }

    /// Where a key lies or would, until something is added or removed. A key whose time has come is removed.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Sought {
        let place = Place::of(key);
        let mut sought = Sought {
            place,
            position: None,
        };
        let Some(database) = self.keyspace.databases.get(self.database as usize) else {
            return sought;
        };
        let Some(position) = database.find(place, key) else {
            return sought;
        };
        let entry = database.get(place, position);
        if entry.is_some_and(|entry| entry.is_expired(self.now_ms)) {
            self.remove_at(place, position);
            self.effects.expired += 1;
            // As in Redis this is no change that anybody made.
            self.modified(key);
            self.notify(Class::EXPIRED, "expired", key);
        } else {
            sought.position = Some(position);
        }
        sought
    }

    fn held_at(&mut self, place: Place, position: u32) -> Result<Held<'_>, Error> {
        let keyspace = &mut *self.keyspace;
        let entry = keyspace.databases[self.database as usize]
            .get_mut(place, position, &mut keyspace.slice)
            .ok_or(Error::NoSuchKey)?;
        let access = keyspace
            .settings
            .access
            .of_use(entry.access(), self.access, &keyspace.dice);
        entry.set_access(access);
        Ok(Held {
            object: entry.object_mut().ok_or(Error::WrongType)?,
            slice: &mut keyspace.slice,
            settings: &keyspace.settings,
        })
    }

    /// Removes the entry that [`Self::locate`] found.
    pub(crate) fn remove_at(&mut self, place: Place, position: u32) {
        let keyspace = &mut *self.keyspace;
        let removed =
            keyspace.databases[self.database as usize].remove(place, position, &mut keyspace.slice);
        if let Some(object) = removed.and_then(|mut entry| entry.take_object()) {
            keyspace.discard(object, self.effects);
        }
    }

    fn store(&mut self, sought: Sought, key: &[u8], expiry: Expiry, value: SetTo<'_>) {
        if let SetTo::Value(Value::Object(object)) = &value {
            let (keyspace, database) = (&mut *self.keyspace, self.database);
            keyspace.moved(object, database, key);
        }
        let place = sought.place;
        let Some(position) = sought.position else {
            self.insert(place, key, expiry, value);
            return;
        };
        let keyspace = &mut *self.keyspace;
        let replaced = keyspace.databases[self.database as usize].change(
            place,
            position,
            &mut keyspace.slice,
            |entry, slice| {
                match expiry {
                    Expiry::Keep => {}
                    Expiry::Never => entry.set_expire_ms(None),
                    Expiry::At(expire_ms) => entry.set_expire_ms(Some(expire_ms)),
                }
                let access = keyspace.settings.access;
                entry.set_access(access.of_use(entry.access(), self.access, &keyspace.dice));
                match value {
                    SetTo::Value(value) => entry.set(value, slice),
                    SetTo::String(value) => entry.set_string(value, slice),
                }
            },
        );
        if let Some(object) = replaced.flatten() {
            self.keyspace.discard(object, self.effects);
        }
    }

    /// Adds a key that is not there.
    fn insert(&mut self, place: Place, key: &[u8], expiry: Expiry, value: SetTo<'_>) -> u32 {
        let keyspace = &mut *self.keyspace;
        let slice = &mut keyspace.slice;
        let mut entry = match value {
            SetTo::Value(value) => Entry::new(key, value, slice),
            SetTo::String(value) => Entry::of_string(key, value, slice),
        };
        entry.set_access(keyspace.settings.access.of_new(self.access));
        if let Expiry::At(expire_ms) = expiry {
            entry.set_expire_ms(Some(expire_ms));
        }
        let position = keyspace.databases[self.database as usize].insert(place, entry, slice);
        self.notify(Class::NEW, "new", key);
        position
    }
}

enum SetTo<'a> {
    Value(Value),
    String(&'a [u8]),
}
