use std::borrow::Cow;
use std::fmt::Write as _;

use atlas_base::{Position, SessionId};
use serde::{Deserialize, Serialize};

/// What a client says to the game server, as the server reads it; other fields are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct ClientMessage<'a> {
    /// `join`, `move`, `say` or `ask`.
    #[serde(borrow)]
    pub(crate) client: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) player_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) n: Option<u64>,
    #[serde(default)]
    pub(crate) x: Option<f64>,
    #[serde(default)]
    pub(crate) y: Option<f64>,
    #[serde(default)]
    pub(crate) z: Option<f64>,
    /// The answer is to be so many bytes long.
    #[serde(default)]
    pub(crate) want: Option<usize>,
    /// Of an `ask`: `transfer`, `position`, `kick` or `send`.
    #[serde(borrow, default, rename = "for")]
    pub(crate) what: Option<Cow<'a, str>>,
    /// To this server, by name.
    #[serde(borrow, default)]
    pub(crate) server: Option<Cow<'a, str>>,
    /// To this region, by name.
    #[serde(borrow, default)]
    pub(crate) region: Option<Cow<'a, str>>,
    /// To the server of this session.
    #[serde(default)]
    pub(crate) session: Option<SessionId>,
    /// A kick's close code.
    #[serde(default)]
    pub(crate) code: Option<u16>,
    /// A kick's or transfer's reason.
    #[serde(borrow, default)]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// What is sent to another server.
    #[serde(borrow, default)]
    pub(crate) body: Option<Cow<'a, str>>,
}

impl ClientMessage<'_> {
    /// Whether it asks the server to say something to its edge.
    pub(crate) fn is_ask(&self) -> bool {
        self.client == "ask"
    }

    /// The position it names, if it names one whole and finite.
    pub(crate) fn position(&self) -> Option<Position> {
        let at = Position::new(self.x?, self.y?, self.z?);
        at.is_finite().then_some(at)
    }
}

/// What a server says to a client, as the client reads it. An echo of the client's own message reads
/// as an answer too, which lets the load client verify plain echo servers.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(default)]
    pub(crate) n: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) server: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) out: Option<u64>,
    #[serde(default)]
    pub(crate) gaps: Option<u64>,
    #[serde(default)]
    pub(crate) doubles: Option<u64>,
    /// How many messages of the player the server's state contains, those without a number too.
    #[serde(default)]
    pub(crate) taken: Option<u64>,
}

/// No answer is made longer than this.
const WANT_BYTES_MAX: usize = 64 << 10;

/// What the game knows of one player, and what travels with the player from server to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PlayerState {
    /// The player's id, empty before a join named it.
    pub(crate) player: String,
    /// The highest number the player's messages had.
    pub(crate) last_n: u64,
    /// Answers to this player for ever.
    pub(crate) out: u64,
    /// Messages of this player for ever, those without a number too.
    pub(crate) taken: u64,
    /// Numbers that never came, as far as seen.
    pub(crate) gaps: u64,
    /// Messages whose number was not above the one before.
    pub(crate) doubles: u64,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
}

impl PlayerState {
    /// A new connection of the player begins: its messages are numbered from 1 again.
    pub(crate) fn count_anew(&mut self) {
        (self.last_n, self.gaps, self.doubles) = (0, 0, 0);
    }

    /// Takes a numbered message in and counts what is wrong with its number.
    ///
    /// `midway`: the first message of all may have any number, because the server cannot know what
    /// the player said elsewhere.
    pub(crate) fn take(&mut self, n: u64, at: Option<Position>, midway: bool) {
        if n <= self.last_n {
            self.doubles += 1;
        } else {
            if !(midway && self.last_n == 0) {
                self.gaps += n - self.last_n - 1;
            }
            self.last_n = n;
        }
        if let Some(at) = at {
            (self.x, self.y, self.z) = (at.x, at.y, at.z);
        }
        self.out += 1;
    }
}

/// Writes the answer to message `n` into `text`, which is emptied first. `server` is the server's
/// name as a JSON string, quotes included.
pub(crate) fn write_answer(text: &mut String, server: &str, n: u64, state: &PlayerState) {
    text.clear();
    let PlayerState {
        out,
        gaps,
        doubles,
        taken,
        ..
    } = state;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"{{"server":{server},"n":{n},"out":{out},"gaps":{gaps},"doubles":{doubles},"taken":{taken}}}"#
    );
}

/// Makes an answer as long as was wanted, if it is shorter; at most 64 KiB.
pub(crate) fn pad(text: &mut String, want: Option<usize>) {
    if let Some(want) = want
        && text.pop() == Some('}')
    {
        *text = padded(std::mem::take(text), want.min(WANT_BYTES_MAX));
    }
}

/// Message `n` of a player, without a position, that wants an answer of so many bytes.
pub(crate) fn want(n: u64, bytes: usize) -> String {
    format!(r#"{{"client":"say","n":{n},"want":{bytes}}}"#)
}

/// A player's first message. `player` must need no escaping in JSON; ours are letters and digits.
pub(crate) fn join(player: &str) -> String {
    format!(r#"{{"client":"join","player_id":"{player}"}}"#)
}

/// Message `n` of a player at `at`, padded to `bytes` if it is shorter.
pub(crate) fn step(n: u64, at: Position, bytes: usize) -> String {
    let Position { x, y, z } = at;
    let text = format!(r#"{{"client":"move","n":{n},"x":{x:.2},"y":{y:.2},"z":{z:.2}"#);
    padded(text, bytes)
}

/// Message `n` of a player, without a position, padded to `bytes` if it is shorter.
pub(crate) fn say(n: u64, bytes: usize) -> String {
    padded(format!(r#"{{"client":"say","n":{n}"#), bytes)
}

fn padded(mut text: String, bytes: usize) -> String {
    const AROUND: usize = r#","pad":""}"#.len();
    if let Some(pad) = bytes.checked_sub(text.len() + AROUND) {
        text.reserve(AROUND + pad);
        text.push_str(r#","pad":""#);
        text.extend(std::iter::repeat_n('.', pad));
        text.push_str(r#""}"#);
    } else {
        text.push('}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_meant() {
        let at = Position::new(1.25, 0.0, -3.5);
        for bytes in [0, 40, 60, 61, 62, 63, 64, 65, 66, 500] {
            let text = step(17, at, bytes);
            let read: ClientMessage<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&*read.client, read.n, read.position()),
                ("move", Some(17), Some(at)),
                "{text}"
            );
            assert!(
                text.len() == bytes || (bytes < 70 && text.len() < 70),
                "{} for {bytes}",
                text.len()
            );
        }
        let text = say(3, 64);
        let read: ClientMessage<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&*read.client, read.n, read.position(), text.len()),
            ("say", Some(3), None, 64)
        );
        let text = join("p-12");
        let read: ClientMessage<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&*read.client, read.player_id.as_deref(), read.n),
            ("join", Some("p-12"), None)
        );
        let mut text = String::new();
        write_answer(
            &mut text,
            r#""we\"st""#,
            4,
            &PlayerState {
                out: 9,
                gaps: 2,
                doubles: 1,
                ..PlayerState::default()
            },
        );
        let read: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.server.as_deref(), Some("we\"st"));
        assert_eq!(
            (read.n, read.out, read.gaps, read.doubles),
            (Some(4), Some(9), Some(2), Some(1))
        );
    }

    #[test]
    fn a_server_counts_what_is_wrong_with_numbers() {
        type Row = (&'static [u64], bool, (u64, u64, u64));
        let table: [Row; 6] = [
            (&[1, 2, 3], false, (3, 0, 0)),
            (&[1, 3, 4], false, (4, 1, 0)),
            (&[1, 2, 2, 3], false, (3, 0, 1)),
            (&[2, 1], false, (2, 1, 1)),
            (&[57, 58], true, (58, 0, 0)),
            (&[57, 59], true, (59, 1, 0)),
        ];
        for (numbers, midway, (last_n, gaps, doubles)) in table {
            let mut state = PlayerState::default();
            for &n in numbers {
                state.take(n, None, midway);
            }
            assert_eq!(
                (state.last_n, state.gaps, state.doubles),
                (last_n, gaps, doubles),
                "{numbers:?}"
            );
            assert_eq!(state.out, numbers.len() as u64);
        }
    }
}
