use proptest::prelude::*;

use super::estimate::Rank;
use super::*;
use crate::reply::Answer;
use crate::testing::Stage;

#[test]
fn answers_are_those_of_redis() {
    Stage::new().check_golden(include_str!("redis-7.0.txt"));
}

#[test]
fn the_self_test_passes() {
    let mut stage = Stage::new();
    assert_eq!(stage.run("pfselftest"), Answer::Simple("OK".into()));
}

#[test]
fn counts_are_hardly_wrong() {
    let mut stage = Stage::new();
    for (from, to) in [(0, 1000), (1000, 50_000)] {
        let elements: Vec<String> = (from..to)
            .map(|number| format!("element {number}"))
            .collect();
        let line = ["pfadd", "k"]
            .into_iter()
            .chain(elements.iter().map(String::as_str));
        stage.run_bytes(line);
        let Answer::Integer(count) = stage.run("pfcount k") else {
            panic!()
        };
        assert!((count - to).abs() * 100 < to * 3, "{count} of {to}");
    }
    // A million bytes of it would be no counter.
    assert_eq!(
        stage.run("strlen k"),
        Answer::Integer((HEAD_BYTES + dense::BYTES) as i64)
    );
    stage.check_snapshot();
}

fn registers(bytes: &[u8]) -> Box<[u8; REGISTERS]> {
    let mut registers = Box::new([0; REGISTERS]);
    Form::whole(bytes).unwrap().raise(&mut registers);
    registers
}

fn rank() -> impl Strategy<Value = Rank> {
    // Neighbours with the same value, so that runs are joined and cut.
    let register = prop_oneof![0..40_usize, 16_370..REGISTERS, 0..REGISTERS];
    (register, prop_oneof![9 => 1..4_u8, 1 => 1..33_u8])
        .prop_map(|(register, value)| Rank { register, value })
}

proptest! {
    #[test]
    fn either_form_keeps_the_highest(ranks in prop::collection::vec(rank(), 1..300)) {
        let mut model = Box::new([0; REGISTERS]);
        let mut sparse = EMPTY.to_vec();
        let mut packed = EMPTY.to_vec();
        make_dense(&mut packed, 0);
        for rank in ranks {
            let highest = &mut model[rank.register];
            let is_raised = *highest < rank.value;
            *highest = rank.value.max(*highest);
            prop_assert_eq!(Form::of(&sparse).unwrap().is_below(rank), is_raised);
            prop_assert_eq!(Form::of(&packed).unwrap().is_below(rank), is_raised);
            prop_assert_eq!(raise(&mut sparse, 0, rank, 3000), is_raised);
            prop_assert_eq!(raise(&mut packed, 0, rank, 0), is_raised);
            prop_assert_eq!(sparse[head::FORM], head::SPARSE);
        }
        prop_assert_eq!(&registers(&sparse), &model);
        prop_assert_eq!(&registers(&packed), &model);
        let count = Form::of(&sparse).unwrap().count();
        prop_assert_eq!(Form::of(&packed).unwrap().count(), count);
        make_dense(&mut sparse, 0);
        prop_assert_eq!(&sparse[HEAD_BYTES..], &packed[HEAD_BYTES..]);
    }

    /// CVE-2025-32023: runs that lead past the registers were followed there.
    #[test]
    fn runs_that_lead_astray_are_refused(
        mut runs in prop::collection::vec(any::<u8>(), 0..40),
        cut in prop::option::of(0..4_usize),
        element in any::<u16>(),
    ) {
        if let Some(cut) = cut {
            // As long as it may be, or a little off.
            let covered: usize = sparse::runs(&runs).map(|run| run.registers).sum();
            if let Some(missing) = (REGISTERS + 1).checked_sub(covered + cut).filter(|it| *it > 0) {
                let missing = missing - 1;
                runs.extend([0x40 | (missing >> 8) as u8 & 0x3f, missing as u8]);
            }
        }
        let covered: usize = sparse::runs(&runs).map(|run| run.registers).sum();
        let bytes: usize = sparse::runs(&runs).map(|run| run.bytes).sum();
        let is_whole = covered == REGISTERS && bytes == runs.len();
        prop_assert_eq!(sparse::is_whole(&runs), is_whole);
        let mut counter = EMPTY[..HEAD_BYTES].to_vec();
        counter[head::IS_OLD] = head::OLD;
        counter.extend_from_slice(&runs);
        let mut stage = Stage::new();
        stage.run_bytes([&b"set"[..], b"c", &counter]);
        stage.run("pfadd other x y z");
        let refused = Answer::Error(CORRUPT.to_string());
        let element = element.to_string();
        for line in [
            &["pfcount", "c", "other"][..],
            &["pfmerge", "to", "c"],
            &["pfadd", "c", &element],
            &["pfcount", "c"],
            &["pfmerge", "c", "other"],
            &["pfdebug", "getreg", "c"],
        ] {
            let before = stage.run("get c");
            let answer = stage.run_bytes(line);
            prop_assert_eq!(answer != refused, is_whole, "{:?}", line);
            if !is_whole {
                prop_assert_eq!(stage.run("get c"), before);
            }
        }
    }

    #[test]
    fn a_merge_is_the_sum(
        one in prop::collection::vec(0..3000_u32, 1..80),
        other in prop::collection::vec(0..3000_u32, 1..80),
        is_dense: bool,
    ) {
        let mut stage = Stage::new();
        let mut add = |key: &str, elements: &[u32]| {
            let elements: Vec<String> = elements.iter().map(u32::to_string).collect();
            stage.run(&format!("pfadd {key} {}", elements.join(" ")));
        };
        add("one", &one);
        add("other", &other);
        add("both", &one);
        add("both", &other);
        if is_dense {
            stage.run("pfdebug todense one");
        }
        stage.run("pfmerge sum one other");
        let count = stage.run("pfcount both");
        prop_assert_eq!(stage.run("pfcount one other"), count.clone());
        prop_assert_eq!(stage.run("pfcount sum"), count);
        let mut bytes = |key: &str| match stage.run(&format!("get {key}")) {
            Answer::Bulk(bytes) => bytes,
            answer => panic!("{answer:?}"),
        };
        let (sum, both) = (bytes("sum"), bytes("both"));
        prop_assert_eq!(registers(&sum), registers(&both));
        prop_assert_eq!(sum[head::FORM] == head::DENSE, is_dense);
    }
}
