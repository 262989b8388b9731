//! Damage on purpose, to what a clean stop proved to be there.

use atlas_wal::MemoryDisk;

use super::Random;

/// What was done to which file.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) file: String,
    pub(crate) what: String,
    before: Vec<u8>,
}

/// Where the frames of a segment are, by their magic: offset and length, without the closing one.
fn frames(content: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let alignment = 1usize << content[70];
    let mut at = 4096;
    while content.get(at..at + 4) == Some(b"AFRM") {
        let payload = u32::from_le_bytes(content[at + 8..at + 12].try_into().unwrap()) as usize;
        let length = (48 + payload).next_multiple_of(alignment);
        if content[at + 4] != 4 || content.get(at + length..at + length + 4) == Some(b"AFRM") {
            frames.push((at, length));
        }
        at += length;
    }
    frames
}

/// Damages a log that was closed; `None` if there is nothing to damage in the way that was drawn.
pub(crate) fn inflict(disk: &MemoryDisk, random: &mut Random, purged: bool) -> Option<Damage> {
    let mut begun = Vec::new();
    for file in disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".log"))
    {
        let content = disk.content(&file)?;
        let frames = frames(&content);
        if !frames.is_empty() {
            begun.push((file, content, frames));
        }
    }
    let (file, content, frames) = begun
        .get(random.below(begun.len() as u64) as usize)?
        .clone();
    let damage = |what: String| {
        Some(Damage {
            file: file.clone(),
            what,
            before: content.clone(),
        })
    };
    match random.below(4) {
        0 | 1 => {
            let (last, length) = *frames.last()?;
            let offset = random.below((last + length) as u64) as usize;
            let bit = 1 << random.below(8);
            disk.damage(&file, |content| content[offset] ^= bit);
            damage(format!("bit {bit:#x} at {offset} flipped"))
        }
        2 => {
            // Two frames of one length change places.
            let mut pairs = Vec::new();
            for (place, &(a, length)) in frames.iter().enumerate().skip(1) {
                for &(b, other) in &frames[place + 1..] {
                    if length == other {
                        pairs.push((a, b, length));
                    }
                }
            }
            let &(a, b, length) = pairs.get(random.below(pairs.len().max(1) as u64) as usize)?;
            disk.damage(&file, |content| {
                let first = content[a..a + length].to_vec();
                content.copy_within(b..b + length, a);
                content[b..b + length].copy_from_slice(&first);
            });
            damage(format!("the frames at {a} and {b} swapped"))
        }
        // Where segments were purged, nobody can tell that one more is gone that nothing needs.
        _ if begun.len() > 1 && !purged => {
            disk.take(&file);
            damage("taken away".into())
        }
        _ => None,
    }
}

impl Damage {
    /// As it was.
    pub(crate) fn mend(self, disk: &MemoryDisk) {
        disk.put(&self.file, self.before);
    }
}
