//! Reading a whole file of Redis's (`dump.rdb`) into a state.
//!
//! `REDIS` and four digits for the version; then opcodes, each with what belongs to it, among them types with a key and its
//! value; at the end an opcode and a CRC-64 of all before. As with payloads nothing is believed: see
//! [`crate::rdb`].

use crc::{Digest, Table};

use super::input::Input;
use super::{CHECKSUM, CHECKSUM_BYTES, Malformed, Result, VERSION_MAX, must, value_of};
use crate::command;
use crate::context::Expiry;
use crate::effects::Interest;
use crate::keyspace::Keyspace;
use crate::random::Random;
use crate::settings::Access;
use crate::{ArgumentBuffer, Effects};

const MAGIC: &[u8] = b"REDIS";
const HEADER_BYTES: usize = 9;
/// The first version that ends with a checksum.
const VERSION_CHECKED: u16 = 5;
/// A key as errors name it: no more than so much of it.
const NAMED_BYTES_MAX: usize = 64;

mod opcode {
    pub(super) const MODULE_VALUE_1: u8 = 6;
    pub(super) const MODULE_VALUE: u8 = 7;
    pub(super) const FUNCTIONS: u8 = 245;
    pub(super) const MODULE: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUXILIARY: u8 = 250;
    pub(super) const SIZES: u8 = 251;
    pub(super) const EXPIRY_MS: u8 = 252;
    pub(super) const EXPIRY_SECONDS: u8 = 253;
    pub(super) const DATABASE: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// Why a file cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct ImportError {
    /// Where in the file what is wrong begins.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Keys that are in the state now.
    pub keys: u64,
    /// Keys whose time had come.
    pub expired: u64,
    /// Libraries of functions that are not in the state.
    pub libraries: u64,
    /// Keys that hold what a module of Redis's made, by the module's type: they are not in the state.
    pub of_modules: Vec<(String, u64)>,
    /// The version of Redis that wrote it, if the file says so.
    pub redis_version: Option<String>,
}

/// A file that is being read, piece by piece.
pub struct Import {
    now_ms: i64,
    offset: u64,
    checksum: Digest<'static, u64, Table<16>>,
    version: u16,
    database: u32,
    pending: Pending,
    is_done: bool,
    imported: Imported,
    effects: Effects,
}

/// What stands before a key and is about it.
#[derive(Debug, Default)]
struct Pending {
    expire_ms: Option<i64>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Import");
        shown.field("offset", &self.offset);
        shown.field("imported", &self.imported);
        shown.finish_non_exhaustive()
    }
}

/// Why an item was not taken.
enum Refusal {
    /// In the words of whoever reads the error.
    Said(String),
    /// It is not what it should be, or not all of it is there.
    Malformed,
}

impl From<Malformed> for Refusal {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl Import {
    /// Begins. Keys that have expired by `now_ms` (milliseconds since 1970) are left out.
    pub fn new(now_ms: i64) -> Self {
        Self {
            now_ms,
            offset: 0,
            checksum: CHECKSUM.digest(),
            version: 0,
            database: 0,
            pending: Pending::default(),
            is_done: false,
            imported: Imported::default(),
            effects: Effects::default(),
        }
    }

    /// True if the end was read.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// How many bytes were taken.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What was read until now.
    pub fn imported(&self) -> &Imported {
        &self.imported
    }

    /// Takes what is whole at the beginning of `bytes` into the state, and says how many bytes that was. Fewer than there
    /// are: more bytes have to follow the rest before it can be taken, unless [`Self::is_done`]. `is_all` says that none
    /// follow.
    ///
    /// # Errors
    /// What is wrong with the file. The state has what came before.
    pub fn take(
        &mut self,
        keyspace: &mut Keyspace,
        bytes: &[u8],
        is_all: bool,
    ) -> std::result::Result<usize, ImportError> {
        let mut taken = 0;
        while !self.is_done && taken < bytes.len() {
            let mut input = Input::new(&bytes[taken..], keyspace.settings.string_bytes_max);
            let outcome = if self.version == 0 {
                self.header(&mut input)
            } else {
                self.item(keyspace, &mut input)
            };
            match outcome {
                Ok(()) => {
                    let until = bytes.len() - input.left();
                    if self.is_done {
                        self.check(&bytes[taken..until])?;
                    }
                    self.checksum.update(&bytes[taken..until]);
                    self.offset += (until - taken) as u64;
                    taken = until;
                }
                Err(_) if input.is_short() && !is_all => break,
                Err(Refusal::Said(what)) => return Err(self.wrong(what)),
                Err(Refusal::Malformed) if input.is_short() => {
                    return Err(self.wrong("the file ends in the middle of what begins here"));
                }
                Err(Refusal::Malformed) => {
                    return Err(self.wrong("what begins here is not as Redis writes it"));
                }
            }
        }
        if is_all && !self.is_done && taken == bytes.len() {
            return Err(self.wrong("the file ends here, and its end is missing: it was cut off"));
        }
        Ok(taken)
    }

    fn wrong(&self, what: impl Into<String>) -> ImportError {
        ImportError {
            offset: self.offset,
            what: what.into(),
        }
    }

    /// The end: the opcode and, from version 5 on, the checksum, which is 0 where Redis was told to write none.
    fn check(&mut self, end: &[u8]) -> std::result::Result<(), ImportError> {
        let Some((checked, checksum)) = end.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Ok(());
        };
        let mut digest = self.checksum.clone();
        digest.update(checked);
        match u64::from_le_bytes(*checksum) {
            0 => Ok(()),
            said if said == digest.finalize() => Ok(()),
            _ => {
                Err(self
                    .wrong("the checksum of the file is not that of its content: it is damaged"))
            }
        }
    }

    fn header(&mut self, input: &mut Input<'_>) -> std::result::Result<(), Refusal> {
        let header = input.raw::<HEADER_BYTES>()?;
        let version = header.strip_prefix(MAGIC).and_then(crate::number::digits);
        let version = version.ok_or_else(|| {
            Refusal::Said(
                "this is no file of Redis's: it does not begin with REDIS and a version".into(),
            )
        })?;
        if version == 0 || version > u64::from(VERSION_MAX) {
            return Err(Refusal::Said(format!(
                "the file has version {version}; versions 1 to {VERSION_MAX} are known, the last is that of Redis 7.2"
            )));
        }
        self.version = version as u16;
        Ok(())
    }

    fn item(
        &mut self,
        keyspace: &mut Keyspace,
        input: &mut Input<'_>,
    ) -> std::result::Result<(), Refusal> {
        match input.byte()? {
            opcode::AUXILIARY => {
                let (name, value) = (input.text()?, input.text()?);
                if name.as_bytes() == b"redis-ver" {
                    let version = String::from_utf8_lossy(value.as_bytes());
                    self.imported.redis_version = Some(version.into_owned());
                }
            }
            opcode::DATABASE => {
                let number = input.length()?;
                let count = u64::from(keyspace.database_count());
                if number >= count {
                    return Err(Refusal::Said(format!(
                        "the file has keys in database {number}, and the store has {count} (0 to {}): set store.databases",
                        count - 1
                    )));
                }
                self.database = number as u32;
            }
            opcode::SIZES => {
                input.length()?;
                input.length()?;
            }
            opcode::EXPIRY_SECONDS => {
                let seconds = i32::from_le_bytes(input.raw()?);
                self.pending.expire_ms = Some(i64::from(seconds) * 1000);
            }
            opcode::EXPIRY_MS => {
                self.pending.expire_ms = Some(i64::from_le_bytes(input.raw()?));
            }
            opcode::IDLE => self.pending.idle_seconds = Some(input.length()?),
            opcode::FREQUENCY => self.pending.frequency = Some(input.byte()?),
            opcode::FUNCTIONS => {
                input.text()?;
                self.imported.libraries += 1;
            }
            opcode::MODULE => {
                input.length()?;
                // When it was written: before or behind the keys.
                must(input.length()? == MODULE_UNSIGNED)?;
                input.length()?;
                module_content(input)?;
            }
            opcode::END => {
                if self.version >= VERSION_CHECKED {
                    input.raw::<CHECKSUM_BYTES>()?;
                }
                self.is_done = true;
            }
            kind => self.key(kind, keyspace, input)?,
        }
        Ok(())
    }

    fn key(
        &mut self,
        kind: u8,
        keyspace: &mut Keyspace,
        input: &mut Input<'_>,
    ) -> std::result::Result<(), Refusal> {
        let key = input.text()?;
        let key = key.as_bytes();
        match kind {
            opcode::MODULE_VALUE => {
                let id = input.length()?;
                module_content(input)?;
                self.pending = Pending::default();
                self.of_module(module_name(id));
                return Ok(());
            }
            opcode::MODULE_VALUE_1 => {
                return Err(Refusal::Said(format!(
                    "the key {} holds what a module of Redis's made, in a form that only the module reads: remove it and save again",
                    named(key)
                )));
            }
            _ => {}
        }
        let value = value_of(kind, input, &keyspace.settings, &mut keyspace.slice);
        let value = match value {
            Ok(value) => value,
            Err(Malformed) if input.is_short() => return Err(Refusal::Malformed),
            Err(Malformed) => {
                return Err(Refusal::Said(format!(
                    "the key {} holds what cannot be read (type {kind})",
                    named(key)
                )));
            }
        };
        let pending = std::mem::take(&mut self.pending);
        if pending
            .expire_ms
            .is_some_and(|expire_ms| expire_ms <= self.now_ms)
        {
            self.imported.expired += 1;
            return Ok(());
        }
        self.effects.clear();
        self.effects.interest = Interest::empty();
        let name = ArgumentBuffer::of(["RESTORE"]);
        let Some(restore) = command::find(name.arguments().name()) else {
            return Err(Refusal::Malformed);
        };
        keyspace.clock_ms = keyspace.clock_ms.max(self.now_ms);
        let random = Random::new(0);
        let mut context =
            keyspace.context(restore, self.database, random, false, &mut self.effects);
        if context.exists(key) {
            return Err(Refusal::Said(format!(
                "the key {} is in database {} twice",
                named(key),
                self.database
            )));
        }
        context.set(key, value, Expiry::of(pending.expire_ms));
        let now = context.access;
        let mark = match context.settings().access {
            Access::Recency => pending
                .idle_seconds
                .map(|seconds| now.wrapping_sub(seconds.min(u64::from(u32::MAX)) as u32)),
            Access::Frequency => pending
                .frequency
                .map(|frequency| now | u32::from(frequency)),
        };
        if let (Some(mark), Some(entry)) = (mark, context.entry(key)) {
            entry.set_access(mark);
        }
        self.imported.keys += 1;
        Ok(())
    }

    fn of_module(&mut self, name: String) {
        let counted = &mut self.imported.of_modules;
        match counted.iter_mut().find(|(module, _)| *module == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
}

/// What modules write says of what follows.
const MODULE_END: u64 = 0;
const MODULE_SIGNED: u64 = 1;
const MODULE_UNSIGNED: u64 = 2;
const MODULE_FLOAT: u64 = 3;
const MODULE_DOUBLE: u64 = 4;
const MODULE_TEXT: u64 = 5;

/// Passes over what a module has written.
fn module_content(input: &mut Input<'_>) -> Result<()> {
    loop {
        match input.length()? {
            MODULE_END => return Ok(()),
            MODULE_SIGNED | MODULE_UNSIGNED => {
                input.length()?;
            }
            MODULE_FLOAT => {
                input.raw::<4>()?;
            }
            MODULE_DOUBLE => {
                input.double()?;
            }
            MODULE_TEXT => {
                input.text()?;
            }
            _ => return Err(Malformed),
        }
    }
}

/// The name of a module's type: nine letters of six bits each, then ten bits for a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |at: u32| char::from(LETTERS[(id >> (58 - 6 * at)) as usize & 63]);
    (0..9).map(letter).collect()
}

fn named(key: &[u8]) -> String {
    let shown = &key[..key.len().min(NAMED_BYTES_MAX)];
    let rest = if shown.len() < key.len() { "…" } else { "" };
    format!("`{}{rest}`", shown.escape_ascii())
}

#[cfg(test)]
mod tests;
