//! Servers that register themselves over HTTP, with the API that Horizon game servers call.
//!
//! `routes.rs` listens, `offer.rs` makes a server of what was said, `registry.rs` decides who is registered, by whom the
//! newcomer's place is held, and who fell silent; `messages.rs` is the JSON. `docs/formats/registration.md` has it byte
//! for byte.
//!
//! A registration lives as long as its heartbeats: after three missed ones the server is suspect, after six it is gone
//! and its players are moved. Registrations belong to the running edge; a reload keeps them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::{Instant, sleep_until};

use crate::shared::Shared;

mod messages;
mod metrics;
mod offer;
mod registry;
mod routes;

pub(crate) use metrics::Metrics;
pub(crate) use registry::Registrations;
pub(crate) use routes::router;

/// The least time between two looks at who fell silent.
const LOOK_MIN: Duration = Duration::from_millis(100);

/// Why a request of a game server is not granted.
#[derive(Debug, PartialEq)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Looks who fell silent until the edge is gone.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        let heartbeat = *shared.view.load().edge.registration.heartbeat;
        sleep_until(Instant::now() + (heartbeat / 8).max(LOOK_MIN)).await;
        registry::sweep(&shared, shared.now());
    }
}
