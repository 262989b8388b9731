//! Reading the configuration again: who may ask for it, and what became of it.

use atlas_edge::ReloadReport;
use atlas_runtime::admin::{Operation, Problem, Routes};
use atlas_runtime::config::Loaded;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::sync::{mpsc, oneshot};

use super::node::Node;
use super::{Handles, Source};
use crate::config::Config;
use crate::error::Error;

/// Requests that wait while one is performed; further ones wait for these.
const WAITING_MAX: usize = 8;

/// To whoever asked over the admin API.
pub(super) type Reply = oneshot::Sender<Result<ReloadReport, Problem>>;

/// The route, and the requests that come by it.
pub(super) fn route() -> (Routes, mpsc::Receiver<Reply>) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (routes().with_state(sender), receiver)
}

/// The binary's own part of the admin API, without a node.
pub(super) fn operations() -> Vec<Operation> {
    routes().operations().to_vec()
}

fn routes() -> Routes<mpsc::Sender<Reply>> {
    let what = "Reads the configuration again: what changed, or 422 and nothing did because something is wrong with it";
    Routes::new().add(
        Operation::post("/v1/reload", what).json::<ReloadReport>(200),
        post(ask),
    )
}

async fn ask(State(sender): State<mpsc::Sender<Reply>>) -> Result<Json<ReloadReport>, Problem> {
    let (reply, answer) = oneshot::channel();
    let stopping = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node is stopping");
    sender.send(reply).await.map_err(|_| stopping())?;
    Ok(Json(answer.await.map_err(|_| stopping())??))
}

/// Reads the configuration again and tells the log and whoever asked. All of it is read and checked before any of it is
/// in force.
pub(super) async fn perform(
    node: &mut Node,
    roles: &Handles,
    source: &Source<'_>,
    reply: Option<Reply>,
) {
    let ended = take_over(node, roles, source).await;
    if let Err(error) = &ended {
        tracing::error!(
            error = causes(error),
            "the configuration was not reloaded; nothing has changed"
        );
    }
    if let Some(reply) = reply {
        // Who does not wait any more finds it in the log.
        let _ = reply.send(ended.map_err(|error| problem(&error)));
    }
}

/// Says that there is nothing to read again.
pub(super) fn refuse(reply: Reply, why: &str) {
    let _ = reply.send(Err(Problem::new(StatusCode::CONFLICT, why)));
}

async fn take_over(
    node: &mut Node,
    roles: &Handles,
    source: &Source<'_>,
) -> Result<ReloadReport, Error> {
    let Loaded { config, .. } = source()?;
    let mut report = ReloadReport::default();
    if !roles.stores.is_empty() {
        // Before anything is in force.
        atlas_store::Handle::check_files(&config.store)?;
    }
    for edge in &roles.edges {
        let of_edge = edge.reload(&config.edge()).await?;
        report.added.extend(of_edge.added);
        report.changed.extend(of_edge.changed);
        report.removed.extend(of_edge.removed);
        report.applied.extend(of_edge.applied);
        report.restart.extend(of_edge.restart);
    }
    for store in &roles.stores {
        let of_store = store.reload(&config.store).await?;
        report.applied.extend(of_store.applied);
        report.restart.extend(of_store.restart);
    }
    let differing = differing(&node.config, &config);
    node.reload(&config)?;
    let (applied, restart): (Vec<_>, Vec<_>) =
        differing.into_iter().partition(|key| key == "log.level");
    report.applied.extend(applied);
    report.restart.extend(restart);
    Ok(report)
}

/// The keys of the process's own sections that differ.
fn differing(running: &Config, wanted: &Config) -> Vec<String> {
    let sections = |config: &Config| {
        serde_json::json!({
            "node": config.node, "log": config.log, "admin": config.admin, "metrics": config.metrics,
        })
    };
    let (running, wanted) = (sections(running), sections(wanted));
    let mut keys = Vec::new();
    for (section, values) in running.as_object().into_iter().flatten() {
        for (key, value) in values.as_object().into_iter().flatten() {
            if wanted[section][key] != *value {
                keys.push(format!("{section}.{key}"));
            }
        }
    }
    keys
}

fn problem(error: &Error) -> Problem {
    let status = match error {
        Error::Config(_) | Error::Edge(_) | Error::Store(_) | Error::Runtime(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, causes(error))
}

fn causes(error: &Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    let mut causes: Vec<_> = causes.map(ToString::to_string).collect();
    // A message that holds the next one's words says them once.
    causes.dedup_by(|next, before| before.contains(next.as_str()));
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_process_are_named() {
        let running = Config::default();
        let mut wanted = Config::default();
        assert!(differing(&running, &wanted).is_empty());
        wanted.log.level = "debug".to_owned();
        wanted.node.data_dir = Some("/srv/atlas".into());
        wanted.metrics.aliases = true;
        let mut keys = differing(&running, &wanted);
        keys.sort_unstable();
        assert_eq!(keys, ["log.level", "metrics.aliases", "node.data-dir"]);
    }
}
