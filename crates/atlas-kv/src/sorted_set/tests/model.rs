//! A sorted set against a map and a sorted vector of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::ArgumentBuffer;
use crate::settings::Settings;
use crate::slice::Slice;
use crate::sorted_set::range::{By, Range, Span};
use crate::sorted_set::{Made, Row, SortedSet};
use crate::value::Collection;

/// Scores by member; what is in order is derived.
type Model = BTreeMap<Vec<u8>, f64>;

fn sorted(model: &Model) -> Vec<(f64, Vec<u8>)> {
    let mut rows: Vec<(f64, Vec<u8>)> = model
        .iter()
        .map(|(member, score)| (*score, member.clone()))
        .collect();
    // Members are in order already.
    rows.sort_by(|left, right| left.0.partial_cmp(&right.0).unwrap());
    rows
}

fn check_order(set: &SortedSet, model: &Model) {
    let expected = sorted(model);
    assert_eq!(set.len(), expected.len());
    for is_reverse in [false, true] {
        let mut rows = Vec::new();
        set.each(0, usize::MAX, is_reverse, |row| {
            rows.push((row.score, row.member.to_vec()));
        });
        if is_reverse {
            rows.reverse();
        }
        assert_eq!(rows, expected);
    }
    for (rank, (score, member)) in expected.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        let at = set.position_at(rank).and_then(|position| set.at(position));
        assert_eq!(at.map(|row| row.member.to_vec()).as_ref(), Some(member));
    }
    let bytes: usize = expected.iter().map(|(_, member)| member.len()).sum();
    assert_eq!(set.bytes, bytes);
}

fn check_span(set: &SortedSet, expected: &[Vec<u8>], by: By, lower: &str, upper: &str) {
    let arguments = ArgumentBuffer::of([lower, upper]);
    let range = Range::parse(by, &arguments.arguments(), 0, 1).unwrap();
    for is_reverse in [false, true] {
        let Span { skip, count } = range.span(set, is_reverse);
        let mut members = Vec::new();
        set.each(skip, count, is_reverse, |row| {
            members.push(row.member.to_vec());
        });
        if is_reverse {
            members.reverse();
        }
        assert_eq!(members, expected, "{lower} to {upper}");
    }
}

fn check_scores(set: &SortedSet, model: &Model, lower: f64, upper: f64) {
    for (open, close) in [("", ""), ("(", ""), ("", "("), ("(", "(")] {
        let expected: Vec<Vec<u8>> = sorted(model)
            .into_iter()
            .filter(|(score, _)| {
                (*score > lower || open.is_empty() && *score == lower)
                    && (*score < upper || close.is_empty() && *score == upper)
            })
            .map(|(_, member)| member)
            .collect();
        let (lower, upper) = (format!("{open}{lower}"), format!("{close}{upper}"));
        check_span(set, &expected, By::Score, &lower, &upper);
    }
}

fn check_members(set: &SortedSet, model: &Model, lower: &str, upper: &str) {
    for (open, close) in [("[", "["), ("(", "["), ("[", "("), ("(", "(")] {
        let expected: Vec<Vec<u8>> = model
            .keys()
            .filter(|member| {
                let (member, lower, upper) = (&***member, lower.as_bytes(), upper.as_bytes());
                (member > lower || open == "[" && member == lower)
                    && (member < upper || close == "[" && member == upper)
            })
            .cloned()
            .collect();
        let (lower, upper) = (format!("{open}{lower}"), format!("{close}{upper}"));
        check_span(set, &expected, By::Member, &lower, &upper);
    }
}

/// Scores of which many are equal, in one way or another.
fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-20..20_i32).prop_map(f64::from),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.5,
            1e300
        ]),
    ]
}

/// What happens to the set: a run of changes that begins at a member.
fn change() -> impl Strategy<Value = (u8, u32, u32, f64)> {
    (0..4_u8, 0..4000_u32, 1..300_u32, score())
}

fn member(number: u32) -> String {
    // Some are long, and some begin like others.
    match number % 10 {
        0 => format!("a member of many bytes {number}"),
        1 => format!("{}", number / 100),
        _ => format!("m{number}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_sorted_set_is_its_model(
        is_one_score: bool,
        changes in prop::collection::vec(change(), 1..60),
        bounds in (score(), score()),
        members in (0..4000_u32, 0..4000_u32),
    ) {
        let settings = Settings::default();
        let mut slice = Slice::new();
        let mut set = SortedSet::new(&mut slice);
        let mut model = Model::new();
        for (kind, first, count, score) in changes {
            for number in first..first + count {
                // Neighbours go to different places, or all to the same.
                let number = if kind == 3 { number } else { number * 7 % 4000 };
                let score = match score {
                    _ if is_one_score => 0.0,
                    score if number % 3 == 0 => score,
                    _ => f64::from(number / 16) - 100.0,
                };
                let name = member(number);
                let score = set.kept(score);
                match (kind, set.look(name.as_bytes())) {
                    (0, Ok(position)) => {
                        let removed = set.remove(position, &mut slice).unwrap();
                        prop_assert_eq!(model.remove(&*removed.member), Some(removed.score));
                        prop_assert_eq!(&*removed.member, name.as_bytes());
                    }
                    (0, Err(_)) => prop_assert!(!model.contains_key(name.as_bytes())),
                    (_, Ok(position)) => {
                        set.set_score(position, score, &mut slice);
                        model.insert(name.into_bytes(), score);
                    }
                    (_, Err(absent)) => {
                        set.insert(absent, name.as_bytes(), score, &settings, &mut slice);
                        let score = set.score(name.as_bytes()).unwrap();
                        model.insert(name.into_bytes(), score);
                    }
                }
            }
        }
        check_order(&set, &model);
        check_scores(&set, &model, bounds.0, bounds.1);
        check_scores(&set, &model, bounds.0, bounds.0);
        check_scores(&set, &model, f64::NEG_INFINITY, bounds.1);
        if is_one_score {
            let members = [members.0, members.1].map(member);
            check_members(&set, &model, &members[0], &members[1]);
            check_members(&set, &model, &members[0], &members[0]);
            check_members(&set, &model, "", &members[1]);
            check_span(&set, &model.keys().cloned().collect::<Vec<_>>(), By::Member, "-", "+");
            check_span(&set, &[], By::Member, "+", "-");
        }
        // The same rows in one go, a copy, and what a snapshot makes of them are the same set.
        let rows: Vec<Row> = set.iter().cloned().collect();
        let whole = SortedSet::of_rows(
            slice.object(SortedSet::TAG),
            slice.epoch(),
            rows,
            Made::Whole,
            None,
            &settings,
        );
        check_order(&whole, &model);
        check_order(&set.duplicate(&mut slice), &model);
        // And all of it can be taken out again, from the front and from the back.
        let mut left = sorted(&model);
        while !left.is_empty() {
            let (rank, expected) = if left.len().is_multiple_of(3) {
                (0, left.remove(0))
            } else {
                (left.len() - 1, left.pop().unwrap())
            };
            let position = set.position_at(rank).unwrap();
            let removed = set.remove(position, &mut slice).unwrap();
            prop_assert_eq!((removed.score, removed.member.to_vec()), expected);
        }
        prop_assert_eq!(set.len(), 0);
        prop_assert_eq!((set.bytes, set.apart_bytes), (0, 0));
    }
}
