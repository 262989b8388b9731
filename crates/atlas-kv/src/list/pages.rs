//! Lists in snapshots: a page a node, with its number and its successor's.

use std::collections::{HashMap, VecDeque};

use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;
use crate::list::List;
use crate::list::node::Node;
use crate::slice::{ObjectId, Slice, kind};
use crate::value::Collection;

/// Lists of one node up to this many elements and bytes are written with their entry.
const SMALL_ELEMENTS_MAX: usize = 128;
const SMALL_BYTES_MAX: usize = 4096;
/// Nodes are numbered as they are born: nobody gets so far.
const NUMBER_MAX: u64 = u64::MAX / 2;

/// What is known of nodes that are being read, until they are in order.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: u64,
    count: u64,
    /// The number of each node's successor, in the order in which the nodes were read.
    next: Vec<u64>,
}

impl List {
    /// Emits a node if the snapshot in the making still needs it; called before every change of it or of what follows it.
    pub(super) fn touch(&mut self, index: usize, slice: &mut Slice) {
        let held = self.nodes.get(index);
        if held.is_some_and(|node| node.epoch != slice.epoch()) {
            self.write(index, slice);
        }
    }

    /// The same for a node whose successor, of this number, lies elsewhere.
    pub(super) fn touch_before(&mut self, index: usize, next: u64, slice: &mut Slice) {
        let held = self.nodes.get(index);
        if held.is_some_and(|node| node.epoch != slice.epoch()) {
            self.write_before(index, next, slice);
        }
    }

    #[cold]
    fn write(&mut self, index: usize, slice: &mut Slice) {
        let next = self.nodes.get(index + 1);
        let next = next.map_or(self.beyond, |node| node.number);
        self.write_before(index, next, slice);
    }

    fn write_before(&mut self, index: usize, next: u64, slice: &mut Slice) {
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        node.epoch = slice.epoch();
        if !slice.is_active() {
            return;
        }
        let mut payload = Vec::with_capacity(node.bytes_len() + 32);
        self.object.encode(&mut payload);
        put_integer(&mut payload, node.number);
        put_integer(&mut payload, next);
        encode_elements(node, &mut payload);
        slice.emit(kind::OBJECT, payload);
    }

    /// Puts nodes that were read into their order; none if one is missing or too many.
    fn ordered(nodes: VecDeque<Node>, links: &Links) -> Option<VecDeque<Node>> {
        let mut unordered =
            HashMap::with_capacity_and_hasher(nodes.len(), foldhash::fast::FixedState::default());
        for (node, &next) in nodes.into_iter().zip(&links.next) {
            if unordered.insert(node.number, (node, next)).is_some() {
                return None;
            }
        }
        if unordered.len() as u64 != links.count {
            return None;
        }
        let mut ordered = VecDeque::with_capacity(unordered.len());
        let mut number = links.first;
        while number != 0 {
            // A circle ends here too: each is taken once.
            let (node, next) = unordered.remove(&number)?;
            ordered.push_back(node);
            number = next;
        }
        unordered.is_empty().then_some(ordered)
    }
}

fn encode_elements(node: &Node, out: &mut Vec<u8>) {
    put_integer(out, node.len() as u64);
    for element in node.elements() {
        put_bytes(out, element);
    }
}

fn decode_elements(reader: &mut Reader<'_>, number: u64) -> Result<Node, LoadError> {
    let mut node = Node::new(number, 0);
    let count = reader.integer("a number of elements")?;
    if count == 0 || count > u64::from(u32::MAX) {
        return Err(reader.impossible("a list's node of no legal size"));
    }
    for _ in 0..count {
        node.push_back(reader.bytes("an element")?);
    }
    node.shrink();
    Ok(node)
}

impl Collection for List {
    const TAG: u8 = 1;

    fn len(&self) -> usize {
        self.len
    }

    fn encoding(&self) -> &'static str {
        "quicklist"
    }

    fn memory_bytes(&self) -> usize {
        let held: usize = self.nodes.iter().map(Node::memory_bytes).sum();
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + held
    }

    fn is_small(&self) -> bool {
        self.nodes.len() == 1
            && self.len <= SMALL_ELEMENTS_MAX
            && self.nodes[0].bytes_len() <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        if let Some(node) = self.nodes.front_mut() {
            node.epoch = epoch;
            encode_elements(node, out);
        }
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut list = Self::unloaded(object);
        let number = list.number();
        let node = decode_elements(reader, number)?;
        list.len = node.len();
        list.nodes.push_back(node);
        Ok(list)
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        put_integer(out, self.nodes.front().map_or(0, |node| node.number));
        put_integer(out, self.nodes.len() as u64);
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let links = self.loading.get_or_insert_default();
        links.first = reader.integer("the number of a list's first node")?;
        links.count = reader.integer("the number of a list's nodes")?;
        Ok(())
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            nodes: VecDeque::new(),
            len: 0,
            last_number: 0,
            beyond: 0,
            walked: 0,
            loading: None,
        }
    }

    fn emit(&mut self, slice: &mut Slice, _: usize, budget_bytes: usize) -> Option<usize> {
        let count = self.nodes.len();
        let first = self.walked.min(count);
        for index in (first..count).chain(0..first) {
            if self.nodes[index].epoch == slice.epoch() {
                continue;
            }
            if slice.bytes() >= budget_bytes {
                // Nodes come and go until the next call: it looks at all of them before it says that none is left.
                self.walked = index;
                return Some(index);
            }
            self.write(index, slice);
        }
        self.walked = 0;
        None
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        self.nodes.iter().any(|node| node.epoch != slice.epoch())
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let number = reader.integer("a node's number")?;
        let next = reader.integer("the number of a node's successor")?;
        if number == 0 || number > NUMBER_MAX {
            return Err(reader.impossible("a list's node of no legal number"));
        }
        let node = decode_elements(reader, number)?;
        self.nodes.push_back(node);
        self.loading.get_or_insert_default().next.push(next);
        Ok(())
    }

    fn finish_loading(&mut self) -> bool {
        let Some(links) = self.loading.take() else {
            return true;
        };
        let Some(nodes) = Self::ordered(std::mem::take(&mut self.nodes), &links) else {
            return false;
        };
        self.nodes = nodes;
        self.len = self.nodes.iter().map(Node::len).sum();
        let numbers = self.nodes.iter().map(|node| node.number);
        self.last_number = numbers.max().unwrap_or_default();
        self.len > 0
    }

    fn digest(&self, digest: &mut Digest) {
        digest.integer(self.len as u64);
        for element in self.iter() {
            digest.bytes(element);
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let mut copy = Self::new(slice);
        copy.nodes.reserve_exact(self.nodes.len());
        for node in &self.nodes {
            let number = copy.number();
            copy.nodes.push_back(node.duplicate(number, slice.epoch()));
        }
        copy.len = self.len;
        copy
    }
}
