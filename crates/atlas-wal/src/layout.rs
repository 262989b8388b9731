//! The names of the files in a directory.

/// Held by the process that has the directory; the file has its process id.
pub(crate) const LOCK: &str = "lock";

/// What a name says that a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// Segment so many of the log.
    Segment(u64),
    /// The snapshot of a group at an index.
    Snapshot { group: u64, index: u64 },
    /// Half of a file that was being made; nothing is lost with it.
    Unfinished,
    /// Not of this crate.
    Other,
}

impl Name {
    /// What `name` says.
    pub(crate) fn read(name: &str) -> Self {
        let number = |text: &str| -> Option<u64> {
            (text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse().ok())
                .flatten()
                // There always is a next one.
                .filter(|&number: &u64| number < u64::MAX)
        };
        let read = || {
            if let Some(stem) = name.strip_suffix(".log") {
                return number(stem).filter(|&n| n > 0).map(Self::Segment);
            }
            if let Some(stem) = name.strip_suffix(".snapshot") {
                let (group, index) = stem.split_once('-')?;
                return Some(Self::Snapshot {
                    group: number(group)?,
                    index: number(index)?,
                });
            }
            (name.ends_with(".log.new") || name.ends_with(".snapshot.new"))
                .then_some(Self::Unfinished)
        };
        read().unwrap_or(Self::Other)
    }
}

/// The name of segment `number`.
#[must_use]
pub fn segment(number: u64) -> String {
    format!("{number:020}.log")
}

/// Which segment has this name, if one has.
#[must_use]
pub fn segment_number(name: &str) -> Option<u64> {
    match Name::read(name) {
        Name::Segment(number) => Some(number),
        _ => None,
    }
}

/// The name that segment `number` has while it is written ahead. The file's id is in it, because an abandoned attempt
/// may still be at work on its own file.
pub(crate) fn unfinished_segment(number: u64, file_id: u128) -> String {
    format!("{number:020}-{file_id:032x}.log.new")
}

/// The name of the snapshot of `group` at `index`.
pub(crate) fn snapshot(group: u64, index: u64) -> String {
    format!("{group:020}-{index:020}.snapshot")
}

/// The name that it has while it is written.
pub(crate) fn unfinished_snapshot(group: u64, index: u64, file_id: u128) -> String {
    format!("{group:020}-{index:020}-{file_id:032x}.snapshot.new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_are() {
        assert_eq!(segment(7), "00000000000000000007.log");
        assert_eq!(Name::read(&segment(7)), Name::Segment(7));
        assert_eq!(Name::read(&segment(u64::MAX)), Name::Other);
        assert_eq!(
            Name::read(&snapshot(0, 12)),
            Name::Snapshot {
                group: 0,
                index: 12
            }
        );
        assert_eq!(Name::read(&unfinished_segment(1, 2)), Name::Unfinished);
        assert_eq!(Name::read(&unfinished_snapshot(1, 2, 3)), Name::Unfinished);
        for other in [
            LOCK,
            "",
            "1.log",
            "00000000000000000000.log",
            "0000000000000000000x.log",
            "99999999999999999999.log",
            "00000000000000000001-00000000000000000001.log",
            "snapshot",
        ] {
            assert_eq!(Name::read(other), Name::Other, "{other}");
        }
    }
}
