//! Where in a world, and how fast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in a world, in the world's own units; y is up. An object `{"x","y","z"}` in serde.
///
/// Nothing here refuses a NaN: whoever reads a position from outside asks [`Position::is_finite`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// To the right on the map.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Downwards on the map.
    pub z: f64,
}

/// A speed with direction, in the world's units a second. An object `{"x","y","z"}` in serde.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Velocity {
    /// Along x.
    pub x: f64,
    /// Along y.
    pub y: f64,
    /// Along z.
    pub z: f64,
}

impl Position {
    /// The place with these coordinates.
    #[must_use]
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// Whether no coordinate is NaN or infinite.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.z.is_finite()
    }

    /// The straight distance to `other`, in the world's units.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x)
            .hypot(self.y - other.y)
            .hypot(self.z - other.z)
    }
}

impl Velocity {
    /// The velocity with these components.
    #[must_use]
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// Whether no component is NaN or infinite.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.z.is_finite()
    }

    /// The speed without direction, in the world's units a second.
    #[must_use]
    pub fn speed(self) -> f64 {
        self.x.hypot(self.y).hypot(self.z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finite_looks_at_each_coordinate() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for axis in 0..3 {
                let mut all = [1.0; 3];
                all[axis] = wrong;
                assert!(!Position::new(all[0], all[1], all[2]).is_finite());
                assert!(!Velocity::new(all[0], all[1], all[2]).is_finite());
            }
        }
        assert!(Position::new(1e308, -1e308, 0.0).is_finite());
    }

    #[test]
    fn distance_is_euclidean_and_serde_is_an_object() {
        assert_eq!(
            Position::new(1.0, 2.0, 3.0).distance(Position::new(3.0, 5.0, 9.0)),
            7.0
        );
        assert_eq!(Velocity::new(2.0, 3.0, 6.0).speed(), 7.0);
        let at = Position::new(1.5, -2.0, 3.0);
        assert_eq!(
            serde_json::to_string(&at).unwrap(),
            r#"{"x":1.5,"y":-2.0,"z":3.0}"#
        );
        assert_eq!(
            serde_json::from_str::<Position>(r#"{"x":1.5,"y":-2,"z":3}"#).unwrap(),
            at
        );
    }
}
