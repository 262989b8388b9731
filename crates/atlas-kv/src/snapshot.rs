//! Writing the state of one instant while commands go on, and reading it back.

use std::collections::{HashMap, VecDeque};

use crate::acl::Users;
use crate::codec::{LoadError, Reader, put_integer, put_signed};
use crate::database::{Database, Reference};
use crate::keyspace::Keyspace;
use crate::settings::Settings;
use crate::slice::{Block, ObjectId, kind};
use crate::value::Object;

/// Where the walk through the state is.
#[derive(Debug)]
pub(crate) struct Walk {
    database: u32,
    part: u32,
    page: usize,
    /// What lies outside the walk's way, and is still to be written.
    pub(crate) owing: VecDeque<Owing>,
}

/// What is still to be written, wherever it is now.
#[derive(Debug)]
pub(crate) enum Owing {
    /// The collection at a key, from a page on; the number is the database's when the snapshot began. Pages before it have
    /// been written or are born since, and stay so. A collection that comes to lie there instead is owed on its own.
    Key(u32, Box<[u8]>, usize),
    /// A collection that has no key any more, from a page on.
    Object(Box<Object>, usize),
    /// A database that has been flushed, and the part and page to go on with.
    Database(Box<Database>, u32, usize),
}

impl Keyspace {
    /// Begins a snapshot of the state as it is now; false if one is in the making already. Its head can be taken at once
    /// with [`Self::snapshot_take`], the rest after calls of [`Self::snapshot_step`].
    pub fn snapshot_begin(&mut self) -> bool {
        if self.walk.is_some() {
            return false;
        }
        for (number, database) in self.databases.iter_mut().enumerate() {
            database.sliced_as = number as u32;
        }
        self.slice.begin();
        let mut head = Vec::new();
        put_integer(&mut head, self.databases.len() as u64);
        put_signed(&mut head, self.clock_ms);
        self.settings.encode(&mut head);
        self.slice.emit(kind::HEAD, head);
        if let Some(users) = self.users.encode() {
            self.slice.emit(kind::USERS, users);
        }
        // Scripts and libraries are few beside the keys: all of them at once.
        for script in self.scripts.encode() {
            self.slice.emit(kind::SCRIPT, script);
        }
        for library in self.libraries.encode() {
            self.slice.emit(kind::LIBRARY, library);
        }
        self.walk = Some(Walk {
            database: 0,
            part: 0,
            page: 0,
            owing: VecDeque::new(),
        });
        true
    }

    /// Writes on until about `budget_bytes` wait to be taken; true once all is written. Commands also write what they are
    /// about to change, whatever waits: whoever takes the blocks too slowly must hold commands back.
    pub fn snapshot_step(&mut self, budget_bytes: usize) -> bool {
        let Some(mut walk) = self.walk.take() else {
            return true;
        };
        let is_done = self.walk_on(&mut walk, budget_bytes);
        if is_done {
            self.slice.end();
        } else {
            self.walk = Some(walk);
        }
        is_done
    }

    /// The blocks written so far that nobody has taken yet.
    pub fn snapshot_take(&mut self) -> Vec<Block> {
        self.slice.take()
    }

    /// The bytes in blocks that nobody has taken yet.
    pub fn snapshot_bytes(&self) -> usize {
        self.slice.bytes()
    }

    /// True while a snapshot is in the making.
    pub fn is_snapshot_running(&self) -> bool {
        self.walk.is_some()
    }

    /// Gives up the snapshot in the making.
    pub fn snapshot_abort(&mut self) {
        self.walk = None;
        self.slice.end();
        self.slice.take();
    }

    fn walk_on(&mut self, walk: &mut Walk, budget_bytes: usize) -> bool {
        loop {
            while let Some(owing) = walk.owing.pop_front() {
                if let Some(left) = self.settle_owing(owing, walk, budget_bytes) {
                    walk.owing.push_front(left);
                    if self.slice.bytes() >= budget_bytes {
                        return false;
                    }
                }
            }
            if self.slice.bytes() >= budget_bytes {
                return false;
            }
            if walk.database as usize >= self.databases.len() {
                return true;
            }
            let number = walk.database;
            let found = self
                .databases
                .iter_mut()
                .find(|database| database.sliced_as == number);
            let Some(database) = found else {
                walk.database += 1;
                continue;
            };
            match database.page_count(walk.part) {
                None => {
                    walk.database += 1;
                    (walk.part, walk.page) = (0, 0);
                }
                Some(pages) if walk.page >= pages => {
                    walk.part += 1;
                    walk.page = 0;
                }
                Some(_) => {
                    let owing =
                        database.emit_page(walk.part, walk.page, &mut self.slice, budget_bytes);
                    let keys = owing.into_iter();
                    walk.owing
                        .extend(keys.map(|(key, page)| Owing::Key(number, key.into(), page)));
                    walk.page += 1;
                }
            }
        }
    }

    /// Writes what is owed; what is left of it.
    fn settle_owing(
        &mut self,
        owing: Owing,
        walk: &mut Walk,
        budget_bytes: usize,
    ) -> Option<Owing> {
        match owing {
            Owing::Key(number, key, page) => {
                let database = self
                    .databases
                    .iter_mut()
                    .find(|database| database.sliced_as == number)?;
                let object = database.object_unsliced(&key)?;
                let left = object.emit(&mut self.slice, page, budget_bytes);
                left.map(|page| Owing::Key(number, key, page))
            }
            Owing::Object(mut object, page) => {
                let left = object.emit(&mut self.slice, page, budget_bytes);
                left.map(|page| Owing::Object(object, page))
            }
            Owing::Database(mut database, part, page) => {
                let pages = database.page_count(part)?;
                if page >= pages {
                    return Some(Owing::Database(database, part + 1, 0));
                }
                if self.slice.bytes() >= budget_bytes {
                    return Some(Owing::Database(database, part, page));
                }
                for (key, page) in database.emit_page(part, page, &mut self.slice, budget_bytes) {
                    // Nobody can reach these any more: they are taken along.
                    if let Some(object) = database.take_object(&key) {
                        walk.owing.push_back(Owing::Object(object, page));
                    }
                }
                Some(Owing::Database(database, part, page + 1))
            }
        }
    }
}

/// A state that is being read from a snapshot, block by block in the order they were written.
#[derive(Debug, Default)]
pub struct Loading {
    keyspace: Option<Keyspace>,
    has_users: bool,
    objects: HashMap<ObjectId, Object>,
    references: Vec<Reference>,
}

impl Loading {
    /// Nothing has been read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one block, which its checksum says is as it was written.
    ///
    /// # Errors
    /// If the block cannot be what a snapshot holds at this place, or is of a newer version.
    pub fn block(&mut self, block_kind: u16, payload: &[u8]) -> Result<(), LoadError> {
        let mut reader = Reader::new(block_kind, payload);
        match (block_kind, &mut self.keyspace) {
            (kind::HEAD, None) => {
                let databases = reader.integer("the number of databases")?;
                let databases = u32::try_from(databases)
                    .ok()
                    .filter(|&databases| (1..=1 << 20).contains(&databases))
                    .ok_or_else(|| reader.impossible("no possible number of databases"))?;
                let clock_ms = reader.signed("the clock")?;
                let settings = Settings::decode(&mut reader)?;
                let mut keyspace = Keyspace::new(databases, settings);
                keyspace.clock_ms = clock_ms;
                self.keyspace = Some(keyspace);
            }
            (kind::HEAD, Some(_)) => return Err(reader.impossible("a second head")),
            (_, None) => return Err(reader.impossible("something before the head")),
            (kind::USERS, Some(keyspace)) => {
                if std::mem::replace(&mut self.has_users, true) {
                    return Err(reader.impossible("users a second time"));
                }
                keyspace.users = Users::decode(&mut reader)?;
            }
            (kind::ENTRIES, Some(keyspace)) => {
                let number = reader.integer("a database's number")?;
                let database = usize::try_from(number)
                    .ok()
                    .and_then(|number| keyspace.databases.get_mut(number))
                    .ok_or_else(|| reader.impossible("a database past the last"))?;
                database.load_page(&mut reader, &mut self.references, &mut keyspace.slice)?;
            }
            (kind::OBJECT, Some(_)) => {
                let object = ObjectId::decode(&mut reader)?;
                let held = match self.objects.entry(object) {
                    std::collections::hash_map::Entry::Occupied(held) => held.into_mut(),
                    std::collections::hash_map::Entry::Vacant(place) => {
                        place.insert(Object::unloaded(object, &reader)?)
                    }
                };
                held.load_page(&mut reader)?;
            }
            (kind::SCRIPT, Some(keyspace)) => keyspace.scripts.decode(&mut reader)?,
            (kind::LIBRARY, Some(keyspace)) => keyspace.libraries.decode(&mut reader)?,
            _ => return Err(LoadError::Unknown { kind: block_kind }),
        }
        if reader.is_empty() {
            Ok(())
        } else {
            Err(reader.impossible("more than it should"))
        }
    }

    /// The state, once all blocks have been read.
    ///
    /// # Errors
    /// If something is missing.
    pub fn finish(mut self) -> Result<Keyspace, LoadError> {
        let missing = |what| LoadError::Impossible {
            kind: kind::HEAD,
            what,
        };
        let Some(mut keyspace) = self.keyspace else {
            return Err(missing("no head at all"));
        };
        for reference in self.references {
            let Some(mut object) = self.objects.remove(&reference.object) else {
                return Err(missing("a collection without its pages"));
            };
            object.decode_head(&mut Reader::new(kind::ENTRIES, &reference.head))?;
            if !object.finish_loading() {
                return Err(missing("a collection of which a page is missing"));
            }
            keyspace.slice.named(reference.object);
            if let Some(database) = keyspace.databases.get_mut(reference.database as usize) {
                database.settle(&reference, object);
            }
        }
        for database in &mut keyspace.databases {
            if !database.finish_loading() {
                return Err(missing("a database of which a page is missing"));
            }
        }
        Ok(keyspace)
    }
}

#[cfg(test)]
mod tests;
