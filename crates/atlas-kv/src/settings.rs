//! What of the configuration changes how commands act.

use crate::codec::{LoadError, Reader, put_integer, put_signed};
use crate::{ArgumentBuffer, Arguments, Error};

/// A stream's block by default.
const STREAM_NODE_ENTRIES_MAX: u64 = 100;
const STREAM_NODE_BYTES_MAX: u64 = 4096;
/// A sparse counter's most bytes by default.
const HLL_SPARSE_BYTES_MAX: u64 = 3000;

/// The settings that commands read. They are part of the state: a change is logged like a command, so that every replay
/// acts by the settings of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A hash of more fields is no longer called `listpack`.
    pub hash_listpack_entries_max: u64,
    /// Nor one with a longer field or value, in bytes.
    pub hash_listpack_value_bytes_max: u64,
    /// A HyperLogLog of more bytes is kept dense.
    pub hll_sparse_bytes_max: u64,
    /// Redis's `list-max-listpack-size`: elements a node, or -1 to -5 for 4 to 64 KiB a node.
    pub list_listpack_size: i64,
    /// A set of integers with more members is no longer called `intset`.
    pub set_intset_entries_max: u64,
    /// A sorted set of more members is no longer called `listpack`.
    pub sorted_set_listpack_entries_max: u64,
    /// Nor one with a longer member, in bytes.
    pub sorted_set_listpack_value_bytes_max: u64,
    /// A stream's block with as many entries, those deleted included, takes no more; 0 is no such bound.
    pub stream_node_entries_max: u64,
    /// Nor one of as many bytes; 0 is no such bound.
    pub stream_node_bytes_max: u64,
    /// The longest string, in bytes.
    pub string_bytes_max: u64,
    /// Which of an entry's last uses an eviction looks at.
    pub access: Access,
}

/// What is kept about an entry's uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// When it was used last (`OBJECT IDLETIME`).
    #[default]
    Recency,
    /// How often it was used lately (`OBJECT FREQ`).
    Frequency,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hash_listpack_entries_max: 128,
            hash_listpack_value_bytes_max: 64,
            hll_sparse_bytes_max: HLL_SPARSE_BYTES_MAX,
            list_listpack_size: -2,
            set_intset_entries_max: 512,
            sorted_set_listpack_entries_max: 128,
            sorted_set_listpack_value_bytes_max: 64,
            stream_node_entries_max: STREAM_NODE_ENTRIES_MAX,
            stream_node_bytes_max: STREAM_NODE_BYTES_MAX,
            string_bytes_max: 512 * 1024 * 1024,
            access: Access::Recency,
        }
    }
}

/// A setting in a record: its name, its value as text, and the way back.
type Field = (
    &'static str,
    fn(&Settings) -> String,
    fn(&mut Settings, &str) -> Option<()>,
);

macro_rules! field {
    ($name:literal, $field:ident) => {
        (
            $name,
            |settings| settings.$field.to_string(),
            |settings, value| {
                settings.$field = value.parse().ok()?;
                Some(())
            },
        )
    };
}

/// The names are Redis's where it has the setting.
const FIELDS: [Field; 11] = [
    field!("hash-max-listpack-entries", hash_listpack_entries_max),
    field!("hash-max-listpack-value", hash_listpack_value_bytes_max),
    field!("hll-sparse-max-bytes", hll_sparse_bytes_max),
    field!("list-max-listpack-size", list_listpack_size),
    field!("set-max-intset-entries", set_intset_entries_max),
    field!("zset-max-listpack-entries", sorted_set_listpack_entries_max),
    field!(
        "zset-max-listpack-value",
        sorted_set_listpack_value_bytes_max
    ),
    field!("proto-max-bulk-len", string_bytes_max),
    field!("stream-node-max-entries", stream_node_entries_max),
    field!("stream-node-max-bytes", stream_node_bytes_max),
    (
        "access",
        |settings| settings.access.name().to_owned(),
        |settings, value| {
            let mut all = [Access::Recency, Access::Frequency].into_iter();
            settings.access = all.find(|access| access.name() == value)?;
            Some(())
        },
    ),
];

impl Access {
    fn name(self) -> &'static str {
        match self {
            Self::Recency => "recency",
            Self::Frequency => "frequency",
        }
    }
}

/// True if the record's arguments are `CONFIG SET` and settings.
pub(crate) fn is_change(arguments: &Arguments<'_>) -> bool {
    arguments.is(0, "config") && arguments.is(1, "set")
}

impl Settings {
    /// What a record says that makes these settings of others; none if they are the same.
    pub fn change_of(&self, before: &Self) -> Option<ArgumentBuffer> {
        let mut arguments = ArgumentBuffer::of(["CONFIG", "SET"]);
        for (name, get, _) in FIELDS {
            let value = get(self);
            if value != get(before) {
                arguments.push(name.as_bytes());
                arguments.push(value.as_bytes());
            }
        }
        (arguments.ranges().len() > 2).then_some(arguments)
    }

    /// The settings after such a record.
    pub(crate) fn changed(&self, arguments: &Arguments<'_>) -> Result<Self, Error> {
        let mut settings = self.clone();
        for at in (2..arguments.len()).step_by(2) {
            let named = |(name, ..): &&Field| arguments.is(at, name);
            let value = std::str::from_utf8(arguments.at(at + 1)).ok();
            let set = FIELDS.iter().find(named).zip(value);
            if set
                .and_then(|((.., set), value)| set(&mut settings, value))
                .is_none()
            {
                return Err(Error::fixed(
                    "ERR a record changes a setting that is not known",
                ));
            }
        }
        Ok(settings)
    }

    /// Appends the settings.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_integer(out, self.hash_listpack_entries_max);
        put_integer(out, self.hash_listpack_value_bytes_max);
        put_signed(out, self.list_listpack_size);
        put_integer(out, self.set_intset_entries_max);
        put_integer(out, self.sorted_set_listpack_entries_max);
        put_integer(out, self.sorted_set_listpack_value_bytes_max);
        put_integer(out, self.string_bytes_max);
        put_integer(out, u64::from(self.access == Access::Frequency));
        // Heads were written before there were these: what is left out at the end is as it is by default.
        let later = [
            (self.stream_node_entries_max, STREAM_NODE_ENTRIES_MAX),
            (self.stream_node_bytes_max, STREAM_NODE_BYTES_MAX),
            (self.hll_sparse_bytes_max, HLL_SPARSE_BYTES_MAX),
        ];
        let told = later.iter().rposition(|(value, default)| value != default);
        // The first two came together.
        for (value, _) in later.iter().take(told.map_or(0, |last| last.max(1) + 1)) {
            put_integer(out, *value);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let later = |reader: &mut Reader<'_>, default| match reader.is_empty() {
            true => Ok(default),
            false => reader.integer("a setting"),
        };
        Ok(Self {
            hash_listpack_entries_max: reader.integer("a setting")?,
            hash_listpack_value_bytes_max: reader.integer("a setting")?,
            list_listpack_size: reader.signed("a setting")?,
            set_intset_entries_max: reader.integer("a setting")?,
            sorted_set_listpack_entries_max: reader.integer("a setting")?,
            sorted_set_listpack_value_bytes_max: reader.integer("a setting")?,
            string_bytes_max: reader.integer("a setting")?,
            access: match reader.integer("a setting")? {
                0 => Access::Recency,
                1 => Access::Frequency,
                _ => return Err(reader.impossible("a kind of access that is not known")),
            },
            stream_node_entries_max: later(reader, STREAM_NODE_ENTRIES_MAX)?,
            stream_node_bytes_max: later(reader, STREAM_NODE_BYTES_MAX)?,
            hll_sparse_bytes_max: later(reader, HLL_SPARSE_BYTES_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_what_makes_the_one_of_the_other() {
        let before = Settings::default();
        assert!(before.change_of(&before).is_none());
        let after = Settings {
            hash_listpack_entries_max: 1,
            hash_listpack_value_bytes_max: 2,
            hll_sparse_bytes_max: 10,
            list_listpack_size: -5,
            set_intset_entries_max: 4,
            sorted_set_listpack_entries_max: 5,
            sorted_set_listpack_value_bytes_max: 6,
            string_bytes_max: 7,
            stream_node_entries_max: 8,
            stream_node_bytes_max: 9,
            access: Access::Frequency,
        };
        let record = after.change_of(&before).unwrap();
        assert!(is_change(&record.arguments()));
        assert_eq!(record.ranges().len(), 2 + 2 * FIELDS.len());
        assert_eq!(before.changed(&record.arguments()), Ok(after));
        let strange = ArgumentBuffer::of(["config", "set", "port", "1"]);
        assert!(before.changed(&strange.arguments()).is_err());
    }
}
