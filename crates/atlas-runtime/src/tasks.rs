//! Everything that runs in the process, by name and kind, so that its end can be waited for.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::AbortHandle};

use crate::{BoxError, Error, Shutdown, error::chain};

#[cfg(test)]
mod tests;

/// What a task means to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// What happens to it when the process drains.
    pub on_cancel: OnCancel,
    /// What happens to the process when it fails or panics.
    pub on_error: OnError,
}

/// What happens to a task when the process drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It is waited for, up to the drain's deadline; it watches [`Shutdown`] itself.
    Wait,
    /// It is dropped at once.
    Abort,
}

/// What happens to the process when a task fails or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The error is logged.
    Log,
    /// The error is logged, the process drains and [`Tasks::failure`] tells of it.
    Stop,
}

impl Kind {
    /// A service: waited for; without it the process is no use.
    pub const SERVICE: Self = Self {
        on_cancel: OnCancel::Wait,
        on_error: OnError::Stop,
    };
    /// A chore that may be cut anywhere: dropped; the process goes on without it.
    pub const CHORE: Self = Self {
        on_cancel: OnCancel::Abort,
        on_error: OnError::Log,
    };
}

/// The process's tasks; a clone is the same set.
#[derive(Debug, Clone)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shutdown: Shutdown,
    state: Mutex<State>,
    /// How many run; what a drain waits on.
    running: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    tasks: BTreeMap<u64, Task>,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Task {
    name: String,
    kind: Kind,
    /// None for threads, which nobody can drop.
    abort: Option<AbortHandle>,
}

impl Tasks {
    /// An empty set that ends with `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner {
            shutdown,
            state: Mutex::default(),
            running: watch::Sender::new(0),
        }))
    }

    /// The token that ends these tasks.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// Runs `future` on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<E, F>(&self, kind: Kind, name: impl Into<String>, future: F)
    where
        E: Into<BoxError>,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let handle = tokio::spawn(async move { future.await.map_err(Into::into) });
        let id = self.add(name.into(), kind, Some(handle.abort_handle()));
        let tasks = self.clone();
        tokio::spawn(async move {
            let outcome = match handle.await {
                Ok(outcome) => outcome,
                Err(end) if end.is_cancelled() => Ok(()),
                Err(end) => Err(panic_error(&*end.into_panic())),
            };
            tasks.ended(id, outcome);
        });
    }

    /// Runs `work` on a thread of its own, for work that has its own runtime or blocks. A thread cannot be dropped:
    /// with [`OnCancel::Abort`] it is merely not waited for.
    ///
    /// # Errors
    /// [`Error::Thread`] if the system gives no thread.
    pub fn thread<E, F>(&self, kind: Kind, name: impl Into<String>, work: F) -> Result<(), Error>
    where
        E: Into<BoxError>,
        F: FnOnce() -> Result<(), E> + Send + 'static,
    {
        let name = name.into();
        let id = self.add(name.clone(), kind, None);
        let tasks = self.clone();
        let started = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(work));
                tasks.ended(
                    id,
                    outcome.map_or_else(
                        |panic| Err(panic_error(&*panic)),
                        |done| done.map_err(Into::into),
                    ),
                );
            });
        if let Err(source) = started {
            self.ended(id, Ok(()));
            return Err(Error::Thread { name, source });
        }
        Ok(())
    }

    /// The names of what runs.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state()
            .tasks
            .values()
            .map(|task| task.name.clone())
            .collect()
    }

    /// Takes the first error of a task with [`OnError::Stop`], if there was one; the process's exit code depends on it.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.state().failure.take()
    }

    /// Ends the tasks: begins the drain if nobody has, drops those that may be dropped, waits for the rest up to
    /// `deadline` or until [`Shutdown::stopping`], then drops them too.
    ///
    /// # Errors
    /// [`Error::Drain`] names the tasks that did not end by themselves.
    pub async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        self.0.shutdown.drain("drain");
        self.abort(|kind| kind.on_cancel == OnCancel::Abort);
        let begun = tokio::time::Instant::now();
        let mut running = self.0.running.subscribe();
        tokio::select! {
            // The sender lives in `self`, so that waiting cannot fail. Threads that are not waited for are not counted.
            _ = running.wait_for(|count| *count == 0) => return Ok(()),
            () = tokio::time::sleep(deadline) => {}
            () = self.0.shutdown.stopping() => {}
        }
        let names = self.abort(|kind| kind.on_cancel == OnCancel::Wait);
        if names.is_empty() {
            Ok(())
        } else {
            Err(Error::Drain {
                after: begun.elapsed(),
                names,
            })
        }
    }

    fn abort(&self, which: impl Fn(Kind) -> bool) -> Vec<String> {
        let state = self.state();
        let chosen = state.tasks.values().filter(|task| which(task.kind));
        chosen
            .map(|task| {
                task.abort.as_ref().inspect(|handle| handle.abort());
                task.name.clone()
            })
            .collect()
    }

    fn add(&self, name: String, kind: Kind, abort: Option<AbortHandle>) -> u64 {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, Task { name, kind, abort });
        self.count(&state);
        id
    }

    fn ended(&self, id: u64, outcome: Result<(), BoxError>) {
        let mut state = self.state();
        let Some(Task { name, kind, .. }) = state.tasks.remove(&id) else {
            return;
        };
        if let Err(source) = outcome {
            tracing::error!(task = name, error = %chain(&*source), "task failed");
            if kind.on_error == OnError::Stop {
                self.0.shutdown.drain("a task failed");
                state.failure.get_or_insert(Error::Task { name, source });
            }
        }
        self.count(&state);
    }

    fn count(&self, state: &State) {
        let waited = |task: &&Task| task.abort.is_some() || task.kind.on_cancel == OnCancel::Wait;
        self.0
            .running
            .send_replace(state.tasks.values().filter(waited).count());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; a poisoned one is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panic_error(panic: &(dyn std::any::Any + Send)) -> BoxError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message")).into()
}
