//! Which Java a version of the game runs on, as far as the version's own data does not say.
//!
//! The game's version file names its Java, and that decides where it is at hand. This table stands in for it, and knows what
//! the file does not: how new a Java an old loader stands.

use crate::packwiz::Loader;

/// The versions of Java that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JavaRange {
    /// Older ones do not start the game.
    pub min: u32,
    /// What the game was made for.
    pub preferred: u32,
    /// Newer ones do not start it; none is known if there is none.
    pub max: Option<u32>,
}

/// How a Java fits a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JavaFit {
    /// It is what the game was made for.
    Preferred,
    /// It will do.
    Possible,
    /// It is too old to start the game.
    TooOld,
    /// It is too new for the loader.
    TooNew,
}

impl JavaRange {
    /// The range for a version of the game under a loader; none for a version whose name says nothing, such as that of an
    /// April fool's.
    #[must_use]
    pub fn of(minecraft: &str, loader: Option<Loader>) -> Option<Self> {
        let moment = Moment::of(minecraft)?;
        let (_, java) = SINCE.iter().rev().find(|(since, _)| moment >= *since)?;
        // The old launch wrapper casts the class loader of Java 8; newer ones have another.
        let is_wrapped = matches!(loader, Some(Loader::Forge | Loader::LiteLoader)) && *java == 8;
        Some(Self {
            min: *java,
            preferred: *java,
            max: is_wrapped.then_some(8),
        })
    }

    /// The same, where a pack or a person says otherwise: mods move these bounds both ways.
    #[must_use]
    pub fn overridden(self, min: Option<u32>, preferred: Option<u32>, max: Option<u32>) -> Self {
        let min = min.unwrap_or(self.min);
        let max = max.or(self.max).filter(|max| *max >= min);
        let preferred = preferred.unwrap_or(self.preferred).max(min);
        Self {
            min,
            preferred: max.map_or(preferred, |max| preferred.min(max)),
            max,
        }
    }

    /// How a Java of this major version fits.
    #[must_use]
    pub fn fit(&self, major: u32) -> JavaFit {
        match major {
            _ if major == self.preferred => JavaFit::Preferred,
            _ if major < self.min => JavaFit::TooOld,
            _ if self.max.is_some_and(|max| major > max) => JavaFit::TooNew,
            _ => JavaFit::Possible,
        }
    }
}

/// Since when which Java is needed.
const SINCE: [(Moment, u32); 5] = [
    (Moment::release(0, 0, 0), 8),
    (Moment::release(1, 17, 0), 16),
    (Moment::release(1, 18, 0), 17),
    (Moment::release(1, 20, 5), 21),
    (Moment::release(26, 1, 0), 25),
];

/// Weekly snapshots, by year and week, from which on the next release counts: those of one release are named by week until
/// its first pre-release.
const SNAPSHOTS: [((u32, u32), Moment); 3] = [
    ((21, 19), Moment::release(1, 17, 0)),
    // The first after 1.18, which had pre-releases since 21w44a.
    ((22, 1), Moment::release(1, 18, 0)),
    ((24, 14), Moment::release(1, 20, 5)),
];

/// A version of the game as a place in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u32, u32, u32);

impl Moment {
    const fn release(major: u32, minor: u32, patch: u32) -> Self {
        Self(major, minor, patch)
    }

    fn of(version: &str) -> Option<Self> {
        if let Some(week) = snapshot(version) {
            let of = SNAPSHOTS.iter().rev().find(|(since, _)| week >= *since);
            return Some(of.map_or(Self(0, 0, 0), |(_, moment)| *moment));
        }
        // `1.18-pre2`, `1.20.5-rc1`, `26.1-snapshot-3` are as the release that they lead to.
        let release = version.split(['-', ' ']).next().unwrap_or_default();
        let mut parts = release.split('.').map(str::parse::<u32>);
        let major = parts.next()?.ok()?;
        let minor = parts.next()?.ok()?;
        let patch = parts.next().transpose().ok()?.unwrap_or(0);
        match parts.next() {
            None => Some(Self(major, minor, patch)),
            Some(_) => None,
        }
    }
}

/// The year and week of a snapshot such as `21w19a`.
fn snapshot(version: &str) -> Option<(u32, u32)> {
    let (year, rest) = version.split_once('w')?;
    let week = rest.get(..2)?;
    let letter = rest.get(2..3)?;
    let is_snapshot = year.len() == 2 && letter.starts_with(|it: char| it.is_ascii_lowercase());
    is_snapshot.then_some(())?;
    Some((year.parse().ok()?, week.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_java() {
        for (version, java) in [
            ("1.7.10", 8),
            ("1.16.5", 8),
            ("16w02a", 8),
            ("21w18a", 8),
            ("21w19a", 16),
            ("1.17", 16),
            ("1.17.1", 16),
            ("21w44a", 16),
            ("1.18-pre2", 17),
            ("1.18 Pre-Release 1", 17),
            ("1.20.4", 17),
            ("22w03a", 17),
            ("24w13a", 17),
            ("24w14a", 21),
            ("1.20.5-rc1", 21),
            ("1.21.11", 21),
            ("26.1", 25),
            ("26.1-snapshot-3", 25),
            ("26.1.2", 25),
        ] {
            let range = JavaRange::of(version, None).unwrap();
            assert_eq!(
                (range.min, range.preferred, range.max),
                (java, java, None),
                "{version}"
            );
        }
        for strange in [
            "",
            "b1.7.3",
            "3D Shareware v1.34",
            "1",
            "1.x",
            "1.2.3.4",
            "99999999999.1",
        ] {
            assert_eq!(JavaRange::of(strange, None), None, "{strange}");
        }
    }

    #[test]
    fn an_old_forge_stands_no_newer_java() {
        let range = JavaRange::of("1.12.2", Some(Loader::Forge)).unwrap();
        assert_eq!(
            (range.fit(8), range.fit(17)),
            (JavaFit::Preferred, JavaFit::TooNew)
        );
        let range = JavaRange::of("1.12.2", Some(Loader::Fabric)).unwrap();
        assert_eq!(range.fit(17), JavaFit::Possible);
        let range = JavaRange::of("1.20.1", Some(Loader::Forge)).unwrap();
        assert_eq!(
            (range.fit(16), range.fit(21)),
            (JavaFit::TooOld, JavaFit::Possible)
        );
    }

    #[test]
    fn packs_and_people_move_the_bounds() {
        let range = JavaRange::of("1.7.10", Some(Loader::Forge)).unwrap();
        let moved = range.overridden(Some(17), Some(21), Some(25));
        assert_eq!((moved.min, moved.preferred, moved.max), (17, 21, Some(25)));
        let moved = range.overridden(Some(17), None, None);
        assert_eq!(
            (moved.min, moved.preferred, moved.max),
            (17, 17, None),
            "a bound below another falls away"
        );
        assert_eq!(range.overridden(None, None, None), range);
    }
}
