//! The DevTools connection: numbered calls, their answers, and events by session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::deadline::Deadline;
use crate::error::{Error, Result};

type Waiting = HashMap<u64, oneshot::Sender<Value>>;
type Listeners = HashMap<String, mpsc::UnboundedSender<Value>>;

/// One WebSocket to the browser; calls of all pages go over it.
#[derive(Debug)]
pub(super) struct Connection {
    outbox: mpsc::UnboundedSender<Message>,
    next: AtomicU64,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    listeners: Mutex<Listeners>,
}

impl Connection {
    pub(super) async fn open(address: &str, deadline: Deadline) -> Result<Self> {
        // Screenshots come as one base64 message.
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let opening = connect_async_with_config(address, Some(config), true);
        let (mut socket, _) = deadline
            .limit("the DevTools connection", opening)
            .await?
            .map_err(Error::websocket("DevTools"))?;
        let (outbox, mut queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    queued = queue.recv() => match queued {
                        Some(message) => if socket.send(message).await.is_err() { break },
                        None => break,
                    },
                    message = socket.next() => match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Ok(value) = serde_json::from_str(text.as_str()) {
                                seen.take(value);
                            }
                        }
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break,
                    },
                }
            }
            // Whoever still waits learns that no answer comes.
            seen.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        });
        Ok(Self {
            outbox,
            next: AtomicU64::new(1),
            shared,
            task: task.abort_handle(),
        })
    }

    /// Calls a method, of a page's session or of the browser, and gives its result.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
        deadline: Deadline,
    ) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, sender);
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let _ = self.outbox.send(Message::text(call.to_string()));
        let Ok(mut answer) = deadline.limit(method, answer).await? else {
            return Err(Error::unexpected(
                format!("an answer to {method}"),
                "the end of the browser",
            ));
        };
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Error::unexpected(
                format!("a result of {method}"),
                answer["error"].to_string(),
            )),
        }
    }

    /// The events of a page's session from now on.
    pub(super) fn listen(&self, session: &str) -> mpsc::UnboundedReceiver<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.shared
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.to_owned(), sender);
        receiver
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn take(&self, value: Value) {
        if let Some(id) = value["id"].as_u64() {
            if let Some(waiting) = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id)
            {
                let _ = waiting.send(value);
            }
        } else if let Some(session) = value["sessionId"].as_str() {
            let listeners = self
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(listener) = listeners.get(session) {
                let _ = listener.send(value);
            }
        }
    }
}
