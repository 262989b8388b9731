//! What of the configuration changes how commands act.

use crate::codec::{LoadError, Reader, put_integer, put_signed};

/// The settings that commands read. They are part of the state: a change is logged like a command, so that every replay
/// acts by the settings of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A hash of more fields is no longer called `listpack`.
    pub hash_listpack_entries_max: u64,
    /// Nor one with a longer field or value, in bytes.
    pub hash_listpack_value_bytes_max: u64,
    /// Redis's `list-max-listpack-size`: elements a node, or -1 to -5 for 4 to 64 KiB a node.
    pub list_listpack_size: i64,
    /// A set of integers with more members is no longer called `intset`.
    pub set_intset_entries_max: u64,
    /// A sorted set of more members is no longer called `listpack`.
    pub sorted_set_listpack_entries_max: u64,
    /// Nor one with a longer member, in bytes.
    pub sorted_set_listpack_value_bytes_max: u64,
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
            list_listpack_size: -2,
            set_intset_entries_max: 512,
            sorted_set_listpack_entries_max: 128,
            sorted_set_listpack_value_bytes_max: 64,
            string_bytes_max: 512 * 1024 * 1024,
            access: Access::Recency,
        }
    }
}

impl Settings {
    /// Appends the settings in the order of their fields.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_integer(out, self.hash_listpack_entries_max);
        put_integer(out, self.hash_listpack_value_bytes_max);
        put_signed(out, self.list_listpack_size);
        put_integer(out, self.set_intset_entries_max);
        put_integer(out, self.sorted_set_listpack_entries_max);
        put_integer(out, self.sorted_set_listpack_value_bytes_max);
        put_integer(out, self.string_bytes_max);
        put_integer(out, u64::from(self.access == Access::Frequency));
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
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
        })
    }
}
