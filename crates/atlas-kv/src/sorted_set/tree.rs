//! A counted B+tree: positions of rows in the order of their scores and members.
//!
//! The tree knows scores, not members. Whoever searches hands in a [`Search`], which says of a row, given by score and
//! position, whether it is before what is searched. Members, which lie elsewhere, are only looked at where scores are
//! equal. Inner nodes keep, for
//! each child, its first row and how many rows it holds, so a rank is a sum on the way down and a place is found by its
//! rank the same way.
//!
//! Nodes are boxed where they are referred to; the deepest tree of 2^32 rows has a handful of levels, which bounds the
//! recursion.

mod rows;

use rows::Rows;

/// Rows of a leaf, children of an inner node.
const NODE_MAX: usize = 64;
/// A node of fewer is joined with a neighbour where both fit into one.
const NODE_MIN: usize = 16;
/// Nodes that are built in one go leave room for what comes.
const NODE_BUILT: usize = 48;

/// What is searched: the place behind all rows that are before it.
pub(super) trait Search {
    /// True if a row, given by score and position, is before it. In the order of the tree such rows come first.
    fn is_before(&self, score: f64, position: u32) -> bool;

    /// How many rows of a node are before it.
    fn place(&self, rows: &Rows) -> usize {
        rows.partition(|score, position| self.is_before(score, position))
    }
}

impl<F: Fn(f64, u32) -> bool> Search for F {
    fn is_before(&self, score: f64, position: u32) -> bool {
        self(score, position)
    }
}

/// A place by its score first.
pub(super) struct Key<F> {
    pub(super) score: f64,
    /// True if the row at a position, which has this score, is before the place.
    pub(super) is_tie_before: F,
}

impl<F: Fn(u32) -> bool> Search for Key<F> {
    fn is_before(&self, score: f64, position: u32) -> bool {
        score < self.score || score == self.score && (self.is_tie_before)(position)
    }

    fn place(&self, rows: &Rows) -> usize {
        rows.place(self.score, &self.is_tie_before)
    }
}

/// Positions of rows by score and member.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
}

#[derive(Debug)]
enum Node {
    Leaf(Box<Rows>),
    Inner(Box<Inner>),
}

#[derive(Debug)]
struct Inner {
    /// The first row of each child.
    firsts: Rows,
    /// The rows of each child, its children's included.
    counts: [u32; NODE_MAX],
    children: Vec<Node>,
}

/// A child on its way into an inner node.
#[derive(Debug)]
struct Child {
    score: f64,
    position: u32,
    count: u32,
    node: Node,
}

impl Tree {
    /// A tree of rows that come in order.
    pub(super) fn of_sorted(rows: impl Iterator<Item = (f64, u32)>) -> Self {
        let mut len = 0;
        let mut level: Vec<Child> = Vec::new();
        let mut leaf = Box::new(Rows::new());
        for (score, position) in rows {
            if leaf.len == NODE_BUILT {
                let full = std::mem::replace(&mut leaf, Box::new(Rows::new()));
                level.extend(Child::of(Node::Leaf(full)));
            }
            leaf.insert(leaf.len, score, position);
            len += 1;
        }
        if level.is_empty() {
            return Self {
                root: Node::Leaf(leaf),
                len,
            };
        }
        level.extend(Child::of(Node::Leaf(leaf)));
        while level.len() > 1 {
            let mut upper = Vec::with_capacity(level.len() / NODE_BUILT + 1);
            let mut inner = Inner::new();
            for child in level {
                if inner.children.len() == NODE_BUILT {
                    let full = std::mem::replace(&mut inner, Inner::new());
                    upper.extend(Child::of(Node::Inner(Box::new(full))));
                }
                inner.insert(inner.children.len(), child);
            }
            upper.extend(Child::of(Node::Inner(Box::new(inner))));
            level = upper;
        }
        let root = level.pop().map(|child| child.node);
        Self {
            root: root.unwrap_or_else(|| Node::Leaf(Box::new(Rows::new()))),
            len,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many rows are before what is searched.
    pub(super) fn rank(&self, search: &impl Search) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(rows) => return rank + search.place(rows),
                Node::Inner(inner) => {
                    let at = inner.child_of(search);
                    rank += inner.count(0..at);
                    let Some(child) = inner.children.get(at) else {
                        return rank;
                    };
                    node = child;
                }
            }
        }
    }

    /// The position of the row at a rank.
    pub(super) fn at(&self, rank: usize) -> Option<u32> {
        let mut left = rank;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(rows) => return rows.positions().get(left).copied(),
                Node::Inner(inner) => {
                    let mut at = 0;
                    while at + 1 < inner.children.len() && left >= inner.counts[at] as usize {
                        left -= inner.counts[at] as usize;
                        at += 1;
                    }
                    node = inner.children.get(at)?;
                }
            }
        }
    }

    /// Shows the rows from rank `skip` on, `count` of them or as many as there are.
    pub(super) fn each(&self, skip: usize, count: usize, mut show: impl FnMut(u32)) {
        self.root.each(skip, count, &mut show);
    }

    /// As [`Self::each`], with ranks counted from the last row down.
    pub(super) fn each_back(&self, skip: usize, count: usize, mut show: impl FnMut(u32)) {
        self.root.each_back(skip, count, &mut show);
    }

    /// Adds a row where `search` finds its place.
    pub(super) fn insert(&mut self, score: f64, position: u32, search: &impl Search) {
        self.len += 1;
        if let Some(right) = self.root.insert(score, position, search, true) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Box::new(Rows::new())));
            let mut inner = Inner::new();
            for child in Child::of(left).into_iter().chain([right]) {
                inner.insert(inner.children.len(), child);
            }
            self.root = Node::Inner(Box::new(inner));
        }
    }

    /// Removes the row at `position`, which `search` finds; false if it does not stand there.
    pub(super) fn remove(&mut self, position: u32, search: &impl Search) -> bool {
        if !self.root.remove(position, search) {
            return false;
        }
        self.len -= 1;
        while let Node::Inner(inner) = &mut self.root
            && inner.children.len() <= 1
        {
            let only = inner.children.pop();
            self.root = only.unwrap_or_else(|| Node::Leaf(Box::new(Rows::new())));
        }
        true
    }

    /// Gives the row at `position`, which `search` finds, another score, if it keeps its place by that; false if nothing was done. `is_between` says whether the row belongs between its neighbours.
    pub(super) fn rescore(
        &mut self,
        position: u32,
        score: f64,
        search: &impl Search,
        is_between: &impl Fn((f64, u32), (f64, u32)) -> bool,
    ) -> bool {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(rows) => {
                    let at = search.place(rows);
                    if rows.positions().get(at) != Some(&position) || at == 0 {
                        return false;
                    }
                    let (Some(lower), Some(upper)) = (rows.get(at - 1), rows.get(at + 1)) else {
                        return false;
                    };
                    let keeps = is_between(lower, upper);
                    if keeps {
                        rows.scores[at] = score;
                    }
                    return keeps;
                }
                Node::Inner(inner) => {
                    let at = inner.child_with(position, search);
                    let Some(child) = inner.children.get_mut(at) else {
                        return false;
                    };
                    node = child;
                }
            }
        }
    }

    /// Says that the row at `from`, which `search` finds, now lies at `to`.
    pub(super) fn moved(&mut self, from: u32, to: u32, search: &impl Search) {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(rows) => {
                    let at = search.place(rows);
                    rows.replace(at, from, to);
                    return;
                }
                Node::Inner(inner) => {
                    let at = inner.child_with(from, search);
                    inner.firsts.replace(at, from, to);
                    let Some(child) = inner.children.get_mut(at) else {
                        return;
                    };
                    node = child;
                }
            }
        }
    }

    /// About how many bytes the nodes take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.root.memory_bytes()
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(rows) => rows.len,
            Self::Inner(inner) => inner.children.len(),
        }
    }

    fn first(&self) -> Option<(f64, u32)> {
        match self {
            Self::Leaf(rows) => rows.get(0),
            Self::Inner(inner) => inner.firsts.get(0),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Leaf(rows) => rows.len,
            Self::Inner(inner) => inner.count(0..inner.children.len()),
        }
    }

    fn each(&self, skip: usize, count: usize, show: &mut impl FnMut(u32)) -> usize {
        match self {
            Self::Leaf(rows) => {
                let shown = rows.positions().iter().skip(skip).take(count);
                shown.map(|&position| show(position)).count()
            }
            Self::Inner(inner) => {
                let (mut skip, mut shown) = (skip, 0);
                for (child, &held) in inner.children.iter().zip(&inner.counts) {
                    let held = held as usize;
                    if skip >= held {
                        skip -= held;
                        continue;
                    }
                    if shown == count {
                        break;
                    }
                    shown += child.each(skip, count - shown, show);
                    skip = 0;
                }
                shown
            }
        }
    }

    fn each_back(&self, skip: usize, count: usize, show: &mut impl FnMut(u32)) -> usize {
        match self {
            Self::Leaf(rows) => {
                let shown = rows.positions().iter().rev().skip(skip).take(count);
                shown.map(|&position| show(position)).count()
            }
            Self::Inner(inner) => {
                let (mut skip, mut shown) = (skip, 0);
                for (child, &held) in inner.children.iter().zip(&inner.counts).rev() {
                    let held = held as usize;
                    if skip >= held {
                        skip -= held;
                        continue;
                    }
                    if shown == count {
                        break;
                    }
                    shown += child.each_back(skip, count - shown, show);
                    skip = 0;
                }
                shown
            }
        }
    }

    /// Adds a row; what did not fit any more comes back. `is_last` says that the node is the last of its level.
    fn insert(
        &mut self,
        score: f64,
        position: u32,
        search: &impl Search,
        is_last: bool,
    ) -> Option<Child> {
        match self {
            Self::Leaf(rows) => {
                let at = search.place(rows);
                if rows.len < NODE_MAX {
                    rows.insert(at, score, position);
                    return None;
                }
                let mut right = Box::new(rows.split_off(split_at(at, is_last)));
                if at <= rows.len && rows.len < NODE_MAX {
                    rows.insert(at, score, position);
                } else {
                    right.insert(at - rows.len, score, position);
                }
                Child::of(Self::Leaf(right))
            }
            Self::Inner(inner) => {
                let at = inner.child_of(search);
                let is_last_child = is_last && at + 1 == inner.children.len();
                let child = inner.children.get_mut(at)?;
                let split = child.insert(score, position, search, is_last_child);
                inner.counts[at] += 1;
                if let Some(first) = child.first() {
                    inner.firsts.set(at, first);
                }
                let split = split?;
                inner.counts[at] -= split.count;
                let at = at + 1;
                if inner.children.len() < NODE_MAX {
                    inner.insert(at, split);
                    return None;
                }
                let mut right = Box::new(inner.split_off(split_at(at, is_last)));
                if at <= inner.children.len() && inner.children.len() < NODE_MAX {
                    inner.insert(at, split);
                } else {
                    right.insert(at - inner.children.len(), split);
                }
                Child::of(Self::Inner(right))
            }
        }
    }

    fn remove(&mut self, position: u32, search: &impl Search) -> bool {
        match self {
            Self::Leaf(rows) => {
                let at = search.place(rows);
                let is_there = rows.positions().get(at) == Some(&position);
                if is_there {
                    rows.remove(at);
                }
                is_there
            }
            Self::Inner(inner) => {
                let at = inner.child_with(position, search);
                let Some(child) = inner.children.get_mut(at) else {
                    return false;
                };
                if !child.remove(position, search) {
                    return false;
                }
                inner.counts[at] -= 1;
                if let Some(first) = child.first() {
                    inner.firsts.set(at, first);
                }
                if child.len() < NODE_MIN {
                    inner.join(at);
                }
                true
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Leaf(_) => size_of::<Rows>(),
            Self::Inner(inner) => {
                let below = match inner.children.first() {
                    Some(Self::Leaf(_)) => inner.children.len() * size_of::<Rows>(),
                    _ => inner.children.iter().map(Self::memory_bytes).sum(),
                };
                size_of::<Inner>() + inner.children.capacity() * size_of::<Self>() + below
            }
        }
    }
}

/// Where a full node is split that is to take one more at `at`. Rows that come in order leave full nodes behind; only the
/// last node of a level is split so, for elsewhere it could leave nodes of one row behind without end.
fn split_at(at: usize, is_last: bool) -> usize {
    if is_last && at == NODE_MAX {
        NODE_MAX
    } else {
        NODE_MAX / 2
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            firsts: Rows::new(),
            counts: [0; NODE_MAX],
            children: Vec::new(),
        }
    }

    /// The child that what is searched belongs to.
    fn child_of(&self, search: &impl Search) -> usize {
        search.place(&self.firsts).saturating_sub(1)
    }

    /// The child that holds the row at `position`.
    fn child_with(&self, position: u32, search: &impl Search) -> usize {
        let at = search.place(&self.firsts);
        if self.firsts.positions().get(at) == Some(&position) {
            at
        } else {
            at.saturating_sub(1)
        }
    }

    fn count(&self, children: std::ops::Range<usize>) -> usize {
        let counts = &self.counts[children];
        counts.iter().map(|&count| count as usize).sum()
    }

    fn insert(&mut self, at: usize, child: Child) {
        let len = self.children.len();
        self.counts.copy_within(at..len, at + 1);
        self.counts[at] = child.count;
        self.firsts.insert(at, child.score, child.position);
        self.children.insert(at, child.node);
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::new();
        let len = self.children.len();
        right.counts[..len - at].copy_from_slice(&self.counts[at..len]);
        right.firsts = self.firsts.split_off(at);
        right.children = self.children.split_off(at);
        right
    }

    /// Joins a child that has become small with a neighbour, if both fit into one node.
    fn join(&mut self, at: usize) {
        let fits = |left: usize| {
            let pair = self.children.get(left..left + 2);
            pair.is_some_and(|pair| pair[0].len() + pair[1].len() <= NODE_MAX)
        };
        let left = match at.checked_sub(1) {
            Some(left) if fits(left) => left,
            _ if fits(at) => at,
            _ => {
                // No neighbour: an empty node goes with all that names it, and this one is joined in its turn.
                if self.children.len() == 1 && self.children[0].len() == 0 {
                    self.children.clear();
                    self.firsts.len = 0;
                }
                return;
            }
        };
        let right = self.children.remove(left + 1);
        match (&mut self.children[left], right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.append(&right),
            (Node::Inner(left), Node::Inner(mut right)) => {
                let (len, more) = (left.children.len(), right.children.len());
                left.counts[len..len + more].copy_from_slice(&right.counts[..more]);
                left.firsts.append(&right.firsts);
                left.children.append(&mut right.children);
            }
            // All leaves are equally deep.
            _ => {}
        }
        self.firsts.remove(left + 1);
        self.counts[left] += self.counts[left + 1];
        self.counts.copy_within(left + 2.., left + 1);
        if let Some(first) = self.children[left].first() {
            self.firsts.set(left, first);
        }
    }
}

impl Child {
    fn of(node: Node) -> Option<Self> {
        let (score, position) = node.first()?;
        Some(Self {
            score,
            position,
            count: node.count() as u32,
            node,
        })
    }
}

#[cfg(test)]
mod tests;
