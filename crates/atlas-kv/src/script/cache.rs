//! The scripts that are known by their SHA-1.
//!
//! Some are state: those that `SCRIPT LOAD` brought, and the newest of those that a record ran from their source. A record
//! may name these by SHA-1 alone. The others are known to this node only: scripts that never wrote.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use super::shebang::{self, ScriptFlags};
use crate::Error;
use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;

/// How many scripts a record's source brought are kept, and how many bytes of them: the same on every node.
const EVALUATED_MAX: usize = 500;
const EVALUATED_BYTES_MAX: usize = 16 << 20;
/// How many scripts only this node keeps.
const LOCAL_MAX: usize = 2000;
const LOCAL_BYTES_MAX: usize = 32 << 20;

/// A script's SHA-1 in lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, PartialOrd, Ord)]
pub struct Sha([u8; 40]);

impl Sha {
    /// The SHA-1 of a source.
    pub fn of(source: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 40];
        let digest = Sha1::digest(source);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(digits)
    }

    /// What a client calls a script by, whatever the case of its letters; none if it cannot be one.
    pub fn named(text: &[u8]) -> Option<Self> {
        let mut digits: [u8; 40] = text.try_into().ok()?;
        digits.make_ascii_lowercase();
        digits.is_ascii().then_some(Self(digits))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// All of its source.
    pub source: Box<[u8]>,
    /// What it says of itself; none if it says nothing.
    pub flags: Option<ScriptFlags>,
    begin: usize,
}

impl Script {
    /// A script of a source.
    ///
    /// # Errors
    /// If its first line is wrong.
    pub(crate) fn new(sha: Sha, source: &[u8]) -> Result<Self, Error> {
        let (flags, begin) = shebang::of_script(source)?;
        Ok(Self {
            sha,
            source: source.into(),
            flags,
            begin,
        })
    }

    /// The code, without what the first line says of it.
    pub fn code(&self) -> &[u8] {
        self.source.get(self.begin..).unwrap_or_default()
    }
}

/// Whose a script is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// This node's own.
    Local,
    /// State: a record ran it from its source.
    Evaluated,
    /// State: `SCRIPT LOAD` brought it.
    Loaded,
}

/// Scripts in the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<Sha>,
    bytes: usize,
}

/// All scripts that are known.
#[derive(Debug, Default)]
pub(crate) struct ScriptCache {
    scripts: HashMap<Sha, (Arc<Script>, Standing)>,
    evaluated: Queue,
    local: Queue,
    bytes: usize,
}

impl ScriptCache {
    pub(crate) fn get(&self, sha: &Sha) -> Option<&Arc<Script>> {
        self.scripts.get(sha).map(|(script, _)| script)
    }

    /// True if a record may name the script by its SHA-1.
    pub(crate) fn is_state(&self, sha: &Sha) -> bool {
        self.scripts
            .get(sha)
            .is_some_and(|(_, standing)| *standing != Standing::Local)
    }

    pub(crate) fn is_loaded(&self, sha: &Sha) -> bool {
        self.scripts
            .get(sha)
            .is_some_and(|(_, standing)| *standing == Standing::Loaded)
    }

    pub(crate) fn len(&self) -> usize {
        self.scripts.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a script for this node; those that had to make room.
    pub(crate) fn add_local(&mut self, script: &Arc<Script>) -> Vec<Sha> {
        if self.scripts.contains_key(&script.sha) {
            return Vec::new();
        }
        self.put(script, Standing::Local);
        self.local.order.push_back(script.sha);
        self.local.bytes += script.source.len();
        let mut gone = Vec::new();
        while self.local.order.len() > LOCAL_MAX || self.local.bytes > LOCAL_BYTES_MAX {
            let Some(sha) = self.local.order.front().copied() else {
                break;
            };
            self.remove(&sha);
            gone.push(sha);
        }
        gone
    }

    /// Keeps a script that a record ran from its source; those that had to make room.
    pub(crate) fn add_evaluated(&mut self, script: &Arc<Script>) -> Vec<Sha> {
        if self.is_state(&script.sha) {
            return Vec::new();
        }
        self.remove(&script.sha);
        self.put(script, Standing::Evaluated);
        self.evaluated.order.push_back(script.sha);
        self.evaluated.bytes += script.source.len();
        let mut gone = Vec::new();
        while self.evaluated.order.len() > EVALUATED_MAX
            || self.evaluated.bytes > EVALUATED_BYTES_MAX
        {
            let Some(sha) = self.evaluated.order.front().copied() else {
                break;
            };
            self.remove(&sha);
            gone.push(sha);
        }
        gone
    }

    /// Keeps a script that `SCRIPT LOAD` brought.
    pub(crate) fn add_loaded(&mut self, script: &Arc<Script>) {
        self.remove(&script.sha);
        self.put(script, Standing::Loaded);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, script: &Arc<Script>, standing: Standing) {
        self.bytes += script.source.len();
        self.scripts
            .insert(script.sha, (Arc::clone(script), standing));
    }

    fn remove(&mut self, sha: &Sha) {
        let Some((script, standing)) = self.scripts.remove(sha) else {
            return;
        };
        self.bytes -= script.source.len();
        let queue = match standing {
            Standing::Local => &mut self.local,
            Standing::Evaluated => &mut self.evaluated,
            Standing::Loaded => return,
        };
        // Mostly it is the first.
        if let Some(at) = queue.order.iter().position(|other| other == sha) {
            queue.order.remove(at);
            queue.bytes -= script.source.len();
        }
    }

    /// Those that are state, in an order that is the same on every node: the loaded ones by their names, then the others
    /// as they came.
    fn state(&self) -> Vec<(&Arc<Script>, Standing)> {
        let loaded = |(script, standing): &(Arc<Script>, Standing)| {
            (*standing == Standing::Loaded).then_some(script.sha)
        };
        let mut names: Vec<Sha> = self.scripts.values().filter_map(loaded).collect();
        names.sort_unstable();
        names.extend(&self.evaluated.order);
        let found = names.iter().filter_map(|sha| self.scripts.get(sha));
        found
            .map(|(script, standing)| (script, *standing))
            .collect()
    }

    /// The payloads of the blocks of a snapshot that hold them, one for each.
    pub(crate) fn encode(&self) -> Vec<Vec<u8>> {
        let encode = |(script, standing): (&Arc<Script>, Standing)| {
            let mut out = Vec::new();
            put_integer(&mut out, u64::from(standing == Standing::Loaded));
            put_bytes(&mut out, &script.source);
            out
        };
        self.state().into_iter().map(encode).collect()
    }

    /// Reads one of these blocks.
    pub(crate) fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let is_loaded = reader.integer("how a script came")? == 1;
        let source = reader.bytes("a script")?;
        let script = Script::new(Sha::of(source), source)
            .map_err(|_| reader.impossible("a script whose first line is wrong"))?;
        let script = Arc::new(script);
        if is_loaded {
            self.add_loaded(&script);
        } else {
            self.add_evaluated(&script);
        }
        Ok(())
    }

    /// Feeds what is state into a hash of it; nothing if there is nothing.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        for (script, standing) in self.state() {
            digest.bytes(script.sha.as_str().as_bytes());
            digest.integer(u64::from(standing == Standing::Loaded));
        }
    }
}

impl std::fmt::Display for Sha {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(source: &str) -> Arc<Script> {
        let sha = Sha::of(source.as_bytes());
        Arc::new(Script::new(sha, source.as_bytes()).unwrap())
    }

    #[test]
    fn names_are_sha_1() {
        let sha = Sha::of(b"");
        assert_eq!(sha.as_str(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        let upper = sha.as_str().to_uppercase();
        assert_eq!(Sha::named(upper.as_bytes()), Some(sha));
        assert_eq!(Sha::named(b"da39"), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut cache = ScriptCache::default();
        let first = script("return 0");
        cache.add_local(&first);
        assert!(!cache.is_state(&first.sha));
        cache.add_evaluated(&first);
        assert!(cache.is_state(&first.sha));
        let loaded = script("return 'loaded'");
        cache.add_loaded(&loaded);
        for number in 1..EVALUATED_MAX {
            assert_eq!(
                cache.add_evaluated(&script(&format!("return {number}"))),
                []
            );
        }
        let next = script("return 'next'");
        assert_eq!(cache.add_evaluated(&next), [first.sha]);
        assert!(cache.get(&first.sha).is_none() && cache.is_loaded(&loaded.sha));
        assert_eq!(cache.len(), EVALUATED_MAX + 1);
    }

    #[test]
    fn blocks_bring_them_back() {
        let mut cache = ScriptCache::default();
        cache.add_loaded(&script("#!lua flags=no-writes\nreturn 1"));
        cache.add_evaluated(&script("return 2"));
        cache.add_evaluated(&script("return 3"));
        cache.add_local(&script("return 4"));
        let mut read = ScriptCache::default();
        for block in cache.encode() {
            read.decode(&mut Reader::new(4, &block)).unwrap();
        }
        let hash = |cache: &ScriptCache| {
            let mut digest = Digest::new();
            cache.digest(&mut digest);
            digest.finish()
        };
        assert_eq!(read.len(), 3);
        assert_eq!(hash(&read), hash(&cache));
    }
}
