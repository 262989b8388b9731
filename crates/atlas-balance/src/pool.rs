use crate::State;

/// Which members of a pool may be used: all but those that are down, as long as that leaves enough.
///
/// `members` are the state and the accrued value of each member; `ejected_share_max` is the largest
/// share of the pool that may be ejected (0 to 1). Where more are down, the worst are ejected first
/// (by value, then the later in the slice); a pool with members always keeps at least one, because a
/// check that fails everywhere more likely says something of the checker than of the servers.
#[must_use]
pub fn usable(members: &[(State, f64)], ejected_share_max: f64) -> Vec<bool> {
    let mut usable = vec![true; members.len()];
    let share = if ejected_share_max.is_nan() {
        0.0
    } else {
        ejected_share_max.clamp(0.0, 1.0)
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "pools are small, the product is not negative"
    )]
    let allowed = ((members.len() as f64 * share) as usize).min(members.len().saturating_sub(1));
    let mut down: Vec<usize> = (0..members.len())
        .filter(|&index| members[index].0 == State::Down)
        .collect();
    down.sort_by(|&left, &right| {
        members[right]
            .1
            .total_cmp(&members[left].1)
            .then(right.cmp(&left))
    });
    for &index in down.iter().take(allowed) {
        usable[index] = false;
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Down, Healthy, Suspect};
    use proptest::prelude::*;

    #[test]
    fn the_worst_go_first_and_never_all() {
        type Row = (&'static [(State, f64)], f64, &'static [bool]);
        let table: [Row; 9] = [
            (&[], 1.0, &[]),
            (&[(Down, 9.0)], 1.0, &[true]),
            (&[(Down, 3.0), (Healthy, 0.0)], 1.0, &[false, true]),
            (&[(Down, 3.0), (Down, 4.0)], 1.0, &[true, false]),
            (&[(Down, 3.0), (Down, 3.0)], 1.0, &[true, false]),
            (&[(Suspect, 1.0), (Healthy, 0.0)], 1.0, &[true, true]),
            (
                &[(Down, 3.0), (Down, 5.0), (Down, 4.0), (Healthy, 0.0)],
                0.5,
                &[true, false, false, true],
            ),
            (&[(Down, 3.0), (Healthy, 0.0)], 0.0, &[true, true]),
            (&[(Down, 3.0), (Healthy, 0.0)], f64::NAN, &[true, true]),
        ];
        for (members, share, expected) in table {
            assert_eq!(usable(members, share), expected, "{members:?} at {share}");
        }
    }

    fn state() -> impl Strategy<Value = State> {
        prop_oneof![Just(Healthy), Just(Suspect), Just(Down)]
    }

    proptest! {
        #[test]
        fn never_empties_a_pool(
            members in prop::collection::vec((state(), 0.0..20.0_f64), 1..40),
            share in 0.0..=1.0_f64,
        ) {
            let result = usable(&members, share);
            prop_assert!(result.iter().any(|&one| one));
            let ejected = result.iter().filter(|&&one| !one).count();
            prop_assert!(ejected as f64 <= members.len() as f64 * share);
            for (member, usable) in members.iter().zip(&result) {
                prop_assert!(*usable || member.0 == Down);
            }
        }
    }
}
