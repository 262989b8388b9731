//! Which server is the authority where.

use atlas_base::Position;

use crate::ServerId;

/// An axis-aligned box of the world, half-open: `min` belongs to it, `max` does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The least coordinates.
    pub min: Position,
    /// The first coordinates past it.
    pub max: Position,
}

/// What is wrong with a world's regions.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A corner is NaN or infinite.
    #[error("region of server {} has a corner that is not finite", server.0)]
    NotFinite {
        /// Whose region.
        server: ServerId,
    },
    /// A side is shorter than four times the hysteresis (or negative).
    #[error(
        "region of server {} is {side} wide along {axis}; it must be at least {least} (4 x hysteresis)", server.0
    )]
    TooSmall {
        /// Whose region.
        server: ServerId,
        /// `x`, `y` or `z`.
        axis: char,
        /// Its length along that axis, in world units.
        side: f64,
        /// The least length allowed, in world units.
        least: f64,
    },
    /// Two regions share a place.
    #[error("regions of servers {} and {} overlap", first.0, second.0)]
    Overlap {
        /// The one.
        first: ServerId,
        /// The other.
        second: ServerId,
    },
}

impl Region {
    /// Whether `at` lies in it. Never for a NaN.
    #[must_use]
    pub fn contains(&self, at: Position) -> bool {
        at.x >= self.min.x
            && at.x < self.max.x
            && at.y >= self.min.y
            && at.y < self.max.y
            && at.z >= self.min.z
            && at.z < self.max.z
    }

    /// How far `at` lies outside, in world units: positive outside, negative inside (the way to the nearest face).
    #[must_use]
    pub fn distance_outside(&self, at: Position) -> f64 {
        let x = (self.min.x - at.x).max(at.x - self.max.x);
        let y = (self.min.y - at.y).max(at.y - self.max.y);
        let z = (self.min.z - at.z).max(at.z - self.max.z);
        let deepest = x.max(y).max(z);
        if deepest <= 0.0 {
            deepest
        } else {
            x.max(0.0).hypot(y.max(0.0)).hypot(z.max(0.0))
        }
    }

    /// Whether the two share a place.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.min.x < other.max.x
            && other.min.x < self.max.x
            && self.min.y < other.max.y
            && other.min.y < self.max.y
            && self.min.z < other.max.z
            && other.min.z < self.max.z
    }

    /// Its three sides with their axes, in world units.
    fn sides(&self) -> [(char, f64); 3] {
        [
            ('x', self.max.x - self.min.x),
            ('y', self.max.y - self.min.y),
            ('z', self.max.z - self.min.z),
        ]
    }

    fn is_finite(&self) -> bool {
        self.min.is_finite() && self.max.is_finite()
    }
}

/// A world's regions, found by position. No two overlap.
#[derive(Debug, Clone, Default)]
pub struct Regions {
    /// By least x.
    sorted: Vec<(ServerId, Region)>,
    /// The widest region's extent along x: how far to the left of a place its region can begin.
    widest: f64,
}

impl Regions {
    /// An index of `regions`.
    ///
    /// # Errors
    /// The first [`Error`] found: a corner that is not finite, a side under `4 * hysteresis`, an overlap.
    pub fn build(
        regions: impl IntoIterator<Item = (ServerId, Region)>,
        hysteresis: f64,
    ) -> Result<Self, Error> {
        let mut sorted: Vec<_> = regions.into_iter().collect();
        for (server, region) in &sorted {
            if !region.is_finite() {
                return Err(Error::NotFinite { server: *server });
            }
            let least = 4.0 * hysteresis;
            for (axis, side) in region.sides() {
                if side < least || side <= 0.0 {
                    return Err(Error::TooSmall {
                        server: *server,
                        axis,
                        side,
                        least,
                    });
                }
            }
        }
        sorted.sort_by(|one, other| one.1.min.x.total_cmp(&other.1.min.x));
        for (index, (first, region)) in sorted.iter().enumerate() {
            let overlap = sorted[index + 1..]
                .iter()
                .take_while(|(_, next)| next.min.x < region.max.x)
                .find(|(_, next)| next.overlaps(region));
            if let Some((second, _)) = overlap {
                return Err(Error::Overlap {
                    first: *first,
                    second: *second,
                });
            }
        }
        let widest = sorted
            .iter()
            .map(|(_, region)| region.max.x - region.min.x)
            .fold(0.0, f64::max);
        Ok(Self { sorted, widest })
    }

    /// The server whose region contains `at`.
    #[must_use]
    pub fn owner(&self, at: Position) -> Option<ServerId> {
        let end = self
            .sorted
            .partition_point(|(_, region)| region.min.x <= at.x);
        self.sorted[..end]
            .iter()
            .rev()
            .take_while(|(_, region)| region.min.x + self.widest >= at.x)
            .find(|(_, region)| region.contains(at))
            .map(|(server, _)| *server)
    }

    /// The region of `server`.
    #[must_use]
    pub fn of(&self, server: ServerId) -> Option<Region> {
        self.iter()
            .find(|(other, _)| *other == server)
            .map(|(_, region)| region)
    }

    /// Every region with its server, by least x.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, Region)> + '_ {
        self.sorted.iter().copied()
    }

    /// Whether the world has no regions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

#[cfg(test)]
mod tests;
