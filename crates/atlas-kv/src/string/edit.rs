//! Changing a string where it lies.

use std::ops::Range;

use crate::context::{Context, Expiry};
use crate::value::Value;

impl Context<'_> {
    /// Hands a part of the string at `key` to `change`, and returns how long the string is. It is made longer with zeros
    /// as far as that takes, and made if there is no such key. Whoever calls has seen to it that the key holds no
    /// collection, and that a string may be so long.
    pub(crate) fn edit_string(
        &mut self,
        key: &[u8],
        part: Range<usize>,
        change: impl FnOnce(&mut [u8]),
    ) -> usize {
        if !self.exists(key) {
            self.set(key, Value::String(Vec::new()), Expiry::Never);
        }
        let Some(bytes) = self.string_mut(key) else {
            return 0;
        };
        if bytes.len() < part.end {
            bytes.resize(part.end, 0);
        }
        if let Some(part) = bytes.get_mut(part) {
            change(part);
        }
        bytes.len()
    }
}
