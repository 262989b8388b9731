//! Subprotocols: which are Atlas's, which are the game's, and which one the client is answered.

/// The subprotocol of a client that speaks `atlas.v1`; followed by `.TOKEN` where the game has a token of its own.
pub const ATLAS_CLIENT: &str = "atlas.v1";
/// The subprotocol of cooperative links.
pub const ATLAS_LINK: &str = "atlas.link.v1";

/// A client's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subprotocols<'a> {
    offered: Vec<&'a str>,
}

/// The subprotocol that the client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The token to answer, one that the client offered; none: no `Sec-WebSocket-Protocol` in the 101.
    pub token: Option<&'a str>,
    /// Whether that answer means that the client's messages are tagged (`atlas.v1`).
    pub atlas: bool,
}

impl<'a> Subprotocols<'a> {
    /// Takes the offered tokens in the client's order; later doubles are dropped.
    pub fn new(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut offered: Vec<&str> = Vec::new();
        for token in tokens {
            if !offered.contains(&token) {
                offered.push(token);
            }
        }
        Self { offered }
    }

    /// Whether the client offers `atlas.v1`, alone or with a game's token.
    pub fn offers_atlas(&self) -> bool {
        self.offered.iter().any(|token| is_atlas_client(token))
    }

    /// The game's own tokens in the client's order, those inside `atlas.v1.TOKEN` included: what the game server is
    /// offered. Tokens that claim to be Atlas's are never among them.
    pub fn of_game(&self) -> Vec<&'a str> {
        let mut tokens: Vec<&str> = Vec::new();
        for token in &self.offered {
            let token = game_token(token).unwrap_or(token);
            if !is_reserved(token) && !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// The answer to a client whose (plain) game server chose `chosen`.
    ///
    /// The answer never claims a token of the game that the server did not choose: `atlas.v1.TOKEN` only with its
    /// TOKEN, else `atlas.v1` alone if it was offered, else what the server said.
    pub fn answer(&self, chosen: Option<&str>) -> Answered<'a> {
        let with_token =
            chosen.and_then(|chosen| self.find(|token| game_token(token) == Some(chosen)));
        if let Some(token) = with_token.or_else(|| self.find(|token| token == ATLAS_CLIENT)) {
            return Answered {
                token: Some(token),
                atlas: true,
            };
        }
        let plain =
            chosen.and_then(|chosen| self.find(|token| token == chosen && !is_reserved(token)));
        Answered {
            token: plain,
            atlas: false,
        }
    }

    /// The answer to a client whose game server speaks `atlas.link.v1` and so chose none of the game's tokens: the
    /// client's first of `atlas.v1`, else its first of the game's (browsers fail a connection that answers none).
    pub fn answer_cooperative(&self) -> Answered<'a> {
        match self.find(is_atlas_client) {
            Some(token) => Answered {
                token: Some(token),
                atlas: true,
            },
            None => Answered {
                token: self.find(|token| !is_reserved(token)),
                atlas: false,
            },
        }
    }

    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.offered.iter().copied().find(|token| wanted(token))
    }
}

/// The game's token in `atlas.v1.TOKEN`.
fn game_token(token: &str) -> Option<&str> {
    token
        .strip_prefix(ATLAS_CLIENT)?
        .strip_prefix('.')
        .filter(|token| !token.is_empty())
}

/// Whether this is `atlas.v1`, alone or with a token of the game that is not itself Atlas's.
fn is_atlas_client(token: &str) -> bool {
    token == ATLAS_CLIENT || game_token(token).is_some_and(|token| !is_reserved(token))
}

/// Whether a token is of the names that only an edge may offer to a server, whatever its case.
fn is_reserved(token: &str) -> bool {
    let begins = |prefix: &str| {
        token
            .as_bytes()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    begins("atlas.link") || begins(ATLAS_CLIENT)
}
