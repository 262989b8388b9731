//! Nodes against a plain vector.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Change {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Insert(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    Remove(usize),
    DropFront(usize),
    DropBack(usize),
    RemoveEqual(usize, usize, usize),
    SplitAndAppend(usize),
    Shrink,
}

/// Elements around the lengths at which their own lengths take one byte more, and small ones that are often equal.
fn element() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        4 => 0..4_usize,
        1 => 120..132_usize,
        1 => 16_370..16_400_usize,
    ];
    (length, 0..3_u8).prop_map(|(length, byte)| vec![byte; length])
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0..64_usize;
    prop_oneof![
        element().prop_map(Change::PushBack),
        element().prop_map(Change::PushFront),
        (at(), element()).prop_map(|(at, element)| Change::Insert(at, element)),
        (at(), element()).prop_map(|(at, element)| Change::Set(at, element)),
        at().prop_map(Change::Remove),
        (0..4_usize).prop_map(Change::DropFront),
        (0..4_usize).prop_map(Change::DropBack),
        (at(), 0..3_usize, 0..3_usize)
            .prop_map(|(at, skip, take)| Change::RemoveEqual(at, skip, take)),
        at().prop_map(Change::SplitAndAppend),
        Just(Change::Shrink),
    ]
}

fn apply(node: &mut Node, model: &mut Vec<Vec<u8>>, change: Change) {
    let length = model.len();
    match change {
        Change::PushBack(element) => {
            node.push_back(&element);
            model.push(element);
        }
        Change::PushFront(element) => {
            node.push_front(&element);
            model.insert(0, element);
        }
        Change::Insert(at, element) => {
            node.insert(at % (length + 1), &element);
            model.insert(at % (length + 1), element);
        }
        Change::Shrink => node.shrink(),
        Change::DropFront(count) => {
            node.drop_front(count.min(length));
            model.drain(..count.min(length));
        }
        Change::DropBack(count) => {
            node.drop_back(count.min(length));
            model.truncate(length - count.min(length));
        }
        Change::SplitAndAppend(at) => {
            let right = node.split_off(at % (length + 1), 2, 0);
            assert_eq!(right.len(), length - at % (length + 1));
            node.append(&right);
        }
        _ if length == 0 => {}
        Change::Set(at, element) => {
            // Whatever is there: one node holds all of this test.
            let fill = Fill {
                count_max: u32::MAX,
                bytes_max: usize::MAX,
            };
            assert!(node.set(at % length, &element, fill));
            model[at % length] = element;
        }
        Change::Remove(at) => {
            node.remove(at % length);
            model.remove(at % length);
        }
        Change::RemoveEqual(at, skip, take) => {
            let element = model[at % length].clone();
            let equal = model.iter().filter(|&other| *other == element).count();
            assert_eq!(node.count_equal(&element), equal);
            node.remove_equal(&element, skip, take);
            let mut seen = 0;
            model.retain(|other| {
                seen += usize::from(*other == element);
                *other != element || seen <= skip || seen > skip + take
            });
        }
    }
}

proptest! {
    #[test]
    fn a_node_holds_what_a_vector_would(changes in prop::collection::vec(change(), 0..60)) {
        let mut node = Node::new(1, 0);
        let mut model: Vec<Vec<u8>> = Vec::new();
        for change in changes {
            apply(&mut node, &mut model, change);
            prop_assert_eq!(node.len(), model.len());
            prop_assert!(node.elements().eq(model.iter().map(Vec::as_slice)));
            prop_assert!(node.elements().rev().eq(model.iter().rev().map(Vec::as_slice)));
            for index in 0..=model.len() {
                prop_assert_eq!(node.get(index), model.get(index).map(Vec::as_slice));
            }
            let bytes: usize = model.iter().map(|element| packed_bytes(element.len())).sum();
            prop_assert_eq!(node.bytes_len(), bytes);
        }
    }
}

#[test]
fn a_queue_in_one_node_does_not_grow() {
    let mut node = Node::new(1, 0);
    for round in 0..10_000_u32 {
        node.push_back(&round.to_le_bytes());
        if round >= 10 {
            node.drop_front(1);
        }
    }
    assert!(node.memory_bytes() < 512, "{}", node.memory_bytes());
    let mut node = Node::new(1, 0);
    for round in 0..10_000_u32 {
        node.push_front(&round.to_le_bytes());
        if round >= 10 {
            node.drop_back(1);
        }
    }
    assert!(node.memory_bytes() < 512, "{}", node.memory_bytes());
}

#[test]
fn fill_is_read_as_redis_reads_it() {
    let cases = [
        (-1, u32::MAX, 4096),
        (-2, u32::MAX, 8192),
        (-5, u32::MAX, 65536),
        (-6, u32::MAX, 65536),
        (0, 1, 8192),
        (1, 1, 8192),
        (16, 16, 8192),
        (40_000, 32_767, 8192),
        (i64::MAX, 32_767, 8192),
        (i64::MIN, u32::MAX, 65536),
    ];
    for (size, count_max, bytes_max) in cases {
        let fill = Fill::of(size);
        assert_eq!(
            (fill.count_max, fill.bytes_max),
            (count_max, bytes_max),
            "{size}"
        );
    }
}
