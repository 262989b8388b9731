//! Why the edge closed a client, as a label: a small fixed set of words, whatever the close frame says.

use atlas_wire::frame::CloseCode;

use crate::worker::NO_ROOM;

/// The label of a close, from its code and the words that the client is told.
pub(super) fn cause(code: u16, reason: &str) -> &'static str {
    match (CloseCode(code), reason) {
        (_, NO_ROOM) => "no-room",
        (_, "slow-client") => "slow-client",
        (_, "too many messages or bytes a second") => "rate",
        (_, "a message took too long to end") => "message-timeout",
        (_, "no answer to a ping") => "ping-timeout",
        (_, reason) if reason.starts_with("the edge is restarting") => "stop",
        (_, reason) if reason.starts_with("the server is being emptied") => "drain",
        (_, "the player came again" | "the player is here already") => "duplicate-player",
        (CloseCode::RESTART, _) => "server-lost",
        (CloseCode::TRY_AGAIN, _) => "no-server",
        (CloseCode(1011), _) => "servers-lost",
        (CloseCode(1000..=1011), _) => "protocol",
        _ => "kick",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_counted_under_few_words() {
        for (code, reason, word) in [
            (1013, "slow-client", "slow-client"),
            (
                1012,
                "the server is being emptied; come back in 3174 ms",
                "drain",
            ),
            (1012, "the edge is restarting; come back in 12 ms", "stop"),
            (1012, "the game server is gone", "server-lost"),
            (1013, NO_ROOM, "no-room"),
            (1013, "no server takes the player", "no-server"),
            (
                1011,
                "two servers were lost soon after the player came",
                "servers-lost",
            ),
            (1009, "a message is longer than the limit", "protocol"),
            (1002, "a frame that is not masked", "protocol"),
            (4409, "the player came again", "duplicate-player"),
            (1008, "the player is here already", "duplicate-player"),
            (4000, "anything that a person types", "kick"),
        ] {
            assert_eq!(cause(code, reason), word, "{code} {reason}");
        }
    }
}
