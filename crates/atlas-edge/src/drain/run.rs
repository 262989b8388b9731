//! One drain, from its first word to the last player.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use atlas_base::SessionId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{Drain, Stage};
use crate::control::DrainAnswer;
use crate::mail::Mail;
use crate::shared::Shared;
use crate::worker::{Ask, Resident};

/// How long a server may take to answer that it is drained.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks at who is there.
const LOOK: Duration = Duration::from_millis(100);
/// Between a move that came to nothing and the next attempt.
const RETRY: Duration = Duration::from_secs(1);
/// Moves under way at once.
const MOVES_MAX: usize = 64;
/// How long those who are on their way at the deadline may take to get there.
const GRACE: Duration = Duration::from_secs(2);

/// Empties a server, unless the drain is cancelled.
pub(super) async fn run(shared: Arc<Shared>, drain: Arc<Drain>) {
    let mut cancelled = drain.cancelled.subscribe();
    let (world, server) = (&*drain.key.0, &*drain.server.config.name);
    tracing::info!(world, server, "a server is being emptied");
    tokio::select! {
        // Moves under way go on; the workers have them.
        _ = cancelled.wait_for(|cancelled| *cancelled) => {
            tracing::info!(world, server, "the drain was cancelled");
            return;
        }
        () = empty(&shared, &drain) => {}
    }
    let mut progress = drain.progress();
    progress.stage = Stage::Drained;
    let (moved, dropped, gone) = (
        progress.moved.len(),
        progress.dropped.len(),
        progress.gone(),
    );
    drop(progress);
    tracing::info!(world, server, moved, dropped, gone, "a server is empty");
    let metrics = &shared.metrics.drained;
    for (outcome, count) in [("moved", moved), ("dropped", dropped), ("gone", gone)] {
        metrics
            .with_label_values(&[world, outcome])
            .inc_by(count as u64);
    }
}

async fn empty(shared: &Arc<Shared>, drain: &Arc<Drain>) {
    let left = drain.deadline.saturating_since(shared.now());
    let deadline = Instant::now() + left;
    let window = drain.window.min(left);
    ask(shared, drain, deadline - window).await;
    let mut window = window.min(deadline - Instant::now());
    while Instant::now() < deadline {
        let mut residents = look(shared, drain).await;
        if residents.is_empty() && drain.server.places() == 0 {
            return;
        }
        residents.retain(|resident| resident.movable);
        if residents.is_empty() {
            sleep_until(deadline.min(Instant::now() + LOOK)).await;
            continue;
        }
        move_all(shared, drain, residents, window, deadline).await;
        // Whoever could not be moved is tried again soon.
        window = Duration::ZERO;
    }
    drop_all(shared, drain, deadline).await;
}

/// Tells the server, and waits as long as it asks for, but not past `latest`.
async fn ask(shared: &Arc<Shared>, drain: &Drain, latest: Instant) {
    let left = drain.deadline.saturating_since(shared.now());
    let Some(mut answers) = shared.controls.drain(&drain.key, left) else {
        return;
    };
    let mut until = Instant::now() + ANSWER_TIMEOUT;
    while let Ok(Some(answer)) = timeout_at(until.min(latest), answers.recv()).await {
        match answer {
            DrainAnswer::Now => break,
            DrainAnswer::Later(time, reason) => {
                // More than there is means no more than there is.
                let time = time.min(latest.saturating_duration_since(Instant::now()));
                until = Instant::now() + time;
                drain.progress().waits = Some((shared.now() + time, reason));
            }
        }
    }
    drain.progress().waits = None;
}

/// Who is at the server now.
async fn look(shared: &Shared, drain: &Drain) -> Vec<Resident> {
    let mut answers = Vec::with_capacity(shared.mailboxes.len());
    for mailbox in &shared.mailboxes {
        let (reply, answer) = oneshot::channel();
        mailbox.send(Mail::Ask(Ask::Residents {
            world: Arc::clone(&drain.key.0),
            server: drain.key.1,
            reply,
        }));
        answers.push(answer);
    }
    let mut residents = Vec::new();
    for answer in answers {
        // A worker that has stopped has nobody.
        residents.extend(answer.await.unwrap_or_default());
    }
    let mut progress = drain.progress();
    progress.left = residents.len();
    progress
        .seen
        .extend(residents.iter().map(|resident| resident.session));
    residents
}

/// Moves players away, those who said nothing for longest first, spread over `window`.
async fn move_all(
    shared: &Arc<Shared>,
    drain: &Arc<Drain>,
    mut residents: Vec<Resident>,
    window: Duration,
    deadline: Instant,
) {
    residents.sort_by_key(|resident| std::cmp::Reverse(resident.idle));
    let step = window / u32::try_from(residents.len()).unwrap_or(u32::MAX);
    let begin = Instant::now();
    let mut moves: JoinSet<bool> = JoinSet::new();
    let mut all_moved = true;
    for (index, resident) in (0..).zip(residents) {
        sleep_until((begin + step * index).min(deadline)).await;
        if moves.len() >= MOVES_MAX
            && let Some(moved) = moves.join_next().await
        {
            all_moved &= moved.unwrap_or(false);
        }
        if Instant::now() >= deadline {
            return;
        }
        moves.spawn(move_one(
            Arc::clone(shared),
            Arc::clone(drain),
            resident.session,
        ));
    }
    while let Ok(Some(moved)) = timeout_at(deadline, moves.join_next()).await {
        all_moved &= moved.unwrap_or(false);
    }
    if !all_moved {
        sleep_until(deadline.min(Instant::now() + RETRY)).await;
    }
}

/// Moves one player away; false if it came to nothing and is to be tried again.
async fn move_one(shared: Arc<Shared>, drain: Arc<Drain>, session: SessionId) -> bool {
    let mut answers = Vec::with_capacity(shared.mailboxes.len());
    for mailbox in &shared.mailboxes {
        let (reply, answer) = oneshot::channel();
        mailbox.send(Mail::Ask(Ask::MoveAway {
            session,
            from: drain.key.1,
            reply,
        }));
        answers.push(answer);
    }
    for answer in answers {
        // The workers who do not have it do not know it.
        let Ok(Ok(moved)) = answer.await else {
            continue;
        };
        let mut progress = drain.progress();
        if moved.outcome == "done" {
            progress.left = progress
                .left
                .saturating_sub(usize::from(progress.moved.insert(session)));
            return true;
        }
        progress.obstacle = Some(moved.why);
        return false;
    }
    // Gone by itself.
    true
}

/// The deadline: whoever is left is closed and told when to come back. Those who are just being moved may get there.
async fn drop_all(shared: &Arc<Shared>, drain: &Drain, deadline: Instant) {
    loop {
        let residents = look(shared, drain).await;
        if residents.is_empty() && drain.server.places() == 0 {
            return;
        }
        let over = Instant::now() >= deadline + GRACE;
        if over && residents.is_empty() {
            // Who has a place and no session is on the way in, and finds the door closed.
            return;
        }
        let except: Arc<HashSet<SessionId>> = Arc::new(drain.progress().dropped.clone());
        let mut answers = Vec::with_capacity(shared.mailboxes.len());
        for mailbox in &shared.mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.send(Mail::Ask(Ask::Cut {
                world: Arc::clone(&drain.key.0),
                server: drain.key.1,
                all: over,
                except: Arc::clone(&except),
                spread: drain.window,
                reply,
            }));
            answers.push(answer);
        }
        for answer in answers {
            let cut = answer.await.unwrap_or_default();
            drain.progress().dropped.extend(cut);
        }
        sleep(LOOK).await;
    }
}
