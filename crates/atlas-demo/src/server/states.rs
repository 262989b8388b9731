//! Players' states as they travel: JSON, padded where large states are to be tried.

use atlas_wire::link::{Carried, State, StateId};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::messages::PlayerState;

/// What padding repeats. Its length divides no length of a part, so that lost, doubled and exchanged parts show.
const PATTERN: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789.";
/// What the padding's own field takes.
const AROUND: usize = r#","pad":"""#.len();

/// How one server writes its players' states.
#[derive(Debug)]
pub(super) struct States {
    bytes_min: usize,
    padding: String,
}

/// A state that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damaged {
    /// It is not what a server of this game writes.
    #[error("it is no state of this game")]
    Json(#[source] serde_json::Error),
    /// Its padding is not as it was written.
    #[error("its padding is damaged at byte {at}")]
    Padding { at: usize },
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    state: &'a PlayerState,
    #[serde(skip_serializing_if = "str::is_empty")]
    pad: &'a str,
}

#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    state: PlayerState,
    #[serde(default)]
    pad: String,
}

impl States {
    /// States are padded to at least `bytes_min` bytes.
    pub(super) fn new(bytes_min: usize) -> Self {
        let padding = PATTERN.iter().cycle().take(bytes_min);
        Self {
            bytes_min,
            padding: padding.map(|byte| char::from(*byte)).collect(),
        }
    }

    fn write(&self, state: &PlayerState) -> Vec<u8> {
        let write = |pad| {
            serde_json::to_vec(&Written { state, pad })
                .expect("a struct of numbers and texts is always JSON")
        };
        let bare = write("");
        match self.bytes_min.checked_sub(bare.len() + AROUND) {
            Some(lacks) if lacks > 0 => write(&self.padding[..lacks]),
            _ => bare,
        }
    }

    /// A state as a control message carries it; if it is long, its parts are added to `replies`. `id` names it among
    /// the states on their way on this link.
    pub(super) fn carry(
        &self,
        state: &PlayerState,
        id: u128,
        replies: &mut Vec<Message>,
    ) -> Carried {
        let state = State::from(self.write(state));
        Carried::new(state, StateId(id), |part| {
            replies.push(Message::Binary(Bytes::copy_from_slice(part)));
        })
    }
}

/// Edges carry states without looking into them; here they are JSON.
pub(super) fn read(bytes: &[u8]) -> Result<PlayerState, Damaged> {
    let Read { state, pad } = serde_json::from_slice(bytes).map_err(Damaged::Json)?;
    let damaged = pad
        .bytes()
        .zip(PATTERN.iter().cycle())
        .position(|(found, meant)| found != *meant);
    match damaged {
        Some(at) => Err(Damaged::Padding { at }),
        None => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_whatever_their_size_and_damage_shows() {
        let state = PlayerState {
            player: "p-12".to_owned(),
            last_n: 97,
            ..PlayerState::default()
        };
        for bytes in [0, 1, 90, 100, 110, 111, 1000, 65_536, 65_537, 300_000] {
            let mut replies = Vec::new();
            let states = States::new(bytes);
            let written = states.write(&state);
            assert!(
                written.len() == bytes || bytes < 130,
                "{} for {bytes}",
                written.len()
            );
            assert_eq!(read(&written).unwrap(), state);
            match states.carry(&state, 7, &mut replies) {
                Carried::Inline(inline) => assert!(inline.len() <= 65_536 && replies.is_empty()),
                Carried::Parts(id) => {
                    assert_eq!(id, StateId(7));
                    assert_eq!(replies.len(), bytes.div_ceil(65_536));
                }
                Carried::Nothing => panic!("a state is carried"),
            }
        }
        let mut written = States::new(200_000).write(&state);
        written.copy_within(70_000..140_000, 69_999);
        assert!(matches!(read(&written), Err(Damaged::Padding { .. })));
        assert!(matches!(read(b"{}x"), Err(Damaged::Json(_))));
    }
}
