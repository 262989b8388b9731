//! Regions: half-open, distances, refusals, and the index against a plain search.

use proptest::prelude::*;

use super::*;

fn region(min: [f64; 3], max: [f64; 3]) -> Region {
    Region {
        min: Position::new(min[0], min[1], min[2]),
        max: Position::new(max[0], max[1], max[2]),
    }
}

#[test]
fn a_border_belongs_to_one_side_only() {
    let west = region([-100.0; 3], [0.0, 100.0, 100.0]);
    let east = region([0.0, -100.0, -100.0], [100.0; 3]);
    let border = Position::new(0.0, 0.0, 0.0);
    assert!(!west.contains(border) && east.contains(border));
    assert!(!west.overlaps(&east));
    assert!(!west.contains(Position::new(f64::NAN, 0.0, 0.0)));
}

#[test]
fn distances_are_signed() {
    let cube = region([0.0; 3], [100.0; 3]);
    for (at, distance) in [
        ([50.0, 50.0, 50.0], -50.0),
        ([10.0, 50.0, 50.0], -10.0),
        ([100.0, 50.0, 50.0], 0.0),
        ([130.0, 50.0, 50.0], 30.0),
        ([103.0, 104.0, 50.0], 5.0),
        ([-2.0, 50.0, -2.0], 8f64.sqrt()),
    ] {
        let found = cube.distance_outside(Position::new(at[0], at[1], at[2]));
        assert!((found - distance).abs() < 1e-9, "{at:?}: {found}");
    }
}

#[test]
fn wrong_regions_are_named() {
    let good = (ServerId(1), region([0.0; 3], [100.0; 3]));
    let near = (ServerId(2), region([99.0; 3], [300.0; 3]));
    assert_eq!(
        Regions::build([good, near], 25.0).unwrap_err(),
        Error::Overlap {
            first: ServerId(1),
            second: ServerId(2)
        }
    );
    let small = (ServerId(3), region([0.0; 3], [200.0, 99.0, 200.0]));
    assert_eq!(
        Regions::build([small], 25.0).unwrap_err().to_string(),
        "region of server 3 is 99 wide along y; it must be at least 100 (4 x hysteresis)"
    );
    let reversed = (ServerId(4), region([1.0; 3], [0.0; 3]));
    assert!(matches!(
        Regions::build([reversed], 0.0),
        Err(Error::TooSmall { .. })
    ));
    let endless = (ServerId(5), region([0.0; 3], [f64::INFINITY; 3]));
    assert!(matches!(
        Regions::build([endless], 0.0),
        Err(Error::NotFinite { .. })
    ));
}

proptest! {
    /// The index finds what looking at every region finds.
    #[test]
    fn the_index_agrees_with_a_plain_search(
        widths in prop::collection::vec(1.0f64..50.0, 1..20),
        places in prop::collection::vec((-60.0f64..900.0, -5.0f64..25.0), 1..50),
    ) {
        // Columns of unequal width, each cut in two along z.
        let mut left = 0.0;
        let mut all = Vec::new();
        for (index, width) in widths.iter().enumerate() {
            let id = index as u32 * 2;
            all.push((ServerId(id), region([left, 0.0, 0.0], [left + width, 1.0, 10.0])));
            all.push((ServerId(id + 1), region([left, 0.0, 10.0], [left + width, 1.0, 20.0])));
            left += width;
        }
        let regions = Regions::build(all.clone(), 0.0).unwrap();
        for (x, z) in places {
            let at = Position::new(x, 0.5, z);
            let plain = all.iter().find(|(_, region)| region.contains(at)).map(|(id, _)| *id);
            prop_assert_eq!(regions.owner(at), plain);
        }
    }
}
