//! Members picked at random.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn counts_are_checked() {
    let out_of_range = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    stage().check(&[
        ("spop w x", "-ERR value is out of range, must be positive"),
        ("spop w -1", "-ERR value is out of range, must be positive"),
        ("spop no -1", "-ERR value is out of range, must be positive"),
        ("spop w 1 2", "-ERR syntax error"),
        ("spop w 0", "<>"),
        (
            "srandmember w x",
            "-ERR value is not an integer or out of range",
        ),
        ("srandmember w 1 2", "-ERR syntax error"),
        ("srandmember w 0", "[]"),
        ("srandmember w 3", "[a b c]"),
        ("srandmember w 9223372036854775807", "[a b c]"),
        ("srandmember w -9223372036854775808", out_of_range),
        ("srandmember no -9223372036854775808", out_of_range),
        // More repetition than an answer may have.
        (
            "srandmember w -9223372036854775807",
            "-ERR value is out of range",
        ),
        ("spop w 9223372036854775807", "<a b c>"),
        ("exists w", ":0"),
    ]);
}

#[test]
fn samples_are_of_members() {
    for key in ["w", "i"] {
        let mut stage = stage();
        let members: BTreeSet<String> = sorted(&stage.run(&format!("smembers {key}")))
            .into_iter()
            .collect();
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            seen.insert(shown(&stage.run(&format!("srandmember {key}"))));
            let mut two = sorted(&stage.run(&format!("srandmember {key} 2")));
            two.dedup();
            assert_eq!(two.len(), 2);
        }
        assert_eq!(seen, members);
        let many = sorted(&stage.run(&format!("srandmember {key} -50")));
        assert_eq!(many.len(), 50);
        assert!(many.iter().all(|member| members.contains(member)));
    }
}

#[test]
fn what_is_popped_is_gone() {
    for line in ["sadd s a b c d e f g h i j", "sadd s 1 2 3 4 5 6 7 8 9 10"] {
        for count in 1..10 {
            let mut stage = Stage::new();
            stage.run(line);
            let mut all = sorted(&stage.run("smembers s"));
            let popped = sorted(&stage.run(&format!("spop s {count}")));
            assert_eq!(popped.len(), count);
            all.retain(|member| !popped.contains(member));
            assert_eq!(sorted(&stage.run("smembers s")), all);
            assert_eq!(all.len(), 10 - count);
            stage.check_snapshot();
        }
    }
}

#[test]
fn a_seed_picks_the_same() {
    let run = |seed| {
        let mut stage = stage();
        stage.run("sadd w d e f g h i j k l m n o p q r s t u v w x y z");
        let mut answers = Vec::new();
        for line in [
            "spop w",
            "spop w 3",
            "srandmember w",
            "srandmember w 4",
            "srandmember w -4",
        ] {
            stage.seed = seed;
            answers.push(stage.run(line));
        }
        answers
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// Each of ten members is popped, or picked, about as often as any other.
#[test]
fn picks_are_uniform() {
    for members in ["a b c d e f g h i j", "0 1 2 3 4 5 6 7 8 9"] {
        for line in [
            "spop s",
            "spop s 3",
            "srandmember s",
            "srandmember s 3",
            "srandmember s 2",
            "srandmember s -3",
        ] {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            let mut stage = Stage::new();
            stage.run(&format!("sadd s {members}"));
            let mut picked = 0;
            for _ in 0..1000 {
                let answer = stage.run(line);
                let one = match answer {
                    Answer::Bulk(_) => vec![shown(&answer)],
                    _ => sorted(&answer),
                };
                picked += one.len();
                for member in one {
                    *seen.entry(member).or_default() += 1;
                }
                if line.starts_with("spop") {
                    stage.run(&format!("sadd s {members}"));
                }
            }
            let expected = picked / 10;
            // Five standard deviations of the rarest.
            let far = expected / 2;
            assert_eq!(seen.len(), 10);
            for (member, times) in seen {
                assert!(
                    times.abs_diff(expected) < far,
                    "{line}: {member} {times} times, not {expected}"
                );
            }
        }
    }
}
