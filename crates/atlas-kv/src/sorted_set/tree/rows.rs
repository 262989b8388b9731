//! A node's rows, in two arrays so that a search reads scores only.

use super::NODE_MAX;

/// Rows in order.
#[derive(Debug)]
pub(in crate::sorted_set) struct Rows {
    pub(super) len: usize,
    positions: [u32; NODE_MAX],
    pub(super) scores: [f64; NODE_MAX],
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            positions: [0; NODE_MAX],
            scores: [0.0; NODE_MAX],
        }
    }

    pub(super) fn positions(&self) -> &[u32] {
        &self.positions[..self.len]
    }

    pub(super) fn get(&self, at: usize) -> Option<(f64, u32)> {
        (at < self.len).then(|| (self.scores[at], self.positions[at]))
    }

    pub(super) fn set(&mut self, at: usize, (score, position): (f64, u32)) {
        self.scores[at] = score;
        self.positions[at] = position;
    }

    /// How many rows are before the place of a score, where `is_tie_before` says of those with this score whether they are.
    pub(super) fn place(&self, score: f64, is_tie_before: &impl Fn(u32) -> bool) -> usize {
        // Looking at all scores takes no branch that could be guessed wrong, and no wait for one cache line before the
        // next is known.
        let scores = &self.scores[..self.len];
        let below = scores.iter().filter(|&&other| other < score).count();
        if scores.get(below) != Some(&score) {
            return below;
        }
        let until = scores.iter().filter(|&&other| other <= score).count();
        below + self.positions[below..until].partition_point(|&position| is_tie_before(position))
    }

    pub(super) fn partition(&self, before: impl Fn(f64, u32) -> bool) -> usize {
        let (mut start, mut end) = (0, self.len);
        while start < end {
            let middle = (start + end) / 2;
            if before(self.scores[middle], self.positions[middle]) {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        start
    }

    pub(super) fn insert(&mut self, at: usize, score: f64, position: u32) {
        self.scores.copy_within(at..self.len, at + 1);
        self.positions.copy_within(at..self.len, at + 1);
        self.len += 1;
        self.set(at, (score, position));
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.scores.copy_within(at + 1..self.len, at);
        self.positions.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    pub(super) fn replace(&mut self, at: usize, from: u32, to: u32) {
        if let Some(position) = self.positions[..self.len].get_mut(at)
            && *position == from
        {
            *position = to;
        }
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::new();
        right.len = self.len - at;
        right.scores[..right.len].copy_from_slice(&self.scores[at..self.len]);
        right.positions[..right.len].copy_from_slice(&self.positions[at..self.len]);
        self.len = at;
        right
    }

    pub(super) fn append(&mut self, right: &Self) {
        let len = self.len + right.len;
        self.scores[self.len..len].copy_from_slice(&right.scores[..right.len]);
        self.positions[self.len..len].copy_from_slice(right.positions());
        self.len = len;
    }
}
