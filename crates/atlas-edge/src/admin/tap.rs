//! `GET /v1/tap`: what moves, as server-sent events. The admin listener guards it as a right of its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use atlas_runtime::admin::{Access, Operation, Problem, Routes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::handle::Handle;
use crate::tap::{
    Direction, Filter, LISTENERS_MAX, Listener, PARTS, RATE_MAX, SessionStart, TapCounts, TapView,
};

/// Messages a second where none are asked for.
const RATE: u32 = 100;

pub(super) fn routes() -> Routes<Handle> {
    let operation = Operation::get(
        "/v1/tap",
        "What moves, as server-sent events, without what it says",
    )
    .access(Access::Own("tap.token"))
    .query::<Parameters>()
    .event::<TapView>("message", "a message")
    .event::<TapCounts>(
        "counts",
        "how many there were, once a second if that changed",
    );
    Routes::new().add(operation, get(tap))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Only messages of this world.
    world: Option<String>,
    /// Only messages from and to this server.
    server: Option<String>,
    /// Only messages of this session: its id, or the start of it.
    session: Option<String>,
    /// Only messages that go this way.
    direction: Option<Direction>,
    /// One of so many; 1 if nothing is said.
    every: Option<u32>,
    /// At most so many a second: 1 to 1000, 100 if nothing is said.
    rate: Option<u32>,
}

async fn tap(
    State(edge): State<Handle>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = parameters?;
    let wrong = |what: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what);
    let every = wanted.every.unwrap_or(1);
    if every == 0 {
        return Err(wrong("`every` is 1 or more: one of so many messages"));
    }
    let rate = wanted.rate.unwrap_or(RATE);
    if !(1..=RATE_MAX).contains(&rate) {
        return Err(wrong(&format!(
            "`rate` is 1 to {RATE_MAX} messages a second"
        )));
    }
    let session = match wanted.session.as_deref() {
        Some(text) => Some(
            SessionStart::parse(text)
                .ok_or_else(|| wrong("`session` is the start of a session's id"))?,
        ),
        None => None,
    };
    let filter = Filter {
        world: wanted.world,
        server: wanted.server,
        session,
        direction: wanted.direction,
        every,
        rate,
    };
    let Some((listener, messages)) = edge.shared.tap.listen(filter) else {
        let full = format!("{LISTENERS_MAX} listen already; one of them has to go first");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, full));
    };
    let watcher = Watcher::new(edge, listener, messages);
    let events = futures_util::stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    Ok(answer(events))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// One listener's stream; it stops to listen when it is dropped.
struct Watcher {
    edge: Handle,
    listener: Arc<Listener>,
    messages: mpsc::Receiver<TapView>,
    refill: Interval,
    ticks: u32,
    told: TapCounts,
}

impl Watcher {
    fn new(edge: Handle, listener: Arc<Listener>, messages: mpsc::Receiver<TapView>) -> Self {
        let mut refill = interval(Duration::from_secs(1) / PARTS);
        refill.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            edge,
            listener,
            messages,
            refill,
            ticks: 0,
            told: TapCounts::default(),
        }
    }

    /// The next message, or each second what was left out.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                message = self.messages.recv() => return Some(event("message", &message?)),
                _ = self.refill.tick() => {
                    self.listener.refill();
                    self.ticks += 1;
                    let counts = self.listener.counts();
                    if self.ticks.is_multiple_of(PARTS) && counts != self.told {
                        self.told = counts;
                        return Some(event("counts", &counts));
                    }
                }
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.edge.shared.tap.leave(&self.listener);
        let TapCounts {
            shown, left_out, ..
        } = self.listener.counts();
        let metrics = &self.edge.shared.metrics.tapped;
        for (outcome, count) in [("shown", shown), ("left-out", left_out)] {
            metrics.with_label_values(&[outcome]).inc_by(count);
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}
