//! Where on the globe a client is: what a trusted proxy says, else what a database knows of its address.

use std::net::IpAddr;
use std::path::Path;

use atlas_balance::Location;
use atlas_wire::upgrade::{Forwarding, Head};
use maxminddb::Reader;
use serde::Deserialize;

use crate::config::GeographicConfig;
use crate::error::Error;

/// What one world knows of places.
#[derive(Default)]
pub(crate) struct Globe {
    /// The request header that says it; empty: none.
    header: String,
    database: Option<Reader<Vec<u8>>>,
}

/// What is read of a database's record.
#[derive(Deserialize)]
struct Record {
    location: Option<Coordinates>,
}

#[derive(Deserialize)]
struct Coordinates {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Globe {
    /// Reads the database, which blocks.
    ///
    /// # Errors
    /// [`Error::Locations`] if the file cannot be read or is none of MaxMind's format.
    pub(crate) fn open(config: &GeographicConfig) -> Result<Self, Error> {
        let database = match &config.database {
            path if path.as_os_str().is_empty() => None,
            path => Some(open(path)?),
        };
        Ok(Self {
            header: config.header.clone(),
            database,
        })
    }

    /// Whether what it knows may be another after the file was read again.
    pub(crate) fn reads_a_file(&self) -> bool {
        self.database.is_some()
    }

    /// Where the client is that sent this request; none if nobody says.
    pub(crate) fn locate(&self, head: &Head, forwarding: &Forwarding) -> Option<Location> {
        // Anybody can send a header; only what a trusted proxy puts there counts.
        let said = (forwarding.peer_trusted && !self.header.is_empty())
            .then(|| head.fields().first(&self.header).and_then(parse))
            .flatten();
        said.or_else(|| self.look_up(forwarding.client))
    }

    fn look_up(&self, address: IpAddr) -> Option<Location> {
        let record: Record = self
            .database
            .as_ref()?
            .lookup(address.to_canonical())
            .ok()?
            .decode()
            .ok()??;
        let found = record.location?;
        Location::new(found.latitude?, found.longitude?)
    }
}

fn open(path: &Path) -> Result<Reader<Vec<u8>>, Error> {
    Reader::open_readfile(path).map_err(|source| Error::Locations {
        file: path.to_owned(),
        source: Box::new(source),
    })
}

/// `LATITUDE,LONGITUDE` in degrees.
fn parse(text: &str) -> Option<Location> {
    let (latitude, longitude) = text.split_once(',')?;
    Location::new(
        latitude.trim().parse().ok()?,
        longitude.trim().parse().ok()?,
    )
}

#[cfg(test)]
mod tests;
