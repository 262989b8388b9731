use crate::scatter::{scatter, unit};

/// The split that a player belongs to: the same one for the same `key` always, each split getting about its share of all
/// keys; none for the rest.
///
/// A share that grows keeps the players it had, as long as the shares before it stay. The draw has nothing to do with
/// `consistent-hash`, which goes by the same key.
#[must_use]
pub fn split(key: u64, shares: impl IntoIterator<Item = f64>) -> Option<usize> {
    let drawn = unit(scatter(key ^ 0x0061_626e_6f74_6162));
    let mut end = 0.0;
    shares.into_iter().position(|share| {
        end += share;
        drawn < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key;

    fn players() -> impl Iterator<Item = u64> {
        (0..20_000).map(|player| hash_key(format!("p-{player}").as_bytes()))
    }

    #[test]
    fn each_split_gets_its_share() {
        let mut counts = [0; 3];
        for key in players() {
            counts[split(key, [0.1, 0.3]).unwrap_or(2)] += 1;
        }
        for (count, share) in counts.into_iter().zip([0.1, 0.3, 0.6]) {
            let found = f64::from(count) / 20_000.0;
            assert!((found - share).abs() < 0.01, "{share}: {found}");
        }
    }

    #[test]
    fn the_bounds_are_none_and_all() {
        assert!(players().all(|key| split(key, []).is_none()));
        assert!(players().all(|key| split(key, [0.0]).is_none()));
        assert!(players().all(|key| split(key, [0.0, 1.0]) == Some(1)));
    }

    #[test]
    fn a_share_that_grows_keeps_its_players() {
        assert!(
            players()
                .filter(|key| split(*key, [0.1]).is_some())
                .all(|key| split(key, [0.2]).is_some())
        );
    }
}
