use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use atlas_base::{Position, Secret};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How a demo game server is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; port 0 finds a free one. Beyond loopback a token is needed.
    pub listen: SocketAddr,
    /// The name it puts into every answer.
    pub name: String,
    /// The part of the world it is meant for; it counts positions outside of it.
    pub region: Option<Region>,
    /// Whether it speaks `atlas.link.v1`.
    pub link: LinkMode,
    /// What every dial has to bring as `Authorization: Bearer …`.
    pub token: Option<Secret<String>>,
    /// After so many data messages of a session it sends a checkpoint, and one when it is new; 0 = never.
    pub checkpoint_every: u64,
    /// Players' states are padded to so many bytes where they are shorter; over 64 KiB they travel in parts.
    pub state_bytes: usize,
    /// How much time it asks for when it is drained; zero = none.
    pub drain_wait: Duration,
    /// Between two `load` messages on a control link.
    pub load_interval: Duration,
    /// The capacity that `load` measures against and beyond which nobody is adopted or attached.
    pub sessions_max: usize,
    /// Open connections of all kinds.
    pub connections_max: usize,
    /// The longest message.
    pub message_bytes_max: usize,
    /// How long a request head may take.
    pub head_timeout: Duration,
    /// Remembers when it acted for whom under which epoch, for `GET /acts`.
    pub record_acts: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "demo".to_owned(),
            region: None,
            link: LinkMode::Cooperative,
            token: None,
            checkpoint_every: 20,
            state_bytes: 0,
            drain_wait: Duration::ZERO,
            load_interval: Duration::from_secs(1),
            sessions_max: 100_000,
            connections_max: 20_000,
            message_bytes_max: 1 << 20,
            head_timeout: Duration::from_secs(5),
            record_acts: false,
        }
    }
}

/// Whether a demo server knows Atlas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMode {
    /// It takes links of an edge, and players who come by themselves.
    #[default]
    Cooperative,
    /// It knows players only, and nothing of Atlas.
    Plain,
}

impl FromStr for LinkMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "cooperative" => Ok(Self::Cooperative),
            "plain" => Ok(Self::Plain),
            _ => Err(Error::Option {
                option: "link",
                value: format!("`{text}`"),
                must: "cooperative or plain",
            }),
        }
    }
}

/// A part of the world seen from above; half-open, like every region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The smallest x inside.
    pub min_x: f64,
    /// The smallest z inside.
    pub min_z: f64,
    /// The first x outside.
    pub max_x: f64,
    /// The first z outside.
    pub max_z: f64,
}

impl Region {
    /// Whether the region holds that position, at any height.
    #[must_use]
    pub fn contains(&self, at: Position) -> bool {
        (self.min_x..self.max_x).contains(&at.x) && (self.min_z..self.max_z).contains(&at.z)
    }
}

impl FromStr for Region {
    type Err = Error;

    /// Reads `minx,minz:maxx,maxz`, for example `-1000,-1000:0,0`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let corner = |text: &str| {
            let (x, z) = text.split_once(',')?;
            let read = |text: &str| {
                text.trim()
                    .parse::<f64>()
                    .ok()
                    .filter(|value| value.is_finite())
            };
            Some((read(x)?, read(z)?))
        };
        text.split_once(':')
            .and_then(|(min, max)| Some((corner(min)?, corner(max)?)))
            .map(|((min_x, min_z), (max_x, max_z))| Self {
                min_x,
                min_z,
                max_x,
                max_z,
            })
            .filter(|region| region.min_x < region.max_x && region.min_z < region.max_z)
            .ok_or_else(|| Error::Region {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            min_x,
            min_z,
            max_x,
            max_z,
        } = self;
        write!(formatter, "{min_x},{min_z}:{max_x},{max_z}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_or_refused() {
        let west: Region = "-1000,-1000:0,1000.5".parse().unwrap();
        assert_eq!(
            west,
            Region {
                min_x: -1000.0,
                min_z: -1000.0,
                max_x: 0.0,
                max_z: 1000.5
            }
        );
        assert_eq!(west.to_string().parse::<Region>().unwrap(), west);
        assert!(west.contains(Position::new(-0.1, 5000.0, 0.0)));
        assert!(!west.contains(Position::new(0.0, 0.0, 0.0)));
        for text in [
            "",
            "1,2",
            "1,2:3",
            "0,0:0,1",
            "5,0:1,1",
            "a,0:1,1",
            "NaN,0:1,1",
            "-inf,0:1,1",
            "1,2:3,4:5,6",
        ] {
            let error = text.parse::<Region>().unwrap_err();
            assert!(
                error.to_string().contains("minx,minz:maxx,maxz"),
                "{text}: {error}"
            );
        }
    }
}
