use std::fmt;

/// How a server is chosen for a new session, and for one that has to move without a region of its own.
///
/// Whatever the algorithm: servers that are down, draining, full or without weight get nothing new,
/// and a server that has just started gets less than its share until `slow-start` is over.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// The server with the fewest sessions for its weight.
    #[default]
    LeastConnections,
    /// One server after the other; weights do not matter.
    RoundRobin,
    /// Any server, each as likely as the other; weights do not matter.
    Random,
    /// In turn, each as often as its weight says, evenly interleaved.
    Weighted,
    /// The one with fewer sessions for its weight out of two drawn at random.
    PowerOfTwo,
    /// The same server for the same player id; a change of the pool moves only the players it must.
    ConsistentHash,
    /// The server that reports the lowest load; those about equal by fewest sessions.
    LeastLoad,
    /// The server nearest to the client by location; among equals as `least-connections`.
    Geographic,
    /// The server that owns the region the player stands in; without one as `least-connections`.
    Spatial,
}

impl Algorithm {
    /// Every algorithm, in the order in which they are documented.
    pub const ALL: [Self; 9] = [
        Self::LeastConnections,
        Self::RoundRobin,
        Self::Random,
        Self::Weighted,
        Self::PowerOfTwo,
        Self::ConsistentHash,
        Self::LeastLoad,
        Self::Geographic,
        Self::Spatial,
    ];

    /// The algorithm's name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeastConnections => "least-connections",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::Weighted => "weighted",
            Self::PowerOfTwo => "power-of-two",
            Self::ConsistentHash => "consistent-hash",
            Self::LeastLoad => "least-load",
            Self::Geographic => "geographic",
            Self::Spatial => "spatial",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn names_are_the_configurations() {
        for algorithm in Algorithm::ALL {
            let text = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(text, format!("\"{algorithm}\""));
            assert_eq!(serde_json::from_str::<Algorithm>(&text).unwrap(), algorithm);
        }
        assert!(serde_json::from_str::<Algorithm>("\"leastconn\"").is_err());
    }
}
