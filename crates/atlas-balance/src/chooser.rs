use crate::scatter::{below, scatter, unit};
use crate::{Algorithm, Candidate};

/// Loads nearer than this count as equal, so that a fleet of about equal servers shares what comes
/// instead of all of it going to the least loaded one until its next report.
const LOAD_STEP: f64 = 0.05;

/// Chooses one of a pool's candidates; keeps what turn-taking needs to remember.
///
/// One chooser belongs to one pool. It remembers one number for each key of the latest pool it saw.
#[derive(Clone, Debug, Default)]
pub struct Chooser {
    /// Credit of each candidate by key, for the algorithms that take turns.
    turns: Vec<Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    key: u64,
    credit: f64,
}

impl Chooser {
    /// A chooser that has chosen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of the chosen candidate, or `None` if no candidate is [open](Candidate::open).
    ///
    /// `hash_key` is what `consistent-hash` goes by (without one it falls back to `random`); `random`
    /// is 64 fresh random bits, used by the algorithms that draw and to break ties. `spatial` and
    /// `geographic` are decided by whoever knows places; what reaches this function is what they left
    /// open, and goes by `least-connections`.
    pub fn choose(
        &mut self,
        algorithm: Algorithm,
        candidates: &[Candidate],
        hash_key: Option<u64>,
        random: u64,
    ) -> Option<usize> {
        match algorithm {
            Algorithm::LeastConnections | Algorithm::Spatial | Algorithm::Geographic => {
                lowest(candidates, random, |candidate| (candidate.crowding(), 0.0))
            }
            Algorithm::RoundRobin => self.in_turn(candidates, Candidate::bounded_warmth),
            Algorithm::Weighted => self.in_turn(candidates, Candidate::effective_weight),
            Algorithm::Random => draw(candidates, random),
            Algorithm::PowerOfTwo => better_of_two(candidates, random),
            Algorithm::ConsistentHash => match hash_key {
                Some(key) => rendezvous(candidates, key),
                None => draw(candidates, random),
            },
            Algorithm::LeastLoad => lowest(candidates, random, |candidate| {
                let load = candidate.fill() / candidate.bounded_warmth();
                ((load / LOAD_STEP).floor(), candidate.crowding())
            }),
        }
    }

    /// Smooth weighted round-robin: each open candidate gains its weight as credit, the richest is
    /// chosen and pays everybody's gain. With equal weights this is plain turn-taking.
    fn in_turn(
        &mut self,
        candidates: &[Candidate],
        weight: impl Fn(&Candidate) -> f64,
    ) -> Option<usize> {
        self.turns
            .retain(|turn| candidates.iter().any(|candidate| candidate.key == turn.key));
        let mut total = 0.0;
        let mut richest: Option<(usize, usize)> = None;
        for (index, candidate) in candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.open())
        {
            let place = match self.turns.iter().position(|turn| turn.key == candidate.key) {
                Some(place) => place,
                None => {
                    self.turns.push(Turn {
                        key: candidate.key,
                        credit: 0.0,
                    });
                    self.turns.len() - 1
                }
            };
            let gain = weight(candidate);
            total += gain;
            self.turns[place].credit += gain;
            // The small margin keeps rounding errors from deciding between equals.
            if richest
                .is_none_or(|(_, best)| self.turns[place].credit > self.turns[best].credit + 1e-9)
            {
                richest = Some((index, place));
            }
        }
        let (index, place) = richest?;
        self.turns[place].credit -= total;
        Some(index)
    }
}

/// The open candidate with the lowest score; equals are drawn from evenly, so that a pool at rest does
/// not fill its first member first on every node.
fn lowest(
    candidates: &[Candidate],
    random: u64,
    score: impl Fn(&Candidate) -> (f64, f64),
) -> Option<usize> {
    let mut best: Option<(usize, (f64, f64))> = None;
    let mut equals = 0_usize;
    let mut bits = random;
    for (index, candidate) in candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.open())
    {
        let own = score(candidate);
        let order =
            best.map(|(_, other)| own.0.total_cmp(&other.0).then(own.1.total_cmp(&other.1)));
        match order {
            None | Some(std::cmp::Ordering::Less) => {
                best = Some((index, own));
                equals = 1;
            }
            Some(std::cmp::Ordering::Equal) => {
                // The n-th of equals replaces the one held with probability 1/n.
                equals += 1;
                bits = scatter(bits);
                if below(bits, equals) == 0 {
                    best = Some((index, own));
                }
            }
            Some(std::cmp::Ordering::Greater) => {}
        }
    }
    best.map(|(index, _)| index)
}

/// Any open candidate; a warming one less likely.
fn draw(candidates: &[Candidate], random: u64) -> Option<usize> {
    let open = || {
        candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.open())
    };
    let total: f64 = open()
        .map(|(_, candidate)| candidate.bounded_warmth())
        .sum();
    let mut left = unit(scatter(random)) * total;
    let mut last = None;
    for (index, candidate) in open() {
        last = Some(index);
        left -= candidate.bounded_warmth();
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The less crowded of two different open candidates drawn evenly.
fn better_of_two(candidates: &[Candidate], random: u64) -> Option<usize> {
    let count = candidates
        .iter()
        .filter(|candidate| candidate.open())
        .count();
    if count == 0 {
        return None;
    }
    let first = below(scatter(random), count);
    let second = match count {
        1 => first,
        // One of the other places: shifted past `first`, so that it is never the same.
        _ => (first + 1 + below(scatter(random ^ u64::MAX), count - 1)) % count,
    };
    let mut open = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.open());
    let (low, high) = (first.min(second), first.max(second));
    let one = open.nth(low)?;
    if low == high {
        return Some(one.0);
    }
    let other = open.nth(high - low - 1)?;
    // Equals go to the one drawn first, which is either side as often as the other.
    let (held, challenger) = if first == low {
        (one, other)
    } else {
        (other, one)
    };
    Some(if challenger.1.crowding() < held.1.crowding() {
        challenger.0
    } else {
        held.0
    })
}

/// Weighted rendezvous hashing: each candidate's score depends on the key and on itself only, so a
/// candidate that comes takes keys from others and one that goes gives up its own: no other key moves.
fn rendezvous(candidates: &[Candidate], key: u64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, candidate) in candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.open())
    {
        let chance = unit(scatter(key ^ scatter(candidate.key)));
        // With -w/ln(u) each wins in proportion to its weight.
        let score = -candidate.effective_weight() / chance.ln();
        let ahead = match best {
            None => true,
            // Equal scores (two candidates of one key) go to the first.
            Some((_, other)) => score > other,
        };
        if ahead {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
