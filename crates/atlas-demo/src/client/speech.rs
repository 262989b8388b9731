//! How a client's messages travel: bare, or behind the tags of `atlas.v1`.

use std::time::{Duration, Instant};

use atlas_wire::client::{ACK_AFTER_MS, ACK_MESSAGES, Ack, FromClient, ToClient};
use atlas_wire::tag::Tag;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// The subprotocol of a client that knows Atlas.
pub(super) const ATLAS: &str = "atlas.v1";

/// What a client speaks, and its counts.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// Whether it is `atlas.v1`.
    atlas: bool,
    /// The edge's data messages so far, and how many of them it was told of.
    received: u64,
    acknowledged: u64,
    owed_since: Option<Instant>,
}

/// What came.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// A message of the game.
    Game(Bytes),
    /// So many inputs are lost.
    Reset(u64),
    /// Nothing that the game looks at.
    Nothing,
    /// Against the rules of `atlas.v1`.
    Fault(&'static str),
}

impl Speech {
    pub(super) fn new(atlas: bool) -> Self {
        Self {
            atlas,
            ..Self::default()
        }
    }

    /// A message of the game as it travels.
    pub(super) fn say(&self, text: &str) -> Message {
        if self.atlas {
            Message::binary([&[Tag::Text.byte()], text.as_bytes()].concat())
        } else {
            Message::text(text)
        }
    }

    /// Reads a text or binary message; the rest is none of the game's.
    pub(super) fn hear(&mut self, now: Instant, message: Message) -> Heard {
        let (bytes, binary) = match message {
            Message::Text(text) => (Bytes::from(text), false),
            Message::Binary(bytes) => (bytes, true),
            _ => return Heard::Nothing,
        };
        if !self.atlas {
            return Heard::Game(bytes);
        }
        let tag = bytes.first().and_then(|byte| Tag::from_byte(*byte));
        match tag.filter(|_| binary) {
            Some(Tag::Text | Tag::Binary) => {
                self.received += 1;
                self.owed_since.get_or_insert(now);
                Heard::Game(bytes.slice(1..))
            }
            Some(Tag::Control) => match ToClient::decode(&bytes[1..]) {
                Ok(ToClient::Reset(reset)) => Heard::Reset(reset.lost_input),
                Ok(_) => Heard::Nothing,
                Err(_) => Heard::Fault("a control message that cannot be read"),
            },
            _ => Heard::Fault("a message without a tag that is known"),
        }
    }

    /// The acknowledgement that is due, if one is.
    pub(super) fn due(&mut self, now: Instant) -> Option<Message> {
        let since = self.owed_since?;
        let late = now.saturating_duration_since(since) >= Duration::from_millis(ACK_AFTER_MS);
        if !late && self.received - self.acknowledged < ACK_MESSAGES {
            return None;
        }
        self.acknowledged = self.received;
        self.owed_since = None;
        let ack = FromClient::from(Ack {
            received: self.received,
        });
        let mut bytes = Vec::new();
        ack.encode(&mut bytes);
        Some(Message::binary(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: u8, rest: &str) -> Message {
        Message::binary([&[tag], rest.as_bytes()].concat())
    }

    #[test]
    fn bare_messages_are_the_games() {
        let mut speech = Speech::new(false);
        assert_eq!(speech.say("hi"), Message::text("hi"));
        let heard = speech.hear(Instant::now(), Message::text("ho"));
        assert_eq!(heard, Heard::Game("ho".into()));
        assert_eq!(speech.due(Instant::now() + Duration::from_secs(9)), None);
    }

    #[test]
    fn tagged_ones_are_told_apart_and_acknowledged() {
        let now = Instant::now();
        let mut speech = Speech::new(true);
        assert_eq!(speech.say("hi"), tagged(0, "hi"));
        let reset = r#"{"type":"reset","reason":"failover","lost_input":3,"state_age_ms":20}"#;
        assert_eq!(speech.hear(now, tagged(2, reset)), Heard::Reset(3));
        assert_eq!(
            speech.hear(now, tagged(2, r#"{"type":"ack","received":1}"#)),
            Heard::Nothing
        );
        assert!(matches!(
            speech.hear(now, tagged(2, "what")),
            Heard::Fault(_)
        ));
        assert!(matches!(
            speech.hear(now, tagged(0x40, "")),
            Heard::Fault(_)
        ));
        assert!(matches!(
            speech.hear(now, Message::text("bare")),
            Heard::Fault(_)
        ));
        assert_eq!(speech.due(now), None, "control messages do not count");
        for _ in 0..31 {
            assert_eq!(speech.hear(now, tagged(0, "ho")), Heard::Game("ho".into()));
        }
        assert_eq!(speech.due(now), None);
        speech.hear(now, tagged(1, "ho"));
        let ack = |received: u64| {
            Some(tagged(
                2,
                &format!(r#"{{"type":"ack","received":{received}}}"#),
            ))
        };
        assert_eq!(speech.due(now), ack(32));
        speech.hear(now, tagged(1, "ho"));
        assert_eq!(speech.due(now + Duration::from_millis(999)), None);
        assert_eq!(speech.due(now + Duration::from_secs(1)), ack(33));
        assert_eq!(speech.due(now + Duration::from_secs(9)), None);
    }
}
