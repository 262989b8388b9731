//! The dialect that reads nothing.

use atlas_base::{Position, Velocity};

use super::Dialect;

/// Messages are bytes.
pub(super) struct Opaque;

impl Dialect for Opaque {
    fn name(&self) -> &'static str {
        "opaque"
    }

    fn skims(&self) -> bool {
        false
    }

    fn position(&self, _: &[u8], _: bool) -> Option<(Position, Option<Velocity>)> {
        None
    }

    fn is_join(&self, _: &[u8], _: bool) -> bool {
        false
    }

    fn player(&self, _: &[u8], _: bool) -> Option<String> {
        None
    }
}
