//! What clients keep of their own, and who has to hear that it is no longer so.
//!
//! A client that tracks is told of each key that it has read and that changes then, once; or, in broadcasting mode, of every
//! change of a key that begins with one of its prefixes. Which keys were read is kept in one table for all clients, which
//! is bounded: what falls out of it is told as if it had changed.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

use atlas_kv::command::{self, Handler};
use atlas_kv::{Arguments, Change, Command, Reply as _, transaction};

use crate::engine::Engine;

/// What a row of the table takes beside its key and its clients.
const ROW_BYTES: usize = 64;
/// Keys that are let go of in one turn: clients are told of each.
const DROPPED_MAX: usize = 1000;
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// How a connection tracks.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    /// The client that is told in its place, if not 0.
    pub(crate) redirect: u64,
    pub(crate) is_broadcast: bool,
    /// Only what follows `CLIENT CACHING YES` is tracked.
    pub(crate) is_opt_in: bool,
    /// All but what follows `CLIENT CACHING NO`.
    pub(crate) is_opt_out: bool,
    /// It is not told of its own changes.
    pub(crate) is_no_loop: bool,
    /// `CLIENT CACHING` was said for the next command.
    pub(crate) is_caching_said: bool,
    /// The client that is told in its place has gone.
    pub(crate) is_broken: bool,
    pub(crate) prefixes: BTreeSet<Box<[u8]>>,
    /// The keys that a transaction in flight reads.
    pub(crate) reads: Vec<Box<[u8]>>,
}

impl Tracked {
    /// Bytes that its prefixes take.
    pub(crate) fn bytes(&self) -> usize {
        self.prefixes.iter().map(|prefix| prefix_cost(prefix)).sum()
    }

    /// True if what it reads now is to be remembered.
    fn remembers(&self) -> bool {
        !self.is_broadcast
            && (!self.is_opt_in || self.is_caching_said)
            && (!self.is_opt_out || !self.is_caching_said)
    }
}

/// What it takes to be told of a prefix.
pub(crate) const fn prefix_cost(prefix: &[u8]) -> usize {
    2 * prefix.len() + 200
}

/// A key that was read, and the clients that did.
#[derive(Debug)]
struct Row {
    key: Box<[u8]>,
    clients: Vec<u64>,
}

/// Keys that have changed, each with the client that changed it last.
type Changed = BTreeMap<Box<[u8]>, u64>;

/// A prefix, its clients, and the keys behind it that have changed since they were told, each with who changed it.
#[derive(Debug, Default)]
struct Broadcast {
    clients: BTreeSet<u64>,
    keys: Changed,
}

/// Who tracks what.
#[derive(Debug)]
pub(crate) struct Tracking {
    /// Clients that track.
    pub(crate) clients: usize,
    rows: Vec<Row>,
    index: HashTable<u32>,
    hasher: FixedState,
    items: usize,
    bytes: usize,
    prefixes: BTreeMap<Box<[u8]>, Broadcast>,
    /// How long prefixes are, and how many are so long: a key is looked up by its beginnings of these lengths.
    lengths: BTreeMap<usize, usize>,
    /// A prefix has keys to tell.
    has_news: bool,
}

impl Tracking {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            clients: 0,
            rows: Vec::new(),
            index: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            items: 0,
            bytes: 0,
            prefixes: BTreeMap::new(),
            lengths: BTreeMap::new(),
            has_news: false,
        }
    }

    pub(crate) fn keys_len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn items_len(&self) -> usize {
        self.items
    }

    pub(crate) fn prefixes_len(&self) -> usize {
        self.prefixes.len()
    }

    /// Notes that a client has read a key.
    fn remember(&mut self, client: u64, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let rows = &self.rows;
        let found = self.index.find(hash, |&at| *rows[at as usize].key == *key);
        let at = match found {
            Some(&at) => at as usize,
            None => {
                let at = self.rows.len();
                let hasher = &self.hasher;
                self.index.insert_unique(hash, at as u32, |&at| {
                    hasher.hash_one(&*rows[at as usize].key)
                });
                self.rows.push(Row {
                    key: key.into(),
                    clients: Vec::new(),
                });
                self.bytes += key.len() + ROW_BYTES;
                at
            }
        };
        let clients = &mut self.rows[at].clients;
        if !clients.contains(&client) {
            clients.push(client);
            self.items += 1;
            self.bytes += size_of::<u64>();
        }
    }

    /// Takes a key out; the clients that have read it.
    fn take(&mut self, key: &[u8]) -> Vec<u64> {
        let hash = self.hasher.hash_one(key);
        let rows = &self.rows;
        let found = self
            .index
            .find_entry(hash, |&at| *rows[at as usize].key == *key);
        match found {
            Ok(entry) => {
                let (at, _) = entry.remove();
                self.take_row(at as usize)
            }
            Err(_) => Vec::new(),
        }
    }

    /// Takes a row out whose place in the index is gone; the last one takes its place.
    fn take_row(&mut self, at: usize) -> Vec<u64> {
        let last = self.rows.len() - 1;
        if at != last {
            let hash = self.hasher.hash_one(&*self.rows[last].key);
            if let Some(place) = self.index.find_mut(hash, |&other| other as usize == last) {
                *place = at as u32;
            }
        }
        let row = self.rows.swap_remove(at);
        self.items -= row.clients.len();
        self.bytes -= row.key.len() + ROW_BYTES + row.clients.len() * size_of::<u64>();
        row.clients
    }

    /// Takes any key out, with the clients that have read it.
    fn take_any(&mut self, random: u64) -> Option<(Box<[u8]>, Vec<u64>)> {
        let at = (random % self.rows.len().max(1) as u64) as usize;
        let key = self.rows.get(at)?.key.clone();
        let clients = self.take(&key);
        Some((key, clients))
    }

    fn clear(&mut self) {
        self.rows = Vec::new();
        self.index = HashTable::new();
        (self.items, self.bytes) = (0, 0);
    }

    /// Notes that a key has changed for those who are told of its prefixes.
    fn changed(&mut self, key: &[u8], by: u64) {
        for length in self
            .lengths
            .keys()
            .take_while(|&&length| length <= key.len())
        {
            if let Some(broadcast) = self.prefixes.get_mut(&key[..*length]) {
                broadcast.keys.insert(key.into(), by);
                self.has_news = true;
            }
        }
    }

    /// Lets a client be told of a prefix.
    pub(crate) fn add_prefix(&mut self, client: u64, prefix: &[u8]) {
        if !self.prefixes.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        let broadcast = self.prefixes.entry(prefix.into()).or_default();
        broadcast.clients.insert(client);
    }

    /// Lets a client be told of a prefix no more.
    fn remove_prefix(&mut self, client: u64, prefix: &[u8]) {
        let Some(broadcast) = self.prefixes.get_mut(prefix) else {
            return;
        };
        broadcast.clients.remove(&client);
        if broadcast.clients.is_empty() {
            self.prefixes.remove(prefix);
            if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&prefix.len());
                }
            }
        }
    }
}

/// What a client is told.
enum News<'a> {
    Keys(&'a [&'a [u8]]),
    /// All that it has.
    Everything,
}

impl Engine {
    /// Remembers what a command has just read for a client that tracks; and that `CLIENT CACHING` was for this command.
    pub(crate) fn remember_reads(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let (client, is_queuing) = (connection.id, connection.transaction.is_some());
        let waits = connection.hold.is_some();
        let is_in_flight = connection.in_flight > 0;
        let Some(tracked) = &mut connection.tracked else {
            return;
        };
        let remembers = tracked.remembers();
        if !is_queuing && !arguments.is(0, "client") {
            tracked.is_caching_said = false;
        }
        if matches!(command.handler, Handler::Script(_)) && !is_queuing && !is_in_flight {
            // It has been run already.
            self.remember_transaction(key);
        } else if remembers && !is_queuing && !waits && matches!(command.handler, Handler::Read(_))
        {
            let mut positions = Vec::new();
            command.keys.find(arguments, &mut positions);
            for at in positions {
                self.tracking.remember(client, arguments.at(at));
            }
            self.drop_tracked();
        }
    }

    /// Remembers what a client that waited has read.
    pub(crate) fn remember_waited(
        &mut self,
        key: usize,
        command: &Command,
        arguments: &Arguments<'_>,
    ) {
        let connection = self.connections.get(key);
        let tracks = connection.is_some_and(|one| {
            let tracked = one.tracked.as_ref();
            tracked.is_some_and(|tracked| tracked.remembers())
        });
        if !tracks {
            return;
        }
        let client = connection.map_or(0, |connection| connection.id);
        let mut positions = Vec::new();
        command.keys.find(arguments, &mut positions);
        for at in positions {
            self.tracking.remember(client, arguments.at(at));
        }
    }

    /// Notes the keys that a script names, to be remembered once it has run: whoever keeps its answer hears when one of
    /// them changes.
    pub(crate) fn note_script(&mut self, key: usize, command: &Command, arguments: &Arguments<'_>) {
        let connection = self.connections.get_mut(key);
        let Some(tracked) = connection.and_then(|connection| connection.tracked.as_mut()) else {
            return;
        };
        tracked.reads.clear();
        if tracked.remembers() {
            let mut positions = Vec::new();
            command.keys.find(arguments, &mut positions);
            tracked.reads = positions
                .iter()
                .map(|&at| arguments.at(at).into())
                .collect();
        }
    }

    /// Notes which keys a transaction will read, to be remembered once it has.
    pub(crate) fn note_transaction(&mut self, key: usize, record: &Arguments<'_>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(tracked) = &mut connection.tracked else {
            return;
        };
        tracked.reads.clear();
        if !tracked.remembers() {
            return;
        }
        let mut positions = Vec::new();
        for queued in transaction::queued(record) {
            if let Ok(command) = command::resolve(&queued)
                && matches!(command.handler, Handler::Read(_) | Handler::Script(_))
            {
                positions.clear();
                command.keys.find(&queued, &mut positions);
                let keys = positions.iter().map(|&at| queued.at(at).into());
                tracked.reads.extend(keys);
            }
        }
    }

    /// Remembers what a transaction has read.
    pub(crate) fn remember_transaction(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let client = connection.id;
        let tracked = connection.tracked.as_mut();
        let reads = tracked.map(|tracked| std::mem::take(&mut tracked.reads));
        for read in reads.unwrap_or_default() {
            self.tracking.remember(client, &read);
        }
        self.drop_tracked();
    }

    /// Tells those who track that keys have changed; `by` is the client that changed them, if one did.
    pub(crate) fn tell_tracking(&mut self, changes: &[Change], by: u64) {
        if self.tracking.clients == 0 {
            return;
        }
        for change in changes {
            match change {
                Change::Key { key, .. } => {
                    self.tracking.changed(key, by);
                    let clients = self.tracking.take(key);
                    self.tell_readers(&clients, key, by);
                }
                Change::Database(_) => {
                    self.tracking.clear();
                    let all = self.connections.iter();
                    let all: Vec<usize> = all
                        .filter(|(_, one)| one.tracked.is_some())
                        .map(|(key, _)| key)
                        .collect();
                    for key in all {
                        self.tell(key, &News::Everything);
                    }
                }
            }
        }
    }

    fn tell_readers(&mut self, clients: &[u64], key: &[u8], by: u64) {
        for client in clients {
            let Some(&place) = self.by_client.get(client) else {
                continue;
            };
            let connection = self.connections.get(place);
            let Some(tracked) = connection.and_then(|one| one.tracked.as_ref()) else {
                continue;
            };
            // What it read before it changed to broadcasting is not its matter any more.
            let is_own = tracked.is_no_loop && *client == by;
            if !tracked.is_broadcast && !is_own {
                self.tell(place, &News::Keys(&[key]));
            }
        }
    }

    /// Sends news to a client, or to the one that hears them in its place.
    fn tell(&mut self, key: usize, news: &News<'_>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let redirect = connection.tracked.as_ref().map_or(0, |one| one.redirect);
        let mut target = key;
        if redirect != 0 {
            match self.by_client.get(&redirect) {
                Some(&place) => target = place,
                None => {
                    if let Some(tracked) = &mut connection.tracked {
                        tracked.is_broken = true;
                    }
                    if connection.output.is_resp3() {
                        connection.output.push(2);
                        connection.output.bulk(b"tracking-redir-broken");
                        connection.output.integer(redirect as i64);
                        self.list(key);
                    }
                    return;
                }
            }
        }
        let Some(connection) = self.connections.get_mut(target) else {
            return;
        };
        let listens = connection.subscriptions.is_some();
        let output = &mut connection.output;
        if output.is_resp3() {
            output.push(2);
            output.bulk(b"invalidate");
        } else if redirect != 0 && listens {
            output.array(3);
            output.bulk(b"message");
            output.bulk(CHANNEL);
        } else {
            // Nobody can be told anything here that was not asked for.
            return;
        }
        match news {
            News::Keys(keys) => {
                output.array(keys.len());
                keys.iter().for_each(|key| output.bulk(key));
            }
            News::Everything if output.is_resp3() => output.null(),
            News::Everything => output.null_array(),
        }
        self.list(target);
    }

    /// Tells those in broadcasting mode what has changed since they were told last.
    pub(crate) fn broadcast(&mut self) {
        if !std::mem::take(&mut self.tracking.has_news) {
            return;
        }
        let prefixes = self.tracking.prefixes.values_mut();
        let news: Vec<(Vec<u64>, Changed)> = prefixes
            .filter(|broadcast| !broadcast.keys.is_empty())
            .map(|broadcast| {
                let clients = broadcast.clients.iter().copied().collect();
                (clients, std::mem::take(&mut broadcast.keys))
            })
            .collect();
        for (clients, keys) in news {
            for client in clients {
                let Some(&place) = self.by_client.get(&client) else {
                    continue;
                };
                let connection = self.connections.get(place);
                let is_no_loop = connection
                    .and_then(|one| one.tracked.as_ref())
                    .is_some_and(|tracked| tracked.is_no_loop);
                let told = keys.iter().filter(|(_, by)| !is_no_loop || **by != client);
                let told: Vec<&[u8]> = told.map(|(key, _)| &**key).collect();
                if !told.is_empty() {
                    self.tell(place, &News::Keys(&told));
                }
            }
        }
    }

    /// Lets go of keys that the table has no room for, and tells their clients as if they had changed.
    pub(crate) fn drop_tracked(&mut self) {
        let keys_max = match self.live.tracking_keys_max {
            0 => usize::MAX,
            keys_max => keys_max,
        };
        let bytes_max = self.config.tracking_bytes_max.as_usize();
        for _ in 0..DROPPED_MAX {
            let is_over = self.tracking.rows.len() > keys_max || self.tracking.bytes > bytes_max;
            if !is_over {
                return;
            }
            let random = self.random();
            let Some((key, clients)) = self.tracking.take_any(random) else {
                return;
            };
            self.tell_readers(&clients, &key, 0);
        }
    }

    /// Ends a connection's tracking. What it has read is forgotten when it changes.
    pub(crate) fn untrack(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let client = connection.id;
        if let Some(tracked) = connection.tracked.take() {
            self.tracking.clients -= 1;
            for prefix in &tracked.prefixes {
                self.tracking.remove_prefix(client, prefix);
            }
            connection.settle_trust();
        }
        if self.tracking.clients == 0 {
            self.tracking.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_and_go() {
        let mut tracking = Tracking::new(1);
        for number in 0..100_u64 {
            let key = format!("key{}", number % 10);
            tracking.remember(number % 3, key.as_bytes());
        }
        assert_eq!((tracking.keys_len(), tracking.items_len()), (10, 30));
        let mut clients = tracking.take(b"key3");
        clients.sort_unstable();
        assert_eq!(clients, [0, 1, 2]);
        assert!(tracking.take(b"key3").is_empty());
        for random in 0..9 {
            let (key, clients) = tracking.take_any(random * 7).unwrap();
            assert_eq!(clients.len(), 3);
            assert!(tracking.take(&key).is_empty());
        }
        assert!(tracking.take_any(1).is_none());
        assert_eq!((tracking.items_len(), tracking.bytes), (0, 0));
    }

    #[test]
    fn changes_are_kept_for_their_prefixes() {
        let mut tracking = Tracking::new(1);
        for (client, prefix) in [(1, "a:"), (2, "a:"), (1, "b"), (3, "")] {
            tracking.add_prefix(client, prefix.as_bytes());
        }
        for key in ["a:1", "b", "c"] {
            tracking.changed(key.as_bytes(), 9);
        }
        let counts: Vec<usize> = tracking
            .prefixes
            .values()
            .map(|one| one.keys.len())
            .collect();
        assert_eq!(counts, [3, 1, 1]);
        for (client, prefix) in [(3, ""), (1, "a:"), (1, "b"), (4, "b")] {
            tracking.remove_prefix(client, prefix.as_bytes());
        }
        assert_eq!(tracking.prefixes_len(), 1);
        assert_eq!(tracking.lengths.len(), 1);
    }
}
