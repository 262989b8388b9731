//! Tables: servers in, moves out.

use super::*;

fn at(seconds: u64) -> Moment {
    Moment::from_millis(1_000 + seconds * 1_000)
}

fn server(id: u32, sessions: u32, capacity: u32) -> Standing {
    Standing {
        server: ServerId(id),
        sessions,
        capacity: (capacity > 0).then_some(capacity),
        load: None,
        gives: true,
        takes: true,
    }
}

fn loaded(id: u32, sessions: u32, load: f64) -> Standing {
    Standing {
        load: Some(load),
        ..server(id, sessions, 0)
    }
}

fn rules(per_second: f64) -> Rules {
    Rules {
        per_second,
        ..Rules::default()
    }
}

fn by_load(per_second: f64) -> Rules {
    Rules {
        by: By::Load,
        ..rules(per_second)
    }
}

/// The moves of one second, as (from, to, players).
fn moves(balancer: &mut Balancer, now: u64, rules: &Rules, servers: &[Standing]) -> Vec<[u32; 3]> {
    balancer
        .plan(at(now), rules, servers)
        .into_iter()
        .map(|it| [it.from.0, it.to.0, it.players])
        .collect()
}

/// Each row: rules, servers, the moves of the second second (the first earns no credit).
#[test]
fn one_second() {
    let closed = |it: Standing| Standing { takes: false, ..it };
    let bound = |it: Standing| Standing {
        gives: false,
        takes: false,
        ..it
    };
    type Row = (&'static str, Rules, Vec<Standing>, Vec<[u32; 3]>);
    let table: &[Row] = &[
        (
            "under high-water nobody moves",
            rules(100.0),
            vec![server(0, 90, 100), server(1, 0, 100)],
            vec![],
        ),
        (
            "down to low-water",
            rules(100.0),
            vec![server(0, 95, 100), server(1, 0, 100)],
            vec![[0, 1, 25]],
        ),
        (
            "no faster than the rate",
            rules(10.0),
            vec![server(0, 95, 100), server(1, 0, 100)],
            vec![[0, 1, 10]],
        ),
        (
            "a target is filled to low-water only, the emptiest first",
            rules(100.0),
            vec![server(0, 100, 100), server(1, 60, 100), server(2, 50, 100)],
            vec![[0, 2, 20], [0, 1, 10]],
        ),
        (
            "the fullest gives first",
            rules(20.0),
            vec![server(0, 95, 100), server(1, 99, 100), server(2, 0, 100)],
            vec![[1, 2, 20]],
        ),
        (
            "nobody takes",
            rules(100.0),
            vec![
                server(0, 95, 100),
                server(1, 70, 100),
                closed(server(2, 0, 100)),
            ],
            vec![],
        ),
        (
            "servers of regions neither give nor take",
            rules(100.0),
            vec![bound(server(0, 99, 100)), bound(server(1, 0, 100))],
            vec![],
        ),
        (
            "without a capacity none is too full, and it takes after the others",
            rules(100.0),
            vec![server(0, 100, 100), server(1, 999, 0), server(2, 55, 100)],
            vec![[0, 2, 15], [0, 1, 15]],
        ),
        (
            "by load the surplus is the share of it",
            by_load(100.0),
            vec![loaded(0, 100, 1.0), loaded(1, 10, 0.1)],
            vec![[0, 1, 30]],
        ),
        (
            "a load that is no number is none",
            by_load(100.0),
            vec![loaded(0, 100, f64::NAN), loaded(1, 10, 0.1)],
            vec![],
        ),
        (
            "who reports no load takes last",
            by_load(100.0),
            vec![loaded(0, 100, 1.0), server(1, 10, 0), loaded(2, 40, 0.56)],
            vec![[0, 2, 9], [0, 1, 21]],
        ),
        (
            "capacity bounds a target by load too",
            by_load(100.0),
            vec![
                loaded(0, 100, 1.0),
                Standing {
                    load: Some(0.0),
                    ..server(1, 18, 20)
                },
            ],
            vec![[0, 1, 2]],
        ),
    ];
    for (story, rules, servers, expected) in table {
        let mut balancer = Balancer::default();
        let idle: Vec<_> = servers
            .iter()
            .map(|it| Standing {
                sessions: 0,
                load: Some(0.0),
                ..*it
            })
            .collect();
        assert!(balancer.plan(at(0), rules, &idle).is_empty(), "{story}");
        assert_eq!(
            &moves(&mut balancer, 1, rules, servers),
            expected,
            "{story}"
        );
    }
}

#[test]
fn it_gives_until_low_water_and_then_rests() {
    let rules = rules(5.0);
    let mut balancer = Balancer::default();
    let mut counts = [96u32, 10];
    let mut moved = Vec::new();
    for second in 0..10 {
        let servers = [server(0, counts[0], 100), server(1, counts[1], 100)];
        let now: u32 = balancer
            .plan(at(second), &rules, &servers)
            .iter()
            .map(|it| it.players)
            .sum();
        counts[0] -= now;
        counts[1] += now;
        moved.push(now);
    }
    assert_eq!(moved, [0, 5, 5, 5, 5, 5, 1, 0, 0, 0]);
    assert_eq!(counts, [70, 36]);
    // Full again soon: not before the cool-down is over.
    let full = [server(0, 95, 100), server(1, 10, 100)];
    assert!(balancer.plan(at(12), &rules, &full).is_empty());
    assert!(balancer.plan(at(35), &rules, &full).is_empty());
    assert_eq!(moves(&mut balancer, 36, &rules, &full), [[0, 1, 5]]);
}

#[test]
fn a_report_that_comes_late_is_not_answered_twice() {
    let rules = by_load(100.0);
    let mut balancer = Balancer::default();
    let servers = |sessions, load| [loaded(0, sessions, load), loaded(1, 100, 0.1)];
    balancer.plan(at(0), &rules, &servers(100, 0.5));
    assert_eq!(
        moves(&mut balancer, 1, &rules, &servers(100, 1.0)),
        [[0, 1, 30]]
    );
    for second in 2..6 {
        assert!(
            moves(&mut balancer, second, &rules, &servers(70, 1.0)).is_empty(),
            "the same report again"
        );
    }
    // The newer one says that it is still too much.
    let mut balancer = Balancer::default();
    balancer.plan(at(0), &rules, &servers(100, 0.5));
    balancer.plan(at(1), &rules, &servers(100, 1.0));
    assert_eq!(
        moves(&mut balancer, 2, &rules, &servers(70, 0.9)),
        [[0, 1, 15]]
    );
}

#[test]
fn a_second_that_took_long_moves_no_crowd_at_once() {
    let rules = rules(2.0);
    let mut balancer = Balancer::default();
    let servers = [server(0, 100, 100), server(1, 0, 100)];
    balancer.plan(at(0), &rules, &servers);
    assert_eq!(moves(&mut balancer, 500, &rules, &servers), [[0, 1, 2]]);
    // A rate below one a second earns one after a while.
    let slow = Rules {
        per_second: 0.25,
        ..rules
    };
    let mut balancer = Balancer::default();
    let counts: Vec<usize> = (0..9)
        .map(|second| balancer.plan(at(second), &slow, &servers).len())
        .collect();
    assert_eq!(counts, [0, 0, 0, 0, 1, 0, 0, 0, 1]);
}

/// Each row: how many may go, the players as (session, party, movable), who goes, by the order of the players.
#[test]
fn parties_travel_whole() {
    let player = |&(session, party, movable): &(u128, u64, bool)| Player {
        session: SessionId::from_u128(session),
        party: (party > 0).then_some(party),
        movable,
    };
    type Row = (u32, &'static [(u128, u64, bool)], &'static [u128]);
    let table: &[Row] = &[
        (0, &[(1, 0, true)], &[]),
        (
            2,
            &[(1, 0, true), (2, 0, false), (3, 0, true), (4, 0, true)],
            &[1, 3],
        ),
        (3, &[(1, 7, true), (2, 0, true), (3, 7, true)], &[1, 3, 2]),
        // A member who cannot be moved now keeps its party.
        (3, &[(1, 7, true), (2, 0, true), (3, 7, false)], &[2]),
        // One that is too large lets others go first.
        (
            2,
            &[(1, 7, true), (2, 7, true), (3, 7, true), (4, 0, true)],
            &[4],
        ),
        // If nobody else can, the smallest goes past the number.
        (
            1,
            &[
                (1, 7, true),
                (2, 7, true),
                (3, 7, true),
                (4, 8, true),
                (5, 8, true),
            ],
            &[4, 5],
        ),
        (1, &[(1, 7, true), (2, 7, false)], &[]),
    ];
    for (players, from, expected) in table {
        let from: Vec<_> = from.iter().map(player).collect();
        let went: Vec<u128> = pick(*players, &from)
            .iter()
            .map(|it| it.as_u128())
            .collect();
        assert_eq!(&went, expected, "{players} of {from:?}");
    }
    // What went too many is taken from the next ones.
    let rules = rules(1.0);
    let servers = [server(0, 100, 100), server(1, 0, 100)];
    let mut balancer = Balancer::default();
    balancer.plan(at(0), &rules, &servers);
    assert_eq!(balancer.plan(at(1), &rules, &servers).len(), 1);
    balancer.charge(2);
    let counts: Vec<usize> = (2..6)
        .map(|second| balancer.plan(at(second), &rules, &servers).len())
        .collect();
    assert_eq!(counts, [0, 0, 1, 1]);
}

#[test]
fn nearer_only_by_a_margin() {
    let others = |list: &[f64]| -> Vec<_> {
        list.iter()
            .enumerate()
            .map(|(index, distance)| (ServerId(index as u32), *distance))
            .collect()
    };
    let table: &[(f64, &[f64], Option<u32>)] = &[
        (1_000.0, &[900.0], None),
        (1_000.0, &[799.0], Some(0)),
        (1_000.0, &[700.0, 300.0], Some(1)),
        (1_000.0, &[f64::NAN, -1.0], None),
        (f64::NAN, &[1.0], None),
        (0.0, &[0.0], None),
    ];
    for (current, list, expected) in table {
        assert_eq!(
            nearer(*current, others(list), 0.2).map(|it| it.0),
            *expected,
            "{current} {list:?}"
        );
    }
}
