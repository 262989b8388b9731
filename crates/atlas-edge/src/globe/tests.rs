use std::net::Ipv6Addr;

use atlas_wire::upgrade::{Limits, ParsedHead};

use super::*;

/// Writes a database of MaxMind's format (version 2.0, IPv6, records of 24 bits): networks and where they are.
fn database(networks: &[(Ipv6Addr, u32, f64, f64)]) -> Vec<u8> {
    /// Where a record leads.
    #[derive(Clone, Copy)]
    enum Leads {
        Nowhere,
        Node(usize),
        Data(usize),
    }
    let mut data = Vec::new();
    let mut nodes = vec![[Leads::Nowhere; 2]];
    for (address, length, latitude, longitude) in networks {
        let offset = data.len();
        let location = map(&[
            ("latitude", double(*latitude)),
            ("longitude", double(*longitude)),
        ]);
        data.extend(map(&[("location", location)]));
        let bits = u128::from(*address);
        let bit = |at: u32| usize::from(bits >> (127 - at) & 1 == 1);
        let mut node = 0;
        for at in 0..length - 1 {
            node = match nodes[node][bit(at)] {
                Leads::Node(next) => next,
                _ => {
                    nodes.push([Leads::Nowhere; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][bit(at)] = Leads::Node(next);
                    next
                }
            };
        }
        nodes[node][bit(length - 1)] = Leads::Data(offset);
    }
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match record {
            Leads::Nowhere => nodes.len(),
            Leads::Node(node) => *node,
            Leads::Data(offset) => nodes.len() + 16 + offset,
        };
        file.extend(&u32::try_from(value).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let count = u32::try_from(nodes.len()).unwrap();
    file.extend(map(&[
        ("binary_format_major_version", uint16(2)),
        ("binary_format_minor_version", uint16(0)),
        // An unsigned number of 64 bits and an array are types over 7: the second byte says how far.
        ("build_epoch", vec![1, 2, 1]),
        ("database_type", text("Test")),
        ("description", map(&[])),
        ("ip_version", uint16(6)),
        ("languages", vec![0, 4]),
        (
            "node_count",
            [vec![6 << 5 | 4], count.to_be_bytes().to_vec()].concat(),
        ),
        ("record_size", uint16(24)),
    ]));
    file
}

fn sized(kind: u8, length: usize) -> Vec<u8> {
    let length = u8::try_from(length).unwrap();
    match length {
        0..29 => vec![kind << 5 | length],
        _ => vec![kind << 5 | 29, length - 29],
    }
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = sized(7, entries.len());
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [sized(2, text.len()), text.into()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [sized(3, 8), value.to_be_bytes().to_vec()].concat()
}

fn uint16(value: u16) -> Vec<u8> {
    [sized(5, 2), value.to_be_bytes().to_vec()].concat()
}

fn head(fields: &str) -> Head {
    let bytes = format!("GET / HTTP/1.1\r\nHost: edge\r\n{fields}\r\n");
    match Head::parse(bytes.as_bytes(), &Limits::default()) {
        Ok(ParsedHead::Complete(head, _)) => head,
        other => panic!("{other:?}"),
    }
}

fn from(client: &str, peer_trusted: bool) -> Forwarding {
    Forwarding {
        peer: client.parse().unwrap(),
        client: client.parse().unwrap(),
        peer_trusted,
        secure: false,
    }
}

#[test]
fn a_trusted_header_counts_before_the_database_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("places.mmdb");
    // An IPv4 network stands below ::/96.
    std::fs::write(
        &file,
        database(&[
            ("::192.0.2.0".parse().unwrap(), 120, 48.86, 2.35),
            ("2001:db8:1::".parse().unwrap(), 48, -33.87, 151.21),
            ("2001:db8:2::".parse().unwrap(), 48, 1000.0, 0.0),
        ]),
    )
    .unwrap();
    let globe = Globe::open(&GeographicConfig {
        header: "X-Place".into(),
        database: file,
    })
    .unwrap();
    let (paris, sydney) = (Location::new(48.86, 2.35), Location::new(-33.87, 151.21));
    let said = Location::new(52.5, 13.4);
    for (fields, client, trusted, expected) in [
        ("", "192.0.2.77", false, paris),
        ("", "::ffff:192.0.2.77", false, paris),
        ("", "2001:db8:1::5", false, sydney),
        ("", "2001:db8:2::5", false, None),
        ("", "198.51.100.1", false, None),
        ("X-Place: 52.5, 13.4\r\n", "192.0.2.77", true, said),
        ("X-Place: 52.5, 13.4\r\n", "192.0.2.77", false, paris),
        ("X-Place: 95,0\r\n", "192.0.2.77", true, paris),
        ("X-Place: nowhere\r\n", "198.51.100.1", true, None),
        ("X-Place: NaN,NaN\r\n", "198.51.100.1", true, None),
    ] {
        assert_eq!(
            globe.locate(&head(fields), &from(client, trusted)),
            expected,
            "{fields:?} {client} {trusted}"
        );
    }
}

#[test]
fn a_file_that_is_no_database_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("places.mmdb");
    let open = || {
        let config = GeographicConfig {
            database: file.clone(),
            ..GeographicConfig::default()
        };
        Globe::open(&config).err().unwrap().to_string()
    };
    assert!(open().contains("places.mmdb"), "{}", open());
    std::fs::write(&file, b"certainly not").unwrap();
    assert!(open().contains("places.mmdb"), "{}", open());
}
