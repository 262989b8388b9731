use serde_json::json;

use super::*;
use crate::config::{Config, WorldConfig};

/// What is changed of a good registration.
type Change = fn(&mut Registration);

fn view(worlds: &[(&str, &[&str])]) -> View {
    let worlds = worlds.iter().map(|(name, hosts)| {
        let world = WorldConfig {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..WorldConfig::default()
        };
        ((*name).to_owned(), world)
    });
    View::build(&Config {
        worlds: worlds.collect(),
        ..Config::default()
    })
    .unwrap()
}

fn said(metadata: Value) -> Registration {
    serde_json::from_value(json!({
        "name": "a",
        "address": "127.0.0.1:7001",
        "region_coord": {"x": 0, "y": 0, "z": 0},
        "center": {"x": 0.0, "y": 0.0, "z": 0.0},
        "bounds": 500.0,
        "capacity": 10,
        "version": "1.2",
        "metadata": metadata,
    }))
    .unwrap()
}

fn caller(host: &str, world: Option<&str>) -> Caller {
    Caller {
        address: [127, 0, 0, 1].into(),
        is_local: true,
        host: host.to_owned(),
        world: world.map(str::to_owned),
    }
}

#[test]
fn a_server_joins_the_world_that_metadata_path_or_host_names_else_main() {
    let many = view(&[
        ("arena", &["arena.example"]),
        ("deep", &["deep.example"]),
        ("main", &["play.example"]),
    ]);
    let none = json!({});
    for (metadata, path, host, expected) in [
        (&none, None, "127.0.0.1:9001", Ok("main")),
        (&none, None, "Arena.example:9001", Ok("arena")),
        (&none, Some("deep"), "arena.example", Ok("deep")),
        (
            &json!({"world": "arena"}),
            Some("deep"),
            "play.example",
            Ok("arena"),
        ),
        (
            &json!({"world": "moon"}),
            None,
            "play.example",
            Err("no world `moon`; name one in `metadata.world`: arena, deep, main"),
        ),
        (&json!({"world": 7}), None, "", Err("no text")),
        (&none, Some("moon"), "", Err("no world `moon`")),
    ] {
        let found = world_of(&many, &said(metadata.clone()), &caller(host, path));
        match (found, expected) {
            (Ok(world), Ok(expected)) => assert_eq!(&*world.name, expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, expected) => {
                panic!(
                    "{metadata} {path:?} {host}: {expected:?}, {:?}",
                    found.map(|world| world.name.clone())
                )
            }
        }
    }
    let only = view(&[("arena", &[])]);
    let found = world_of(&only, &said(json!({})), &caller("", None)).unwrap();
    assert_eq!(&*found.name, "arena");
    let two = view(&[("arena", &["a"]), ("deep", &["b"])]);
    let why = world_of(&two, &said(json!({})), &caller("", None))
        .err()
        .unwrap();
    assert!(why.contains("none is called main"), "{why}");
}

#[test]
fn addresses_are_read_as_horizon_writes_them() {
    let caller = "10.1.2.3".parse().unwrap();
    let read = |text| {
        let address = address_of(text, caller)?;
        Ok::<_, String>((address.authority(), address.path))
    };
    for (text, authority, path) in [
        ("127.0.0.1:8080", "127.0.0.1:8080", None),
        ("0.0.0.0:8080", "10.1.2.3:8080", None),
        ("[::]:8080", "10.1.2.3:8080", None),
        ("game.internal:8080/ws", "game.internal:8080", Some("/ws")),
        ("ws://[fd00::1]:8080", "[fd00::1]:8080", None),
    ] {
        let expected = (authority.to_owned(), path.map(str::to_owned));
        assert_eq!(read(text).unwrap(), expected, "{text}");
    }
    for wrong in [
        "",
        "host:0",
        "http://host:1",
        "wss://host:1",
        "user@host:1",
        "a b:1",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn regions_of_neighbours_meet_exactly() {
    let centre = |x| Centre { x, y: 0.5, z: 0.0 };
    assert_eq!(region_of(centre(0.0), 0.0), None);
    let region = region_of(centre(500.0), 500.0).unwrap();
    assert_eq!(
        (region.min, region.max),
        ([0.0, -499.5, -500.0], [1000.0, 500.5, 500.0])
    );
    // Thirds have no exact number: each side of a border reckons it from its own centre.
    let side = 1000.0 / 3.0;
    for cell in -50..50 {
        let of = |cell: i32| {
            region_of(centre((f64::from(cell) + 0.5) * side), side / 2.0)
                .unwrap()
                .region()
        };
        assert!(!of(cell).overlaps(&of(cell + 1)), "{cell}");
    }
}

#[test]
fn labels_are_the_version_and_what_is_plain_in_the_metadata() {
    let labels = |metadata| labels_of(&said(metadata)).into_iter().collect::<Vec<_>>();
    let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    assert_eq!(
        labels(
            json!({"world": "main", "zone": "eu", "tier": 2, "beta": true, "list": [1], "none": null})
        ),
        text(&[
            ("beta", "true"),
            ("tier", "2"),
            ("version", "1.2"),
            ("zone", "eu")
        ])
    );
    assert_eq!(
        labels(json!({"version": "b", "long": "x".repeat(129)})),
        text(&[("version", "b")])
    );
    let many: serde_json::Map<_, _> = (0..100).map(|n| (format!("k{n}"), json!("v"))).collect();
    assert_eq!(labels(Value::Object(many)).len(), LABELS_MAX);
}

#[tokio::test]
async fn what_cannot_be_a_server_is_refused() {
    let view = view(&[("main", &[])]);
    let offered = async |change: Change, local| {
        let mut said = said(json!({}));
        change(&mut said);
        let caller = Caller {
            is_local: local,
            ..caller("", None)
        };
        read(&view, said, &caller)
            .await
            .map(|offer| (offer.entry.config, offer.entry.target))
    };
    let (config, target) = offered(|_| (), true).await.unwrap();
    assert_eq!(config.address, "ws://127.0.0.1:7001");
    assert_eq!(
        (config.capacity, target),
        (10, "127.0.0.1:7001".parse().unwrap())
    );
    let long = |said: &mut Registration| said.name = "n".repeat(65);
    let cases: [(Change, bool, u16, &str); 9] = [
        (
            |said| said.name.clear(),
            true,
            400,
            "`name` must have 1 to 64",
        ),
        (long, true, 400, "`name` must have 1 to 64"),
        (
            |said| said.bounds = 10.0,
            true,
            400,
            "`region` is 20 wide along x; make it at least 100",
        ),
        (|said| said.bounds = -10.0, true, 400, "`region` is -20"),
        (|said| said.center.x = 1e308, true, 400, "`region`"),
        (
            |said| said.address = "nowhere".into(),
            true,
            400,
            "no address",
        ),
        (
            |said| said.address = "host.invalid:1".into(),
            true,
            400,
            "host.invalid, which has no address",
        ),
        (
            |said| said.address = "192.0.2.1:1".into(),
            true,
            403,
            "192.0.2.1:1 lies outside",
        ),
        (
            |_| (),
            false,
            400,
            "name an address that the edge can reach",
        ),
    ];
    for (change, local, status, why) in cases {
        let refusal = offered(change, local).await.err().unwrap();
        assert_eq!(refusal.status.as_u16(), status, "{refusal:?}");
        assert!(refusal.message.contains(why), "{refusal:?}");
    }
}

#[test]
fn callers_must_lie_in_the_allowed_networks() {
    let config = RegistrationConfig::default();
    assert_eq!(admit("127.9.9.9".parse().unwrap(), &config), Ok(()));
    let refusal = admit("192.0.2.7".parse().unwrap(), &config).unwrap_err();
    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    assert!(refusal.message.starts_with("192.0.2.7 "), "{refusal:?}");
}
