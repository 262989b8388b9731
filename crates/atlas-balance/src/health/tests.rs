use proptest::prelude::*;

use super::*;
use Observation::{DialRefused, HandshakeSlow, LinkOpened, LinkReset, ProbeFailed, ProbeSucceeded};
use State::{Down, Healthy, Suspect};

/// Feeds observations one `interval_ms` apart and returns the state after each.
fn states(interval_ms: u64, observations: &[Observation]) -> Vec<State> {
    let mut health = Health::new(Thresholds::default(), Moment::from_millis(0));
    (1..)
        .zip(observations)
        .map(|(turn, &observation)| {
            let before = health.state();
            let changed = health.observe(Moment::from_millis(turn * interval_ms), observation);
            assert_eq!(changed, (before != health.state()).then(|| health.state()));
            health.state()
        })
        .collect()
}

#[test]
fn signs_add_up_and_fade() {
    let table: [(&str, u64, &[Observation], &[State]); 8] = [
        (
            "three failed probes",
            2000,
            &[ProbeFailed; 3],
            &[Suspect, Suspect, Down],
        ),
        (
            "slow probes do not fade",
            600_000,
            &[ProbeFailed; 3],
            &[Suspect, Suspect, Down],
        ),
        (
            "one good probe clears failed ones",
            2000,
            &[ProbeFailed, ProbeFailed, ProbeSucceeded, ProbeFailed],
            &[Suspect, Suspect, Healthy, Suspect],
        ),
        (
            "down needs two good probes in a row",
            2000,
            &[
                ProbeFailed,
                ProbeFailed,
                ProbeFailed,
                ProbeSucceeded,
                ProbeFailed,
                ProbeSucceeded,
                ProbeSucceeded,
            ],
            &[Suspect, Suspect, Down, Down, Down, Down, Healthy],
        ),
        (
            "refused dials at once",
            1,
            &[DialRefused, DialRefused, DialRefused, DialRefused],
            &[Suspect, Suspect, Suspect, Down],
        ),
        (
            "refused dials an hour apart",
            3_600_000,
            &[DialRefused; 4],
            &[Suspect, Suspect, Suspect, Suspect],
        ),
        (
            "probe and traffic feed one value",
            0,
            &[ProbeFailed, DialRefused, LinkReset, LinkReset],
            &[Suspect, Suspect, Suspect, Down],
        ),
        (
            "opened links speak for it, slow ones a little against",
            0,
            &[HandshakeSlow, LinkReset, LinkReset, LinkOpened, LinkOpened],
            &[Healthy, Healthy, Suspect, Suspect, Healthy],
        ),
    ];
    for (name, interval_ms, observations, expected) in table {
        assert_eq!(states(interval_ms, observations), expected, "{name}");
    }
}

#[test]
fn a_relapsing_server_must_prove_itself_for_longer() {
    let mut health = Health::new(Thresholds::default(), Moment::from_millis(0));
    let mut now = 0;
    let mut until_back = |gap_ms: u64| {
        now += gap_ms;
        for _ in 0..3 {
            health.observe(Moment::from_millis(now), ProbeFailed);
        }
        assert_eq!(health.state(), Down);
        (1..100)
            .find(|_| {
                now += 1000;
                health.observe(Moment::from_millis(now), ProbeSucceeded) == Some(Healthy)
            })
            .inspect(|_| assert_eq!(health.returned(), Some(Moment::from_millis(now))))
    };
    let table = [
        (0, 2),
        (1000, 4),
        (1000, 8),
        (1000, 16),
        (1000, 16),
        (120_000, 2),
    ];
    for (gap_ms, expected) in table {
        assert_eq!(until_back(gap_ms), Some(expected));
    }
}

fn any_observation() -> impl Strategy<Value = Observation> {
    prop::sample::select(vec![
        ProbeSucceeded,
        ProbeFailed,
        LinkOpened,
        DialRefused,
        Observation::DialTimedOut,
        LinkReset,
        HandshakeSlow,
    ])
}

proptest! {
    #[test]
    fn the_value_is_bounded_and_every_server_can_come_back(
        signs in prop::collection::vec((0..100_000_u64, any_observation()), 0..200),
        unhealthy_after in 0..6_u32,
        healthy_after in 0..6_u32,
    ) {
        let thresholds = Thresholds { unhealthy_after, healthy_after };
        let mut health = Health::new(thresholds, Moment::from_millis(0));
        for (at, sign) in signs {
            health.observe(Moment::from_millis(at), sign);
            prop_assert!(health.value() >= 0.0 && health.value() <= f64::from(unhealthy_after.max(1)) * 2.0);
            if health.state() != Down {
                prop_assert!(health.value() < f64::from(unhealthy_after.max(1)));
            }
        }
        for turn in 0..60 {
            health.observe(Moment::from_millis(1_000_000 + turn), ProbeSucceeded);
        }
        prop_assert_eq!(health.state(), Healthy);
    }
}
