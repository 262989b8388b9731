//! Lists: elements in order, in nodes of some kilobytes.
//!
//! Nodes are the pages of snapshots (`list/pages.rs`). A node is emitted with its own number and that of its successor, as they were when
//! the snapshot began; the head says which is the first. For that every change behind a node (another successor) is a
//! change of the node, and emits it first if the snapshot still needs it: as long as a node is unwritten, the node that
//! follows it now is the one that followed it then. A node in front of the others changes none of them.

mod commands;
mod moving;
mod node;
mod pages;
mod search;
mod waiting;

use std::collections::VecDeque;

use crate::slice::{ObjectId, Slice};
use crate::value::Collection;

pub(crate) use commands::COMMANDS;
pub(crate) use moving::COMMANDS as MOVING;
pub(crate) use node::Fill;
use node::Node;
use pages::Links;
pub(crate) use waiting::COMMANDS as WAITING;

/// Parts of more nodes than this are given up where that delays nobody.
const DROPPED_NODES_MAX: usize = 8;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The first element.
    Left,
    /// The last element.
    Right,
}

/// Elements in order.
#[derive(Debug)]
pub(crate) struct List {
    object: ObjectId,
    /// None of them is empty.
    nodes: VecDeque<Node>,
    /// The number of elements.
    len: usize,
    /// The number of the node that was born last.
    last_number: u64,
    /// Of a part that was cut off: the number of the node that followed. 0 is none.
    beyond: u64,
    /// Where the snapshot's walk goes on looking for unwritten nodes; only a hint.
    walked: usize,
    loading: Option<Box<Links>>,
}

impl List {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    /// The element at an end.
    pub(crate) fn peek(&self, end: End) -> Option<&[u8]> {
        match end {
            End::Left => self.nodes.front()?.elements().next(),
            End::Right => self.nodes.back()?.elements().next_back(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let (node, within) = self.locate(index)?;
        self.nodes.get(node)?.get(within)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.nodes.iter().flat_map(Node::elements)
    }

    /// The elements from `index` on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let (node, within) = self.locate(index).unwrap_or((self.nodes.len(), 0));
        let first = self.nodes.get(node).map(|node| node.elements_from(within));
        let rest = self.nodes.iter().skip(node + 1);
        first
            .into_iter()
            .flatten()
            .chain(rest.flat_map(Node::elements))
    }

    pub(crate) fn push(&mut self, end: End, element: &[u8], fill: Fill, slice: &mut Slice) {
        self.len += 1;
        let last = self.nodes.len().saturating_sub(1);
        let index = match end {
            End::Left => 0,
            End::Right => last,
        };
        if let Some(node) = self.nodes.get(index)
            && node.admits(element.len(), fill)
        {
            self.touch(index, slice);
            let node = &mut self.nodes[index];
            match end {
                End::Left => node.push_front(element),
                End::Right => node.push_back(element),
            }
            return;
        }
        if end == End::Right {
            self.touch(last, slice);
        }
        if let Some(full) = self.nodes.get_mut(index) {
            full.shrink();
        } else {
            self.nodes.reserve_exact(1);
        }
        let mut node = self.born(slice);
        node.push_back(element);
        match end {
            End::Left => self.nodes.push_front(node),
            End::Right => self.nodes.push_back(node),
        }
    }

    /// Removes the element at an end.
    pub(crate) fn pop(&mut self, end: End, slice: &mut Slice) {
        self.remove_few(end, 1, slice);
    }

    /// Removes so many elements at an end, and returns nodes that are given up whole, if they are many: whoever calls
    /// hands them to [`crate::Keyspace::discard`].
    #[must_use = "a snapshot may still need what was cut off"]
    pub(crate) fn cut(&mut self, end: End, count: usize, slice: &mut Slice) -> Option<Self> {
        let count = count.min(self.len);
        let (mut whole, mut elements) = (0, 0);
        let mut walk = self.nodes.iter();
        let mut next = || match end {
            End::Left => walk.next(),
            End::Right => walk.next_back(),
        };
        while let Some(node) = next()
            && elements + node.len() <= count
        {
            whole += 1;
            elements += node.len();
        }
        let part = (whole > DROPPED_NODES_MAX).then(|| {
            let kept = self.nodes.len() - whole;
            let nodes = match end {
                End::Left => self.nodes.drain(..whole).collect(),
                End::Right => {
                    if kept > 0 {
                        self.touch(kept - 1, slice);
                    }
                    self.nodes.split_off(kept)
                }
            };
            self.nodes.shrink_to(kept * 2);
            self.len -= elements;
            let beyond = match end {
                End::Left => self.nodes.front().map_or(self.beyond, |node| node.number),
                End::Right => self.beyond,
            };
            Self {
                nodes,
                len: elements,
                beyond,
                ..Self::unloaded(self.object)
            }
        });
        let done = part.as_ref().map_or(0, |part| part.len);
        self.remove_few(end, count - done, slice);
        part
    }

    /// Sets the element at `index`; false if there is none.
    pub(crate) fn set(
        &mut self,
        index: usize,
        element: &[u8],
        fill: Fill,
        slice: &mut Slice,
    ) -> bool {
        let Some((at, within)) = self.locate(index) else {
            return false;
        };
        self.touch(at, slice);
        let node = &mut self.nodes[at];
        if !node.set(within, element, fill) {
            // More than one element is there: none of the nodes becomes empty.
            node.remove(within);
            self.insert_at(at, within, element, fill, slice);
        }
        true
    }

    /// Inserts an element before or after the first that is equal to `pivot`; false if there is none.
    pub(crate) fn insert(
        &mut self,
        is_after: bool,
        pivot: &[u8],
        element: &[u8],
        fill: Fill,
        slice: &mut Slice,
    ) -> bool {
        let found = self.nodes.iter().enumerate().find_map(|(at, node)| {
            let within = node.elements().position(|other| other == pivot)?;
            Some((at, within + usize::from(is_after)))
        });
        let Some((at, within)) = found else {
            return false;
        };
        self.len += 1;
        self.insert_at(at, within, element, fill, slice);
        true
    }

    /// Removes elements equal to `element`, at most `count_max`, counted from an end; how many they were.
    pub(crate) fn remove_equal(
        &mut self,
        element: &[u8],
        end: End,
        count_max: usize,
        fill: Fill,
        slice: &mut Slice,
    ) -> usize {
        // From the right: the same from the node on in which the last of them lies, which keeps the first ones.
        let (first, mut skip) = match end {
            End::Left => (0, 0),
            End::Right => self.last_equal(element, count_max),
        };
        let mut removed = 0;
        // Nodes before `write` stay as they are; those between it and `read` have become empty.
        let (mut read, mut write) = (first, first);
        let mut is_previous_changed = false;
        while read < self.nodes.len() && removed < count_max {
            let equal = self.nodes[read].count_equal(element).saturating_sub(skip);
            let take = equal.min(count_max - removed);
            if take > 0 {
                self.touch(read, slice);
                self.nodes[read].remove_equal(element, skip, take);
                self.nodes[read].shrink_sparse();
                removed += take;
            }
            skip = 0;
            let is_empty = self.nodes[read].len() == 0;
            let is_joined = take > 0
                && is_previous_changed
                && self.nodes[write - 1].admits_all(&self.nodes[read], fill);
            if is_joined {
                let joined = std::mem::replace(&mut self.nodes[read], Node::new(0, slice.epoch()));
                self.nodes[write - 1].append(&joined);
            } else if is_empty {
                // Its predecessor gets another successor. If that is unwritten, no node between the two has gone.
                let number = self.nodes[read].number;
                if let Some(previous) = write.checked_sub(1) {
                    self.touch_before(previous, number, slice);
                }
            } else {
                self.nodes.swap(write, read);
                write += 1;
                is_previous_changed = take > 0;
            }
            read += 1;
        }
        self.nodes.drain(write..read);
        self.len -= removed;
        removed
    }

    /// The node from which on there are `count_max` elements equal to this one, and how many more it has at its front.
    fn last_equal(&self, element: &[u8], count_max: usize) -> (usize, usize) {
        let mut seen = 0;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            seen += node.count_equal(element);
            if seen >= count_max {
                return (at, seen - count_max);
            }
        }
        (0, 0)
    }

    /// Removes elements at an end node by node.
    fn remove_few(&mut self, end: End, mut count: usize, slice: &mut Slice) {
        while count > 0 {
            let index = match end {
                End::Left => 0,
                End::Right => self.nodes.len().saturating_sub(1),
            };
            self.touch(index, slice);
            let Some(node) = self.nodes.get_mut(index) else {
                return;
            };
            let taken = node.len().min(count);
            count -= taken;
            self.len -= taken;
            if taken < node.len() {
                match end {
                    End::Left => node.drop_front(taken),
                    End::Right => node.drop_back(taken),
                }
                return;
            }
            if end == End::Right && index > 0 {
                self.touch(index - 1, slice);
            }
            self.nodes.remove(index);
        }
    }

    /// Puts an element into a node before the one at `within`, or near it where that is the same place and the node is
    /// full.
    fn insert_at(
        &mut self,
        at: usize,
        within: usize,
        element: &[u8],
        fill: Fill,
        slice: &mut Slice,
    ) {
        let admits =
            |node: Option<&Node>| node.is_some_and(|node| node.admits(element.len(), fill));
        let node_len = self.nodes[at].len();
        if admits(self.nodes.get(at)) {
            self.touch(at, slice);
            self.nodes[at].insert(within, element);
        } else if within == node_len && admits(self.nodes.get(at + 1)) {
            self.touch(at + 1, slice);
            self.nodes[at + 1].push_front(element);
        } else if within == 0 && at > 0 && admits(self.nodes.get(at - 1)) {
            self.touch(at - 1, slice);
            self.nodes[at - 1].push_back(element);
        } else if within == 0 {
            self.insert_node(at, element, slice);
        } else if within == node_len {
            self.insert_node(at + 1, element, slice);
        } else {
            self.touch(at, slice);
            let number = self.number();
            let right = self.nodes[at].split_off(within, number, slice.epoch());
            self.nodes.insert(at + 1, right);
            if admits(self.nodes.get(at)) {
                self.nodes[at].push_back(element);
            } else if admits(self.nodes.get(at + 1)) {
                self.nodes[at + 1].push_front(element);
            } else {
                self.insert_node(at + 1, element, slice);
                self.join(at + 2, fill, slice);
            }
            self.join(at + 1, fill, slice);
            if at > 0 {
                self.join(at - 1, fill, slice);
            }
        }
    }

    /// Puts an element into a new node before the one at `index`.
    fn insert_node(&mut self, index: usize, element: &[u8], slice: &mut Slice) {
        if index > 0 {
            self.touch(index - 1, slice);
        }
        let mut node = self.born(slice);
        node.push_back(element);
        self.nodes.insert(index, node);
    }

    /// Makes one node of a node and its successor, if they fit.
    fn join(&mut self, index: usize, fill: Fill, slice: &mut Slice) {
        let (Some(left), Some(right)) = (self.nodes.get(index), self.nodes.get(index + 1)) else {
            return;
        };
        if !left.admits_all(right, fill) {
            return;
        }
        self.touch(index, slice);
        self.touch(index + 1, slice);
        if let Some(right) = self.nodes.remove(index + 1) {
            self.nodes[index].append(&right);
        }
    }

    /// The node in which the element at `index` lies, and its place there.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.len() {
                    return Some((at, left));
                }
                left -= node.len();
            }
        } else {
            let mut left = self.len - index;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                if left <= node.len() {
                    return Some((at, node.len() - left));
                }
                left -= node.len();
            }
        }
        None
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn born(&mut self, slice: &Slice) -> Node {
        Node::new(self.number(), slice.epoch())
    }
}

#[cfg(test)]
pub(crate) mod tests;
