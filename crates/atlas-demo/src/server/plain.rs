use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

use super::{Over, Shared, Socket, close, data, fault, stopped};
use crate::messages::{self, ClientMessage, PlayerState};

/// After so many answers in a row they are flushed, even if more input waits.
const BATCH_MAX: usize = 64;

/// A longer player id is not remembered.
const PLAYER_BYTES_MAX: usize = 256;

/// What one message of a player came to.
pub(super) enum Effect {
    /// It has the answer that was written.
    Answer,
    /// It changed something, or nothing, and has no answer.
    Quiet,
}

/// Applies one message of the game to a player's state and writes the answer, if it has one.
pub(super) fn apply(
    shared: &Shared,
    state: &mut PlayerState,
    message: &ClientMessage<'_>,
    midway: bool,
    answer: &mut String,
) -> Effect {
    let counters = &shared.counters;
    counters.messages.add(1);
    state.taken += 1;
    if &*message.client == "join" {
        if !midway {
            // The state may be one that the player left behind, and a new connection counts anew.
            state.count_anew();
        }
        // A replayed join must not undo what the state says already, and an id stays short enough for
        // the state to travel in one message.
        if let Some(player) = message
            .player_id
            .as_deref()
            .filter(|player| state.player.is_empty() && player.len() <= PLAYER_BYTES_MAX)
        {
            state.player = player.to_owned();
        }
    }
    let Some(n) = message.n else {
        return Effect::Quiet;
    };
    // The place in a question is not where the player is.
    let at = message.position().filter(|_| !message.is_ask());
    if let (Some(region), Some(at)) = (shared.config.region, at) {
        counters.outside.add(u64::from(!region.contains(at)));
    }
    let before = (state.gaps, state.doubles);
    state.take(n, at, midway);
    counters.gaps.add(state.gaps - before.0);
    counters.doubles.add(state.doubles - before.1);
    counters.answers.add(1);
    messages::write_answer(answer, &shared.name, n, state);
    Effect::Answer
}

/// Serves one player who came without a link; its state lives as long as the connection.
pub(super) async fn serve(shared: &Shared, mut socket: Socket, mut stop: watch::Receiver<bool>) {
    let over = tokio::select! {
        over = talk(shared, &mut socket) => over,
        () = stopped(&mut stop) => Over::Ours(1012, "the server stops".to_owned()),
    };
    close(socket, over).await;
}

async fn talk(shared: &Shared, socket: &mut Socket) -> Over {
    let mut state = PlayerState::default();
    let mut answer = String::new();
    let mut batch = 0;
    loop {
        // As long as input is there already, answers gather; they leave in one write.
        let next = if batch > 0 && batch < BATCH_MAX {
            socket.next().now_or_never()
        } else {
            None
        };
        let next = match next {
            Some(next) => next,
            None => {
                batch = 0;
                if socket.flush().await.is_err() {
                    return Over::Theirs;
                }
                socket.next().await
            }
        };
        let message = match next {
            Some(Ok(message)) => message,
            Some(Err(error)) => return fault(&error),
            None => return Over::Theirs,
        };
        let Some((_, bytes)) = data(message) else {
            continue;
        };
        let Ok(message) = serde_json::from_slice::<ClientMessage<'_>>(&bytes) else {
            shared.counters.unread.add(1);
            continue;
        };
        if let Effect::Answer = apply(shared, &mut state, &message, true, &mut answer) {
            batch += 1;
            messages::pad(&mut answer, message.want);
            if socket.feed(Message::text(answer.as_str())).await.is_err() {
                return Over::Theirs;
            }
        }
    }
}
