use std::time::Duration;

use super::*;
use crate::config::RegionConfig;

fn named(name: &str, port: u16) -> ServerConfig {
    ServerConfig {
        name: name.into(),
        address: format!("ws://127.0.0.1:{port}"),
        ..ServerConfig::default()
    }
}

fn entries(servers: &[ServerConfig]) -> Vec<Entry> {
    Entry::resolve_all(servers, Source::Config).unwrap()
}

/// A roster of one world `main` and its first view.
fn main_with(servers: &[ServerConfig]) -> (Roster, View) {
    let world = WorldConfig {
        servers: servers.to_vec(),
        ..WorldConfig::default()
    };
    let mut roster = Roster::new(&Config {
        worlds: [("main".to_owned(), world)].into(),
        ..Config::default()
    })
    .unwrap();
    let view = roster.view(None, Moment::ZERO).unwrap();
    (roster, view)
}

fn seconds(seconds: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(seconds)
}

fn ids(view: &View) -> Vec<(u32, &str, bool)> {
    let main = view.world("main").unwrap();
    main.servers
        .iter()
        .map(|server| {
            let present = server.removed.is_none();
            (server.id.0, server.config.name.as_str(), present)
        })
        .collect()
}

#[test]
fn a_change_that_changes_nothing_keeps_everything() {
    let (mut roster, before) = main_with(&[named("west", 1), named("east", 2)]);
    let after = roster.view(Some(&before), seconds(1)).unwrap();
    assert!(after.is(&before));
}

#[test]
fn ids_are_never_given_again() {
    let (mut roster, view) = main_with(&[named("west", 1)]);
    roster.tell(
        "main",
        Source::File,
        entries(&[named("a", 2), named("b", 3)]),
    );
    let view = roster.view(Some(&view), seconds(1)).unwrap();
    assert_eq!(
        ids(&view),
        [(0, "west", true), (1, "a", true), (2, "b", true)]
    );

    roster.tell("main", Source::File, entries(&[named("c", 2)]));
    let view = roster.view(Some(&view), seconds(2)).unwrap();
    let expected = [
        (0, "west", true),
        (1, "a", false),
        (2, "b", false),
        (3, "c", true),
    ];
    assert_eq!(ids(&view), expected);

    // Remembered for a while, then forgotten: the ids go on from where they were.
    let view = roster.view(Some(&view), seconds(61)).unwrap();
    assert_eq!(ids(&view).len(), 4);
    roster.tell(
        "main",
        Source::File,
        entries(&[named("c", 2), named("d", 9)]),
    );
    let view = roster.view(Some(&view), seconds(62)).unwrap();
    assert_eq!(
        ids(&view),
        [(0, "west", true), (3, "c", true), (4, "d", true)]
    );
    let main = view.world("main").unwrap();
    for server in &main.servers {
        assert_eq!(
            main.server(server.id).unwrap().config.name,
            server.config.name
        );
    }
    assert!(main.server(ServerId(1)).is_none() && main.server(ServerId(5)).is_none());
}

#[test]
fn the_same_name_and_address_is_the_same_server_whatever_else_changes() {
    let (mut roster, before) = main_with(&[named("west", 1)]);
    let west = Arc::clone(&before.worlds[0].servers[0]);
    assert!(west.reserve());
    let wider = ServerConfig {
        capacity: 7,
        ..named("west", 1)
    };
    roster.tell("main", Source::Config, entries(&[wider]));
    let view = roster.view(Some(&before), seconds(1)).unwrap();
    let again = &view.worlds[0].servers[0];
    assert_eq!(
        (again.id, again.config.capacity, again.places()),
        (west.id, 7, 1)
    );
    west.release();
    assert_eq!(again.places(), 0, "both versions count in one place");

    roster.tell("main", Source::Config, entries(&[named("west", 2)]));
    let view = roster.view(Some(&view), seconds(2)).unwrap();
    assert_eq!(ids(&view), [(0, "west", false), (1, "west", true)]);
    assert_eq!(view.worlds[0].server_named("west").unwrap().id, ServerId(1));
}

#[test]
fn a_server_stays_while_it_has_sessions_and_may_come_back() {
    let (mut roster, before) = main_with(&[named("west", 1), named("east", 2)]);
    assert!(before.worlds[0].servers[1].reserve());
    roster.tell("main", Source::Config, entries(&[named("west", 1)]));
    let view = roster.view(Some(&before), seconds(1)).unwrap();
    let view = roster.view(Some(&view), seconds(9000)).unwrap();
    assert_eq!(ids(&view), [(0, "west", true), (1, "east", false)]);
    let east = &view.worlds[0].servers[1];
    assert!(!east.may_enter() && east.places() == 1);

    roster.tell(
        "main",
        Source::Config,
        entries(&[named("west", 1), named("east", 2)]),
    );
    let view = roster.view(Some(&view), seconds(9001)).unwrap();
    let east = &view.worlds[0].servers[1];
    assert_eq!((east.id.0, east.places(), east.may_enter()), (1, 1, true));
    assert!(east.warmth(seconds(9001)) < 0.2, "it comes back slowly");
    assert!((before.worlds[0].servers[0].warmth(seconds(0)) - 1.0).abs() < 1e-9);
}

#[test]
fn a_world_goes_when_its_last_session_has_gone() {
    let (mut roster, before) = main_with(&[named("west", 1)]);
    assert!(before.worlds[0].servers[0].reserve());
    roster.reconfigure(Roster::new(&Config::default()).unwrap());
    let view = roster.view(Some(&before), seconds(1)).unwrap();
    assert!(view.worlds[0].removed && view.route("any", "/").is_none());
    before.worlds[0].servers[0].release();
    let view = roster.view(Some(&view), seconds(2)).unwrap();
    assert!(view.worlds.is_empty());
    // A world of that name starts where the old one ended.
    let (fresh, _) = main_with(&[named("west", 1)]);
    roster.reconfigure(fresh);
    let view = roster.view(Some(&view), seconds(3)).unwrap();
    assert_eq!(ids(&view), [(1, "west", true)]);
}

#[test]
fn what_cannot_stand_beside_each_other_is_refused_by_name() {
    let region = |min: f64, max: f64| RegionConfig {
        min: [min, -500.0, -500.0],
        max: [max, 500.0, 500.0],
    };
    let placed = |name: &str, port, min, max| ServerConfig {
        region: Some(region(min, max)),
        ..named(name, port)
    };
    let (mut roster, before) = main_with(&[placed("west", 1, -500.0, 0.0)]);
    let refused = |entry: ServerConfig| {
        let mut roster = roster.clone();
        roster.tell("main", Source::Registration, entries(&[entry]));
        let error = roster.view(Some(&before), seconds(1)).err().unwrap();
        error.to_string()
    };
    let overlap = refused(placed("thief", 2, -100.0, 400.0));
    assert!(
        overlap.contains("`west`") && overlap.contains("thief"),
        "{overlap}"
    );
    let twice = refused(named("west", 3));
    assert!(
        twice.contains("`west` is the name of two servers"),
        "{twice}"
    );
    let small = refused(placed("dot", 4, 10.0, 20.0));
    assert!(small.contains("at least 100"), "{small}");
    roster.tell(
        "main",
        Source::Registration,
        entries(&[placed("east", 2, 0.0, 500.0)]),
    );
    let view = roster.view(Some(&before), seconds(1)).unwrap();
    let at = atlas_base::Position {
        x: 1.0,
        y: 0.0,
        z: 0.0,
    };
    assert_eq!(view.worlds[0].owner(at), Some(ServerId(1)));
}
