//! The tree against a sorted vector.

use proptest::prelude::*;

use super::*;

/// Rows as `(score, tie)` by position; positions are never used twice here.
#[derive(Default)]
struct Model {
    rows: Vec<(f64, u32)>,
    sorted: Vec<u32>,
}

impl Model {
    fn before(&self, searched: u32) -> impl Fn(f64, u32) -> bool {
        let (score, tie) = self.rows[searched as usize];
        move |other, position| (other, self.rows[position as usize].1) < (score, tie)
    }

    fn add(&mut self, score: f64, tie: u32) -> u32 {
        let position = self.rows.len() as u32;
        self.rows.push((score, tie));
        let rows = &self.rows;
        let at = self
            .sorted
            .partition_point(|&other| rows[other as usize] < (score, tie));
        self.sorted.insert(at, position);
        position
    }
}

fn check(tree: &Tree, model: &Model) {
    assert_eq!(tree.len(), model.sorted.len());
    let mut shown = Vec::new();
    tree.each(0, usize::MAX, |position| shown.push(position));
    assert_eq!(shown, model.sorted);
    shown.clear();
    tree.each_back(0, usize::MAX, |position| shown.push(position));
    shown.reverse();
    assert_eq!(shown, model.sorted);
    check_node(&tree.root, true);
}

/// What inner nodes say of their children is so; the depth of all leaves.
fn check_node(node: &Node, is_root: bool) -> usize {
    let Node::Inner(inner) = node else { return 0 };
    assert!(inner.children.len() >= if is_root { 2 } else { 1 });
    assert_eq!(inner.firsts.len, inner.children.len());
    let depths: Vec<usize> = inner
        .children
        .iter()
        .enumerate()
        .map(|(at, child)| {
            assert_eq!(child.first(), inner.firsts.get(at));
            assert_eq!(child.count(), inner.counts[at] as usize);
            assert!(child.len() > 0);
            check_node(child, false)
        })
        .collect();
    assert!(depths.iter().all(|depth| *depth == depths[0]));
    depths[0] + 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_tree_is_a_sorted_vector(
        built in 0..3000_usize,
        steps in prop::collection::vec((0..4_u32, 0..60_u32, any::<u16>()), 0..1500),
    ) {
        let mut model = Model::default();
        for number in 0..built {
            model.add((number / 7) as f64, number as u32 * 64);
        }
        let sorted = model.sorted.clone();
        let rows = model.rows.clone();
        let mut tree = Tree::of_sorted(
            sorted.iter().map(|&position| (rows[position as usize].0, position)),
        );
        check(&tree, &model);
        let mut tie = 0;
        for (kind, score, pick) in steps {
            let pick = pick as usize % model.sorted.len().max(1);
            if kind > 1 || model.sorted.is_empty() {
                // Many rows of one score, at the ends and in between.
                tie += 1;
                let tie = if score % 2 == 0 { tie } else { u32::MAX - tie };
                let position = model.add(f64::from(score * 7) - 3.0, tie);
                let score = model.rows[position as usize].0;
                tree.insert(score, position, &model.before(position));
            } else if kind == 1 {
                let position = model.sorted.remove(pick);
                prop_assert!(tree.remove(position, &model.before(position)));
            } else {
                // A run of neighbours empties whole nodes.
                for _ in 0..40.min(model.sorted.len() - pick) {
                    let position = model.sorted.remove(pick);
                    prop_assert!(tree.remove(position, &model.before(position)));
                }
            }
            if let Some(&position) = model.sorted.get(pick) {
                prop_assert_eq!(tree.at(pick), Some(position));
                prop_assert_eq!(tree.rank(&model.before(position)), pick);
            }
        }
        check(&tree, &model);
        let (skip, count) = (model.sorted.len() / 3, model.sorted.len() / 2);
        let mut shown = Vec::new();
        tree.each(skip, count, |position| shown.push(position));
        prop_assert_eq!(&shown, &model.sorted[skip..(skip + count).min(model.sorted.len())]);
        while let Some(position) = model.sorted.pop() {
            prop_assert!(tree.remove(position, &model.before(position)));
        }
        check(&tree, &model);
        prop_assert_eq!(tree.rank(&|_, _| true), 0);
    }
}

#[test]
fn rows_in_order_fill_their_nodes() {
    let mut model = Model::default();
    let mut tree = Tree::of_sorted(std::iter::empty());
    for number in 0..2000_u32 {
        let position = model.rows.len() as u32;
        model.rows.push((f64::from(number), 0));
        model.sorted.push(position);
        tree.insert(f64::from(number), position, &|score, _| {
            score < f64::from(number)
        });
    }
    check(&tree, &model);
    assert!(tree.memory_bytes() < 2000 * 16);
}

#[test]
fn a_row_moves_and_changes_its_score() {
    let mut model = Model::default();
    for number in 0..1000 {
        model.add(f64::from(number), 0);
    }
    let mut tree = Tree::of_sorted((0..1000).map(|position| (f64::from(position), position)));
    // The same rows lie behind the others, too.
    model.rows.extend_from_within(..);
    for from in [0, 1, 47, 48, 500, 999] {
        tree.moved(from, from + 1000, &model.before(from));
        assert_eq!(tree.at(from as usize), Some(from + 1000));
        tree.moved(from + 1000, from, &model.before(from));
    }
    check(&tree, &model);
    let is_between = |lower: (f64, u32), upper: (f64, u32)| lower.0 < 500.5 && 500.5 < upper.0;
    assert!(tree.rescore(500, 500.5, &model.before(500), &is_between));
    assert!(!tree.rescore(510, 500.5, &model.before(510), &is_between));
    assert!(!tree.rescore(0, -1.0, &model.before(0), &|_, _| true));
}
