/// A place on the globe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// Degrees north of the equator, -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    pub longitude: f64,
}

/// Places nearer to each other than this count as one, in kilometres: a data centre has more than one server.
const SAME_KM: f64 = 10.0;
/// The mean radius of the earth, in kilometres.
const EARTH_KM: f64 = 6371.0;

impl Location {
    /// A place, if both are finite and within their bounds.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)).then_some(
            Self {
                latitude,
                longitude,
            },
        )
    }

    /// The way along the surface to another place, in kilometres (haversine formula).
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let north = (to - from) / 2.0;
        let east = (other.longitude - self.longitude).to_radians() / 2.0;
        let chord = north.sin().powi(2) + from.cos() * to.cos() * east.sin().powi(2);
        2.0 * EARTH_KM * chord.clamp(0.0, 1.0).sqrt().asin()
    }

    /// Which of these places are the nearest: all that are about as near as the nearest one. None of them if no place is
    /// known.
    #[must_use]
    pub fn nearest(self, places: &[Option<Self>]) -> Vec<bool> {
        let distance = |place: &Option<Self>| place.map(|place| self.distance_km(place));
        let best = places
            .iter()
            .filter_map(distance)
            .fold(f64::INFINITY, f64::min);
        places
            .iter()
            .map(|place| distance(place).is_some_and(|distance| distance <= best + SAME_KM))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Location {
        Location::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_atlas() {
        let (berlin, paris, sydney) = (at(52.52, 13.405), at(48.857, 2.352), at(-33.868, 151.209));
        for (from, to, km) in [
            (berlin, berlin, 0.0),
            (berlin, paris, 878.0),
            (paris, berlin, 878.0),
            (berlin, sydney, 16_094.0),
            // Over the date line it is one degree of the equator, not 359.
            (at(0.0, 179.5), at(0.0, -179.5), 111.2),
            (at(90.0, 0.0), at(-90.0, 77.0), 20_015.0),
        ] {
            let found = from.distance_km(to);
            assert!((found - km).abs() < km * 0.003 + 1e-6, "{found} for {km}");
        }
    }

    #[test]
    fn what_is_no_place_is_none() {
        for (latitude, longitude) in [
            (91.0, 0.0),
            (0.0, -180.1),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ] {
            assert_eq!(Location::new(latitude, longitude), None);
        }
    }

    #[test]
    fn the_nearest_are_all_of_one_town() {
        let client = at(50.1, 8.7);
        let (frankfurt, next_door, virginia) = (at(50.11, 8.68), at(50.12, 8.75), at(38.9, -77.0));
        assert_eq!(
            client.nearest(&[Some(virginia), Some(frankfurt), None, Some(next_door)]),
            [false, true, false, true]
        );
        assert_eq!(client.nearest(&[None, None]), [false, false]);
    }
}
